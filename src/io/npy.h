/* .npy files, NumPy's format of one array. */
#ifndef TW_IO_NPY_H
#define TW_IO_NPY_H
#include "tallow/tallow.h"
tw_tensor *tw_npy_read(const char *path); /* owned; see tw_load_npy */
#endif
