#include "kernels/rnn.h"
#include "kernels/math.h"
#include "kernels/vec.h"

#define S f32
#define T float
#include "kernels/rnn_type.h"
#define S f64
#define T double
#include "kernels/rnn_type.h"

#define BOTH(name) {name##_f32, name##_f64}
const tw_rnn_kernels TW_K(tw_rnn_kernels) = {BOTH(lstm), BOTH(lstm_back), BOTH(gru), BOTH(gru_back), BOTH(plain), BOTH(plain_back), BOTH(add)};
