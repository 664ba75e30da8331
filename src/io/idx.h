/* idx files, the format of MNIST. */
#ifndef TW_IO_IDX_H
#define TW_IO_IDX_H
#include "tallow/tallow.h"
tw_tensor *tw_idx_read(const char *path); /* owned; see tw_load_idx */
#endif
