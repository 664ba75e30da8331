/* Memory.
 *
 * Note [Size classes]: a block's class grows by a quarter of a power of two, so at most a fifth of it is unused. Classes up to
 * 64 KB are kept per thread, without locks; what overflows there and larger ones are kept centrally, under a mutex.
 * A free block holds the pointer to the next one in its first word. Blocks of ARENA_BYTES and more have no classes: they are cut from
 * stretches in whole steps (core/arena.h).
 *
 * Note [Live counts]: each thread counts what it takes and gives; the sum over threads is what is alive. Bytes reach the shared
 * total in steps of FLUSH_BYTES, so the peak is exact to that much per thread. */
#include "core/memory.h"
#include "core/arena.h"
#include "core/debug.h"
#include "core/error.h"
#include "core/tls.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ARENA_BYTES = 128 << 10,
    CLASSES = 40,                /* below ARENA_BYTES */
    LOCAL_CLASSES = 36,          /* classes kept per thread: up to 64 KB, see class_of */
    LOCAL_BLOCKS = 32,           /* kept per thread and class */
    SMALL_STEP = 32, SMALL_CLASSES = 16, SMALL_KEPT = 64,
    FLUSH_BYTES = 64 * 1024,
};
static const size_t LOCAL_BUDGET = 2u << 20; /* bytes kept per thread */
static const size_t MAX_BYTES = (size_t)1 << 46;

typedef struct free_block { struct free_block *next; } free_block;
typedef struct bin { free_block *first; int count; } bin;

typedef struct thread_cache {
    bin small[SMALL_CLASSES];
    bin blocks[LOCAL_CLASSES];
    size_t kept;                               /* bytes in `blocks` */
    _Atomic int64_t structs, nblocks, bytes, made;  /* written by this thread alone */
    struct thread_cache *next, **link;         /* of all threads */
} thread_cache;

static _Thread_local TW_FAST_TLS thread_cache *mine;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static thread_cache *threads;
static free_block *central[CLASSES];
static size_t cached_bytes, cache_limit;
static _Atomic int64_t past_structs, past_blocks, past_made; /* of threads that have ended */
static _Atomic int64_t total_bytes, peak_bytes;
static _Atomic int64_t fail_at;
static bool caching = true;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
static void after_fork_in_child(void) { pthread_mutex_init(&lock, NULL); }
static void thread_ended(void *cache);

