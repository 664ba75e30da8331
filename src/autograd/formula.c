/* What generated gradients and tangents are written in: see formula.h. */
#include "autograd/formula.h"
#include "autograd/jvp.h"
#include "core/memory.h"
#include "kernels/number.h"
#include "op_ids.h"
#include <math.h>
#include <string.h>

static bool is_tensor(tw_arg x) { return x.tag == TW_ARG_TENSOR; }

/* --- numbers --- */

static tw_arg number(tw_scalar s) { return tw_a_scalar(s); }

static double real_of(tw_scalar s) { return tw_scalar_double(s); }
static double imag_of(tw_scalar s) { return s.kind == TW_SCALAR_COMPLEX ? s.im : 0; }

static tw_scalar number_of(tw_arg x) { return tw_a_to_scalar(&x); }

static tw_scalar divide(tw_scalar x, tw_scalar y) {
    double a = real_of(x), b = imag_of(x), c = real_of(y), d = imag_of(y);
    if (x.kind != TW_SCALAR_COMPLEX && y.kind != TW_SCALAR_COMPLEX) return tw_float(a / c);
    double scale = c * c + d * d;
    return tw_complex((a * c + b * d) / scale, (b * c - a * d) / scale);
}

static tw_scalar arithmetic(char how, tw_scalar x, tw_scalar y) {
    if (how == '/') return divide(x, y);
    double a = real_of(x), b = imag_of(x), c = real_of(y), d = imag_of(y);
    if (x.kind == TW_SCALAR_COMPLEX || y.kind == TW_SCALAR_COMPLEX) {
        if (how == '*') return tw_complex(a * c - b * d, a * d + b * c);
        return how == '+' ? tw_complex(a + c, b + d) : tw_complex(a - c, b - d);
    }
    if (x.kind == TW_SCALAR_FLOAT || y.kind == TW_SCALAR_FLOAT) return tw_float(how == '*' ? a * c : how == '+' ? a + c : a - c);
    uint64_t i = (uint64_t)x.i, j = (uint64_t)y.i; /* wraps, as int64 tensors do */
    return tw_int((int64_t)(how == '*' ? i * j : how == '+' ? i + j : i - j));
}

tw_arg tw_f_real(tw_arg x) {
    tw_scalar s = number_of(x);
    return number(s.kind == TW_SCALAR_COMPLEX ? tw_float(s.re) : s);
}

bool tw_f_truth(tw_arg x) {
    if (!tw_a_is_number(&x)) return false;
    tw_scalar s = number_of(x);
    return real_of(s) != 0 || imag_of(s) != 0;
}

