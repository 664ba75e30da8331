/* Recurrent networks: layers, directions, dropout between layers, cells.
 *
 * A layer is one matrix product for the inputs of all steps and _rnn_layer for the rest. Where that kernel does not reach (forward mode,
 * vmap, half types, projections) and for second derivatives the steps are ops of the table. */
#include "composite/boxed.h"
#include "composite/regrade.h"
#include "core/memory.h"
#include "ops/rnn.h"
#include "ops_decl.h"

typedef struct weights { tw_tensor *w_ih, *w_hh, *b_ih, *b_hh, *w_hr; } weights; /* borrowed; biases and projection may be NULL */
typedef struct state { tw_tensor *h, *c; } state;                                /* owned; c of lstm only */
typedef struct layout { const int64_t *batch_sizes; int64_t steps; } layout;     /* of packed rows; NULL: (time, batch, features) */

static void state_drop(state *s) {
    tw_release(s->h);
    tw_release(s->c);
    s->h = s->c = NULL;
}

/* --- one step, in ops ------------------------------------------------------------------------------------------------------------------ */

static tw_tensor *part(tw_pool *p, tw_tensor *t, int64_t which, int64_t size) { return TEMP(p, narrow, T(t), I(1), I(which * size), I(size)); }

/* x: sums from the inputs, (rows, gates); s: the state before, becomes the next. b_hh is not in x for gru only. */
static bool step(int64_t mode, tw_tensor *x, state *s, const weights *w) {
    tw_pool p = {0};
    state next = {NULL, NULL};
    const int64_t n = w->w_hh->sizes[0] / tw_rnn_gates(mode);
    tw_tensor *from_state = TEMP(&p, linear, T(s->h), T(w->w_hh), mode == TW_RNN_GRU ? T(w->b_hh) : NONE_);
    if (mode == TW_RNN_GRU) {
        tw_tensor *reset = TEMP(&p, sigmoid, T(TEMP(&p, add, T(part(&p, x, 0, n)), T(part(&p, from_state, 0, n)))));
        tw_tensor *update = TEMP(&p, sigmoid, T(TEMP(&p, add, T(part(&p, x, 1, n)), T(part(&p, from_state, 1, n)))));
        tw_tensor *own = TEMP(&p, mul, T(reset), T(part(&p, from_state, 2, n)));
        tw_tensor *new = TEMP(&p, tanh, T(TEMP(&p, add, T(part(&p, x, 2, n)), T(own))));
        next.h = CALL(add, T(TEMP(&p, mul, T(TEMP(&p, sub, T(s->h), T(new))), T(update))), T(new));
    } else if (mode == TW_RNN_LSTM) {
        tw_tensor *sums = TEMP(&p, add, T(x), T(from_state));
        tw_tensor *in = TEMP(&p, sigmoid, T(part(&p, sums, 0, n))), *forget = TEMP(&p, sigmoid, T(part(&p, sums, 1, n)));
        tw_tensor *new = TEMP(&p, tanh, T(part(&p, sums, 2, n))), *out = TEMP(&p, sigmoid, T(part(&p, sums, 3, n)));
        next.c = CALL(add, T(TEMP(&p, mul, T(forget), T(s->c))), T(TEMP(&p, mul, T(in), T(new))));
        next.h = CALL(mul, T(out), T(TEMP(&p, tanh, T(next.c))));
        if (w->w_hr && next.h) next.h = CALL(linear, T(tw_pool_own(&p, next.h)), T(w->w_hr), NONE_);
    } else {
        tw_tensor *sums = TEMP(&p, add, T(x), T(from_state));
        next.h = mode == TW_RNN_RELU ? CALL(relu, T(sums)) : CALL(tanh, T(sums));
    }
    tw_tensor *made[] = {next.h, next.c};
    if (!tw_pool_done(&p, made, 2)) return false;
    state_drop(s);
    *s = next;
    return true;
}

/* --- all steps, in ops ------------------------------------------------------------------------------------------------------------------ */

