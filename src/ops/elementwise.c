/* The elementwise engine's front: which dtype to compute in, the shape and layout of the result, checks. The walk is in tile.c. */
#include "ops/elementwise.h"
#include "ops/copy.h"
#include "ops/odd.h"
#include "ops/out.h"
#include "ops/tile.h"
#include "ops/trace.h"
#include "core/cpu.h"
#include "kernels/copy.h"
#include <stdio.h>
#include <string.h>

enum { GRAIN_CHEAP = 32768, GRAIN_COSTLY = 8192 };

/* --- promotion -------------------------------------------------------------------------------------------------- */

/* Combines the dtype of a category that wins with that of one that yields (PyTorch: combine_categories). */
static tw_dtype combine(tw_dtype higher, tw_dtype lower) {
    if (higher == TW_DTYPE_NONE) return lower;
    if (lower == TW_DTYPE_NONE) return higher;
    if (tw_is_complex(higher)) return higher;
    if (tw_is_float(higher)) return tw_is_complex(lower) ? tw_to_complex(higher) : higher;
    if (higher == TW_BOOL || tw_is_float(lower) || tw_is_complex(lower)) return tw_promote(higher, lower);
    return higher;
}

static tw_dtype promote_known(tw_dtype a, tw_dtype b) { return a == TW_DTYPE_NONE ? b : tw_promote(a, b); }

/* A wrapped number counts as the default dtype of its category. */
static tw_dtype wrapped_dtype(tw_dtype d) {
    if (tw_is_complex(d)) return tw_to_complex(tw_default_dtype());
    return tw_is_float(d) ? tw_default_dtype() : d;
}

tw_dtype tw_result_type(const tw_arg *in, int nin) {
    tw_dtype dim = TW_DTYPE_NONE, zero = TW_DTYPE_NONE, wrapped = TW_DTYPE_NONE;
    for (int i = 0; i < nin; i++) {
        if (in[i].tag == TW_ARG_TENSOR) {
            const tw_tensor *t = in[i].t;
            tw_dtype *into = t->ndim > 0 ? &dim : t->flags & TW_WRAPPED ? &wrapped : &zero;
            tw_dtype d = (tw_dtype)t->dtype;
            if (into == &wrapped) d = wrapped_dtype(d);
            if (*into == d) continue;
            *into = promote_known(*into, d);
            if (*into == TW_DTYPE_NONE) {
                tw_fail(TW_RUNTIME_ERROR, "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote %s",
                        tw_dtypes[d].type_name);
                return TW_DTYPE_NONE;
            }
        } else if (tw_a_is_number(&in[i])) {
            wrapped = promote_known(wrapped, tw_scalar_dtype(tw_a_to_scalar(&in[i])));
        }
    }
    return combine(dim, combine(zero, wrapped));
}

/* --- shapes ----------------------------------------------------------------------------------------------------- */

bool tw_broadcast_sizes(const tw_arg *in, int nin, int64_t *sizes, int *ndim) {
    int n = 0;
    bool first = true;
    for (int i = 0; i < nin; i++) {
        if (in[i].tag != TW_ARG_TENSOR) continue;
        const tw_tensor *t = in[i].t;
        if (first) {
            first = false;
            n = t->ndim;
            memcpy(sizes, t->sizes, (size_t)n * sizeof sizes[0]);
            continue;
        }
        if (t->ndim > n) { /* make room in front */
            int more = t->ndim - n;
            memmove(sizes + more, sizes, (size_t)n * sizeof sizes[0]);
            for (int d = 0; d < more; d++) sizes[d] = 1;
            n = t->ndim;
        }
        for (int d = n - 1, e = t->ndim - 1; e >= 0; d--, e--) {
            if (sizes[d] == t->sizes[e] || t->sizes[e] == 1) continue;
            if (sizes[d] != 1) {
                *ndim = n;
                return tw_fail(TW_RUNTIME_ERROR, "The size of tensor a (%lld) must match the size of tensor b (%lld) at "
                               "non-singleton dimension %d", (long long)sizes[d], (long long)t->sizes[e], d);
            }
            sizes[d] = t->sizes[e];
        }
    }
    *ndim = n;
    return true;
}

