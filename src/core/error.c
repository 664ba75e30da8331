/* The pending error of a thread. Reporting that memory ran out must not need memory: a thread's texts are made once, and where even
 * that fails, one shared set stands in. They are not thread-local arrays, as the space for those in a library loaded late is small. */
#include "core/error.h"
#include "core/tls.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 4096, HINT_BYTES = 2048, SIZES_BUFFERS = 8, SIZES_BYTES = 1600 };

typedef struct texts {
    char message[MESSAGE_BYTES], hint[HINT_BYTES], sizes[SIZES_BUFFERS][SIZES_BYTES];
    unsigned turn;
} texts;

static _Thread_local TW_FAST_TLS tw_error_kind pending;
static _Thread_local TW_FAST_TLS texts *own;
static texts shared;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_key(void) { pthread_key_create(&key, free); }

static texts *texts_of_thread(void) {
    if (own) return own;
    pthread_once(&once, make_key);
    texts *made = calloc(1, sizeof *made);
    if (!made) return &shared;
    pthread_setspecific(key, made);
    return own = made;
}

tw_error_kind tw_error(void) { return pending; }
const char *tw_error_message(void) { return pending ? texts_of_thread()->message : ""; }
const char *tw_error_hint(void) { return pending ? texts_of_thread()->hint : ""; }

void tw_clear_error(void) { pending = TW_OK; }

int tw_report(FILE *to) {
    if (!pending) return 0;
    const texts *t = texts_of_thread();
    fprintf(to, "%s\n", t->message);
    if (t->hint[0]) fprintf(to, "%s\n", t->hint);
    pending = TW_OK;
    return 1;
}

static void set_error(tw_error_kind kind, const char *format, va_list values) {
    if (pending) return;
    pending = kind;
    texts *t = texts_of_thread();
    t->hint[0] = '\0';
    vsnprintf(t->message, sizeof t->message, format, values);
}

bool tw_fail(tw_error_kind kind, const char *format, ...) {
    va_list values;
    va_start(values, format);
    set_error(kind, format, values);
    va_end(values);
    return false;
}

void *tw_fail_null(tw_error_kind kind, const char *format, ...) {
    va_list values;
    va_start(values, format);
    set_error(kind, format, values);
    va_end(values);
    return NULL;
}

bool tw_hint(const char *format, ...) {
    if (!pending) return false;
    char *hint = texts_of_thread()->hint;
    size_t used = strlen(hint);
    if (used > 0 && used + 1 < HINT_BYTES) {
        hint[used++] = '\n';
        hint[used] = '\0';
    }
    va_list values;
    va_start(values, format);
    vsnprintf(hint + used, HINT_BYTES - used, format, values);
    va_end(values);
    return false;
}

bool tw_fail_memory(size_t bytes) {
    return tw_fail(TW_RUNTIME_ERROR,
                   "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
                   "allocate %zu bytes. Error code 12 (Cannot allocate memory)", bytes);
}

const char *tw_sizes_text(const int64_t *sizes, int64_t n) {
    texts *t = texts_of_thread();
    char *text = t->sizes[t->turn++ % SIZES_BUFFERS];
    size_t used = 0;
    text[used++] = '[';
    for (int64_t i = 0; i < n && used + 32 < SIZES_BYTES; i++)
        used += (size_t)snprintf(text + used, SIZES_BYTES - used, i ? ", %lld" : "%lld", (long long)sizes[i]);
    text[used++] = ']';
    text[used] = '\0';
    return text;
}

void (*tw_warn_hook)(const char *text);

void tw_warn(const char *format, ...) {
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (tw_warn_hook) tw_warn_hook(text);
    else fprintf(stderr, "UserWarning: %s\n", text);
}
