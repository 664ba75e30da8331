/* Convolutions as packed products: patches are gathered while packing, never stored as a whole. This is the way of few channels
 * and windows of one row; the others are those of conv_depthwise.c, conv_point.c (windows of one element) and, with channels last, conv_last.c
 * and conv_weight.c.
 *   forward: y(o, place) = w(o, line) @ patches(line, place) for each image; a line is one (channel, z, y, x) of the window
 *   input:   x(c, pixel) = w'(c, line) @ patches of y(line, pixel), the window sliding over y; or, with strides or few channels,
 *            w'(line, o) @ y(o, place) added back to the pixels that the lines were taken from
 *   weight:  w(o, line) = y(o, place) @ patches(place, line) summed over chunks of images that depend on the shape only */
#include "core/memory.h"
#include "core/threads.h"
#include "ops/conv.h"
#include "ops/conv_pack.h"
#include "ops/linalg.h"
#include "ops/linalg_gemm.h"
#include <stdatomic.h>
#include <string.h>

enum { CHUNKS = 8, FEW_RESULTS = 8192, FOLD_LINES = 512, FOLD_BYTES = 1 << 19 };

typedef struct job {
    const tw_conv_shape *s;
    tw_dtype dtype;          /* that it is computed in: float32 or float64 */
    size_t size;
    const tw_tensor *x, *y;  /* the read ones; the one written is `to` */
    bool fold;               /* input: the second way */
    char *weight;            /* dense, of dtype; forward and fold: (o, c, ky, kx), input: (group, o, ky, kx, c) */
    char *to;                /* of dtype */
    int64_t to_image, to_channel, to_place; /* strides of `to`: one of the last two is 1 */
    const void *bias;        /* dense, of dtype; NULL if none */
    char *packed;            /* the weights as packed rows, `packed_group` bytes a group; NULL if they are columns */
    size_t packed_group;
    char *chunks;            /* weight: partial sums */
    atomic_bool failed;
} job;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t volume(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

static tw_unfold unfold_of(const tw_conv_shape *s, const tw_tensor *t) {
    const int64_t *d = t->strides, *n = t->sizes;
    return (tw_unfold){.image_stride = d[0], .channel_stride = d[1], .z_stride = d[2], .y_stride = d[3], .x_stride = d[4], .depth = n[2],
                       .height = n[3], .width = n[4], .window_z = s->window[0], .window_y = s->window[1], .window_x = s->window[2],
                       .stride_z = s->stride[0], .stride_y = s->stride[1], .stride_x = s->stride[2], .padding_z = s->padding[0],
                       .padding_y = s->padding[1], .padding_x = s->padding[2], .dilation_z = s->dilation[0], .dilation_y = s->dilation[1],
                       .dilation_x = s->dilation[2], .places_z = s->out[0], .places_y = s->out[1], .places_x = s->out[2]};
}

/* A window of one element over rows without gaps: a plane is one long row, and planes without gaps are one. */
static void flatten_planes(tw_unfold *u) {
    bool one = u->window_y == 1 && u->window_x == 1 && u->stride_y == 1 && u->stride_x == 1 && u->padding_y == 0 && u->padding_x == 0;
    if (!one || u->y_stride != u->width * u->x_stride) return;
    u->width *= u->height, u->places_x *= u->places_y;
    u->height = u->places_y = 1, u->y_stride = 0;
    if (u->window_z > 1 || u->stride_z > 1 || u->padding_z > 0 || u->z_stride != u->width * u->x_stride) return;
    u->width *= u->depth, u->places_x *= u->places_z;
    u->depth = u->places_z = 1, u->z_stride = 0;
}

/* The patches of a flattened window of one element are the image itself: lines of channels. */
static tw_gemm_operand patches_of(const tw_unfold *u, const void *data, int8_t dtype) {
    bool same = u->depth == 1 && u->height == 1 && u->window_z == 1 && u->window_y == 1 && u->window_x == 1 && u->places_x == u->width &&
                u->stride_x == 1 && u->padding_z == 0 && u->padding_y == 0 && u->padding_x == 0;
    return (tw_gemm_operand){.data = data, .unfold = same ? NULL : u, .dtype = dtype, .lines_are_k = true, .line_stride = u->channel_stride,
                             .step = u->x_stride};
}

static const char *at(const tw_tensor *t, int64_t elements) {
    return (const char *)tw_data(t) + elements * (int64_t)tw_dtype_size((tw_dtype)t->dtype);
}

static const tw_gemm_type *kernels_of(const job *j) { return j->dtype == TW_FLOAT32 ? &tw_gemm()->f32 : &tw_gemm()->f64; }

/* The product of weights (rows) and patches (places) to the tensor written, whichever of its strides is 1. */
static bool store_product(const job *j, int64_t group, tw_gemm_operand rows, tw_gemm_operand places, int64_t m, int64_t n, int64_t k,
                          char *to, const void *bias) {
    tw_gemm_call g = {.m = m, .n = n, .k = k, .a = rows, .b = places, .c = to, .c_row = j->to_channel, .dtype = j->dtype, .alpha = 1,
                      .beta = 1, .d = bias, .d_row = 1, .d_col = 0};
    if (m <= TW_GEMM_FEW && j->to_place == 1) {
        int64_t w_row = rows.lines_are_k ? rows.step : rows.line_stride, w_col = rows.lines_are_k ? rows.line_stride : rows.step;
        kernels_of(j)->few_rows(&places, m, n, k, rows.data, w_row, w_col, to, j->to_channel, bias);
        return true;
    }
    if (j->packed) g.packed_a = j->packed + (size_t)group * j->packed_group;
    if (j->to_place != 1) {
        g.m = n, g.n = m, g.a = places, g.b = rows, g.c_row = j->to_place, g.d_row = 0, g.d_col = 1;
    }
    return tw_gemm_run(&g);
}

static tw_gemm_operand weight_rows(const job *j, int mode, int64_t group) {
    const tw_conv_shape *s = j->s;
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups, window = volume(s->window);
    const char *from = j->weight + (size_t)(group * og * cg * window) * j->size;
    if (j->fold) return tw_gemm_matrix(from, j->dtype, cg * window, 1);
    return mode == CONV_FORWARD ? tw_gemm_matrix(from, j->dtype, 1, cg * window) : tw_gemm_matrix(from, j->dtype, cg, 1);
}

/* Packs the weights once for all images. Does nothing where that does not pay. */
static bool pack_weights(job *j, int mode, size_t *bytes) {
    const tw_conv_shape *s = j->s;
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups, window = volume(s->window);
    tw_gemm_call g = {.m = mode == CONV_FORWARD ? og : cg, .k = (mode == CONV_FORWARD ? cg : og) * window, .dtype = j->dtype};
    if (j->fold) g.m = cg * window, g.k = og;
    if (j->to_place != 1 || s->images < 2 || g.m > TW_GEMM_MAX_M || (g.m <= TW_GEMM_FEW && !j->fold)) return true;
    j->packed_group = tw_gemm_packed_bytes(&g);
    *bytes = j->packed_group * (size_t)s->groups;
    if (!(j->packed = tw_block_alloc(*bytes))) return *bytes == 0;
    for (int64_t i = 0; i < s->groups; i++) {
        g.a = weight_rows(j, mode, i);
        tw_gemm_pack_a(&g, j->packed + (size_t)i * j->packed_group);
    }
    return true;
}

static void forward_some(void *context, int64_t begin, int64_t end) {
    job *j = context;
    const tw_conv_shape *s = j->s;
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups, k = cg * volume(s->window);
    tw_unfold u = unfold_of(s, j->x);
    flatten_planes(&u);
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / s->groups, group = i % s->groups;
        tw_gemm_operand patches = patches_of(&u, at(j->x, image * u.image_stride + group * cg * u.channel_stride), j->x->dtype);
        tw_gemm_operand weight = weight_rows(j, CONV_FORWARD, group);
        char *to = j->to + (image * j->to_image + group * og * j->to_channel) * (int64_t)j->size;
        const void *bias = j->bias ? (const char *)j->bias + (size_t)(group * og) * j->size : NULL;
        if (!store_product(j, group, weight, patches, og, volume(s->out), k, to, bias)) atomic_store(&j->failed, true);
    }
}