int tw_f_compare(tw_arg a, tw_arg b) {
    if (!tw_a_is_number(&a) || !tw_a_is_number(&b)) return 2;
    double x = real_of(number_of(a)), y = real_of(number_of(b));
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

bool tw_f_same_text(tw_arg a, tw_arg b) {
    return a.tag == TW_ARG_STRING && b.tag == TW_ARG_STRING && strcmp(a.s, b.s) == 0;
}

/* --- calls --- */

/* A number as a tensor that yields in promotion, for parameters that take no numbers. */
static tw_tensor *boxed_number(tw_arg x) {
    tw_scalar s = number_of(x);
    tw_tensor *t = tw_wrapped_new(s);
    return t;
}

static bool call_all(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    tw_arg full[TW_MAX_ARGS];
    tw_tensor *made[TW_MAX_ARGS] = {NULL};
    bool ok = !tw_failed();
    for (int i = 0; ok && i < op->nparams; i++) {
        full[i] = args[i];
        if (op->params[i].type != TW_TYPE_TENSOR || op->params[i].number_too || !tw_a_is_number(&args[i])) continue;
        made[i] = boxed_number(args[i]);
        ok = made[i] != NULL;
        full[i] = tw_a_tensor(made[i]);
    }
    ok = ok && tw_call(op, full, outs);
    for (int i = 0; i < op->nparams; i++) tw_release(made[i]);
    return ok;
}

static bool any_zero(const tw_arg *args, unsigned zeros) {
    for (int i = 0; zeros >> i; i++)
        if ((zeros >> i & 1) && args[i].tag == TW_ARG_NONE) return true;
    return false;
}

tw_arg tw_f_call_nth(int op_id, const tw_arg *args, unsigned zeros, int which) {
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    if (any_zero(args, zeros) || !call_all(&tw_ops[op_id], args, outs)) return TW_A_NONE;
    for (int i = 0; i < tw_ops[op_id].nouts; i++)
        if (i != which) tw_release(outs[i]);
    return tw_a_tensor(outs[which]);
}

void tw_f_call_all(int op_id, const tw_arg *args, tw_arg *results) {
    tw_tensor *outs[TW_MAX_OUTS] = {NULL};
    bool ok = call_all(&tw_ops[op_id], args, outs);
    for (int i = 0; i < tw_ops[op_id].nouts; i++) results[i] = ok ? tw_a_tensor(outs[i]) : TW_A_NONE;
}

tw_arg tw_f_call(int op_id, const tw_arg *args, unsigned zeros) { return tw_f_call_nth(op_id, args, zeros, 0); }

/* --- arithmetic --- */

static tw_arg binary(int op_id, tw_arg x, tw_arg y) {
    const tw_arg args[] = {x, y, tw_a_int(1)}; /* alpha, where there is one */
    return tw_f_call(op_id, args, 0);
}

tw_arg tw_f_add(tw_arg x, tw_arg y) {
    if (x.tag == TW_ARG_NONE) return tw_f_retain(y);
    if (y.tag == TW_ARG_NONE) return tw_f_retain(x);
    if (!is_tensor(x) && !is_tensor(y)) return number(arithmetic('+', number_of(x), number_of(y)));
    return is_tensor(x) ? binary(TW_OP_add, x, y) : binary(TW_OP_add, y, x);
}

tw_arg tw_f_sub(tw_arg x, tw_arg y) {
    if (x.tag == TW_ARG_NONE) return tw_f_neg(y);
    if (y.tag == TW_ARG_NONE) return tw_f_retain(x);
    if (!is_tensor(x) && !is_tensor(y)) return number(arithmetic('-', number_of(x), number_of(y)));
    return is_tensor(x) ? binary(TW_OP_sub, x, y) : binary(TW_OP_rsub, y, x);
}

/* A real number 1 beside a tensor whose dtype it leaves as it is. */
static bool leaves_as_is(tw_arg tensor, tw_arg x) {
    const tw_dtype dtype = is_tensor(tensor) ? (tw_dtype)tensor.t->dtype : TW_BOOL;
    if (!tw_is_float(dtype) && !tw_is_complex(dtype)) return false;
    return x.tag == TW_ARG_INT ? x.i == 1 : x.tag == TW_ARG_FLOAT && x.d >= 1 && x.d <= 1;
}

tw_arg tw_f_mul(tw_arg x, tw_arg y) {
    if (x.tag == TW_ARG_NONE || y.tag == TW_ARG_NONE) return TW_A_NONE;
    if (!is_tensor(x) && !is_tensor(y)) return number(arithmetic('*', number_of(x), number_of(y)));
    if (leaves_as_is(x, y)) return tw_f_retain(x);
    if (leaves_as_is(y, x)) return tw_f_retain(y);
    return is_tensor(x) ? binary(TW_OP_mul, x, y) : binary(TW_OP_mul, y, x);
}

tw_arg tw_f_div(tw_arg x, tw_arg y) {
    if (x.tag == TW_ARG_NONE || y.tag == TW_ARG_NONE) return TW_A_NONE;
    if (!is_tensor(x) && !is_tensor(y)) return number(arithmetic('/', number_of(x), number_of(y)));
    return binary(TW_OP_div, x, y);
}

tw_arg tw_f_pow(tw_arg x, tw_arg y) {
    if (x.tag == TW_ARG_NONE || y.tag == TW_ARG_NONE) return TW_A_NONE;
    if (is_tensor(x) || is_tensor(y)) return binary(TW_OP_pow, x, y);
    tw_scalar a = number_of(x), b = number_of(y);
    if (a.kind != TW_SCALAR_COMPLEX && b.kind != TW_SCALAR_COMPLEX) return tw_a_float(tw_number()->pow(real_of(a), real_of(b)));
    tw_tensor *base = boxed_number(x);
    tw_arg out = binary(TW_OP_pow, tw_a_tensor(base), y);
    tw_release(base);
    return out;
}

tw_arg tw_f_neg(tw_arg x) {
    if (is_tensor(x)) return tw_f_call(TW_OP_neg, &x, 0);
    return x.tag == TW_ARG_NONE ? x : number(arithmetic('-', tw_int(0), number_of(x)));
}

tw_arg tw_f_conj(tw_arg x) {
    if (is_tensor(x)) return tw_is_complex((tw_dtype)x.t->dtype) ? tw_f_call(TW_OP_conj_physical, &x, 0) : tw_f_retain(x);
    if (x.tag == TW_ARG_COMPLEX) x.c[1] = -x.c[1];
    return x;
}

/* --- ownership --- */

tw_arg tw_f_retain(tw_arg x) {
    if (is_tensor(x)) tw_retain(x.t);
    return x;
}

tw_tensor *tw_f_keep(tw_arg x) { return is_tensor(x) ? tw_retain(x.t) : NULL; }

tw_tensor *tw_f_take(tw_arg *slot) {
    tw_tensor *t = is_tensor(*slot) ? slot->t : NULL;
    *slot = TW_A_NONE;
    return t;
}

void tw_f_release(tw_arg *slots, int n) {
    for (int i = 0; i < n; i++) {
        if (is_tensor(slots[i])) tw_release(slots[i].t);
        for (int k = 0; slots[i].tag == TW_ARG_TENSORS && k < slots[i].n; k++) tw_release(slots[i].ts[k]);
        if (slots[i].tag == TW_ARG_TENSORS) tw_free((void *)slots[i].ts); /* only lists of tw_f_gradients are in slots */
        slots[i] = TW_A_NONE;
    }
}

bool tw_f_fusable(const tw_ew *ew, const tw_tensor *grad) {
    const unsigned watched = TW_MODE_VMAP | TW_MODE_FORWARD | TW_MODE_FUNCTION | TW_MODE_TRACE | TW_MODE_AUTOCAST | TW_MODE_UNFUSED;
    if (ew->half_steps && tw_dtypes[grad->dtype].compute != (tw_dtype)grad->dtype) return false;
    return (tw_mode & (watched | TW_MODE_NO_GRAD)) == TW_MODE_NO_GRAD && (ew->dtypes >> tw_dtypes[grad->dtype].compute & 1);
}

tw_tensor *tw_f_fused(const tw_ew *ew, const tw_arg *in, int nin) {
    tw_tensor *out = NULL;
    return !tw_failed() && tw_elementwise(ew, in, nin, &out) ? out : NULL;
}

static const int64_t *input_sizes(const tw_input_meta *m) { return m->sizes ? m->sizes : m->sizes_inline; }

static tw_tensor *zeros(const int64_t *sizes, int ndim, tw_dtype dtype, tw_device device) {
    tw_tensor *out = tw_empty_new(sizes, ndim, dtype, device);
    if (out && out->numel > 0 && out->storage->data) memset(tw_data(out), 0, (size_t)out->numel * tw_dtype_size(dtype));
    return out;
}

tw_tensor *tw_f_zeros(const tw_input_meta *like) {
    return zeros(input_sizes(like), like->ndim, (tw_dtype)like->dtype, like->device);
}

tw_arg tw_f_gradients(const tw_node *n, tw_tensor *const *g) {
    const int64_t strides[TW_MAX_DIMS] = {0};
    tw_tensor **all = tw_calloc((size_t)n->nouts + 1, sizeof *all), *zero = NULL;
    tw_arg list = tw_a_tensors(all, all ? n->nouts : 0);
    for (int i = 0; i < list.n; i++) {
        const tw_input_meta *m = &n->outputs[i];
        if (!g[i] && !zero) zero = tw_scalar_new(tw_int(0), (tw_dtype)m->dtype, m->device); /* one number, shown in every shape */
        all[i] = g[i] ? tw_retain(g[i]) : zero ? tw_alias_new(zero, input_sizes(m), strides, m->ndim, 0, (tw_dtype)m->dtype) : NULL;
    }
    tw_release(zero);
    if (!tw_failed()) return list;
    tw_f_release(&list, 1);
    return TW_A_NONE;
}

/* --- shapes --- */

tw_arg tw_f_input_shape(const tw_input_meta *m) { return tw_a_ints(input_sizes(m), m->ndim); }

static int64_t product(const int64_t *sizes, int64_t n) {
    int64_t out = 1;
    for (int64_t i = 0; i < n; i++) out = tw_f_times(out, sizes[i]);
    return out;
}

int64_t tw_f_input_numel(const tw_input_meta *m) { return product(input_sizes(m), m->ndim); }
tw_arg tw_f_shape(tw_arg x) { return is_tensor(x) ? tw_a_ints(x.t->sizes, x.t->ndim) : tw_a_ints(NULL, 0); }
int64_t tw_f_ndim(tw_arg x) { return is_tensor(x) ? x.t->ndim : 0; }
int64_t tw_f_numel(tw_arg x) { return is_tensor(x) ? x.t->numel : 1; }
tw_arg tw_f_dtype(tw_arg x) { return is_tensor(x) ? tw_a_int(x.t->dtype) : TW_A_NONE; }
tw_arg tw_f_device(tw_arg x) { return is_tensor(x) ? tw_a_int(x.t->device) : TW_A_NONE; }

int64_t tw_f_item(tw_arg ints, int64_t at) {
    if (at < 0) at += ints.n;
    if (ints.tag == TW_ARG_INTS && at >= 0 && at < ints.n) return ints.ints[at];
    tw_fail(TW_INDEX_ERROR, "list index out of range");
    return 0;
}

tw_arg tw_f_repeat(int64_t value, int64_t *into, int n) {
    for (int i = 0; i < n; i++) into[i] = value;
    return tw_a_ints(into, n);
}

/* --- integers, int lists, dtypes --- */

int64_t tw_f_quotient(int64_t a, int64_t b) {
    if (b == 0) return 0;
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
int64_t tw_f_modulo(int64_t a, int64_t b) { return b == 0 ? 0 : a - tw_f_quotient(a, b) * b; }

int64_t tw_f_wrap(int64_t dim, int64_t ndim) { return tw_wrap_dim(&dim, (int)ndim) ? dim : 0; }

static bool room(int64_t n) {
    return n <= TW_MAX_DIMS || tw_fail(TW_RUNTIME_ERROR, "tensors have at most %d dimensions, got %lld", TW_MAX_DIMS, (long long)n);
}

tw_arg tw_f_join(tw_arg first, tw_arg second, int64_t *into) {
    const int64_t n = (int64_t)first.n + second.n;
    if (!room(n)) return tw_a_ints(into, 0);
    for (int i = 0; i < first.n; i++) into[i] = first.ints[i];
    for (int i = 0; i < second.n; i++) into[first.n + i] = second.ints[i];
    return tw_a_ints(into, n);
}

tw_arg tw_f_head(tw_arg ints, int64_t n) { return tw_a_ints(ints.ints, tw_f_max(0, tw_f_min(n, ints.n))); }
tw_arg tw_f_tail(tw_arg ints, int64_t n) {
    n = tw_f_max(0, tw_f_min(n, ints.n));
    return ints.n ? tw_a_ints(ints.ints + n, ints.n - n) : ints;
}

tw_arg tw_f_cut(tw_arg ints, int64_t at, int64_t *into) { return tw_f_join(tw_f_head(ints, at), tw_f_tail(ints, at + 1), into); }

tw_arg tw_f_put(tw_arg ints, int64_t at, int64_t item, int64_t *into) {
    tw_arg out = tw_f_join(ints, tw_a_ints(into, 0), into);
    if (at >= 0 && at < out.n) into[at] = item;
    return out;
}

tw_arg tw_f_range(int64_t from, int64_t to, int64_t *into) {
    const int64_t n = tw_f_max(0, to - from);
    if (!room(n)) return tw_a_ints(into, 0);
    for (int64_t i = 0; i < n; i++) into[i] = from + i;
    return tw_a_ints(into, n);
}

tw_arg tw_f_broadcast(tw_arg sizes, tw_arg other, int64_t *into) {
    const int n = sizes.n > other.n ? sizes.n : other.n;
    if (!room(n)) return tw_a_ints(into, 0);
    for (int i = 0; i < n; i++) {
        const int j = sizes.n - n + i, k = other.n - n + i;
        const int64_t a = j < 0 ? 1 : sizes.ints[j], b = k < 0 ? 1 : other.ints[k];
        if (a != b && a != 1 && b != 1)
            tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                    (long long)a, (long long)b, i);
        into[i] = a == 1 ? b : a;
    }
    return tw_a_ints(into, n);
}

tw_arg tw_f_ones_list(int64_t n, int64_t *into) {
    for (int64_t i = 0; i < n && i < TW_MAX_DIMS; i++) into[i] = 1;
    return tw_a_ints(into, n < TW_MAX_DIMS ? n : TW_MAX_DIMS);
}

double tw_f_rank_rtol(tw_arg x) {
    if (!is_tensor(x) || x.t->ndim < 2) return 0;
    const int64_t m = x.t->sizes[x.t->ndim - 2], n = x.t->sizes[x.t->ndim - 1];
    const bool wide = tw_dtypes[x.t->dtype].real == TW_FLOAT64;
    return (wide ? 0x1p-52 : 0x1p-23) * (double)(m > n ? m : n);
}

bool tw_f_has_data(tw_arg x) { return !is_tensor(x) || tw_device_of(x.t->device)->has_data; }

bool tw_f_wants_grad(tw_arg x) {
    return is_tensor(x) && ((!(tw_mode & TW_MODE_NO_GRAD) && tw_requires_grad(x.t)) || tw_has_tangent(x.t));
}

bool tw_f_holds(tw_arg x) {
    if (!is_tensor(x) || (x.t->flags & TW_BATCHED) || !x.t->storage->data || tw_failed()) return true;
    tw_arg all = tw_f_call(TW_OP_all, &x, 0);
    const bool yes = !is_tensor(all) || *(const uint8_t *)tw_data(all.t) != 0;
    tw_f_release(&all, 1);
    return yes;
}

int64_t tw_f_product(tw_arg ints) { return product(ints.ints, ints.n); }

bool tw_f_same_ints(tw_arg a, tw_arg b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.ints, b.ints, sizeof(int64_t) * (size_t)a.n) == 0);
}

