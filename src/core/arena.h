/* Free stretches of memory from the system, which large blocks are cut from: a part of core/memory.c, under its lock. */
#ifndef TW_CORE_ARENA_H
#define TW_CORE_ARENA_H
#include <stdbool.h>
#include <stddef.h>

/* What blocks are cut in; the system's huge pages; what is asked of the system at a time, unless a block is larger. */
enum { TW_ARENA_STEP = 32 << 10, TW_HUGE_PAGE = 2 << 20, TW_ARENA_REGION = 32 << 20 };

/* All sizes are multiples of TW_ARENA_STEP. */
void *tw_arena_take(size_t bytes);             /* from the free stretches; NULL if none fits */
void *tw_arena_fresh(size_t bytes);            /* from the region that nobody has used yet; NULL if too little of it is left */
bool tw_arena_give(void *start, size_t bytes); /* to the free stretches; false: there was no room to note it, the caller still has it */
void tw_arena_region(void *start);             /* another region of TW_ARENA_REGION bytes for tw_arena_fresh; the rest of the last is unmapped */
size_t tw_arena_empty(void);                   /* every free stretch goes back to the system; bytes whose addresses it would not take */

/* Any size in whole pages, at a huge page's boundary. Without a lock. NULL: the system has none left. */
void *tw_arena_map(size_t bytes);
void tw_arena_unmap(void *start, size_t bytes);
#endif
