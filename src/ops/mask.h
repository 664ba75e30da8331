/* What a mask marks: counted once, in pieces, so that threads know where each piece's elements go. */
#ifndef TW_OPS_MASK_H
#define TW_OPS_MASK_H
#include "core/tensor.h"

enum { TW_MASK_PIECE = 16384 };
typedef struct tw_mask {
    tw_tensor *truth;   /* owned: contiguous bool */
    int64_t count;      /* of true elements */
    int64_t *start;     /* of each piece; one more is the count */
} tw_mask;

bool tw_mask_init(tw_mask *m, tw_tensor *t);
void tw_mask_clear(tw_mask *m);
/* Positions of the true elements, ascending: row-major numbers, or coordinates, that of dimension d at to[d * count]. */
void tw_mask_places(const tw_mask *m, int64_t *to);
void tw_mask_coordinates(const tw_mask *m, int64_t *to);
/* Of numel items of `bytes` bytes each, the marked ones. */
void tw_mask_take(const tw_mask *m, size_t bytes, const void *from, void *to);
#endif
