/* Walking a reduction. Two ways, chosen by strides and shape alone: by rows (each result gathers its own elements, leaf by leaf)
 * and by columns (a block of neighbouring results takes one row after another). */
#include "ops/reduce_engine.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include <stddef.h>
#include <string.h>

enum { BLOCK = 2048, LEVELS = 50 }; /* bytes of accumulators in a column block; depth of the tree */

typedef struct walk {
    const tw_reduction_plan *plan;
    const tw_reducer *k;
    tw_dtype dtype;                   /* of the class */
    size_t size, in_size;             /* bytes of an element of the class, of the input */
    bool direct;                      /* elements need no conversion */
    int nk, nr;                       /* kept and reduced dims, fastest first */
    int64_t nred, nout, leaves;
    char *partials;
    int64_t ksize[TW_MAX_DIMS], kin[TW_MAX_DIMS], kout[TW_MAX_DIMS]; /* kin in bytes, kout in elements; what precedes is cleared */
    int64_t rsize[TW_MAX_DIMS], rin[TW_MAX_DIMS];
} walk;

tw_reduce_class tw_reduce_class_of(tw_dtype d) {
    switch (tw_dtypes[d].compute) {
    case TW_FLOAT32: return TW_RC_FLOAT;
    case TW_FLOAT64: return TW_RC_DOUBLE;
    case TW_COMPLEX64: return TW_RC_CFLOAT;
    case TW_COMPLEX128: return TW_RC_CDOUBLE;
    default: return TW_RC_INT;
    }
}

tw_dtype tw_reduce_class_dtype(tw_reduce_class c) {
    static const tw_dtype of[TW_RC_COUNT] = {TW_BOOL, TW_INT64, TW_FLOAT32, TW_FLOAT64, TW_COMPLEX64, TW_COMPLEX128};
    return of[c];
}

/* --- loading ------------------------------------------------------------------------------------------------- */

static int log2_size(size_t size) { return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : 4; }

/* n <= TW_LEAF elements from `from` with a stride in bytes to contiguous elements of the class. */
static void load(const walk *w, int64_t n, const char *from, int64_t stride, char *to) {
    const tw_reduction_plan *p = w->plan;
    tw_dtype have = (tw_dtype)p->in->dtype;
    char gathered[TW_LEAF * 16];
    if (stride != (int64_t)w->in_size) {
        tw_move()->move[log2_size(w->in_size)](n, gathered, (int64_t)w->in_size, from, stride);
        from = gathered;
    }
    if (p->truth) {
        tw_cast(n, to, TW_BOOL, from, have);
        return;
    }
    if (p->cast != have && p->cast != w->dtype) {
        char rounded[TW_LEAF * 16];
        tw_cast(n, rounded, p->cast, from, have);
        tw_cast(n, to, w->dtype, rounded, p->cast);
    } else {
        tw_cast(n, to, w->dtype, from, have);
    }
    if (p->in->flags & (TW_CONJ | TW_NEG)) tw_apply_flags(n, to, w->dtype, p->in->flags);
}

/* --- the tree ------------------------------------------------------------------------------------------------- */

/* Leaves are pushed in order; equals the tree that splits at the largest power of two below the count. */
typedef struct tree { const tw_reducer *k; int64_t n, width; uint64_t count; char *level; size_t pitch; } tree;

static char *tree_at(const tree *t, int l) { return t->level + (size_t)l * t->pitch; }

/* Takes acc, of `width` accumulators; acc is scratch afterwards. */
static void tree_push(tree *t, char *acc) {
    size_t bytes = (size_t)t->width * t->k->acc_size;
    int l = 0;
    for (; t->count >> l & 1; l++) {
        t->k->combine(t->width, tree_at(t, l), acc);
        memcpy(acc, tree_at(t, l), bytes);
    }
    memcpy(tree_at(t, l), acc, bytes);
    t->count++;
}

