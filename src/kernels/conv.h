/* Convolutions with channels last: rows of patches times packed weights, and the sums of a weight's gradient. The loops around them are in
 * ops/conv_last.c and ops/conv_weight.c.
 *
 * Note [Order of a convolution's sums]
 * Forward and to the input, an element is the sum over k = (window z, y, x, channel): fused multiply-adds in the order of k from zero within
 * a block of TW_CONV_KC, and the blocks added in order, then the bias. Elements of the padding take part, as zeros. To the weight, the sum
 * is over places, in the same way: in blocks and chunks that depend on the shape only. Tiles, packing and threads change nothing of that. */
#ifndef TW_KERNELS_CONV_H
#define TW_KERNELS_CONV_H
#include "kernels/kernel.h"

enum { TW_CONV_KC = 256, TW_CONV_ROW = TW_CONV_KC + 16, TW_CONV_MAX_MR = 14 }; /* ROW: of fetched patches, so that rows differ in cache sets */

/* The patches under a window, of images whose channels are contiguous. A place (image, z, y, x) and a tap (z, y, x) meet at the source
 * element place * scale + first + tap * step of each dimension. */
typedef struct tw_patches {
    int64_t image_stride, stride[3];    /* of the source, in elements; stride[2] is from pixel to pixel */
    int64_t size[3], places[3], scale[3], first[3], step[3], taps[3];
    int64_t channels;                   /* that take part */
    bool joined;                        /* the channels of taps along x follow each other: one run */
} tw_patches;

/* A part of a patch that lies in the source as it is: n elements, `at` elements from the place's own. */
typedef struct tw_conv_piece { int64_t at, n; } tw_conv_piece;

/* What a tile fetches into the second-level cache on its way: one line for each k, `step` bytes apart. */
typedef struct tw_conv_next { const char *at; int64_t step; } tw_conv_next;

typedef struct tw_conv_type {           /* float32 or float64 */
    int mr, nr;                         /* largest tile */
    /* Elements [k, k + kc) of the patches at m places, to rows TW_CONV_ROW apart. */
    void (*fetch)(const tw_patches *p, const void *source, int64_t place, int64_t m, int64_t k, int64_t kc, void *rows);
    /* c (m <= mr rows, n columns) = or += rows @ panels of b: nr columns each, kc rows, b_panel elements apart. */
    void (*rows)(int64_t m, int64_t n, int64_t kc, const void *rows, const void *b, int64_t b_panel, void *c, int64_t c_row, bool add);
    /* The same with patches where they lie: row i begins i * a_row elements after a. */
    void (*runs)(int64_t m, int64_t n, int64_t count, const tw_conv_piece *runs, const void *a, int64_t a_row, const void *b, int64_t b_panel, void *c,
                 int64_t c_row, bool add);
    /* c (m <= mr rows, n <= nr columns) = or += the sum over kc of a(k, row) * b(at[k] + column), and bias (one for each row; NULL: none). a is
     * packed, a_row apart; columns of b are read up to nr, or nr / 2 where that is enough. */
    void (*sums)(int64_t m, int64_t n, int64_t kc, const void *a, int64_t a_row, const void *b, const int32_t *at, void *c, int64_t c_row, bool add,
                 const void *bias, tw_conv_next next);
    /* One filter a channel: n places along a row, from_step and to_step apart. to = the sum over taps of weight[tap] * from[tap] for each
     * channel, in their order from zero, and bias (NULL: none). ahead (NULL: nothing) is fetched into the first-level cache as `from` is read. */
    void (*each_channel)(int64_t n, int64_t channels, int64_t taps, const void *const *from, int64_t from_step, const void *const *weight,
                         const void *bias, const void *ahead, void *to, int64_t to_step);
    /* To the weight: adds to sums, of each tap one after the other, the sum over n places from zero of from[tap] * y for each channel. */
    void (*each_sum)(int64_t n, int64_t channels, int64_t taps, const void *const *from, int64_t from_step, const void *y, int64_t y_step,
                     const void *ahead, const void *y_ahead, void *sums);
    /* Adds one row of n elements to each of m. */
    void (*add_row)(int64_t m, int64_t n, const void *row, void *c, int64_t c_row);
    /* n rows of `channels` elements from one step to another. */
    void (*copy_rows)(int64_t n, int64_t channels, const void *from, int64_t from_step, void *to, int64_t to_step);
    /* to[p * to_step + c] = from[c * from_step + p] for n places p and `channels` c; `back` is the other way round, places `step` apart. */
    void (*to_last)(int64_t n, int64_t channels, const void *from, int64_t from_step, void *to, int64_t to_step);
    void (*from_last)(int64_t n, int64_t channels, const void *from, int64_t from_step, void *to, int64_t to_step, int64_t step);
} tw_conv_type;

typedef struct tw_conv_kernels { tw_conv_type f32, f64; } tw_conv_kernels;
const tw_conv_kernels *tw_conv(void);
#endif