/* Strides of a new result, by TensorIterator's rule. An input of another dtype than `common` counts as the copy that PyTorch makes of it
 * first; of an input that is a condition (of where) the dtype does not matter. */
static void result_strides(const tw_arg *in, int nin, tw_dtype common, const int64_t *sizes, int ndim, int64_t *strides) {
    const int64_t *first = NULL;
    bool same = true, contiguous = true, empty = false, last = ndim == 4, last3 = ndim == 5;
    int n = 0, perm[TW_MAX_DIMS];
    int64_t own[TW_ITER_OPERANDS][TW_MAX_DIMS], rows[TW_ITER_OPERANDS][TW_MAX_DIMS];
    const int64_t *row[TW_ITER_OPERANDS];
    for (int d = 0; d < ndim; d++) empty |= sizes[d] == 0;
    for (int i = 0; i < nin; i++) {
        if (in[i].tag != TW_ARG_TENSOR) {
            if (ndim > 0 && tw_a_is_number(&in[i])) {
                same = false;
                contiguous &= !empty;
            }
            continue;
        }
        const tw_tensor *t = in[i].t;
        const bool copied = (tw_dtype)t->dtype != common && t->dtype != TW_BOOL;
        if (copied) tw_like_strides(t, own[n]);
        else memcpy(own[n], t->strides, (size_t)t->ndim * sizeof own[n][0]);
        if (t->ndim != ndim || memcmp(t->sizes, sizes, (size_t)ndim * sizeof sizes[0]) != 0) same = contiguous = false;
        else if (first && memcmp(first, own[n], (size_t)ndim * sizeof sizes[0]) != 0) same = false;
        if (same && !first && !copied && !tw_non_overlapping_dense(t)) same = false;
        if (!tw_is_contiguous(t)) contiguous = false;
        if (!first) first = own[n];
        tw_broadcast_strides(t->sizes, own[n], t->ndim, sizes, ndim, rows[n]);
        row[n] = rows[n];
        n++;
    }
    if (contiguous) {
        tw_contiguous_strides(sizes, ndim, strides);
        return;
    }
    for (int i = 0; i < nin && (last || last3); i++)
        if (in[i].tag == TW_ARG_TENSOR) {
            const tw_tensor *t = in[i].t;
            if (t->ndim != ndim || memcmp(t->sizes, sizes, (size_t)ndim * sizeof sizes[0]) != 0) last = last3 = false;
            if (last && !tw_is_contiguous_in(t, TW_CHANNELS_LAST)) last = false;
            if (last3) last3 = false;
        } else if (tw_a_is_number(&in[i])) {
            last = last3 = false;
        }
    if (last) {
        tw_format_strides(sizes, ndim, TW_CHANNELS_LAST, strides);
        return;
    }
    if (same && first) {
        memcpy(strides, first, (size_t)ndim * sizeof sizes[0]);
        return;
    }
    tw_iter_order(sizes, ndim, row, n, perm);
    bool plain = true;
    for (int d = 0; d < ndim; d++) plain &= perm[d] == ndim - 1 - d;
    if (plain) {
        tw_contiguous_strides(sizes, ndim, strides);
        return;
    }
    int64_t step = 1;
    for (int d = 0; d < ndim; d++) {
        strides[perm[d]] = step;
        step *= sizes[perm[d]];
    }
}

/* --- checks ----------------------------------------------------------------------------------------------------- */