static char *tree_result(tree *t) {
    char *result = NULL;
    for (int l = 0; t->count >> l; l++) {
        if (!(t->count >> l & 1)) continue;
        if (result) t->k->combine(t->width, tree_at(t, l), result);
        result = tree_at(t, l);
    }
    return result;
}

/* --- by rows -------------------------------------------------------------------------------------------------- */

/* Byte offset of kept index o, and its place in the result. */
static int64_t kept_offset(const walk *w, int64_t o, int64_t *place) {
    int64_t at = 0, to = 0;
    for (int d = 0; d < w->nk; d++) {
        int64_t c = o % w->ksize[d];
        o /= w->ksize[d];
        at += c * w->kin[d];
        to += c * w->kout[d];
    }
    *place = to;
    return at;
}

static int64_t reduced_offset(const walk *w, int64_t r, int64_t *counters) {
    int64_t at = 0;
    for (int d = 0; d < w->nr; d++) {
        counters[d] = r % w->rsize[d];
        r /= w->rsize[d];
        at += counters[d] * w->rin[d];
    }
    return at;
}

/* Moves on by n elements, up to the end of the fastest reduced dim; at is the byte offset. */
static int64_t reduced_advance(const walk *w, int64_t *counters, int64_t at, int64_t n) {
    counters[0] += n;
    at += n * w->rin[0];
    for (int d = 0; d < w->nr && counters[d] == w->rsize[d]; d++) {
        at -= counters[d] * w->rin[d];
        counters[d] = 0;
        if (d + 1 < w->nr) {
            counters[d + 1]++;
            at += w->rin[d + 1];
        }
    }
    return at;
}

static void gathered_leaf(const walk *w, const char *row, int64_t first, int64_t n, void *acc) __attribute__((noinline));

static inline void row_leaf(const walk *w, const char *row, int64_t leaf, void *acc) {
    int64_t first = leaf * TW_LEAF, n = w->nred - first < TW_LEAF ? w->nred - first : TW_LEAF;
    if (n <= 0 || (w->direct && w->nr <= 1 && (w->nr == 0 || w->rin[0] == (int64_t)w->size))) {
        w->k->leaf(n, row + first * (int64_t)w->size, first, acc);
        return;
    }
    gathered_leaf(w, row, first, n, acc);
}

static void gathered_leaf(const walk *w, const char *row, int64_t first, int64_t n, void *acc) {
    char scratch[TW_LEAF * 16];
    if (w->nr == 0) {
        if (n) load(w, n, row, (int64_t)w->in_size, scratch);
    } else {
        int64_t counters[TW_MAX_DIMS], at = reduced_offset(w, first, counters);
        for (int64_t done = 0; done < n;) {
            int64_t run = w->rsize[0] - counters[0] < n - done ? w->rsize[0] - counters[0] : n - done;
            load(w, run, row + at, w->rin[0], scratch + (size_t)done * w->size);
            at = reduced_advance(w, counters, at, run);
            done += run;
        }
    }
    w->k->leaf(n, scratch, first, acc);
}

enum { GROUP = 64 }; /* short rows whose results are finished together */

/* Results [begin, end) of rows of one leaf: groups along the fastest kept dim. */
static void short_rows(const walk *w, int64_t begin, int64_t end) {
    char acc[GROUP * TW_ACC_BYTES];
    int64_t run = w->nk ? w->ksize[0] : 1, step = w->nk ? w->kin[0] : 0;
    for (int64_t o = begin; o < end;) {
        int64_t place, n = run - o % run < end - o ? run - o % run : end - o;
        const char *row = (const char *)tw_data(w->plan->in) + kept_offset(w, o, &place);
        n = n < GROUP ? n : GROUP;
        for (int64_t i = 0; i < n; i++) row_leaf(w, row + i * step, 0, acc + (size_t)i * w->k->acc_size);
        w->plan->finish(w->plan->context, n, acc, place, w->nk ? w->kout[0] : 0);
        o += n;
    }
}