static void initialise(void) {
    const char *megabytes = getenv("TALLOW_CACHE");
    const long most = megabytes ? strtol(megabytes, NULL, 10) : -1;
    caching = !(megabytes && strcmp(megabytes, "0") == 0);
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    cache_limit = pages > 0 && page > 0 ? (size_t)pages / 8 * (size_t)page : (size_t)256 << 20;
    if (most > 0 && (size_t)most < cache_limit >> 20) cache_limit = (size_t)most << 20;
    pthread_key_create(&key, thread_ended);
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

bool tw_memory_caching(void) {
    pthread_once(&once, initialise);
    return caching;
}

static __attribute__((noinline)) thread_cache *new_thread_cache(void) {
    pthread_once(&once, initialise);
    thread_cache *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    pthread_mutex_lock(&lock);
    c->next = threads;
    c->link = &threads;
    if (threads) threads->link = &c->next;
    threads = c;
    pthread_mutex_unlock(&lock);
    pthread_setspecific(key, c);
    return mine = c;
}

static inline thread_cache *this_thread(void) {
    thread_cache *c = mine;
    return __builtin_expect(c != NULL, 1) ? c : new_thread_cache();
}

/* A counter that one thread writes and others may read. */
static inline void count(_Atomic int64_t *counter, int64_t by) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

static inline int64_t read_count(_Atomic int64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

/* Whether this allocation is the one that is to fail. */
static inline bool fails_now(void) {
    if (__builtin_expect(read_count(&fail_at) == 0, 1)) return false;
    int64_t left = atomic_load(&fail_at);
    while (left > 0)
        if (atomic_compare_exchange_weak(&fail_at, &left, left - 1)) return left == 1;
    return false;
}

void tw_memory_fail_at(int64_t n) { atomic_store(&fail_at, n); }

/* --- small structs ------------------------------------------------------------------------------------------- */

static inline void count_struct(int64_t by) {
    thread_cache *c = this_thread();
    if (!c) {
        atomic_fetch_add(&past_structs, by);
        if (by > 0) atomic_fetch_add(&past_made, by);
        return;
    }
    count(&c->structs, by);
    if (by > 0) count(&c->made, by);
}

void *tw_malloc(size_t bytes) {
    void *p = fails_now() ? NULL : malloc(bytes ? bytes : 1);
    if (!p) return tw_fail_memory(bytes), NULL;
    count_struct(1);
    return p;
}

void *tw_calloc(size_t n, size_t bytes) {
    void *p = fails_now() ? NULL : calloc(n ? n : 1, bytes ? bytes : 1);
    if (!p) return tw_fail_memory(n * bytes), NULL;
    count_struct(1);
    return p;
}

void *tw_realloc(void *old, size_t bytes) {
    if (!old) return tw_malloc(bytes);
    void *p = fails_now() ? NULL : realloc(old, bytes ? bytes : 1);
    if (!p) return tw_fail_memory(bytes), NULL;
    return p;
}

char *tw_strdup(const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = tw_malloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

void tw_free(void *p) {
    if (!p) return;
    free(p);
    count_struct(-1);
}

void *tw_small_alloc(size_t bytes) {
    size_t class = (bytes - 1) / SMALL_STEP;
    thread_cache *c = this_thread();
    if (__builtin_expect(!c || fails_now(), 0)) return tw_fail_memory(bytes), NULL;
    void *p;
    if (class < SMALL_CLASSES && c->small[class].first) {
        p = c->small[class].first;
        c->small[class].first = c->small[class].first->next;
        c->small[class].count--;
    } else {
        p = malloc((class + 1) * SMALL_STEP);
        if (!p) return tw_fail_memory(bytes), NULL;
    }
    count(&c->structs, 1);
    count(&c->made, 1);
    return p;
}

void tw_small_free(void *p, size_t bytes) {
    if (!p) return;
    size_t class = (bytes - 1) / SMALL_STEP;
    thread_cache *c = this_thread();
    if (!c) {
        free(p);
        atomic_fetch_sub(&past_structs, 1);
        return;
    }
    count(&c->structs, -1);
    if (class < SMALL_CLASSES && c->small[class].count < SMALL_KEPT && caching) {
        free_block *b = p;
        b->next = c->small[class].first;
        c->small[class].first = b;
        c->small[class].count++;
    } else {
        free(p);
    }
}

/* --- blocks ---------------------------------------------------------------------------------------------------- */

/* See Note [Size classes]. Units of 64 bytes: 1 2 3 4 | 5 6 7 8 | 10 12 14 16 | 20 ... */
static inline int class_of(size_t bytes) {
    size_t above = (bytes - 1) / 64;
    if (above < 4) return (int)above;
    int log = 63 - __builtin_clzll((unsigned long long)above);
    return 4 + (log - 2) * 4 + (int)(above >> (log - 2)) - 4;
}

static inline size_t class_bytes(int class) {
    if (class < 4) return (size_t)(class + 1) * 64;
    int step = (class - 4) / 4;
    return (size_t)((class - 4) % 4 + 5) << step << 6;
}

/* What a block takes of the system. */
static inline size_t whole(size_t bytes) {
    return bytes < ARENA_BYTES ? class_bytes(class_of(bytes)) : (bytes + TW_ARENA_STEP - 1) & ~(size_t)(TW_ARENA_STEP - 1);
}

/* Without a cache every block is one of malloc's, unless it is worth huge pages: tools that watch malloc see them all. */
static inline bool mapped(size_t bytes) { return caching ? bytes >= ARENA_BYTES : bytes >= TW_HUGE_PAGE; }

static void *system_alloc(size_t bytes) {
    if (!mapped(bytes)) return aligned_alloc(64, whole(bytes));
    const size_t block = whole(bytes);
    if (!caching || block > TW_ARENA_REGION / 2) return tw_arena_map(block);
    char *region = tw_arena_map(TW_ARENA_REGION);
    if (!region) return NULL;
    pthread_mutex_lock(&lock);
    tw_arena_region(region);
    char *start = tw_arena_fresh(block);
    pthread_mutex_unlock(&lock);
    return start;
}

static void system_free(void *block, size_t bytes) {
    if (mapped(bytes)) tw_arena_unmap(block, whole(bytes));
    else free(block);
}

/* Gives every central block back. Call with the lock held. */
static void empty_central(void) {
    for (int class = 0; class < CLASSES; class++)
        while (central[class]) {
            free_block *b = central[class];
            central[class] = b->next;
            free(b);
        }
    cached_bytes = tw_arena_empty();
}

static void *central_take(size_t bytes) {
    pthread_mutex_lock(&lock);
    void *block, *new = NULL;
    if (mapped(bytes)) {
        block = tw_arena_take(whole(bytes));
        if (!block) new = tw_arena_fresh(whole(bytes));
    } else {
        free_block *b = central[class_of(bytes)];
        if (b) central[class_of(bytes)] = b->next;
        block = b;
    }
    if (block) cached_bytes -= whole(bytes);
    pthread_mutex_unlock(&lock);
    return block ? block : new;
}

static void central_give(void *block, size_t bytes) {
    const size_t size = whole(bytes);
    pthread_mutex_lock(&lock);
    if (cached_bytes + size > cache_limit) empty_central();
    bool keep = size <= cache_limit;
    if (keep && mapped(bytes)) {
        keep = tw_arena_give(block, size);
    } else if (keep) {
        free_block *b = block;
        b->next = central[class_of(bytes)];
        central[class_of(bytes)] = b;
    }
    if (keep) cached_bytes += size;
    pthread_mutex_unlock(&lock);
    if (!keep) system_free(block, bytes);
}

static void local_empty(thread_cache *c) {
    for (int class = 0; class < LOCAL_CLASSES; class++)
        while (c->blocks[class].first) {
            free_block *b = c->blocks[class].first;
            c->blocks[class].first = b->next;
            free(b);
        }
    memset(c->blocks, 0, sizeof c->blocks);
    c->kept = 0;
    for (int class = 0; class < SMALL_CLASSES; class++)
        while (c->small[class].first) {
            free_block *b = c->small[class].first;
            c->small[class].first = b->next;
            free(b);
        }
    memset(c->small, 0, sizeof c->small);
}

static void flush_bytes(thread_cache *c) {
    int64_t bytes = read_count(&c->bytes);
    atomic_store_explicit(&c->bytes, 0, memory_order_relaxed);
    int64_t now = atomic_fetch_add(&total_bytes, bytes) + bytes, peak = atomic_load(&peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, now)) { }
}

static inline void count_block(thread_cache *c, int64_t by, int64_t bytes) {
    count(&c->nblocks, by);
    count(&c->bytes, bytes);
    int64_t pending = read_count(&c->bytes);
    if (pending > FLUSH_BYTES || pending < -FLUSH_BYTES) flush_bytes(c);
}

static void thread_ended(void *cache) {
    thread_cache *c = cache;
    local_empty(c);
    flush_bytes(c);
    pthread_mutex_lock(&lock);
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    atomic_fetch_add(&past_structs, read_count(&c->structs));
    atomic_fetch_add(&past_blocks, read_count(&c->nblocks));
    atomic_fetch_add(&past_made, read_count(&c->made));
    pthread_mutex_unlock(&lock);
    if (mine == c) mine = NULL;
    free(c);
}

/* From the central cache or the system; when the system has none left, once more after the caches are emptied. */
static __attribute__((noinline)) void *slow_alloc(size_t bytes) {
    void *block = caching ? central_take(bytes) : NULL;
    if (!block) block = system_alloc(bytes);
    if (!block) {
        tw_memory_empty_cache();
        block = system_alloc(bytes);
    }
    return block;
}

void *tw_block_alloc(size_t bytes) {
    if (bytes == 0) return NULL;
    thread_cache *c = this_thread();
    if (__builtin_expect(!c || bytes > MAX_BYTES || fails_now(), 0)) return tw_fail_memory(bytes), NULL;
    int class = class_of(bytes);
    void *block;
    if (class < LOCAL_CLASSES && c->blocks[class].first) {
        bin *b = &c->blocks[class];
        block = b->first;
        b->first = b->first->next;
        b->count--;
        c->kept -= class_bytes(class);
    } else {
        block = slow_alloc(bytes);
        if (!block) return tw_fail_memory(bytes), NULL;
    }
    count_block(c, 1, (int64_t)bytes);
    count(&c->made, 1);
    if (tw_debugs(4)) tw_debug("block of %zu bytes", bytes);
    return block;
}

void tw_block_free(void *block, size_t bytes) {
    if (!block) return;
    thread_cache *c = this_thread();
    int class = class_of(bytes);
    if (!c) {
        atomic_fetch_sub(&past_blocks, 1);
        atomic_fetch_sub(&total_bytes, (int64_t)bytes);
        system_free(block, bytes);
        return;
    }
    count_block(c, -1, -(int64_t)bytes);
    if (!caching) {
        system_free(block, bytes);
    } else if (class < LOCAL_CLASSES && c->blocks[class].count < LOCAL_BLOCKS && c->kept < LOCAL_BUDGET) {
        free_block *b = block;
        b->next = c->blocks[class].first;
        c->blocks[class].first = b;
        c->blocks[class].count++;
        c->kept += class_bytes(class);
    } else {
        central_give(block, bytes);
    }
}

/* Empties the central cache and this thread's; other threads keep their (small) own. */
void tw_memory_empty_cache(void) {
    pthread_mutex_lock(&lock);
    empty_central();
    pthread_mutex_unlock(&lock);
    if (mine) local_empty(mine);
}

void tw_memory_read(tw_memory_stats *into) {
    thread_cache *own = this_thread();
    if (own) flush_bytes(own);
    pthread_mutex_lock(&lock);
    *into = (tw_memory_stats){
        .structs = read_count(&past_structs), .blocks = read_count(&past_blocks), .allocations = read_count(&past_made),
        .block_bytes = read_count(&total_bytes), .peak_bytes = read_count(&peak_bytes), .cached_bytes = (int64_t)cached_bytes};
    for (thread_cache *c = threads; c; c = c->next) {
        into->structs += read_count(&c->structs);
        into->blocks += read_count(&c->nblocks);
        into->allocations += read_count(&c->made);
        into->block_bytes += read_count(&c->bytes);
        into->cached_bytes += (int64_t)c->kept;
    }
    pthread_mutex_unlock(&lock);
}
