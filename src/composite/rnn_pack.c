/* Sequences of different lengths: packed, padded. */
#include "composite/boxed.h"
#include "core/memory.h"
#include "ops_decl.h"
#include <string.h>

typedef struct pieces { tw_tensor **t; int64_t n; } pieces; /* owned tensors, to be joined */

static bool pieces_new(pieces *p, int64_t most) {
    p->n = 0;
    p->t = tw_malloc((size_t)(most + 1) * sizeof *p->t);
    return p->t != NULL;
}
static bool pieces_add(pieces *p, tw_tensor *t) {
    if (t) p->t[p->n++] = t;
    return t != NULL;
}
static tw_tensor *pieces_join(pieces *p, int op, int64_t dim) {
    const tw_arg args[] = {tw_a_tensors(p->t, p->n), I(dim)};
    tw_tensor *out = tw_failed() ? NULL : tw_call1(op, 2, args);
    for (int64_t i = 0; i < p->n; i++) tw_release(p->t[i]);
    tw_free(p->t);
    return out;
}

/* --- packing ----------------------------------------------------------------------------------------------------------------------------- */

static bool check_lengths(const tw_tensor *input, const tw_tensor *lengths, int64_t batch) {
    if (input->numel == 0) return tw_fail(TW_RUNTIME_ERROR, "Cannot pack empty tensors.");
    if (lengths->device != TW_CPU || lengths->dtype != TW_INT64 || lengths->ndim != 1 || lengths->layout) {
        return tw_fail(TW_RUNTIME_ERROR, "'lengths' argument should be a 1D CPU int64 tensor, but got %dD %s %s tensor", lengths->ndim,
                       lengths->device == TW_CPU ? "cpu" : "meta", tw_dtypes[lengths->dtype].type_name);
    }
    if (lengths->sizes[0] != batch) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected `len(lengths)` to be equal to batch_size, but got %lld (batch_size=%lld)",
                       (long long)lengths->sizes[0], (long long)batch);
    }
    for (int64_t i = 0; i < batch; i++) {
        if (tw_long_at(lengths, i) <= 0) {
            return tw_fail(TW_RUNTIME_ERROR, "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0");
        }
        if (i > 0 && tw_long_at(lengths, i - 1) < tw_long_at(lengths, i)) {
            return tw_fail(TW_RUNTIME_ERROR, "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
                           "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not "
                           "need ONNX exportability.");
        }
    }
    return true;
}

/* (input (time, batch, ...), lengths, batch_first) -> (data, batch_sizes): runs of steps with equally many sequences, joined */
bool tw__pack_padded_sequence_composite(const tw_arg *a, tw_tensor **outs) {
    tw_pool p = {0};
    tw_tensor *input = a[0].t, *lengths = a[1].t;
    if (input->ndim < 2) return tw_fail(TW_RUNTIME_ERROR, "Expected a padded tensor of at least 2 dimensions, got %d", input->ndim);
    if (!check_lengths(input, lengths, input->sizes[a[2].i ? 0 : 1])) return false;
    if (a[2].i) input = TEMP(&p, transpose_int, T(input), I(0), I(1));
    if (!input) return tw_pool_done(&p, outs, 0);
    const int64_t batch = lengths->sizes[0], longest = tw_long_at(lengths, 0);
    int64_t shape[TW_MAX_DIMS] = {-1};
    const int ndim = input->ndim - 1;
    memcpy(shape + 1, input->sizes + 2, (size_t)(ndim - 1) * sizeof *shape);
    pieces runs;
    if (!pieces_new(&runs, batch)) return tw_pool_done(&p, outs, 0);
    outs[1] = tw_empty_new(&longest, 1, TW_INT64, TW_CPU);
    bool ok = outs[1] != NULL;
    for (int64_t i = batch - 1, from = 0; ok && i >= 0; i--) {
        const int64_t to = tw_long_at(lengths, i) < input->sizes[0] ? tw_long_at(lengths, i) : input->sizes[0];
        for (int64_t t = from; t < tw_long_at(lengths, i); t++) {
            ((int64_t *)tw_data(outs[1]))[t] = i + 1;
        }
        if (to > from) {
            tw_tensor *run = TEMP(&p, narrow, T(input), I(0), I(from), I(to - from)), *some = run ? CALL(narrow, T(run), I(1), I(0), I(i + 1)) : NULL;
            ok = some && pieces_add(&runs, CALL(reshape, T(some), INTS(shape, ndim)));
            tw_release(some);
            if (run) tw_release(p.t[--p.n]); /* a pool is no place for as many as there are sequences */
        }
        if (tw_long_at(lengths, i) > from) from = tw_long_at(lengths, i);
    }
    outs[0] = pieces_join(&runs, TW_OP_cat, 0);
    return tw_pool_done(&p, outs, 2);
}

/* --- unpacking --------------------------------------------------------------------------------------------------------------------------- */

