/* Scopes: who owns what the public C functions return. */
#ifndef TW_API_SCOPE_H
#define TW_API_SCOPE_H
#include "core/tensor.h"
#include "ops/op.h"

/* Gives an owned reference to the innermost open scope of this thread and returns it; without a scope the caller keeps it.
 * NULL stays NULL. When the scope cannot grow, t is released and the result is NULL with an error. */
tw_tensor *tw_scoped(tw_tensor *t);
/* The same for n results: *into[i] is set, or the result is dropped where into[i] is NULL. */
bool tw_scoped_all(tw_tensor **outs, tw_tensor **const *into, int n);
/* The items of an owned list (NULL: failure, -1): as many as there is room for; the rest are dropped. Returns how many there were. */
int64_t tw_scoped_list(tw_list *list, tw_tensor **outs, int64_t room);
#endif
