/* Finding LAPACK: the library that TALLOW_LAPACK names, the Python package scipy-openblas32, then the system's. */
#include "ops/lapack.h"
#include "core/error.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool (*tw_lapack_locate)(char *path, size_t size);

static struct { pthread_mutex_t lock; void *library; const char *prefix; } state = {PTHREAD_MUTEX_INITIALIZER, NULL, ""};

/* One thread: results must not depend on their number, and the pool of threads is ours. */
static void calm(void *library) {
    static const char *const names[] = {"scipy_openblas_set_num_threads", "openblas_set_num_threads"};
    for (int i = 0; i < 2; i++) {
        union { void *object; void (*call)(int); } f = {dlsym(library, names[i])};
        if (f.object) f.call(1);
    }
}

static bool try(const char *path) {
    static const char *const prefixes[] = {"scipy_", ""};
    void *library = path && *path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    for (int i = 0; library && i < 2; i++) {
        char symbol[48];
        snprintf(symbol, sizeof symbol, "%sdgesdd_", prefixes[i]);
        if (!dlsym(library, symbol)) continue;
        state.library = library;
        state.prefix = prefixes[i];
        calm(library);
        return true;
    }
    if (library) dlclose(library);
    return false;
}

static bool load(const char *op) {
    char path[4096];
    if (state.library || try(getenv("TALLOW_LAPACK"))) return true;
    if (tw_lapack_locate && tw_lapack_locate(path, sizeof path) && try(path)) return true;
    if (try("libscipy_openblas.so") || try("libopenblas.so.0") || try("liblapack.so.3")) return true;
    return tw_fail(TW_RUNTIME_ERROR, "%s needs LAPACK, and no LAPACK library was found. Install one with: pip install scipy-openblas32", op);
}

tw_lapack_fn tw_lapack(const char *op, const char *name, const char *complex_name, tw_dtype dtype) {
    char symbol[48];
    const char letter = dtype == TW_FLOAT32 ? 's' : dtype == TW_FLOAT64 ? 'd' : dtype == TW_COMPLEX64 ? 'c' : 'z';
    union { void *object; tw_lapack_fn call; } f = {NULL};
    if (letter == 'z' && dtype != TW_COMPLEX128) { /* a wrong letter would read past the matrix */
        tw_fail(TW_RUNTIME_ERROR, "%s: Low precision dtypes not supported. Got %s", op, tw_dtypes[dtype].type_name);
        return NULL;
    }
    pthread_mutex_lock(&state.lock);
    bool ok = load(op);
    pthread_mutex_unlock(&state.lock);
    if (!ok) return NULL;
    snprintf(symbol, sizeof symbol, "%s%c%s_", state.prefix, letter, complex_name && tw_is_complex(dtype) ? complex_name : name);
    f.object = dlsym(state.library, symbol);
    if (!f.object) tw_fail(TW_RUNTIME_ERROR, "%s: the LAPACK library has no %s", op, symbol);
    return f.call;
}
