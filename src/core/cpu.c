/* Processor features, found once. */
#include "core/cpu.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const isa_names[TW_ISA_COUNT] = {"baseline", "avx2", "avx512"};

const char *tw_isa_name(tw_isa isa) { return isa_names[isa]; }

#if defined(__x86_64__)
static bool has_f16c(void) { /* not every compiler's __builtin_cpu_supports knows it */
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

static tw_isa best_isa(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() &&
                __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd");
    return avx512 ? TW_ISA_AVX512 : avx2 ? TW_ISA_AVX2 : TW_ISA_BASELINE;
#else
    return TW_ISA_BASELINE;
#endif
}

bool tw_cpu_has_bf16_pairs(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

/* A set that this processor lacks is not forced upon it: the best one that it has is taken. */
static tw_isa find_isa(void) {
    tw_isa best = best_isa();
    const char *forced = getenv("TALLOW_CPU");
    for (int i = 0; forced && i <= (int)best; i++)
        if (strcmp(forced, isa_names[i]) == 0) return (tw_isa)i;
    return best;
}

tw_isa tw_cpu_isa(void) {
    static _Atomic int found = -1;
    int isa = atomic_load_explicit(&found, memory_order_relaxed);
    if (isa < 0) {
        isa = (int)find_isa();
        atomic_store_explicit(&found, isa, memory_order_relaxed);
    }
    return (tw_isa)isa;
}

#if defined(__x86_64__)
/* Of the last-level cache that this processor shares with its neighbours, as it says itself (Intel's leaf 4, AMD's 0x8000001d, of one layout); the C
 * library may count the caches of a whole machine. */
static int64_t last_cache_bytes(void) {
    const unsigned leaves[2] = {4, 0x8000001du};
    int64_t found = 0;
    for (int l = 0; l < 2 && found == 0; l++)
        for (unsigned i = 0, a, b, c, d; i < 16; i++) {
            if (!__get_cpuid_count(leaves[l], i, &a, &b, &c, &d) || (a & 31) == 0) break;
            if ((a >> 5 & 7) == 3) found = (int64_t)((b >> 22) + 1) * ((b >> 12 & 1023) + 1) * ((b & 4095) + 1) * ((int64_t)c + 1);
        }
    return found;
}
#endif

/* The largest result that is not streamed. */
static int64_t find_stream_limit(void) {
    const char *given = getenv("TALLOW_STREAM");
    if (given) return atoll(given) > 0 ? atoll(given) : 1;
#if defined(__x86_64__)
    const int64_t cache = last_cache_bytes();
    return cache > 0 ? cache : 32 << 20;
#else
    return INT64_MAX; /* these processors see by themselves that whole lines are written */
#endif
}

bool tw_streams(int64_t bytes) {
    static _Atomic int64_t limit;
    int64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
    if (most == 0) {
        most = find_stream_limit();
        atomic_store_explicit(&limit, most, memory_order_relaxed);
    }
    return bytes > most;
}
