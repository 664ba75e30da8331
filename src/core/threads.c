/* Note [Thread pool]
 * One job at a time, cut into chunks, and every thread owns a run of them: one job after another it works on about the same part of the same
 * data, which is in its cache still. A thread takes its own chunks, then what others have not taken. What was taken of a thread's chunks is
 * counted in a line of its own together with the job's number, so taking one's own disturbs nobody, and who comes late cannot run a chunk of a
 * job that is over. The job itself is read like a sequence lock's data: its number before and after. The caller works too, never waits for a
 * thread that has taken nothing, and wakes two sleepers, who wake two each.
 * Whoever finds the pool busy, or is inside a body already, runs serially: no nesting, no queue, no deadlock. After fork the child has no
 * workers and starts its own when it needs them. */
#include "core/threads.h"

#include "core/error.h"
#include "core/refs.h"
#include "core/wait.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MOST_THREADS = 256, SPIN_NS = 30000, WAKES = 2, TAKEN_BITS = 16, MOST_CHUNKS = (1 << TAKEN_BITS) - 1 };

typedef struct job {
    void (*body)(void *context, int64_t begin, int64_t end);
    void *context;
    int64_t n, chunk;
    uint64_t number;
    uint32_t chunks;
    int threads;
} job;

#define LINE _Alignas(128) /* what one thread writes and others read; processors fetch lines in pairs */

static struct pool {
    LINE struct {                  /* the current job; number is 0 while the rest changes */
        _Atomic uint64_t number;
        void (*_Atomic body)(void *context, int64_t begin, int64_t end);
        void *_Atomic context;
        _Atomic int64_t n, chunk;
        _Atomic uint32_t chunks;
        _Atomic int threads;
        _Atomic uint32_t sequence; /* low half of number, which workers sleep on */
    } job;
    LINE _Atomic uint32_t done;    /* finished chunks of the current job */
    atomic_flag told;              /* a worker's error was taken: the first one of the job, which becomes the caller's */
    tw_error_kind error;
    char text[512];
    LINE _Atomic uint32_t asleep;
    LINE struct { LINE _Atomic uint64_t taken; } owner[MOST_THREADS]; /* number of a job, and in the low bits how many of the owner's chunks */
    pthread_mutex_t busy;          /* held by the thread whose job it is */
    uint64_t number;               /* of the last job; this and the next are guarded by busy */
    int workers;                   /* started */
    _Atomic int wanted;            /* threads in all, the caller included; 0: not decided yet */
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .told = ATOMIC_FLAG_INIT};

static _Thread_local bool inside;

static int from_environment(const char *name) {
    const char *text = getenv(name);
    const long n = text ? strtol(text, NULL, 10) : 0;
    return n > 0 && n <= MOST_THREADS ? (int)n : 0;
}

static _Thread_local int my_number; /* of a worker from 1 */

int tw_thread_number(void) { return my_number; }
int tw_threads_here(void) { return inside ? 1 : tw_num_threads(); }

