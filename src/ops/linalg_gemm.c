/* Loops around the product kernels. */
#include "ops/linalg_gemm.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include "core/wait.h"
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum {
    MAX_N = TW_GEMM_MAX_N, MAX_M = TW_GEMM_MAX_M, /* of what is packed at once */
    STACK_BYTES = 32 << 10,      /* packed operands up to this size stay on the stack */
    TASKS_WIDE = 4, TASKS_TALL = 8, /* for each thread where they share out columns, rows: a few columns are slow to pack */
    LARGE_BYTES = 8 << 20,
    NEAR_BYTES = 256 << 10,      /* of b beside some of a: in the second-level cache until it is used */
    DOT_LEAF = 8192
};
/* What is subtracted is a step of a factorisation, and lies in the cache of the thread that did the step before: others must fetch it first. */
static const int64_t PARALLEL_FLOPS = 2000000, PARALLEL_STEP_FLOPS = 8000000, TASK_FLOPS = 1000000;

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

tw_gemm_operand tw_gemm_matrix(const void *data, tw_dtype dtype, int64_t k_stride, int64_t j_stride) {
    bool lines_are_k = j_stride == 1 || (k_stride != 1 && j_stride <= k_stride);
    return (tw_gemm_operand){.data = data, .dtype = (int8_t)dtype, .lines_are_k = lines_are_k,
                             .line_stride = lines_are_k ? k_stride : j_stride, .step = lines_are_k ? j_stride : k_stride};
}

static const tw_gemm_type *kernels_of(tw_dtype dtype) { return dtype == TW_FLOAT32 ? &tw_gemm()->f32 : &tw_gemm()->f64; }

static bool has_pairs(void) {
    static _Atomic int known; /* 1 no, 2 yes */
    int answer = known;
    if (!answer) known = answer = tw_gemm()->bf16_pairs.mr && tw_cpu_has_bf16_pairs() && tw_gemm()->pairs_hold() ? 2 : 1;
    return answer == 2;
}

/* The kernels of a packed product; *pairs: they take k by pairs. */
static const tw_gemm_type *kernels_for(const tw_gemm_call *g, bool *pairs) {
    const bool bf16 = g->a.dtype == TW_BFLOAT16 && g->b.dtype == TW_BFLOAT16 && !g->a.unfold && !g->b.unfold && !g->packed_a && !g->packed_b;
    *pairs = bf16 && has_pairs();
    return *pairs ? &tw_gemm()->bf16_pairs : bf16 ? &tw_gemm()->bf16 : kernels_of(g->dtype);
}

/* --- dot ------------------------------------------------------------------------------------------------------ */

typedef struct dots { const tw_gemm_type *type; const char *x, *y; size_t size; int64_t k; double *to; } dots;

static void dot_leaves(void *context, int64_t begin, int64_t end) {
    const dots *d = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i * DOT_LEAF, n = smaller(d->k - at, DOT_LEAF);
        d->to[i] = d->type->dot(n, d->x + (size_t)at * d->size, d->y + (size_t)at * d->size);
    }
}

static double tree(const double *v, int64_t n, tw_dtype dtype) {
    if (n == 1) return v[0];
    int64_t half = 1;
    while (half * 2 < n) half *= 2;
    double a = tree(v, half, dtype), b = tree(v + half, n - half, dtype);
    return dtype == TW_FLOAT32 ? (double)((float)a + (float)b) : a + b;
}

double tw_gemm_dot(int64_t k, const void *x, const void *y, tw_dtype dtype) {
    enum { BATCH = 512 }; /* leaves at a time; longer vectors add such sums in order */
    double leaves[BATCH], sum = 0;
    const tw_gemm_type *type = kernels_of(dtype);
    size_t size = tw_dtype_size(dtype);
    if (k <= DOT_LEAF) return type->dot(k, x, y);
    for (int64_t at = 0; at < k; at += (int64_t)BATCH * DOT_LEAF) {
        int64_t now = smaller(k - at, (int64_t)BATCH * DOT_LEAF), n = (now + DOT_LEAF - 1) / DOT_LEAF;
        dots d = {type, (const char *)x + (size_t)at * size, (const char *)y + (size_t)at * size, size, now, leaves};
        tw_parallel(n, 8, dot_leaves, &d);
        double part = tree(leaves, n, dtype);
        sum = at == 0 ? part : dtype == TW_FLOAT32 ? (double)((float)sum + (float)part) : sum + part;
    }
    return sum;
}

