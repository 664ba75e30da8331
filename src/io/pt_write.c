/* Writing checkpoints in PyTorch's format; see pt.c. */
#include "core/memory.h"
#include "core/tensor.h"
#include "io/zip.h"
#include <string.h>

typedef struct pickle { uint8_t *bytes; size_t n, room; bool failed; } pickle;

static void put(pickle *p, const void *from, size_t n) {
    if (p->failed) return;
    if (p->n + n > p->room) {
        size_t room = 2 * (p->n + n) + 256;
        uint8_t *grown = tw_realloc(p->bytes, room);
        if (!grown) {
            p->failed = true;
            return;
        }
        p->bytes = grown;
        p->room = room;
    }
    memcpy(p->bytes + p->n, from, n);
    p->n += n;
}

static void put_byte(pickle *p, int byte) { put(p, &(uint8_t){(uint8_t)byte}, 1); }
static void put_words(pickle *p, const char *words) { put(p, words, strlen(words)); }
static void put_little(pickle *p, uint64_t v, int n) {
    for (int i = 0; i < n; i++, v >>= 8) put_byte(p, (int)(v & 0xff));
}

static void put_text(pickle *p, const char *text) {
    put_byte(p, 'X');
    put_little(p, strlen(text), 4);
    put_words(p, text);
}

static void put_int(pickle *p, int64_t v) {
    if (v >= 0 && v < 256) {
        put_byte(p, 'K');
        put_byte(p, (int)v);
    } else if (v >= 0 && v <= INT32_MAX) {
        put_byte(p, 'J');
        put_little(p, (uint64_t)v, 4);
    } else {
        put_byte(p, 0x8a);
        put_byte(p, 8);
        put_little(p, (uint64_t)v, 8);
    }
}

static void put_ints(pickle *p, const int64_t *v, int n) {
    put_byte(p, '(');
    for (int i = 0; i < n; i++) put_int(p, v[i]);
    put_byte(p, 't');
}

/* Whether PyTorch has a typed storage for it (FloatStorage); for the others the dtype is named beside an untyped one. */
static bool has_storage_type(tw_dtype d) { return d <= TW_COMPLEX128 && d != TW_COMPLEX32; }

/* ('storage', type, key, 'cpu', number of elements), as a persistent id. */
static void put_storage(pickle *p, const tw_tensor *t, int64_t key) {
    tw_dtype dtype = (tw_dtype)t->dtype;
    char text[64];
    put_byte(p, '(');
    put_text(p, "storage");
    if (has_storage_type(dtype)) snprintf(text, sizeof text, "ctorch\n%sStorage\n", tw_dtypes[dtype].type_name);
    else snprintf(text, sizeof text, "ctorch.storage\nUntypedStorage\n");
    put_words(p, text);
    snprintf(text, sizeof text, "%lld", (long long)key);
    put_text(p, text);
    put_text(p, "cpu");
    put_int(p, (int64_t)(t->storage->bytes / (has_storage_type(dtype) ? tw_dtype_size(dtype) : 1)));
    put_words(p, "tQ");
}

static void put_flags(pickle *p, const tw_tensor *t) {
    if (!(t->flags & (TW_CONJ | TW_NEG))) return;
    put_byte(p, '}');
    for (int i = 0; i < 2; i++) {
        if (!(t->flags & (i ? TW_NEG : TW_CONJ))) continue;
        put_text(p, i ? "neg" : "conj");
        put_byte(p, 0x88);
        put_byte(p, 's');
    }
}

static void put_tensor(pickle *p, const tw_tensor *t, int64_t key) {
    bool typed = has_storage_type((tw_dtype)t->dtype);
    char text[64];
    put_words(p, typed ? "ctorch._utils\n_rebuild_tensor_v2\n(" : "ctorch._utils\n_rebuild_tensor_v3\n(");
    put_storage(p, t, key);
    put_int(p, t->offset);
    put_ints(p, t->sizes, t->ndim);
    put_ints(p, t->strides, t->ndim);
    put_byte(p, 0x89); /* a state dict's tensors want no gradient */
    put_words(p, "ccollections\nOrderedDict\n)R");
    if (!typed) {
        snprintf(text, sizeof text, "ctorch\n%s\n", tw_dtypes[t->dtype].name);
        put_words(p, text);
    }
    put_flags(p, t);
    put_words(p, "tR");
}

