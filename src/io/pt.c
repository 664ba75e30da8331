/* Checkpoints in PyTorch's format: a zip archive with data.pkl, which describes the tensors, and their bytes in data/0, data/1, ... */
#include "core/memory.h"
#include "io/pickle.h"
#include "io/zip.h"
#include <string.h>

/* --- reading -------------------------------------------------------------------------------------------------------- */

enum { MAX_NESTING = 64, MAX_NAME_BYTES = 1 << 28, NAME_BYTES = 64 }; /* NAME_BYTES: what a name costs besides its letters */

typedef struct loader { tw_zip zip; tw_storage **storages; } loader; /* storages: by entry, owned; NULL until wanted */

static tw_storage *load_storage(void *context, const char *key, size_t length, uint64_t bytes) {
    loader *l = context;
    char name[64];
    if (length > 40 || memchr(key, '\0', length)) return tw_fail_null(TW_RUNTIME_ERROR, "a storage has an impossible name");
    snprintf(name, sizeof name, "data/%.*s", (int)length, key);
    const tw_zip_entry *e = tw_zip_find(&l->zip, name);
    if (!e) return tw_fail_null(TW_RUNTIME_ERROR, "PytorchStreamReader failed locating file %s: file not found", name);
    if ((uint64_t)e->size != bytes)
        return tw_fail_null(TW_RUNTIME_ERROR, "%s has %lld bytes, but %llu are expected", name, (long long)e->size,
                            (unsigned long long)bytes);
    tw_storage **kept = &l->storages[e - l->zip.entries];
    if (*kept) return *kept;
    tw_storage *s = tw_storage_new(TW_CPU, (size_t)bytes);
    if (s && !tw_zip_read(&l->zip, e, s->data)) {
        tw_storage_release(s);
        s = NULL;
    }
    return *kept = s;
}

/* An entry's bytes, owned; *n is their number. */
static uint8_t *read_entry(const tw_zip *z, const tw_zip_entry *e, size_t *n) {
    uint8_t *bytes = tw_malloc((size_t)e->size + 1);
    if (!bytes) return NULL;
    *n = (size_t)e->size;
    if (tw_zip_read(z, e, bytes)) return bytes;
    tw_free(bytes);
    return NULL;
}

/* Numbers are stored in the order of the machine that wrote them. */
static bool check_order(const tw_zip *z) {
    const tw_zip_entry *e = tw_zip_find(z, "byteorder");
    if (!e) return true; /* older files: little-endian machines wrote them */
    char order[8] = "";
    if (e->size >= (int64_t)sizeof order) return tw_fail(TW_RUNTIME_ERROR, "Unknown endianness type");
    if (!tw_zip_read(z, e, order)) return false;
    if (strcmp(order, "little") == 0) return true;
    if (strcmp(order, "big") == 0) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "tw_load: checkpoints of big-endian machines");
    return tw_fail(TW_RUNTIME_ERROR, "Unknown endianness type: %s", order);
}

static bool append(tw_named_tensors *list, char *name, tw_tensor *tensor) {
    if ((list->n & (list->n - 1)) == 0) { /* room doubles at every power of two */
        size_t room = list->n ? 2 * (size_t)list->n : 1;
        char **names = tw_realloc(list->names, room * sizeof(char *));
        if (names) list->names = names;
        tw_tensor **tensors = names ? tw_realloc(list->tensors, room * sizeof(tw_tensor *)) : NULL;
        if (!tensors) {
            tw_free(name);
            return false;
        }
        list->tensors = tensors;
    }
    list->names[list->n] = name;
    list->tensors[list->n++] = tw_retain(tensor);
    return true;
}

/* "outer.inner"; a number as a key stands for itself. NULL without an error for other keys. */
static char *join(const char *prefix, const tw_pickle_value *key) {
    char number[24] = "";
    if (tw_pickle_is(key, TW_PICKLE_INT)) snprintf(number, sizeof number, "%lld", (long long)key->i);
    else if (!tw_pickle_is(key, TW_PICKLE_TEXT) || memchr(key->text, '\0', key->n)) return NULL;
    const char *text = number[0] ? number : key->text;
    size_t n = number[0] ? strlen(number) : key->n, before = strlen(prefix), dot = before > 0;
    char *name = tw_malloc(before + dot + n + 1);
    if (!name) return NULL;
    memcpy(name, prefix, before);
    if (dot) name[before] = '.';
    memcpy(name + before + dot, text, n);
    name[before + dot + n] = '\0';
    return name;
}

