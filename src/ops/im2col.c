/* Patches of images as columns, and their transpose. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "ops/conv.h"
#include "ops/tile.h"
#include <stdatomic.h>
#include <string.h>

typedef struct patches { int64_t in[2], out[2], window[2], stride[2], padding[2], dilation[2]; } patches;
typedef struct job {
    patches p;
    int64_t channels;
    const tw_tensor *image, *columns; /* of 4 and 3 dimensions; a missing batch has strides[0] not looked at */
    int64_t image_lead, column_lead;  /* strides of the batch */
    bool fold;
    atomic_bool failed;
} job;

/* Steps and paddings beyond it mean the same to any tensor, and their products fit. */
static const int64_t far = (int64_t)1 << 30;

static bool pair(const tw_arg *a, const char *name, int64_t least, int64_t into[2]) {
    into[0] = a->tag == TW_ARG_INTS ? a->ints[0] : tw_a_get_int(a, 1), into[1] = a->tag == TW_ARG_INTS ? a->ints[a->n - 1] : into[0];
    if (a->tag == TW_ARG_INTS && a->n != 2) return tw_fail(TW_RUNTIME_ERROR, "It is expected %s equals to 2, but got size %d", name, a->n);
    if (into[0] >= least && into[1] >= least) return true;
    if (least == 0) {
        return tw_fail(TW_RUNTIME_ERROR, "padding should be non-negative, but got pad_height: %lld pad_width: %lld", (long long)into[0], (long long)into[1]);
    }
    const char *words = strcmp(name, "kernel_size") == 0 ? "kernel" : name;
    return tw_fail(TW_RUNTIME_ERROR, "%s should be greater than zero, but got %s_height: %lld %s_width: %lld", least && words == name ? name : "kernel size",
                   words, (long long)into[0], words, (long long)into[1]);
}

/* kernel_size, dilation, padding, stride. */
static bool read_patches(const tw_arg *a, patches *p) {
    int64_t product, *const rest[] = {p->dilation, p->padding, p->stride};
    if (!pair(&a[0], "kernel_size", 1, p->window) || !pair(&a[1], "dilation", 1, p->dilation) || !pair(&a[2], "padding", 0, p->padding) ||
        !pair(&a[3], "stride", 1, p->stride)) return false;
    if (__builtin_mul_overflow(p->window[0], p->window[1], &product)) {
        return tw_fail(TW_RUNTIME_ERROR, "Given kernel_width = %lld and kernel_height = %lld the product of kernel_width and kernel_height overflowed.",
                       (long long)p->window[1], (long long)p->window[0]);
    }
    for (int i = 0; i < 6; i++)
        if (rest[i / 2][i % 2] > far) rest[i / 2][i % 2] = far;
    return true;
}

static void count_places(patches *p) {
    for (int i = 0; i < 2; i++) {
        int64_t span, room;
        if (__builtin_mul_overflow(p->dilation[i], p->window[i] - 1, &span)) span = INT64_MAX - 1;
        if (__builtin_add_overflow(p->in[i], 2 * p->padding[i] - (span + 1), &room)) room = -1;
        p->out[i] = room < 0 ? 0 : room / p->stride[i] + 1;
    }
}

static bool check_dtype(const tw_tensor *t, const char *name, bool with_bool) {
    tw_dtype d = (tw_dtype)t->dtype;
    if (tw_is_float(d) || d == TW_COMPLEX64 || d == TW_COMPLEX128 || (with_bool && d == TW_BOOL)) return true;
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", name, tw_dtypes[d].type_name);
}

bool tw_im2col_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t;
    patches p;
    if (!read_patches(a + 1, &p)) return false;
    bool valid = x->ndim == 3 || x->ndim == 4;
    for (int i = x->ndim == 4; valid && i < x->ndim; i++) valid = x->sizes[i] != 0;
    if (!valid) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: %s",
                       tw_sizes_text(x->sizes, x->ndim));
    }
    for (int i = 0; i < 2; i++) p.in[i] = x->sizes[x->ndim - 2 + i];
    count_places(&p);
    if (p.out[0] < 1 || p.out[1] < 1) {
        return tw_fail(TW_RUNTIME_ERROR, "Given input with spatial size (%lld, %lld), kernel_size=(%lld, %lld), dilation=(%lld, %lld), padding=(%lld, %lld), "
                       "calculated shape of the array of sliding blocks as (%lld, %lld), but its components must be at least one.", (long long)p.in[0],
                       (long long)p.in[1], (long long)p.window[0], (long long)p.window[1], (long long)p.dilation[0], (long long)p.dilation[1],
                       (long long)p.padding[0], (long long)p.padding[1], (long long)p.out[0], (long long)p.out[1]);
    }
    if (!check_dtype(x, "im2col_out_cpu", true)) return false;
    int64_t sizes[] = {x->sizes[0], p.window[0] * p.window[1], 0};
    if (__builtin_mul_overflow(sizes[1], x->sizes[x->ndim - 3], &sizes[1]) || __builtin_mul_overflow(p.out[0], p.out[1], &sizes[2]))
        return tw_fail(TW_RUNTIME_ERROR, "numel: integer multiplication overflow");
    return tw_meta_set(out, (tw_dtype)x->dtype, x->device, sizes + (x->ndim == 3), x->ndim - 1);
}

