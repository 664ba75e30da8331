/* replay FOLDER [KEY [LABEL]]: calls the ops of FOLDER/samples.txt (tests/python/replay.py writes it) and prints a line for each call: what it
 * was, and hashes of the bits of its results and of its gradients, or the error. KEY, LABEL: only these calls, with the values. Then what a
 * short training gives (train.h). The lines are the same on every machine that keeps the promise of the same bits; NaNs are all one. */
#include "autograd/engine.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/sparse.h"
#include "entries.h"
#include "op_ids.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 64, MAX_LIST = 4096 };

static char *word;                            /* the next one of the text */
static char *data;                            /* of the tensors */
static tw_tensor *inputs[MAX_TENSORS];        /* of the call, owned */
static int ninputs;
static tw_tensor *listed[MAX_TENSORS];        /* room for Tensor[] arguments */
static int nlisted;
static int64_t numbers[MAX_LIST];             /* room for int lists, and for doubles */
static double doubles[MAX_LIST];
static int nnumbers, ndoubles;
static bool values_too;

static char *next(void) {
    char *start = word, *end = start + strcspn(start, " \n");
    if (*end) *end++ = '\0';
    word = end;
    return start;
}
static int64_t next_int(void) { return strtoll(next(), NULL, 10); }

static char *read_file(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    if (size >= 0 && (text = malloc((size_t)size + 1))) {
        text[fread(text, 1, (size_t)size, file)] = '\0';
    }
    fclose(file);
    return text;
}

/* A fresh tensor: the elements row-major from the data, put at the given strides of a storage of its own. */
static tw_tensor *read_tensor(void) {
    const tw_dtype dtype = (tw_dtype)next_int();
    const int ndim = (int)next_int();
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    for (int i = 0; i < ndim; i++) sizes[i] = next_int();
    for (int i = 0; i < ndim; i++) strides[i] = next_int();
    const int64_t extent = next_int(), offset = next_int();
    tw_tensor *plain = tw_from_data(data + offset, sizes, ndim, dtype);
    tw_tensor *storage = tw_op_zeros(&extent, 1, dtype, -1, TW_CPU, -1), *at = tw_op_as_strided(storage, sizes, ndim, strides, ndim, 0);
    tw_release(tw_op_copy_(at, plain, false));
    tw_tensor *t = at ? tw_detach_new(at) : NULL;
    tw_release(at);
    tw_release(storage);
    tw_release(plain);
    if (t && ninputs < MAX_TENSORS) inputs[ninputs++] = t;
    return t;
}

/* A sparse tensor of two that follow. */
static tw_tensor *read_sparse(void) {
    const bool coalesced = next_int() != 0;
    const int ndim = (int)next_int(), before = ninputs;
    int64_t sizes[TW_MAX_DIMS];
    for (int i = 0; i < ndim; i++) sizes[i] = next_int();
    next();
    tw_tensor *indices = read_tensor();
    next();
    tw_tensor *values = read_tensor(), *t = indices && values ? tw_sparse_new(indices, values, sizes, ndim, coalesced) : NULL;
    while (ninputs > before) tw_release(inputs[--ninputs]);
    if (t && ninputs < MAX_TENSORS) inputs[ninputs++] = t;
    return t;
}

static tw_arg read_list(bool floats) {
    const int n = (int)next_int();
    tw_arg a = {.n = n, .tag = floats ? TW_ARG_DOUBLES : TW_ARG_INTS};
    if (floats) a.doubles = doubles + ndoubles;
    else a.ints = numbers + nnumbers;
    for (int i = 0; i < n; i++) {
        if (floats) doubles[ndoubles++] = strtod(next(), NULL);
        else numbers[nnumbers++] = next_int();
    }
    return a;
}

static tw_arg read_tensors(void) {
    const int n = (int)next_int();
    tw_arg a = tw_a_tensors(listed + nlisted, n);
    nlisted += n;
    for (int i = nlisted - n; i < nlisted; i++) listed[i] = *next() == 'n' ? NULL : read_tensor();
    return a;
}