/* The first rows of a state, and the state with those rows replaced. */
static tw_tensor *first_rows(tw_tensor *t, int64_t rows) { return t ? CALL(narrow, T(t), I(0), I(0), I(rows)) : NULL; }
static bool replace_rows(tw_tensor **whole, tw_tensor *rows) {
    if (!*whole) return true;
    tw_tensor *rest = CALL(narrow, T(*whole), I(0), I(rows->sizes[0]), I((*whole)->sizes[0] - rows->sizes[0]));
    tw_tensor *both[] = {rows, rest}, *made = rest ? CALL(cat, tw_a_tensors(both, 2), I(0)) : NULL;
    tw_release(rest);
    tw_release(*whole);
    *whole = made;
    return made != NULL;
}

/* One step of `rows` sequences of more; the others' state stays. */
static bool step_of_some(int64_t mode, tw_tensor *x, int64_t rows, state *s, const weights *w, tw_tensor **output) {
    const bool all = rows == s->h->sizes[0];
    if (all) {
        if (!step(mode, x, s, w)) return false;
        *output = tw_retain(s->h);
        return true;
    }
    state some = {first_rows(s->h, rows), first_rows(s->c, rows)};
    bool ok = !tw_failed() && step(mode, x, &some, w) && replace_rows(&s->h, some.h) && (!s->c || replace_rows(&s->c, some.c));
    if (ok) *output = tw_retain(some.h);
    state_drop(&some);
    return ok;
}

static tw_tensor *all_steps(int64_t mode, tw_tensor *x, layout rows, bool reverse, state *s, const weights *w) {
    const bool packed = rows.batch_sizes != NULL;
    tw_tensor **outputs = tw_malloc((size_t)(rows.steps + 1) * sizeof *outputs), *joined = NULL;
    int64_t row = 0, done = 0;
    if (!outputs) return NULL;
    for (int64_t t = 0; t < rows.steps; t++) outputs[t] = NULL;
    for (int64_t t = 0; packed && reverse && t < rows.steps; t++) row += rows.batch_sizes[t];
    for (; done < rows.steps; done++) {
        const int64_t t = reverse ? rows.steps - 1 - done : done, n = packed ? rows.batch_sizes[t] : s->h->sizes[0];
        if (reverse) row -= n;
        tw_tensor *now = packed ? CALL(narrow, T(x), I(0), I(row), I(n)) : CALL(select_int, T(x), I(0), I(t));
        const bool ok = now && step_of_some(mode, now, n, s, w, &outputs[t]);
        tw_release(now);
        if (!ok) break;
        if (!reverse) row += n;
    }
    if (done == rows.steps) joined = packed ? CALL(cat, tw_a_tensors(outputs, rows.steps), I(0)) : CALL(stack, tw_a_tensors(outputs, rows.steps), I(0));
    for (int64_t t = 0; t < rows.steps; t++) tw_release(outputs[t]);
    tw_free(outputs);
    return joined;
}

/* --- the kernel, and its gradient -------------------------------------------------------------------------------------------------------- */

static tw_tensor *dense(tw_pool *p, tw_tensor *t) { return t ? TEMP(p, _contiguous, T(t)) : NULL; }

static bool wants(const tw_tensor *t) { return t && tw_requires_grad(t); }

/* As all_steps. */
static tw_tensor *fused(int64_t mode, tw_tensor *x, layout rows, bool reverse, state *s, const weights *w) {
    tw_pool p = {0};
    tw_tensor *outs[4] = {NULL, NULL, NULL, NULL}, *bias = mode == TW_RNN_GRU ? w->b_hh : NULL;
    const bool save = !(tw_mode & (TW_MODE_NO_GRAD | TW_MODE_INFERENCE)) &&
                      (wants(x) || wants(s->h) || wants(s->c) || wants(w->w_hh) || wants(bias));
    const tw_arg args[] = {T(dense(&p, x)), T(dense(&p, s->h)), T(dense(&p, s->c)), T(dense(&p, w->w_hh)), T(dense(&p, bias)),
                           INTS(rows.batch_sizes, rows.batch_sizes ? rows.steps : 0), I(mode), B(reverse), B(save)};
    if (!tw_failed()) tw_call(&tw_ops[TW_OP__rnn_layer], args, outs);
    if (!tw_pool_done(&p, outs, 4)) return NULL;
    tw_release(outs[3]);
    state_drop(s);
    s->h = outs[1], s->c = outs[2];
    return outs[0];
}

