/* Files that give one tensor: their scoped forms. */
#include "api/scope.h"
#include "io/idx.h"
#include "io/npy.h"

tw_tensor *tw_load_idx(const char *path) { return tw_scoped(tw_idx_read(path)); }
tw_tensor *tw_load_npy(const char *path) { return tw_scoped(tw_npy_read(path)); }
