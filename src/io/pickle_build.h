/* What the reader of pickles (pickle.c) and the makers of tensors from them (pickle_build.c) share. */
#ifndef TW_IO_PICKLE_BUILD_H
#define TW_IO_PICKLE_BUILD_H
#include "io/pickle.h"

typedef struct tw_pickle_reader {
    const uint8_t *at, *end;
    tw_pickle_value **stack, **memo;
    size_t depth, stack_room, memo_room, memo_n, size; /* size: of the pickle; no index or count may exceed it */
    tw_pickle_value *all;
    tw_pickle_storage storage;
    void *context;
} tw_pickle_reader;

bool tw_pickle_bad(const char *what);               /* UnpicklingError; returns false */
tw_pickle_value *tw_pickle_new(tw_pickle_reader *r, tw_pickle_kind kind);
/* Fills in a GLOBAL; UnpicklingError for what is not known. */
bool tw_pickle_find(tw_pickle_value *into, const char *module, size_t module_n, const char *name, size_t name_n);
/* The result of calling `callee` with the tuple `args`; NULL and an error if that is not allowed. */
tw_pickle_value *tw_pickle_call(tw_pickle_reader *r, const tw_pickle_value *callee, tw_pickle_value *args);
tw_pickle_value *tw_pickle_persistent(tw_pickle_reader *r, const tw_pickle_value *id); /* a storage */
#endif
