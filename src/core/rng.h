/* Random numbers: mt19937 and PyTorch's way of drawing from it, bit for bit. */
#ifndef TW_CORE_RNG_H
#define TW_CORE_RNG_H
#include "tallow/tallow.h"
#include <stdatomic.h>

struct tw_generator {
    atomic_uint refs;
    uint32_t state[624];
    uint32_t next;      /* index of the next word; as in at::mt19937: left/next kept so that the state bytes can be rebuilt */
    int32_t left;
    bool seeded;
    uint64_t seed;
    bool has_float_normal, has_double_normal; /* the second value of a Box-Muller pair, cached */
    float next_float_normal;
    double next_double_normal;
    void *pyobj;
};
tw_generator *tw_generator_new(uint64_t seed);   /* owned */
tw_generator *tw_default_generator(void);        /* borrowed; until seeded it has a seed of the system, another in every process */
uint64_t tw_entropy(void);                       /* a seed from the system */
void tw_generator_retain(tw_generator *g);
void tw_generator_release(tw_generator *g);
void tw_generator_seed(tw_generator *g, uint64_t seed);
uint32_t tw_random32(tw_generator *g);
uint64_t tw_random64(tw_generator *g);           /* two 32-bit draws, as at::CPUGeneratorImpl::random64 */
enum { TW_GENERATOR_STATE_BYTES = 5056 };
void tw_generator_get_state(const tw_generator *g, uint8_t *bytes);  /* PyTorch's 5,056-byte layout */
bool tw_generator_set_state(tw_generator *g, const uint8_t *bytes, int64_t n);
#endif
