/* mt19937 with the seeding and the state bytes of PyTorch. */
#include "core/rng.h"

#include "core/error.h"
#include "core/memory.h"
#include "core/mersenne.h"
#include "core/refs.h"
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { N = TW_MERSENNE_WORDS };
tw_generator *tw_generator_new(uint64_t seed) {
    tw_generator *g = tw_calloc(1, sizeof *g);
    if (!g) return NULL;
    atomic_init(&g->refs, 1);
    tw_generator_seed(g, seed);
    return g;
}

uint64_t tw_entropy(void) {
    uint64_t seed;
    if (getentropy(&seed, sizeof seed) == 0) return seed;
    /* A system without a source, or a sandbox that hides it: processes still have to differ. */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec << 32 ^ (uint64_t)now.tv_nsec) * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
}

static tw_generator default_generator;
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static void make_default_generator(void) {
    atomic_init(&default_generator.refs, 1);
    tw_generator_seed(&default_generator, tw_entropy());
}

tw_generator *tw_default_generator(void) {
    pthread_once(&default_once, make_default_generator);
    return &default_generator;
}

void tw_generator_retain(tw_generator *g) { tw_count_up(&g->refs); }

void tw_generator_release(tw_generator *g) {
    if (!g || g == &default_generator) return;
    if (tw_last_reference(&g->refs)) tw_free(g);
}

void tw_generator_seed(tw_generator *g, uint64_t seed) {
    g->seed = seed;
    g->state[0] = (uint32_t)seed;
    for (uint32_t j = 1; j < N; j++) g->state[j] = 1812433253u * (g->state[j - 1] ^ (g->state[j - 1] >> 30)) + j;
    g->left = 1;
    g->next = 0;
    g->seeded = true;
    g->has_float_normal = g->has_double_normal = false;
    g->next_float_normal = 0;
    g->next_double_normal = 0;
}

static void next_state(tw_generator *g) {
    tw_twist_all(g->state);
    g->left = N;
    g->next = 0;
}

uint32_t tw_random32(tw_generator *g) {
    if (--g->left == 0) next_state(g);
    return tw_temper(g->state[g->next++]);
}

uint64_t tw_random64(tw_generator *g) {
    uint64_t high = tw_random32(g);
    return high << 32 | tw_random32(g);
}

/* The bytes of torch.get_rng_state(): seed u64; left, seeded i32; next u64; 624 words as u64; normal x, y, rho as double; whether y
 * is valid as i32 (padded to 8); then the float sample and whether it is valid. */
enum { AT_LEFT = 8, AT_SEEDED = 12, AT_NEXT = 16, AT_STATE = 24, AT_Y = 5024, AT_Y_VALID = 5040, AT_FLOAT = 5048, AT_FLOAT_VALID = 5052 };

void tw_generator_get_state(const tw_generator *g, uint8_t *bytes) {
    const int32_t seeded = g->seeded, y_valid = g->has_double_normal;
    const uint64_t next = g->next;
    memset(bytes, 0, TW_GENERATOR_STATE_BYTES);
    memcpy(bytes, &g->seed, 8);
    memcpy(bytes + AT_LEFT, &g->left, 4);
    memcpy(bytes + AT_SEEDED, &seeded, 4);
    memcpy(bytes + AT_NEXT, &next, 8);
    for (size_t i = 0; i < N; i++) {
        const uint64_t word = g->state[i];
        memcpy(bytes + AT_STATE + 8 * i, &word, 8);
    }
    if (g->has_double_normal) memcpy(bytes + AT_Y, &g->next_double_normal, 8);
    memcpy(bytes + AT_Y_VALID, &y_valid, 4);
    if (g->has_float_normal) memcpy(bytes + AT_FLOAT, &g->next_float_normal, 4);
    bytes[AT_FLOAT_VALID] = g->has_float_normal;
}

bool tw_generator_set_state(tw_generator *g, const uint8_t *bytes, int64_t n) {
    enum { LEGACY_BYTES = AT_FLOAT };
    if (n != TW_GENERATOR_STATE_BYTES && n != LEGACY_BYTES)
        return tw_fail(TW_RUNTIME_ERROR, "Expected either a CPUGeneratorImplStateLegacy of size %d or a CPUGeneratorImplState of "
                       "size %d but found the input RNG state size to be %lld", LEGACY_BYTES, TW_GENERATOR_STATE_BYTES, (long long)n);
    int32_t left, seeded, y_valid;
    uint64_t next;
    memcpy(&left, bytes + AT_LEFT, 4);
    memcpy(&seeded, bytes + AT_SEEDED, 4);
    memcpy(&next, bytes + AT_NEXT, 8);
    memcpy(&y_valid, bytes + AT_Y_VALID, 4);
    if (seeded != 1 || left < 0 || left > N || next > N) return tw_fail(TW_RUNTIME_ERROR, "Invalid mt19937 state");
    memcpy(&g->seed, bytes, 8);
    g->left = left;
    g->next = (uint32_t)next;
    g->seeded = true;
    for (size_t i = 0; i < N; i++) {
        uint64_t word;
        memcpy(&word, bytes + AT_STATE + 8 * i, 8);
        g->state[i] = (uint32_t)word;
    }
    g->has_double_normal = y_valid != 0;
    memcpy(&g->next_double_normal, bytes + AT_Y, 8);
    g->has_float_normal = n == TW_GENERATOR_STATE_BYTES && bytes[AT_FLOAT_VALID];
    if (g->has_float_normal) memcpy(&g->next_float_normal, bytes + AT_FLOAT, 4);
    return true;
}
