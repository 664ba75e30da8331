/* Devices: where memory lives and whose kernels run. Type 0 is the CPU, 1 is meta (shapes without data). */
#ifndef TW_CORE_DEVICE_H
#define TW_CORE_DEVICE_H
#include "tallow/tallow.h"
#include <stddef.h>

struct tw_arg;
/* Runs one op on a device: fills outs[], which `meta` has allocated (dynamic ops allocate themselves). */
typedef bool (*tw_run_fn)(const struct tw_arg *args, tw_tensor **outs);

enum { TW_DEVICE_TYPES = 16 };
typedef struct tw_device_ops {
    const char *name;   /* "cpu", "meta", ... */
    void *(*alloc)(size_t bytes);
    void (*free)(void *data, size_t bytes);
    bool (*copy)(void *to, tw_device to_device, const void *from, tw_device from_device, size_t bytes); /* contiguous bytes */
    bool (*sync)(void);
    tw_run_fn *run;     /* by op id; NULL slot or NULL table: NotImplementedError with the op's name */
    bool has_data;      /* false for meta: run is never called */
} tw_device_ops;

static inline int tw_device_type(tw_device d) { return d & 0xff; }
static inline int tw_device_index(tw_device d) { return (d >> 8) & 0xff; } /* 0xff: no index given */
TW_API int tw_register_device(const tw_device_ops *ops); /* the new type's number; -1 and an error when there is no room */
const tw_device_ops *tw_device_of(tw_device d);
tw_device tw_device_parse(const char *text);             /* "cpu", "meta", "cuda:0", ...; TW_DEVICE_NONE and an error */
const char *tw_device_text(tw_device d);                 /* "cpu", "cuda:0" */
#endif
