/* Profile mode: every op that passes the entry is noted with its times. */
#ifndef TW_AUTOGRAD_PROFILE_H
#define TW_AUTOGRAD_PROFILE_H
#include "autograd/autograd.h"

typedef struct tw_event { const tw_op *op; bool inplace; int64_t start, end; } tw_event; /* nanoseconds of the monotonic clock */

int64_t tw_profile_now(void);
/* Notes a call; dropped when there is no memory for it. */
void tw_profile_note(const tw_op *op, bool inplace, int64_t start);
/* What this thread has noted since the last call; n events, to be freed with tw_free. */
tw_event *tw_profile_take(int64_t *n);
#endif