static bool common_device(const tw_arg *in, int nin, const tw_tensor *out, tw_device *device) {
    tw_device found = out ? out->device : TW_DEVICE_NONE;
    for (int i = 0; i < nin; i++) { /* the first one with dimensions, else the first one */
        if (in[i].tag != TW_ARG_TENSOR) continue;
        const tw_tensor *t = in[i].t;
        if (found == TW_DEVICE_NONE || (found == TW_CPU && t->device != TW_CPU && !out)) {
            if (found == TW_DEVICE_NONE) found = t->device;
            else {
                bool movable = true; /* all so far were CPU scalars */
                for (int j = 0; j < i; j++)
                    if (in[j].tag == TW_ARG_TENSOR && in[j].t->ndim > 0) movable = false;
                if (movable) found = t->device;
            }
        }
    }
    if (found == TW_DEVICE_NONE) found = TW_CPU;
    for (int i = 0; i < nin; i++) {
        if (in[i].tag != TW_ARG_TENSOR) continue;
        const tw_tensor *t = in[i].t;
        if (t->device == found || (t->device == TW_CPU && t->ndim == 0)) continue;
        char expected[32];
        snprintf(expected, sizeof expected, "%s", tw_device_text(found)); /* the text lives until the next call */
        return tw_fail(TW_RUNTIME_ERROR, "Tensor on device %s is not on the expected device %s!", tw_device_text(t->device), expected);
    }
    *device = found;
    return true;
}

/* Integers cannot be divided by zero, nor raised to a negative number. */
static bool check_integers(const tw_ew *ew, const tw_arg *second) {
    bool zero = false;
    if (ew->guard == TW_GUARD_NONE) return true;
    if (ew->guard == TW_GUARD_EXPONENT)
        return second->tag != TW_ARG_INT || second->i >= 0 ||
               tw_fail(TW_RUNTIME_ERROR, "Integers to negative integer powers are not allowed.");
    if (tw_a_is_number(second)) {
        tw_scalar s = tw_a_to_scalar(second);
        zero = s.kind <= TW_SCALAR_INT && s.i == 0;
    } else if (second->tag == TW_ARG_TENSOR && second->t->device == TW_CPU && second->t->numel > 0) {
        tw_tensor *nonzero = tw_contiguous_new(second->t, TW_BOOL);
        if (!nonzero) return false;
        zero = memchr(tw_data(nonzero), 0, (size_t)nonzero->numel) != NULL;
        tw_release(nonzero);
    }
    return !zero || tw_fail(TW_RUNTIME_ERROR, "ZeroDivisionError");
}

/* The text with {self} and {got} replaced by dtypes, as PyTorch writes them in C++. */
static bool mixed_error(const char *text, tw_dtype self, tw_dtype got) {
    char made[256];
    size_t n = 0;
    while (*text && n + 32 < sizeof made) {
        tw_dtype d = strncmp(text, "{self}", 6) == 0 ? self : strncmp(text, "{got}", 5) == 0 ? got : TW_DTYPE_NONE;
        if (d == TW_DTYPE_NONE) {
            made[n++] = *text++;
            continue;
        }
        n += (size_t)snprintf(made + n, sizeof made - n, "%s", tw_c_name(d));
        text = strchr(text, '}') + 1;
    }
    made[n] = 0;
    return tw_fail(TW_RUNTIME_ERROR, "%s", made);
}

/* What is refused whatever dtype the inputs promote to: a bool among them, or more than one dtype. */
static bool check_inputs(const tw_ew *ew, const tw_arg *in, int nin) {
    int bools = 0, counted = 0;
    for (int i = 0; i < nin; i++) {
        if ((ew->scalars >> i) & 1u) continue;
        tw_dtype d = in[i].tag == TW_ARG_TENSOR ? (tw_dtype)in[i].t->dtype : TW_DTYPE_NONE;
        counted += in[i].tag != TW_ARG_NONE;
        bools += d == TW_BOOL || in[i].tag == TW_ARG_BOOL;
        const bool number = d == TW_DTYPE_NONE || (((ew->numbers >> i) & 1u) && in[i].t->ndim == 0);
        if (ew->mixed && !number && in[0].tag == TW_ARG_TENSOR && d != (tw_dtype)in[0].t->dtype)
            return mixed_error(ew->mixed[i], (tw_dtype)in[0].t->dtype, d);
    }
    const tw_refusal *any = ew->refuse ? &ew->refuse[TW_REFUSE_ANY_BOOL] : NULL;
    return !any || !any->text || bools == 0 || bools == counted || tw_fail(any->kind, "%s", any->text);
}

