/* Matrix products: packing and register-blocked tiles. The loops around them, buffers and threads are in ops/gemm.c.
 *
 * Note [Order of a product's sums]
 * An element of C is the sum over k of a(k) * b(k): fused multiply-adds in the order of k from zero within a block of TW_GEMM_KC,
 * and the blocks added to C in order; of few elements over a long k, those of each slice of k, and then the slices, which depend on the shape
 * only. Tile sizes, packing, edges and threads change nothing of that, so the bits are the same for every instruction set with fused
 * multiply-add, and for any number of threads.
 *
 * Note [bfloat16]
 * A product of two bfloat16 matrices is summed in float32 in that same order, but numbers below 2^-126 count as zero: as in the processor's
 * own product of pairs (vdpbf16ps: the pair's upper half first, each a fused multiply-add), which we take where it is so. */
#ifndef TW_KERNELS_GEMM_H
#define TW_KERNELS_GEMM_H
#include "kernels/kernel.h"

enum { TW_GEMM_KC = 256, TW_GEMM_MAX_MR = 16, TW_GEMM_LANES = 16, TW_GEMM_FEW = 2, TW_GEMM_RUN = 512, TW_GEMM_AHEAD = 96 };

/* The patches of images as a matrix. A line is one (channel, z, y, x) of the window, a position one (image, z, y, x) of the places
 * where the window is put. transposed: the window slides over the result of a strided convolution instead (input gradients). */
typedef struct tw_unfold {
    int64_t image_stride, channel_stride, z_stride, y_stride, x_stride; /* of the images, in elements */
    int64_t depth, height, width;                                       /* of the images */
    int64_t window_z, window_y, window_x, places_z, places_y, places_x;
    int64_t stride_z, stride_y, stride_x, padding_z, padding_y, padding_x, dilation_z, dilation_y, dilation_x;
    bool transposed;
} tw_unfold;

/* A matrix with a dimension k that is summed over, as lines of positions; lines_are_k says which of the two is k. */
typedef struct tw_gemm_operand {
    const void *data;
    int64_t line_stride, step;  /* in elements */
    const tw_unfold *unfold;    /* instead of the strides; NULL for a plain matrix */
    int8_t dtype;               /* of data: the product's, or a half type that is widened to float32 */
    bool lines_are_k;
} tw_gemm_operand;

/* How a block of C is finished: C = sum of blocks; after the last, alpha * C + beta * d. */
typedef struct tw_gemm_finish {
    bool first, last;           /* block of k */
    bool subtract;              /* C -= the sums instead */
    double alpha, beta;
    const void *d;              /* NULL: nothing to add. Points at the element of this block of C */
    int64_t d_row, d_col;       /* its strides in elements */
} tw_gemm_finish;

typedef struct tw_gemm_type {   /* float32 or float64 */
    int mr, nr;                 /* largest tile */
    /* Packs columns [j, j + n) of k in [k0, k0 + kc) into panels of `width` columns, each as kc rows; zeros beyond n. */
    void (*pack)(const tw_gemm_operand *x, int64_t k0, int64_t kc, int64_t j, int64_t n, int width, void *to);
    /* c (m x n, rows c_row elements apart) from packed panels of mr and nr. */
    void (*block)(int64_t m, int64_t n, int64_t kc, const void *a, int mr, const void *b, void *c, int64_t c_row,
                  const tw_gemm_finish *finish);
    /* alpha * c + beta * d by itself. */
    void (*finish)(int64_t m, int64_t n, void *c, int64_t c_row, const tw_gemm_finish *finish);
    /* y (n) = x (k) times the matrix whose rows (k of them, b_row apart) are contiguous; the order of the note above. */
    void (*row_times_rows)(int64_t k, int64_t n, const void *x, int64_t x_step, const void *b, int64_t b_row, void *y);
    /* One dot product of contiguous vectors. Element i goes to lane i mod 64; lanes fold by halves: not the order of the note. */
    double (*dot)(int64_t k, const void *x, const void *y);
    /* c (m <= TW_GEMM_FEW rows, n) = w @ patches (its lines are k) + bias (one for each row; NULL: none), without packing. */
    void (*few_rows)(const tw_gemm_operand *patches, int64_t m, int64_t n, int64_t k, const void *w, int64_t w_row, int64_t w_col, void *c,
                     int64_t c_row, const void *bias);
    /* c (m x n) from operands whose positions are k, as dot products without packing. Room: m * n * TW_GEMM_LANES elements for the
     * lanes, m * TW_GEMM_RUN for rows. */
    void (*few_results)(const tw_gemm_operand *a, const tw_gemm_operand *b, int64_t m, int64_t n, int64_t k, void *c, int64_t c_row,
                        void *lanes, void *rows);
    /* c (m x n, rows c_row apart and contiguous) = a @ b of any strides without packing, for few numbers; the order of the note above. */
    void (*tiny)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_k, const void *b, int64_t b_k, int64_t b_col, void *c,
                 int64_t c_row);
    /* The same for k of at most one block, where rows of b are contiguous. */
    void (*direct)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, int64_t a_k, const void *b, int64_t b_k, void *c, int64_t c_row);
    /* Adds `lines` of n positions each to one image (its strides are u's): the transpose of unfolding. */
    void (*fold)(const tw_unfold *u, int64_t lines, int64_t position, int64_t n, const void *from, int64_t from_row, void *image);
} tw_gemm_type;

typedef struct tw_gemm_kernels {
    tw_gemm_type f32, f64;
    tw_gemm_type bf16;             /* of two plain bfloat16 operands, to float32 */
    tw_gemm_type bf16_pairs;       /* the same over pairs of k, packed as 32-bit words; mr is 0 where there is none */
    bool (*pairs_hold)(void);      /* whether this processor sums pairs as Note [bfloat16] says */
} tw_gemm_kernels;
const tw_gemm_kernels *tw_gemm(void);
#endif
