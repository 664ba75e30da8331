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
bool tw_no_results(tw_tensor **const *into, int n);   /* all NULL; false */
static inline bool tw_is_dtype(tw_dtype d) { return d >= TW_DTYPE_NONE && d < TW_DTYPE_COUNT; }
bool tw_is_device(tw_device d);
/* An argument of a call, by name, and whether it can be used. Reports the first that cannot, unless an error is pending: then that is why. */
typedef struct tw_given { const char *name; bool ok; } tw_given;
void tw_not_given(const char *function, const tw_given *arguments, int n);
bool tw_all_given(tw_tensor *const *ts, int64_t n);
/* The items of an owned list (NULL: failure, -1): as many as there is room for; the rest are dropped. Returns how many there were. */
int64_t tw_scoped_list(tw_list *list, tw_tensor **outs, int64_t room);
#endif
