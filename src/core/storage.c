#include "core/storage.h"

#include "core/error.h"
#include "core/memory.h"
#include <string.h>

static tw_storage *storage_of(tw_device device, void *data, size_t bytes) {
    tw_storage *s = tw_small_alloc(sizeof *s);
    if (!s) return NULL;
    *s = (tw_storage){.device = device, .data = data, .bytes = bytes, .resizable = true};
    atomic_init(&s->refs, 1);
    return s;
}

static bool allocate(tw_device device, size_t bytes, void **data) {
    *data = NULL;
    if (bytes == 0) return true;
    if (device == TW_CPU) return (*data = tw_block_alloc(bytes)) != NULL;
    const tw_device_ops *ops = tw_device_of(device);
    if (!ops) return false;
    if (!ops->has_data) return true;
    *data = ops->alloc(bytes);
    return *data || tw_fail_memory(bytes);
}

static void give_back(tw_storage *s) {
    if (s->free) s->free(s->context, s->data, s->bytes); /* also of no bytes: the context wants to know */
    else if (!s->data) return;
    else if (s->device == TW_CPU) tw_block_free(s->data, s->bytes);
    else tw_device_of(s->device)->free(s->data, s->bytes);
}

tw_storage *tw_storage_new(tw_device device, size_t bytes) {
    void *data;
    if (!allocate(device, bytes, &data)) return NULL;
    tw_storage *s = storage_of(device, data, bytes);
    if (!s && data) {
        if (device == TW_CPU) tw_block_free(data, bytes);
        else tw_device_of(device)->free(data, bytes);
    }
    return s;
}

/* Borrowed memory that needs no word when it is given back. */
static void keep_data(void *context, void *data, size_t bytes) { (void)context, (void)data, (void)bytes; }

bool tw_odd_used;

tw_storage *tw_storage_borrow(tw_device device, void *data, size_t bytes, void (*free)(void *context, void *data, size_t bytes),
                              void *context) {
    tw_storage *s = storage_of(device, data, bytes);
    if (!s) return NULL;
    if ((uintptr_t)data & 7) tw_odd_used = true;
    s->free = free ? free : keep_data;
    s->context = context;
    s->resizable = false;
    return s;
}

void tw_storage_release(tw_storage *s) {
    if (!s || !tw_last_reference(&s->refs)) return;
    give_back(s);
    tw_small_free(s, sizeof *s);
}

bool tw_storage_resize(tw_storage *s, size_t bytes) {
    if (!s->resizable) return tw_fail(TW_RUNTIME_ERROR, "Trying to resize storage that is not resizable");
    void *data;
    if (!allocate(s->device, bytes, &data)) return false;
    const size_t common = bytes < s->bytes ? bytes : s->bytes;
    if (data && s->data && common) {
        if (s->device == TW_CPU) {
            memcpy(data, s->data, common);
        } else if (!tw_device_of(s->device)->copy(data, s->device, s->data, s->device, common)) {
            tw_device_of(s->device)->free(data, bytes);
            return false;
        }
    }
    give_back(s);
    s->data = data;
    s->bytes = bytes;
    return true;
}
