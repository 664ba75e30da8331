/* Interpolation by name: each is _resample with its mode. */
#include "composite/boxed.h"
#include "ops_decl.h"

static bool resample(const tw_arg *self, int mode, const int64_t *sizes, int dims, bool align, const double *scales, tw_tensor **outs) {
    const tw_arg factors = {.doubles = scales, .n = dims, .tag = TW_ARG_DOUBLES};
    outs[0] = CALL(_resample, *self, I(mode), INTS(sizes, dims), B(align), factors);
    return outs[0] != NULL;
}

/* output_size and one optional scale for each dimension. */
static bool sized(const tw_arg *self, const tw_arg *size, bool align, const tw_arg *scales, int mode, int dims, tw_tensor **outs) {
    int64_t sizes[3];
    double factors[3];
    if (size->tag == TW_ARG_INTS && size->n != dims) {
        return tw_fail(TW_RUNTIME_ERROR, "It is expected output_size equals to %d, but got size %d", dims, size->n);
    }
    for (int i = 0; i < dims; i++) {
        sizes[i] = size->tag == TW_ARG_INTS ? size->ints[i] : tw_a_get_int(size, 0);
        factors[i] = tw_a_get_double(&scales[i], 0);
    }
    return resample(self, mode, sizes, dims, align, factors, outs);
}

/* output_size, or scales that it follows from. */
static bool scaled(const tw_arg *self, const tw_arg *size, bool align, const tw_arg *scales, int mode, int dims, tw_tensor **outs) {
    int64_t sizes[3];
    double factors[3] = {0, 0, 0};
    const tw_tensor *x = self->t;
    bool by_size = size->tag == TW_ARG_INTS, by_scale = scales->tag == TW_ARG_DOUBLES;
    if (by_size == by_scale) return tw_fail(TW_RUNTIME_ERROR, "Must specify exactly one of output_size and scale_factors");
    if (x->ndim != dims + 2) return tw_fail(TW_RUNTIME_ERROR, "It is expected input_size equals to %d, but got size %d", dims + 2, x->ndim);
    int given = by_size ? size->n : scales->n;
    if (given != dims) return tw_fail(TW_RUNTIME_ERROR, "It is expected output_size equals to %d, but got size %d", dims, given);
    for (int i = 0; i < dims; i++) {
        if (by_scale) factors[i] = scales->doubles[i];
        sizes[i] = by_size ? size->ints[i] : (int64_t)((double)x->sizes[i + 2] * factors[i]);
    }
    return resample(self, mode, sizes, dims, align, factors, outs);
}

#define PLAIN(NAME, MODE, N) \
    bool tw_##NAME##_composite(const tw_arg *a, tw_tensor **outs) { return sized(&a[0], &a[1], false, a + 2, MODE, N, outs); } \
    bool tw_##NAME##_vec_composite(const tw_arg *a, tw_tensor **outs) { return scaled(&a[0], &a[1], false, &a[2], MODE, N, outs); }
#define CORNERS(NAME, MODE, N) \
    bool tw_##NAME##_composite(const tw_arg *a, tw_tensor **outs) { return sized(&a[0], &a[1], a[2].i != 0, a + 3, MODE, N, outs); } \
    bool tw_##NAME##_vec_composite(const tw_arg *a, tw_tensor **outs) { return scaled(&a[0], &a[1], a[2].i != 0, &a[3], MODE, N, outs); }
PLAIN(upsample_nearest1d, 0, 1)
PLAIN(upsample_nearest2d, 0, 2)
PLAIN(upsample_nearest3d, 0, 3)
PLAIN(_upsample_nearest_exact1d, 1, 1)
PLAIN(_upsample_nearest_exact2d, 1, 2)
PLAIN(_upsample_nearest_exact3d, 1, 3)
CORNERS(upsample_linear1d, 2, 1)
CORNERS(upsample_bilinear2d, 2, 2)
CORNERS(upsample_trilinear3d, 2, 3)
CORNERS(upsample_bicubic2d, 3, 2)
CORNERS(_upsample_bilinear2d_aa, 4, 2)
CORNERS(_upsample_bicubic2d_aa, 5, 2)
CORNERS(_upsample_lanczos2d_aa, 6, 2)
