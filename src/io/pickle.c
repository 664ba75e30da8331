/* Reading pickles: a stack machine, of whose instructions (pickletools in Python's library lists them) this knows those that state
 * dicts need. Every read is checked against the end, every index against the size of the pickle. */
#include "io/pickle.h"
#include "core/memory.h"
#include "io/pickle_build.h"
#include <string.h>

bool tw_pickle_bad(const char *what) { return tw_fail(TW_UNPICKLING_ERROR, "Weights only load failed. Damaged pickle: %s.", what); }

tw_pickle_value *tw_pickle_new(tw_pickle_reader *r, tw_pickle_kind kind) {
    tw_pickle_value *v = tw_calloc(1, sizeof *v);
    if (!v) return NULL;
    v->kind = (uint8_t)kind;
    v->next = r->all;
    return r->all = v;
}

void tw_pickle_free(tw_pickle_value *all) {
    while (all) {
        tw_pickle_value *next = all->next;
        tw_release(all->tensor);
        tw_free(all->items);
        tw_free(all);
        all = next;
    }
}

static bool add(tw_pickle_value *container, tw_pickle_value *item) {
    if (container->n == container->room) {
        size_t room = container->room ? 2 * container->room : 8;
        tw_pickle_value **grown = tw_realloc(container->items, room * sizeof(tw_pickle_value *));
        if (!grown) return false;
        container->items = grown;
        container->room = room;
    }
    container->items[container->n++] = item;
    return true;
}

static bool push(tw_pickle_reader *r, tw_pickle_value *v) {
    if (!v) return false;
    if (r->depth == r->stack_room) {
        size_t room = r->stack_room ? 2 * r->stack_room : 64;
        tw_pickle_value **grown = tw_realloc(r->stack, room * sizeof(tw_pickle_value *));
        if (!grown) return false;
        r->stack = grown;
        r->stack_room = room;
    }
    r->stack[r->depth++] = v;
    return true;
}

/* The n topmost values, oldest first; NULL and an error if there are fewer, or a mark is among them. */
static tw_pickle_value **pop(tw_pickle_reader *r, size_t n) {
    if (r->depth < n) return tw_pickle_bad("its stack runs empty"), NULL;
    for (size_t i = r->depth - n; i < r->depth; i++)
        if (tw_pickle_is(r->stack[i], TW_PICKLE_MARK)) return tw_pickle_bad("a mark where a value should be"), NULL;
    r->depth -= n;
    return r->stack + r->depth;
}

/* How many values lie above the topmost mark. */
static bool above_mark(tw_pickle_reader *r, size_t *n) {
    for (size_t i = r->depth; i-- > 0;)
        if (tw_pickle_is(r->stack[i], TW_PICKLE_MARK)) {
            *n = r->depth - i - 1;
            return true;
        }
    return tw_pickle_bad("no mark");
}

/* The next n bytes; NULL and an error at the end. */
static const uint8_t *take(tw_pickle_reader *r, size_t n) {
    if ((size_t)(r->end - r->at) < n) return tw_pickle_bad("it is cut short"), NULL;
    r->at += n;
    return r->at - n;
}

static bool take_number(tw_pickle_reader *r, size_t n, uint64_t *into) {
    const uint8_t *p = take(r, n);
    *into = 0;
    for (size_t i = n; p && i-- > 0;) *into = *into << 8 | p[i];
    return p != NULL;
}

static bool push_int(tw_pickle_reader *r, tw_pickle_kind kind, int64_t value) {
    tw_pickle_value *v = tw_pickle_new(r, kind);
    if (v) v->i = value;
    return push(r, v);
}

/* A two's complement number of `n` bytes. */
static bool push_long(tw_pickle_reader *r, size_t n) {
    uint64_t value;
    if (n > 8) return tw_pickle_bad("a number of more than 64 bits");
    if (!take_number(r, n, &value)) return false;
    if (n > 0 && n < 8 && value >> (8 * n - 1)) value |= ~(uint64_t)0 << 8 * n;
    return push_int(r, TW_PICKLE_INT, (int64_t)value);
}