/* A run of steps with `have` of `batch` sequences: (steps, batch, ...). */
static tw_tensor *fill_up(tw_tensor *data, int64_t row, int64_t steps, int64_t have, int64_t batch, const tw_arg *value) {
    tw_pool p = {0};
    int64_t shape[TW_MAX_DIMS] = {steps, have};
    memcpy(shape + 2, data->sizes + 1, (size_t)(data->ndim - 1) * sizeof *shape);
    tw_tensor *rows = TEMP(&p, narrow, T(data), I(0), I(row), I(steps * have)), *out;
    rows = TEMP(&p, reshape, T(rows), INTS(shape, data->ndim + 1));
    if (have == batch) {
        out = tw_retain(rows);
    } else {
        shape[1] = batch - have;
        tw_tensor *both[] = {rows, TEMP(&p, new_full, T(data), INTS(shape, data->ndim + 1), *value)};
        out = tw_failed() ? NULL : CALL(cat, tw_a_tensors(both, 2), I(1));
    }
    return tw_pool_done(&p, &out, 1) ? out : NULL;
}

/* (data, batch_sizes, batch_first, padding_value, total_length) -> (padded, lengths) */
bool tw__pad_packed_sequence_composite(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *data = a[0].t, *sizes = a[1].t;
    if (sizes->device != TW_CPU || sizes->dtype != TW_INT64 || sizes->ndim != 1 || sizes->numel == 0 || sizes->layout) {
        return tw_fail(TW_RUNTIME_ERROR, "batch_sizes should be a 1D CPU int64 tensor");
    }
    const int64_t steps = sizes->sizes[0], batch = tw_long_at(sizes, 0), total = a[4].i;
    if (total > 0 && total < steps) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected total_length to be at least the length of the longest sequence in input, but got "
                       "total_length=%lld and max sequence length being %lld", (long long)total, (long long)steps);
    }
    pieces runs;
    if (!pieces_new(&runs, steps + 1)) return false;
    outs[1] = tw_empty_new(&batch, 1, TW_INT64, TW_CPU);
    bool ok = outs[1] != NULL;
    for (int64_t t = 0, row = 0, end; ok && t < steps; t = end) {
        const int64_t have = tw_long_at(sizes, t);
        for (end = t; end < steps && tw_long_at(sizes, end) == have; end++) {}
        ok = pieces_add(&runs, fill_up(data, row, end - t, have, batch, &a[3]));
        row += (end - t) * have;
        const int64_t next = end < steps ? tw_long_at(sizes, end) : 0;
        for (int64_t i = next; ok && i < have; i++) ((int64_t *)tw_data(outs[1]))[i] = end;
    }
    if (ok && total > steps) {
        int64_t shape[TW_MAX_DIMS] = {total - steps, batch};
        memcpy(shape + 2, data->sizes + 1, (size_t)(data->ndim - 1) * sizeof *shape);
        pieces_add(&runs, CALL(new_full, T(data), INTS(shape, data->ndim + 1), a[3]));
    }
    outs[0] = pieces_join(&runs, TW_OP_cat, 0);
    if (outs[0] && a[2].i) {
        tw_tensor *turned = CALL(transpose_int, T(outs[0]), I(0), I(1));
        tw_release(outs[0]);
        outs[0] = turned;
    }
    tw_pool none = {0};
    return tw_pool_done(&none, outs, 2);
}

/* --- padding --------------------------------------------------------------------------------------------------------------------------- */

/* (sequences, batch_first, padding_value, padding_side) */
bool tw_pad_sequence_composite(const tw_arg *a, tw_tensor **outs) {
    const int64_t n = a[0].n;
    const char *side = a[3].tag == TW_ARG_STRING ? a[3].s : "right";
    const bool left = strcmp(side, "left") == 0;
    int64_t longest = 0, shape[TW_MAX_DIMS];
    if (n == 0) return tw_fail(TW_RUNTIME_ERROR, "received an empty list of sequences");
    if (!left && strcmp(side, "right") != 0) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected padding_side to be one of left or right, but got %s.", side);
    }
    const tw_tensor *first = a[0].ts[0];
    for (int64_t i = 0; i < n; i++) {
        const tw_tensor *t = a[0].ts[i];
        if (t->ndim == 0) return tw_fail(TW_RUNTIME_ERROR, "ArrayRef: invalid slice, N = 1; size = 0");
        if (t->sizes[0] > longest) longest = t->sizes[0];
        for (int d = 1; d < first->ndim || d < t->ndim; d++) {
            if (d < first->ndim && d < t->ndim && first->sizes[d] == t->sizes[d]) continue;
            return tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                           (long long)(d < first->ndim ? first->sizes[d] : 1), (long long)(d < t->ndim ? t->sizes[d] : t->sizes[0]), d);
        }
    }
    pieces all;
    if (!pieces_new(&all, n)) return false;
    memcpy(shape, first->sizes, (size_t)first->ndim * sizeof *shape);
    for (int64_t i = 0; i < n && !tw_failed(); i++) {
        tw_tensor *t = a[0].ts[i];
        shape[0] = longest - t->sizes[0];
        tw_tensor *padding = shape[0] ? CALL(new_full, T(a[0].ts[0]), INTS(shape, first->ndim), a[2]) : NULL;
        tw_tensor *both[] = {left ? padding : t, left ? t : padding};
        if (shape[0] == 0) pieces_add(&all, tw_retain(t));
        else if (padding) pieces_add(&all, CALL(cat, tw_a_tensors(both, 2), I(0)));
        tw_release(padding);
    }
    outs[0] = pieces_join(&all, TW_OP_stack, a[1].i ? 0 : 1);
    return outs[0] != NULL;
}
