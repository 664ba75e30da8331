/* Checkpoints and idx files: round trips, and files that are cut short or damaged. */
#include "check.h"
#include "core/tensor.h"
#include "io/idx.h"
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "tallow-test-XXXXXX", path[64];

__attribute__((constructor)) static void make_folder(void) {
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/file", folder);
}
__attribute__((destructor)) static void remove_folder(void) {
    unlink(path);
    rmdir(folder);
}

static void write_file(const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n);
    if (f) fclose(f);
}

static size_t read_file(uint8_t *bytes, size_t room) {
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(bytes, 1, room, f) : 0;
    if (f) fclose(f);
    return n;
}

static tw_tensor *counting(tw_dtype dtype, const int64_t *sizes, int ndim) {
    tw_tensor *t = tw_empty_new(sizes, ndim, dtype, TW_CPU);
    for (int64_t i = 0; t && i < t->numel; i++)
        tw_store_scalar((char *)tw_data(t) + (size_t)i * tw_dtype_size(dtype), dtype, tw_int(i));
    return t;
}

static bool save_three(void) {
    const int64_t sizes[2] = {3, 4}, turned[2] = {4, 3}, strides[2] = {1, 4}, none[2] = {0, 5};
    tw_tensor *t = counting(TW_FLOAT32, sizes, 2), *view = tw_alias_new(t, turned, strides, 2, 0, TW_FLOAT32);
    tw_tensor *empty = counting(TW_UINT16, none, 2), *tensors[3] = {t, view, empty};
    const char *names[3] = {"layer.weight", "turned", "empty"};
    bool ok = tw_save(path, names, tensors, 3);
    for (int i = 0; i < 3; i++) tw_release(tensors[i]);
    return ok;
}

TEST(every_dtype_survives) {
    const int64_t sizes[2] = {2, 3};
    char names[TW_DTYPE_COUNT][16];
    const char *pointers[TW_DTYPE_COUNT];
    tw_tensor *tensors[TW_DTYPE_COUNT];
    for (int d = 0; d < TW_DTYPE_COUNT; d++) {
        snprintf(names[d], sizeof names[d], "%d", d);
        pointers[d] = names[d];
        tensors[d] = counting((tw_dtype)d, sizes, 2);
    }
    CHECK(tw_save(path, pointers, tensors, TW_DTYPE_COUNT));
    tw_named_tensors *list = tw_load(path);
    CHECK(list && list->n == TW_DTYPE_COUNT);
    for (int d = 0; list && d < TW_DTYPE_COUNT; d++) {
        tw_tensor *t = tw_named_get(list, names[d]);
        CHECK(t && t->dtype == d && t->numel == 6 && memcmp(tw_data(t), tw_data(tensors[d]), 6 * tw_dtype_size((tw_dtype)d)) == 0);
    }
    tw_named_release(list);
    for (int d = 0; d < TW_DTYPE_COUNT; d++) tw_release(tensors[d]);
}

TEST(views_and_sharing_survive) {
    CHECK(save_three());
    tw_named_tensors *list = tw_load(path);
    CHECK(list && list->n == 3);
    tw_tensor *t = tw_named_get(list, "layer.weight"), *view = tw_named_get(list, "turned"), *empty = tw_named_get(list, "empty");
    CHECK(t && view && t->storage == view->storage && view->strides[1] == 4);
    CHECK(empty && empty->numel == 0 && empty->sizes[1] == 5);
    CHECK(!tw_named_get(list, "missing"));
    CHECK_ERROR(TW_KEY_ERROR, "missing");
    tw_named_release(list);
    tw_named_release(NULL);
}

TEST(truncated_checkpoints_are_refused) {
    static uint8_t bytes[1 << 16];
    CHECK(save_three());
    size_t n = read_file(bytes, sizeof bytes);
    CHECK(n > 500 && n < sizeof bytes);
    for (size_t cut = 0; cut < n; cut++) {
        write_file(bytes, cut);
        tw_named_tensors *list = tw_load(path);
        CHECK(!list && tw_error() != TW_OK);
        tw_clear_error();
        tw_named_release(list);
    }
}

