/* mm, bmm, addmm, baddbmm, mv, dot: checks and calls of the matrix product. */
#include "ops/linalg.h"
#include "core/memory.h"
#include "core/threads.h"
#include "ops/op.h"
#include <stdatomic.h>

static tw_matrix matrix_of(const tw_tensor *t, int first) { /* of dimensions first and first + 1 */
    return (tw_matrix){tw_data(t), t->sizes[first], t->sizes[first + 1], t->strides[first], t->strides[first + 1]};
}
static tw_dtype dtype_of(const tw_tensor *t) { return (tw_dtype)t->dtype; }
static const char *type_name(const tw_tensor *t) { return tw_dtypes[t->dtype].type_name; }

static bool unsupported(const char *kernel, const tw_tensor *t) {
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", kernel, type_name(t));
}

static bool shapes_fit(const tw_tensor *a, const tw_tensor *b) {
    if (a->sizes[1] == b->sizes[0]) return true;
    return tw_fail(TW_RUNTIME_ERROR, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)", (long long)a->sizes[0],
                   (long long)a->sizes[1], (long long)b->sizes[0], (long long)b->sizes[1]);
}

/* Whether t expands to the sizes; PyTorch's text if not. */
static bool expands(const tw_tensor *t, const int64_t *sizes, int ndim) {
    if (t->ndim > ndim) {
        return tw_fail(TW_RUNTIME_ERROR, "expand(torch.%sTensor{%s}, size=%s): the number of sizes provided (%d) must be greater or equal "
                       "to the number of dimensions in the tensor (%d)", type_name(t), tw_sizes_text(t->sizes, t->ndim),
                       tw_sizes_text(sizes, ndim), ndim, t->ndim);
    }
    for (int i = ndim - 1; i >= ndim - t->ndim; i--) {
        int64_t size = t->sizes[i - (ndim - t->ndim)];
        if (size == sizes[i] || size == 1) continue;
        return tw_fail(TW_RUNTIME_ERROR, "The expanded size of the tensor (%lld) must match the existing size (%lld) at non-singleton "
                       "dimension %d.  Target sizes: %s.  Tensor sizes: %s", (long long)sizes[i], (long long)size, i,
                       tw_sizes_text(sizes, ndim), tw_sizes_text(t->sizes, t->ndim));
    }
    return true;
}

/* The last two dimensions of t broadcast to rows x cols, and the stride of a third before them. */
static tw_matrix broadcast(const tw_tensor *t, int64_t rows, int64_t cols, int64_t *batch) {
    int n = t->ndim;
    tw_matrix m = {tw_data(t), rows, cols, 0, 0};
    if (n >= 1 && t->sizes[n - 1] != 1) m.col = t->strides[n - 1];
    if (n >= 2 && t->sizes[n - 2] != 1) m.row = t->strides[n - 2];
    if (batch) *batch = n >= 3 && t->sizes[n - 3] != 1 ? t->strides[n - 3] : 0;
    return m;
}

/* alpha and beta as the dtype takes them. */
static bool factor(const tw_arg *a, tw_dtype dtype, tw_scalar *into) {
    *into = a->tag == TW_ARG_NONE ? tw_int(1) : tw_a_to_scalar(a);
    return tw_check_number(*into, tw_dtypes[dtype].compute);
}
static bool is_zero(tw_scalar s) {
    return s.kind == TW_SCALAR_COMPLEX ? s.re == 0 && s.im == 0 : s.kind == TW_SCALAR_FLOAT ? s.re == 0 : s.i == 0;
}

/* --- mm ----------------------------------------------------------------------------------------------------------- */

bool tw_mm_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t, *y = a[1].t;
    if (x->ndim != 2) return tw_fail(TW_RUNTIME_ERROR, "self must be a matrix");
    if (y->ndim != 2) return tw_fail(TW_RUNTIME_ERROR, "mat2 must be a matrix");
    if (!shapes_fit(x, y)) return false;
    if (x->dtype != y->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "expected m1 and m2 to have the same dtype, but got: %s != %s", tw_cpp_name(dtype_of(x)),
                       tw_cpp_name(dtype_of(y)));
    }
    return tw_meta_set(out, dtype_of(x), x->device, (int64_t[]){x->sizes[0], y->sizes[1]}, 2);
}

bool tw_mm_run(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *x = a[0].t;
    if (out[0]->numel == 0) return true;
    if (!tw_can_multiply(dtype_of(x))) return unsupported("addmm_impl_cpu_", x);
    tw_matrix c = matrix_of(out[0], 0), m1 = matrix_of(x, 0), m2 = matrix_of(a[1].t, 0);
    return tw_matrix_product(dtype_of(x), &c, &m1, &m2, NULL, tw_int(1), tw_int(1));
}

/* --- addmm --------------------------------------------------------------------------------------------------------- */

