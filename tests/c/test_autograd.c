/* The graph, its engine, writes through views, tangents, batching, and a device of our own. */
#include "check.h"
#include "autograd/engine.h"
#include "autograd/vmap.h"
#include "op_ids.h"
#include <stdlib.h>

#define T(x) tw_a_tensor(x)
#define I(x) tw_a_int(x)
#define F(x) tw_a_float(x)
#define CALL(op, ...) \
    tw_call1(TW_OP_##op, (int)(sizeof((tw_arg[]){__VA_ARGS__}) / sizeof(tw_arg)), (const tw_arg[]){__VA_ARGS__})

/* 1, 2, ... n */
static tw_tensor *counting(int64_t n, bool wants) {
    tw_tensor *t = tw_empty_new(&n, 1, TW_FLOAT32, TW_CPU);
    for (int64_t i = 0; i < n; i++) ((float *)tw_data(t))[i] = (float)(i + 1);
    if (wants) tw_set_requires_grad(t, true);
    return t;
}

static bool inplace(int op, tw_tensor *self, tw_arg other) {
    tw_arg a[] = {T(self), other}, full[TW_MAX_ARGS];
    tw_fill_defaults(&tw_ops[op], 2, a, full);
    return tw_call_inplace(&tw_ops[op], full);
}

static bool backward(tw_tensor *root) { return tw_backward_run(&root, NULL, 1, false, false, NULL, 0, false, true, NULL); }

static bool equals(tw_tensor *t, const float *wanted) {
    if (!t || !tw_is_contiguous(t)) return false;
    return memcmp(tw_data(t), wanted, (size_t)t->numel * sizeof(float)) == 0;
}
#define EQUALS(t, ...) equals(t, (const float[]){__VA_ARGS__})

TEST(gradients_accumulate) {
    tw_tensor *x = counting(3, true);
    for (int i = 0; i < 2; i++) {
        tw_tensor *y = CALL(mul, T(x), T(x)), *s = CALL(sum, T(y));
        CHECK(backward(s));
        tw_release(s);
        tw_release(y);
    }
    CHECK(EQUALS(x->autograd->grad, 4, 8, 12));
    tw_release(x);
}

TEST(second_derivative) {
    tw_tensor *x = counting(3, true), *a = CALL(mul, T(x), T(x)), *y = CALL(mul, T(a), T(x)), *s = CALL(sum, T(y)), *g = NULL, *gg = NULL;
    CHECK(tw_backward_run(&s, NULL, 1, true, true, &x, 1, false, false, &g));
    tw_tensor *gs = CALL(sum, T(g));
    CHECK(tw_backward_run(&gs, NULL, 1, false, false, &x, 1, false, false, &gg));
    CHECK(EQUALS(gg, 6, 12, 18));
    tw_tensor *all[] = {x, a, y, s, g, gg, gs};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tw_release(all[i]);
}

TEST(saved_values_are_guarded) {
    tw_tensor *x = counting(3, true), *y = CALL(exp, T(x)), *s = CALL(sum, T(y));
    CHECK(inplace(TW_OP_add, y, F(1)));
    CHECK(!backward(s));
    CHECK_ERROR(TW_RUNTIME_ERROR, "modified by an inplace operation: [torch.FloatTensor [3]], which is output 0 of Exp, is at version 1; "
                "expected version 0 instead.");
    tw_release(s);
    tw_release(y);
    y = CALL(mul, T(x), T(x));
    s = CALL(sum, T(y));
    CHECK(backward(s));
    CHECK(!backward(s));
    CHECK_ERROR(TW_RUNTIME_ERROR, "Trying to backward through the graph a second time");
    tw_release(s);
    tw_release(y);
    tw_release(x);
}

TEST(refusals) {
    tw_tensor *x = counting(3, true), *y = CALL(mul, T(x), F(2)), *plain = counting(3, false);
    CHECK(!backward(y));
    CHECK_ERROR(TW_RUNTIME_ERROR, "grad can be implicitly created only for scalar outputs");
    CHECK(!backward(plain));
    CHECK_ERROR(TW_RUNTIME_ERROR, "element 0 of tensors does not require grad and does not have a grad_fn");
    CHECK(!inplace(TW_OP_add, x, F(1)));
    CHECK_ERROR(TW_RUNTIME_ERROR, "a leaf Variable that requires grad is being used in an in-place operation.");
    tw_tensor *v = CALL(select_int, T(x), I(0), I(0));
    CHECK(!inplace(TW_OP_add, v, F(1)));
    CHECK_ERROR(TW_RUNTIME_ERROR, "a view of a leaf Variable that requires grad is being used in an in-place operation.");
    tw_arg full[TW_MAX_ARGS], a[] = {T(x), F(1)};
    tw_fill_defaults(&tw_ops[TW_OP_add], 2, a, full);
    CHECK(!tw_call_out(&tw_ops[TW_OP_add], full, &plain));
    CHECK_ERROR(TW_RUNTIME_ERROR, "add(): functions with out=... arguments don't support automatic differentiation");
    tw_release(v);
    tw_release(plain);
    tw_release(y);
    tw_release(x);
}

TEST(writes_through_views) {
    tw_tensor *x = counting(4, true), *y = CALL(mul, T(x), F(2)), *v = CALL(slice_Tensor, T(y), I(0), I(1), I(3), I(1));
    tw_tensor *other = CALL(slice_Tensor, T(y), I(0), I(2), I(4), I(1));
    CHECK(inplace(TW_OP_mul, v, F(10)));
    CHECK(strcmp(tw_grad_fn_of(y)->name, "torch::autograd::CopySlices") == 0);
    CHECK(strcmp(tw_grad_fn_of(other)->name, "AsStridedBackward0") == 0);
    tw_tensor *s = CALL(sum, T(other));
    CHECK(backward(s));
    CHECK(EQUALS(x->autograd->grad, 0, 0, 20, 2));
    tw_tensor *all[] = {x, y, v, other, s};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tw_release(all[i]);
}

static bool times_ten(void *context, tw_node *n, tw_tensor **g, int count, tw_tensor **other, int nother) {
    (void)n; (void)count; (void)other; (void)nother;
    ++*(int *)context;
    tw_tensor *old = g[0];
    g[0] = CALL(mul, T(old), F(10));
    tw_release(old);
    return g[0] != NULL;
}

TEST(hooks_replace_gradients) {
    int calls = 0;
    tw_tensor *x = counting(2, true), *y = CALL(mul, T(x), F(3)), *s = CALL(sum, T(y));
    CHECK(tw_tensor_hook_add(y, (tw_hook){.call = times_ten, .context = &calls}) > 0);
    int64_t id = tw_tensor_hook_add(x, (tw_hook){.call = times_ten, .context = &calls});
    CHECK(tw_retain_grad(y) && backward(s));
    CHECK(calls == 2 && EQUALS(x->autograd->grad, 300, 300) && EQUALS(y->autograd->grad, 10, 10));
    CHECK(tw_tensor_hook_remove(x, id) && !tw_tensor_hook_remove(x, id));
    tw_release(s);
    tw_release(y);
    tw_release(x);
}

TEST(a_million_nodes) {
    tw_tensor *x = counting(1, true), *a = tw_retain(x);
    for (int i = 0; i < 1000000; i++) {
        tw_tensor *b = CALL(add, T(a), F(1));
        tw_release(a);
        a = b;
    }
    CHECK(backward(a));
    CHECK(EQUALS(x->autograd->grad, 1));
    tw_release(a);
    tw_release(x);
}

TEST(overlapping_views) {
    const int64_t sizes[] = {3, 2}, strides[] = {1, 1};
    tw_tensor *x = counting(4, true), *v = CALL(as_strided, T(x), tw_a_ints(sizes, 2), tw_a_ints(strides, 2)), *s = CALL(sum, T(v));
    CHECK(backward(s));
    CHECK(EQUALS(x->autograd->grad, 1, 2, 2, 1));
    tw_release(s);
    tw_release(v);
    tw_release(x);
}

TEST(tangents) {
    tw_tensor *x = counting(3, false), *t = counting(3, false);
    CHECK(tw_dual_enter() == 0);
    tw_tensor *d = tw_make_dual(x, t, 0), *y = CALL(mul, T(d), T(d));
    CHECK(EQUALS(tw_tangent_of(y, 0), 2, 8, 18));
    CHECK(inplace(TW_OP_mul, y, F(2)) && EQUALS(tw_tangent_of(y, 0), 4, 16, 36));
    tw_dual_exit();
    tw_tensor *all[] = {x, t, d, y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tw_release(all[i]);
}

TEST(batches) {
    const int64_t sizes[] = {2, 3};
    tw_tensor *flat = counting(6, false), *x = CALL(view, T(flat), tw_a_ints(sizes, 2)), *w = counting(3, true);
    int level = tw_vmap_enter(2, TW_RANDOM_ERROR);
    tw_tensor *b = tw_vmap_add(x, 0, level), *p = CALL(mul, T(b), T(w)), *s = CALL(sum, T(p));
    CHECK(p->ndim == 1 && s->ndim == 0);
    tw_vmap_exit();
    tw_tensor *out = tw_vmap_remove(s, 0, level, 2), *total = CALL(sum, T(out));
    CHECK(EQUALS(out, 14, 32));
    CHECK(backward(total));
    CHECK(EQUALS(w->autograd->grad, 5, 7, 9)); /* summed over the batch: w is from outside */
    tw_tensor *all[] = {flat, x, w, b, p, s, out, total};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tw_release(all[i]);
}

/* --- a device with memory of its own and two ops --- */

static void *box_alloc(size_t bytes) { return malloc(bytes); }
static void box_free(void *data, size_t bytes) { (void)bytes; free(data); }
static bool box_copy(void *to, tw_device td, const void *from, tw_device fd, size_t bytes) {
    (void)td; (void)fd;
    memcpy(to, from, bytes);
    return true;
}
static bool box_sync(void) { return true; }

static bool box_binary(const tw_arg *a, tw_tensor **outs, bool product) {
    tw_tensor *x = a[0].t, *y = a[1].tag == TW_ARG_TENSOR ? a[1].t : NULL;
    if (!y || !tw_is_contiguous(x) || !tw_is_contiguous(y)) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "box: contiguous tensors only");
    if (!outs[0] && !(outs[0] = tw_empty_new(x->sizes, x->ndim, TW_FLOAT32, x->device))) return false;
    const float *p = tw_data(x), *q = tw_data(y);
    float *r = tw_data(outs[0]);
    for (int64_t i = 0; i < x->numel; i++) r[i] = product ? p[i] * q[i] : p[i] + q[i];
    return true;
}
static bool box_add(const tw_arg *a, tw_tensor **outs) { return box_binary(a, outs, false); }
static bool box_mul(const tw_arg *a, tw_tensor **outs) { return box_binary(a, outs, true); }

TEST(another_device) {
    static tw_run_fn run[4096];
    static tw_device_ops box = {"box", box_alloc, box_free, box_copy, box_sync, run, true};
    run[TW_OP_add] = box_add;
    run[TW_OP_mul] = box_mul;
    const int type = tw_register_device(&box);
    CHECK(type > 1);
    const int64_t n = 3;
    tw_tensor *here = counting(n, false), *x = tw_empty_new(&n, 1, TW_FLOAT32, type | 0xff00);
    CHECK(x != NULL);
    if (x) memcpy(tw_data(x), tw_data(here), 3 * sizeof(float));
    tw_tensor *y = CALL(mul, T(x), T(x)), *z = CALL(add, T(y), T(x));
    CHECK(z && z->device == x->device && EQUALS(z, 2, 6, 12));
    CHECK(!CALL(exp, T(x)));
    CHECK_ERROR(TW_NOT_IMPLEMENTED_ERROR, "exp");
    CHECK(!CALL(sum, T(x)));
    CHECK_ERROR(TW_NOT_IMPLEMENTED_ERROR, "sum");
    CHECK(!CALL(add, T(x), T(here)));
    CHECK_ERROR(TW_RUNTIME_ERROR, "device");
    tw_tensor *all[] = {here, x, y, z};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tw_release(all[i]);
}

RUN_TESTS
