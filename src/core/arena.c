/* Large blocks are cut from stretches of memory that the system gave, and neighbours that are free become one again. Bins by size, which small
 * blocks have, would keep the most that was ever alive of every size; a network has many sizes, alive one after the other, so
 * that was twice what it needed.
 *
 * The stretches are few (tens, in training hundreds), sorted by address: looking at all of them is faster than any tree would be. */
#include "core/arena.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct stretch { char *start; size_t bytes; } stretch;

static stretch *found; /* sorted by address, no two touch */
static size_t count, room;

/* What is left of the last region. Blocks follow each other closely in it, so that every huge page that is touched is used; it costs addresses,
 * not memory, until then. */
static char *fresh;
static size_t fresh_bytes;

/* The kernel gives pages as they are touched, huge ones where it is asked to. */
void *tw_arena_map(size_t bytes) {
    char *start = mmap(NULL, bytes + TW_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    size_t before = (size_t)(-(intptr_t)start) & (TW_HUGE_PAGE - 1);
    if (before) munmap(start, before);
    munmap(start + before + bytes, TW_HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
    madvise(start + before, bytes, MADV_HUGEPAGE);
#endif
    return start + before;
}

void tw_arena_unmap(void *start, size_t bytes) { munmap(start, bytes); }

void *tw_arena_take(size_t bytes) {
    size_t best = count, least = SIZE_MAX;
    for (size_t i = 0; i < count && least != bytes; i++)
        if (found[i].bytes >= bytes && found[i].bytes < least) {
            least = found[i].bytes;
            best = i;
        }
    if (best == count) return NULL;
    stretch *s = &found[best];
    char *start = s->start;
    s->start += bytes;
    s->bytes -= bytes;
    if (!s->bytes) memmove(s, s + 1, (--count - best) * sizeof *s);
    return start;
}

void *tw_arena_fresh(size_t bytes) {
    if (bytes > fresh_bytes) return NULL;
    char *start = fresh;
    fresh += bytes;
    fresh_bytes -= bytes;
    return start;
}

void tw_arena_region(void *start) {
    if (fresh_bytes) munmap(fresh, fresh_bytes);
    fresh = start;
    fresh_bytes = TW_ARENA_REGION;
}

bool tw_arena_give(void *block, size_t bytes) {
    char *start = block;
    size_t low = 0, high = count; /* the first stretch above the block */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (found[middle].start < start) low = middle + 1;
        else high = middle;
    }
    bool after = low > 0 && found[low - 1].start + found[low - 1].bytes == start;
    bool before = low < count && start + bytes == found[low].start;
    if (after) {
        found[low - 1].bytes += bytes;
        if (before) {
            found[low - 1].bytes += found[low].bytes;
            memmove(&found[low], &found[low + 1], (--count - low) * sizeof *found);
        }
        return true;
    }
    if (before) {
        found[low].start = start;
        found[low].bytes += bytes;
        return true;
    }
    if (count == room) {
        stretch *more = realloc(found, (room ? 2 * room : 64) * sizeof *found);
        if (!more) return false;
        found = more;
        room = room ? 2 * room : 64;
    }
    memmove(&found[low + 1], &found[low], (count++ - low) * sizeof *found);
    found[low] = (stretch){start, bytes};
    return true;
}

/* A hole between blocks costs the system another mapping, of which it allows so many: where it refuses, it gets the pages alone. */
size_t tw_arena_empty(void) {
    size_t kept = 0, bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (munmap(found[i].start, found[i].bytes) == 0) continue;
        madvise(found[i].start, found[i].bytes, MADV_DONTNEED);
        bytes += found[i].bytes;
        found[kept++] = found[i];
    }
    count = kept;
    if (count) return bytes;
    free(found);
    found = NULL;
    room = 0;
    return 0;
}