/* The number of each tensor's storage: tensors that share memory share it. */
static int64_t *number_storages(tw_tensor *const *tensors, int64_t n, int64_t *count) {
    int64_t *keys = tw_malloc((size_t)(n ? n : 1) * sizeof *keys);
    *count = 0;
    for (int64_t i = 0; keys && i < n; i++) {
        keys[i] = -1;
        for (int64_t j = 0; j < i && keys[i] < 0; j++)
            if (tensors[j]->storage == tensors[i]->storage) keys[i] = keys[j];
        if (keys[i] < 0) keys[i] = (*count)++;
    }
    return keys;
}

static bool check(const char *path, const char *const *names, tw_tensor *const *tensors, int64_t n) {
    if (!path || (n > 0 && (!names || !tensors))) return tw_fail(TW_VALUE_ERROR, "tw_save: an argument is NULL");
    for (int64_t i = 0; i < n; i++) {
        if (!names[i] || !tensors[i]) return tw_fail(TW_VALUE_ERROR, "tw_save: entry %lld is NULL", (long long)i);
        if (tw_device_type(tensors[i]->device) != TW_CPU)
            return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "tw_save: '%s' is on %s", names[i], tw_device_text(tensors[i]->device));
    }
    return true;
}

static void put_all(pickle *p, const char *const *names, tw_tensor *const *tensors, const int64_t *keys, int64_t n) {
    put_words(p, "\x80\x02" "ccollections\nOrderedDict\n)R(");
    for (int64_t i = 0; i < n; i++) {
        put_text(p, names[i]);
        put_tensor(p, tensors[i], keys[i]);
    }
    put_words(p, "u.");
}

static bool write_storages(tw_zip_writer *z, tw_tensor *const *tensors, const int64_t *keys, int64_t n) {
    bool ok = true;
    for (int64_t i = 0, next = 0; ok && i < n; i++) {
        if (keys[i] != next) continue;
        char name[32];
        snprintf(name, sizeof name, "data/%lld", (long long)next++);
        ok = tw_zip_add(z, name, tensors[i]->storage->data, tensors[i]->storage->bytes);
    }
    return ok;
}

/* A number that tells files apart: here, of their pickles. Forty digits, as PyTorch's. */
static bool write_identity(tw_zip_writer *z, const pickle *p) {
    char digits[48];
    int n = snprintf(digits, sizeof digits, "%020llu%020llu", (unsigned long long)tw_crc32(0, p->bytes, p->n), (unsigned long long)p->n);
    return tw_zip_add(z, ".data/serialization_id", digits, (size_t)n);
}

bool tw_save(const char *path, const char *const *names, tw_tensor *const *tensors, int64_t n) {
    if (tw_failed() || !check(path, names, tensors, n)) return false;
    pickle p = {0};
    tw_zip_writer z;
    int64_t count;
    bool ok = false;
    int64_t *keys = number_storages(tensors, n, &count);
    if (keys) put_all(&p, names, tensors, keys, n);
    if (keys && !p.failed && tw_zip_create(&z, path)) {
        ok = tw_zip_add(&z, "data.pkl", p.bytes, p.n) && tw_zip_add(&z, ".format_version", "1", 1) &&
             tw_zip_add(&z, ".storage_alignment", "64", 2) && tw_zip_add(&z, "byteorder", "little", 6) &&
             write_storages(&z, tensors, keys, n) && tw_zip_add(&z, "version", "3\n", 2) && write_identity(&z, &p);
        ok = tw_zip_finish(&z, ok);
    }
    tw_free(p.bytes);
    tw_free(keys);
    return ok;
}