bool tw_addmm_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t, *x = a[1].t, *y = a[2].t;
    if (x->ndim != 2) return tw_fail(TW_RUNTIME_ERROR, "mat1 must be a matrix, got %d-D tensor", x->ndim);
    if (y->ndim != 2) return tw_fail(TW_RUNTIME_ERROR, "mat2 must be a matrix, got %d-D tensor", y->ndim);
    if (!shapes_fit(x, y)) return false;
    if (self->dtype != y->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "self and mat2 must have the same dtype, but got %s and %s", type_name(self), type_name(y));
    }
    if (x->dtype != y->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "mat1 and mat2 must have the same dtype, but got %s and %s", type_name(x), type_name(y));
    }
    int64_t sizes[] = {x->sizes[0], y->sizes[1]};
    return expands(self, sizes, 2) && tw_meta_set(out, dtype_of(x), x->device, sizes, 2);
}

bool tw_addmm_run(const tw_arg *a, tw_tensor **out) {
    const tw_tensor *x = a[1].t;
    tw_scalar alpha, beta;
    if (out[0]->numel == 0) return true;
    if (!tw_can_multiply(dtype_of(x))) return unsupported("addmm_impl_cpu_", x);
    if (!factor(&a[3], dtype_of(x), &beta) || !factor(&a[4], dtype_of(x), &alpha)) return false;
    tw_matrix c = matrix_of(out[0], 0), m1 = matrix_of(x, 0), m2 = matrix_of(a[2].t, 0), d = broadcast(a[0].t, c.rows, c.cols, NULL);
    return tw_matrix_product(dtype_of(x), &c, &m1, &m2, is_zero(beta) ? NULL : &d, alpha, beta);
}

/* --- bmm, baddbmm ---------------------------------------------------------------------------------------------------- */

typedef struct batch_job {
    tw_dtype dtype;
    tw_matrix c, a, b, d;
    int64_t c_batch, a_batch, b_batch, d_batch; /* strides in elements */
    bool add;
    tw_scalar alpha, beta;
    atomic_bool failed;
} batch_job;

static void *moved(void *data, int64_t elements, tw_dtype dtype) { return (char *)data + elements * (int64_t)tw_dtype_size(dtype); }

static void batch_some(void *context, int64_t begin, int64_t end) {
    batch_job *j = context;
    for (int64_t i = begin; i < end; i++) {
        tw_matrix c = j->c, a = j->a, b = j->b, d = j->d;
        c.data = moved(c.data, i * j->c_batch, j->dtype), a.data = moved(a.data, i * j->a_batch, j->dtype);
        b.data = moved(b.data, i * j->b_batch, j->dtype);
        if (j->add) d.data = moved(d.data, i * j->d_batch, j->dtype);
        if (!tw_matrix_product(j->dtype, &c, &a, &b, j->add ? &d : NULL, j->alpha, j->beta)) atomic_store(&j->failed, true);
    }
}

static bool batch_run(batch_job *j, tw_tensor *out, const tw_tensor *x, const tw_tensor *y) {
    j->dtype = dtype_of(x);
    j->c = matrix_of(out, 1), j->a = matrix_of(x, 1), j->b = matrix_of(y, 1);
    j->c_batch = out->strides[0], j->a_batch = x->strides[0], j->b_batch = y->strides[0];
    double flops = 2.0 * (double)j->c.rows * (double)j->c.cols * (double)j->a.cols;
    int64_t n = out->sizes[0];
    if (n >= 2 * tw_num_threads() && flops < 1e8) tw_parallel(n, (int64_t)(1e6 / (flops + 1)) + 1, batch_some, j);
    else batch_some(j, 0, n); /* each product uses the threads itself */
    if (atomic_load(&j->failed) && !tw_failed()) return tw_fail_memory(0);
    return !atomic_load(&j->failed);
}

static bool batch_sizes(const tw_tensor *x, const tw_tensor *y, int64_t sizes[3]) {
    if (x->ndim != 3) return tw_fail(TW_RUNTIME_ERROR, "batch1 must be a 3D tensor");
    if (y->ndim != 3) return tw_fail(TW_RUNTIME_ERROR, "batch2 must be a 3D tensor");
    if (y->sizes[0] != x->sizes[0] || y->sizes[1] != x->sizes[2]) {
        return tw_fail(TW_RUNTIME_ERROR, "Expected size for first two dimensions of batch2 tensor to be: [%lld, %lld] but got: [%lld, %lld].",
                       (long long)x->sizes[0], (long long)x->sizes[2], (long long)y->sizes[0], (long long)y->sizes[1]);
    }
    sizes[0] = x->sizes[0], sizes[1] = x->sizes[1], sizes[2] = y->sizes[2];
    return true;
}

bool tw_bmm_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t, *y = a[1].t;
    int64_t sizes[3];
    if (!batch_sizes(x, y, sizes)) return false;
    if (x->dtype != y->dtype) return tw_fail(TW_RUNTIME_ERROR, "expected scalar type %s but found %s", type_name(x), type_name(y));
    return tw_meta_set(out, dtype_of(x), x->device, sizes, 3);
}

