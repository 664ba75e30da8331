/* What the fuzzers share: bytes as a file that the readers can open, kept in memory. */
#ifndef TW_FUZZ_FILE_H
#define TW_FUZZ_FILE_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int fuzz_fd = -1;
static char fuzz_path[64];

/* The path of a file with these bytes, overwritten by the next call. */
static const char *fuzz_file(const uint8_t *bytes, size_t n) {
    if (fuzz_fd < 0) {
        fuzz_fd = memfd_create("input", 0);
        snprintf(fuzz_path, sizeof fuzz_path, "/proc/self/fd/%d", fuzz_fd);
    }
    if (fuzz_fd < 0 || ftruncate(fuzz_fd, 0) != 0 || pwrite(fuzz_fd, bytes, n, 0) != (ssize_t)n) abort();
    return fuzz_path;
}
#endif