/* What _rnn_layer computes, for its second derivative. */
static bool same_in_ops(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *const x = a[0].t;
    const bool packed_rows = x->ndim == 2;
    const layout rows = {packed_rows ? a[5].ints : NULL, packed_rows ? a[5].n : x->sizes[0]};
    const weights w = {NULL, a[3].t, NULL, a[4].tag == TW_ARG_TENSOR ? a[4].t : NULL, NULL};
    state s = {tw_retain(a[1].t), a[2].tag == TW_ARG_TENSOR ? tw_retain(a[2].t) : NULL};
    outs[0] = all_steps(a[6].i, x, rows, a[7].i != 0, &s, &w);
    outs[1] = s.h, outs[2] = s.c;
    return outs[0] != NULL;
}

/* Edges: gates, h0, c0, w_hh, b_hh; results: output, hidden, cell, reserve. */
bool tw__rnn_layer_grad(struct tw_node *node, const tw_arg *a, tw_tensor *const *r, tw_tensor *const *g, uint64_t need, tw_tensor **gin) {
    (void)node;
    if (!(tw_mode & TW_MODE_NO_GRAD)) return tw_regrade(&tw_ops[TW_OP__rnn_layer], same_in_ops, a, g, need, gin);
    tw_pool p = {0};
    tw_tensor *outs[4] = {NULL, NULL, NULL, NULL};
    const int64_t mode = a[6].i, n = a[1].t->sizes[1];
    const tw_arg args[] = {T(dense(&p, g[0])), T(dense(&p, g[1])), T(dense(&p, g[2])), T(r[0]), T(r[3]), a[3], I(a[1].t->sizes[0]), a[5], a[6], a[7]};
    if (!tw_failed()) tw_call(&tw_ops[TW_OP__rnn_layer_backward], args, outs);
    for (int i = 0; i < 4; i++) tw_pool_own(&p, outs[i]);
    if (!tw_failed()) {
        const int64_t width = tw_rnn_gates(mode) * n;
        tw_tensor *sums = mode == TW_RNN_GRU ? outs[1] : TEMP(&p, reshape, T(outs[0]), INTS(((int64_t[]){-1, width}), 2));
        if (need & 1) gin[0] = tw_retain(outs[0]);
        if (need & 2) gin[1] = tw_retain(outs[2]);
        if (need & 4) gin[2] = tw_retain(outs[3]);
        if (need & 8) {
            tw_tensor *before = TEMP(&p, narrow, T(r[3]), I(1), I((tw_rnn_reserve(mode) - 1) * n), I(n));
            gin[3] = CALL(mm, T(TEMP(&p, t, T(sums))), T(before));
        }
        if (need & 16) gin[4] = CALL(sum_dim_IntList, T(sums), INTS(((int64_t[]){0}), 1));
    }
    return tw_pool_done(&p, NULL, 0);
}

/* --- layers --------------------------------------------------------------------------------------------------------------------------------- */

static bool fusable(const tw_tensor *x, const weights *w) {
    return !w->w_hr && (x->dtype == TW_FLOAT32 || x->dtype == TW_FLOAT64) && !(tw_mode & (TW_MODE_VMAP | TW_MODE_FORWARD)) &&
           w->w_hh->dtype == x->dtype;
}