static void rows(void *context, int64_t begin, int64_t end) {
    const walk *w = context;
    const char *base = tw_data(w->plan->in);
    char level[LEVELS * TW_ACC_BYTES], acc[TW_ACC_BYTES];
    if (w->leaves <= 1) {
        short_rows(w, begin, end);
        return;
    }
    for (int64_t o = begin; o < end; o++) {
        int64_t place;
        const char *row = base + kept_offset(w, o, &place);
        tree t = {.k = w->k, .width = 1, .level = level, .pitch = TW_ACC_BYTES};
        for (int64_t l = 0; l < w->leaves; l++) {
            row_leaf(w, row, l, acc);
            tree_push(&t, acc);
        }
        w->plan->finish(w->plan->context, 1, tree_result(&t), place, 0);
    }
}

/* Few long rows: leaves side by side, then the tree. */
static void partial_leaves(void *context, int64_t begin, int64_t end) {
    const walk *w = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t place;
        const char *row = (const char *)tw_data(w->plan->in) + kept_offset(w, i / w->leaves, &place);
        row_leaf(w, row, i % w->leaves, w->partials + i * TW_ACC_BYTES);
    }
}

static bool long_rows(walk *w) {
    char level[LEVELS * TW_ACC_BYTES];
    w->partials = tw_malloc((size_t)(w->nout * w->leaves) * TW_ACC_BYTES);
    if (!w->partials) return false;
    tw_parallel(w->nout * w->leaves, 4, partial_leaves, w);
    for (int64_t o = 0; o < w->nout; o++) {
        int64_t place;
        tree t = {.k = w->k, .width = 1, .level = level, .pitch = TW_ACC_BYTES};
        (void)kept_offset(w, o, &place);
        for (int64_t l = 0; l < w->leaves; l++) tree_push(&t, w->partials + (o * w->leaves + l) * TW_ACC_BYTES);
        w->plan->finish(w->plan->context, 1, tree_result(&t), place, 0);
    }
    tw_free(w->partials);
    return true;
}

/* --- by columns ------------------------------------------------------------------------------------------------ */

/* A block of neighbouring results takes one row after another. Rows are the reduced elements in order, in chunks: one leaf where the kernel
 * keeps a state of its own, else so many that the tree over chunks is the tree over leaves. Blocks, and chunks of few blocks, run in threads. */
enum { CHUNK_LEAVES = 64, CHUNK_LEVELS = 7 };

static int64_t chunk_rows(const walk *w) { return w->k->take ? w->k->leaf_rows : TW_LEAF_ROWS * CHUNK_LEAVES; }
static int64_t block_columns(const walk *w) { return w->k->take ? TW_COLUMNS : BLOCK / (int64_t)w->size; }
static int64_t blocks_of(const walk *w) { return (w->ksize[0] + block_columns(w) - 1) / block_columns(w); }

/* Rows [begin, end) of a leaf into a kernel's state, or into accumulators. */
static void take_rows(const walk *w, const char *from, int64_t cols, int64_t begin, int64_t end, void *state) {
    char scratch[TW_COLUMNS * 16];
    int64_t counters[TW_MAX_DIMS], at = reduced_offset(w, begin, counters);
    const bool straight = w->direct && w->kin[0] == (int64_t)w->size;
    for (int64_t r = begin; r < end;) {
        int64_t run = 1, stride = 0;
        const char *row = from + at;
        if (straight) {
            run = w->rsize[0] - counters[0] < end - r ? w->rsize[0] - counters[0] : end - r;
            stride = w->rin[0];
        } else {
            load(w, cols, row, w->kin[0], scratch);
            row = scratch;
        }
        if (w->k->take) w->k->take(run, cols, row, stride, r - begin, state);
        else w->k->columns(run, cols, row, stride, state);
        at = reduced_advance(w, counters, at, run);
        r += run;
    }
}

