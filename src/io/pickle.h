/* The part of Python's pickle that state dicts use: numbers, strings, containers, storages and tensors. Nothing is executed; what is
 * not in the list of known globals is refused. */
#ifndef TW_IO_PICKLE_H
#define TW_IO_PICKLE_H
#include "core/tensor.h"

typedef enum tw_pickle_kind {
    TW_PICKLE_NONE, TW_PICKLE_BOOL, TW_PICKLE_INT, TW_PICKLE_FLOAT, TW_PICKLE_TEXT, TW_PICKLE_TUPLE, TW_PICKLE_LIST, TW_PICKLE_DICT,
    TW_PICKLE_GLOBAL, TW_PICKLE_STORAGE, TW_PICKLE_TENSOR, TW_PICKLE_MARK
} tw_pickle_kind;

typedef enum tw_pickle_global {
    TW_GLOBAL_ORDERED_DICT, TW_GLOBAL_REBUILD_TENSOR, TW_GLOBAL_REBUILD_TENSOR_V3, TW_GLOBAL_REBUILD_PARAMETER, TW_GLOBAL_SIZE,
    TW_GLOBAL_STORAGE, TW_GLOBAL_UNTYPED_STORAGE, TW_GLOBAL_DTYPE
} tw_pickle_global;

typedef struct tw_pickle_value {
    uint8_t kind;           /* tw_pickle_kind */
    uint8_t global;         /* of a GLOBAL */
    int8_t dtype;           /* of a GLOBAL storage or dtype, and of a STORAGE (uint8 when untyped) */
    int64_t i;              /* BOOL, INT */
    double f;               /* FLOAT */
    const char *text;       /* TEXT: not terminated, within the pickle */
    size_t n, room;         /* bytes of a TEXT, items of a container (a DICT has keys and values in turn) */
    struct tw_pickle_value **items;
    tw_storage *storage;    /* borrowed from the loader */
    tw_tensor *tensor;      /* owned */
    struct tw_pickle_value *next; /* all values of a pickle */
} tw_pickle_value;

/* Gives the storage `key` of `bytes` bytes, borrowed, or NULL and an error. */
typedef tw_storage *(*tw_pickle_storage)(void *context, const char *key, size_t length, uint64_t bytes);

/* Reads a pickle. *all is the list of its values, to be freed by tw_pickle_free whatever the result. NULL and an error on failure. */
tw_pickle_value *tw_pickle_read(const uint8_t *bytes, size_t n, tw_pickle_storage storage, void *context, tw_pickle_value **all);
void tw_pickle_free(tw_pickle_value *all);
static inline bool tw_pickle_is(const tw_pickle_value *v, tw_pickle_kind kind) { return v->kind == kind; }
bool tw_pickle_text_is(const tw_pickle_value *v, const char *text);
#endif
