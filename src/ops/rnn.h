/* Recurrent layers: what the composites and the gradient need to know of _rnn_layer. */
#ifndef TW_OPS_RNN_H
#define TW_OPS_RNN_H
#include <stdint.h>

enum { TW_RNN_RELU, TW_RNN_TANH, TW_RNN_LSTM, TW_RNN_GRU }; /* mode */
int tw_rnn_gates(int64_t mode);   /* gates of a hidden unit */
int tw_rnn_reserve(int64_t mode); /* values of the reserve for each hidden unit; the last is the previous state */
#endif