static void input_some(void *context, int64_t begin, int64_t end) {
    job *j = context;
    const tw_conv_shape *s = j->s;
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups, k = og * volume(s->window);
    tw_unfold u = unfold_of(s, j->y);
    u.transposed = true, u.places_z = s->in[0], u.places_y = s->in[1], u.places_x = s->in[2];
    flatten_planes(&u);
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / s->groups, group = i % s->groups;
        tw_gemm_operand patches = patches_of(&u, at(j->y, image * u.image_stride + group * og * u.channel_stride), j->y->dtype);
        tw_gemm_operand weight = weight_rows(j, CONV_INPUT, group);
        char *to = j->to + (image * j->to_image + group * cg * j->to_channel) * (int64_t)j->size;
        const void *bias = j->bias ? (const char *)j->bias + (size_t)(group * cg) * j->size : NULL;
        if (!store_product(j, group, weight, patches, cg, volume(s->in), k, to, bias)) atomic_store(&j->failed, true);
    }
}

/* The image before anything is added: its bias, or zero. */
static void start_image(const job *j, int64_t group, int64_t channels, char *to) {
    memset(to, 0, (size_t)(channels * j->to_channel) * j->size);
    for (int64_t c = 0; j->bias && c < channels; c++) {
        for (int64_t i = 0; i < j->to_channel; i++) {
            if (j->dtype == TW_FLOAT32) ((float *)(void *)to)[c * j->to_channel + i] = ((const float *)j->bias)[group * channels + c];
            else ((double *)(void *)to)[c * j->to_channel + i] = ((const double *)j->bias)[group * channels + c];
        }
    }
}

