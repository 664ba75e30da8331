/* A recurrent layer over a whole sequence: _rnn_layer and its gradient. The sums from the inputs come in as one matrix product, made
 * before; a step is the product with the state (ops/linalg_gemm.h), then the row kernels (kernels/rnn.h).
 *
 * Rows are (time, sequence). With batch_sizes they are packed: step t has the first batch_sizes[t] sequences, never more than the step
 * before. The state of a sequence without a step at t stays as it is, in both directions, so that what is left at the end is the result.
 *
 * Note [Reserve]
 * What the gradient reads, for each row: the values of the mode (lstm: 4 gates, previous cell; gru: 3 gates, the new gate's sum from the
 * state; else the state), then the previous state. When nothing is saved there is room for the rows of one step only. */
#include "ops/rnn.h"
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/conv.h"
#include "kernels/rnn.h"
#include "ops/linalg_gemm.h"
#include "ops/op.h"
#include "ops_decl.h"
#include <string.h>

/* Note [One region a step]
 * Where the weights are packed once for all steps, a step is one parallel region: a task takes some hidden units, and for them multiplies (forward:
 * the columns of each gate) and then runs the row kernels. Backward, the row kernels are those of the step that comes next, which need no more
 * than the task's own part of the gradient. What the products of all tasks read is kept apart from what the row kernels write for the next step,
 * in rows that are a few elements longer than a power of two, so that they do not share cache sets. */

enum { GATES, H0, C0, W_HH, B_HH, BATCH_SIZES, MODE, REVERSE, SAVE }; /* parameters of _rnn_layer */

int tw_rnn_gates(int64_t mode) { return mode == TW_RNN_LSTM ? 4 : mode == TW_RNN_GRU ? 3 : 1; }
int tw_rnn_reserve(int64_t mode) { return mode == TW_RNN_LSTM ? 6 : mode == TW_RNN_GRU ? 5 : 2; }

static const tw_tensor *optional(const tw_arg *a) { return a->tag == TW_ARG_TENSOR ? a->t : NULL; }

/* --- meta ---------------------------------------------------------------------------------------------------------------------------- */

static bool check_batch_sizes(const tw_arg *sizes, int64_t rows, int64_t batch) {
    int64_t total = 0, last = batch;
    for (int i = 0; i < sizes->n; i++) {
        if (sizes->ints[i] > last || sizes->ints[i] < 0) return tw_fail(TW_RUNTIME_ERROR, "batch_sizes must not increase");
        total += last = sizes->ints[i];
    }
    return total == rows || tw_fail(TW_RUNTIME_ERROR, "batch_sizes add up to %lld, but there are %lld rows", (long long)total, (long long)rows);
}

