/* Checkpoints, idx and .npy files: round trips, and files that are cut short or damaged. */
#include "check.h"
#include "core/tensor.h"
#include "io/file.h"
#include "io/idx.h"
#include "io/npy.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "tallow-test-XXXXXX", path[64];

__attribute__((constructor)) static void make_folder(void) {
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/file", folder);
}
__attribute__((destructor)) static void remove_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder); /* with the temporary files of killed processes */
    if (system(command) != 0) abort();
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

static void write_npy(const char *dict, const void *data, size_t n) {
    uint8_t bytes[512] = "\x93NUMPY\x01";
    size_t length = strlen(dict);
    bytes[8] = (uint8_t)length;
    memcpy(bytes + 10, dict, length);
    memcpy(bytes + 10 + length, data, n);
    write_file(bytes, 10 + length + n);
}

TEST(npy_files) {
    static const int16_t plain[] = {1, 2, 3, 4, 5, -6};
    write_npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }      \n", plain, sizeof plain);
    tw_tensor *t = tw_npy_read(path);
    CHECK(t && t->dtype == TW_INT16 && t->ndim == 2 && t->sizes[1] == 3 && t->strides[0] == 3 && ((int16_t *)tw_data(t))[5] == -6);
    tw_release(t);
    write_npy("{'shape': (2, 3), 'descr': '>i2', 'fortran_order': True}", plain, sizeof plain);
    t = tw_npy_read(path);
    CHECK(t && t->strides[0] == 1 && t->strides[1] == 2 && ((int16_t *)tw_data(t))[0] == 256);
    tw_release(t);
    write_npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "\0\0\x80\x3f", 4);
    t = tw_npy_read(path);
    CHECK(t && t->ndim == 0 && *(float *)tw_data(t) == 1);
    tw_release(t);
    write_npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", "\0\1\7", 3);
    t = tw_npy_read(path);
    CHECK(t && t->dtype == TW_BOOL && ((uint8_t *)tw_data(t))[2] == 1);
    tw_release(t);
    write_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 5)}", "", 0);
    t = tw_npy_read(path);
    CHECK(t && t->numel == 0 && t->sizes[1] == 5);
    tw_release(t);
}

TEST(bad_npy_files) {
    static const struct { const char *dict, *match; tw_error_kind kind; } bad[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "which are no numbers", TW_NOT_IMPLEMENTED_ERROR},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "holds records", TW_NOT_IMPLEMENTED_ERROR},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (7,)}", "cut short", TW_VALUE_ERROR},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (5,)}", "is damaged", TW_VALUE_ERROR},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (9999999999999999999,)}", "impossible", TW_VALUE_ERROR},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "impossible", TW_VALUE_ERROR},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (-1,)}", "no size", TW_VALUE_ERROR},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (6", "does not end", TW_VALUE_ERROR},
        {"{'descr': '<i2', 'fortran_order': 1, 'shape': (6,)}", "neither True nor False", TW_VALUE_ERROR},
        {"{'descr': '<i2', 'shape': (6,)}", "lacks a key", TW_VALUE_ERROR},
        {"{'descr': '<i2', 'descr': '<i2', 'fortran_order': False, 'shape': (6,)}", "unknown key", TW_VALUE_ERROR},
        {"{'descr", "lacks a word", TW_VALUE_ERROR},
        {"", "no dict", TW_VALUE_ERROR},
    };
    static const int16_t data[6] = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_npy(bad[i].dict, data, sizeof data);
        CHECK(!tw_npy_read(path));
        CHECK_ERROR(bad[i].kind, bad[i].match);
    }
    write_file("PK", 2);
    CHECK(!tw_npy_read(path));
    CHECK_ERROR(TW_VALUE_ERROR, "too short");
}

/* A zip whose directory has the record given n times. */
static void write_directory(const char *name, uint32_t size, int n) {
    static uint8_t bytes[1 << 16];
    size_t length = strlen(name), at = 100, end;
    memset(bytes, 0, sizeof bytes);
    for (int i = 0; i < n; i++, at += 46 + length) {
        memcpy(bytes + at, "PK\1\2", 4);
        memcpy(bytes + at + 20, &size, 4);
        memcpy(bytes + at + 24, &size, 4);
        bytes[at + 28] = (uint8_t)length;
        memcpy(bytes + at + 46, name, length);
        bytes[at + 46 + length - 1] = (uint8_t)('a' + i % 26);
    }
    end = at;
    const uint32_t bytes_of = (uint32_t)(end - 100), start = 100;
    memcpy(bytes + end, "PK\5\6", 4);
    bytes[end + 8] = bytes[end + 10] = (uint8_t)n;
    memcpy(bytes + end + 12, &bytes_of, 4);
    memcpy(bytes + end + 16, &start, 4);
    write_file(bytes, end + 22);
}

TEST(archives_that_promise_too_much) {
    write_directory("archive/data/_", 300, 20);
    CHECK(!tw_load(path));
    CHECK_ERROR(TW_RUNTIME_ERROR, "its entries overlap");
    write_directory("archive/data/_", 1, 27);
    CHECK(!tw_load(path));
    CHECK_ERROR(TW_RUNTIME_ERROR, "two entries have one name");
    write_directory("archive/data/_", 1, 20);
    CHECK(!tw_load(path));
    CHECK_ERROR(TW_RUNTIME_ERROR, "failed locating file data.pkl");
}

/* A process that is killed while it saves leaves the old file or the new one. */
TEST(killed_while_saving) {
    const int64_t sizes[1] = {20000};
    const char *name = "x";
    const char *kills = getenv("TALLOW_KILLS");
    for (int i = 0; i < (kills ? atoi(kills) : 20); i++) {
        tw_tensor *t = counting(TW_INT64, sizes, 1);
        CHECK(tw_save(path, &name, &t, 1));
        pid_t child = fork();
        if (child == 0)
            for (int64_t turn = 1;; turn++) {
                for (int64_t k = 0; k < sizes[0]; k++) ((int64_t *)tw_data(t))[k] = turn + k;
                tw_save(path, &name, &t, 1);
            }
        usleep((useconds_t)(i * 7919 % 20000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        tw_release(t);
        tw_named_tensors *list = tw_load(path);
        CHECK(list && list->n == 1);
        t = list ? list->tensors[0] : NULL;
        for (int64_t k = 0; t && k < sizes[0]; k++) CHECK(((int64_t *)tw_data(t))[k] == ((int64_t *)tw_data(t))[0] + k);
        tw_named_release(list);
    }
}

RUN_TESTS