int tw_f_category(tw_arg x) {
    if (is_tensor(x)) return tw_dtypes[x.t->dtype].category;
    if (x.tag == TW_ARG_FLOAT) return 2;
    if (x.tag == TW_ARG_COMPLEX) return 3;
    return x.tag == TW_ARG_INT && x.i >= 0 && x.i < TW_DTYPE_COUNT ? tw_dtypes[x.i].category : 0;
}

static bool is_dtype(tw_arg x) { return x.tag == TW_ARG_INT && x.i >= 0 && x.i < TW_DTYPE_COUNT; }
tw_arg tw_f_part_dtype(tw_arg dtype) { return is_dtype(dtype) ? tw_a_int(tw_dtypes[dtype.i].real) : dtype; }
tw_arg tw_f_complex_dtype(tw_arg dtype) { return is_dtype(dtype) ? tw_a_int(tw_to_complex((tw_dtype)dtype.i)) : dtype; }
tw_arg tw_f_promoted(tw_arg dtype, tw_arg other) {
    return is_dtype(dtype) && is_dtype(other) ? tw_a_int(tw_promote((tw_dtype)dtype.i, (tw_dtype)other.i)) : dtype;
}
const char *tw_f_type_name(tw_arg dtype) { return is_dtype(dtype) ? tw_dtypes[dtype.i].type_name : "None"; }
tw_scalar tw_f_scalar(tw_arg x) { return tw_a_is_number(&x) ? number_of(x) : tw_int(0); }

