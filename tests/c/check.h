/* Tests in C: TEST(name) { CHECK(condition); } registers itself; each file is a program, and RUN_TESTS its main. A test that leaves an
 * error pending, or tensors, structs or blocks behind, fails. */
#ifndef TW_TESTS_CHECK_H
#define TW_TESTS_CHECK_H
#include "core/error.h"
#include "core/memory.h"
#include <stdio.h>
#include <string.h>

typedef struct check_test { const char *name; void (*run)(void); struct check_test *next; } check_test;
static check_test *check_first, **check_last = &check_first;
static int check_failures; /* of the running test */

#define TEST(name) \
    static void test_##name(void); \
    __attribute__((constructor)) static void register_##name(void) { \
        static check_test test = {#name, test_##name, NULL}; \
        *check_last = &test; \
        check_last = &test.next; \
    } \
    static void test_##name(void)

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            check_failures++; \
            fprintf(stderr, "%s:%d: not true: %s (error: \"%s\")\n", __FILE__, __LINE__, #condition, tw_error_message()); \
        } \
    } while (0)

/* The pending error is of this kind and its text contains `text`; it is cleared. */
#define CHECK_ERROR(wanted, text) \
    do { \
        if (tw_error() != (wanted) || !strstr(tw_error_message(), text)) { \
            check_failures++; \
            fprintf(stderr, "%s:%d: wanted error %d \"%s\", got %d \"%s\"\n", __FILE__, __LINE__, (int)(wanted), text, (int)tw_error(), \
                    tw_error_message()); \
        } \
        tw_clear_error(); \
    } while (0)

static bool check_run(const check_test *test) {
    tw_memory_stats before, after;
    tw_memory_read(&before);
    check_failures = 0;
    test->run();
    tw_memory_fail_at(0);
    if (tw_error() != TW_OK) {
        check_failures++;
        fprintf(stderr, "%s: leaves an error: %s\n", test->name, tw_error_message());
        tw_clear_error();
    }
    tw_memory_read(&after);
    if (before.structs != after.structs || before.blocks != after.blocks || before.block_bytes != after.block_bytes) {
        check_failures++;
        fprintf(stderr, "%s: leaves %lld structs and %lld blocks behind\n", test->name, (long long)(after.structs - before.structs),
                (long long)(after.blocks - before.blocks));
    }
    return check_failures == 0;
}

#define RUN_TESTS \
    int main(void) { \
        int passed = 0, failed = 0; \
        for (check_test *t = check_first; t; t = t->next) { \
            if (check_run(t)) passed++; \
            else failed++, fprintf(stderr, "FAILED %s\n", t->name); \
        } \
        printf("%d passed, %d failed\n", passed, failed); \
        return failed != 0; \
    }
#endif