static tw_arg read_argument(const tw_param *param) {
    tw_arg a = {.tag = TW_ARG_COMPLEX};
    switch (*next()) {
    case 'z': return param->fallback;
    case 't': return tw_a_tensor(read_tensor());
    case 'S': return tw_a_tensor(read_sparse());
    case 'T': return read_tensors();
    case 'i': return tw_a_int(next_int());
    case 'b': return tw_a_bool(next_int());
    case 'd': return tw_a_float(strtod(next(), NULL));
    case 's': return tw_a_string(next());
    case 'I': return read_list(false);
    case 'D': return read_list(true);
    case 'c':
        a.c[0] = strtod(next(), NULL);
        a.c[1] = strtod(next(), NULL);
        return a;
    default: return TW_A_NONE;
    }
}

/* --- hashes --- */

static uint64_t total = 14695981039346656037ull;

static void absorb(uint64_t *hash, const void *bytes, size_t n) { /* FNV-1a */
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) *hash = (*hash ^ p[i]) * 1099511628211ull;
}

#define ONE_NAN(T, SIGNLESS, INF) \
    for (size_t i = 0; i < n; i++) { \
        T x; \
        memcpy(&x, p + i * sizeof x, sizeof x); \
        if ((x & SIGNLESS) > INF) x = SIGNLESS; \
        memcpy(p + i * sizeof x, &x, sizeof x); \
    }

static void one_nan(char *p, size_t n, tw_dtype real) {
    if (real == TW_FLOAT64) { ONE_NAN(uint64_t, 0x7fffffffffffffffull, 0x7ff0000000000000ull) }
    else if (real == TW_FLOAT32) { ONE_NAN(uint32_t, 0x7fffffffu, 0x7f800000u) }
    else if (real == TW_FLOAT16) { ONE_NAN(uint16_t, 0x7fff, 0x7c00) }
    else if (real == TW_BFLOAT16) { ONE_NAN(uint16_t, 0x7fff, 0x7f80) }
}

static void absorb_tensor(uint64_t *hash, const tw_tensor *t, bool contents) {
    const tw_dtype dtype = (tw_dtype)t->dtype;
    const int64_t kind[] = {dtype, t->ndim};
    absorb(hash, kind, sizeof kind);
    absorb(hash, t->sizes, (size_t)t->ndim * sizeof *t->sizes);
    absorb(hash, t->strides, (size_t)t->ndim * sizeof *t->strides);
    if (!contents || t->device != TW_CPU) return;
    if (t->layout) {
        absorb_tensor(hash, tw_sparse_of(t)->indices, true);
        absorb_tensor(hash, tw_sparse_of(t)->values, true);
        return;
    }
    const size_t parts = (size_t)t->numel * (tw_is_complex(dtype) ? 2 : 1), bytes = (size_t)t->numel * tw_dtype_size(dtype);
    char *p = malloc(bytes + 1);
    if (p && tw_to_data(t, p, dtype)) {
        one_nan(p, parts, tw_dtypes[dtype].real);
        absorb(hash, p, bytes);
    }
    free(p);
    if (values_too) tw_print(stdout, t);
}

/* --- calls --- */

static void differentiate(tw_tensor *const *results, int n, uint64_t *hash) {
    tw_tensor *roots[MAX_TENSORS], *grads[MAX_TENSORS];
    int nroots = 0;
    for (int i = 0; i < n; i++) {
        if (!results[i] || !tw_requires_grad(results[i])) continue;
        roots[nroots] = results[i];
        grads[nroots] = tw_detach_new(results[i]); /* the gradient of half the squares: other numbers in every place */
        nroots += grads[nroots] != NULL;
    }
    if (nroots && tw_backward_run(roots, grads, nroots, false, false, NULL, 0, true, true, NULL)) {
        for (int i = 0; i < ninputs; i++) {
            if (tw_grad(inputs[i])) absorb_tensor(hash, tw_grad(inputs[i]), true);
        }
    }
    for (int i = 0; i < nroots; i++) tw_release(grads[i]);
}

