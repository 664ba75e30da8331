/* One pool of threads for the process. */
#ifndef TW_CORE_THREADS_H
#define TW_CORE_THREADS_H
#include "tallow/tallow.h"

/* Calls body(context, begin, end) on disjoint ranges that cover [0, n), each a multiple of `grain` long but the last.
 * The caller works too and never waits for a worker that has claimed nothing. Serial when n <= grain, with one thread,
 * inside another parallel body, or when the pool is busy. The ranges a body sees depend on timing: no result may. An error that a body
 * leaves in a worker becomes the caller's. */
void tw_parallel(int64_t n, int64_t grain, void (*body)(void *context, int64_t begin, int64_t end), void *context);
/* The same with bodies that say whether they failed: ranges not begun yet are then left out. */
bool tw_try_parallel(int64_t n, int64_t grain, bool (*body)(void *context, int64_t begin, int64_t end), void *context);
/* The same for tasks that are worth claiming one by one. */
void tw_parallel_each(int64_t n, void (*body)(void *context, int64_t begin, int64_t end), void *context);
int tw_threads_here(void);  /* that a body may be shared out to: 1 inside another body */
int tw_thread_number(void); /* 0 for the caller of a body and for threads that are not the pool's, workers count from 1 */
TW_API int tw_num_threads(void);
TW_API bool tw_set_num_threads(int n);
#endif
