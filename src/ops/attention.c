/* _attention and its gradient. Scores of a few rows at a time: as many as keep them in the cache, depending on the length of the keys
 * only. The rows' sums and the products have one order whatever the threads; a head's gradients are added up by one thread.
 *
 * Query (batch, heads, rows, width), key and value (batch, key heads, length, width); several query heads may share a key head. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/attention.h"
#include "ops/clear.h"
#include "ops/linalg_gemm.h"
#include "ops/op.h"
#include "ops_decl.h"
#include <stdatomic.h>
#include <string.h>

enum { QUERY, KEY, VALUE, MASK, CAUSAL, SCALE, STEP }; /* parameters of _attention */

static const tw_tensor *optional(const tw_arg *a) { return a->tag == TW_ARG_TENSOR ? a->t : NULL; }

/* --- meta ------------------------------------------------------------------------------------------------------------------------------ */

/* In the order of t's dimensions in memory, if that is (batch, rows, heads, width), as it comes from one projection of all heads. */
static bool laid_out_like(tw_meta *m, const tw_tensor *t, const int64_t *sizes) {
    if (!tw_meta_set(m, (tw_dtype)t->dtype, t->device, sizes, 4)) return false;
    if (t->strides[3] != 1 || t->strides[1] >= t->strides[2] || sizes[1] == 1) return true;
    m->strides[1] = sizes[3], m->strides[2] = sizes[1] * sizes[3], m->strides[0] = sizes[2] * m->strides[2];
    return true;
}

bool tw__attention_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *q = a[QUERY].t, *k = a[KEY].t, *v = a[VALUE].t, *mask = optional(&a[MASK]);
    if (q->dtype != TW_FLOAT32 && q->dtype != TW_FLOAT64) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "_attention: not implemented for '%s'", tw_dtypes[q->dtype].type_name);
    }
    bool fits = q->ndim == 4 && k->ndim == 4 && v->ndim == 4 && k->dtype == q->dtype && v->dtype == q->dtype;
    fits = fits && k->sizes[0] == q->sizes[0] && v->sizes[0] == q->sizes[0] && k->sizes[1] == v->sizes[1] && k->sizes[3] == q->sizes[3] &&
           k->sizes[2] == v->sizes[2] && (k->sizes[1] ? q->sizes[1] % k->sizes[1] == 0 : q->sizes[1] == 0);
    if (mask) {
        fits = fits && mask->ndim == 4 && mask->dtype == q->dtype && mask->sizes[0] == q->sizes[0] && mask->sizes[1] == q->sizes[1] &&
               mask->sizes[2] == q->sizes[2] && mask->sizes[3] == k->sizes[2];
    }
    if (a[STEP].tag == TW_ARG_INT) fits = fits && q->dtype == TW_FLOAT32 && (a[STEP].i == TW_FLOAT16 || a[STEP].i == TW_BFLOAT16);
    if (!fits) return tw_fail(TW_RUNTIME_ERROR, "_attention: arguments do not fit together");
    const int64_t sizes[] = {q->sizes[0], q->sizes[1], q->sizes[2], v->sizes[3]};
    return laid_out_like(&out[0], q, sizes) && tw_meta_set(&out[1], (tw_dtype)q->dtype, q->device, sizes, 3);
}

/* (grad, query, key, value, mask, output, logsumexp, is_causal, scale, step) */
bool tw__attention_backward_meta(const tw_arg *a, tw_meta *out) {
    for (int i = 0; i < 3; i++) {
        if (!laid_out_like(&out[i], a[1 + i].t, a[1 + i].t->sizes)) return false;
    }
    return true;
}

/* --- products ---------------------------------------------------------------------------------------------------------------------------- */

typedef struct matrix { char *at; int64_t row, col; } matrix; /* element (r, c) at r * row + c * col */

typedef struct heads {
    const tw_tensor *q, *k, *v, *mask, *grad, *out, *log;
    tw_tensor *to[3];            /* forward: output, logsumexp; backward: gradients of q, k, v */
    bool causal;
    double scale;
    void (*step)(int64_t n, void *x); /* rounds to a half type, or NULL */
    tw_dtype dtype;
    size_t size;
    int wide;
    int64_t count, rows, length, width, value_width, block, blocks; /* heads; blocks of `block` rows */
    atomic_bool failed;
} heads;

static matrix plane(const heads *h, const tw_tensor *t, int64_t b, int64_t head) {
    return (matrix){(char *)tw_data(t) + (size_t)(b * t->strides[0] + head * t->strides[1]) * h->size, t->strides[2], t->strides[3]};
}
static matrix from_row(const heads *h, matrix m, int64_t row) {
    m.at += (size_t)(row * m.row) * h->size;
    return m;
}
static matrix turned(matrix m) { return (matrix){m.at, m.col, m.row}; }