/* --- one row or one column --------------------------------------------------------------------------------------- */

typedef struct vector_job {
    const tw_gemm_type *type;
    const tw_gemm_operand *matrix;
    const void *x;
    int64_t x_step, k, n;
    char *y, *sums;               /* sums: of each block of k (the first is y itself) */
    int64_t strips, strip;        /* of columns */
    size_t size;
    tw_dtype dtype;
} vector_job;

static void vector_rows(void *context, int64_t begin, int64_t end) {
    const vector_job *v = context;
    const char *b = (const char *)v->matrix->data + (size_t)begin * v->size;
    v->type->row_times_rows(v->k, end - begin, v->x, v->x_step, b, v->matrix->line_stride, v->y + (size_t)begin * v->size);
}

/* Blocks of k by themselves, so that a thread reads whole rows, in order. */
static void vector_blocks(void *context, int64_t begin, int64_t end) {
    const vector_job *v = context;
    for (int64_t i = begin; i < end; i++) {
        const int64_t block = i / v->strips, j = i % v->strips * v->strip, k0 = block * TW_GEMM_KC;
        const char *b = (const char *)v->matrix->data + (size_t)(k0 * v->matrix->line_stride + j) * v->size;
        char *y = block ? v->sums + (size_t)((block - 1) * v->n) * v->size : v->y;
        v->type->row_times_rows(smaller(v->k - k0, TW_GEMM_KC), smaller(v->n - j, v->strip), (const char *)v->x + (size_t)(k0 * v->x_step) * v->size,
                                v->x_step, b, v->matrix->line_stride, y + (size_t)j * v->size);
    }
}

static void add_blocks(const vector_job *v, int64_t blocks) {
    float *y = (float *)(void *)v->y;
    double *wide = (double *)(void *)v->y;
    for (int64_t i = 0; i < blocks - 1; i++) {
        const void *sums = v->sums + (size_t)(i * v->n) * v->size;
        if (v->dtype == TW_FLOAT32) for (int64_t j = 0; j < v->n; j++) y[j] += ((const float *)sums)[j];
        else for (int64_t j = 0; j < v->n; j++) wide[j] += ((const double *)sums)[j];
    }
}

/* Columns are shared out where there are many; else blocks of k too, which are added in order. */
static bool row_times_matrix(vector_job *v, int64_t grain) {
    enum { LEAST = 1024 }; /* columns of a strip: a page of every row */
    const int64_t threads = tw_num_threads(), blocks = (v->k + TW_GEMM_KC - 1) / TW_GEMM_KC, most = (v->n + LEAST - 1) / LEAST;
    if (threads == 1 || v->n <= grain || blocks < 2 || most >= 8 * threads) {
        tw_parallel(v->n, round_up(grain, 256), vector_rows, v);
        return true;
    }
    v->strips = smaller(most, (4 * threads + blocks - 1) / blocks);
    v->strip = round_up((v->n + v->strips - 1) / v->strips, 64);
    v->strips = (v->n + v->strip - 1) / v->strip;
    const size_t bytes = (size_t)((blocks - 1) * v->n) * v->size;
    v->sums = tw_block_alloc(bytes);
    if (!v->sums) return false;
    tw_parallel(blocks * v->strips, 1, vector_blocks, v);
    add_blocks(v, blocks);
    tw_block_free(v->sums, bytes);
    return true;
}

static void vector_columns(void *context, int64_t begin, int64_t end) {
    const vector_job *v = context;
    for (int64_t j = begin; j < end; j++) {
        const char *b = (const char *)v->matrix->data + (size_t)(j * v->matrix->line_stride) * v->size;
        double dot = tw_gemm_dot(v->k, v->x, b, v->dtype);
        char *y = v->y + (size_t)j * v->size;
        if (v->dtype == TW_FLOAT32) *(float *)(void *)y = (float)dot;
        else *(double *)(void *)y = dot;
    }
}

