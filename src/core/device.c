#include "core/device.h"

#include "core/error.h"
#include <stdlib.h>
#include <string.h>

/* Types 0 and 1 are ours; names that PyTorch knows and this build has no code for get numbers, so that torch.device("cuda:0") can be
 * made; they have no ops. Registered devices come after. */
static const char *const names[] = {"cpu", "meta", "cuda", "mps", "xpu", "hpu", "xla", "mkldnn", "vulkan", "privateuseone"};
enum { NAMED = sizeof names / sizeof *names };

static const tw_device_ops meta_ops = {.name = "meta", .has_data = false};
static const tw_device_ops cpu_ops = {.name = "cpu", .has_data = true}; /* its memory is core/memory.h's */
static const tw_device_ops *registered[TW_DEVICE_TYPES] = {&cpu_ops, &meta_ops};
static int types = NAMED;

static const char *name_of(int type) {
    return registered[type] ? registered[type]->name : type < NAMED ? names[type] : NULL;
}

int tw_register_device(const tw_device_ops *ops) {
    for (int type = 2; type < types; type++) {
        if (strcmp(name_of(type), ops->name) == 0) {
            registered[type] = ops;
            return type;
        }
    }
    if (types == TW_DEVICE_TYPES) {
        tw_fail(TW_RUNTIME_ERROR, "no room for device '%s': at most %d types", ops->name, TW_DEVICE_TYPES);
        return -1;
    }
    registered[types] = ops;
    return types++;
}

const tw_device_ops *tw_device_of(tw_device d) {
    const int type = tw_device_type(d);
    if (type < TW_DEVICE_TYPES && registered[type]) return registered[type];
    if (type == 2) tw_fail(TW_ASSERTION_ERROR, "Torch not compiled with CUDA enabled");
    else tw_fail(TW_NOT_IMPLEMENTED_ERROR, "this build of tallow has no device '%s'", tw_device_text(d));
    return NULL;
}

tw_device tw_device_parse(const char *text) {
    const char *colon = strchr(text, ':');
    const size_t length = colon ? (size_t)(colon - text) : strlen(text);
    int found = -1;
    for (int type = 0; type < types && found < 0; type++)
        if (strlen(name_of(type)) == length && memcmp(name_of(type), text, length) == 0) found = type;
    if (found < 0) {
        tw_fail(TW_RUNTIME_ERROR, "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, "
                "vulkan, mps, meta, hpu, mtia, privateuseone device type at start of device string: %.*s", (int)length, text);
        return TW_DEVICE_NONE;
    }
    long index = 0xff; /* none given */
    if (colon) {
        char *end;
        index = strtol(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || *end || index > 127 || (colon[1] == '0' && colon[2])) {
            tw_fail(TW_RUNTIME_ERROR, "Invalid device string: '%s'", text);
            return TW_DEVICE_NONE;
        }
    }
    /* Data lives on "cpu" and "meta"; an index on them names the same place, kept for printing only where there are several. */
    if (found <= TW_META) return found;
    return (tw_device)(found | (int)(index << 8));
}

const char *tw_device_text(tw_device d) {
    static _Thread_local char text[32];
    const char *name = tw_device_type(d) < TW_DEVICE_TYPES ? name_of(tw_device_type(d)) : NULL;
    const int index = tw_device_index(d);
    if (!name) name = "unknown";
    if (tw_device_type(d) <= TW_META || index == 0xff) snprintf(text, sizeof text, "%s", name);
    else snprintf(text, sizeof text, "%s:%d", name, index);
    return text;
}