static bool not_implemented(const tw_ew *ew, tw_dtype d) {
    char label[96];
    const tw_refusal *own = ew->refuse ? &ew->refuse[tw_dtypes[d].category] : NULL;
    if (own && own->text) return tw_fail(own->kind, "%s", own->text);
    if (ew->label) snprintf(label, sizeof label, "%s", ew->label);
    else snprintf(label, sizeof label, "%s_cpu", ew->name);
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "\"%s\" not implemented for '%s'", label, tw_dtypes[d].type_name);
}

/* What a call computes: the inputs' common dtype, the result's, and what the kernel reads and writes. */
typedef struct types {
    tw_dtype common, result, kernel, kernel_out;
} types;

/* The inputs that take part in promotion: Scalar parameters (alpha, value) do not. */
static tw_dtype common_dtype(const tw_ew *ew, const tw_arg *in, int nin) {
    if (!ew->scalars && ew->promote != TW_PROMOTE_WHERE) return tw_result_type(in, nin);
    tw_arg kept[TW_ITER_OPERANDS];
    int n = 0;
    for (int i = ew->promote == TW_PROMOTE_WHERE; i < nin; i++)
        if (!((ew->scalars >> i) & 1u)) kept[n++] = in[i];
    return tw_result_type(kept, n);
}

/* An integral computation cannot take a fractional Scalar parameter, nor a real one a complex one; where's numbers must fit. */
static bool check_scalars(const tw_ew *ew, const tw_arg *in, int nin, tw_dtype common) {
    if (ew->promote == TW_PROMOTE_WHERE) {
        if (in[0].tag == TW_ARG_TENSOR && in[0].t->dtype == TW_UINT8)
            tw_warn("where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future version of PyTorch. "
                    "Use a boolean condition instead.");
        if (in[0].tag == TW_ARG_TENSOR && in[0].t->dtype != TW_BOOL && in[0].t->dtype != TW_UINT8)
            return tw_fail(TW_RUNTIME_ERROR, "where expected condition to be a boolean tensor, but got a tensor with dtype %s",
                           tw_dtypes[in[0].t->dtype].type_name);
        const tw_dtype holds = common == TW_FLOAT16 || common == TW_BFLOAT16 ? TW_FLOAT64 : common;
        for (int i = 1; i < nin; i++)
            if (tw_a_is_number(&in[i]) && !tw_check_number(tw_a_to_scalar(&in[i]), holds)) return false;
    }
    for (int i = 0; i < nin; i++) {
        if (!((ew->scalars >> i) & 1u)) continue;
        if (!ew->alpha) continue; /* others are converted, as PyTorch's Scalar::to does */
        if (in[i].tag == TW_ARG_FLOAT && tw_is_integral(common))
            return tw_fail(TW_RUNTIME_ERROR, "For integral input tensors, argument alpha must not be a floating point number.");
        if (in[i].tag == TW_ARG_COMPLEX && !tw_is_complex(common))
            return tw_fail(TW_RUNTIME_ERROR, "For non-complex input tensors, argument alpha must not be a complex number.");
        if (in[i].tag == TW_ARG_BOOL && common != TW_BOOL && ew->fold_input == i && ew->folded)
            return tw_fail(TW_RUNTIME_ERROR, "Boolean alpha only supported for Boolean results.");
    }
    return true;
}