/* Collects the tensors of a dict. `budget` bounds the work that a small file can ask for by naming one dict, or one long key, in many
 * others. */
static bool collect(tw_named_tensors *list, const tw_pickle_value *dict, const char *prefix, int nesting, int64_t *budget) {
    if (nesting > MAX_NESTING) return tw_fail(TW_UNPICKLING_ERROR, "dicts are nested more than %d deep", MAX_NESTING);
    bool ok = true;
    for (size_t i = 0; ok && i + 1 < dict->n; i += 2) {
        const tw_pickle_value *value = dict->items[i + 1];
        *budget -= NAME_BYTES;
        if (*budget < 0) return tw_fail(TW_UNPICKLING_ERROR, "more than %d MB of names", MAX_NAME_BYTES >> 20);
        if (!tw_pickle_is(value, TW_PICKLE_TENSOR) && !tw_pickle_is(value, TW_PICKLE_DICT)) continue;
        *budget -= (int64_t)(strlen(prefix) + dict->items[i]->n);
        char *name = join(prefix, dict->items[i]);
        if (!name) {
            ok = !tw_failed();
        } else if (tw_pickle_is(value, TW_PICKLE_TENSOR)) {
            ok = append(list, name, value->tensor); /* takes the name */
        } else {
            ok = collect(list, value, name, nesting + 1, budget);
            tw_free(name);
        }
    }
    return ok;
}

static tw_named_tensors *load_all(loader *l) {
    size_t n = 0;
    int64_t budget = MAX_NAME_BYTES;
    const tw_zip_entry *e = tw_zip_find(&l->zip, "data.pkl");
    if (!e) return tw_fail_null(TW_RUNTIME_ERROR, "PytorchStreamReader failed locating file data.pkl: file not found");
    if (!check_order(&l->zip)) return NULL;
    uint8_t *pickle = read_entry(&l->zip, e, &n);
    if (!pickle) return NULL;
    tw_pickle_value *all = NULL, *top = tw_pickle_read(pickle, n, load_storage, l, &all);
    tw_named_tensors *list = top ? tw_calloc(1, sizeof *list) : NULL;
    if (list && !tw_pickle_is(top, TW_PICKLE_DICT)) tw_fail(TW_VALUE_ERROR, "'%s' holds no dict of tensors", l->zip.path);
    if (list && (tw_failed() || !collect(list, top, "", 0, &budget))) {
        tw_named_release(list);
        list = NULL;
    }
    tw_pickle_free(all);
    tw_free(pickle);
    return list;
}

tw_named_tensors *tw_load(const char *path) {
    if (tw_failed()) return NULL;
    loader l;
    if (!tw_zip_open(&l.zip, path)) return NULL;
    tw_named_tensors *list = NULL;
    int64_t n = l.zip.n;
    l.storages = tw_calloc((size_t)n, sizeof(tw_storage *));
    if (l.storages) list = load_all(&l);
    for (int64_t i = 0; l.storages && i < n; i++) tw_storage_release(l.storages[i]);
    tw_free(l.storages);
    tw_zip_close(&l.zip);
    return list;
}

tw_tensor *tw_named_get(const tw_named_tensors *list, const char *name) {
    if (tw_failed()) return NULL;
    if (!list || !name) return tw_fail_null(TW_VALUE_ERROR, "tw_named_get: an argument is NULL");
    for (int64_t i = 0; i < list->n; i++)
        if (strcmp(list->names[i], name) == 0) return list->tensors[i];
    return tw_fail_null(TW_KEY_ERROR, "'%s'", name);
}

void tw_named_release(tw_named_tensors *list) {
    if (!list) return;
    for (int64_t i = 0; i < list->n; i++) {
        tw_free(list->names[i]);
        tw_release(list->tensors[i]);
    }
    tw_free(list->names);
    tw_free(list->tensors);
    tw_free(list);
}