static bool fold_image(job *j, const char *from, int64_t group, char *to) {
    const tw_conv_shape *s = j->s;
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups, lines = cg * volume(s->window);
    int64_t rows = FOLD_BYTES / (lines * s->out[2] * (int64_t)j->size), all = s->out[0] * s->out[1], n = all * s->out[2];
    tw_unfold u = unfold_of(s, j->x);
    u.channel_stride = j->to_channel, u.z_stride = s->in[1] * s->in[2], u.y_stride = s->in[2], u.x_stride = 1;
    rows = rows < 1 ? 1 : smaller(rows, all);
    size_t bytes = (size_t)(lines * rows * s->out[2]) * j->size, item = tw_dtype_size((tw_dtype)j->y->dtype);
    char *columns = tw_block_alloc(bytes);
    if (!columns) return false;
    start_image(j, group, cg, to);
    bool ok = true;
    for (int64_t p = 0; ok && p < n; p += rows * s->out[2]) {
        int64_t now = smaller(n - p, rows * s->out[2]);
        tw_gemm_call g = {.m = lines, .n = now, .k = og, .a = weight_rows(j, CONV_INPUT, group), .c = columns, .c_row = now,
                          .b = tw_gemm_matrix(from + (size_t)p * item, (tw_dtype)j->y->dtype, j->y->strides[1], 1), .dtype = j->dtype,
                          .alpha = 1, .beta = 1};
        if (j->packed) g.packed_a = j->packed + (size_t)group * j->packed_group;
        ok = tw_gemm_run(&g);
        if (ok) kernels_of(j)->fold(&u, lines, p, now, columns, now, to);
    }
    tw_block_free(columns, bytes);
    return ok;
}

static void fold_some(void *context, int64_t begin, int64_t end) {
    job *j = context;
    const tw_conv_shape *s = j->s;
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups;
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / s->groups, group = i % s->groups;
        char *to = j->to + (image * j->to_image + group * cg * j->to_channel) * (int64_t)j->size;
        const char *from = at(j->y, image * j->y->strides[0] + group * og * j->y->strides[1]);
        if (!fold_image(j, from, group, to)) atomic_store(&j->failed, true);
    }
}