/* x (k) times matrix (k x n) to contiguous y. *done says whether there is such a path: it depends on shape, strides and dtype. */
static bool vector_product(const tw_gemm_call *g, const tw_gemm_operand *x, const tw_gemm_operand *matrix, int64_t n, bool *done) {
    *done = false;
    if (x->unfold || matrix->unfold || x->dtype != (int8_t)g->dtype || matrix->dtype != (int8_t)g->dtype) return true;
    if (matrix->step != 1 || g->k == 0) return true;
    int64_t x_step = x->lines_are_k ? x->line_stride : x->step;
    size_t size = tw_dtype_size(g->dtype);
    vector_job v = {.type = kernels_of(g->dtype), .matrix = matrix, .x = x->data, .x_step = x_step, .k = g->k, .n = n, .y = g->c, .size = size,
                    .dtype = g->dtype};
    void *copy = NULL;
    if (!matrix->lines_are_k && x_step != 1) {
        if (!(copy = tw_malloc((size_t)g->k * size))) return false;
        for (int64_t i = 0; i < g->k; i++) memcpy((char *)copy + (size_t)i * size, (const char *)x->data + (size_t)(i * x_step) * size, size);
        v.x = copy, v.x_step = 1;
    }
    int64_t grain = TASK_FLOPS / 4 / g->k + 1; /* memory-bound */
    if (matrix->lines_are_k) *done = row_times_matrix(&v, grain);
    else tw_parallel(n, grain, vector_columns, &v), *done = true;
    tw_free(copy);
    return *done;
}

/* Rounds m rows of n elements of c, from row i and column j on: while they are in the cache. */
static void narrow(const tw_gemm_call *g, int64_t i, int64_t j, int64_t m, int64_t n) {
    const float *from = (const float *)g->c + i * g->c_row + j;
    uint16_t *to = g->half + i * g->half_row + j;
    for (int64_t r = 0; r < m; r++) tw_cast(n, to + r * g->half_row, g->half_dtype, from + r * g->c_row, TW_FLOAT32);
}

/* --- packed products ----------------------------------------------------------------------------------------------- */

enum { MOST_GROUPS = 64, COPIES = 2 };

typedef struct panels { /* some blocks of k: of each, a is packed in panels of mr, b of nr */
    const tw_gemm_call *g;
    const tw_gemm_type *type;
    size_t size;
    int mr, nr;
    int64_t i0, m, j0, n, k0, kc;  /* the block of C, and the part of k */
    bool pairs;
    char *a, *b;
    int64_t a_width, b_width;      /* columns of a packed block of k */
    int64_t task_m, task_n, tasks_m, tasks_n; /* C in tasks of that size: a group of panels of a with one of b */
    bool by_columns;               /* their order: threads share out the columns, else the rows */
    bool ready_b;                  /* never to be packed */
    int copies;                    /* of the operand that threads share: at most COPIES */
    int64_t copy_bytes;
    _Atomic uint8_t shared_state[COPIES][MOST_GROUPS], own_state[MOST_GROUPS];
} panels;

/* Note [Packing on demand]
 * Threads share out the groups of one operand, and each needs all of the other's. A group of panels is packed by the thread that needs it first,
 * which then has it in its cache; nobody waits between packing and multiplying, but for a group that another thread is packing just now. That
 * thread waits for nothing meanwhile. Two threads pack the operand that both need each for itself: processors that share no cache spend more on
 * fetching what the other one packed, and those that do lose little. */
enum { UNPACKED, PACKING, PACKED };

/* Of packed k. */
static int64_t rows(const panels *p, int64_t k) { return p->pairs ? (k + 1) / 2 : k; }

static void need_group(panels *p, bool is_b, int64_t index, int copy, _Atomic uint8_t *state) {
    if (atomic_load_explicit(state, memory_order_acquire) == PACKED) return;
    uint8_t seen = UNPACKED;
    if (atomic_compare_exchange_strong(state, &seen, PACKING)) {
        const int64_t width = is_b ? p->nr : p->mr, n = is_b ? p->n : p->m, each = is_b ? p->task_n : p->task_m, from = index * each;
        char *to = (is_b ? p->b : p->a) + copy * p->copy_bytes;
        for (int64_t k = 0; k < p->kc; k += TW_GEMM_KC) {
            const int64_t kc = smaller(p->kc - k, TW_GEMM_KC);
            p->type->pack(is_b ? &p->g->b : &p->g->a, p->k0 + k, kc, (is_b ? p->j0 : p->i0) + from, smaller(n - from, each), (int)width,
                          to + (size_t)(rows(p, k) * (is_b ? p->b_width : p->a_width) + from * rows(p, kc)) * p->size);
        }
        atomic_store_explicit(state, PACKED, memory_order_release);
        return;
    }
    for (unsigned i = 0; atomic_load_explicit(state, memory_order_acquire) != PACKED; i++) {
        if (i < 4096) tw_relax();
        else sched_yield(); /* the thread that packs was put off its processor */
    }
}