static int processors(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

int tw_num_threads(void) {
    int n = atomic_load_explicit(&pool.wanted, memory_order_relaxed);
    if (n) return n;
    n = from_environment("TALLOW_NUM_THREADS");
    if (!n) n = from_environment("OMP_NUM_THREADS");
    if (!n) n = processors();
    if (n > MOST_THREADS) n = MOST_THREADS;
    atomic_store(&pool.wanted, n);
    return n;
}

bool tw_set_num_threads(int n) {
    if (n <= 0) return tw_fail(TW_RUNTIME_ERROR, "set_num_threads expects a positive integer");
    atomic_store(&pool.wanted, n < MOST_THREADS ? n : MOST_THREADS);
    return true;
}

static uint32_t first_of(const job *j, int thread) { return (uint32_t)((uint64_t)j->chunks * (uint64_t)thread / (uint64_t)j->threads); }

/* Takes one of a thread's chunks; false if none is left, or the job is over. */
static bool take(const job *j, int thread, uint32_t *chunk) {
    const uint32_t first = first_of(j, thread), count = first_of(j, thread + 1) - first;
    _Atomic uint64_t *word = &pool.owner[thread].taken;
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
    for (;;) {
        const uint64_t number = seen >> TAKEN_BITS;
        const uint32_t taken = number == j->number ? (uint32_t)(seen & ((1u << TAKEN_BITS) - 1)) : 0;
        if (number > j->number || taken >= count) return false;
        if (!atomic_compare_exchange_weak_explicit(word, &seen, j->number << TAKEN_BITS | (taken + 1), memory_order_acq_rel,
                                                   memory_order_relaxed)) continue;
        *chunk = first + taken;
        return true;
    }
}

/* A worker's error, which nobody would see there. */
static void hand_over_error(void) {
    if (!atomic_flag_test_and_set(&pool.told)) {
        pool.error = tw_error();
        snprintf(pool.text, sizeof pool.text, "%s", tw_error_message());
    }
    tw_clear_error();
}

/* Runs a thread's own chunks, then those that others have not taken. */
static void work(const job *j, int me) {
    for (int i = 0; i < j->threads; i++) {
        const int owner = me + i < j->threads ? me + i : me + i - j->threads;
        uint32_t chunk, finished = 0;
        for (; take(j, owner, &chunk); finished++) {
            const int64_t begin = (int64_t)chunk * j->chunk, end = j->n - begin < j->chunk ? j->n : begin + j->chunk;
            j->body(j->context, begin, end);
        }
        if (me != 0 && finished && tw_failed()) hand_over_error();
        if (finished) atomic_fetch_add_explicit(&pool.done, finished, memory_order_release);
    }
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void wake_some(void) {
    if (atomic_load(&pool.asleep)) tw_wake(&pool.job.sequence, WAKES);
}

/* Waits for the next job: spins shortly, as jobs tend to come in rows, then sleeps. */
static uint32_t next_sequence(uint32_t seen) {
    const int64_t until = now_ns() + SPIN_NS;
    for (unsigned i = 0;; i++) {
        const uint32_t sequence = atomic_load_explicit(&pool.job.sequence, memory_order_acquire);
        if (sequence != seen) return sequence;
        tw_relax();
        if ((i & 63) == 63 && now_ns() > until) break;
    }
    atomic_fetch_add(&pool.asleep, 1);
    uint32_t sequence;
    while ((sequence = atomic_load(&pool.job.sequence)) == seen) tw_wait(&pool.job.sequence, seen);
    atomic_fetch_sub(&pool.asleep, 1);
    wake_some();
    return sequence;
}

/* Copies the current job; false while it changes: then the next number is about to come. */
static bool read_job(job *j) {
    j->number = atomic_load_explicit(&pool.job.number, memory_order_acquire);
    j->body = atomic_load_explicit(&pool.job.body, memory_order_relaxed);
    j->context = atomic_load_explicit(&pool.job.context, memory_order_relaxed);
    j->n = atomic_load_explicit(&pool.job.n, memory_order_relaxed);
    j->chunk = atomic_load_explicit(&pool.job.chunk, memory_order_relaxed);
    j->chunks = atomic_load_explicit(&pool.job.chunks, memory_order_relaxed);
    j->threads = atomic_load_explicit(&pool.job.threads, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return j->number && atomic_load_explicit(&pool.job.number, memory_order_relaxed) == j->number;
}

static void *worker(void *index) {
    const int me = (int)(intptr_t)index + 1; /* the caller is thread 0 */
    my_number = me;
    uint32_t seen = 0;
    job mine;
    inside = true;
    for (;;) {
        seen = next_sequence(seen);
        if (read_job(&mine) && me < mine.threads) work(&mine, me);
    }
    return NULL;
}

static void child_after_fork(void) {
    pthread_mutex_init(&pool.busy, NULL);
    pool.workers = 0;
    atomic_store(&pool.asleep, 0);
    inside = false;
}

static void prepare_fork(void) { pthread_mutex_lock(&pool.busy); }
static void parent_after_fork(void) { pthread_mutex_unlock(&pool.busy); }

/* Starts missing workers; fewer than wanted is fine, as the caller always works. Called with `busy` held. */
static void start_workers(int wanted) {
    static bool registered;
    if (!registered) registered = pthread_atfork(prepare_fork, parent_after_fork, child_after_fork) == 0;
    while (registered && pool.workers < wanted) {
        pthread_t thread;
        pthread_attr_t attributes;
        if (pthread_attr_init(&attributes)) return;
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        const int result = pthread_create(&thread, &attributes, worker, (void *)(intptr_t)pool.workers);
        pthread_attr_destroy(&attributes);
        if (result) return;
        pool.workers++;
    }
}

static void publish(const job *j) {
    atomic_store_explicit(&pool.job.number, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* whoever sees a part of the new job sees that the number is gone */
    atomic_store_explicit(&pool.job.body, j->body, memory_order_relaxed);
    atomic_store_explicit(&pool.job.context, j->context, memory_order_relaxed);
    atomic_store_explicit(&pool.job.n, j->n, memory_order_relaxed);
    atomic_store_explicit(&pool.job.chunk, j->chunk, memory_order_relaxed);
    atomic_store_explicit(&pool.job.chunks, j->chunks, memory_order_relaxed);
    atomic_store_explicit(&pool.job.threads, j->threads, memory_order_relaxed);
    atomic_store_explicit(&pool.done, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.job.number, j->number, memory_order_release);
    atomic_store(&pool.job.sequence, (uint32_t)j->number);
}

static void run_on_pool(job *j) {
    start_workers(j->threads - 1);
    tw_share(); /* Note [Counts without atomics] */
    if ((uint32_t)++pool.number == 0) pool.number++; /* a low half of 0 is what a new worker has seen */
    j->number = pool.number;
    publish(j);
    wake_some();
    inside = true;
    work(j, 0);
    inside = false;
    for (unsigned i = 0; atomic_load_explicit(&pool.done, memory_order_acquire) != j->chunks; i++) {
        if (i < 4096) tw_relax();
        else sched_yield(); /* a worker that holds a chunk was put off its processor */
    }
    if (pool.error != TW_OK) {
        tw_fail(pool.error, "%s", pool.text);
        pool.error = TW_OK;
        atomic_flag_clear(&pool.told);
    }
    tw_unshare();
}

static void run(int64_t n, int64_t grain, int64_t most_chunks, void (*body)(void *context, int64_t begin, int64_t end), void *context) {
    const int threads = n > grain && !inside ? tw_num_threads() : 1;
    if (threads == 1 || pthread_mutex_trylock(&pool.busy)) {
        body(context, 0, n);
        return;
    }
    const int64_t grains = (n + grain - 1) / grain, most = most_chunks ? most_chunks : 4 * threads, per_chunk = (grains + most - 1) / most;
    const int64_t chunks = (grains + per_chunk - 1) / per_chunk;
    job j = {body, context, n, per_chunk * grain, 0, (uint32_t)chunks, chunks < threads ? (int)chunks : threads};
    run_on_pool(&j);
    pthread_mutex_unlock(&pool.busy);
}

/* About four chunks a thread: enough to even out, few enough to claim. Whole grains, so that bodies may count on them. */
void tw_parallel(int64_t n, int64_t grain, void (*body)(void *context, int64_t begin, int64_t end), void *context) {
    if (n > 0) run(n, grain < 1 ? 1 : grain, 0, body, context);
}

void tw_parallel_each(int64_t n, void (*body)(void *context, int64_t begin, int64_t end), void *context) {
    if (n > 0) run(n, 1, MOST_CHUNKS, body, context);
}

typedef struct attempt {
    bool (*body)(void *context, int64_t begin, int64_t end);
    void *context;
    _Atomic bool failed;
} attempt;

static void try_body(void *context, int64_t begin, int64_t end) {
    attempt *a = context;
    if (!atomic_load_explicit(&a->failed, memory_order_relaxed) && !a->body(a->context, begin, end)) atomic_store(&a->failed, true);
}

bool tw_try_parallel(int64_t n, int64_t grain, bool (*body)(void *context, int64_t begin, int64_t end), void *context) {
    attempt a = {.body = body, .context = context};
    tw_parallel(n, grain, try_body, &a);
    return !a.failed;
}