/* What is loaded from a damaged file is either refused or within its bounds (the sanitizers watch). */
TEST(damaged_checkpoints_do_no_harm) {
    static uint8_t bytes[1 << 16], copy[1 << 16];
    CHECK(save_three());
    size_t n = read_file(bytes, sizeof bytes);
    uint32_t random = 1;
    for (int round = 0; round < 2000; round++) {
        memcpy(copy, bytes, n);
        for (int i = 0; i < 1 + round % 3; i++) {
            random = random * 1664525u + 1013904223u;
            copy[(random >> 8) % n] ^= (uint8_t)(1u << (random >> 5 & 7));
        }
        write_file(copy, n);
        tw_named_tensors *list = tw_load(path);
        CHECK((list != NULL) == (tw_error() == TW_OK));
        tw_clear_error();
        tw_named_release(list);
    }
}

TEST(a_damaged_value_is_noticed) {
    static uint8_t bytes[1 << 16];
    CHECK(save_three());
    size_t n = read_file(bytes, sizeof bytes), at = 0;
    const float three[2] = {2, 3};
    while (at + sizeof three < n && memcmp(bytes + at, three, sizeof three) != 0) at++;
    bytes[at + 1] ^= 1;
    write_file(bytes, n);
    CHECK(!tw_load(path));
    CHECK_ERROR(TW_RUNTIME_ERROR, "file read failed");
}

TEST(each_allocation_of_loading_may_fail) {
    CHECK(save_three());
    int failures = 0;
    for (int n = 1; n < 1000; n++) {
        tw_memory_fail_at(n);
        tw_named_tensors *list = tw_load(path);
        tw_memory_fail_at(0);
        if (list) {
            tw_named_release(list);
            break;
        }
        failures++;
        CHECK(tw_error() != TW_OK);
        tw_clear_error();
    }
    CHECK(failures > 10 && failures < 999);
}

TEST(a_failed_save_keeps_the_old_file) {
    static uint8_t before[1 << 16], after[1 << 16];
    CHECK(save_three());
    size_t n = read_file(before, sizeof before);
    tw_tensor *meta = tw_empty_new(NULL, 0, TW_FLOAT32, TW_META), *plain = tw_scalar_new(tw_float(1), TW_FLOAT32, TW_CPU);
    const char *name = "x";
    CHECK(!tw_save(path, &name, &meta, 1));
    CHECK_ERROR(TW_NOT_IMPLEMENTED_ERROR, "is on meta");
    for (int i = 1; i < 8; i++) {
        tw_memory_fail_at(i);
        bool ok = tw_save(path, &name, &plain, 1);
        tw_memory_fail_at(0);
        CHECK(!ok && tw_error() != TW_OK);
        tw_clear_error();
    }
    CHECK(read_file(after, sizeof after) == n && memcmp(before, after, n) == 0);
    CHECK(!tw_save("/nonexistent/file", &name, &plain, 1));
    CHECK_ERROR(TW_OS_ERROR, "[Errno 2] No such file or directory");
    tw_release(meta);
    tw_release(plain);
}

TEST(missing_files) {
    CHECK(!tw_load("/nonexistent/file"));
    CHECK_ERROR(TW_OS_ERROR, "[Errno 2] No such file or directory: '/nonexistent/file'");
    CHECK(!tw_idx_read("/tmp"));
    CHECK_ERROR(TW_OS_ERROR, "Is a directory");
}

TEST(idx_files) {
    const uint8_t images[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 250}, wide[] = {0, 0, 0x0B, 1, 0, 0, 0, 2, 1, 2, 0xff, 0xfe};
    write_file(images, sizeof images);
    tw_tensor *t = tw_idx_read(path);
    CHECK(t && t->dtype == TW_UINT8 && t->ndim == 2 && t->sizes[1] == 3 && ((uint8_t *)tw_data(t))[5] == 250);
    tw_release(t);
    write_file(wide, sizeof wide);
    t = tw_idx_read(path);
    CHECK(t && t->dtype == TW_INT16 && ((int16_t *)tw_data(t))[0] == 258 && ((int16_t *)tw_data(t))[1] == -2);
    tw_release(t);
    for (size_t cut = 0; cut < sizeof images; cut++) {
        write_file(images, cut);
        CHECK(!tw_idx_read(path) && tw_error() == TW_VALUE_ERROR);
        tw_clear_error();
    }
    const uint8_t huge[] = {0, 0, 0x0E, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, packed[] = {0x1f, 0x8b, 8, 0};
    write_file(huge, sizeof huge);
    CHECK(!tw_idx_read(path));
    CHECK_ERROR(TW_VALUE_ERROR, "impossible");
    write_file(packed, sizeof packed);
    CHECK(!tw_idx_read(path));
    CHECK_ERROR(TW_VALUE_ERROR, "compressed");
}

RUN_TESTS