bool tw__rnn_layer_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *gates = a[GATES].t, *h0 = a[H0].t, *w = a[W_HH].t, *others[] = {h0, w, optional(&a[C0]), optional(&a[B_HH])};
    const int64_t mode = a[MODE].i, g = tw_rnn_gates(mode);
    if (gates->dtype != TW_FLOAT32 && gates->dtype != TW_FLOAT64) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "_rnn_layer: not implemented for '%s'", tw_dtypes[gates->dtype].type_name);
    }
    bool fits = h0->ndim == 2 && w->ndim == 2 && (gates->ndim == 2 || gates->ndim == 3) && tw_is_contiguous(gates);
    for (size_t i = 0; i < sizeof others / sizeof *others && fits; i++) {
        fits = !others[i] || (others[i]->dtype == gates->dtype && tw_is_contiguous(others[i]));
    }
    const int64_t hidden = h0->ndim == 2 ? h0->sizes[1] : 0, width = g * hidden, batch = h0->ndim ? h0->sizes[0] : 0;
    fits = fits && gates->sizes[gates->ndim - 1] == width && w->sizes[0] == width && w->sizes[1] == hidden;
    fits = fits && (gates->ndim == 2 || (gates->sizes[1] == batch && a[BATCH_SIZES].n == 0));
    if (others[2]) fits = fits && others[2]->ndim == 2 && others[2]->sizes[0] == batch && others[2]->sizes[1] == hidden;
    if (others[3]) fits = fits && others[3]->ndim == 1 && others[3]->sizes[0] == width;
    if (!fits || (mode == TW_RNN_LSTM && !others[2])) return tw_fail(TW_RUNTIME_ERROR, "_rnn_layer: arguments do not fit together");
    if (gates->ndim == 2 && !check_batch_sizes(&a[BATCH_SIZES], gates->sizes[0], batch)) return false;
    int64_t sizes[3] = {gates->sizes[0], gates->sizes[1], hidden}, rows = gates->ndim == 3 ? sizes[0] * sizes[1] : sizes[0];
    if (gates->ndim == 2) sizes[1] = hidden;
    const int64_t reserve[] = {a[SAVE].i ? rows : batch, tw_rnn_reserve(mode) * hidden};
    const tw_dtype dtype = (tw_dtype)gates->dtype;
    out[2].absent = mode != TW_RNN_LSTM;
    return tw_meta_set(&out[0], dtype, gates->device, sizes, gates->ndim) && tw_meta_set(&out[1], dtype, gates->device, h0->sizes, 2) &&
           (out[2].absent || tw_meta_set(&out[2], dtype, gates->device, h0->sizes, 2)) &&
           tw_meta_set(&out[3], dtype, gates->device, reserve, 2);
}

/* (grad_output, grad_hidden, grad_cell, output, reserve, w_hh, batch, batch_sizes, mode, reverse)
 *  -> (gradient of gates; of the sums from the state, if it differs (gru); of h0; of c0 (lstm)) */
bool tw__rnn_layer_backward_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *output = a[3].t, *reserve = a[4].t;
    const int64_t mode = a[8].i, hidden = output->sizes[output->ndim - 1], width = tw_rnn_gates(mode) * hidden;
    int64_t sizes[3] = {output->sizes[0], output->ndim == 3 ? output->sizes[1] : width, width}, state[] = {a[6].i, hidden};
    const int64_t sums[] = {reserve->sizes[0], width};
    const tw_dtype dtype = (tw_dtype)output->dtype;
    for (int i = 0; i < 6; i++) {
        const tw_tensor *t = optional(&a[i]);
        if (t && !tw_is_contiguous(t)) return tw_fail(TW_RUNTIME_ERROR, "_rnn_layer_backward: expected contiguous tensors");
    }
    out[1].absent = mode != TW_RNN_GRU, out[3].absent = mode != TW_RNN_LSTM;
    return tw_meta_set(&out[0], dtype, output->device, sizes, output->ndim) &&
           (out[1].absent || tw_meta_set(&out[1], dtype, output->device, sums, 2)) &&
           tw_meta_set(&out[2], dtype, output->device, state, 2) &&
           (out[3].absent || tw_meta_set(&out[3], dtype, output->device, state, 2));
}

/* --- steps ---------------------------------------------------------------------------------------------------------------------------- */

typedef struct layer {
    tw_dtype dtype;
    size_t size;                /* bytes of an element */
    int wide;                   /* index of its kernels */
    int64_t mode, hidden, batch, steps;
    const int64_t *batch_sizes; /* NULL: `batch` at each step */
    bool save;
    char *reserve;
    const char *x, *w, *bias;   /* sums from the inputs; weights of the state and what is added to its sums (gru) */
    char *output, *h, *c, *scratch;
    /* backward */
    const char *dout;
    char *dx, *dsums;
    int64_t row, at, rows;      /* first row of the step of the row kernels, where its reserve starts, and its number of rows */
    /* Note [One region a step]; packed is NULL elsewhere */
    const tw_conv_type *tiles;
    char *packed, *states;      /* weights, of one gate after the other in the forward direction */
    char *from, *into;          /* rows of `pitch` elements: what products read, what the next step's will; NULL at other times */
    int64_t pitch, product_rows;
    size_t packed_bytes, gate_bytes, states_bytes;
} layer;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t rows_at(const layer *l, int64_t t) { return l->batch_sizes ? l->batch_sizes[t] : l->batch; }
static char *place(const layer *l, const char *base, int64_t elements) { return (char *)(uintptr_t)base + (size_t)elements * l->size; }
static void copy_units(const layer *l, char *to, const char *from, int64_t first, int64_t last) {
    memcpy(place(l, to, first), place(l, from, first), (size_t)(last - first) * l->size);
}

