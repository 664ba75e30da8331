/* Single draws that other files build on, in the order in which PyTorch draws. */
#ifndef TW_OPS_RANDOM_DRAW_H
#define TW_OPS_RANDOM_DRAW_H
#include "core/rng.h"

double tw_draw_uniform(tw_generator *g); /* [0, 1) with 53 bits */
double tw_draw_normal(tw_generator *g);  /* standard normal; draws two at a time, and keeps the second in the generator */
void tw_random32_fill(tw_generator *g, uint32_t *to, int64_t n); /* the next n words of tw_random32 */
#endif