/* Whether to fold: strides would waste most of the sliding window's products, few channels its packing. */
static bool folds(const job *j) {
    const tw_conv_shape *s = j->s;
    const int64_t *st = j->y->strides;
    bool rows = j->to_place == 1 && j->to_channel == volume(s->in) && st[4] == 1 && st[3] == s->out[2] && st[2] == s->out[1] * s->out[2];
    int64_t lines = s->channels / s->groups * volume(s->window);
    bool strided = s->stride[0] > 1 || s->stride[1] > 1 || s->stride[2] > 1;
    return rows && s->filters / s->groups > TW_GEMM_FEW && (strided || lines <= FOLD_LINES);
}

static bool weight_product(const job *j, tw_gemm_operand a, tw_gemm_operand b, int64_t m, int64_t n, int64_t k, char *to) {
    if (m * n > FEW_RESULTS) {
        tw_gemm_call g = {.m = m, .n = n, .k = k, .a = a, .b = b, .c = to, .c_row = n, .dtype = j->dtype, .alpha = 1, .beta = 1};
        return tw_gemm_run(&g);
    }
    size_t lanes = (size_t)(m * n * TW_GEMM_LANES) * j->size, bytes = lanes + (size_t)(m * TW_GEMM_RUN) * j->size;
    char *room = tw_block_alloc(bytes);
    if (!room) return false;
    kernels_of(j)->few_results(&a, &b, m, n, k, to, n, room, room + lanes);
    tw_block_free(room, bytes);
    return true;
}

/* One chunk of images into its partial sum. */
static void weight_some(void *context, int64_t begin, int64_t end) {
    job *j = context;
    const tw_conv_shape *s = j->s;
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups, lines = cg * volume(s->window);
    int64_t places = volume(s->out), each = j->chunks ? (s->images + CHUNKS - 1) / CHUNKS : s->images;
    tw_unfold patch = unfold_of(s, j->x), pixel = unfold_of(s, j->y);
    pixel.window_z = pixel.window_y = pixel.window_x = pixel.stride_z = pixel.stride_y = pixel.stride_x = 1;
    pixel.dilation_z = pixel.dilation_y = pixel.dilation_x = 1;
    pixel.padding_z = pixel.padding_y = pixel.padding_x = 0;
    flatten_planes(&pixel);
    flatten_planes(&patch);
    for (int64_t i = begin; i < end; i++) {
        int64_t chunk = i / s->groups, group = i % s->groups, first = smaller(chunk * each, s->images);
        int64_t images = smaller(s->images - first, each);
        tw_gemm_operand a = {.data = at(j->y, first * pixel.image_stride + group * og * pixel.channel_stride), .unfold = &pixel,
                             .dtype = j->y->dtype};
        tw_gemm_operand b = {.data = at(j->x, first * patch.image_stride + group * cg * patch.channel_stride), .unfold = &patch,
                             .dtype = j->x->dtype};
        char *to = j->chunks ? j->chunks + (size_t)((chunk * s->filters + group * og) * lines) * j->size
                             : j->to + (size_t)(group * og * lines) * j->size;
        if (!weight_product(j, a, b, og, lines, images * places, to)) atomic_store(&j->failed, true);
    }
}

static void add_chunks(const job *j, int64_t n) {
    for (int64_t c = 0; c < CHUNKS; c++) {
        if (j->dtype == TW_FLOAT32) {
            const float *from = (const float *)(void *)j->chunks + c * n;
            float *to = (float *)(void *)j->to;
            for (int64_t i = 0; i < n; i++) to[i] = c ? to[i] + from[i] : from[i];
        } else {
            const double *from = (const double *)(void *)j->chunks + c * n;
            double *to = (double *)(void *)j->to;
            for (int64_t i = 0; i < n; i++) to[i] = c ? to[i] + from[i] : from[i];
        }
    }
}

/* One run of a tensor to or from dense values. */
static void load_run(const tw_tensor *t, int64_t offset, int64_t step, int64_t n, char *to) {
    const char *from = at(t, offset);
    if (t->dtype == TW_FLOAT32) {
        for (int64_t i = 0; i < n; i++) ((float *)(void *)to)[i] = ((const float *)(const void *)from)[i * step];
    } else {
        for (int64_t i = 0; i < n; i++) ((double *)(void *)to)[i] = ((const double *)(const void *)from)[i * step];
    }
}

