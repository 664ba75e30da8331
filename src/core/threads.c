/* Note [Thread pool]
 * One job at a time. The caller publishes it under a new sequence number and works on it itself; workers that are awake claim chunks
 * until none is left. A claim is one compare-and-swap on (sequence, chunks taken from the end, chunks taken from the front), so a worker that
 * comes late can never run a chunk of a job that is over. The caller and every other worker take from the front, the others from the end: one
 * job after another, a thread gets about the same part of the same data, which is in its cache still. The caller waits only for chunks that
 * somebody has claimed. Whoever finds the pool busy, or is inside a body
 * already, runs serially: no nesting, no queue, no deadlock. After fork the child has no workers and starts its own when it needs them. */
#include "core/threads.h"

#include "core/error.h"
#include "core/refs.h"
#include "core/wait.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MOST_THREADS = 256, SPIN_NS = 30000 };

typedef struct job {
    void (*body)(void *context, int64_t begin, int64_t end);
    void *context;
    int64_t n, chunk;
    uint32_t chunks;
} job;

static struct pool {
    pthread_mutex_t busy;        /* held by the thread whose job it is */
    job current;
    _Atomic uint64_t claim;      /* high half: sequence number; then 16 bits each: chunks taken from the end, from the front */
    _Atomic uint32_t sequence;   /* what workers sleep on */
    _Atomic uint32_t done;       /* finished chunks of the current job */
    _Atomic uint32_t readers;    /* workers that may be reading `current` */
    _Atomic uint32_t asleep;
    int workers;                 /* started; guarded by busy */
    _Atomic int wanted;          /* threads in all, the caller included; 0: not decided yet */
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool inside;

static int from_environment(const char *name) {
    const char *text = getenv(name);
    const long n = text ? strtol(text, NULL, 10) : 0;
    return n > 0 && n <= MOST_THREADS ? (int)n : 0;
}

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

/* Runs chunks of job number `sequence` until none is left to claim. */
static void work(uint32_t sequence, const job *j, bool from_end) {
    uint64_t claim = atomic_load_explicit(&pool.claim, memory_order_acquire);
    while ((uint32_t)(claim >> 32) == sequence) {
        const uint32_t front = claim & 0xffff, end_taken = claim >> 16 & 0xffff;
        if (front + end_taken >= j->chunks) break;
        const uint64_t next = claim + (from_end ? 1u << 16 : 1u);
        if (!atomic_compare_exchange_weak_explicit(&pool.claim, &claim, next, memory_order_acq_rel, memory_order_acquire)) continue;
        const int64_t begin = (int64_t)(from_end ? j->chunks - 1 - end_taken : front) * j->chunk;
        const int64_t end = begin + j->chunk < j->n ? begin + j->chunk : j->n;
        j->body(j->context, begin, end);
        atomic_fetch_add_explicit(&pool.done, 1, memory_order_release);
        claim = atomic_load_explicit(&pool.claim, memory_order_acquire);
    }
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Waits for the next job: spins shortly, as jobs tend to come in rows, then sleeps. */
static uint32_t next_sequence(uint32_t seen) {
    const int64_t until = now_ns() + SPIN_NS;
    for (unsigned i = 0;; i++) {
        const uint32_t sequence = atomic_load_explicit(&pool.sequence, memory_order_acquire);
        if (sequence != seen) return sequence;
        tw_relax();
        if ((i & 63) == 63 && now_ns() > until) break;
    }
    atomic_fetch_add(&pool.asleep, 1);
    uint32_t sequence;
    while ((sequence = atomic_load(&pool.sequence)) == seen) tw_wait(&pool.sequence, seen);
    atomic_fetch_sub(&pool.asleep, 1);
    return sequence;
}

static void *worker(void *number) {
    const int me = (int)(intptr_t)number;
    uint32_t seen = 0;
    inside = true;
    for (;;) {
        seen = next_sequence(seen);
        if (me >= tw_num_threads() - 1) continue; /* set_num_threads made the pool smaller */
        /* The caller changes `current` only when the claim word shows its number and no reader is left. */
        atomic_fetch_add(&pool.readers, 1);
        if (atomic_load(&pool.sequence) == seen && (uint32_t)(atomic_load(&pool.claim) >> 32) == seen) {
            const job mine = pool.current;
            work(seen, &mine, me % 2 == 0);
        }
        atomic_fetch_sub(&pool.readers, 1);
    }
    return NULL;
}

static void child_after_fork(void) {
    pthread_mutex_init(&pool.busy, NULL);
    pool.workers = 0;
    atomic_store(&pool.asleep, 0);
    atomic_store(&pool.readers, 0);
    atomic_store(&pool.sequence, 0);
    atomic_store(&pool.claim, 0);
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

static void run_on_pool(int threads, const job *j) {
    start_workers(threads - 1);
    tw_share(); /* Note [Counts without atomics] */
    uint32_t sequence = atomic_load(&pool.sequence) + 1;
    if (sequence == 0) sequence = 1; /* 0 is what a new worker has seen */
    atomic_store(&pool.claim, (uint64_t)sequence << 32 | UINT32_MAX); /* nothing to claim: from now on nobody starts to read */
    while (atomic_load(&pool.readers)) tw_relax(); /* late workers of the job before: they only look */
    pool.current = *j;
    atomic_store(&pool.done, 0);
    atomic_store(&pool.claim, (uint64_t)sequence << 32);
    atomic_store(&pool.sequence, sequence);
    if (atomic_load(&pool.asleep)) tw_wake_all(&pool.sequence);
    inside = true;
    work(sequence, j, false);
    inside = false;
    for (unsigned i = 0; atomic_load_explicit(&pool.done, memory_order_acquire) != j->chunks; i++) {
        if (i < 4096) tw_relax();
        else sched_yield(); /* a worker that holds a chunk was put off its processor */
    }
    tw_unshare();
}

void tw_parallel(int64_t n, int64_t grain, void (*body)(void *context, int64_t begin, int64_t end), void *context) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    const int threads = n > grain && !inside ? tw_num_threads() : 1;
    if (threads == 1 || pthread_mutex_trylock(&pool.busy)) {
        body(context, 0, n);
        return;
    }
    /* About four chunks a thread: enough to even out, few enough to claim. Whole grains, so that bodies may count on them. */
    const int64_t grains = (n + grain - 1) / grain;
    const int64_t per_chunk = (grains + 4 * threads - 1) / (4 * threads);
    job j = {body, context, n, per_chunk * grain, 0};
    j.chunks = (uint32_t)((grains + per_chunk - 1) / per_chunk);
    run_on_pool(threads, &j);
    pthread_mutex_unlock(&pool.busy);
}
