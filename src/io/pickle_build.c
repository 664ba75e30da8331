/* From pickled descriptions to storages and tensors: the only calls that a pickle may make. */
#include "io/pickle_build.h"
#include "core/memory.h"
#include <string.h>

static bool same(const char *text, size_t n, const char *word) { return strlen(word) == n && memcmp(text, word, n) == 0; }
bool tw_pickle_text_is(const tw_pickle_value *v, const char *text) {
    return tw_pickle_is(v, TW_PICKLE_TEXT) && same(v->text, v->n, text);
}

/* "FloatStorage" and "float32": the dtype that they speak of. */
static tw_dtype dtype_of(const char *name, size_t n, bool storage) {
    for (int d = 0; d < TW_DTYPE_COUNT; d++) {
        const char *word = storage ? tw_dtypes[d].type_name : tw_dtypes[d].name;
        size_t length = strlen(word);
        if (storage && n == length + 7 && memcmp(name, word, length) == 0 && memcmp(name + length, "Storage", 7) == 0) return (tw_dtype)d;
        if (!storage && same(name, n, word)) return (tw_dtype)d;
    }
    return TW_DTYPE_NONE;
}

bool tw_pickle_find(tw_pickle_value *into, const char *module, size_t module_n, const char *name, size_t name_n) {
    static const struct { const char *module, *name; tw_pickle_global global; } known[] = {
        {"collections", "OrderedDict", TW_GLOBAL_ORDERED_DICT},
        {"torch._utils", "_rebuild_tensor_v2", TW_GLOBAL_REBUILD_TENSOR},
        {"torch._utils", "_rebuild_tensor_v3", TW_GLOBAL_REBUILD_TENSOR_V3},
        {"torch._utils", "_rebuild_parameter", TW_GLOBAL_REBUILD_PARAMETER},
        {"torch.storage", "UntypedStorage", TW_GLOBAL_UNTYPED_STORAGE},
        {"torch", "Size", TW_GLOBAL_SIZE},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (same(module, module_n, known[i].module) && same(name, name_n, known[i].name)) {
            into->global = (uint8_t)known[i].global;
            into->dtype = TW_UINT8;
            return true;
        }
    if (same(module, module_n, "torch")) {
        tw_dtype storage = dtype_of(name, name_n, true), dtype = dtype_of(name, name_n, false);
        into->global = storage != TW_DTYPE_NONE ? TW_GLOBAL_STORAGE : TW_GLOBAL_DTYPE;
        into->dtype = (int8_t)(storage != TW_DTYPE_NONE ? storage : dtype);
        if (into->dtype != TW_DTYPE_NONE) return true;
    }
    tw_fail(TW_UNPICKLING_ERROR, "Weights only load failed. Unsupported global: GLOBAL %.*s.%.*s was not an allowed global by default.",
            (int)(module_n < 200 ? module_n : 200), module, (int)(name_n < 200 ? name_n : 200), name);
    return tw_hint("Only state dicts can be read here: tensors, numbers, strings and their containers.");
}

/* ('storage', type, key, location, number of elements). The location is ignored: everything is loaded to the CPU. */
tw_pickle_value *tw_pickle_persistent(tw_pickle_reader *r, const tw_pickle_value *id) {
    uint64_t bytes;
    if (!tw_pickle_is(id, TW_PICKLE_TUPLE) || id->n != 5 || !tw_pickle_text_is(id->items[0], "storage") ||
        !tw_pickle_is(id->items[1], TW_PICKLE_GLOBAL) || !tw_pickle_is(id->items[2], TW_PICKLE_TEXT) ||
        !tw_pickle_is(id->items[4], TW_PICKLE_INT) ||
        (id->items[1]->global != TW_GLOBAL_STORAGE && id->items[1]->global != TW_GLOBAL_UNTYPED_STORAGE) ||
        id->items[4]->i < 0 ||
        __builtin_mul_overflow((uint64_t)id->items[4]->i, (uint64_t)tw_dtype_size((tw_dtype)id->items[1]->dtype), &bytes))
        return tw_pickle_bad("a storage is described wrongly"), NULL;
    tw_pickle_value *v = tw_pickle_new(r, TW_PICKLE_STORAGE);
    if (!v) return NULL;
    v->dtype = id->items[1]->dtype;
    v->storage = r->storage(r->context, id->items[2]->text, id->items[2]->n, bytes);
    return v->storage ? v : NULL;
}

static bool read_ints(const tw_pickle_value *v, int64_t *into) {
    if (!tw_pickle_is(v, TW_PICKLE_TUPLE) || v->n > TW_MAX_DIMS) return false;
    for (size_t i = 0; i < v->n; i++) {
        if (!tw_pickle_is(v->items[i], TW_PICKLE_INT) || v->items[i]->i < 0) return false;
        into[i] = v->items[i]->i;
    }
    return true;
}

/* {"conj": True, "neg": True}: the lazy flags. */
static uint8_t lazy_flags(const tw_pickle_value *v) {
    unsigned flags = 0;
    for (size_t i = 0; tw_pickle_is(v, TW_PICKLE_DICT) && i + 1 < v->n; i += 2) {
        if (!tw_pickle_is(v->items[i + 1], TW_PICKLE_BOOL) || !v->items[i + 1]->i) continue;
        if (tw_pickle_text_is(v->items[i], "conj")) flags |= TW_CONJ;
        if (tw_pickle_text_is(v->items[i], "neg")) flags |= TW_NEG;
    }
    return (uint8_t)flags;
}

/* (storage, offset, sizes, strides, requires_grad, hooks[, dtype of v3][, metadata]) */
static tw_pickle_value *rebuild_tensor(tw_pickle_reader *r, const tw_pickle_value *args, bool v3) {
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    size_t least = v3 ? 7 : 6;
    if (args->n < least || args->n > least + 1 || !tw_pickle_is(args->items[0], TW_PICKLE_STORAGE) ||
        !tw_pickle_is(args->items[1], TW_PICKLE_INT) || !read_ints(args->items[2], sizes) || !read_ints(args->items[3], strides) ||
        args->items[2]->n != args->items[3]->n)
        return tw_pickle_bad("a tensor is described wrongly"), NULL;
    tw_dtype dtype = (tw_dtype)args->items[0]->dtype;
    if (v3) {
        const tw_pickle_value *given = args->items[6];
        if (!tw_pickle_is(given, TW_PICKLE_GLOBAL) || given->global != TW_GLOBAL_DTYPE)
            return tw_pickle_bad("a tensor's dtype is described wrongly"), NULL;
        dtype = (tw_dtype)given->dtype;
    }
    tw_pickle_value *v = tw_pickle_new(r, TW_PICKLE_TENSOR);
    if (!v) return NULL;
    v->tensor = tw_tensor_over(args->items[0]->storage, sizes, strides, (int)args->items[2]->n, args->items[1]->i, dtype);
    if (!v->tensor) return NULL;
    if (args->n > least) {
        uint8_t flags = lazy_flags(args->items[least]);
        if ((flags & TW_CONJ) && !tw_is_complex(dtype)) return tw_pickle_bad("a real tensor says that it is conjugated"), NULL;
        v->tensor->flags |= flags;
    }
    return v;
}

tw_pickle_value *tw_pickle_call(tw_pickle_reader *r, const tw_pickle_value *callee, tw_pickle_value *args) {
    if (!tw_pickle_is(callee, TW_PICKLE_GLOBAL) || !tw_pickle_is(args, TW_PICKLE_TUPLE))
        return tw_pickle_bad("a call of what cannot be called"), NULL;
    switch (callee->global) {
    case TW_GLOBAL_ORDERED_DICT:
        if (args->n == 0) return tw_pickle_new(r, TW_PICKLE_DICT);
        break;
    case TW_GLOBAL_REBUILD_TENSOR: return rebuild_tensor(r, args, false);
    case TW_GLOBAL_REBUILD_TENSOR_V3: return rebuild_tensor(r, args, true);
    case TW_GLOBAL_REBUILD_PARAMETER: /* (data, requires_grad, hooks): the data is what a state dict is about */
        if (args->n == 3 && tw_pickle_is(args->items[0], TW_PICKLE_TENSOR)) return args->items[0];
        break;
    case TW_GLOBAL_SIZE:
        if (args->n == 1 && tw_pickle_is(args->items[0], TW_PICKLE_TUPLE)) return args->items[0];
        break;
    default: break;
    }
    return tw_pickle_bad("a call with wrong arguments"), NULL;
}