static void store_run(const tw_tensor *t, int64_t offset, int64_t step, int64_t n, const char *from) {
    char *to = (char *)tw_data(t) + offset * (int64_t)tw_dtype_size((tw_dtype)t->dtype);
    if (t->dtype == TW_FLOAT32) {
        for (int64_t i = 0; i < n; i++) ((float *)(void *)to)[i * step] = ((const float *)(const void *)from)[i];
    } else {
        for (int64_t i = 0; i < n; i++) ((double *)(void *)to)[i * step] = ((const double *)(const void *)from)[i];
    }
}

/* Between t, its dimensions taken in `order`, and dense values. */
static void transfer(const tw_tensor *t, const int *order, char *dense, bool store) {
    int64_t n[5], st[5];
    size_t size = tw_dtype_size((tw_dtype)t->dtype);
    for (int i = 0; i < 5; i++) n[i] = t->sizes[order[i]], st[i] = t->strides[order[i]];
    for (int64_t a = 0; a < n[0]; a++)
    for (int64_t b = 0; b < n[1]; b++)
    for (int64_t c = 0; c < n[2]; c++)
    for (int64_t d = 0; d < n[3]; d++, dense += (size_t)n[4] * size) {
        int64_t offset = a * st[0] + b * st[1] + c * st[2] + d * st[3];
        if (store) store_run(t, offset, st[4], n[4], dense);
        else load_run(t, offset, st[4], n[4], dense);
    }
}

/* Where products go: into t itself if rows of places or of channels are contiguous there, else (false) to a dense buffer. */
static bool direct(job *j, const tw_tensor *t) {
    const int64_t *n = t->sizes, *st = t->strides;
    if (st[3] != st[4] * n[4] || st[2] != st[3] * n[3]) return false;
    j->to_image = st[0];
    if (st[4] == 1) return j->to_channel = st[1], j->to_place = 1, true;
    if (st[1] == 1) return j->to_channel = 1, j->to_place = st[4], true;
    return false;
}

static bool run_mode(job *j, int mode, int64_t numel) {
    const tw_conv_shape *s = j->s;
    int64_t lines = s->channels / s->groups * volume(s->window);
    if (mode != CONV_WEIGHT) {
        int64_t n = s->images * s->groups;
        int64_t grain = 1 + (int64_t)(1e6 / (2.0 * (double)lines * (double)s->filters / (double)s->groups * (double)volume(s->out) + 1));
        void (*body)(void *, int64_t, int64_t) = mode == CONV_FORWARD ? forward_some : j->fold ? fold_some : input_some;
        size_t packed = 0;
        if (!pack_weights(j, mode, &packed)) return false;
        if (n >= 2 * tw_num_threads()) tw_parallel(n, grain, body, j);
        else body(j, 0, n);
        tw_block_free(j->packed, packed);
        return true;
    }
    bool split = s->images >= CHUNKS && numel <= 1 << 17;
    size_t bytes = split ? (size_t)numel * CHUNKS * j->size : 0;
    if (!split) {
        weight_some(j, 0, s->groups);
        return true;
    }
    if (!(j->chunks = tw_block_alloc(bytes))) return false;
    tw_parallel(CHUNKS * s->groups, 1, weight_some, j);
    add_chunks(j, numel);
    tw_block_free(j->chunks, bytes);
    return true;
}

/* Are the channels of several contiguous? */
static bool has_channels_last(const tw_tensor *t) { return t->strides[1] == 1 && t->sizes[1] > 1; }

/* Whether it is worth turning tensors whose channels come first: not for windows of one row without strides, which are runs of the rows
 * already, nor for so few channels that vectors of them would be mostly empty. */
static bool worth_turning(const tw_conv_shape *s, int mode) {
    bool runs = s->window[0] == 1 && s->window[1] == 1 && s->stride[0] == 1 && s->stride[1] == 1 && s->stride[2] == 1;
    int64_t cg = s->channels / s->groups, og = s->filters / s->groups, lines = cg * volume(s->window);
    if (mode == CONV_WEIGHT) return lines >= 32;
    return !runs && (mode == CONV_FORWARD ? og >= 16 && lines >= 32 : cg >= 16);
}

