/* Sums and maps of normalisation layers. Sums are in float64: element i goes to lane i mod 16, lanes fold by halves. */
#ifndef TW_KERNELS_NORMALIZE_H
#define TW_KERNELS_NORMALIZE_H
#include "kernels/kernel.h"

/* Per element type (float32, float64); everything is contiguous. Sums are added to what is there. w, b, gw, gb may be NULL. */
typedef struct tw_normalize_type {
    void (*moments)(int64_t n, const void *x, double shift, double sum[2]);                /* x - shift, and its square */
    void (*dots)(int64_t n, const void *g, const void *w, const void *x, double shift, double sum[2]); /* g w, and g w (x - shift) */
    void (*affine)(int64_t n, const void *x, double a, double c, void *y);                 /* y = a x + c */
    void (*blend)(int64_t n, const void *g, const void *x, double a, double b, double c, void *y); /* y = a g + b x + c */
    void (*row)(int64_t n, const void *x, double mean, double rstd, const void *w, const void *b, void *y);
    /* y = rstd * (g w - m1 - (x - mean) * m2) */
    void (*row_grad)(int64_t n, const void *g, const void *w, const void *x, double mean, double rstd, double m1, double m2, void *y);
    void (*row_params)(int64_t n, const void *g, const void *x, double mean, double rstd, double *gw, double *gb); /* adds to both */
    /* The same with one shift, a, b, c and sum for each element. */
    void (*each_moments)(int64_t n, const void *x, const double *shift, double *s1, double *s2);
    void (*each_dots)(int64_t n, const void *g, const void *x, const double *shift, double *s1, double *s2);
    void (*each_affine)(int64_t n, const void *x, const double *a, const double *c, void *y);
    void (*each_blend)(int64_t n, const void *g, const void *x, const double *a, const double *b, const double *c, void *y);
} tw_normalize_type;

typedef struct tw_normalize_kernels { tw_normalize_type f32, f64; } tw_normalize_kernels;
const tw_normalize_kernels *tw_normalize(void);
#endif
