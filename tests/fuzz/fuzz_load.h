/* Loads a checkpoint and reads every element of what came of it. Either there is a result or an error, and nothing stays behind. */
#ifndef TW_FUZZ_LOAD_H
#define TW_FUZZ_LOAD_H
#include "core/error.h"
#include "core/tensor.h"

static int64_t fuzz_sum(const tw_tensor *t) {
    int64_t sum = 0, at[TW_MAX_DIMS] = {0}, budget = 10000;
    const uint8_t *data = t->numel ? tw_data(t) : NULL;
    for (int64_t i = 0; i < t->numel && i < budget; i++) {
        int64_t place = 0;
        for (int d = 0; d < t->ndim; d++) place += at[d] * t->strides[d];
        for (size_t b = 0; b < tw_dtype_size((tw_dtype)t->dtype); b++) sum += data[(size_t)place * tw_dtype_size((tw_dtype)t->dtype) + b];
        for (int d = t->ndim - 1; d >= 0 && ++at[d] == t->sizes[d]; d--) at[d] = 0;
    }
    if (t->numel) { /* the last element is the farthest */
        int64_t place = 0;
        for (int d = 0; d < t->ndim; d++) place += (t->sizes[d] - 1) * t->strides[d];
        sum += data[(size_t)(place + 1) * tw_dtype_size((tw_dtype)t->dtype) - 1];
    }
    return sum;
}

static void fuzz_load(const char *path) {
    static volatile int64_t sink;
    tw_named_tensors *list = tw_load(path);
    if ((list != NULL) == tw_failed()) abort();
    for (int64_t i = 0; list && i < list->n; i++) sink += fuzz_sum(list->tensors[i]) + list->names[i][0];
    tw_named_release(list);
    tw_clear_error();
}
#endif
