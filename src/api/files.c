/* Files that give one tensor: their scoped forms. */
#include "api/scope.h"
#include "io/idx.h"

tw_tensor *tw_load_idx(const char *path) { return tw_scoped(tw_idx_read(path)); }