/* c (rows x n) = state (rows x k) times a matrix with element (k, n) at k * k_stride + n * n_stride, + d. */
static bool product(const layer *l, int64_t rows, int64_t n, int64_t k, const char *state, int64_t state_row, int64_t k_stride, int64_t n_stride,
                    char *c, int64_t c_row, const char *d, int64_t d_row) {
    const tw_gemm_call g = {.m = rows, .n = n, .k = k, .a = tw_gemm_matrix(state, l->dtype, 1, state_row),
                            .b = tw_gemm_matrix(l->w, l->dtype, k_stride, n_stride), .c = c, .c_row = c_row, .dtype = l->dtype, .alpha = 1,
                            .beta = 1, .d = d, .d_row = d_row, .d_col = 1};
    return tw_gemm_run(&g);
}

/* c = rows of `from` times columns [first, last) of one packed matrix of `hidden` columns, in the order of products. */
static void times_packed(const layer *l, int64_t k, const char *packed, int64_t first, int64_t last, char *c, int64_t c_row) {
    const int64_t mr = l->tiles->mr, nr = l->tiles->nr, all = (l->hidden + nr - 1) / nr * nr, tiles = (l->product_rows + mr - 1) / mr;
    const int64_t most = tiles ? ((l->product_rows + tiles - 1) / tiles + 1) / 2 * 2 : 0;
    for (int64_t k0 = 0; k0 < k; k0 += TW_GEMM_KC) {
        const int64_t kc = smaller(k - k0, TW_GEMM_KC);
        const tw_conv_piece whole = {0, kc};
        for (int64_t i = 0, high; i < l->product_rows; i += high) {
            high = smaller(most, l->product_rows - i);
            if (high > 1) high -= high % 2; /* tiles have one row, or pairs of them */
            l->tiles->runs(high, last - first, 1, &whole, place(l, l->from, i * l->pitch + k0), l->pitch,
                           place(l, packed, k0 * all + first * kc), kc * nr, place(l, c, i * c_row), c_row, k0 > 0);
        }
    }
}

/* Units [first, last) of rows [begin, end). */
static void forward_rows(const layer *l, int64_t begin, int64_t end, int64_t first, int64_t last) {
    const tw_rnn_kernels *k = tw_rnn();
    const int64_t n = l->hidden, width = tw_rnn_reserve(l->mode) * n, g = tw_rnn_gates(l->mode) * n;
    for (int64_t i = begin; i < end; i++) {
        char *kept = place(l, l->reserve, (l->at + i) * width), *h = place(l, l->h, i * n), *to = place(l, l->output, (l->row + i) * n);
        const char *x = place(l, l->x, (l->row + i) * g);
        copy_units(l, place(l, kept, width - n), h, first, last);
        if (l->mode == TW_RNN_LSTM) {
            char *c = place(l, l->c, i * n);
            copy_units(l, place(l, kept, 4 * n), c, first, last);
            k->lstm[l->wide](n, first, last, x, kept, c, to);
        } else if (l->mode == TW_RNN_GRU) {
            copy_units(l, to, h, first, last);
            k->gru[l->wide](n, first, last, x, place(l, l->scratch, i * 3 * n), kept, to);
        } else {
            k->plain[l->wide](first, last, l->mode == TW_RNN_RELU, x, kept, to);
        }
        copy_units(l, h, to, first, last);
        if (l->into) copy_units(l, place(l, l->into, i * l->pitch), to, first, last);
    }
}

