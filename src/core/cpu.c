/* Processor features, found once. */
#include "core/cpu.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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

/* The largest result that is not streamed. */
static int64_t find_stream_limit(void) {
    const char *given = getenv("TALLOW_STREAM");
    if (given) return atoll(given) > 0 ? atoll(given) : 1;
#if defined(__x86_64__)
    long cache = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
    cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
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