/* c (m x n, rows c_row apart) = alpha * a @ b + d */
static bool product(const heads *h, int64_t m, int64_t n, int64_t k, double alpha, matrix a, matrix b, void *c, int64_t c_row, const matrix *d) {
    const tw_gemm_call g = {.m = m, .n = n, .k = k, .a = tw_gemm_matrix(a.at, h->dtype, a.col, a.row),
                            .b = tw_gemm_matrix(b.at, h->dtype, b.row, b.col), .c = c, .c_row = c_row, .dtype = h->dtype, .alpha = alpha,
                            .beta = 1, .d = d ? d->at : NULL, .d_row = d ? d->row : 0, .d_col = d ? d->col : 0};
    return tw_gemm_run(&g);
}

static void round_rows(const heads *h, int64_t m, int64_t n, matrix to) {
    for (int64_t i = 0; h->step && i < m; i++) h->step(n, to.at + (size_t)(i * to.row) * h->size);
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t columns(const heads *h, int64_t row) { return h->causal ? smaller(h->length, row + 1) : h->length; } /* that a row sees */

static matrix scratch_rows(char *at, int64_t n) { return (matrix){at, n, 1}; }

/* The scores of rows [r, r + m) of a head, n columns each. */
static bool scores(const heads *h, int64_t b, int64_t head, int64_t key_head, int64_t r, int64_t m, int64_t n, char *to) {
    matrix mask = {0};
    if (h->mask) mask = from_row(h, plane(h, h->mask, b, head), r);
    return product(h, m, n, h->width, h->scale, from_row(h, plane(h, h->q, b, head), r), turned(plane(h, h->k, b, key_head)), to, n,
                   h->mask ? &mask : NULL);
}

/* --- forward ------------------------------------------------------------------------------------------------------------------------------ */

static bool forward_block(const heads *h, int64_t task, char *scratch) {
    const int64_t at = task / h->blocks, b = at / h->count, head = at % h->count, key_head = head / (h->count / h->k->sizes[1]);
    const int64_t r = task % h->blocks * h->block, m = smaller(h->block, h->rows - r), n = columns(h, r + m - 1);
    const matrix out = from_row(h, plane(h, h->to[0], b, head), r);
    char *log = (char *)tw_data(h->to[1]) + (size_t)(at * h->rows + r) * h->size, *sums = scratch + (size_t)(h->block * h->length) * h->size;
    if (n == 0) { /* no keys */
        for (int64_t i = 0; i < m && h->value_width; i++) memset(out.at + (size_t)(i * out.row) * h->size, 0, (size_t)h->value_width * h->size);
        return true;
    }
    if (!scores(h, b, head, key_head, r, m, n, scratch)) return false;
    for (int64_t i = 0; i < m; i++) {
        const int64_t seen = columns(h, r + i);
        char *row = scratch + (size_t)(i * n) * h->size;
        tw_attention()->weigh[h->wide](seen, row, sums + (size_t)i * h->size, log + (size_t)i * h->size);
        memset(row + (size_t)seen * h->size, 0, (size_t)(n - seen) * h->size);
    }
    round_rows(h, m, n, scratch_rows(scratch, n));
    if (!product(h, m, h->value_width, n, 1, scratch_rows(scratch, n), plane(h, h->v, b, key_head), out.at, out.row, NULL)) return false;
    for (int64_t i = 0; i < m; i++) {
        tw_attention()->divide[h->wide](h->value_width, out.at + (size_t)(i * out.row) * h->size, sums + (size_t)i * h->size);
    }
    round_rows(h, m, h->value_width, out);
    return true;
}

static void run_some(heads *h, int64_t begin, int64_t end, size_t bytes, bool (*body)(const heads *, int64_t, char *)) {
    char *scratch = tw_block_alloc(bytes);
    bool ok = scratch != NULL;
    for (int64_t i = begin; i < end && ok; i++) ok = body(h, i, scratch);
    if (scratch) tw_block_free(scratch, bytes);
    if (!ok) atomic_store(&h->failed, true);
}

static void forward_some(void *context, int64_t begin, int64_t end) {
    heads *h = context;
    run_some(h, begin, end, (size_t)(h->block * (h->length + 1) + 1) * h->size, forward_block);
}

static heads heads_of(const tw_arg *a, bool causal, double scale, const tw_arg *step) {
    const tw_tensor *q = a[QUERY].t, *k = a[KEY].t, *v = a[VALUE].t;
    heads h = {.q = q, .k = k, .v = v, .mask = optional(&a[MASK]), .causal = causal, .scale = scale, .dtype = (tw_dtype)q->dtype,
               .size = tw_dtype_size((tw_dtype)q->dtype), .wide = q->dtype == TW_FLOAT64, .count = q->sizes[1], .rows = q->sizes[2],
               .length = k->sizes[2], .width = q->sizes[3], .value_width = v->sizes[3]};
    if (step->tag == TW_ARG_INT) h.step = step->i == TW_FLOAT16 ? tw_attention()->step_f16 : tw_attention()->step_bf16;
    h.block = 65536 / (h.length + 1);
    if (h.block < 16) h.block = 16;
    if (h.block > 128) h.block = 128;
    h.blocks = (h.rows + h.block - 1) / h.block;
    return h;
}

bool tw__attention_run(const tw_arg *a, tw_tensor **out) {
    heads h = heads_of(a, a[CAUSAL].i != 0, a[SCALE].d, &a[STEP]);
    h.to[0] = out[0], h.to[1] = out[1];
    if (out[0]->numel == 0) return true;
    tw_parallel(h.q->sizes[0] * h.count * h.blocks, 1 + 65536 / (h.block * (h.length + 1)), forward_some, &h);
    return !atomic_load(&h.failed);
}

/* --- backward ------------------------------------------------------------------------------------------------------------------------------ */

/* Gradients of one key head, from all query heads that share it. */
static bool backward_head(const heads *h, int64_t task, char *scratch) {
    const int64_t key_heads = h->k->sizes[1], b = task / key_heads, key_head = task % key_heads, group = h->count / key_heads;
    const matrix k = plane(h, h->k, b, key_head), v = plane(h, h->v, b, key_head);
    const matrix dk = plane(h, h->to[1], b, key_head), dv = plane(h, h->to[2], b, key_head);
    char *p = scratch, *d = p + (size_t)(h->block * h->length) * h->size, *part = d + (size_t)(h->block * h->length) * h->size;
    for (int64_t j = 0; j < h->length; j++) {
        if (h->width) memset(dk.at + (size_t)(j * dk.row) * h->size, 0, (size_t)h->width * h->size);
        if (h->value_width) memset(dv.at + (size_t)(j * dv.row) * h->size, 0, (size_t)h->value_width * h->size);
    }
    for (int64_t i = 0; i < group * h->blocks; i++) {
        const int64_t head = key_head * group + i / h->blocks, r = i % h->blocks * h->block, m = smaller(h->block, h->rows - r);
        const int64_t n = columns(h, r + m - 1);
        const matrix g = from_row(h, plane(h, h->grad, b, head), r), o = from_row(h, plane(h, h->out, b, head), r);
        const matrix q = from_row(h, plane(h, h->q, b, head), r), dq = from_row(h, plane(h, h->to[0], b, head), r);
        const char *log = (const char *)tw_data(h->log) + (size_t)((b * h->count + head) * h->rows + r) * h->size;
        if (!scores(h, b, head, key_head, r, m, n, p) || !product(h, m, n, h->value_width, 1, g, turned(v), d, n, NULL)) return false;
        for (int64_t x = 0; x < m; x++) {
            const int64_t seen = columns(h, r + x);
            char *row = p + (size_t)(x * n) * h->size, *drow = d + (size_t)(x * n) * h->size;
            const double mean = tw_gemm_dot(h->value_width, g.at + (size_t)(x * g.row) * h->size, o.at + (size_t)(x * o.row) * h->size, h->dtype);
            const float narrow = (float)mean;
            tw_attention()->back[h->wide](seen, row, drow, log + (size_t)x * h->size, h->wide ? (const void *)&mean : (const void *)&narrow);
            memset(row + (size_t)seen * h->size, 0, (size_t)(n - seen) * h->size);
            memset(drow + (size_t)seen * h->size, 0, (size_t)(n - seen) * h->size);
        }
        round_rows(h, m, n, scratch_rows(p, n));
        round_rows(h, m, n, scratch_rows(d, n));
        if (!product(h, m, h->width, n, h->scale, scratch_rows(d, n), k, dq.at, dq.row, NULL)) return false;
        if (!product(h, n, h->width, m, h->scale, turned(scratch_rows(d, n)), q, part, h->width, NULL)) return false;
        for (int64_t j = 0; j < n; j++) {
            tw_attention()->add[h->wide](h->width, dk.at + (size_t)(j * dk.row) * h->size, part + (size_t)(j * h->width) * h->size);
        }
        if (!product(h, n, h->value_width, m, 1, turned(scratch_rows(p, n)), g, part, h->value_width, NULL)) return false;
        for (int64_t j = 0; j < n; j++) {
            tw_attention()->add[h->wide](h->value_width, dv.at + (size_t)(j * dv.row) * h->size, part + (size_t)(j * h->value_width) * h->size);
        }
    }
    return true;
}

static void backward_some(void *context, int64_t begin, int64_t end) {
    heads *h = context;
    const int64_t widest = h->width > h->value_width ? h->width : h->value_width;
    run_some(h, begin, end, (size_t)(2 * h->block * h->length + h->length * widest + 1) * h->size, backward_head);
}

bool tw__attention_backward_run(const tw_arg *a, tw_tensor **out) {
    heads h = heads_of(a + 1, a[7].i != 0, a[8].d, &a[9]);
    h.grad = a[0].t, h.out = a[5].t, h.log = a[6].t;
    for (int i = 0; i < 3; i++) h.to[i] = out[i];
    if (h.length == 0 || h.rows == 0) { /* nothing depends on anything */
        for (int i = 0; i < 3; i++) tw_clear_dense(out[i]);
        return true;
    }
    tw_parallel(h.q->sizes[0] * h.k->sizes[1], 1, backward_some, &h);
    return !atomic_load(&h.failed);
}
