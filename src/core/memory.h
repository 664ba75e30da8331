/* Memory: small structs, and the cached, 64-byte aligned blocks behind storages. */
#ifndef TW_CORE_MEMORY_H
#define TW_CORE_MEMORY_H
#include "tallow/tallow.h"
#include <stddef.h>

/* Small allocations (structs, arrays). NULL and a pending error on failure; tw_free(NULL) is legal. */
void *tw_malloc(size_t bytes);
void *tw_calloc(size_t count, size_t bytes);
void *tw_realloc(void *old, size_t bytes);
char *tw_strdup(const char *text);
void tw_free(void *p);

/* Structs that come and go often (tensors, nodes): per-thread freelists up to 512 bytes. tw_small_free must be told the size that
 * was asked for. Never 0 bytes. Contents undefined. */
void *tw_small_alloc(size_t bytes);
void tw_small_free(void *p, size_t bytes);

/* Data blocks: 64-byte aligned, contents undefined, size-classed cache, huge pages for large ones.
 * tw_block_free must be told the size that was asked for. Zero bytes gives NULL without an error. */
void *tw_block_alloc(size_t bytes);
void tw_block_free(void *block, size_t bytes);

/* Counts of what is alive, for tests: structs from tw_malloc, blocks and their bytes. */
typedef struct tw_memory_stats {
    int64_t structs, blocks, block_bytes, cached_bytes, peak_bytes, allocations; /* allocations: ever made, both kinds */
} tw_memory_stats;
TW_API void tw_memory_read(tw_memory_stats *into);
TW_API void tw_memory_fail_at(int64_t n); /* the n-th allocation from now fails (1 is the next); 0 turns it off */
/* What is free is kept for later up to an eighth of the machine's memory, or TALLOW_CACHE megabytes if that is less. The cache and every freelist are off
 * when the environment has TALLOW_CACHE=0 (sanitizers need that). */
bool tw_memory_caching(void);
#endif
