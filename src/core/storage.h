/* Storage: a refcounted block of bytes on a device, shared by a tensor and its views. */
#ifndef TW_CORE_STORAGE_H
#define TW_CORE_STORAGE_H
#include "core/device.h"
#include "core/refs.h"
#include <stddef.h>

typedef struct tw_storage {
    atomic_uint refs;
    tw_device device;
    void *data;              /* NULL on the meta device and for zero bytes */
    size_t bytes;            /* size in use; meta storages have a size too */
    void (*free)(void *context, void *data, size_t bytes); /* of borrowed memory (NumPy, DLPack, mmap), never NULL for it; NULL for our own */
    void *context;
    bool resizable;          /* false for borrowed memory */
    void *pyobj;             /* the Python UntypedStorage, borrowed; owned by ext */
} tw_storage;

extern bool tw_odd_used; /* memory was ever borrowed that begins off a multiple of 8 bytes: until then nobody needs to look (ops/odd.h) */

tw_storage *tw_storage_new(tw_device device, size_t bytes); /* uninitialised; owned by the caller; NULL on failure */
tw_storage *tw_storage_borrow(tw_device device, void *data, size_t bytes,
                              void (*free)(void *context, void *data, size_t bytes), void *context);
static inline void tw_storage_retain(tw_storage *s) { tw_count_up(&s->refs); }
void tw_storage_release(tw_storage *s); /* NULL is legal */
bool tw_storage_resize(tw_storage *s, size_t bytes); /* keeps the common prefix */
#endif
