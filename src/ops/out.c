#include "ops/out.h"
#include <stdio.h>
#include <string.h>

/* As C++'s typeid calls it, which is how PyTorch prints the dtype of a given result. */
static const char *cpp_name(tw_dtype d) {
    switch (d) {
    case TW_UINT8: return "unsigned char";
    case TW_INT8: return "signed char";
    case TW_INT16: return "short int";
    case TW_INT64: return "long int";
    case TW_UINT16: return "short unsigned int";
    case TW_UINT32: return "unsigned int";
    case TW_UINT64: return "long unsigned int";
    default: return tw_c_name(d);
    }
}

static bool own_text(const char *text, tw_dtype want, tw_dtype got) {
    static const char type_error[] = "TypeError: ";
    char line[400];
    size_t n = 0;
    const bool type = strncmp(text, type_error, sizeof type_error - 1) == 0;
    for (const char *p = type ? text + sizeof type_error - 1 : text; *p && n + 40 < sizeof line;) {
        const char *name = strncmp(p, "{want}", 6) == 0 ? tw_dtypes[want].type_name : strncmp(p, "{got}", 5) == 0 ? tw_dtypes[got].type_name : NULL;
        if (name) {
            n += (size_t)snprintf(line + n, sizeof line - n, "%s", name);
            p = strchr(p, '}') + 1;
        } else {
            line[n++] = *p++;
        }
    }
    line[n] = 0;
    return tw_fail(type ? TW_TYPE_ERROR : TW_RUNTIME_ERROR, "%s", line);
}

bool tw_check_dtype(tw_out_rule rule, const char *text, tw_dtype want, tw_dtype got) {
    if (want == got || rule == TW_OUT_ANY || (rule == TW_OUT_CAST && tw_can_cast(want, got))) return true;
    if (text) return own_text(text, want, got);
    if (rule == TW_OUT_EXACT)
        return tw_fail(TW_RUNTIME_ERROR, "Expected out tensor to have dtype %s, but got %s instead", cpp_name(want), cpp_name(got));
    return tw_fail(TW_RUNTIME_ERROR, "result type %s can't be cast to the desired output type %s", tw_dtypes[want].type_name,
                   tw_dtypes[got].type_name);
}

static bool shares(const tw_tensor *out, const tw_tensor *t) {
    const int overlap = t == out ? 1 : tw_memory_overlap(out, t);
    return overlap == 1 || overlap == 2;
}

static bool check_memory(const tw_op *op, const tw_arg *args, const tw_tensor *out) {
    bool tensors = false, shared = false;
    for (int i = 0; i < op->nparams; i++) {
        tensors |= args[i].tag == TW_ARG_TENSOR || args[i].tag == TW_ARG_TENSORS;
        if (!(op->flags & TW_OP_APART)) continue;
        if (args[i].tag == TW_ARG_TENSOR) shared |= shares(out, args[i].t);
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++) shared |= args[i].ts[j] && shares(out, args[i].ts[j]);
    }
    if (tensors && tw_internal_overlap(out))
        return tw_fail(TW_RUNTIME_ERROR, "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                       "location. Please clone() the tensor before performing the operation.");
    return !shared || tw_fail(TW_RUNTIME_ERROR, "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                              "single memory location. Please clone() the tensor before performing the operation.");
}

bool tw_check_out(const tw_op *op, const tw_arg *args, const tw_tensor *out, tw_dtype dtype, tw_device device) {
    if (out->device != device) {
        char want[32];
        snprintf(want, sizeof want, "%s", tw_device_text(device));
        return tw_fail(TW_RUNTIME_ERROR, "Expected out tensor to have device %s, but got %s instead", want, tw_device_text(out->device));
    }
    return tw_check_dtype((tw_out_rule)op->out_rule, op->out_text, dtype, (tw_dtype)out->dtype) && check_memory(op, args, out);
}