static void backward_rows(const layer *l, int64_t begin, int64_t end, int64_t first, int64_t last) {
    const tw_rnn_kernels *k = tw_rnn();
    const int64_t n = l->hidden, width = tw_rnn_reserve(l->mode) * n, g = tw_rnn_gates(l->mode) * n;
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = l->row + i;
        const char *kept = place(l, l->reserve, row * width);
        char *dh = place(l, l->h, i * n), *dx = place(l, l->dx, row * g), *sums = l->mode == TW_RNN_GRU ? place(l, l->dsums, row * g) : dx;
        if (l->dout) k->add[l->wide](first, last, dh, place(l, l->dout, row * n));
        if (l->mode == TW_RNN_LSTM) {
            k->lstm_back[l->wide](n, first, last, kept, place(l, kept, 4 * n), dh, place(l, l->c, i * n), dx);
        } else if (l->mode == TW_RNN_GRU) {
            k->gru_back[l->wide](n, first, last, kept, place(l, kept, 4 * n), dh, dx, sums);
            copy_units(l, place(l, l->scratch, i * n), dh, first, last);
        } else {
            k->plain_back[l->wide](first, last, l->mode == TW_RNN_RELU, kept, dh, dx);
        }
        for (int64_t at = 0; l->into && at < g; at += n) copy_units(l, place(l, l->into, i * l->pitch + at), place(l, sums, at), first, last);
    }
}

/* --- steps as one region ---------------------------------------------------------------------------------------------------------------- */

static void forward_units(void *context, int64_t begin, int64_t end) {
    const layer *l = context;
    const int64_t n = l->hidden, first = begin * l->tiles->nr, last = smaller(end * l->tiles->nr, n), width = tw_rnn_reserve(l->mode) * n;
    const bool gru = l->mode == TW_RNN_GRU;
    for (int64_t g = 0; g < tw_rnn_gates(l->mode); g++) {
        char *to = gru ? place(l, l->scratch, g * n + first) : place(l, l->reserve, l->at * width + g * n + first);
        const int64_t step = gru ? 3 * n : width;
        times_packed(l, n, l->packed + (size_t)g * l->gate_bytes, first, last, to, step);
        if (gru && l->bias) l->tiles->add_row(l->product_rows, last - first, place(l, l->bias, g * n + first), to, step);
    }
    forward_rows(l, 0, l->rows, first, last);
}

static void backward_units(void *context, int64_t begin, int64_t end) {
    const layer *l = context;
    const int64_t n = l->hidden, first = begin * l->tiles->nr, last = smaller(end * l->tiles->nr, n);
    times_packed(l, tw_rnn_gates(l->mode) * n, l->packed, first, last, place(l, l->h, first), n);
    for (int64_t i = 0; l->mode == TW_RNN_GRU && i < l->product_rows; i++) {
        tw_rnn()->add[l->wide](first, last, place(l, l->h, i * n), place(l, l->scratch, i * n));
    }
    backward_rows(l, 0, l->rows, first, last);
}

static void run_units(layer *l, bool forward) {
    enum { TASK = 250000 };
    const int64_t nr = l->tiles->nr, n = l->hidden, flops = 2 * l->product_rows * nr * tw_rnn_gates(l->mode) * n;
    tw_parallel((n + nr - 1) / nr, 1 + TASK / (flops + 1), forward ? forward_units : backward_units, l);
    char *read = l->from;
    l->from = l->into, l->into = read;
}

