#include "ops/odd.h"
#include "core/error.h"
#include "core/memory.h"
#include <string.h>

/* The part of a storage that a call uses, and its copy. The same place in one is the same place in the other, so what overlaps still does. */
typedef struct part {
    tw_storage *odd, *even;
    size_t begin, end; /* bytes */
    bool written;
} part;

typedef struct stand_in { tw_tensor *odd, *even; } stand_in;

typedef struct evens {
    part *parts;
    stand_in *tensors;
    int nparts, ntensors;
} evens;

bool tw_any_odd(const tw_arg *args, int nargs, tw_tensor *const *outs, int nouts) {
    for (int i = 0; i < nargs; i++) {
        if (args[i].tag == TW_ARG_TENSOR && tw_is_odd(args[i].t)) return true;
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++)
            if (args[i].ts[j] && tw_is_odd(args[i].ts[j])) return true;
    }
    for (int i = 0; i < nouts; i++)
        if (outs[i] && tw_is_odd(outs[i])) return true;
    return false;
}

static part *part_of(evens *e, tw_storage *s) {
    for (int i = 0; i < e->nparts; i++)
        if (e->parts[i].odd == s) return &e->parts[i];
    e->parts[e->nparts] = (part){.odd = s, .begin = s->bytes};
    return &e->parts[e->nparts++];
}

/* Notes which bytes of its storage an odd tensor uses; whole vectors of them, so that elements of every dtype begin at the same place. */
static bool note(evens *e, tw_tensor *t, bool written) {
    if (!t || !tw_is_odd(t)) return true;
    const size_t size = tw_dtype_size((tw_dtype)t->dtype), begin = ((size_t)t->offset * size) & ~(size_t)15;
    size_t end;
    if (!tw_extent(t->sizes, t->strides, t->ndim, t->offset, size, &end)) return false;
    part *p = part_of(e, t->storage);
    if (begin < p->begin) p->begin = begin;
    if (end > p->end) p->end = end;
    p->written |= written;
    for (int i = 0; i < e->ntensors; i++)
        if (e->tensors[i].odd == t) return true;
    e->tensors[e->ntensors++].odd = t;
    return true;
}

static bool copy_parts(evens *e) {
    for (int i = 0; i < e->nparts; i++) {
        part *p = &e->parts[i];
        if (p->end < p->begin) p->end = p->begin;
        if (!(p->even = tw_storage_new(TW_CPU, p->end - p->begin))) return false;
        p->even->resizable = false;
        if (p->end > p->begin) memcpy(p->even->data, (char *)p->odd->data + p->begin, p->end - p->begin);
    }
    for (int i = 0; i < e->ntensors; i++) {
        tw_tensor *t = e->tensors[i].odd;
        const part *p = part_of(e, t->storage);
        const int64_t before = (int64_t)(p->begin / tw_dtype_size((tw_dtype)t->dtype));
        tw_tensor *even = tw_tensor_over(p->even, t->sizes, t->strides, t->ndim, t->numel ? t->offset - before : 0, (tw_dtype)t->dtype);
        if (!(e->tensors[i].even = even)) return false;
        even->flags |= t->flags & (TW_CONJ | TW_NEG | TW_WRAPPED);
    }
    return true;
}

static tw_tensor *even_of(const evens *e, tw_tensor *t) {
    for (int i = 0; i < e->ntensors; i++)
        if (e->tensors[i].odd == t) return e->tensors[i].even;
    return t;
}

/* Results that are stand-ins become what these stand for. Given ones are borrowed, others owned. */
static void give_outs(const evens *e, tw_tensor **made, tw_tensor **outs, int nouts) {
    for (int i = 0; i < nouts; i++) {
        if (outs[i]) continue;
        outs[i] = made[i];
        for (int j = 0; j < e->ntensors; j++) {
            if (e->tensors[j].even != made[i]) continue;
            outs[i] = tw_retain(e->tensors[j].odd);
            tw_release(made[i]);
            break;
        }
    }
}

enum { MOST_OUTS = 4 };

bool tw_run_even(tw_even_fn run, const void *what, const tw_arg *args, int nargs, tw_tensor **outs, int nouts, bool inplace) {
    size_t listed = 0, most = (size_t)(nargs + nouts);
    for (int i = 0; i < nargs; i++)
        if (args[i].tag == TW_ARG_TENSORS) listed += (size_t)args[i].n;
    most += listed;
    tw_tensor *made[MOST_OUTS], **lists;
    tw_arg *with;
    evens e = {NULL, NULL, 0, 0};
    char *memory = tw_malloc(most * (sizeof *e.parts + sizeof *e.tensors) + listed * sizeof *lists + (size_t)nargs * sizeof *with);
    if (!memory) return false;
    e.parts = (part *)(void *)memory;
    e.tensors = (stand_in *)(void *)(e.parts + most);
    with = (tw_arg *)(void *)(e.tensors + most);
    lists = (tw_tensor **)(void *)(with + nargs);
    memset(memory, 0, most * (sizeof *e.parts + sizeof *e.tensors));

    bool ok = true;
    for (int i = 0; ok && i < nargs; i++) {
        if (args[i].tag == TW_ARG_TENSOR) ok = note(&e, args[i].t, inplace && i == 0);
        for (int j = 0; ok && args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++) ok = note(&e, args[i].ts[j], false);
    }
    for (int i = 0; ok && i < nouts; i++) ok = note(&e, outs[i], true);
    if (ok && copy_parts(&e)) {
        for (int i = 0; i < nargs; i++) {
            with[i] = args[i];
            if (args[i].tag == TW_ARG_TENSOR) with[i].t = even_of(&e, args[i].t);
            if (args[i].tag != TW_ARG_TENSORS) continue;
            with[i].ts = lists;
            for (int j = 0; j < args[i].n; j++) *lists++ = even_of(&e, args[i].ts[j]);
        }
        for (int i = 0; i < nouts; i++) made[i] = even_of(&e, outs[i]);
        ok = run(what, with, made);
        for (int i = 0; i < e.nparts; i++) {
            const part *p = &e.parts[i];
            if (p->written && p->end > p->begin) memcpy((char *)p->odd->data + p->begin, p->even->data, p->end - p->begin);
        }
        if (ok) give_outs(&e, made, outs, nouts);
    } else {
        ok = false;
    }
    for (int i = 0; i < e.ntensors; i++) tw_release(e.tensors[i].even);
    for (int i = 0; i < e.nparts; i++) tw_storage_release(e.parts[i].even);
    tw_free(memory);
    return ok;
}
