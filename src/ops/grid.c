/* Images sampled at the places of a grid, whose coordinates run from -1 to 1: x, y and (in three dimensions) z; and both gradients. */
#include "kernels/grid.h"
#include "core/error.h"
#include "core/threads.h"
#include "ops/copy.h"
#include "ops/normalize.h"
#include "ops_decl.h"
#include <math.h>
#include <string.h>

enum { BLOCK = TW_GRID_BLOCK, GROUP = TW_GRID_GROUP, MOST_TAPS = 16 }; /* 16: 4 x 4 of bicubic */
enum { BILINEAR = TW_GRID_BILINEAR, NEAREST = TW_GRID_NEAREST, BICUBIC = TW_GRID_BICUBIC };
enum { ZEROS = TW_GRID_ZEROS, REFLECTION = TW_GRID_REFLECTION };
typedef tw_sampling sampling;

#define NAME f32
#define T float
#define FMA fmaf
#define FLOOR floorf
#define ROUND nearbyintf
#include "ops/grid_type.h"
#define NAME f64
#define T double
#define FMA fma
#define FLOOR floor
#define ROUND nearbyint
#include "ops/grid_type.h"

static const tw_grid_bodies *bodies_of(tw_dtype dtype) {
    static const tw_grid_bodies f32 = {{sample_f32, input_gradient_f32, grid_gradient_f32}};
    static const tw_grid_bodies f64 = {{sample_f64, input_gradient_f64, grid_gradient_f64}};
    return dtype == TW_FLOAT64 ? &f64 : dtype == TW_FLOAT32 ? &f32 : dtype == TW_FLOAT16 ? &tw_grid()->f16 : &tw_grid()->bf16;
}

/* --- checks ----------------------------------------------------------------------------------------------------------- */

static bool fail_sizes(const char *what, const tw_tensor *x, const tw_tensor *grid) {
    return tw_fail(TW_RUNTIME_ERROR, "grid_sampler(): expected %s, but got input with sizes %s and grid with sizes %s", what,
                   tw_sizes_text(x->sizes, x->ndim), tw_sizes_text(grid->sizes, grid->ndim));
}

static bool check_shapes(const tw_tensor *x, const tw_tensor *grid, int dims) {
    if (x->ndim == 0 || grid->ndim == 0) return tw_fail(TW_INDEX_ERROR, "Dimension specified as 0 but tensor has no dimensions");
    if (x->sizes[0] != grid->sizes[0]) return fail_sizes("grid and input to have same batch size", x, grid);
    if (grid->sizes[grid->ndim - 1] != x->ndim - 2) {
        return tw_fail(TW_RUNTIME_ERROR, "grid_sampler(): expected grid to have size %d in last dimension, but got grid with sizes %s", x->ndim - 2,
                       tw_sizes_text(grid->sizes, grid->ndim));
    }
    for (int i = 2; i < x->ndim; i++) {
        if (x->sizes[i] > 0) continue;
        return tw_fail(TW_RUNTIME_ERROR, "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes %s with dimension %d "
                       "being empty", tw_sizes_text(x->sizes, x->ndim), i);
    }
    if (x->ndim == dims + 2 && grid->ndim == dims + 2) return true;
    return fail_sizes(dims == 2 ? "4D input and grid with same number of dimensions" : "5D input and grid with same number of dimensions", x, grid);
}

static bool check_types(const tw_tensor *x, const tw_tensor *grid, int dims) {
    if (!tw_is_float((tw_dtype)x->dtype)) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", dims == 2 ? "grid_sampler_2d_cpu_kernel_impl" : "grid_sampler3d_cpu",
                       tw_dtypes[x->dtype].type_name);
    }
    if (x->dtype == grid->dtype) return true;
    return tw_fail(TW_RUNTIME_ERROR, "expected scalar type %s but found %s", tw_dtypes[x->dtype].type_name, tw_dtypes[grid->dtype].type_name);
}

/* PyTorch gives numbers of no meaning for modes that do not exist. */
static bool check_modes(const tw_arg *a, int dims) {
    if (dims == 3 && a[2].i == BICUBIC) return tw_fail(TW_RUNTIME_ERROR, "grid_sampler(): bicubic interpolation only supports 4D input");
    if (a[2].i < BILINEAR || a[2].i > BICUBIC) {
        return tw_fail(TW_RUNTIME_ERROR, "grid_sampler(): interpolation_mode must be 0 (bilinear), 1 (nearest) or 2 (bicubic), but got %lld",
                       (long long)a[2].i);
    }
    if (a[3].i >= ZEROS && a[3].i <= REFLECTION) return true;
    return tw_fail(TW_RUNTIME_ERROR, "grid_sampler(): padding_mode must be 0 (zeros), 1 (border) or 2 (reflection), but got %lld", (long long)a[3].i);
}

