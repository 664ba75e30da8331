/* Channels first to channels last, with or without zeros around the image. */
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv_pack.h"
#include <string.h>

enum { RUN = 256, SOME = 16 }; /* pixels at a time */

typedef struct turn {
    const tw_conv_type *type;
    const tw_tensor *t;
    char *to;
    int64_t width, runs; /* of a row, of its pixels in RUNs; a whole volume counts as one row where it is contiguous */
    size_t size;
    const int64_t *low, *padded; /* zeros before, pixels in all */
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

/* The same pixels of the next row, of all channels: too many streams for a processor to guess. */
static void prefetch_row(const char *from, int64_t channels, size_t step, size_t bytes) {
    for (int64_t c = 0; c < channels; c++, from += step) {
        for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 0, 3);
    }
}

/* Rows of the padded copy. */
static void turn_rows(void *context, int64_t begin, int64_t end) {
    const turn *u = context;
    const int64_t *st = u->t->strides, *n = u->t->sizes, *padded = u->padded, channels = n[1];
    const size_t pixel = (size_t)channels * u->size, left = (size_t)u->low[2] * pixel, row = (size_t)padded[2] * pixel;
    for (int64_t i = begin; i < end; i++) {
        int64_t y = i % padded[1] - u->low[1], z = i / padded[1] % padded[0] - u->low[0], image = i / (padded[1] * padded[0]);
        char *to = u->to + (size_t)i * row;
        if (y < 0 || y >= n[3] || z < 0 || z >= n[2]) {
            memset(to, 0, row);
            continue;
        }
        memset(to, 0, left);
        for (int64_t x = 0; x < n[4]; x += RUN) {
            int64_t now = n[4] - x < RUN ? n[4] - x : RUN;
            const char *from = (const char *)tw_data(u->t) + (image * st[0] + z * st[2] + y * st[3] + x * st[4]) * (int64_t)u->size;
            char *into = to + left + (size_t)x * pixel;
            if (st[1] == 1 || channels == 1) u->type->copy_rows(now, channels, from, st[4], into, channels);
            else if (st[4] == 1) {
                for (int64_t done = 0; done < now; done += SOME) { /* by turns, so that both go on at once */
                    const int64_t some = now - done < SOME ? now - done : SOME;
                    const char *at = from + (size_t)done * u->size;
                    if (y + 1 < n[3]) prefetch_row(at + (size_t)st[3] * u->size, channels, (size_t)st[1] * u->size, (size_t)some * u->size);
                    u->type->to_last(some, channels, at, st[1], into + (size_t)done * pixel, channels);
                }
            } else copy_pixels(u, now, from, into);
        }
        memset(to + left + (size_t)n[4] * pixel, 0, row - left - (size_t)n[4] * pixel);
    }
}

void tw_conv_turn(const tw_conv_type *type, const tw_tensor *t, const int64_t low[3], const int64_t size[3], char *to) {
    const int64_t *st = t->strides, *n = t->sizes;
    if (size[0] != n[2] || size[1] != n[3] || size[2] != n[4]) {
        turn u = {.type = type, .t = t, .to = to, .size = tw_dtype_size((tw_dtype)t->dtype), .low = low, .padded = size};
        tw_parallel(n[0] * size[0] * size[1], 1 + (1 << 15) / (size[2] * n[1]), turn_rows, &u);
        return;
    }
    bool whole = st[3] == n[4] * st[4] && st[2] == n[3] * st[3];
    turn u = {type, t, to, whole ? n[2] * n[3] * n[4] : n[4], 0, tw_dtype_size((tw_dtype)t->dtype), NULL, NULL};
    u.runs = (u.width + RUN - 1) / RUN;
    tw_parallel(t->numel / n[1] / u.width * u.runs, 1 + (1 << 15) / (RUN * n[1]), turn_some, &u);
}
