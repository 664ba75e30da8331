/* Errors, memory, element types, tensors and their geometry, random streams. */
#include "check.h"
#include "core/print.h"
#include "core/rng.h"
#include "core/tensor.h"
#include "ops/random_draw.h"
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- errors ------------------------------------------------------------------------------------------------------------ */

TEST(first_error_stays) {
    CHECK(!tw_fail(TW_VALUE_ERROR, "first %d", 1));
    CHECK(!tw_hint("try %s", "this"));
    CHECK(!tw_hint("or that"));
    CHECK(!tw_fail(TW_TYPE_ERROR, "second"));
    CHECK(strcmp(tw_error_hint(), "try this\nor that") == 0);
    CHECK_ERROR(TW_VALUE_ERROR, "first 1");
    CHECK(strcmp(tw_error_message(), "") == 0 && strcmp(tw_error_hint(), "") == 0);
}

TEST(report_prints_and_clears) {
    char text[200] = "";
    FILE *to = fmemopen(text, sizeof text, "w");
    CHECK(tw_report(to) == 0);
    tw_fail(TW_RUNTIME_ERROR, "broken");
    tw_hint("mend it");
    CHECK(tw_report(to) == 1);
    fclose(to);
    CHECK(tw_error() == TW_OK);
    CHECK(strstr(text, "broken") && strstr(text, "mend it"));
}

static void *fail_in_thread(void *seen) {
    *(tw_error_kind *)seen = tw_error();
    tw_fail(TW_KEY_ERROR, "of another thread");
    return NULL;
}

TEST(errors_are_per_thread) {
    pthread_t thread;
    tw_error_kind seen = TW_KEY_ERROR;
    tw_fail(TW_INDEX_ERROR, "mine");
    CHECK(pthread_create(&thread, NULL, fail_in_thread, &seen) == 0);
    pthread_join(thread, NULL);
    CHECK(seen == TW_OK);
    CHECK_ERROR(TW_INDEX_ERROR, "mine");
}

