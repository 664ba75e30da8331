/* Connectionist temporal classification of one sequence (Graves et al. 2006), in logarithms. */
#ifndef TW_KERNELS_CTC_H
#define TW_KERNELS_CTC_H
#include "kernels/kernel.h"

typedef struct tw_ctc_job {
    const void *log_probs;           /* element (time, class) at time * step + class * class_step */
    int64_t step, class_step;
    int64_t time, classes;           /* of this sequence */
    const int64_t *target;           /* `length` labels; with blanks around each they are 2 * length + 1 states */
    int64_t length, blank;
    void *alpha;                     /* (time, states), rows alpha_step apart */
    int64_t alpha_step;
} tw_ctc_job;

typedef struct tw_ctc_kernels {
    /* Fills alpha; the negative log likelihood. For float32 (index 0) and float64 (1). Room: 2 * states elements. */
    double (*forward[2])(const tw_ctc_job *j, void *room);
    /* grad (time, class), with the strides of log_probs given apart, from alpha. Room: 4 * states + 2 * classes elements. */
    void (*backward[2])(const tw_ctc_job *j, double likelihood, double scale, void *grad, int64_t grad_step, int64_t grad_class_step,
                        void *room);
} tw_ctc_kernels;
const tw_ctc_kernels *tw_ctc(void);
#endif