/* The source range of one row of places: result o shows source o * stride + shift. */
static void row_range(const patches *p, int64_t kx, int64_t *low, int64_t *high, int64_t *shift) {
    *shift = kx * p->dilation[1] - p->padding[1];
    *low = *shift >= 0 ? 0 : (-*shift + p->stride[1] - 1) / p->stride[1];
    *high = *shift >= p->in[1] ? 0 : (p->in[1] - *shift + p->stride[1] - 1) / p->stride[1];
    if (*high > p->out[1]) *high = p->out[1];
    if (*low > *high) *low = *high;
}

static void gather(void *context, int64_t begin, int64_t end) {
    job *j = context;
    const patches *p = &j->p;
    const int64_t *xs = j->image->strides + j->image->ndim - 3, *cs = j->columns->strides + j->columns->ndim - 2;
    int64_t size = (int64_t)tw_dtype_size((tw_dtype)j->image->dtype), places = p->out[0] * p->out[1];
    int kind = tw_size_index((size_t)size);
    for (int64_t u = begin; u < end; u++) {
        int64_t n = u / j->channels, c = u % j->channels;
        const char *x = (const char *)tw_data(j->image) + (n * j->image_lead + c * xs[0]) * size;
        for (int64_t k = 0; k < p->window[0] * p->window[1]; k++) {
            char *line = (char *)tw_data(j->columns) + (n * j->column_lead + (c * p->window[0] * p->window[1] + k) * cs[0]) * size;
            int64_t low, high, shift;
            row_range(p, k % p->window[1], &low, &high, &shift);
            memset(line, 0, (size_t)(places * size));
            for (int64_t oy = 0; oy < p->out[0]; oy++) {
                int64_t y = oy * p->stride[0] - p->padding[0] + k / p->window[1] * p->dilation[0];
                if (y < 0 || y >= p->in[0] || low >= high) continue;
                tw_move()->move[kind](high - low, line + (oy * p->out[1] + low) * size, size,
                                      x + (y * xs[1] + (low * p->stride[1] + shift) * xs[2]) * size, p->stride[1] * xs[2] * size);
            }
        }
    }
}

/* One plane at a time, in the dtype that is computed in; complex numbers as two parts. */
static void scatter(void *context, int64_t begin, int64_t end) {
    job *j = context;
    const patches *p = &j->p;
    tw_dtype dtype = (tw_dtype)j->image->dtype, part = tw_dtypes[dtype].real, compute = tw_dtypes[part].compute;
    int64_t size = (int64_t)tw_dtype_size(dtype), parts = tw_is_complex(dtype) ? 2 : 1, plane = p->in[0] * p->in[1] * parts;
    const int64_t *xs = j->image->strides + j->image->ndim - 3, *cs = j->columns->strides + j->columns->ndim - 2;
    size_t bytes = (size_t)plane * 8, row_bytes = (size_t)(p->out[1] + p->in[1]) * 32;
    char *sums = tw_block_alloc(bytes), *row = tw_block_alloc(row_bytes), *wide = row ? row + (p->out[1] + p->in[1]) * 16 : NULL;
    if (!sums || !row) atomic_store(&j->failed, true);
    int kind = tw_size_index((size_t)size);
    for (int64_t u = begin; u < end && !atomic_load(&j->failed); u++) {
        int64_t n = u / j->channels, c = u % j->channels;
        memset(sums, 0, bytes);
        for (int64_t k = 0; k < p->window[0] * p->window[1]; k++) {
            const char *line = (const char *)tw_data(j->columns) + (n * j->column_lead + (c * p->window[0] * p->window[1] + k) * cs[0]) * size;
            int64_t low, high, shift;
            row_range(p, k % p->window[1], &low, &high, &shift);
            for (int64_t oy = 0; oy < p->out[0]; oy++) {
                int64_t y = oy * p->stride[0] - p->padding[0] + k / p->window[1] * p->dilation[0];
                if (y < 0 || y >= p->in[0] || low >= high) continue;
                tw_move()->move[kind](high - low, row, size, line + (oy * p->out[1] + low) * cs[1] * size, cs[1] * size);
                tw_cast((high - low) * parts, wide, compute, row, part);
                int64_t at = (y * p->in[1] + low * p->stride[1] + shift) * parts;
                for (int64_t i = 0; i < (high - low) * parts; i++) {
                    int64_t to = at + i / parts * p->stride[1] * parts + i % parts;
                    if (compute == TW_FLOAT64) ((double *)(void *)sums)[to] += ((const double *)(void *)wide)[i];
                    else ((float *)(void *)sums)[to] += ((const float *)(void *)wide)[i];
                }
            }
        }
        for (int64_t y = 0; y < p->in[0]; y++) {
            int64_t count = p->in[1] * parts;
            tw_cast(count, row, part, sums + y * count * (int64_t)tw_dtype_size(compute), compute);
            tw_move()->move[kind](p->in[1], (char *)tw_data(j->image) + (n * j->image_lead + c * xs[0] + y * xs[1]) * size, xs[2] * size, row, size);
        }
    }
    tw_block_free(sums, bytes), tw_block_free(row, row_bytes);
}

