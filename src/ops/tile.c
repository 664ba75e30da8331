/* Note [Tiles]. A walk is cut into tiles of at most TILE elements. For each tile every operand is one of:
 * - constant: one element for all (a number, or a repeated row element);
 * - direct: already contiguous and of the kernel's dtype: the kernel works on it in place;
 * - gathered: moved (and cast, conjugated) into scratch memory; results likewise the other way.
 * Long rows are cut within a row. Short rows are put together, several to a tile; an operand that repeats every row is then
 * gathered once per range. Where an operand is transposed against the walk, tiles are 2-D blocks, gathered column by column. */
#include "ops/tile.h"
#include "core/cpu.h"
#include "core/threads.h"
#include "kernels/copy.h"
#include <string.h>

enum { TILE = 1024, TILE_BYTES = 8192, SHORT_ROW = 128, BLOCK_ROWS = 64, BLOCK_BYTES = 65536, TURNED_LEAST = 16,
       STRAIGHT_ROW = 4096, STREAMED_ROW = 512 /* elements, so more than SHORT_ROW */, STREAMED_TILE = 4096, FETCHED_TILE = 1024, LINE = 64, CROWDED = 2048 };

typedef struct shape {      /* what is known of each operand before the walk */
    bool dense[TW_ITER_OPERANDS];    /* contiguous in the order of the walk */
    bool repeats[TW_ITER_OPERANDS];  /* depends on dimension 0 only */
    bool direct[TW_ITER_OPERANDS];   /* dtype and flags need no conversion */
    bool turned[TW_ITER_OPERANDS];   /* transposed against the walk */
    bool scratch;                    /* some operand needs scratch memory within a row */
    bool stream;                     /* the result goes past the caches: Note [Streaming] in core/cpu.h */
    bool straight;                   /* ... as it lies in the source */
    bool fetch;                      /* ... and its inputs are fetched ahead */
    int64_t tile;
} shape;

typedef struct context {
    const tw_tile_job *job;
    const shape *shape;
} context;

typedef struct buffers {
    _Alignas(64) char operand[TW_ITER_OPERANDS][TILE_BYTES];
    _Alignas(64) char raw[TILE * 16];
    _Alignas(64) char stage[STREAMED_TILE + LINE]; /* of a dense result that is streamed: begins with `held` bytes of a line that is not full yet */
    int64_t held;
    bool joins; /* each tile follows the one before */
} buffers;

static tw_dtype kernel_dtype(const tw_tile_job *job, int i) { return i == 0 ? job->out : job->in[i - 1]; }

/* Lines of a result in place are in the cache already; short pieces of lines would be read anyway; where nothing is read but constants, the
 * processor sees by itself that it need not read what it writes. */
static bool should_stream(const tw_tile_job *job, const shape *s) {
    const tw_iter *it = job->it;
    const tw_operand *out = &it->op[0];
    const int64_t size = (int64_t)tw_dtype_size(out->dtype);
    bool reads = false, turned = false;
    if (job->costly || !tw_streams(it->numel * size)) return false;
    for (int i = 1; i < it->nops; i++) turned |= s->turned[i] && !job->constant[i - 1];
    if ((turned || !s->dense[0]) && (out->strides[0] != size || it->sizes[0] < STREAMED_ROW)) return false;
    if (turned && (job->kernel || out->strides[1] % LINE != 0)) return false;
    for (int i = 1; i < it->nops; i++) {
        if (job->constant[i - 1]) continue;
        if (it->op[i].data == out->data) return false;
        reads = true;
    }
    return reads;
}

