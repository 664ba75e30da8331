/* Channels first to channels last. */
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv_pack.h"

enum { RUN = 256 }; /* pixels at a time */

typedef struct turn {
    const tw_conv_type *type;
    const tw_tensor *t;
    char *to;
    int64_t width, runs; /* of a row, of its pixels in RUNs; a whole volume counts as one row where it is contiguous */
    size_t size;
} turn;

static void copy_pixels(const turn *u, int64_t n, const char *from, char *to) {
    const int64_t *st = u->t->strides, channels = u->t->sizes[1];
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < channels; c++) {
            int64_t at = i * st[4] + c * st[1];
            if (u->size == sizeof(float)) ((float *)(void *)to)[i * channels + c] = ((const float *)(const void *)from)[at];
            else ((double *)(void *)to)[i * channels + c] = ((const double *)(const void *)from)[at];
        }
    }
}

static void turn_some(void *context, int64_t begin, int64_t end) {
    const turn *u = context;
    const int64_t *st = u->t->strides, *n = u->t->sizes;
    int64_t rows = n[2] * n[3] * n[4] / u->width;
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i / u->runs, x = i % u->runs * RUN, y = row % rows % n[3], z = row % rows / n[3], image = row / rows;
        int64_t now = u->width - x < RUN ? u->width - x : RUN;
        const char *from = (const char *)tw_data(u->t) + (image * st[0] + z * st[2] + y * st[3] + x * st[4]) * (int64_t)u->size;
        char *to = u->to + (size_t)((row * u->width + x) * n[1]) * u->size;
        if (st[4] == 1) u->type->to_last(now, n[1], from, st[1], to, n[1]);
        else copy_pixels(u, now, from, to);
    }
}

void tw_conv_turn(const tw_conv_type *type, const tw_tensor *t, char *to) {
    const int64_t *st = t->strides, *n = t->sizes;
    bool whole = st[3] == n[4] * st[4] && st[2] == n[3] * st[3];
    turn u = {type, t, to, whole ? n[2] * n[3] * n[4] : n[4], 0, tw_dtype_size((tw_dtype)t->dtype)};
    u.runs = (u.width + RUN - 1) / RUN;
    tw_parallel(t->numel / n[1] / u.width * u.runs, 1 + (1 << 15) / (RUN * n[1]), turn_some, &u);
}