static bool run(const patches *p, const tw_tensor *image, const tw_tensor *columns, bool fold) {
    if (image->numel == 0 || columns->numel == 0) return true;
    job j = {.p = *p, .channels = image->sizes[image->ndim - 3], .image = image, .columns = columns, .fold = fold,
             .image_lead = image->ndim == 4 ? image->strides[0] : 0, .column_lead = columns->ndim == 3 ? columns->strides[0] : 0};
    int64_t units = (image->ndim == 4 ? image->sizes[0] : 1) * j.channels;
    tw_parallel(units, 1 + 16384 / (columns->numel / units + 1), fold ? scatter : gather, &j);
    if (!atomic_load(&j.failed)) return true;
    return tw_failed() ? false : tw_fail_memory(0);
}

bool tw_im2col_run(const tw_arg *a, tw_tensor **out) {
    patches p;
    if (!read_patches(a + 1, &p)) return false;
    for (int i = 0; i < 2; i++) p.in[i] = a[0].t->sizes[a[0].t->ndim - 2 + i];
    count_places(&p);
    return run(&p, a[0].t, out[0], false);
}

/* col2im(self, output_size, kernel_size, dilation, padding, stride) */
static bool read_fold(const tw_arg *a, patches *p) {
    if (!pair(&a[1], "output_size", 1, p->in) || !read_patches(a + 2, p)) return false;
    count_places(p);
    return true;
}

bool tw_col2im_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t;
    patches p;
    if (!read_fold(a, &p)) return false;
    bool valid = x->ndim == 2 || x->ndim == 3;
    for (int i = x->ndim == 3; valid && i < x->ndim; i++) valid = x->sizes[i] != 0;
    if (!valid) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but "
                       "got: %s", tw_sizes_text(x->sizes, x->ndim));
    }
    int64_t lines = x->sizes[x->ndim - 2], window = p.window[0] * p.window[1], places;
    if (__builtin_mul_overflow(p.out[0], p.out[1], &places)) return tw_fail(TW_RUNTIME_ERROR, "numel: integer multiplication overflow");
    if (lines % window) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=%lld and "
                       "kernel_size=(%lld, %lld).", (long long)lines, (long long)p.window[0], (long long)p.window[1]);
    }
    if (x->sizes[x->ndim - 1] != places) {
        return tw_fail(TW_RUNTIME_ERROR, "Given output_size=(%lld, %lld), kernel_size=(%lld, %lld), dilation=(%lld, %lld), padding=(%lld, %lld), "
                       "stride=(%lld, %lld), expected size of input's dimension 2 to match the calculated number of sliding blocks %lld * %lld = %lld, but "
                       "got input.size(2)=%lld.", (long long)p.in[0], (long long)p.in[1], (long long)p.window[0], (long long)p.window[1],
                       (long long)p.dilation[0], (long long)p.dilation[1], (long long)p.padding[0], (long long)p.padding[1], (long long)p.stride[0],
                       (long long)p.stride[1], (long long)p.out[0], (long long)p.out[1], (long long)places, (long long)x->sizes[x->ndim - 1]);
    }
    if (!check_dtype(x, "col2im_out_cpu", true)) return false;
    if (x->dtype == TW_BOOL) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "col2im: bool is not implemented");
    int64_t sizes[] = {x->sizes[0], lines / window, p.in[0], p.in[1]};
    return tw_meta_set(out, (tw_dtype)x->dtype, x->device, sizes + (x->ndim == 2), x->ndim + 1);
}

bool tw_col2im_run(const tw_arg *a, tw_tensor **out) {
    patches p;
    return read_fold(a, &p) && run(&p, out[0], a[0].t, true);
}
