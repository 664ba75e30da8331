/* Picks each kernel family's table for this processor. */
#include "core/cpu.h"
#include "kernels/kernel.h"
#include "kernels/attention.h"
#include "kernels/compact.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/ctc.h"
#include "kernels/gemm.h"
#include "kernels/grid.h"
#include "kernels/lu.h"
#include "kernels/maxima.h"
#include "kernels/normalize.h"
#include "kernels/number.h"
#include "kernels/order.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/reflect.h"
#include "kernels/rnn.h"
#include "kernels/softmax.h"
#include "kernels/step.h"

#if defined(__x86_64__)
#define TW_FAMILY(family) \
    extern const tw_##family##_kernels tw_##family##_kernels_baseline, tw_##family##_kernels_avx2, tw_##family##_kernels_avx512; \
    const tw_##family##_kernels *tw_##family(void) { \
        static const tw_##family##_kernels *const sets[] = { \
            &tw_##family##_kernels_baseline, &tw_##family##_kernels_avx2, &tw_##family##_kernels_avx512}; \
        return sets[tw_cpu_isa()]; \
    }
#else
#define TW_FAMILY(family) \
    extern const tw_##family##_kernels tw_##family##_kernels_baseline; \
    const tw_##family##_kernels *tw_##family(void) { return &tw_##family##_kernels_baseline; }
#endif

/* One line a family: #include "kernels/x.h" above, TW_FAMILY(x) here. */
TW_FAMILY(attention)
TW_FAMILY(compact)
TW_FAMILY(conv)
TW_FAMILY(ctc)
TW_FAMILY(gemm)
TW_FAMILY(grid)
TW_FAMILY(lu)
TW_FAMILY(maxima)
TW_FAMILY(normalize)
TW_FAMILY(order)
TW_FAMILY(random)
TW_FAMILY(reducers)
TW_FAMILY(reflect)
TW_FAMILY(rnn)
TW_FAMILY(softmax)
TW_FAMILY(step)
TW_FAMILY(move)
TW_FAMILY(number)