bool tw_bmm_run(const tw_arg *a, tw_tensor **out) {
    if (out[0]->numel == 0) return true;
    if (!tw_can_multiply(dtype_of(a[0].t))) return unsupported("bmm", a[0].t);
    batch_job j = {.alpha = tw_int(1), .beta = tw_int(1)};
    return batch_run(&j, out[0], a[0].t, a[1].t);
}

bool tw_baddbmm_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *self = a[0].t, *x = a[1].t, *y = a[2].t;
    int64_t sizes[3];
    if (y->ndim < 3) { /* PyTorch looks at the last size of batch2 before it looks at the number of dimensions */
        return tw_fail(TW_INDEX_ERROR, "Dimension out of range (expected to be in range of [%d, %d], but got 2)", -y->ndim, y->ndim - 1);
    }
    if (!batch_sizes(x, y, sizes) || !expands(self, sizes, 3)) return false;
    if (self->dtype != x->dtype || x->dtype != y->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "Input dtypes must be the same, got: input %s, batch1: %s, batch2: %s", tw_cpp_name(dtype_of(self)),
                       tw_cpp_name(dtype_of(x)), tw_cpp_name(dtype_of(y)));
    }
    return tw_meta_set(out, dtype_of(x), x->device, sizes, 3);
}

bool tw_baddbmm_run(const tw_arg *a, tw_tensor **out) {
    batch_job j = {.add = true};
    if (out[0]->numel == 0) return true;
    if (!tw_can_multiply(dtype_of(a[1].t))) return unsupported("baddbmm", a[1].t);
    if (!factor(&a[3], dtype_of(a[1].t), &j.beta) || !factor(&a[4], dtype_of(a[1].t), &j.alpha)) return false;
    j.add = !is_zero(j.beta);
    j.d = broadcast(a[0].t, out[0]->sizes[1], out[0]->sizes[2], &j.d_batch);
    return batch_run(&j, out[0], a[1].t, a[2].t);
}

/* --- mv, dot ------------------------------------------------------------------------------------------------------- */

bool tw_mv_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *m = a[0].t, *v = a[1].t;
    if (m->ndim != 2 || v->ndim != 1) {
        return tw_fail(TW_RUNTIME_ERROR, "vector + matrix @ vector expected, got 1, %d, %d", m->ndim, v->ndim);
    }
    if (m->sizes[1] != v->sizes[0]) {
        return tw_fail(TW_RUNTIME_ERROR, "size mismatch, got input (%lld), mat (%lldx%lld), vec (%lld)", (long long)m->sizes[0],
                       (long long)m->sizes[0], (long long)m->sizes[1], (long long)v->sizes[0]);
    }
    if (m->dtype != v->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "addmv input tensors must have the same dtype, but got %s, %s, and %s", type_name(m), type_name(v),
                       type_name(m));
    }
    return tw_meta_set(out, dtype_of(m), m->device, m->sizes, 1);
}

bool tw_mv_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *y = out[0], *v = a[1].t;
    if (y->numel == 0) return true;
    if (!tw_can_multiply(dtype_of(v))) return unsupported("addmv_impl_cpu", v);
    tw_matrix c = {tw_data(y), y->sizes[0], 1, y->strides[0], 1}, m = matrix_of(a[0].t, 0);
    tw_matrix x = {tw_data(v), v->sizes[0], 1, v->strides[0], v->sizes[0] + 1};
    return tw_matrix_product(dtype_of(v), &c, &m, &x, NULL, tw_int(1), tw_int(1));
}

bool tw_dot_meta(const tw_arg *a, tw_meta *out) {
    const tw_tensor *x = a[0].t, *y = a[1].t;
    if (x->ndim != 1 || y->ndim != 1) {
        return tw_fail(TW_RUNTIME_ERROR, "1D tensors expected, but got %dD and %dD tensors", x->ndim, y->ndim);
    }
    if (x->dtype != y->dtype) {
        return tw_fail(TW_RUNTIME_ERROR, "dot : expected both vectors to have same dtype, but found %s and %s", type_name(x), type_name(y));
    }
    if (x->numel != y->numel) {
        return tw_fail(TW_RUNTIME_ERROR, "inconsistent tensor size, expected tensor [%lld] and src [%lld] to have the same number of "
                       "elements, but got %lld and %lld elements respectively", (long long)x->numel, (long long)y->numel,
                       (long long)x->numel, (long long)y->numel);
    }
    return tw_meta_set(out, dtype_of(x), x->device, NULL, 0);
}

bool tw_dot_run(const tw_arg *a, tw_tensor **out) {
    tw_tensor *x = a[0].t, *y = a[1].t;
    if (!tw_can_multiply(dtype_of(x))) return unsupported("dot", x);
    int64_t n = x->numel;
    tw_matrix c = {tw_data(out[0]), 1, 1, 1, 1}, m = {tw_data(x), 1, n, n + 1, x->strides[0]}, v = {tw_data(y), n, 1, y->strides[0], n + 1};
    return tw_matrix_product(dtype_of(x), &c, &m, &v, NULL, tw_int(1), tw_int(1));
}
