/* Fuzzes what a checkpoint may describe: the input is data.pkl, in a sound archive with three storages of 64, 16 and 0 bytes. */
#include "fuzz_file.h"
#include "fuzz_load.h"
#include "io/file.h"
#include <string.h>

enum { MAX_PICKLE = 1 << 16 };
static uint8_t archive[MAX_PICKLE + 4096];
static size_t length;

static void put(uint64_t v, int n) {
    for (int i = 0; i < n; i++, v >>= 8) archive[length++] = (uint8_t)v;
}
static void put_bytes(const void *from, size_t n) {
    memcpy(archive + length, from, n);
    length += n;
}

/* The fields that local headers and the directory share. */
static void put_about(const char *name, uint32_t crc, size_t n) {
    put(0, 2), put(0, 2), put(0, 4);
    put(crc, 4), put(n, 4), put(n, 4), put(strlen(name), 2), put(0, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const uint8_t values[64] = {1, 2, 3};
    if (n > MAX_PICKLE) return -1;
    const struct { const char *name; const void *from; size_t n; } files[] = {
        {"a/data.pkl", bytes, n}, {"a/data/0", values, 64}, {"a/data/1", values, 16}, {"a/data/2", values, 0},
    };
    size_t headers[4];
    length = 0;
    for (int i = 0; i < 4; i++) {
        headers[i] = length;
        put(0x04034b50, 4), put(20, 2);
        put_about(files[i].name, tw_crc32(0, files[i].from, files[i].n), files[i].n);
        put_bytes(files[i].name, strlen(files[i].name));
        put_bytes(files[i].from, files[i].n);
    }
    size_t directory = length;
    for (int i = 0; i < 4; i++) {
        put(0x02014b50, 4), put(20, 2), put(20, 2);
        put_about(files[i].name, tw_crc32(0, files[i].from, files[i].n), files[i].n);
        put(0, 2), put(0, 2), put(0, 2), put(0, 4), put(headers[i], 4);
        put_bytes(files[i].name, strlen(files[i].name));
    }
    size_t end = length;
    put(0x06054b50, 4), put(0, 4), put(4, 2), put(4, 2), put(end - directory, 4), put(directory, 4), put(0, 2);
    fuzz_load(fuzz_file(archive, length));
    return 0;
}