TEST(long_messages_are_cut) {
    char text[20000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tw_fail(TW_RUNTIME_ERROR, "%s", text);
    for (int i = 0; i < 3; i++) tw_hint("%s", text);
    CHECK(strlen(tw_error_message()) > 1000);
    CHECK_ERROR(TW_RUNTIME_ERROR, "xxx");
}

/* --- memory ------------------------------------------------------------------------------------------------------------- */

TEST(blocks_are_aligned_and_writable) {
    for (size_t bytes = 1; bytes < (size_t)64 << 20; bytes = bytes * 7 / 4 + 1) {
        char *block = tw_block_alloc(bytes);
        CHECK(block && (uintptr_t)block % 64 == 0);
        CHECK(bytes < (size_t)32 << 20 || (uintptr_t)block % ((size_t)2 << 20) == 0);
        if (block) memset(block, 1, bytes);
        tw_block_free(block, bytes);
    }
    CHECK(tw_block_alloc(0) == NULL && tw_error() == TW_OK);
    tw_block_free(NULL, 0);
    tw_free(NULL);
}

TEST(freed_blocks_come_back) {
    if (!tw_memory_caching()) return;
    for (size_t bytes = 100; bytes < (size_t)10 << 20; bytes *= 50) {
        void *block = tw_block_alloc(bytes);
        tw_block_free(block, bytes);
        void *again = tw_block_alloc(bytes);
        CHECK(again == block);
        tw_block_free(again, bytes);
    }
    tw_memory_empty_cache();
    tw_memory_stats stats;
    tw_memory_read(&stats);
    CHECK(stats.cached_bytes == 0);
}

static int64_t cached(void) {
    tw_memory_stats stats;
    tw_memory_read(&stats);
    return stats.cached_bytes;
}

TEST(large_blocks_are_cut_from_what_smaller_ones_left) {
    enum { N = 8 };
    const size_t bytes = (size_t)1 << 20;
    char *blocks[N];
    if (!tw_memory_caching()) return;
    tw_memory_empty_cache();
    for (int i = 0; i < N; i++) memset(blocks[i] = tw_block_alloc(bytes), i, bytes);
    for (int i = 0; i < N; i++)
        for (size_t j = 0; j < bytes; j += 4096) CHECK(blocks[i][j] == i); /* none covers another */
    for (int i = 0; i < N; i += 2) tw_block_free(blocks[i], bytes); /* every second, then those between: free neighbours become one */
    for (int i = 1; i < N; i += 2) tw_block_free(blocks[i], bytes);
    const int64_t kept = cached();
    char *large = tw_block_alloc(N / 2 * bytes);
    CHECK(kept >= (int64_t)(N * bytes) && cached() == kept - (int64_t)(N / 2 * bytes));
    for (int i = 0; i < N / 2; i++) blocks[i] = tw_block_alloc(bytes);
    CHECK(cached() == kept - (int64_t)(N * bytes));
    for (int i = 0; i < N / 2; i++) {
        CHECK(blocks[i] + bytes <= large || large + N / 2 * bytes <= blocks[i]);
        tw_block_free(blocks[i], bytes);
    }
    tw_block_free(large, N / 2 * bytes);
    CHECK(cached() == kept);
    tw_memory_empty_cache();
    CHECK(cached() == 0);
}

TEST(stretches_that_the_system_refuses_are_kept) {
    enum { N = 64, MOST = 1 << 20 };
    const size_t bytes = (size_t)256 << 10, page = (size_t)sysconf(_SC_PAGESIZE);
    char *blocks[N];
    if (!tw_memory_caching()) return;
    tw_memory_empty_cache();
    for (int i = 0; i < N; i++) memset(blocks[i] = tw_block_alloc(bytes), 1, bytes);
    for (int i = 0; i < N; i += 2) tw_block_free(blocks[i], bytes);
    const int64_t kept = cached();
    char *pages = mmap(NULL, MOST * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t used = 0;
    CHECK(pages != MAP_FAILED);
    while (used < MOST && mprotect(pages + used * page, page, PROT_READ) == 0) used += 2; /* each a mapping of its own */
    tw_memory_empty_cache();
    const int64_t left = cached();
    munmap(pages, MOST * page);
    if (used < MOST) CHECK(left > 0 && left <= kept);
    for (int i = 0; i < N; i += 2) {
        blocks[i] = tw_block_alloc(bytes);
        CHECK(blocks[i] != NULL);
        if (blocks[i]) memset(blocks[i], 2, bytes);
    }
    for (int i = 1; i < N; i += 2) CHECK(blocks[i][0] == 1 && blocks[i][bytes - 1] == 1);
    for (int i = 0; i < N; i++) tw_block_free(blocks[i], bytes);
    tw_memory_empty_cache();
    CHECK(cached() == 0);
}

TEST(sizes_that_change_share_what_is_kept) {
    int64_t kept = 0;
    if (!tw_memory_caching()) return;
    tw_memory_empty_cache();
    for (int step = 0; step < 20; step++) { /* sizes alive one after the other need no more than the largest, in every step the same */
        for (size_t bytes = (size_t)200 << 10; bytes < (size_t)14 << 20; bytes = bytes * 5 / 4) {
            char *block = tw_block_alloc(bytes);
            memset(block, 1, bytes);
            tw_block_free(block, bytes);
        }
        if (step == 0) kept = cached();
        CHECK(cached() == kept);
    }
    CHECK(kept <= (int64_t)32 << 20);
    tw_memory_empty_cache();
}

TEST(impossible_sizes_fail) {
    CHECK(!tw_block_alloc((size_t)1 << 60));
    CHECK_ERROR(TW_RUNTIME_ERROR, "you tried to allocate 1152921504606846976 bytes");
    CHECK(!tw_block_alloc((size_t)1 << 45));
    CHECK_ERROR(TW_RUNTIME_ERROR, "DefaultCPUAllocator: can't allocate memory");
}

TEST(peak_and_live_bytes_are_counted) {
    tw_memory_stats before, during;
    const size_t bytes = (size_t)3 << 20;
    tw_memory_read(&before);
    void *block = tw_block_alloc(bytes);
    tw_memory_read(&during);
    CHECK(during.block_bytes - before.block_bytes == (int64_t)bytes && during.blocks == before.blocks + 1);
    CHECK(during.peak_bytes >= during.block_bytes && during.allocations > before.allocations);
    tw_block_free(block, bytes);
}

static void *give_blocks_back(void *blocks) {
    for (int i = 0; i < 100; i++) tw_block_free(((void **)blocks)[i], 256);
    return NULL;
}

TEST(blocks_freed_by_another_thread) {
    void *blocks[100];
    pthread_t thread;
    for (int i = 0; i < 100; i++) blocks[i] = tw_block_alloc(256);
    CHECK(pthread_create(&thread, NULL, give_blocks_back, blocks) == 0);
    pthread_join(thread, NULL);
}

TEST(each_allocation_may_fail) {
    const int64_t sizes[7] = {1, 2, 3, 1, 2, 1, 2};
    int failures = 0;
    for (int n = 1; n < 20; n++) {
        tw_memory_fail_at(n);
        tw_tensor *t = tw_empty_new(sizes, 7, TW_FLOAT32, TW_CPU);
        tw_tensor *view = t ? tw_alias_new(t, t->sizes, t->strides, 7, 0, TW_FLOAT32) : NULL;
        tw_memory_fail_at(0);
        tw_release(view);
        tw_release(t);
        if (view) break;
        failures++;
        CHECK_ERROR(TW_RUNTIME_ERROR, "can't allocate memory");
    }
    CHECK(failures >= 4 && failures < 19);
}

/* --- element types ------------------------------------------------------------------------------------------------------- */

TEST(promotion) {
    for (int a = 0; a < TW_DTYPE_COUNT; a++) {
        CHECK(tw_promote((tw_dtype)a, (tw_dtype)a) == (tw_dtype)a);
        for (int b = 0; b < TW_DTYPE_COUNT; b++) CHECK(tw_promote((tw_dtype)a, (tw_dtype)b) == tw_promote((tw_dtype)b, (tw_dtype)a));
        tw_clear_error(); /* of the pairs that do not promote */
    }
    CHECK(tw_promote(TW_UINT8, TW_INT8) == TW_INT16);
    CHECK(tw_promote(TW_FLOAT16, TW_BFLOAT16) == TW_FLOAT32);
    CHECK(tw_promote(TW_FLOAT64, TW_COMPLEX64) == TW_COMPLEX128);
    CHECK(tw_promote(TW_INT64, TW_FLOAT16) == TW_FLOAT16);
    CHECK(tw_promote(TW_BOOL, TW_UINT8) == TW_UINT8);
    CHECK(tw_promote(TW_UINT16, TW_FLOAT32) == TW_FLOAT32);
    CHECK(tw_promote(TW_UINT16, TW_INT32) == TW_DTYPE_NONE);
    CHECK_ERROR(TW_RUNTIME_ERROR, "Promotion for uint16, uint32, uint64 types is not supported");
    CHECK(tw_promote(TW_FLOAT8_E5M2, TW_FLOAT32) == TW_DTYPE_NONE);
    CHECK_ERROR(TW_RUNTIME_ERROR, "Promotion for Float8 Types is not supported");
}

TEST(what_may_be_cast) {
    CHECK(tw_can_cast(TW_INT64, TW_FLOAT16) && tw_can_cast(TW_FLOAT64, TW_FLOAT16) && tw_can_cast(TW_FLOAT32, TW_COMPLEX64));
    CHECK(!tw_can_cast(TW_FLOAT32, TW_INT64) && !tw_can_cast(TW_COMPLEX64, TW_FLOAT64) && !tw_can_cast(TW_UINT8, TW_BOOL));
}

TEST(single_values_convert) {
    for (int d = 0; d < TW_DTYPE_COUNT; d++) { /* 1 is itself in every type */
        char bytes[16] = {0};
        tw_store_scalar(bytes, (tw_dtype)d, tw_int(1));
        CHECK(tw_scalar_double(tw_load_scalar(bytes, (tw_dtype)d)) == 1);
    }
    uint8_t byte;
    tw_store_scalar(&byte, TW_UINT8, tw_int(-1));
    CHECK(byte == 255);
    tw_store_scalar(&byte, TW_BOOL, tw_float(NAN));
    CHECK(byte == 1);
    int64_t wide;
    tw_store_scalar(&wide, TW_INT64, tw_float(-2.9));
    CHECK(wide == -2);
    CHECK(tw_float_to_half(65519.0f) == 0x7bff && tw_float_to_half(65520.0f) == 0x7c00);
    CHECK(isnan(tw_half_to_float(tw_float_to_half(NAN))) && isnan(tw_bfloat_to_float(tw_float_to_bfloat(NAN))));
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = tw_half_to_float((uint16_t)h);
        if (!isnan(f)) CHECK(tw_float_to_half(f) == h);
    }
}

TEST(numbers_that_fit) {
    CHECK(tw_scalar_fits(tw_int(255), TW_UINT8) && !tw_scalar_fits(tw_int(256), TW_UINT8));
    CHECK(tw_scalar_fits(tw_int(-255), TW_UINT8) && !tw_scalar_fits(tw_int(-256), TW_UINT8));
    CHECK(!tw_scalar_fits(tw_float(1e39), TW_FLOAT32) && tw_scalar_fits(tw_float(INFINITY), TW_FLOAT32));
    CHECK(!tw_scalar_fits(tw_float(NAN), TW_INT32) && tw_scalar_fits(tw_float(NAN), TW_BOOL));
    CHECK(!tw_scalar_fits(tw_complex(1, 1), TW_FLOAT32) && tw_scalar_fits(tw_complex(1, 0), TW_FLOAT32));
}

/* --- tensors --------------------------------------------------------------------------------------------------------------- */

TEST(geometry) {
    const int64_t sizes[3] = {2, 3, 4};
    tw_tensor *t = tw_empty_new(sizes, 3, TW_FLOAT32, TW_CPU);
    CHECK(t && t->numel == 24 && t->strides[0] == 12 && tw_is_contiguous(t) && tw_non_overlapping_dense(t));
    const int64_t turned[3] = {4, 3, 2}, turned_strides[3] = {1, 4, 12};
    tw_tensor *v = tw_alias_new(t, turned, turned_strides, 3, 0, TW_FLOAT32);
    CHECK(v && !tw_is_contiguous(v) && tw_non_overlapping_dense(v) && !tw_internal_overlap(v));
    tw_bump_version(v);
    CHECK(tw_version_of(t) == 1 && tw_version_of(v) == 1);
    int64_t like[3];
    tw_like_strides(v, like);
    CHECK(memcmp(like, turned_strides, sizeof like) == 0);
    tw_release(t);
    tw_release(v);
}

TEST(views_stay_within_the_storage) {
    const int64_t size = 3, stride = 5;
    tw_tensor *t = tw_empty_new(&size, 1, TW_FLOAT32, TW_CPU);
    CHECK(!tw_alias_new(t, &size, &stride, 1, 0, TW_FLOAT32));
    CHECK_ERROR(TW_RUNTIME_ERROR, "are out of bounds for storage of size 12");
    const int64_t huge = INT64_MAX;
    CHECK(!tw_alias_new(t, &huge, &stride, 1, 0, TW_FLOAT32));
    CHECK(tw_error() == TW_RUNTIME_ERROR);
    tw_clear_error();
    tw_release(t);
}

TEST(bad_sizes) {
    const int64_t negative = -1, huge[3] = {(int64_t)1 << 40, (int64_t)1 << 40, 2};
    CHECK(!tw_empty_new(&negative, 1, TW_FLOAT32, TW_CPU));
    CHECK_ERROR(TW_RUNTIME_ERROR, "Trying to create tensor with negative dimension -1: [-1]");
    CHECK(!tw_empty_new(huge, 3, TW_FLOAT32, TW_CPU));
    CHECK(tw_error() == TW_RUNTIME_ERROR);
    tw_clear_error();
    int64_t dim = 3;
    CHECK(!tw_wrap_dim(&dim, 2));
    CHECK_ERROR(TW_INDEX_ERROR, "Dimension out of range (expected to be in range of [-2, 1], but got 3)");
}

TEST(channels_last) {
    const int64_t sizes[4] = {2, 3, 4, 5};
    int64_t strides[4];
    tw_format_strides(sizes, 4, TW_CHANNELS_LAST, strides);
    tw_tensor *t = tw_empty_strided_new(sizes, strides, 4, TW_FLOAT32, TW_CPU);
    CHECK(strides[1] == 1 && strides[3] == 3 && strides[2] == 15 && strides[0] == 60);
    CHECK(t && tw_is_contiguous_in(t, TW_CHANNELS_LAST) && !tw_is_contiguous(t) && tw_non_overlapping_dense(t));
    tw_release(t);
}

TEST(overlap) {
    const int64_t four = 4, two = 2, one = 1, zero = 0;
    tw_tensor *t = tw_empty_new(&four, 1, TW_FLOAT32, TW_CPU);
    tw_tensor *front = tw_alias_new(t, &two, &one, 1, 0, TW_FLOAT32), *back = tw_alias_new(t, &two, &one, 1, 2, TW_FLOAT32);
    tw_tensor *middle = tw_alias_new(t, &two, &one, 1, 1, TW_FLOAT32), *repeated = tw_alias_new(t, &two, &zero, 1, 0, TW_FLOAT32);
    CHECK(tw_memory_overlap(front, back) == 0 && tw_memory_overlap(front, front) == 1 && tw_memory_overlap(front, middle) == 2);
    CHECK(tw_internal_overlap(repeated) && !tw_internal_overlap(front) && tw_memory_overlap(repeated, front) > 0);
    tw_tensor *all[] = {t, front, back, middle, repeated};
    for (int i = 0; i < 5; i++) tw_release(all[i]);
}

TEST(resize_keeps_values) {
    const int64_t small = 2, large[6] = {1, 2, 1, 3, 1, 2};
    tw_tensor *t = tw_empty_new(&small, 1, TW_INT32, TW_CPU);
    ((int32_t *)tw_data(t))[0] = 7;
    CHECK(tw_resize(t, large, 6) && t->numel == 12 && t->ndim == 6 && tw_is_contiguous(t));
    CHECK(((int32_t *)tw_data(t))[0] == 7 && t->storage->bytes >= 48);
    CHECK(tw_resize(t, &small, 1) && t->numel == 2 && t->ndim == 1);
    tw_release(t);
}

TEST(meta_has_no_data) {
    const int64_t huge = (int64_t)1 << 50;
    tw_tensor *t = tw_empty_new(&huge, 1, TW_FLOAT32, TW_META);
    CHECK(t && !t->storage->data && t->numel == huge);
    tw_release(t);
}

TEST(devices_by_name) {
    CHECK(tw_device_parse("cpu") == TW_CPU && tw_device_parse("meta") == TW_META);
    tw_device cuda = tw_device_parse("cuda:1");
    CHECK(cuda != TW_DEVICE_NONE && strcmp(tw_device_text(cuda), "cuda:1") == 0);
    CHECK(tw_device_parse("nowhere") == TW_DEVICE_NONE);
    CHECK_ERROR(TW_RUNTIME_ERROR, "device type at start of device string: nowhere");
    CHECK(tw_device_parse("cuda:x") == TW_DEVICE_NONE);
    CHECK_ERROR(TW_RUNTIME_ERROR, "Invalid device string: 'cuda:x'");
    CHECK(!tw_empty_new(NULL, 0, TW_FLOAT32, cuda));
    CHECK_ERROR(TW_ASSERTION_ERROR, "Torch not compiled with CUDA enabled");
}

TEST(printing) {
    const int64_t sizes[2] = {2, 3};
    tw_tensor *t = tw_empty_new(sizes, 2, TW_FLOAT64, TW_CPU);
    for (int i = 0; i < 6; i++) ((double *)tw_data(t))[i] = i / 4.0;
    char *text = tw_tensor_text(t, NULL, "tensor", "requires_grad=True");
    CHECK(text && strcmp(text, "tensor([[0.0000, 0.2500, 0.5000],\n        [0.7500, 1.0000, 1.2500]], dtype=torch.float64, "
                               "requires_grad=True)") == 0);
    tw_free(text);
    tw_release(t);
}

/* --- random numbers ---------------------------------------------------------------------------------------------------------- */

TEST(mersenne_twister) {
    tw_generator *g = tw_generator_new(5489); /* the reference implementation's default seed */
    uint32_t first = tw_random32(g), value = first, filled[1000];
    for (int i = 1; i < 10000; i++) value = tw_random32(g);
    CHECK(first == 3499211612u);
    CHECK(value == 4123659995u); /* the ten thousandth, as the C++ standard requires of mt19937 */
    uint8_t state[TW_GENERATOR_STATE_BYTES];
    tw_generator_get_state(g, state);
    tw_random32_fill(g, filled, 1000);
    CHECK(tw_generator_set_state(g, state, sizeof state));
    int equal = 0;
    for (int i = 0; i < 1000; i++) equal += tw_random32(g) == filled[i];
    CHECK(equal == 1000);
    CHECK(!tw_generator_set_state(g, state, 17));
    CHECK(tw_error() != TW_OK);
    tw_clear_error();
    tw_generator_release(g);
}

RUN_TESTS