static void multiply_some(void *context, int64_t begin, int64_t end) {
    panels *p = context;
    const tw_gemm_call *g = p->g;
    const int copy = tw_thread_number() % p->copies;
    const bool by_columns = p->by_columns;
    const int64_t shares = by_columns ? p->tasks_m : p->tasks_n, owns = by_columns ? p->tasks_n : p->tasks_m;
    const char *a = p->a + (by_columns ? copy * p->copy_bytes : 0), *b = p->b + (by_columns ? 0 : copy * p->copy_bytes);
    for (int64_t t = begin; t < end; t++) {
        /* Threads begin with different groups of what they share, so that they do not wait for the same one. */
        const int64_t own = t / shares, shared = (t % shares + own * shares / owns) % shares;
        const int64_t at_m = by_columns ? shared : own, at_n = by_columns ? own : shared;
        const int64_t i = at_m * p->task_m, j = at_n * p->task_n;
        need_group(p, by_columns, own, 0, &p->own_state[own]);
        need_group(p, !by_columns, shared, copy, &p->shared_state[copy][shared]);
        char *c = (char *)g->c + (size_t)((p->i0 + i) * g->c_row + p->j0 + j) * p->size;
        tw_gemm_finish f = {.alpha = g->alpha, .beta = g->beta, .d_row = g->d_row, .d_col = g->d_col, .subtract = g->subtract};
        if (g->d) f.d = (const char *)g->d + (size_t)((p->i0 + i) * g->d_row + (p->j0 + j) * g->d_col) * p->size;
        int64_t k = 0;
        do { /* once for an empty k too */
            const int64_t kc = smaller(p->kc - k, TW_GEMM_KC), depth = rows(p, kc);
            f.first = p->k0 + k == 0, f.last = p->k0 + k + kc == g->k;
            p->type->block(smaller(p->m - i, p->task_m), smaller(p->n - j, p->task_n), kc, a + (size_t)(rows(p, k) * p->a_width + i * depth) * p->size,
                           p->mr, b + (size_t)(rows(p, k) * p->b_width + j * depth) * p->size, c, g->c_row, &f);
            k += TW_GEMM_KC;
        } while (k < p->kc);
        if (g->half && p->k0 + p->kc == g->k) narrow(g, p->i0 + i, p->j0 + j, smaller(p->m - i, p->task_m), smaller(p->n - j, p->task_n));
    }
}

/* Panels of an even height that leaves few rows empty: lower ones read b more often, which costs a little. */
static int panel_height(int64_t m, int most) {
    if (m <= most) return (int)(m == 1 ? 1 : round_up(m, 2));
    int best = most;
    int64_t least = INT64_MAX;
    for (int mr = most; mr >= 4 && 2 * mr >= most; mr -= 2) {
        const int64_t lower = most - mr, cost = round_up(m, mr) * (900 + lower * lower);
        if (cost < least) least = cost, best = mr;
    }
    return best;
}

/* Whole panels, so that about equal parts of n are at most about `most`. */
static int64_t even_share(int64_t n, int64_t most, int64_t panel) {
    const int64_t parts = larger((n + most - 1) / most, 1);
    return round_up((n + parts - 1) / parts, panel);
}

/* Tasks are a few panels of a by a few of b, both in the second-level cache. There are some for each thread, so that all end together, and threads
 * can have the same number of groups of the operand that they share out. */
static void split_tasks(panels *p, bool parallel) {
    const int64_t threads = parallel ? tw_threads_here() : 1, depth = rows(p, smaller(p->kc, TW_GEMM_KC)), near = NEAR_BYTES / (depth * (int64_t)p->size + 1) + 1;
    const int64_t panels_m = (p->m + p->mr - 1) / p->mr, panels_n = (p->n + p->nr - 1) / p->nr;
    int64_t heights = (panels_m + 15) / 16, widths = (p->n + near - 1) / near;
    int64_t *own = p->by_columns ? &widths : &heights;
    if (threads > 1) {
        const int64_t shared = p->by_columns ? heights : widths, most = p->by_columns ? panels_n : panels_m;
        const int64_t useful = (int64_t)(2.0 * (double)p->m * (double)p->n * (double)p->kc / (double)TASK_FLOPS);
        const int64_t wanted = smaller(useful, (p->by_columns ? TASKS_WIDE : TASKS_TALL) * threads) / shared;
        *own = smaller(most, round_up(larger(*own, wanted), smaller(threads, larger(wanted, 2)))); /* fewer threads where each would do little */
    }
    p->task_m = even_share(p->m, larger((p->m + heights - 1) / heights, (p->m + MOST_GROUPS - 1) / MOST_GROUPS), p->mr);
    p->task_n = even_share(p->n, larger((p->n + widths - 1) / widths, (p->n + MOST_GROUPS - 1) / MOST_GROUPS), p->nr);
    p->tasks_m = (p->m + p->task_m - 1) / p->task_m;
    p->tasks_n = (p->n + p->task_n - 1) / p->task_n;
}