/* One direction of one layer: the output, owned; s: the state before, becomes the one after. */
static tw_tensor *run_layer(int64_t mode, tw_tensor *input, layout rows, bool reverse, state *s, const weights *w) {
    tw_pool p = {0};
    tw_tensor *bias = w->b_ih;
    if (bias && mode != TW_RNN_GRU) bias = TEMP(&p, add, T(bias), T(w->b_hh));
    tw_tensor *x = tw_failed() ? NULL : TEMP(&p, linear, T(input), T(w->w_ih), T(bias));
    tw_tensor *output = !x ? NULL : fusable(x, w) && s->h->dtype == x->dtype ? fused(mode, x, rows, reverse, s, w) : all_steps(mode, x, rows, reverse, s, w);
    tw_pool_done(&p, NULL, 0);
    return output;
}

typedef struct network {
    int64_t mode, layers;
    bool biases, train, both_ways, batch_first, projected;
    double dropout;
    tw_tensor *hx, *cx;              /* (layers * directions, batch, n) */
    tw_tensor *const *params;
    int64_t nparams;
} network;

static int per_layer(const network *n) { return 2 + 2 * n->biases + n->projected; }

static weights weights_of(const network *n, int64_t i) {
    tw_tensor *const *w = n->params + i * per_layer(n);
    return (weights){w[0], w[1], n->biases ? w[2] : NULL, n->biases ? w[3] : NULL, n->projected ? w[per_layer(n) - 1] : NULL};
}

static bool check_network(const network *n) {
    const int64_t directions = n->both_ways ? 2 : 1;
    if (n->layers < 0 || n->layers > n->nparams)
        return tw_fail(TW_RUNTIME_ERROR, "Expected parameters for %lld layers, but got %lld", (long long)n->layers, (long long)n->nparams);
    if (n->nparams != n->layers * directions * per_layer(n)) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected %lld parameters for %lld layers, but got %lld", (long long)(n->layers * directions * per_layer(n)),
                       (long long)n->layers, (long long)n->nparams);
    }
    if (n->hx->ndim != 3 || n->hx->sizes[0] != n->layers * directions || (n->cx && (n->cx->ndim != 3 || n->cx->sizes[0] != n->hx->sizes[0]))) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected hidden states for %lld layers, but got size %s", (long long)(n->layers * directions),
                       tw_sizes_text(n->hx->sizes, n->hx->ndim));
    }
    return true;
}

/* The directions of one layer. Its results go to out and to finals[i]. */
static tw_tensor *both_directions(const network *n, tw_tensor *input, layout rows, int64_t layer, tw_tensor **hs, tw_tensor **cs) {
    const int directions = n->both_ways ? 2 : 1;
    tw_tensor *outs[2] = {NULL, NULL}, *joined = NULL;
    for (int d = 0; d < directions && !tw_failed(); d++) {
        const int64_t i = layer * directions + d;
        const weights w = weights_of(n, i);
        state s = {CALL(select_int, T(n->hx), I(0), I(i)), n->cx ? CALL(select_int, T(n->cx), I(0), I(i)) : NULL};
        if (!tw_failed()) outs[d] = run_layer(n->mode, input, rows, d == 1, &s, &w);
        hs[i] = s.h, cs[i] = s.c;
    }
    if (!tw_failed()) joined = directions == 1 ? tw_retain(outs[0]) : CALL(cat, tw_a_tensors(outs, 2), I(-1));
    tw_release(outs[0]);
    tw_release(outs[1]);
    return joined;
}

/* outs: output, hidden states, cells (lstm). */
static bool run_network(const network *n, tw_tensor *input, layout rows, tw_tensor **outs) {
    if (!check_network(n)) return false;
    const int64_t count = n->layers * (n->both_ways ? 2 : 1);
    tw_tensor **finals = tw_malloc((size_t)(2 * count + 1) * sizeof *finals), *now = tw_retain(input);
    if (!finals) {
        tw_release(now);
        return false;
    }
    for (int64_t i = 0; i < 2 * count; i++) finals[i] = NULL;
    for (int64_t layer = 0; layer < n->layers && now; layer++) {
        tw_tensor *next = both_directions(n, now, rows, layer, finals, finals + count);
        tw_release(now);
        now = next;
        if (now && n->dropout != 0 && n->train && layer < n->layers - 1) {
            next = CALL(dropout, T(now), F(n->dropout), B(true));
            tw_release(now);
            now = next;
        }
    }
    if (now) {
        outs[0] = now;
        outs[1] = CALL(stack, tw_a_tensors(finals, count), I(0));
        if (n->cx) outs[2] = CALL(stack, tw_a_tensors(finals + count, count), I(0));
    }
    for (int64_t i = 0; i < 2 * count; i++) tw_release(finals[i]);
    tw_free(finals);
    return !tw_failed();
}

