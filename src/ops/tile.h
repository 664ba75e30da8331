/* Running an elementwise kernel over a walk (ops/iterate.h), tile by tile, with casts and gathers into scratch memory. */
#ifndef TW_OPS_TILE_H
#define TW_OPS_TILE_H
#include "kernels/kernel.h"
#include "ops/iterate.h"

typedef struct tw_tile_job {
    const tw_iter *it;                       /* operand 0 is written, 1.. are read */
    tw_ew_kernel kernel;                     /* NULL: the result is input 1, cast to `out` */
    tw_dtype in[TW_ITER_OPERANDS];           /* dtype that the kernel reads operand i + 1 in */
    tw_dtype out;                            /* dtype that the kernel writes */
    const void *constant[TW_ITER_OPERANDS];  /* non-NULL: input i is this one element, already of the kernel's dtype */
    int64_t grain;                           /* elements that are worth a thread */
    bool costly;                             /* computing takes longer than writing, which goes on meanwhile: not worth a detour */
} tw_tile_job;
void tw_tile_run(tw_tile_job *job);
static inline int tw_size_index(size_t size) { return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : 4; }
#endif