static void run_block(panels *p, bool pack_b, bool parallel) {
    split_tasks(p, parallel);
    const uint8_t a_state = p->g->packed_a ? PACKED : UNPACKED, b_state = pack_b ? UNPACKED : PACKED;
    memset((void *)p->own_state, p->by_columns ? b_state : a_state, sizeof p->own_state);
    if (p->by_columns) memset((void *)p->shared_state, a_state, sizeof p->shared_state);
    else if (pack_b || p->ready_b) memset((void *)p->shared_state, b_state, sizeof p->shared_state); /* else each copy is as the rows before left it */
    const int64_t tasks = p->tasks_n * p->tasks_m;
    if (parallel) tw_parallel_each(tasks, multiply_some, p);
    else multiply_some(p, 0, tasks);
}

size_t tw_gemm_packed_bytes(const tw_gemm_call *g) {
    return (size_t)(round_up(g->m, panel_height(g->m, kernels_of(g->dtype)->mr)) * g->k) * tw_dtype_size(g->dtype);
}

void tw_gemm_pack_a(const tw_gemm_call *g, void *to) {
    const tw_gemm_type *type = kernels_of(g->dtype);
    int mr = panel_height(g->m, type->mr);
    char *at = to;
    for (int64_t k = 0; k < g->k; k += TW_GEMM_KC) {
        int64_t kc = smaller(g->k - k, TW_GEMM_KC);
        type->pack(&g->a, k, kc, 0, g->m, mr, at);
        at += (size_t)(round_up(g->m, mr) * kc) * tw_dtype_size(g->dtype);
    }
}

size_t tw_gemm_packed_b_bytes(const tw_gemm_call *g) {
    return (size_t)(round_up(g->n, kernels_of(g->dtype)->nr) * g->k) * tw_dtype_size(g->dtype);
}

void tw_gemm_pack_b(const tw_gemm_call *g, void *to) {
    const tw_gemm_type *type = kernels_of(g->dtype);
    char *at = to;
    for (int64_t k = 0; k < g->k; k += TW_GEMM_KC) {
        int64_t kc = smaller(g->k - k, TW_GEMM_KC);
        type->pack(&g->b, k, kc, 0, g->n, type->nr, at);
        at += (size_t)(round_up(g->n, type->nr) * kc) * tw_dtype_size(g->dtype);
    }
}

/* Whether b is one panel as it lies. */
static bool is_panel(const tw_gemm_call *g, int nr, bool pairs) {
    const tw_gemm_operand *b = &g->b;
    return !pairs && !g->packed_b && !b->unfold && b->lines_are_k && b->step == 1 && b->dtype == (int8_t)g->dtype && g->n == nr && b->line_stride == nr;
}