bool tw_f_finish(tw_tensor **outs, int n) {
    if (!tw_failed()) return true;
    for (int i = 0; i < n; i++) {
        tw_release(outs[i]);
        outs[i] = NULL;
    }
    return false;
}

/* --- tangents of linear ops --- */

static bool has_tangent(const tw_arg *tangent) {
    if (tangent->tag == TW_ARG_TENSOR) return true;
    for (int i = 0; tangent->tag == TW_ARG_TENSORS && i < tangent->n; i++)
        if (tangent->ts[i]) return true;
    return false;
}

static tw_tensor *zeros_like(const tw_tensor *t) { return zeros(t->sizes, t->ndim, (tw_dtype)t->dtype, t->device); }

enum { MANY = 64 };

/* The tangent of one argument with zeros for what is missing; tensors that it makes go to made[]. */
static bool fill_tangent(const tw_arg *a, const tw_arg *dt, tw_arg *into, tw_tensor ***list, tw_tensor **made, int *nmade) {
    if (a->tag == TW_ARG_TENSOR) {
        *into = *dt;
        if (dt->tag == TW_ARG_TENSOR) return true;
        if (*nmade == MANY) return tw_fail(TW_RUNTIME_ERROR, "too many arguments without a tangent");
        *into = tw_a_tensor(made[(*nmade)++] = zeros_like(a->t));
        return into->t != NULL;
    }
    if (a->tag != TW_ARG_TENSORS) { /* a number: constant, its tangent is zero */
        *into = tw_a_is_number(a) ? tw_a_int(0) : *a;
        return true;
    }
    *list = tw_calloc((size_t)a->n + 1, sizeof **list);
    if (!*list) return false;
    for (int i = 0; i < a->n; i++) {
        tw_tensor *t = dt->tag == TW_ARG_TENSORS ? dt->ts[i] : NULL;
        if (!t && a->ts[i]) {
            if (*nmade == MANY) return tw_fail(TW_RUNTIME_ERROR, "too many arguments without a tangent");
            t = made[(*nmade)++] = zeros_like(a->ts[i]);
            if (!t) return false;
        }
        (*list)[i] = t;
    }
    *into = tw_a_tensors(*list, a->n);
    return true;
}

