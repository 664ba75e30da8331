/* Padding by the name or number of its mode. */
#include "composite/boxed.h"
#include "ops_decl.h"
#include <string.h>

enum { REFLECT, REPLICATE, CIRCULAR, CONSTANT }; /* PyTorch's numbers */

static tw_tensor *by_itself(const tw_arg *self, const tw_arg *pad, int mode) {
    static const int ops[3][3] = {{TW_OP_reflection_pad1d, TW_OP_reflection_pad2d, TW_OP_reflection_pad3d},
                                  {TW_OP_replication_pad1d, TW_OP_replication_pad2d, TW_OP_replication_pad3d},
                                  {TW_OP__pad_circular, TW_OP__pad_circular, TW_OP__pad_circular}};
    int dims = pad->n / 2, ndim = self->t->ndim;
    if (dims < 1 || dims > 3 || (ndim != dims + 1 && ndim != dims + 2)) {
        return tw_fail_null(TW_NOT_IMPLEMENTED_ERROR, "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now");
    }
    return tw_call1(ops[mode][dims - 1], 2, (const tw_arg[]){*self, *pad});
}

static bool padded(const tw_arg *a, int mode, const char *name, tw_tensor **outs) {
    const tw_tensor *x = a[0].t;
    int n = a[1].n;
    bool given = a[3].tag != TW_ARG_NONE;
    if (n % 2) return tw_fail(TW_RUNTIME_ERROR, "Padding length must be divisible by 2");
    if (n > 2 * x->ndim) {
        return tw_fail(TW_RUNTIME_ERROR, "Padding length should be less than or equal to two times the input dimension but got padding length %d and "
                       "input of dimension %d", n, x->ndim);
    }
    if (mode == CONSTANT) {
        outs[0] = CALL(constant_pad_nd, a[0], a[1], given ? a[3] : F(0));
        return outs[0] != NULL;
    }
    if (given && tw_a_get_double(&a[3], 0) != 0) return tw_fail(TW_RUNTIME_ERROR, "Padding mode \"%s\" doesn't take in value argument", name);
    return (outs[0] = by_itself(&a[0], &a[1], mode)) != NULL;
}

static const char *const names[] = {"reflect", "replicate", "circular", "constant"};

bool tw__pad_enum_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t mode = tw_a_get_int(&a[2], CONSTANT);
    if (mode < 0 || mode > CONSTANT) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Unrecognised padding mode %lld", (long long)mode);
    return padded(a, (int)mode, names[mode], outs);
}

bool tw_pad_composite(const tw_arg *a, tw_tensor **outs) {
    for (int i = 0; i < 4; i++)
        if (strcmp(a[2].s, names[i]) == 0) return padded(a, i, names[i], outs);
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "Unrecognised padding mode %s", a[2].s);
}

bool tw__unpad_composite(const tw_arg *a, tw_tensor **outs) {
    int64_t pad[2 * TW_MAX_DIMS];
    for (int i = 0; i < a[1].n; i++) pad[i] = -a[1].ints[i];
    outs[0] = CALL(constant_pad_nd, a[0], INTS(pad, a[1].n), I(0));
    return outs[0] != NULL;
}
