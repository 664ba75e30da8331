/* _ctc_loss and its gradient, over the kernels of one sequence. */
#include "core/memory.h"
#include "core/threads.h"
#include "kernels/ctc.h"
#include "ops/clear.h"
#include "ops/op.h"
#include "ops_decl.h"
#include <math.h>

/* --- meta ----------------------------------------------------------------------------------------------------------------------- */

static bool check_lengths(const tw_arg *lengths, const char *name, int64_t most) {
    for (int i = 0; i < lengths->n; i++) {
        const long long n = lengths->ints[i];
        if (n < 0) {
            return tw_fail(TW_RUNTIME_ERROR, "Expected %s to have value at least 0, but got value %lld (while checking arguments for "
                           "ctc_loss_allocate_outputs)", name, n);
        }
        if (n > most) {
            return tw_fail(TW_RUNTIME_ERROR, "Expected %s to have value at most %lld, but got value %lld (while checking arguments for "
                           "ctc_loss_allocate_outputs)", name, (long long)most, n);
        }
    }
    return true;
}

static int64_t longest(const tw_arg *lengths) {
    int64_t most = 0;
    for (int i = 0; i < lengths->n; i++) most = lengths->ints[i] > most ? lengths->ints[i] : most;
    return most;
}

/* (log_probs (T, N, C) or (T, C), targets (N, S) or all in a row, input_lengths, target_lengths, blank, zero_infinity) */
bool tw__ctc_loss_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t, *targets = a[1].t;
    const bool batched = x->ndim == 3;
    if (x->ndim != 2 && x->ndim != 3)
        return tw_fail(TW_RUNTIME_ERROR, "Expected 3-dimensional tensor, but got %d-dimensional tensor for argument #1 "
                                                     "'log_probs' (while checking arguments for ctc_loss_allocate_outputs)", x->ndim);
    if (x->numel == 0) return tw_fail(TW_RUNTIME_ERROR, "log_probs tensor must not be empty");
    if (x->dtype != TW_FLOAT32 && x->dtype != TW_FLOAT64) {
        return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"ctc_loss_cpu\" not implemented for '%s'", tw_dtypes[x->dtype].type_name);
    }
    if (targets->dtype != TW_INT64 && targets->dtype != TW_INT32) {
        return tw_fail(TW_RUNTIME_ERROR, "targets must be of type Int or Long, got %s", tw_dtypes[targets->dtype].type_name);
    }
    const int64_t batch = batched ? x->sizes[1] : 1, classes = x->sizes[x->ndim - 1];
    if (a[4].i < 0 || a[4].i >= classes) return tw_fail(TW_RUNTIME_ERROR, "blank must be in label range");
    if (a[2].n != batch) return tw_fail(TW_RUNTIME_ERROR, "input_lengths must be of size batch_size");
    if (a[3].n != batch) return tw_fail(TW_RUNTIME_ERROR, "target_lengths must be of size batch_size");
    if (!check_lengths(&a[2], "input_lengths", x->sizes[0]) || !check_lengths(&a[3], "target_lengths", INT64_MAX)) return false;
    int64_t total = 0;
    for (int i = 0; i < a[3].n; i++)
        if (__builtin_add_overflow(total, a[3].ints[i], &total)) total = INT64_MAX; /* as long as no tensor is */
    if (targets->ndim == 1) {
        if (targets->sizes[0] != total) {
            return tw_fail(TW_RUNTIME_ERROR, "Expected tensor to have size %lld at dimension 0, but got size %lld for argument #2 'targets' "
                           "(while checking arguments for ctc_loss_allocate_outputs)", (long long)total, (long long)targets->sizes[0]);
        }
    } else if (targets->ndim != 2 || targets->sizes[0] != batch) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected tensor to have size %lld at dimension 0, but got size %lld for argument #2 'targets' "
                       "(while checking arguments for ctc_loss_allocate_outputs)", (long long)batch,
                       (long long)(targets->ndim ? targets->sizes[0] : 0));
    } else if (targets->sizes[1] < longest(&a[3])) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected tensor to have size at least %lld at dimension 1, but got size %s for argument #2 'targets' "
                       "(while checking arguments for ctc_loss_allocate_outputs)", (long long)longest(&a[3]),
                       tw_sizes_text(targets->sizes, targets->ndim));
    }
    const int64_t alpha[] = {batch, x->sizes[0], 2 * longest(&a[3]) + 1};
    return tw_meta_set(&out[0], (tw_dtype)x->dtype, x->device, &batch, batched ? 1 : 0) &&
           tw_meta_set(&out[1], (tw_dtype)x->dtype, x->device, batched ? alpha : alpha + 1, batched ? 3 : 2);
}

/* (grad, log_probs, ...) */
bool tw__ctc_loss_backward_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[1].t;
    return tw_meta_set(out, (tw_dtype)x->dtype, x->device, x->sizes, x->ndim);
}

/* --- run ------------------------------------------------------------------------------------------------------------------------- */

typedef struct ctc_batch {
    const tw_tensor *x, *targets, *alpha;
    const int64_t *input_lengths, *target_lengths, *starts; /* starts: of each target in `labels` */
    const int64_t *labels;
    int64_t blank;
    int wide;                         /* float64 */
    tw_tensor *likelihood;            /* forward */
    const tw_tensor *grad, *given;    /* backward: gradient of the likelihoods, and these */
    tw_tensor *to;
    bool zero_infinity;
    double *room;
    int64_t room_each;
} ctc_batch;

static double number(const tw_tensor *t, int64_t i) {
    const int64_t at = t->ndim ? i * t->strides[0] : 0;
    return t->dtype == TW_FLOAT64 ? ((const double *)tw_data(t))[at] : (double)((const float *)tw_data(t))[at];
}