/* Adds the op's results with the arguments of `mask` replaced by tangents to tout[]. */
static bool add_linear(const tw_op *op, const tw_arg *a, const tw_arg *dt, uint64_t mask, tw_tensor **tout) {
    tw_arg args[TW_MAX_ARGS];
    tw_tensor **lists[TW_MAX_ARGS] = {NULL}, *made[MANY], *outs[TW_MAX_OUTS] = {NULL};
    int nmade = 0;
    bool ok = true;
    for (int i = 0; ok && i < op->nparams; i++) {
        args[i] = a[i];
        if (mask >> i & 1) ok = fill_tangent(&a[i], &dt[i], &args[i], &lists[i], made, &nmade);
    }
    ok = ok && call_all(op, args, outs);
    for (int i = 0; ok && i < op->nouts; i++) {
        if (op->out_nondiff >> i & 1) continue;
        tw_arg sum = tw_f_add(tw_a_tensor(tout[i]), tw_a_tensor(outs[i]));
        tw_release(tout[i]);
        tout[i] = tw_f_take(&sum);
        ok = !tw_failed();
    }
    for (int i = 0; i < op->nouts; i++) tw_release(outs[i]);
    for (int i = 0; i < nmade; i++) tw_release(made[i]);
    for (int i = 0; i < op->nparams; i++) tw_free(lists[i]);
    return ok;
}

bool tw_f_linear(int op_id, const tw_arg *a, const tw_arg *dt, uint64_t mask, bool jointly, tw_tensor **tout) {
    const tw_op *op = &tw_ops[op_id];
    uint64_t with = 0;
    for (int i = 0; i < op->nparams; i++)
        if ((mask >> i & 1) && has_tangent(&dt[i])) with |= (uint64_t)1 << i;
    if (jointly) return !with || add_linear(op, a, dt, mask, tout);
    for (int i = 0; i < op->nparams; i++)
        if ((with >> i & 1) && !add_linear(op, a, dt, (uint64_t)1 << i, tout)) return false;
    return true;
}