/* The row to use: a simpler one when the foldable Scalar has its default. Not for complex numbers: infinities times 1 + 0i hold NaN. */
static uint16_t kernel_row(const tw_ew *ew, const tw_arg *in, tw_dtype kernel) {
    if (!ew->folded || tw_is_complex(kernel)) return ew->kernel;
    const tw_arg *a = &in[ew->fold_input];
    bool same = a->tag == TW_ARG_FLOAT ? !(a->d < ew->fold_value) && !(a->d > ew->fold_value)
                                       : (a->tag == TW_ARG_INT || a->tag == TW_ARG_BOOL) && a->i == (int64_t)ew->fold_value;
    return same ? ew->folded : ew->kernel;
}

static tw_dtype real_of(tw_dtype d) { return tw_is_complex(d) ? tw_dtypes[d].real : d; }

static bool find_types(const tw_ew *ew, const tw_arg *in, int nin, types *ty) {
    tw_dtype c = common_dtype(ew, in, nin);
    if (c == TW_DTYPE_NONE) return tw_fail(TW_RUNTIME_ERROR, "%s: expected a tensor", ew->name);
    if (ew->promote == TW_PROMOTE_BOOL_TO_INT && c == TW_BOOL) c = TW_INT64;
    if (ew->promote == TW_PROMOTE_INT_TO_FLOAT && tw_is_integral(c)) c = tw_default_dtype();
    ty->common = ty->result = c;
    ty->kernel = tw_dtypes[c].compute;
    if (!tw_dtypes[c].computes || !((ew->dtypes >> ty->kernel) & 1u)) {
        bool half = tw_dtypes[c].computes && ty->kernel != c && ((ew->dtypes >> ty->kernel) & 1u);
        if (!half) return not_implemented(ew, c);
    }
    if ((ew->scalars || ew->promote == TW_PROMOTE_WHERE) && !check_scalars(ew, in, nin, c)) return false;
    ty->kernel_out = ty->kernel;
    switch (ew->promote) {
    case TW_PROMOTE_COMPARE:
    case TW_PROMOTE_BOOL: ty->result = ty->kernel_out = TW_BOOL; break;
    case TW_PROMOTE_REAL:
        ty->result = real_of(c);
        ty->kernel_out = real_of(ty->kernel);
        break;
    case TW_PROMOTE_FIRST:
        if (in[0].tag == TW_ARG_TENSOR) {
            tw_dtype first = (tw_dtype)in[0].t->dtype;
            if (tw_dtypes[first].category == tw_dtypes[c].category) ty->result = first;
        }
        break;
    default: break;
    }
    return true;
}

/* --- results ---------------------------------------------------------------------------------------------------- */