/* With channels last, or as they lie for windows of one element. *done says whether. */
static bool run_last(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y, bool *done) {
    tw_dtype dtype = (tw_dtype)w->dtype;
    bool last = has_channels_last(x) || (has_channels_last(y) && (mode != CONV_FORWARD || s->channels > 1)); /* one channel is both */
    const tw_tensor *from = mode == CONV_FORWARD ? x : y, *to = mode == CONV_FORWARD ? y : x;
    const bool point = !last && tw_conv_is_point(s, mode, from, to);
    *done = last || point || worth_turning(s, mode);
    if (mode == CONV_WEIGHT) *done = *done && tw_conv_weight_fits(s, dtype);
    if (!*done) return true;
    if (mode == CONV_WEIGHT) return tw_conv_weight(s, x, y, w);
    size_t bytes = bias ? (size_t)bias->numel * tw_dtype_size(dtype) : 0;
    char *copy = tw_block_alloc(bytes);
    if (bytes && !copy) return false;
    if (bias) load_run(bias, 0, bias->strides[0], bias->numel, copy);
    bool ok = point ? tw_conv_point(s, mode, from, w, copy, to) : tw_conv_last(s, mode, x, w, copy, y);
    tw_block_free(copy, bytes);
    return ok || tw_failed() ? ok : tw_fail_memory(0);
}

bool tw_conv_packed(const tw_conv_shape *s, int mode, const tw_tensor *x, const tw_tensor *w, const tw_tensor *bias, const tw_tensor *y) {
    static const int orders[2][5] = {{0, 1, 2, 3, 4}, {0, 2, 3, 4, 1}};
    if (tw_conv_is_depthwise(s, x, y)) return tw_conv_depthwise(s, mode, x, w, bias, y);
    bool done, fine = run_last(s, mode, x, w, bias, y, &done);
    if (done) return fine;
    const tw_tensor *to = mode == CONV_FORWARD ? y : mode == CONV_INPUT ? x : w;
    job j = {.s = s, .dtype = (tw_dtype)to->dtype, .x = x, .y = y};
    j.size = tw_dtype_size(j.dtype);
    size_t weight_bytes = mode == CONV_WEIGHT ? 0 : (size_t)w->numel * j.size, to_bytes = (size_t)to->numel * j.size;
    size_t bias_bytes = bias ? (size_t)bias->numel * j.size : 0;
    char *dense = NULL, *bias_copy = NULL;
    bool ok = false, in_place = mode == CONV_WEIGHT ? tw_is_contiguous(to) : direct(&j, to);
    if (weight_bytes && !(j.weight = tw_block_alloc(weight_bytes))) goto done;
    if (!in_place && !(dense = tw_block_alloc(to_bytes))) goto done;
    if (bias_bytes && !(bias_copy = tw_block_alloc(bias_bytes))) goto done;
    if (!in_place && mode != CONV_WEIGHT) {
        j.to_place = 1, j.to_channel = to->numel / (to->sizes[0] * to->sizes[1]), j.to_image = j.to_channel * to->sizes[1];
    }
    j.fold = mode == CONV_INPUT && folds(&j);
    if (weight_bytes) transfer(w, orders[mode == CONV_INPUT && !j.fold], j.weight, false);
    if (bias_bytes) {
        load_run(bias, 0, bias->strides[0], bias->numel, bias_copy);
        j.bias = bias_copy;
    }
    j.to = in_place ? tw_data(to) : dense;
    ok = run_mode(&j, mode, to->numel);
    if (atomic_load(&j.failed)) ok = tw_failed() ? false : tw_fail_memory(0);
    if (ok && dense) transfer(to, orders[0], dense, true);
done:
    tw_block_free(j.weight, weight_bytes);
    tw_block_free(dense, to_bytes);
    tw_block_free(bias_copy, bias_bytes);
    return ok;
}
