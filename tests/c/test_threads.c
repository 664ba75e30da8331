/* The pool: every element once, nesting, two callers, a forked child, bodies that fail. */
#include "check.h"
#include "core/error.h"
#include "core/threads.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 100000 };

static void count_each(void *counts, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) atomic_fetch_add_explicit((atomic_uchar *)counts + i, 1, memory_order_relaxed);
}

static bool covers(int64_t n, int64_t grain) {
    atomic_uchar *counts = calloc((size_t)n + 1, 1);
    tw_parallel(n, grain, count_each, counts);
    bool once = counts[n] == 0;
    for (int64_t i = 0; i < n; i++) once = once && counts[i] == 1;
    free(counts);
    return once;
}

TEST(each_element_once) {
    const int64_t sizes[] = {0, 1, 2, 7, 63, 64, 65, 1000, N}, grains[] = {1, 3, 64, 1000, N, 2 * N};
    for (int threads = 1; threads <= 8; threads *= 2) {
        CHECK(tw_set_num_threads(threads) && tw_num_threads() == threads);
        for (int i = 0; i < 9; i++)
            for (int j = 0; j < 6; j++) CHECK(covers(sizes[i], grains[j]));
    }
    for (int i = 0; i < 2000; i++) CHECK(covers(64, 1));
}

typedef struct aligned_check { int64_t n, grain; atomic_int wrong; } aligned_check;
static void check_range(void *context, int64_t begin, int64_t end) {
    aligned_check *c = context;
    if (begin % c->grain || (end % c->grain && end != c->n) || begin >= end) c->wrong++;
}

TEST(ranges_are_multiples_of_the_grain) {
    aligned_check c = {.n = 100003, .grain = 17};
    CHECK(tw_set_num_threads(4));
    tw_parallel(c.n, c.grain, check_range, &c);
    CHECK(c.wrong == 0);
}

static void nested(void *counts, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) tw_parallel(100, 1, count_each, (atomic_uchar *)counts + 100 * i);
}

TEST(nesting_is_serial) {
    static atomic_uchar counts[100 * 100];
    CHECK(tw_set_num_threads(4));
    tw_parallel(100, 1, nested, counts);
    int once = 0;
    for (int i = 0; i < 100 * 100; i++) once += counts[i] == 1;
    CHECK(once == 100 * 100);
}

static void *work_in_thread(void *ok) {
    bool all = true;
    for (int i = 0; i < 300; i++) all = all && covers(1000, 10);
    *(bool *)ok = all;
    return NULL;
}

TEST(two_callers) {
    pthread_t threads[3];
    bool ok[4] = {false};
    CHECK(tw_set_num_threads(3));
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, work_in_thread, &ok[i]) == 0);
    work_in_thread(&ok[3]);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK(ok[0] && ok[1] && ok[2] && ok[3]);
}

/* 0 if the child did its work within some seconds. */
static int fork_and_work(void) {
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(covers(N, 10) && covers(64, 1) ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

/* qemu-user cannot start threads in a forked child: it aborts. */
static bool emulated(void) { return getenv("QEMU_LD_PREFIX") != NULL; }

TEST(a_forked_child_works) {
    if (emulated()) return;
    CHECK(tw_set_num_threads(4));
    CHECK(covers(N, 10));
    for (int i = 0; i < 5; i++) CHECK(fork_and_work() == 0);
    CHECK(covers(N, 10));
}

TEST(fork_while_another_thread_works) {
    pthread_t thread;
    bool ok = false;
    if (emulated()) return;
    CHECK(tw_set_num_threads(4));
    CHECK(pthread_create(&thread, NULL, work_in_thread, &ok) == 0);
    for (int i = 0; i < 10; i++) CHECK(fork_and_work() == 0);
    pthread_join(thread, NULL);
    CHECK(ok);
}

typedef struct failing { int64_t from; atomic_int ran; } failing;
static bool fail_from(void *context, int64_t begin, int64_t end) {
    failing *f = context;
    f->ran++;
    return end <= f->from || tw_fail(TW_VALUE_ERROR, "range %s", begin >= f->from ? "beyond" : "across");
}

TEST(a_failed_body_fails_the_caller) {
    for (int threads = 1; threads <= 8; threads *= 2) {
        failing none = {.from = 64}, all = {.from = 0};
        CHECK(tw_set_num_threads(threads));
        CHECK(tw_try_parallel(64, 1, fail_from, &none) && none.ran >= 1);
        for (int i = 0; i < 200; i++) {
            failing some = {.from = 63};
            CHECK(!tw_try_parallel(64, 1, fail_from, &some));
            CHECK_ERROR(TW_VALUE_ERROR, threads == 1 ? "range across" : "range ");
            CHECK(covers(64, 1)); /* and no thread has kept an error */
        }
        CHECK(!tw_try_parallel(1, 1, fail_from, &all) && all.ran == 1);
        CHECK_ERROR(TW_VALUE_ERROR, "range beyond");
        CHECK(tw_try_parallel(0, 1, fail_from, &all) && all.ran == 1);
    }
}

/* Only workers fail; the caller leaves them some of the work. */
static void fail_in_workers(void *failed, int64_t begin, int64_t end) {
    if (tw_thread_number() == 0) usleep(100);
    else if (end > begin) atomic_fetch_add((atomic_int *)failed, 1), tw_fail(TW_TYPE_ERROR, "in a worker");
}

TEST(an_error_of_a_worker_is_the_callers) {
    int jobs = 0;
    CHECK(tw_set_num_threads(4));
    for (int i = 0; i < 100; i++) {
        atomic_int failed = 0;
        tw_parallel(64, 1, fail_in_workers, &failed);
        jobs += failed > 0;
        if (failed) CHECK_ERROR(TW_TYPE_ERROR, "in a worker");
        CHECK(covers(64, 1) && tw_error() == TW_OK); /* none was kept for the next job */
    }
    CHECK(jobs > 0);
}

TEST(bad_counts) {
    CHECK(!tw_set_num_threads(0));
    CHECK_ERROR(TW_RUNTIME_ERROR, "expects a positive integer");
}

RUN_TESTS