static bool packed_product(const tw_gemm_call *g) {
    char stack[STACK_BYTES] __attribute__((aligned(64)));
    bool pairs;
    const tw_gemm_type *type = kernels_for(g, &pairs);
    panels p = {.g = g, .type = type, .pairs = pairs, .size = tw_dtype_size(g->dtype), .mr = panel_height(g->m, type->mr), .nr = type->nr};
    const int64_t least = g->subtract ? PARALLEL_STEP_FLOPS : PARALLEL_FLOPS;
    const bool parallel = tw_threads_here() > 1 && 2.0 * (double)g->m * (double)g->n * (double)g->k > (double)least;
    p.by_columns = g->n >= g->m;
    /* A large C, which comes from beyond the caches of one processor, is fetched once for two blocks of k. */
    const int64_t blocks = (g->k + TW_GEMM_KC - 1) / TW_GEMM_KC;
    const bool large = g->m * g->n * (int64_t)p.size > LARGE_BYTES && !g->packed_a;
    const int64_t most_k = smaller(g->k, even_share(blocks, large ? 2 : 1, 1) * TW_GEMM_KC), most_rows = rows(&p, most_k);
    const int64_t most_m = p.a_width = even_share(g->m, (int64_t)MAX_M * TW_GEMM_KC / larger(smaller(g->k, TW_GEMM_KC), 1), p.mr);
    int64_t most_n = even_share(g->n, MAX_N, p.nr);
    if (g->packed_a && !g->packed_b) {
        const int64_t near = NEAR_BYTES / (most_k * (int64_t)p.size + 1), parts = (most_n + near - 1) / near;
        most_n = smaller(most_n, round_up((g->n + parts - 1) / parts, p.nr));
    }
    const void *ready_b = is_panel(g, p.nr, pairs) ? g->b.data : g->packed_b;
    const int64_t a_bytes = g->packed_a ? 0 : round_up(most_m * most_rows * (int64_t)p.size, 64);
    const int64_t b_bytes = ready_b ? 0 : most_n * most_rows * (int64_t)p.size;
    p.b_width = most_n;
    p.ready_b = ready_b;
    p.copy_bytes = round_up(p.by_columns ? a_bytes : b_bytes, 64);
    p.copies = parallel && tw_threads_here() == COPIES && p.copy_bytes ? COPIES : 1;
    const size_t bytes = (size_t)(a_bytes + b_bytes + (p.copies - 1) * p.copy_bytes + 64);
    char *memory = bytes <= STACK_BYTES ? stack : tw_block_alloc(bytes);
    if (!memory) return false;
    p.a = memory, p.b = memory + a_bytes * (p.by_columns ? p.copies : 1);
    for (p.j0 = 0; p.j0 < g->n; p.j0 += most_n) {
        p.n = smaller(g->n - p.j0, most_n);
        p.k0 = 0;
        do {
            p.kc = smaller(g->k - p.k0, most_k);
            if (ready_b) p.b = (char *)(uintptr_t)ready_b + (size_t)(p.k0 * most_n) * p.size;
            if (g->packed_a) p.a = (char *)(uintptr_t)g->packed_a + (size_t)(p.k0 * most_m) * p.size;
            for (p.i0 = 0; p.i0 < g->m; p.i0 += most_m) {
                p.m = smaller(g->m - p.i0, most_m);
                run_block(&p, p.i0 == 0 && !ready_b, parallel);
            }
            p.k0 += p.kc;
        } while (p.k0 < g->k);
    }
    if (memory != stack) tw_block_free(memory, bytes);
    return true;
}

/* What costs less to multiply than to pack; of one row or column, what is too short for sums by lanes. */
static bool is_tiny(const tw_gemm_call *g) {
    enum { NUMBERS = 1024, SHORT = 32 };
    if (g->m > NUMBERS || g->n > NUMBERS || g->k > SHORT || g->a.unfold || g->b.unfold || g->packed_a || g->packed_b || g->subtract) return false;
    if (g->a.dtype != (int8_t)g->dtype || g->b.dtype != (int8_t)g->dtype) return false;
    return g->m * g->n * g->k <= NUMBERS;
}

/* What fits caches as it lies; rows and columns alone have an order of their own. */
static bool is_direct(const tw_gemm_call *g) {
    enum { SIDE = 256, NUMBERS = 64 * 64 * 64 };
    if (g->m > SIDE || g->n > SIDE || g->k > TW_GEMM_KC || g->m == 1 || g->n == 1 || g->m * g->n * g->k > NUMBERS) return false;
    if (g->a.unfold || g->b.unfold || g->packed_a || g->packed_b || g->subtract) return false;
    return g->a.dtype == (int8_t)g->dtype && g->b.dtype == (int8_t)g->dtype && g->b.lines_are_k && g->b.step == 1;
}

static int64_t k_stride(const tw_gemm_operand *o) { return o->lines_are_k ? o->line_stride : o->step; }
static int64_t other_stride(const tw_gemm_operand *o) { return o->lines_are_k ? o->step : o->line_stride; }

/* --- few results over a long k --------------------------------------------------------------------------------------- */

/* Slices of k, each summed by itself, and those sums in order; which ones depends on the shape only. */
typedef struct slices { const tw_gemm_call *g; int64_t each; char *sums; } slices;