static bool check_states(const tw_arg *hx) {
    return hx->n == 2 || tw_fail(TW_RUNTIME_ERROR, "lstm expects two hidden states");
}

static network network_of(int64_t mode, const tw_arg *hx, const tw_arg *rest) {
    const bool lstm = mode == TW_RNN_LSTM;
    network n = {.mode = mode, .params = rest[0].ts, .nparams = rest[0].n, .biases = rest[1].i != 0, .layers = rest[2].i,
                 .dropout = tw_a_get_double(&rest[3], 0), .train = rest[4].i != 0, .both_ways = rest[5].i != 0,
                 .hx = lstm ? hx->ts[0] : hx->t, .cx = lstm ? hx->ts[1] : NULL};
    n.projected = lstm && n.hx->ndim == 3 && n.cx->ndim == 3 && n.hx->sizes[2] != n.cx->sizes[2];
    return n;
}

/* (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first) */
static bool padded(int64_t mode, const tw_arg *a, tw_tensor **outs) {
    if (mode == TW_RNN_LSTM && !check_states(&a[1])) return false;
    const network n = network_of(mode, &a[1], a + 2);
    const bool batch_first = a[8].i != 0;
    tw_pool p = {0};
    tw_tensor *input = a[0].t;
    if (input->ndim != 3) return tw_fail(TW_RUNTIME_ERROR, "input must have 3 dimensions, got %d", input->ndim);
    if (batch_first) input = TEMP(&p, transpose_int, T(input), I(0), I(1));
    if (input && input->sizes[0] == 0) tw_fail(TW_RUNTIME_ERROR, "Expected sequence length to be larger than 0 in RNN");
    bool ok = !tw_failed() && run_network(&n, input, (layout){NULL, input->sizes[0]}, outs);
    if (ok && batch_first) outs[0] = CALL(transpose_int, T(tw_pool_own(&p, outs[0])), I(0), I(1));
    return tw_pool_done(&p, outs, mode == TW_RNN_LSTM ? 3 : 2);
}

/* batch_sizes as a list, tw_malloc-ed; NULL and an error. */
static int64_t *read_sizes(tw_tensor *t) {
    if (t->device == TW_META) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "packed sequences need the values of batch_sizes"), NULL;
    if (t->device != TW_CPU || t->dtype != TW_INT64 || t->ndim != 1 || t->numel == 0 || t->layout) {
        return tw_fail(TW_RUNTIME_ERROR, "batch_sizes should be a 1D CPU int64 tensor"), NULL;
    }
    int64_t *list = tw_malloc((size_t)t->numel * sizeof *list);
    for (int64_t i = 0; list && i < t->numel; i++) list[i] = tw_long_at(t, i);
    return list;
}

/* (data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional) */
static bool packed(int64_t mode, const tw_arg *a, tw_tensor **outs) {
    if (mode == TW_RNN_LSTM && !check_states(&a[2])) return false;
    const network n = network_of(mode, &a[2], a + 3);
    int64_t *sizes = read_sizes(a[1].t);
    if (sizes) run_network(&n, a[0].t, (layout){sizes, a[1].t->numel}, outs);
    tw_free(sizes);
    tw_pool none = {0};
    return tw_pool_done(&none, outs, mode == TW_RNN_LSTM ? 3 : 2);
}