/* Packs the weights and makes room for states, if there are steps of several rows. */
static bool prepare(layer *l, bool forward) {
    const int64_t n = l->hidden, width = tw_rnn_gates(l->mode) * n, k = forward ? n : width;
    if (l->batch < 2 || l->steps < 2 || n == 0 || width > TW_GEMM_MAX_N) return true;
    l->tiles = l->wide ? &tw_conv()->f64 : &tw_conv()->f32;
    l->pitch = k + 16;
    tw_gemm_call g = {.n = n, .k = k, .dtype = l->dtype};
    l->gate_bytes = tw_gemm_packed_b_bytes(&g), l->packed_bytes = l->gate_bytes * (size_t)(forward ? tw_rnn_gates(l->mode) : 1);
    const size_t half = (size_t)(l->batch * l->pitch) * l->size;
    l->states_bytes = 2 * half;
    if (!(l->states = tw_block_alloc(l->states_bytes)) || !(l->packed = tw_block_alloc(l->packed_bytes))) return false;
    l->from = l->states, l->into = l->states + half;
    for (size_t at = 0; at < l->packed_bytes; at += l->gate_bytes) {
        const char *w = l->w + at / l->gate_bytes * (size_t)(n * n) * l->size;
        g.b = forward ? tw_gemm_matrix(w, l->dtype, 1, n) : tw_gemm_matrix(w, l->dtype, n, 1);
        tw_gemm_pack_b(&g, l->packed + at);
    }
    return true;
}

static void finish(layer *l) {
    if (l->packed) tw_block_free(l->packed, l->packed_bytes);
    if (l->states) tw_block_free(l->states, l->states_bytes);
}

/* --- steps one product at a time -------------------------------------------------------------------------------------------------------- */

static void forward_some(void *context, int64_t begin, int64_t end) { forward_rows(context, begin, end, 0, ((const layer *)context)->hidden); }
static void backward_some(void *context, int64_t begin, int64_t end) { backward_rows(context, begin, end, 0, ((const layer *)context)->hidden); }
static void each_row(layer *l, void (*body)(void *, int64_t, int64_t)) {
    tw_parallel(l->rows, 1 + 16384 / (tw_rnn_gates(l->mode) * l->hidden + 1), body, l);
}

static bool forward_step(layer *l) {
    const int64_t n = l->hidden, g = tw_rnn_gates(l->mode) * n, width = tw_rnn_reserve(l->mode) * n;
    bool ok = l->mode == TW_RNN_GRU ? product(l, l->rows, g, n, l->h, n, 1, n, l->scratch, g, l->bias, 0)
                                    : product(l, l->rows, g, n, l->h, n, 1, n, place(l, l->reserve, l->at * width), width, NULL, 0);
    if (ok) each_row(l, forward_some);
    return ok;
}

static bool backward_step(layer *l) {
    const int64_t n = l->hidden, g = tw_rnn_gates(l->mode) * n;
    const bool gru = l->mode == TW_RNN_GRU;
    each_row(l, backward_some);
    return product(l, l->rows, n, g, place(l, gru ? l->dsums : l->dx, l->row * g), g, n, 1, l->h, n, gru ? l->scratch : NULL, n);
}

/* Runs over the steps, from the last one if `backwards`. */
static bool run_steps(layer *l, bool backwards, bool forward) {
    int64_t total = 0, before = 0;
    for (int64_t t = 0; t < l->steps; t++) total += rows_at(l, t);
    int64_t row = backwards ? total : 0;
    for (int64_t i = 0; i < l->steps; i++, before = l->rows) {
        l->rows = rows_at(l, backwards ? l->steps - 1 - i : i);
        if (backwards) row -= l->rows;
        l->row = row, l->at = l->save ? row : 0;
        if (!backwards) row += l->rows;
        if (l->rows == 0 && !l->packed) continue;
        if (l->packed && forward) { /* rows that begin here read the state that they were given */
            l->product_rows = l->rows;
            for (; before < l->rows; before++) copy_units(l, place(l, l->from, before * l->pitch), place(l, l->h, before * l->hidden), 0, l->hidden);
        } else if (l->packed) {
            l->product_rows = before;
        }
        if (l->packed) run_units(l, forward);
        else if (!(forward ? forward_step(l) : backward_step(l))) return false;
    }
    if (l->packed && !forward) { /* from the last step to the state before it */
        l->product_rows = l->rows, l->rows = 0;
        run_units(l, false);
    }
    return true;
}