static void study(const tw_tile_job *job, shape *s) {
    const tw_iter *it = job->it;
    size_t widest = 1;
    int64_t stored = 1;
    bool one = false, several = false; /* inputs that are walked along */
    s->scratch = false;
    for (int i = 0; i < it->nops; i++) {
        const tw_operand *o = &it->op[i];
        int64_t size = (int64_t)tw_dtype_size(o->dtype);
        tw_dtype k = kernel_dtype(job, i);
        if (tw_dtype_size(k) > widest) widest = tw_dtype_size(k);
        if (size > stored) stored = size;
        s->direct[i] = o->dtype == k && !o->flags;
        s->dense[i] = o->strides[0] == size || it->sizes[0] == 1;
        s->repeats[i] = true;
        s->turned[i] = it->ndim > 1 && o->strides[0] != size && o->strides[0] != 0 && o->strides[1] == size &&
                       it->sizes[0] >= TURNED_LEAST && it->sizes[1] >= TURNED_LEAST;
        for (int d = 1; d < it->ndim; d++) {
            if (o->strides[d] != o->strides[d - 1] * it->sizes[d - 1]) s->dense[i] = false;
            if (o->strides[d]) s->repeats[i] = false;
        }
        if (i > 0 && job->constant[i - 1]) continue;
        if (i > 0 && o->strides[0] != 0) several = several || one, one = true;
        bool unit = o->strides[0] == size || (i > 0 && o->strides[0] == 0);
        if (!(s->direct[i] && unit) && !(i > 0 && o->strides[0] == 0)) s->scratch = true;
    }
    s->tile = TILE_BYTES / (int64_t)widest < TILE ? TILE_BYTES / (int64_t)widest : TILE;
    s->stream = should_stream(job, s);
    s->fetch = s->stream && several;
    const int64_t streamed = (s->fetch ? FETCHED_TILE : STREAMED_TILE) / stored;
    if (s->stream && streamed < s->tile) s->tile = streamed;
    s->straight = s->stream && !job->kernel && !job->constant[0] && s->direct[0] && s->direct[1] && it->op[1].strides[0] == it->op[0].strides[0] &&
                  (it->ndim == 1 || it->sizes[0] >= STRAIGHT_ROW);
}

/* Casts n raw elements at `from` into `to`; the flags of the operand are applied on the way. */
static void convert(int64_t n, void *to, tw_dtype k, const void *from, const tw_operand *o) {
    tw_cast(n, to, k, from, o->dtype);
    if (o->flags) tw_apply_flags(n, to, k, o->flags);
}

/* n elements of a row into scratch memory. */
static void gather_row(int64_t n, char *to, tw_dtype k, const char *from, const tw_operand *o, char *raw) {
    size_t size = tw_dtype_size(o->dtype);
    int64_t stride = o->strides[0];
    if (stride == (int64_t)size) {
        convert(n, to, k, from, o);
        return;
    }
    char *stage = o->dtype == k ? to : raw;
    tw_move()->move[tw_size_index(size)](n, stage, (int64_t)size, from, stride);
    if (stage != to) convert(n, to, k, stage, o);
    else if (o->flags) tw_apply_flags(n, to, k, o->flags);
}

/* n elements that cross rows, beginning at the counters: raw[] gets them one after the other, or they are written from it. */
static void move_rows(const tw_iter *it, const tw_operand *o, const int64_t *begin, int64_t n, char *raw, bool write) {
    int64_t counters[TW_MAX_DIMS];
    size_t size = tw_dtype_size(o->dtype);
    void (*move)(int64_t, void *, int64_t, const void *, int64_t) = tw_move()->move[tw_size_index(size)];
    memcpy(counters, begin, (size_t)it->ndim * sizeof counters[0]);
    while (n > 0) {
        int64_t m = it->sizes[0] - counters[0];
        if (m > n) m = n;
        char *p = tw_iter_at(it, o, counters);
        if (write) move(m, p, o->strides[0], raw, (int64_t)size);
        else move(m, raw, (int64_t)size, p, o->strides[0]);
        raw += (size_t)m * size;
        n -= m;
        tw_iter_advance(it, counters, m);
    }
}

static void gather_rows(const tw_iter *it, const tw_operand *o, const int64_t *begin, int64_t n, char *to, tw_dtype k, char *raw) {
    char *stage = o->dtype == k ? to : raw;
    move_rows(it, o, begin, n, stage, false);
    if (stage != to) convert(n, to, k, stage, o);
    else if (o->flags) tw_apply_flags(n, to, k, o->flags);
}

/* The kernel, or a plain move when there is none. */
static void compute(const tw_tile_job *job, int64_t n, void *out, const void *const *in, unsigned broadcast) {
    if (job->kernel) {
        job->kernel(n, out, in, broadcast);
        return;
    }
    int64_t size = (int64_t)tw_dtype_size(job->out);
    if (out != in[0]) tw_move()->move[tw_size_index((size_t)size)](n, out, size, in[0], broadcast & 1u ? 0 : size);
}

/* The processor loses track of several inputs that are read piece by piece between streamed stores; it keeps that of a single one. What lies past
 * the end is not read. */
static void fetch_next(const char *tile, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const void *)((uintptr_t)tile + (uintptr_t)(bytes + i)));
}