static bool sum_slices(void *context, int64_t begin, int64_t end) {
    const slices *s = context;
    for (int64_t i = begin; i < end; i++) {
        tw_gemm_call g = *s->g;
        const int64_t from = i * s->each;
        g.a.data = (const char *)g.a.data + from * k_stride(&g.a) * (int64_t)tw_dtype_size((tw_dtype)g.a.dtype);
        g.b.data = (const char *)g.b.data + from * k_stride(&g.b) * (int64_t)tw_dtype_size((tw_dtype)g.b.dtype);
        g.k = smaller(g.k - from, s->each);
        g.c = s->sums + (size_t)(i * g.m * g.n) * tw_dtype_size(g.dtype);
        g.c_row = g.n;
        g.alpha = 1, g.beta = 0, g.d = NULL, g.half = NULL;
        if (!tw_gemm_run(&g)) return false;
    }
    return true;
}

static bool has_slices(const tw_gemm_call *g) {
    enum { FEW_RESULTS = 128 * 128, LONG = 16 * TW_GEMM_KC };
    if (g->k < LONG || g->m * g->n > FEW_RESULTS || g->m > FEW_RESULTS || g->n > FEW_RESULTS) return false;
    if (g->subtract || g->packed_a || g->packed_b || g->a.unfold || g->b.unfold) return false;
    return g->m > 1 && g->n > 1; /* rows times matrices share out blocks of k, and dot products leaves */
}

static bool product_by_slices(const tw_gemm_call *g) {
    enum { LEAST = 4 * TW_GEMM_KC, MOST_SLICES = 64 };
    const int64_t each = round_up((g->k + MOST_SLICES - 1) / MOST_SLICES, LEAST), count = (g->k + each - 1) / each, n = g->m * g->n;
    const size_t bytes = (size_t)(count * n) * tw_dtype_size(g->dtype);
    slices s = {g, each, tw_block_alloc(bytes)};
    if (!s.sums) return false;
    const bool parallel = 2.0 * (double)n * (double)g->k > (double)PARALLEL_FLOPS;
    const bool ok = tw_try_parallel(count, parallel ? 1 : count, sum_slices, &s);
    const bool single = g->dtype == TW_FLOAT32;
    float *to = (float *)(void *)s.sums;
    double *wide = (double *)(void *)s.sums;
    for (int64_t i = 1; i < count; i++) {
        if (single) for (int64_t j = 0; j < n; j++) to[j] += to[i * n + j];
        else for (int64_t j = 0; j < n; j++) wide[j] += wide[i * n + j];
    }
    const size_t row = (size_t)g->n * tw_dtype_size(g->dtype);
    for (int64_t i = 0; i < g->m; i++) memcpy((char *)g->c + (size_t)(i * g->c_row) * tw_dtype_size(g->dtype), s.sums + (size_t)i * row, row);
    tw_block_free(s.sums, bytes);
    return ok;
}

bool tw_gemm_run(const tw_gemm_call *g) {
    if (g->m == 0 || g->n == 0) return true;
    bool done = false;
    if (is_direct(g)) {
        kernels_of(g->dtype)->direct(g->m, g->n, g->k, g->a.data, other_stride(&g->a), k_stride(&g->a), g->b.data, k_stride(&g->b), g->c, g->c_row);
        done = true;
    } else if (is_tiny(g)) {
        kernels_of(g->dtype)->tiny(g->m, g->n, g->k, g->a.data, other_stride(&g->a), k_stride(&g->a), g->b.data, k_stride(&g->b),
                                   other_stride(&g->b), g->c, g->c_row);
        done = true;
    } else if (has_slices(g)) {
        if (!product_by_slices(g)) return false;
        done = true;
    } else if (g->subtract || g->packed_b) {
        return packed_product(g);
    } else if (g->m == 1 && !g->packed_a) {
        if (!vector_product(g, &g->a, &g->b, g->n, &done)) return false;
    } else if (g->n == 1 && g->c_row == 1 && !g->packed_a) {
        if (!vector_product(g, &g->b, &g->a, g->m, &done)) return false;
    }
    if (!done) return packed_product(g);
    tw_gemm_finish f = {.first = true, .last = true, .alpha = g->alpha, .beta = g->beta, .d = g->d, .d_row = g->d_row, .d_col = g->d_col};
    kernels_of(g->dtype)->finish(g->m, g->n, g->c, g->c_row, &f);
    if (g->half) narrow(g, 0, 0, g->m, g->n);
    return true;
}
