/* Fuzzes the reader of .npy files. */
#include "fuzz_file.h"
#include "core/error.h"
#include "core/tensor.h"
#include "io/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static volatile int64_t sink;
    tw_tensor *t = tw_npy_read(fuzz_file(bytes, n));
    if ((t != NULL) == tw_failed()) abort();
    for (size_t i = 0; t && i < (size_t)t->numel * tw_dtype_size((tw_dtype)t->dtype); i++) sink += ((const uint8_t *)tw_data(t))[i];
    tw_release(t);
    tw_clear_error();
    return 0;
}