bool tw_rnn_relu_input_composite(const tw_arg *a, tw_tensor **outs) { return padded(TW_RNN_RELU, a, outs); }
bool tw_rnn_tanh_input_composite(const tw_arg *a, tw_tensor **outs) { return padded(TW_RNN_TANH, a, outs); }
bool tw_lstm_input_composite(const tw_arg *a, tw_tensor **outs) { return padded(TW_RNN_LSTM, a, outs); }
bool tw_gru_input_composite(const tw_arg *a, tw_tensor **outs) { return padded(TW_RNN_GRU, a, outs); }
bool tw_rnn_relu_data_composite(const tw_arg *a, tw_tensor **outs) { return packed(TW_RNN_RELU, a, outs); }
bool tw_rnn_tanh_data_composite(const tw_arg *a, tw_tensor **outs) { return packed(TW_RNN_TANH, a, outs); }
bool tw_lstm_data_composite(const tw_arg *a, tw_tensor **outs) { return packed(TW_RNN_LSTM, a, outs); }
bool tw_gru_data_composite(const tw_arg *a, tw_tensor **outs) { return packed(TW_RNN_GRU, a, outs); }

/* --- cells ---------------------------------------------------------------------------------------------------------------------------------- */

/* (input, hx, w_ih, w_hh, b_ih, b_hh): a sequence of one step. */
static bool cell(int64_t mode, const tw_arg *a, tw_tensor *h, tw_tensor *c, tw_tensor **outs) {
    tw_pool p = {0};
    const weights w = {a[2].t, a[3].t, a[4].tag == TW_ARG_TENSOR ? a[4].t : NULL, a[5].tag == TW_ARG_TENSOR ? a[5].t : NULL, NULL};
    if (h->ndim != 2 || a[0].t->ndim != 2) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected input and hidden state to be 2D, got %dD and %dD", a[0].t->ndim, h->ndim);
    }
    if (a[0].t->sizes[1] != w.w_ih->sizes[w.w_ih->ndim - 1]) {
        return tw_fail(TW_RUNTIME_ERROR, "input has inconsistent input_size: got %lld expected %lld", (long long)a[0].t->sizes[1],
                       (long long)w.w_ih->sizes[w.w_ih->ndim - 1]);
    }
    for (int i = 0; i < (c ? 2 : 1); i++) {
        const tw_tensor *hidden = i == 0 ? h : c;
        const int64_t expected = w.w_hh->sizes[w.w_hh->ndim - 1];
        if (hidden->ndim != 2 || hidden->sizes[0] != a[0].t->sizes[0]) {
            return tw_fail(TW_RUNTIME_ERROR, "Input batch size %lld doesn't match hidden%d batch size %lld", (long long)a[0].t->sizes[0], i,
                           (long long)(hidden->ndim ? hidden->sizes[0] : 0));
        }
        if (hidden->sizes[1] != expected) {
            return tw_fail(TW_RUNTIME_ERROR, "hidden%d has inconsistent hidden_size: got %lld, expected %lld", i, (long long)hidden->sizes[1],
                           (long long)expected);
        }
    }
    state s = {tw_retain(h), tw_retain(c)};
    tw_tensor *input = TEMP(&p, unsqueeze, a[0], I(0));
    if (input) tw_pool_own(&p, run_layer(mode, input, (layout){NULL, 1}, false, &s, &w));
    outs[0] = s.h;
    if (c) outs[1] = s.c;
    return tw_pool_done(&p, outs, c ? 2 : 1);
}

bool tw_rnn_relu_cell_composite(const tw_arg *a, tw_tensor **outs) { return cell(TW_RNN_RELU, a, a[1].t, NULL, outs); }
bool tw_rnn_tanh_cell_composite(const tw_arg *a, tw_tensor **outs) { return cell(TW_RNN_TANH, a, a[1].t, NULL, outs); }
bool tw_gru_cell_composite(const tw_arg *a, tw_tensor **outs) { return cell(TW_RNN_GRU, a, a[1].t, NULL, outs); }
bool tw_lstm_cell_composite(const tw_arg *a, tw_tensor **outs) {
    return check_states(&a[1]) && cell(TW_RNN_LSTM, a, a[1].ts[0], a[1].ts[1], outs);
}