static bool push_float(tw_pickle_reader *r) { /* big-endian */
    const uint8_t *p = take(r, 8);
    tw_pickle_value *v = p ? tw_pickle_new(r, TW_PICKLE_FLOAT) : NULL;
    if (!v) return false;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
    memcpy(&v->f, &bits, sizeof v->f);
    return push(r, v);
}

static bool push_text(tw_pickle_reader *r, size_t length_bytes) {
    uint64_t n;
    if (!take_number(r, length_bytes, &n)) return false;
    const uint8_t *p = n <= r->size ? take(r, (size_t)n) : (tw_pickle_bad("it is cut short"), NULL);
    tw_pickle_value *v = p ? tw_pickle_new(r, TW_PICKLE_TEXT) : NULL;
    if (!v) return false;
    v->text = (const char *)p;
    v->n = (size_t)n;
    return push(r, v);
}

static const char *take_line(tw_pickle_reader *r, size_t *n) {
    const uint8_t *start = r->at, *newline = memchr(start, '\n', (size_t)(r->end - start));
    if (!newline) return tw_pickle_bad("it is cut short"), NULL;
    *n = (size_t)(newline - start);
    r->at = newline + 1;
    return (const char *)start;
}

static bool push_global(tw_pickle_reader *r) {
    size_t module_n, name_n;
    const char *module = take_line(r, &module_n), *name = module ? take_line(r, &name_n) : NULL;
    tw_pickle_value *v = name ? tw_pickle_new(r, TW_PICKLE_GLOBAL) : NULL;
    return v && tw_pickle_find(v, module, module_n, name, name_n) && push(r, v);
}

static bool push_stack_global(tw_pickle_reader *r) {
    tw_pickle_value **words = pop(r, 2);
    if (!words) return false;
    if (!tw_pickle_is(words[0], TW_PICKLE_TEXT) || !tw_pickle_is(words[1], TW_PICKLE_TEXT)) return tw_pickle_bad("a global without a name");
    tw_pickle_value *v = tw_pickle_new(r, TW_PICKLE_GLOBAL);
    return v && tw_pickle_find(v, words[0]->text, words[0]->n, words[1]->text, words[1]->n) && push(r, v);
}

static bool push_tuple(tw_pickle_reader *r, size_t n) {
    tw_pickle_value *v = tw_pickle_new(r, TW_PICKLE_TUPLE), **items = v ? pop(r, n) : NULL;
    bool ok = items != NULL;
    for (size_t i = 0; ok && i < n; i++) ok = add(v, items[i]);
    return ok && push(r, v);
}

static bool drop_mark(tw_pickle_reader *r, size_t *n) {
    if (!above_mark(r, n)) return false;
    memmove(r->stack + r->depth - *n - 1, r->stack + r->depth - *n, *n * sizeof *r->stack);
    r->depth--;
    return true;
}

/* Moves the n topmost values into the container below them. */
static bool fill(tw_pickle_reader *r, size_t n, tw_pickle_kind kind) {
    tw_pickle_value **items = pop(r, n);
    if (!items) return false;
    if (r->depth == 0 || !tw_pickle_is(r->stack[r->depth - 1], kind) || (kind == TW_PICKLE_DICT && n % 2))
        return tw_pickle_bad("items for what is no container");
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = add(r->stack[r->depth - 1], items[i]);
    return ok;
}

static bool memo_put(tw_pickle_reader *r, uint64_t index) {
    if (r->depth == 0 || index > r->size) return tw_pickle_bad("a bad memo");
    if (index >= r->memo_room) {
        size_t room = 2 * ((size_t)index + 32);
        tw_pickle_value **grown = tw_realloc(r->memo, room * sizeof(tw_pickle_value *));
        if (!grown) return false;
        memset(grown + r->memo_room, 0, (room - r->memo_room) * sizeof(tw_pickle_value *));
        r->memo = grown;
        r->memo_room = room;
    }
    r->memo_n += !r->memo[index];
    r->memo[index] = r->stack[r->depth - 1];
    return true;
}

static bool memo_get(tw_pickle_reader *r, uint64_t index) {
    if (index >= r->memo_room || !r->memo[index]) return tw_pickle_bad("a memo that was never made");
    return push(r, r->memo[index]);
}