/* n elements of a result that is streamed. Where one tile follows the other, lines are kept until they are full: a part of a line waits for memory. */
static void stream(const context *c, int64_t n, char *to, const void *const *in, unsigned broadcast, buffers *b) {
    const tw_tile_job *job = c->job;
    const tw_dtype dtype = job->it->op[0].dtype;
    const int64_t bytes = n * (int64_t)tw_dtype_size(dtype);
    const bool casts = dtype != job->out, moves = !job->kernel && !(broadcast & 1u), whole = !b->joins || (uintptr_t)(to + bytes) % LINE == 0;
    if (c->shape->straight || (moves && !casts && whole && b->held == 0)) {
        tw_move()->stream(bytes, to, in[0]);
        return;
    }
    char *place = b->stage + b->held;
    const void *from = in[0];
    if (!moves || !casts) {
        compute(job, n, casts ? b->operand[0] : place, in, broadcast);
        from = b->operand[0];
    }
    if (casts) tw_cast(n, place, dtype, from, job->out);
    to -= b->held;
    const int64_t staged = b->held + bytes, open = b->joins ? (int64_t)((uintptr_t)(to + staged) % LINE) : 0;
    b->held = open < staged ? open : staged;
    tw_move()->stream(staged - b->held, to, b->stage);
    memmove(b->stage, b->stage + staged - b->held, (size_t)b->held);
}

