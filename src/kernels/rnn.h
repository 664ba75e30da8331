/* Hidden units [from, to) of n, of one row at one step of a recurrent layer: what lies between the matrix products. Index 0 is float32,
 * 1 float64. */
#ifndef TW_KERNELS_RNN_H
#define TW_KERNELS_RNN_H
#include "kernels/kernel.h"

typedef struct tw_rnn_kernels {
    /* x, gates: 4 n sums of the gates input, forget, cell, output, from the input and from the state; the latter become the gates.
     * cell becomes the next one. */
    void (*lstm[2])(int64_t n, int64_t from, int64_t to, const void *x, void *gates, void *cell, void *hidden);
    /* dh, dc: gradients of the hidden state and the cell; dc becomes the previous cell's. cell: the previous one. dsums: of the 4 n sums. */
    void (*lstm_back[2])(int64_t n, int64_t from, int64_t to, const void *gates, const void *cell, const void *dh, void *dc, void *dsums);
    /* x, h: 3 n sums of the gates reset, update, new, from the input and from the state. kept: 4 n: the gates and h's last n.
     * hidden: the previous state, becomes the next. */
    void (*gru[2])(int64_t n, int64_t from, int64_t to, const void *x, const void *h, void *kept, void *hidden);
    /* dh becomes its direct part; dx, dsums: gradients of x and h. */
    void (*gru_back[2])(int64_t n, int64_t from, int64_t to, const void *kept, const void *hidden, void *dh, void *dx, void *dsums);
    void (*plain[2])(int64_t from, int64_t to, bool relu, const void *x, void *sums, void *hidden); /* sums become the state too */
    void (*plain_back[2])(int64_t from, int64_t to, bool relu, const void *hidden, const void *dh, void *dsums);
    void (*add[2])(int64_t from, int64_t to, void *y, const void *x);
} tw_rnn_kernels;
const tw_rnn_kernels *tw_rnn(void);
#endif
