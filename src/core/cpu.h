/* Processor features, found once at load; TALLOW_CPU=baseline|avx2|avx512 forces a set. */
#ifndef TW_CORE_CPU_H
#define TW_CORE_CPU_H
#include <stdbool.h>
#include <stdint.h>
typedef enum tw_isa { TW_ISA_BASELINE, TW_ISA_AVX2, TW_ISA_AVX512, TW_ISA_COUNT } tw_isa; /* aarch64: BASELINE is NEON */
tw_isa tw_cpu_isa(void);
bool tw_cpu_has_bf16_pairs(void); /* x86's products of bfloat16 pairs */
/* Note [Streaming]. A plain store reads the line that it is about to write, so a result that memory, not a cache, will hold costs a third to a half
 * more traffic than needed. Whoever writes a result of `bytes` that nobody has just read, front to back, asks here whether to stream it: to compute into
 * a small buffer and hand that to tw_move()->stream (kernels/copy.h). Streamed lines leave the caches, so a result that the next operation could
 * still find in the last-level cache must not be: hence the limit. Streamed stores are not ordered with others; every thread calls
 * stream_end before it says that it is done. TALLOW_STREAM=bytes sets the limit. */
bool tw_streams(int64_t bytes);
const char *tw_isa_name(tw_isa isa); /* "baseline", "avx2", "avx512" */
#endif