static bool sample_meta(const tw_arg *a, int dims, tw_meta *out) {
    const tw_tensor *x = a[0].t, *grid = a[1].t;
    if (!check_shapes(x, grid, dims) || !check_modes(a, dims) || !check_types(x, grid, dims)) return false;
    int64_t sizes[5] = {x->sizes[0], x->sizes[1]};
    for (int i = 0; i < dims; i++) sizes[2 + i] = grid->sizes[1 + i];
    return tw_meta_set(out, (tw_dtype)x->dtype, x->device, sizes, dims + 2);
}

/* --- runs -------------------------------------------------------------------------------------------------------------- */

/* a: input, grid, interpolation_mode, padding_mode, align_corners. */
static sampling read_call(const tw_arg *a) {
    const tw_tensor *x = a[0].t, *grid = a[1].t;
    sampling s = {.dims = x->ndim - 2, .mode = (int)a[2].i, .padding = (int)a[3].i, .align = a[4].i != 0, .images = x->sizes[0],
                  .channels = x->sizes[1], .in = {1, 1, 1}, .plane = 1, .places = 1};
    for (int i = 0; i < s.dims; i++) {
        s.in[3 - s.dims + i] = x->sizes[2 + i];
        s.plane *= x->sizes[2 + i], s.places *= grid->sizes[1 + i];
    }
    s.blocks = (s.places + BLOCK - 1) / BLOCK, s.groups = (s.channels + GROUP - 1) / GROUP;
    return s;
}

/* Runs a body over n units of about `work` steps each; the dense arguments are borrowed from the tensors. */
static bool run_body(sampling *s, tw_grid_body body, tw_dtype dtype, tw_tensor *x, tw_tensor *grid, tw_tensor *g, tw_tensor *to, int64_t n,
                     int64_t work) {
    tw_dtype compute = tw_dtypes[dtype].compute;
    tw_tensor *places = tw_normalize_input(grid, compute, false), *image = places ? tw_normalize_input(x, compute, false) : NULL;
    tw_tensor *grad = g && image ? tw_normalize_input(g, compute, false) : NULL;
    tw_tensor *made = image && (grad || !g) ? tw_normalize_output(to, compute, false) : NULL;
    if (made) {
        s->x = tw_data(image), s->grid = tw_data(places), s->g = grad ? tw_data(grad) : NULL, s->y = tw_data(made);
        tw_parallel(n, work < 1 << 15 ? (1 << 15) / (work + 1) : 1, bodies_of(dtype)->run[body], s);
    }
    tw_release(places), tw_release(image), tw_release(grad);
    return made && tw_normalize_done(to, made);
}

static bool sample_run(const tw_arg *a, tw_tensor **outs) {
    sampling s = read_call(a);
    if (outs[0]->numel == 0) return true;
    return run_body(&s, TW_GRID_SAMPLE, (tw_dtype)outs[0]->dtype, a[0].t, a[1].t, NULL, outs[0], s.images * s.blocks, s.channels * BLOCK * 4);
}

bool tw_grid_sampler_2d_meta(const tw_arg *a, tw_meta *out) { return sample_meta(a, 2, out); }
bool tw_grid_sampler_3d_meta(const tw_arg *a, tw_meta *out) { return sample_meta(a, 3, out); }
bool tw_grid_sampler_2d_run(const tw_arg *a, tw_tensor **outs) { return sample_run(a, outs); }
bool tw_grid_sampler_3d_run(const tw_arg *a, tw_tensor **outs) { return sample_run(a, outs); }

/* (grad, input, grid, interpolation_mode, padding_mode, align_corners, need_input, need_grid) */
bool tw__grid_sampler_backward_meta(const tw_arg *a, tw_meta *outs) {
    const tw_tensor *x = a[1].t, *grid = a[2].t;
    if (!tw_meta_set(&outs[0], (tw_dtype)x->dtype, x->device, x->sizes, x->ndim)) return false;
    if (!tw_meta_set(&outs[1], (tw_dtype)grid->dtype, grid->device, grid->sizes, grid->ndim)) return false;
    outs[0].absent = !a[6].i, outs[1].absent = !a[7].i;
    return true;
}

bool tw__grid_sampler_backward_run(const tw_arg *a, tw_tensor **outs) {
    sampling s = read_call(a + 1);
    tw_tensor *g = a[0].t, *x = a[1].t, *grid = a[2].t;
    tw_dtype dtype = (tw_dtype)x->dtype;
    if (outs[0] && outs[0]->numel) {
        if (!run_body(&s, TW_GRID_INPUT_GRADIENT, dtype, x, grid, g, outs[0], s.images * s.groups, s.places * GROUP * 4)) return false;
    }
    if (!outs[1] || !outs[1]->numel) return true;
    if (s.mode == NEAREST) return tw_fill(outs[1], tw_float(0));
    return run_body(&s, TW_GRID_GRID_GRADIENT, dtype, x, grid, g, outs[1], s.images * s.blocks, s.channels * BLOCK * 8);
}