/* The line that is not full, and the end of it. */
static void stream_rest(const context *c, char *end, buffers *b) {
    if (!c->shape->stream) return;
    memcpy(end - b->held, b->stage, (size_t)b->held);
    tw_move()->stream_end();
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static void scatter_row(const tw_tile_job *job, int64_t n, char *to, char *from, char *raw) {
    const tw_operand *o = &job->it->op[0];
    size_t size = tw_dtype_size(o->dtype);
    if (o->strides[0] == (int64_t)size) {
        tw_cast(n, to, o->dtype, from, job->out);
        return;
    }
    if (o->dtype != job->out) {
        tw_cast(n, raw, o->dtype, from, job->out);
        from = raw;
    }
    tw_move()->move[tw_size_index(size)](n, to, o->strides[0], from, (int64_t)size);
}

static void run_rows(void *arg, int64_t begin, int64_t end) {
    const context *c = arg;
    const tw_tile_job *job = c->job;
    const shape *s = c->shape;
    const tw_iter *it = job->it;
    int64_t counters[TW_MAX_DIMS];
    buffers b;
    b.held = 0, b.joins = s->dense[0];
    const void *in[TW_ITER_OPERANDS];
    tw_iter_seek(it, begin, counters);
    while (begin < end) {
        int64_t n = it->sizes[0] - counters[0];
        if (n > end - begin) n = end - begin;
        if ((s->scratch || (s->stream && !s->straight)) && n > s->tile) n = s->tile;
        unsigned broadcast = 0;
        for (int i = 1; i < it->nops; i++) {
            const tw_operand *o = &it->op[i];
            if (job->constant[i - 1]) {
                in[i - 1] = job->constant[i - 1];
                broadcast |= 1u << (i - 1);
                continue;
            }
            char *p = tw_iter_at(it, o, counters);
            if (s->fetch && o->strides[0] == (int64_t)tw_dtype_size(o->dtype)) fetch_next(p, n * o->strides[0]);
            if (o->strides[0] == 0) {
                broadcast |= 1u << (i - 1);
                in[i - 1] = p;
                if (s->direct[i]) continue;
                convert(1, b.operand[i], job->in[i - 1], p, o);
                in[i - 1] = b.operand[i];
            } else if (s->direct[i] && o->strides[0] == (int64_t)tw_dtype_size(o->dtype)) {
                in[i - 1] = p;
            } else {
                gather_row(n, b.operand[i], job->in[i - 1], p, o, b.raw);
                in[i - 1] = b.operand[i];
            }
        }
        char *to = tw_iter_at(it, &it->op[0], counters);
        if (s->stream) {
            stream(c, n, to, in, broadcast, &b);
        } else if (s->direct[0] && (it->op[0].strides[0] == (int64_t)tw_dtype_size(job->out) || n == 1)) {
            compute(job, n, to, in, broadcast);
        } else {
            compute(job, n, b.operand[0], in, broadcast);
            scatter_row(job, n, to, b.operand[0], b.raw);
        }
        begin += n;
        tw_iter_advance(it, counters, n);
    }
    stream_rest(c, it->op[0].data + end * (int64_t)tw_dtype_size(it->op[0].dtype), &b);
}

/* --- several short rows a tile ---------------------------------------------------------------------------------- */

static void run_short_rows(void *arg, int64_t begin, int64_t end) {
    const context *c = arg;
    const tw_tile_job *job = c->job;
    const shape *s = c->shape;
    const tw_iter *it = job->it;
    int64_t counters[TW_MAX_DIMS];
    const int64_t tile = s->tile < it->sizes[0] ? it->sizes[0] : s->tile / it->sizes[0] * it->sizes[0];
    buffers b;
    b.held = 0, b.joins = s->dense[0];
    const void *in[TW_ITER_OPERANDS];
    bool first = true;
    tw_iter_seek(it, begin, counters);
    bool aligned = counters[0] == 0;
    while (begin < end) {
        int64_t n = end - begin < tile ? end - begin : tile;
        unsigned broadcast = 0;
        for (int i = 1; i < it->nops; i++) {
            const tw_operand *o = &it->op[i];
            if (job->constant[i - 1]) {
                in[i - 1] = job->constant[i - 1];
                broadcast |= 1u << (i - 1);
            } else if (s->direct[i] && s->dense[i]) {
                in[i - 1] = tw_iter_at(it, o, counters);
                if (s->fetch) fetch_next(in[i - 1], n * (int64_t)tw_dtype_size(o->dtype));
            } else {
                if (first || !aligned || !s->repeats[i]) {
                    if (s->dense[i]) convert(n, b.operand[i], job->in[i - 1], tw_iter_at(it, o, counters), o);
                    else gather_rows(it, o, counters, n, b.operand[i], job->in[i - 1], b.raw);
                }
                in[i - 1] = b.operand[i];
            }
        }
        const tw_operand *out = &it->op[0];
        if (s->stream) {
            stream(c, n, tw_iter_at(it, out, counters), in, broadcast, &b);
        } else if (s->direct[0] && s->dense[0]) {
            compute(job, n, tw_iter_at(it, out, counters), in, broadcast);
        } else {
            char *from = b.operand[0];
            compute(job, n, from, in, broadcast);
            if (s->dense[0]) tw_cast(n, tw_iter_at(it, out, counters), out->dtype, from, job->out);
            else {
                if (out->dtype != job->out) {
                    tw_cast(n, b.raw, out->dtype, from, job->out);
                    from = b.raw;
                }
                move_rows(it, out, counters, n, from, true);
            }
        }
        first = false;
        begin += n;
        tw_iter_advance(it, counters, n);
    }
    stream_rest(c, it->op[0].data + end * (int64_t)tw_dtype_size(it->op[0].dtype), &b);
}

/* --- 2-D blocks ------------------------------------------------------------------------------------------------- */

typedef struct blocks {
    _Alignas(64) char turned[TW_ITER_OPERANDS][BLOCK_BYTES]; /* touched only for operands that are transposed */
    _Alignas(64) char raw[BLOCK_BYTES];
} blocks;

/* rows x cols of a transposed operand into scratch, rows one after the other. */
static void gather_block(int64_t rows, int64_t cols, char *to, tw_dtype k, const char *from, const tw_operand *o, char *raw) {
    size_t size = tw_dtype_size(o->dtype);
    char *stage = o->dtype == k ? to : raw;
    tw_move()->transpose[tw_size_index(size)](rows, cols, stage, cols * (int64_t)size, from, o->strides[0]);
    if (stage != to) convert(rows * cols, to, k, stage, o);
    else if (o->flags) tw_apply_flags(rows * cols, to, k, o->flags);
}

/* One row of a block: operands that are not transposed are prepared here, the others come out of their block. */
static void run_block_row(const context *c, int64_t n, const int64_t *counters, int64_t row, const blocks *block, buffers *b) {
    const tw_tile_job *job = c->job;
    const tw_iter *it = job->it;
    const void *in[TW_ITER_OPERANDS];
    unsigned broadcast = 0;
    for (int i = 1; i < it->nops; i++) {
        const tw_operand *o = &it->op[i];
        size_t size = tw_dtype_size(job->in[i - 1]);
        if (job->constant[i - 1]) {
            in[i - 1] = job->constant[i - 1];
            broadcast |= 1u << (i - 1);
            continue;
        }
        if (c->shape->turned[i]) {
            in[i - 1] = block->turned[i] + (size_t)(row * n) * size;
            continue;
        }
        char *p = tw_iter_at(it, o, counters);
        if (o->strides[0] == 0) broadcast |= 1u << (i - 1);
        if (c->shape->direct[i] && (o->strides[0] == 0 || o->strides[0] == (int64_t)size)) {
            in[i - 1] = p;
        } else {
            if (o->strides[0] == 0) convert(1, b->operand[i], job->in[i - 1], p, o);
            else gather_row(n, b->operand[i], job->in[i - 1], p, o, b->raw);
            in[i - 1] = b->operand[i];
        }
    }
    char *to = tw_iter_at(it, &it->op[0], counters);
    if (c->shape->stream) {
        stream(c, n, to, in, broadcast, b);
    } else if (c->shape->direct[0] && it->op[0].strides[0] == (int64_t)tw_dtype_size(job->out)) {
        compute(job, n, to, in, broadcast);
    } else {
        compute(job, n, b->operand[0], in, broadcast);
        scatter_row(job, n, to, b->operand[0], b->raw);
    }
}

/* A plain move between memory and memory, one side transposed. Rows of the result that lie at multiples of CROWDED share few places of the cache:
 * they are written one after the other, out of a block. */
static bool moves_only(const tw_tile_job *job, const shape *s) {
    const int64_t *strides = job->it->op[0].strides;
    return !job->kernel && job->it->nops == 2 && s->direct[0] && s->direct[1] && strides[0] == (int64_t)tw_dtype_size(job->out) && !s->stream &&
           strides[1] % CROWDED != 0;
}

/* begin, end count bands: BLOCK_ROWS rows of dimension 1 at one place of the outer dimensions. */
static void run_blocks(void *arg, int64_t begin, int64_t end) {
    const context *c = arg;
    const tw_tile_job *job = c->job;
    const tw_iter *it = job->it;
    const int64_t bands = (it->sizes[1] + BLOCK_ROWS - 1) / BLOCK_ROWS;
    const bool plain = moves_only(job, c->shape);
    int64_t counters[TW_MAX_DIMS], widest = 1;
    for (int i = 0; i < it->nops; i++) {
        const int64_t own = (int64_t)tw_dtype_size(it->op[i].dtype), k = (int64_t)tw_dtype_size(kernel_dtype(job, i));
        if (own > widest) widest = own;
        if (k > widest) widest = k;
    }
    int64_t cols = BLOCK_BYTES / BLOCK_ROWS / widest;
    if (cols > c->shape->tile) cols = c->shape->tile; /* what one row of the other operands may need */
    blocks block;
    buffers b;
    b.held = 0, b.joins = false;
    for (; begin < end; begin++) {
        int64_t outer = begin / bands, r0 = begin % bands * BLOCK_ROWS;
        int64_t rows = it->sizes[1] - r0 < BLOCK_ROWS ? it->sizes[1] - r0 : BLOCK_ROWS;
        for (int d = 2; d < it->ndim; d++) {
            counters[d] = outer % it->sizes[d];
            outer /= it->sizes[d];
        }
        for (int64_t c0 = 0; c0 < it->sizes[0]; c0 += cols) {
            int64_t n = it->sizes[0] - c0 < cols ? it->sizes[0] - c0 : cols;
            counters[0] = c0;
            counters[1] = r0;
            if (plain) {
                tw_move()->transpose[tw_size_index(tw_dtype_size(job->out))](rows, n, tw_iter_at(it, &it->op[0], counters), it->op[0].strides[1],
                                                                             tw_iter_at(it, &it->op[1], counters), it->op[1].strides[0]);
                continue;
            }
            for (int i = 1; i < it->nops; i++)
                if (c->shape->turned[i] && !job->constant[i - 1])
                    gather_block(rows, n, block.turned[i], job->in[i - 1], tw_iter_at(it, &it->op[i], counters), &it->op[i], block.raw);
            for (int64_t r = 0; r < rows; r++) {
                counters[1] = r0 + r;
                run_block_row(c, n, counters, r, &block, &b);
            }
        }
    }
    if (c->shape->stream) tw_move()->stream_end();
}

/* ---------------------------------------------------------------------------------------------------------------- */

void tw_tile_run(tw_tile_job *job) {
    const tw_iter *it = job->it;
    if (it->numel == 0) return;
    shape s;
    study(job, &s);
    context c = {job, &s};
    bool turned = false;
    for (int i = 1; i < it->nops; i++) turned |= s.turned[i] && !job->constant[i - 1];
    if (turned) {
        int64_t bands = (it->sizes[1] + BLOCK_ROWS - 1) / BLOCK_ROWS;
        for (int d = 2; d < it->ndim; d++) bands *= it->sizes[d];
        int64_t grain = job->grain / (it->sizes[0] * BLOCK_ROWS) + 1;
        tw_parallel(bands, grain, run_blocks, &c);
    } else if (it->ndim > 1 && it->sizes[0] < SHORT_ROW) {
        int64_t grain = (job->grain / it->sizes[0] + 1) * it->sizes[0];
        if (it->numel <= grain) run_short_rows(&c, 0, it->numel);
        else tw_parallel(it->numel, grain, run_short_rows, &c);
    } else if (it->numel <= job->grain) {
        run_rows(&c, 0, it->numel);
    } else {
        tw_parallel(it->numel, job->grain, run_rows, &c);
    }
}