static tw_ctc_job job_of(const ctc_batch *b, int64_t i) {
    const bool batched = b->x->ndim == 3;
    const size_t size = b->wide ? 8 : 4;
    return (tw_ctc_job){.log_probs = (const char *)tw_data(b->x) + (size_t)(batched ? i * b->x->strides[1] : 0) * size, .step = b->x->strides[0],
                        .class_step = b->x->strides[b->x->ndim - 1], .time = b->input_lengths[i], .classes = b->x->sizes[b->x->ndim - 1],
                        .target = b->labels + b->starts[i], .length = b->target_lengths[i], .blank = b->blank,
                        .alpha = (char *)tw_data(b->alpha) + (size_t)(batched ? i * b->alpha->strides[0] : 0) * size,
                        .alpha_step = b->alpha->sizes[b->alpha->ndim - 1]};
}

static void forward_some(void *context, int64_t begin, int64_t end) {
    const ctc_batch *b = context;
    for (int64_t i = begin; i < end; i++) {
        const tw_ctc_job j = job_of(b, i);
        const double value = tw_ctc()->forward[b->wide](&j, b->room + i * b->room_each);
        if (b->wide) ((double *)tw_data(b->likelihood))[i] = value;
        else ((float *)tw_data(b->likelihood))[i] = (float)value;
    }
}

static void backward_some(void *context, int64_t begin, int64_t end) {
    const ctc_batch *b = context;
    const bool batched = b->x->ndim == 3;
    for (int64_t i = begin; i < end; i++) {
        const tw_ctc_job j = job_of(b, i);
        const double likelihood = number(b->given, i);
        if (b->zero_infinity && likelihood == (double)INFINITY) continue;
        char *to = (char *)tw_data(b->to) + (size_t)(batched ? i * b->to->strides[1] : 0) * (b->wide ? 8 : 4);
        tw_ctc()->backward[b->wide](&j, likelihood, number(b->grad, i), to, b->to->strides[0], b->to->strides[b->to->ndim - 1],
                                    b->room + i * b->room_each);
    }
}

/* Labels as int64 with each target's start, tw_malloc-ed together; checks them. NULL and an error. */
static int64_t *read_labels(ctc_batch *b, int64_t batch) {
    const tw_tensor *t = b->targets;
    const int64_t classes = b->x->sizes[b->x->ndim - 1];
    int64_t total = 0, at = 0;
    for (int64_t i = 0; i < batch; i++) total += b->target_lengths[i];
    int64_t *memory = tw_malloc((size_t)(batch + total + 1) * sizeof *memory), *labels = memory + batch;
    if (!memory) return NULL;
    for (int64_t i = 0; i < batch; i++) {
        memory[i] = at;
        for (int64_t k = 0; k < b->target_lengths[i]; k++, at++) {
            const int64_t from = t->ndim == 2 ? i * t->strides[0] + k * t->strides[1] : at * t->strides[0];
            labels[at] = t->dtype == TW_INT64 ? ((const int64_t *)tw_data(t))[from] : ((const int32_t *)tw_data(t))[from];
            if (labels[at] >= 0 && labels[at] < classes) continue;
            tw_fail(TW_RUNTIME_ERROR, "Expected targets to be within [0, %lld), but got %lld", (long long)classes, (long long)labels[at]);
            tw_free(memory);
            return NULL;
        }
    }
    b->starts = memory, b->labels = labels;
    return memory;
}

bool tw__ctc_loss_run(const tw_arg *a, tw_tensor **out) {
    ctc_batch b = {.x = a[0].t, .targets = a[1].t, .alpha = out[1], .input_lengths = a[2].ints, .target_lengths = a[3].ints, .blank = a[4].i,
                   .wide = a[0].t->dtype == TW_FLOAT64, .likelihood = out[0]};
    int64_t *labels = read_labels(&b, a[2].n);
    if (!labels) return false;
    for (int64_t i = 0; i < out[1]->numel; i++) { /* what no sequence reaches stays impossible */
        if (b.wide) ((double *)tw_data(out[1]))[i] = (double)-INFINITY;
        else ((float *)tw_data(out[1]))[i] = -INFINITY;
    }
    b.room_each = 2 * (2 * longest(&a[3]) + 1);
    b.room = tw_malloc((size_t)(a[2].n * b.room_each) * sizeof *b.room);
    const bool ok = b.room != NULL;
    if (ok) tw_parallel(a[2].n, 1, forward_some, &b);
    tw_free(b.room);
    tw_free(labels);
    return ok;
}

/* (grad, log_probs, targets, input_lengths, target_lengths, neg_log_likelihood, log_alpha, blank, zero_infinity) */
bool tw__ctc_loss_backward_run(const tw_arg *a, tw_tensor **out) {
    ctc_batch b = {.x = a[1].t, .targets = a[2].t, .alpha = a[6].t, .input_lengths = a[3].ints, .target_lengths = a[4].ints, .blank = a[7].i,
                   .wide = a[1].t->dtype == TW_FLOAT64, .grad = a[0].t, .given = a[5].t, .to = out[0], .zero_infinity = a[8].i != 0};
    const int64_t batch = a[3].n;
    tw_clear_dense(out[0]); /* steps beyond a sequence's length */
    b.room_each = 4 * (2 * longest(&a[4]) + 1) + 2 * b.x->sizes[b.x->ndim - 1];
    int64_t *labels = read_labels(&b, batch);
    b.room = labels ? tw_malloc((size_t)(batch * b.room_each) * sizeof *b.room) : NULL;
    const bool ok = b.room != NULL;
    if (ok) tw_parallel(batch, 1, backward_some, &b);
    tw_free(b.room);
    tw_free(labels);
    return ok;
}
