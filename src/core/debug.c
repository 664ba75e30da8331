#include "core/debug.h"

#include "core/cpu.h"
#include "core/memory.h"
#include "core/threads.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int tw_debug_level;

void tw_debug(const char *format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    fprintf(stderr, "tallow: %s\n", line);
}

int64_t tw_debug_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

__attribute__((constructor)) static void read_level(void) {
    const char *text = getenv("TALLOW_DEBUG");
    tw_debug_level = text ? atoi(text) : 0;
    if (tw_debugs(1))
        tw_debug("instruction set %s, %d threads, memory cache %s", tw_isa_name(tw_cpu_isa()), tw_num_threads(),
                 tw_memory_caching() ? "on" : "off");
}