/* Accumulators of one chunk. */
static void column_chunk(const walk *w, const char *from, int64_t cols, int64_t chunk, char *result) {
    const int64_t begin = chunk * chunk_rows(w), end = begin + chunk_rows(w) < w->nred ? begin + chunk_rows(w) : w->nred;
    if (w->k->take) {
        char state[TW_STATE_BYTES] __attribute__((aligned(64)));
        take_rows(w, from, cols, begin, end, state);
        w->k->end(end - begin, cols, begin, state, result);
        return;
    }
    char level[CHUNK_LEVELS * BLOCK], acc[BLOCK];
    tree t = {.k = w->k, .width = cols, .level = level, .pitch = (size_t)cols * w->k->acc_size};
    for (int64_t r = begin; r < end; r += TW_LEAF_ROWS) {
        w->k->identity(cols, acc);
        take_rows(w, from, cols, r, r + TW_LEAF_ROWS < end ? r + TW_LEAF_ROWS : end, acc);
        tree_push(&t, acc);
    }
    memcpy(result, tree_result(&t), (size_t)cols * w->k->acc_size);
}

static int64_t chunks_of(const walk *w) { return (w->nred + chunk_rows(w) - 1) / chunk_rows(w); }

/* Bytes that a block's accumulators take. */
static size_t block_bytes(const walk *w) { return (size_t)block_columns(w) * w->k->acc_size; }

/* A block's columns, its place in the input and in the result. */
static const char *block_at(const walk *w, int64_t block, int64_t *cols, int64_t *place) {
    const int64_t width = block_columns(w), blocks = blocks_of(w), c = block % blocks * width;
    *cols = w->ksize[0] - c < width ? w->ksize[0] - c : width;
    return (const char *)tw_data(w->plan->in) + kept_offset(w, block / blocks * w->ksize[0] + c, place);
}

static void partial_chunks(void *context, int64_t begin, int64_t end) {
    const walk *w = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t cols, place;
        const char *from = block_at(w, i / chunks_of(w), &cols, &place);
        column_chunk(w, from, cols, i % chunks_of(w), w->partials + (size_t)i * block_bytes(w));
    }
}

static void columns(void *context, int64_t begin, int64_t end) {
    const walk *w = context;
    const int64_t chunks = chunks_of(w);
    char acc[TW_COLUMNS * TW_ACC_BYTES], level[LEVELS * BLOCK];
    for (int64_t i = begin; i < end; i++) {
        int64_t cols, place;
        const char *from = block_at(w, i, &cols, &place);
        char sum[TW_COLUMNS * TW_ACC_BYTES], *result = sum;
        tree t = {.k = w->k, .width = cols, .level = level, .pitch = (size_t)cols * w->k->acc_size};
        for (int64_t j = 0; j < chunks; j++) {
            char *to = w->k->take && j == 0 ? sum : acc;
            if (w->partials) memcpy(to, w->partials + (size_t)(i * chunks + j) * block_bytes(w), (size_t)cols * w->k->acc_size);
            else column_chunk(w, from, cols, j, to);
            if (!w->k->take) tree_push(&t, acc);
            else if (j > 0) w->k->combine(cols, sum, acc);
        }
        if (!w->k->take) result = tree_result(&t);
        w->plan->finish(w->plan->context, cols, result, place, w->kout[0]);
    }
}

/* How the work is cut depends on its size alone, and the result not even on that. */
static bool by_columns(walk *w) {
    const int64_t blocks = w->nout / w->ksize[0] * blocks_of(w), chunks = chunks_of(w);
    const int64_t cols = w->ksize[0] < block_columns(w) ? w->ksize[0] : block_columns(w);
    if (blocks < 8 && chunks > 1) {
        if (!(w->partials = tw_malloc((size_t)(blocks * chunks) * block_bytes(w)))) return false;
        tw_parallel(blocks * chunks, 1 + 32768 / (chunk_rows(w) * cols), partial_chunks, w);
    }
    tw_parallel(blocks, w->partials ? blocks : 1 + 32768 / (w->nred * cols), columns, w);
    tw_free(w->partials);
    return true;
}

/* --- geometry --------------------------------------------------------------------------------------------------- */

