/* Scopes: a stack of tensors per thread, with a mark where each scope begins. */
#include "api/scope.h"
#include "core/device.h"
#include "core/memory.h"

typedef struct scope_stack {
    tw_tensor **held;       /* owned references; NULL where one was taken out */
    size_t count, room;
    size_t *marks;          /* count at the opening of each open scope */
    size_t depth, marks_room;
} scope_stack;

static _Thread_local scope_stack scopes;

/* Room for one more in an array that doubles. */
static bool grow(void **array, size_t count, size_t *room, size_t item) {
    if (count < *room) return true;
    size_t wanted = *room ? 2 * *room : 64;
    void *p = tw_realloc(*array, wanted * item);
    if (!p) return false;
    *array = p;
    *room = wanted;
    return true;
}

bool tw_scope_open(void) {
    void *marks = scopes.marks;
    bool ok = grow(&marks, scopes.depth, &scopes.marks_room, sizeof *scopes.marks);
    scopes.marks = marks;
    if (ok) scopes.marks[scopes.depth++] = scopes.count;
    return ok;
}

void tw_scope_close(void) {
    if (scopes.depth == 0) return;
    size_t start = scopes.marks[--scopes.depth];
    while (scopes.count > start) tw_release(scopes.held[--scopes.count]);
    if (scopes.depth > 0) return;
    tw_free(scopes.held);
    tw_free(scopes.marks);
    scopes = (scope_stack){0};
}

tw_tensor *tw_scoped(tw_tensor *t) {
    if (!t || scopes.depth == 0) return t;
    void *held = scopes.held;
    bool ok = grow(&held, scopes.count, &scopes.room, sizeof *scopes.held);
    scopes.held = held;
    if (!ok) {
        tw_release(t);
        return NULL;
    }
    return scopes.held[scopes.count++] = t;
}

bool tw_no_results(tw_tensor **const *into, int n) {
    for (int i = 0; i < n; i++)
        if (into[i]) *into[i] = NULL;
    return false;
}

bool tw_is_device(tw_device d) { return d == TW_DEVICE_NONE || (d >= 0 && d <= 0xffff && tw_device_of(d)); }

void tw_not_given(const char *function, const tw_given *arguments, int n) {
    int i = 0;
    while (i + 1 < n && arguments[i].ok) i++;
    if (!tw_failed()) tw_fail(TW_TYPE_ERROR, "tw_%s: argument '%s' is NULL or not valid", function, arguments[i].name);
}

bool tw_all_given(tw_tensor *const *ts, int64_t n) {
    if (n > 0 && !ts) return false;
    for (int64_t i = 0; i < n; i++)
        if (!ts[i]) return false;
    return true;
}

bool tw_scoped_all(tw_tensor **outs, tw_tensor **const *into, int n) {
    bool ok = true;
    for (int i = 0; i < n; i++) {
        if (!into[i]) {
            tw_release(outs[i]);
            continue;
        }
        *into[i] = tw_scoped(outs[i]);
        ok = ok && (*into[i] || !outs[i]);
    }
    return ok;
}

int64_t tw_scoped_list(tw_list *list, tw_tensor **outs, int64_t room) {
    if (!list) return -1;
    int64_t n = list->n;
    bool ok = true;
    for (int64_t i = 0; i < n && i < room; i++) {
        outs[i] = tw_scoped(list->items[i]);
        list->items[i] = NULL;
        ok = ok && outs[i];
    }
    tw_list_release(list);
    return ok ? n : -1;
}

tw_tensor *tw_keep(tw_tensor *t) {
    for (size_t i = scopes.count; t && i-- > 0;) {
        if (scopes.held[i] != t) continue;
        scopes.held[i] = NULL; /* the scope's reference becomes the caller's */
        return t;
    }
    return tw_retain(t); /* not a scope's: a reference of its own */
}