static bool overlap_error(void) {
    return tw_fail(TW_RUNTIME_ERROR, "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                   "single memory location. Please clone() the tensor before performing the operation.");
}

/* Whether the given result can be written to; *spare is set when the walk must write elsewhere first. */
static bool check_given(tw_tensor *out, const tw_ew *ew, const tw_arg *in, int nin, const types *ty, const int64_t *sizes, int ndim, bool *spare) {
    bool same = out->ndim == ndim && memcmp(out->sizes, sizes, (size_t)ndim * sizeof sizes[0]) == 0;
    const bool part = ew->promote == TW_PROMOTE_REAL && tw_is_complex(ty->common); /* PyTorch computes the complex result and casts it */
    const tw_out_rule rule = ew->out_exact && !part ? TW_OUT_EXACT : TW_OUT_CAST;
    if (!tw_check_dtype(rule, rule == TW_OUT_EXACT ? ew->out_text : NULL, ty->result, (tw_dtype)out->dtype)) return false;
    if (!same) {
        for (int i = 0; i < nin; i++)
            if (in[i].tag == TW_ARG_TENSOR && in[i].t == out)
                return tw_fail(TW_RUNTIME_ERROR, "output with shape %s doesn't match the broadcast shape %s",
                               tw_sizes_text(out->sizes, out->ndim), tw_sizes_text(sizes, ndim));
        if (out->numel != 0)
            tw_warn("An output with one or more elements was resized since it had shape %s, which does not match the required output "
                    "shape %s. This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they "
                    "have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with "
                    "t.resize_(0).", tw_sizes_text(out->sizes, out->ndim), tw_sizes_text(sizes, ndim));
        if (!tw_resize(out, sizes, ndim)) return false;
    }
    if (tw_internal_overlap(out))
        return tw_fail(TW_RUNTIME_ERROR, "unsupported operation: more than one element of the written-to tensor refers to a single "
                       "memory location. Please clone() the tensor before performing the operation.");
    *spare = (out->flags & (TW_CONJ | TW_NEG)) != 0;
    for (int i = 0; i < nin; i++) {
        if (in[i].tag != TW_ARG_TENSOR || in[i].t == out) continue;
        int overlap = tw_memory_overlap(out, in[i].t);
        if (overlap == 2) return overlap_error();
        if (overlap == 3) {
            *spare = true;
        } else if (overlap == 1 && in[i].t->dtype != out->dtype) {
            *spare = true;
        }
    }
    return true;
}

/* --- the call --------------------------------------------------------------------------------------------------- */

static bool single(const tw_arg *a) { return a->tag != TW_ARG_TENSOR || a->t->numel == 1; }

/* Half types and complex32 have kernels of their own where PyTorch rounds between steps, which it does not for a single divisor. */
static tw_ew_kernel kernel_for(const tw_ew *ew, const tw_arg *in, int nin, const types *ty) {
    const tw_ew_kernel *row = tw_ew_kernels()[kernel_row(ew, in, ty->kernel)];
    bool wide = false;
    for (int i = 0; i < nin; i++) wide |= (ew->wide >> i & 1u) && single(&in[i]);
    return ty->common != ty->kernel && (int)ty->common < TW_COMPUTE_COUNT && row[ty->common] && !wide ? row[ty->common] : row[ty->kernel];
}

/* A number beside half types is rounded to theirs first, but for those that PyTorch takes in float32. */
static bool rounds_first(const tw_ew *ew, int i, const types *ty) {
    if (ty->common == ty->kernel || ew->promote == TW_PROMOTE_FIRST || ew->promote == TW_PROMOTE_WHERE) return false;
    if (ew->scalars >> i & 1u) return ew->alpha;
    return tw_is_complex(ty->kernel) || !(ew->wide >> i & 1u);
}

static void run(const tw_ew *ew, const tw_arg *in, int nin, const types *ty, tw_tensor *out) {
    tw_iter it;
    tw_tensor *ops[TW_ITER_OPERANDS] = {out};
    double numbers[TW_ITER_OPERANDS][2];
    tw_tile_job job;
    job.it = &it;
    job.kernel = kernel_for(ew, in, nin, ty);
    job.out = ty->kernel_out;
    job.grain = ew->cost || ew->promote == TW_PROMOTE_INT_TO_FLOAT ? GRAIN_COSTLY : GRAIN_CHEAP;
    job.costly = ew->cost > (tw_cpu_isa() == TW_ISA_AVX512 ? 1 : 0); /* 16 exponentials at once take less time than the memory */
    for (int i = 0; i < nin; i++) {
        job.in[i] = ew->promote == TW_PROMOTE_WHERE && i == 0 ? TW_BOOL : ty->kernel;
        job.constant[i] = NULL;
        bool rounds = rounds_first(ew, i, ty);
        if (in[i].tag == TW_ARG_TENSOR && !(rounds && in[i].t->ndim == 0 && (tw_dtype)in[i].t->dtype != ty->common)) {
            ops[i + 1] = in[i].t;
            continue;
        }
        ops[i + 1] = NULL;
        job.constant[i] = numbers[i];
        memset(numbers[i], 0, sizeof numbers[i]);
        if (in[i].tag == TW_ARG_TENSOR) {
            tw_cast(1, numbers[i], ty->common, tw_data(in[i].t), (tw_dtype)in[i].t->dtype);
            tw_apply_flags(1, numbers[i], ty->common, in[i].t->flags);
        }
        if (tw_a_is_number(&in[i])) tw_store_scalar(numbers[i], rounds ? ty->common : job.in[i], tw_a_to_scalar(&in[i]));
        if (rounds) tw_store_scalar(numbers[i], job.in[i], tw_load_scalar(numbers[i], ty->common));
    }
    tw_iter_init(&it, out->sizes, out->ndim, ops, nin + 1);
    tw_tile_run(&job);
}

/* Same shape, contiguous, of the compute dtype, on the CPU: one kernel call. 1 done, 0 not this case, -1 failed. */
static int run_flat(const tw_ew *ew, const tw_arg *in, int nin, tw_tensor **out) {
    const int lead = ew->promote == TW_PROMOTE_WHERE; /* the operand that gives the dtype; the condition before it is bool */
    const tw_tensor *first = in[lead].tag == TW_ARG_TENSOR ? in[lead].t : NULL;
    const void *data[TW_ITER_OPERANDS];
    double numbers[TW_ITER_OPERANDS][2];
    unsigned broadcast = 0;
    if (!first || first->device != TW_CPU) return 0;
    tw_dtype dtype = (tw_dtype)first->dtype;
    if (!((ew->dtypes >> dtype) & 1u) || tw_dtypes[dtype].compute != dtype || first->numel > GRAIN_COSTLY) return 0;
    if (ew->promote == TW_PROMOTE_INT_TO_FLOAT && tw_is_integral(dtype)) return 0;
    if ((first->flags & (TW_CONTIGUOUS | TW_CONJ | TW_NEG)) != TW_CONTIGUOUS || first->numel == 0 || first->ndim == 0) return 0;
    data[lead] = tw_data(first);
    const uint16_t row = kernel_row(ew, in, dtype);
    for (int i = 0; i < nin; i++) {
        if (i == lead) continue;
        if (row != ew->kernel && i == ew->fold_input && in[i].tag == TW_ARG_INT) { /* the simpler row does not read it */
            data[i] = NULL;
            broadcast |= 1u << i;
        } else if (in[i].tag == TW_ARG_TENSOR) {
            const tw_tensor *t = in[i].t;
            if ((tw_dtype)t->dtype != (i < lead ? TW_BOOL : dtype) || (t->flags & (TW_CONTIGUOUS | TW_CONJ | TW_NEG)) != TW_CONTIGUOUS ||
                t->device != TW_CPU || t->ndim != first->ndim) return 0;
            for (int d = 0; d < t->ndim; d++)
                if (t->sizes[d] != first->sizes[d]) return 0;
            data[i] = tw_data(t);
        } else if (tw_a_is_number(&in[i])) {
            tw_scalar s = tw_a_to_scalar(&in[i]);
            if (tw_dtypes[dtype].category < (uint8_t)s.kind || (ew->refuse && s.kind == TW_SCALAR_BOOL)) return 0;
            if (lead && !tw_scalar_fits(s, dtype)) return 0;
            tw_store_scalar(numbers[i], dtype, s);
            data[i] = numbers[i];
            broadcast |= 1u << i;
        } else {
            return 0;
        }
    }
    if (ew->guard && tw_is_integral(dtype) && !check_integers(ew, &in[1])) return -1;
    tw_dtype result = dtype;
    if (ew->promote == TW_PROMOTE_COMPARE || ew->promote == TW_PROMOTE_BOOL) result = TW_BOOL;
    else if (ew->promote == TW_PROMOTE_REAL) result = real_of(dtype);
    tw_tensor *into = *out;
    if (!into) {
        into = tw_empty_new(first->sizes, first->ndim, result, TW_CPU);
        if (!into) return -1;
        *out = into;
    } else if (into != first || result != dtype || lead) {
        return 0;
    } else {
        size_t bytes = (size_t)first->numel * tw_dtype_size(dtype);
        for (int i = 1; i < nin; i++) {
            const char *a = data[0], *b = data[i];
            if (((broadcast >> i) & 1u) || a >= b + bytes || b >= a + bytes || in[i].t == first) continue;
            if (a != b || memcmp(in[i].t->strides, first->strides, (size_t)first->ndim * sizeof first->strides[0]) != 0) return 0;
        }
    }
    tw_ew_kernels()[row][dtype](first->numel, tw_data(into), data, broadcast);
    return 1;
}

/* The inputs with one of them brought to the front. */
static const tw_arg *led_by(int lead, const tw_arg *in, int nin, tw_arg *to) {
    to[0] = in[lead];
    for (int i = 0, n = 1; i < nin; i++)
        if (i != lead) to[n++] = in[i];
    return to;
}

/* 0-d CPU tensors next to tensors of another device are fine for shapes only: other devices have their own run. */
static bool run_tiled(const tw_ew *ew, const tw_arg *in, int nin, tw_tensor **out) {
    types ty = {TW_DTYPE_NONE, TW_DTYPE_NONE, TW_DTYPE_NONE, TW_DTYPE_NONE};
    int64_t sizes[TW_MAX_DIMS], strides[TW_MAX_DIMS];
    int ndim;
    tw_device device = TW_CPU;
    tw_tensor *given = *out;
    bool spare = false;
    if (tw_failed()) return false;
    if (!common_device(in, nin, given, &device)) return false;
    tw_arg turned[TW_ITER_OPERANDS];
    const tw_arg *order = ew->lead ? led_by(ew->lead, in, nin, turned) : in;
    if ((ew->refuse || ew->mixed) && !check_inputs(ew, in, nin)) return false;
    if (!find_types(ew, in, nin, &ty) || !tw_broadcast_sizes(order, nin, sizes, &ndim)) return false;
    if (given && ew->promote == TW_PROMOTE_REAL && tw_is_complex(ty.common) && in[0].tag == TW_ARG_TENSOR && in[0].t == given)
        return tw_fail(TW_RUNTIME_ERROR, "In-place %s is not supported for complex tensors.", ew->name);
    if (given && !check_given(given, ew, in, nin, &ty, sizes, ndim, &spare)) return false;
    tw_tensor *target = given;
    if (!given || spare) {
        result_strides(order, nin, ty.common, sizes, ndim, strides);
        target = tw_empty_strided_new(sizes, strides, ndim, spare ? (tw_dtype)given->dtype : ty.result, device);
        if (!target) return false;
    }
    bool ok = true;
    const tw_device_ops *ops = tw_device_of(device);
    if (ew->guard && target->numel > 0 && tw_is_integral(ty.kernel)) ok = check_integers(ew, &in[1]);
    if (ok && target->numel > 0 && ops && ops->has_data) {
        if (tw_device_type(device) != TW_CPU)
            ok = tw_fail(TW_NOT_IMPLEMENTED_ERROR, "%s: not implemented for device %s", ew->name, tw_device_text(device));
        else run(ew, in, nin, &ty, target);
    }
    if (spare) {
        ok = ok && tw_copy(given, target);
        tw_release(target);
    } else if (!given) {
        if (!ok) tw_release(target);
        else *out = target;
    }
    return ok;
}

typedef struct even_call { const tw_ew *ew; int nin; } even_call;

static bool on_even(const void *call, const tw_arg *in, tw_tensor **out) {
    const even_call *c = call;
    return tw_elementwise(c->ew, in, c->nin, out);
}

bool tw_elementwise(const tw_ew *ew, const tw_arg *in, int nin, tw_tensor **out) {
    if (tw_odd_used && tw_any_odd(in, nin, out, 1)) return tw_run_even(on_even, &(even_call){ew, nin}, in, nin, out, 1, false);
    int64_t began = tw_debugs(2) ? tw_debug_clock() : 0;
    int flat = run_flat(ew, in, nin, out);
    bool ok = flat ? flat > 0 : run_tiled(ew, in, nin, out);
    if (tw_debugs(2)) tw_trace(ew->name, flat ? "elementwise flat" : "elementwise tiles", began, in, nin, out, ok);
    return ok;
}