static bool call(tw_pickle_reader *r) {
    tw_pickle_value **pair = pop(r, 2);
    return pair && push(r, tw_pickle_call(r, pair[0], pair[1]));
}

static bool persistent(tw_pickle_reader *r) {
    tw_pickle_value **id = pop(r, 1);
    return id && push(r, tw_pickle_persistent(r, id[0]));
}

/* Attributes (the _metadata of a state dict) are dropped. */
static bool build(tw_pickle_reader *r) { return pop(r, 1) != NULL && (r->depth > 0 || tw_pickle_bad("its stack runs empty")); }

static bool memo_by(tw_pickle_reader *r, size_t n, bool (*what)(tw_pickle_reader *, uint64_t)) {
    uint64_t index;
    return take_number(r, n, &index) && what(r, index);
}

static bool counted_long(tw_pickle_reader *r) {
    uint64_t n;
    return take_number(r, 1, &n) && push_long(r, (size_t)n);
}

static bool push_small(tw_pickle_reader *r, size_t n) {
    uint64_t value;
    return take_number(r, n, &value) && push_int(r, TW_PICKLE_INT, (int64_t)value);
}

static bool step(tw_pickle_reader *r, uint8_t instruction) {
    size_t n = 0;
    switch (instruction) {
    case 0x80: return take(r, 1) != NULL;                               /* PROTO */
    case 0x95: return take(r, 8) != NULL;                               /* FRAME */
    case '(': return push(r, tw_pickle_new(r, TW_PICKLE_MARK));
    case '0': return pop(r, 1) != NULL;
    case 'N': return push(r, tw_pickle_new(r, TW_PICKLE_NONE));
    case 0x88: return push_int(r, TW_PICKLE_BOOL, 1);
    case 0x89: return push_int(r, TW_PICKLE_BOOL, 0);
    case 'K': return push_small(r, 1);
    case 'M': return push_small(r, 2);
    case 'J': return push_long(r, 4);
    case 0x8a: return counted_long(r);
    case 'G': return push_float(r);
    case 'X': return push_text(r, 4);
    case 0x8c: return push_text(r, 1);
    case 0x8d: return push_text(r, 8);
    case '}': return push(r, tw_pickle_new(r, TW_PICKLE_DICT));
    case ']': return push(r, tw_pickle_new(r, TW_PICKLE_LIST));
    case ')': return push(r, tw_pickle_new(r, TW_PICKLE_TUPLE));
    case 't': return drop_mark(r, &n) && push_tuple(r, n);
    case 0x85: case 0x86: case 0x87: return push_tuple(r, instruction - 0x84u);
    case 's': return fill(r, 2, TW_PICKLE_DICT);
    case 'u': return drop_mark(r, &n) && fill(r, n, TW_PICKLE_DICT);
    case 'a': return fill(r, 1, TW_PICKLE_LIST);
    case 'e': return drop_mark(r, &n) && fill(r, n, TW_PICKLE_LIST);
    case 'q': return memo_by(r, 1, memo_put);
    case 'r': return memo_by(r, 4, memo_put);
    case 0x94: return memo_put(r, r->memo_n);
    case 'h': return memo_by(r, 1, memo_get);
    case 'j': return memo_by(r, 4, memo_get);
    case 'c': return push_global(r);
    case 0x93: return push_stack_global(r);
    case 'R': return call(r);
    case 'b': return build(r);
    case 'Q': return persistent(r);
    default: return tw_fail(TW_UNPICKLING_ERROR, "Weights only load failed. Unsupported operand %d", instruction);
    }
}

tw_pickle_value *tw_pickle_read(const uint8_t *bytes, size_t n, tw_pickle_storage storage, void *context, tw_pickle_value **all) {
    tw_pickle_reader r = {.at = bytes, .end = bytes + n, .size = n, .storage = storage, .context = context};
    bool ok = true, stopped = false;
    while (ok && !stopped) {
        const uint8_t *instruction = take(&r, 1);
        stopped = instruction && *instruction == '.';
        ok = instruction && (stopped || step(&r, *instruction));
    }
    tw_pickle_value **top = ok ? pop(&r, 1) : NULL, *result = top ? top[0] : NULL;
    tw_free(r.stack);
    tw_free(r.memo);
    *all = r.all;
    return result;
}
