/* Processor features, found once at load; TALLOW_CPU=baseline|avx2|avx512 forces a set. */
#ifndef TW_CORE_CPU_H
#define TW_CORE_CPU_H
#include <stdbool.h>
typedef enum tw_isa { TW_ISA_BASELINE, TW_ISA_AVX2, TW_ISA_AVX512, TW_ISA_COUNT } tw_isa; /* aarch64: BASELINE is NEON */
tw_isa tw_cpu_isa(void);
bool tw_cpu_has_bf16_pairs(void); /* x86's products of bfloat16 pairs */
const char *tw_isa_name(tw_isa isa); /* "baseline", "avx2", "avx512" */
#endif