static layer layer_of(const tw_tensor *rows, int64_t mode, int64_t hidden, int64_t batch, const tw_arg *batch_sizes) {
    const bool packed = rows->ndim == 2;
    return (layer){.dtype = (tw_dtype)rows->dtype, .size = tw_dtype_size((tw_dtype)rows->dtype), .wide = rows->dtype == TW_FLOAT64,
                   .mode = mode, .hidden = hidden, .batch = batch, .steps = packed ? batch_sizes->n : rows->sizes[0],
                   .batch_sizes = packed ? batch_sizes->ints : NULL};
}

static char *scratch_for(layer *l, int64_t width, size_t *bytes) {
    *bytes = l->mode == TW_RNN_GRU ? (size_t)(l->batch * width) * l->size + 1 : 0;
    return *bytes ? tw_block_alloc(*bytes) : NULL;
}

/* state = from, or zeros without one. An empty state may have no memory. */
static void start_from(char *state, const tw_tensor *from, size_t bytes) {
    if (!bytes) return;
    if (from) memcpy(state, tw_data(from), bytes);
    else memset(state, 0, bytes);
}

bool tw__rnn_layer_run(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *h0 = a[H0].t, *c0 = optional(&a[C0]), *bias = optional(&a[B_HH]);
    layer l = layer_of(a[GATES].t, a[MODE].i, h0->sizes[1], h0->sizes[0], &a[BATCH_SIZES]);
    size_t bytes = 0, state = (size_t)h0->numel * l.size;
    l.save = a[SAVE].i != 0, l.reserve = tw_data(out[3]), l.x = tw_data(a[GATES].t), l.w = tw_data(a[W_HH].t);
    l.output = tw_data(out[0]), l.h = tw_data(out[1]), l.scratch = scratch_for(&l, 3 * l.hidden, &bytes);
    if (bytes && !l.scratch) return false;
    start_from(l.h, h0, state);
    if (l.mode == TW_RNN_LSTM) {
        l.c = tw_data(out[2]);
        start_from(l.c, c0, state);
    }
    l.bias = bias ? tw_data(bias) : NULL;
    const bool ok = prepare(&l, true) && run_steps(&l, a[REVERSE].i != 0, true);
    finish(&l);
    if (bytes) tw_block_free(l.scratch, bytes);
    return ok;
}

bool tw__rnn_layer_backward_run(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *output = a[3].t;
    layer l = layer_of(output, a[8].i, output->sizes[output->ndim - 1], a[6].i, &a[7]);
    size_t bytes = 0, state = (size_t)(l.batch * l.hidden) * l.size;
    l.save = true, l.reserve = tw_data(a[4].t), l.w = tw_data(a[5].t), l.dout = optional(&a[0]) ? tw_data(a[0].t) : NULL;
    l.dx = tw_data(out[0]), l.h = tw_data(out[2]), l.scratch = scratch_for(&l, l.hidden, &bytes);
    if (bytes && !l.scratch) return false;
    start_from(l.h, optional(&a[1]), state);
    if (l.mode == TW_RNN_LSTM) {
        l.c = tw_data(out[3]);
        start_from(l.c, optional(&a[2]), state);
    }
    if (l.mode == TW_RNN_GRU) l.dsums = tw_data(out[1]);
    const bool ok = prepare(&l, false) && run_steps(&l, a[9].i == 0, false);
    finish(&l);
    if (bytes) tw_block_free(l.scratch, bytes);
    return ok;
}
