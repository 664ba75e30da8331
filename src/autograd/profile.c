#include "autograd/profile.h"
#include "core/memory.h"
#include <string.h>
#include <time.h>

static _Thread_local struct { tw_event *events; int64_t n, room; } noted;

int64_t tw_profile_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void tw_profile_note(const tw_op *op, bool inplace, int64_t start) {
    if (noted.n == noted.room) {
        const int64_t room = noted.room ? 2 * noted.room : 1024;
        tw_event *more = tw_calloc((size_t)room, sizeof *more);
        if (!more) {
            tw_clear_error();
            return;
        }
        if (noted.n) memcpy(more, noted.events, (size_t)noted.n * sizeof *more);
        tw_free(noted.events);
        noted.events = more;
        noted.room = room;
    }
    noted.events[noted.n++] = (tw_event){op, inplace, start, tw_profile_now()};
}

tw_event *tw_profile_take(int64_t *n) {
    tw_event *events = noted.events;
    *n = noted.n;
    noted.events = NULL;
    noted.n = noted.room = 0;
    return events;
}