/* The pending error, in a hash and on the line. */
static void print_error(void) {
    printf(" refused %.60s", tw_error_message());
    tw_clear_error();
}

static int spread(const tw_op *op, tw_tensor *const *outs, tw_tensor **results) {
    if (!(op->flags & TW_OP_LIST)) {
        for (int i = 0; i < op->nouts; i++) results[i] = outs[i] ? tw_retain(outs[i]) : NULL;
        return op->nouts;
    }
    const tw_list *list = (const tw_list *)(const void *)outs[0];
    const int n = list->n < MAX_TENSORS ? (int)list->n : MAX_TENSORS;
    for (int i = 0; i < n; i++) results[i] = tw_retain(list->items[i]);
    return n;
}

static void run(const tw_op *op, const tw_arg *args) {
    const bool contents = strncmp(op->base, "empty", 5) != 0 && strncmp(op->base, "new_empty", 9) != 0;
    tw_tensor *outs[TW_MAX_OUTS] = {NULL}, *results[MAX_TENSORS];
    uint64_t values = total, gradients = total;
    for (int i = 0; i < ninputs && !(op->flags & TW_OP_INPLACE); i++) {
        const tw_dtype dtype = (tw_dtype)inputs[i]->dtype;
        if (tw_is_float(dtype) || tw_is_complex(dtype)) tw_set_requires_grad(inputs[i], true);
    }
    tw_manual_seed(0);
    if (!tw_call(op, args, outs)) {
        print_error();
        return;
    }
    const int n = spread(op, outs, results);
    for (int i = 0; i < n; i++) {
        if (results[i]) absorb_tensor(&values, results[i], contents);
    }
    printf(" %016llx", (unsigned long long)values);
    if (contents) differentiate(results, n, &gradients);
    if (tw_failed()) print_error();
    else printf(" %016llx", (unsigned long long)gradients);
    for (int i = 0; i < n; i++) tw_release(results[i]);
    if (op->flags & TW_OP_LIST) tw_list_release((tw_list *)(void *)outs[0]);
    else for (int i = 0; i < op->nouts; i++) tw_release(outs[i]);
}

static const tw_op *op_named(const char *key) {
    for (int i = 0; i < tw_op_count; i++)
        if (strcmp(tw_ops[i].name, key) == 0) return &tw_ops[i];
    return NULL;
}

static bool replay(const char *key, const char *label, bool wanted) {
    tw_arg args[TW_MAX_ARGS];
    const tw_op *op = op_named(key);
    const int nargs = (int)next_int();
    if (!op || nargs != op->nparams) return false;
    for (int i = 0; i < nargs; i++) args[i] = read_argument(&op->params[i]);
    if (wanted) {
        printf("%s %s", key, label);
        if (tw_failed()) print_error();
        else run(op, args);
        printf("\n");
    }
    for (int i = 0; i < ninputs; i++) tw_release(inputs[i]);
    ninputs = nlisted = nnumbers = ndoubles = 0;
    return true;
}

int main(int argc, char **argv) {
    char *text = argc > 1 ? read_file(argv[1], "samples.txt") : NULL;
    data = argc > 1 ? read_file(argv[1], "samples.bin") : NULL;
    tw_memory_stats stats;
    bool ok = text && data;
    values_too = argc > 2;
    for (word = text; ok && *word;) {
        const char *key = next(), *label = next();
        const bool wanted = (argc < 3 || strcmp(argv[2], key) == 0) && (argc < 4 || strcmp(argv[3], label) == 0);
        ok = replay(key, label, wanted);
        if (!ok) fprintf(stderr, "%s %s cannot be read\n", key, label);
    }
    free(text);
    free(data);
    tw_memory_read(&stats);
    if (ok && stats.blocks) fprintf(stderr, "%lld blocks are left behind\n", (long long)stats.blocks);
    return !ok || stats.blocks;
}
