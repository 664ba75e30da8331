/* roll: blocks copied from one end of a dimension to the other. */
#include "core/error.h"
#include "ops/copy.h"
#include "ops/index.h"
#include "ops_decl.h"

/* (self, shifts, dims) */
bool tw_roll_meta(const tw_arg *a, tw_meta *out) {
    const int shifts = a[1].n, dims = a[2].tag == TW_ARG_INTS ? a[2].n : 0;
    if (shifts == 0) return tw_fail(TW_RUNTIME_ERROR, "`shifts` required");
    if (!(dims == 0 && shifts == 1) && shifts != dims)
        return tw_fail(TW_RUNTIME_ERROR, "shifts and dimensions must align. shifts: %d, dims:%d", shifts, dims);
    for (int i = 0; i < dims && (dims > 1 || a[0].t->numel != 0); i++) { /* PyTorch looks at no dimension of an empty tensor, if there is one */
        int64_t dim = a[2].ints[i];
        if (a[0].t->ndim == 0) return tw_fail(TW_INDEX_ERROR, "Dimension specified as %lld but tensor has no dimensions", (long long)dim);
        if (!tw_wrap_dim(&dim, a[0].t->ndim)) return false;
    }
    return tw_meta_like(out, a[0].t, (tw_dtype)a[0].t->dtype);
}

/* Copies the block of `from` that starts at from_at and is `sizes` large to that of `to` at to_at. */
static bool copy_block(tw_tensor *to, const int64_t *to_at, tw_tensor *from, const int64_t *from_at, const int64_t *sizes) {
    int64_t to_offset = to->offset, from_offset = from->offset;
    for (int d = 0; d < to->ndim; d++) {
        if (sizes[d] == 0) return true;
        to_offset += to_at[d] * to->strides[d];
        from_offset += from_at[d] * from->strides[d];
    }
    tw_tensor *target = tw_alias_new(to, sizes, to->strides, to->ndim, to_offset, (tw_dtype)to->dtype);
    tw_tensor *source = target ? tw_alias_new(from, sizes, from->strides, from->ndim, from_offset, (tw_dtype)from->dtype) : NULL;
    bool ok = source && tw_copy(target, source);
    tw_release(target);
    tw_release(source);
    return ok;
}

/* Splits dimension d at its shift, and the next ones in turn. */
static bool copy_blocks(tw_tensor *to, tw_tensor *from, const int64_t *shift, int d, int64_t *to_at, int64_t *from_at, int64_t *sizes) {
    if (d == to->ndim) return copy_block(to, to_at, from, from_at, sizes);
    const int64_t n = to->sizes[d], k = shift[d];
    from_at[d] = 0;
    to_at[d] = k;
    sizes[d] = n - k;
    if (!copy_blocks(to, from, shift, d + 1, to_at, from_at, sizes)) return false;
    if (k == 0) return true;
    from_at[d] = n - k;
    to_at[d] = 0;
    sizes[d] = k;
    return copy_blocks(to, from, shift, d + 1, to_at, from_at, sizes);
}

bool tw_roll_run(const tw_arg *a, tw_tensor **outs) {
    tw_tensor *self = a[0].t, *out = outs[0], *plain = NULL, *flat = NULL, *flat_out = NULL;
    int64_t shift[TW_MAX_DIMS] = {0}, to_at[TW_MAX_DIMS], from_at[TW_MAX_DIMS], sizes[TW_MAX_DIMS];
    if (self->numel == 0) return true;
    if (a[2].tag == TW_ARG_INTS && a[2].n) {
        for (int i = 0; i < a[2].n; i++) {
            int64_t dim = a[2].ints[i];
            if (!tw_wrap_dim(&dim, self->ndim)) return false;
            const int64_t n = self->ndim ? self->sizes[dim] : 1;
            shift[dim] = (shift[dim] + a[1].ints[i] % n + n) % n;
        }
        return copy_blocks(out, self, shift, 0, to_at, from_at, sizes);
    }
    /* through all elements in a row */
    const int64_t n = self->numel, one = 1;
    shift[0] = (a[1].ints[0] % n + n) % n;
    bool ok = (plain = tw_contiguous_new(self, (tw_dtype)self->dtype)) && (flat = tw_alias_new(plain, &n, &one, 1, plain->offset, (tw_dtype)plain->dtype));
    tw_tensor *made = ok && !tw_is_contiguous(out) ? tw_empty_new(out->sizes, out->ndim, (tw_dtype)out->dtype, out->device) : NULL;
    tw_tensor *to = made ? made : out;
    ok = ok && (made || tw_is_contiguous(out)) && (flat_out = tw_alias_new(to, &n, &one, 1, to->offset, (tw_dtype)to->dtype)) &&
         copy_blocks(flat_out, flat, shift, 0, to_at, from_at, sizes) && (!made || tw_copy(out, made));
    tw_release(plain);
    tw_release(flat);
    tw_release(flat_out);
    tw_release(made);
    return ok;
}
