/* idx files, the format of MNIST: 0, 0, type, ndim, then sizes and numbers in big-endian order. */
#include "io/idx.h"
#include "core/tensor.h"
#include "io/file.h"
#include <unistd.h>

static tw_dtype dtype_of(uint8_t code) {
    switch (code) {
    case 0x08: return TW_UINT8;
    case 0x09: return TW_INT8;
    case 0x0B: return TW_INT16;
    case 0x0C: return TW_INT32;
    case 0x0D: return TW_FLOAT32;
    case 0x0E: return TW_FLOAT64;
    default: return TW_DTYPE_NONE;
    }
}

/* Reads the header: dtype, sizes and where the numbers begin. Everything is checked against the file's size. */
static bool read_header(int fd, const char *path, int64_t bytes, tw_dtype *dtype, int64_t *sizes, int *ndim, int64_t *start) {
    uint8_t head[4 + 4 * 255];
    if (bytes < 4) return tw_fail(TW_VALUE_ERROR, "'%s' is no idx file: %lld bytes are too few for its header", path, (long long)bytes);
    if (!tw_file_read(fd, path, 0, head, 4)) return false;
    *dtype = dtype_of(head[2]);
    *ndim = head[3];
    *start = 4 + 4 * (int64_t)*ndim;
    if (head[0] == 0x1f && head[1] == 0x8b) return tw_fail(TW_VALUE_ERROR, "'%s' is compressed: unpack it with gunzip first", path);
    if (head[0] != 0 || head[1] != 0 || *dtype == TW_DTYPE_NONE)
        return tw_fail(TW_VALUE_ERROR, "'%s' is no idx file: it begins with %02x %02x %02x %02x", path, head[0], head[1], head[2], head[3]);
    if (*ndim > TW_MAX_DIMS) return tw_fail(TW_VALUE_ERROR, "'%s' has %d dimensions, more than %d", path, *ndim, TW_MAX_DIMS);
    if (bytes < *start) return tw_fail(TW_VALUE_ERROR, "'%s' is cut short within its header", path);
    if (!tw_file_read(fd, path, 4, head + 4, 4 * (size_t)*ndim)) return false;
    int64_t total = (int64_t)tw_dtype_size(*dtype);
    bool overflow = false;
    for (int d = 0; d < *ndim; d++) {
        const uint8_t *p = head + 4 + 4 * d;
        sizes[d] = (int64_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
        overflow |= __builtin_mul_overflow(total, sizes[d], &total);
    }
    if (!overflow && total == bytes - *start) return true;
    if (overflow) tw_fail(TW_VALUE_ERROR, "'%s' is damaged: its sizes %s are impossible", path, tw_sizes_text(sizes, *ndim));
    else tw_fail(TW_VALUE_ERROR, "'%s' is %s: sizes %s need %lld bytes of data, it has %lld", path,
                 bytes - *start < total ? "cut short" : "damaged", tw_sizes_text(sizes, *ndim), (long long)total,
                 (long long)(bytes - *start));
    return false;
}

tw_tensor *tw_idx_read(const char *path) {
    if (tw_failed()) return NULL;
    int64_t bytes = 0, start = 0, sizes[TW_MAX_DIMS];
    tw_dtype dtype = TW_UINT8;
    int ndim = 0;
    int fd = tw_file_open(path, &bytes);
    if (fd < 0) return NULL;
    tw_tensor *t = NULL;
    if (read_header(fd, path, bytes, &dtype, sizes, &ndim, &start)) t = tw_empty_new(sizes, ndim, dtype, TW_CPU);
    if (t && t->numel && !tw_file_read(fd, path, start, tw_data(t), (size_t)t->numel * tw_dtype_size(dtype))) {
        tw_release(t);
        t = NULL;
    }
    close(fd);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (t && t->numel) tw_swap_bytes(tw_data(t), t->numel, tw_dtype_size(dtype));
#endif
    return t;
}