/* Sorts dims by input stride, fastest first (stable), swapping the rows of up to three arrays. */
static void sort_dims(int n, int64_t *size, int64_t *in, int64_t *out) {
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && in[j - 1] > in[j]; j--) {
            int64_t s = size[j], a = in[j];
            size[j] = size[j - 1], in[j] = in[j - 1];
            size[j - 1] = s, in[j - 1] = a;
            if (out) { int64_t o = out[j]; out[j] = out[j - 1], out[j - 1] = o; }
        }
}

static int coalesce(int n, int64_t *size, int64_t *in, int64_t *out) {
    int m = 0;
    for (int i = 0; i < n; i++) {
        if (m && in[i] == in[m - 1] * size[m - 1] && (!out || out[i] == out[m - 1] * size[m - 1])) {
            size[m - 1] *= size[i];
            continue;
        }
        size[m] = size[i], in[m] = in[i];
        if (out) out[m] = out[i];
        m++;
    }
    return m;
}

static void geometry(walk *w) {
    const tw_tensor *in = w->plan->in;
    int64_t out_stride = 1;
    w->nred = w->nout = 1;
    for (int d = in->ndim - 1; d >= 0; d--) {
        int64_t n = in->sizes[d], stride = in->strides[d] * (int64_t)w->in_size;
        if (w->plan->reduced[d]) {
            w->nred *= n;
            if (n == 1) continue;
            w->rsize[w->nr] = n, w->rin[w->nr] = stride;
            w->nr++;
        } else {
            w->nout *= n;
            if (n == 1) continue;
            w->ksize[w->nk] = n, w->kin[w->nk] = stride, w->kout[w->nk] = out_stride;
            out_stride *= n;
            w->nk++;
        }
    }
    if (!w->plan->ordered) sort_dims(w->nr, w->rsize, w->rin, NULL);
    sort_dims(w->nk, w->ksize, w->kin, w->kout);
    w->nr = coalesce(w->nr, w->rsize, w->rin, NULL);
    w->nk = coalesce(w->nk, w->ksize, w->kin, w->kout);
    w->leaves = (w->nred + TW_LEAF - 1) / TW_LEAF;
}

/* One leaf of elements as they lie: no need to walk. */
static bool is_one_leaf(const walk *w) {
    const tw_tensor *in = w->plan->in;
    if (!w->direct || in->numel > TW_LEAF || in->numel == 0 || !tw_is_contiguous(in)) return false;
    for (int d = 0; d < in->ndim; d++)
        if (!w->plan->reduced[d]) return false;
    return true;
}

bool tw_reduce_execute(const tw_reduction_plan *plan) {
    walk w;
    memset(&w, 0, offsetof(walk, ksize));
    w.plan = plan;
    tw_reduce_class c = plan->truth ? TW_RC_BOOL : tw_reduce_class_of(plan->cast);
    w.k = &tw_reducers()->table[plan->kernel][c];
    w.dtype = tw_reduce_class_dtype(c);
    w.size = tw_dtype_size(w.dtype);
    w.in_size = tw_dtype_size((tw_dtype)plan->in->dtype);
    w.direct = plan->in->dtype == w.dtype && plan->cast == w.dtype && !(plan->in->flags & (TW_CONJ | TW_NEG));
    if (is_one_leaf(&w)) {
        char acc[TW_ACC_BYTES];
        w.k->leaf(plan->in->numel, tw_data(plan->in), 0, acc);
        plan->finish(plan->context, 1, acc, 0, 0);
        return true;
    }
    geometry(&w);
    if (w.nout == 0) return true;
    /* A state of its own pays from some columns on. */
    const bool wide = w.k->columns || (w.k->take && w.nk && w.ksize[0] >= 8);
    if (wide && w.nk && w.nr && w.nred && w.kin[0] < w.rin[0]) return by_columns(&w);
    if (w.leaves > 4 && w.nout < 64) return long_rows(&w);
    tw_parallel(w.nout, 1 + 32768 / (w.nred + 1), rows, &w);
    return true;
}
