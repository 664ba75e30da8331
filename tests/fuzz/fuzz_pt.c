/* Fuzzes the reader of checkpoints with whole files. Most of what is tried stops at the checksums: see fuzz_pickle.c. */
#include "fuzz_file.h"
#include "fuzz_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    fuzz_load(fuzz_file(bytes, n));
    return 0;
}
