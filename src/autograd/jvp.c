/* Forward mode.
 *
 * Note [Levels of tangents]
 * Each jvp opens a level; a tensor carries a tangent per level, and the tangent of an inner level may carry tangents of outer ones (second
 * derivatives). An op's tangents are found level by level, from the outermost: its formula runs with that level and the inner ones hidden
 * (`seen` says how many are not), so that it computes with values and tangents that themselves carry what belongs to the outer levels.
 *
 * Of views, the base knows the truth: a write through a view goes into a copy of the base's tangent, and a view that notices that the shared
 * version has moved on takes its part of that again. A dual (tw_make_dual) is a base of its own.
 *
 * A level has an id of its own, never used again: tangents of a closed level that somebody kept are never taken for those of another. */
#include "autograd/jvp.h"
#include "autograd/engine.h"
#include "autograd/vmap.h"
#include "op_ids.h"
#include <string.h>

enum { LEVELS = 16 };

/* A tangent with history may have been computed from the very tensor that carries it (t * y * (1 - y) of y = sigmoid(x)), which then keeps
 * itself alive. So a level holds such tensors and takes their tangents back when it closes. */
typedef struct level { uint64_t id; tw_tensor **kept; int nkept, room; } level;

static _Thread_local level levels[LEVELS];
static _Thread_local int open, seen;
static atomic_ullong next_id = 1;

static void see(int n) {
    seen = n;
    if (n) tw_mode |= TW_MODE_FORWARD;
    else tw_mode &= ~(unsigned)TW_MODE_FORWARD;
}

int tw_dual_levels(void) { return open; }

int tw_dual_enter(void) {
    if (open == LEVELS) return tw_fail(TW_RUNTIME_ERROR, "forward-mode AD: more than %d levels", LEVELS) ? 0 : -1;
    levels[open] = (level){.id = atomic_fetch_add(&next_id, 1)};
    see(++open);
    return open - 1;
}

/* --- tangents of a tensor --- */

void tw_tangents_free(tw_tangents *list) {
    for (int i = 0; list && i < list->n; i++) tw_release(list->at[i].t);
    tw_free(list);
}

static tw_tangents *list_of(const tw_tensor *t) { return t && t->autograd ? t->autograd->tangents : NULL; }

static int find(const tw_tangents *list, uint64_t id) {
    for (int i = 0; list && i < list->n; i++)
        if (list->at[i].level == id) return i;
    return -1;
}

static bool set_tangent(tw_tensor *t, uint64_t id, tw_tensor *tangent);
static tw_tensor *tangent_at(const tw_tensor *t, uint64_t id);

static tw_tensor *base_of(const tw_tensor *t) { return t && (t->flags & TW_IS_VIEW) ? t->base : NULL; }

/* The view's part of its base's tangent, if somebody has written there; NULL if not, or with an error. */
static tw_tensor *renewed(const tw_tensor *view, uint64_t id, unsigned version) {
    tw_tensor *t = (tw_tensor *)view, *base = base_of(t), *whole, *part = NULL;
    if (!base || version == tw_version_of(t) || !(whole = tangent_at(base, id))) return NULL;
    const int before = seen;
    int k = 0;
    while (k < open && levels[k].id < id) k++;
    see(k < before ? k : before);
    whole = tw_laid_out_like(whole, base);
    if (whole) part = tw_part_like(whole, base, t);
    see(before);
    bool ok = part && set_tangent(t, id, part);
    tw_release(part);
    tw_release(whole);
    return ok ? part : NULL; /* t holds it */
}

static tw_tensor *tangent_at(const tw_tensor *t, uint64_t id) {
    const tw_tangents *list = list_of(t);
    const int i = find(list, id);
    if (t && (t->flags & TW_IS_VIEW)) {
        tw_tensor *now = renewed(t, id, i < 0 ? t->view_version : list->at[i].version);
        if (now) return now;
        list = list_of(t);
    }
    return i < 0 ? NULL : list->at[i].t;
}

tw_tensor *tw_tangent_of(const tw_tensor *t, int at) { return at >= 0 && at < open ? tangent_at(t, levels[at].id) : NULL; }

static void drop_tangent(tw_tensor *t, uint64_t id) {
    tw_tangents *list = list_of(t);
    const int i = find(list, id);
    if (i < 0) return;
    tw_tensor *gone = list->at[i].t;
    memmove(&list->at[i], &list->at[i + 1], (size_t)(list->n - i - 1) * sizeof list->at[0]);
    list->n--;
    tw_release(gone);
}

/* The level that the tangent belongs to holds t until it closes. */
static bool keep(tw_tensor *t, uint64_t id) {
    level *l = levels;
    while (l < levels + open && l->id != id) l++;
    if (l == levels + open) return true;
    if (l->nkept == l->room) {
        int room = l->room ? 2 * l->room : 8;
        tw_tensor **more = tw_realloc(l->kept, (size_t)room * sizeof *more);
        if (!more) return false;
        l->kept = more;
        l->room = room;
    }
    l->kept[l->nkept++] = tw_retain(t);
    return true;
}

/* Keeps a reference of its own. */
static bool set_tangent(tw_tensor *t, uint64_t id, tw_tensor *tangent) {
    tw_autograd *a = tw_autograd_of(t);
    if (!a || (tw_requires_grad(tangent) && !keep(t, id))) return false;
    tw_retain(tangent); /* it may be the old one */
    drop_tangent(t, id);
    int n = a->tangents ? a->tangents->n : 0, i = n;
    tw_tangents *list = tw_realloc(a->tangents, sizeof *list + (size_t)(n + 1) * sizeof list->at[0]);
    if (!list) {
        tw_release(tangent);
        return false;
    }
    a->tangents = list;
    for (; i > 0 && list->at[i - 1].level > id; i--) list->at[i] = list->at[i - 1];
    list->at[i].level = id;
    list->at[i].t = tangent;
    list->at[i].version = tw_version_of(t);
    list->n = n + 1;
    return true;
}

bool tw_tangents_map(tw_tensor *to, const tw_tensor *from, tw_tensor *(*f)(tw_tensor *tangent, const void *context), const void *context) {
    const tw_tangents *list = list_of(from);
    for (int i = 0; list && i < list->n; i++) {
        tw_tensor *t = f(list->at[i].t, context);
        bool ok = t && set_tangent(to, list->at[i].level, t);
        tw_release(t);
        if (!ok) return false;
    }
    return true;
}

static tw_tensor *same(tw_tensor *t, const void *context) {
    (void)context;
    return tw_retain(t);
}

bool tw_tangents_copy(tw_tensor *to, const tw_tensor *from) { return tw_tangents_map(to, from, same, NULL); }

/* A view of t under which the levels from `at` on are not seen. */
static tw_tensor *view_below(tw_tensor *t, int at) {
    int before = seen;
    tw_arg a[] = {tw_a_tensor(t)};
    see(at < before ? at : before);
    tw_tensor *view = tw_call1(TW_OP_alias, 1, a);
    see(before);
    return view;
}

tw_tensor *tw_primal_of(tw_tensor *t, int at) { return view_below(t, at); }

tw_tensor *tw_make_dual(tw_tensor *primal, tw_tensor *tangent, int at) {
    if (!primal || !tangent) return NULL; /* the failed result of an earlier call */
    if (at < 0 || at >= open) return tw_fail_null(TW_RUNTIME_ERROR, "Trying to create a dual Tensor at a forward-mode level that is not open");
    if (!tw_is_float((tw_dtype)primal->dtype) && !tw_is_complex((tw_dtype)primal->dtype))
        return tw_fail_null(TW_VALUE_ERROR, "Expected primal to be floating point or complex, but got: torch.%s", tw_dtypes[primal->dtype].name);
    if (primal->ndim != tangent->ndim || memcmp(primal->sizes, tangent->sizes, primal->ndim * sizeof(int64_t)) != 0)
        return tw_fail_null(TW_RUNTIME_ERROR, "Expected tangent to have the same shape as primal, but got: %s and %s",
                            tw_sizes_text(tangent->sizes, tangent->ndim), tw_sizes_text(primal->sizes, primal->ndim));
    tw_tensor *dual = view_below(primal, at);
    if (!dual || !set_tangent(dual, levels[at].id, tangent)) { tw_release(dual); return NULL; }
    tw_release(dual->base);
    dual->base = NULL;
    dual->flags &= (uint8_t)~TW_IS_VIEW;
    return dual;
}

/* --- saved results --- */

static tw_tensor *saved_result(tw_node *n, int i) { return n->saved[i].is_output ? n->saved[i].t : NULL; }

void tw_dual_exit(void) {
    if (!open) return;
    level *l = &levels[--open];
    see(open);
    while (l->nkept) {
        tw_tensor *t = l->kept[--l->nkept];
        drop_tangent(t, l->id);
        tw_release(t);
    }
    tw_free(l->kept);
    l->kept = NULL;
    l->room = 0;
}

/* A result that its node saved is an alias, made before the result got its tangent: gives it that too (forward over reverse). */
static bool tell_saved(tw_tensor *out, uint64_t id, tw_tensor *tangent) {
    tw_node *n = out->autograd->grad_fn;
    for (int i = 0; n && i < n->nsaved; i++)
        if (saved_result(n, i) && n->saved[i].output_number == out->autograd->output_number && !set_tangent(n->saved[i].t, id, tangent))
            return false;
    return true;
}

/* --- tangents of results --- */

static bool any_at(const tw_op *op, const tw_arg *args, uint64_t id) {
    bool any = false;
    for (int i = 0; i < op->nparams; i++) { /* all of them: views renew theirs */
        if (args[i].tag == TW_ARG_TENSOR) any |= tangent_at(args[i].t, id) != NULL;
        for (int j = 0; args[i].tag == TW_ARG_TENSORS && j < args[i].n; j++) any |= tangent_at(args[i].ts[j], id) != NULL;
    }
    return any;
}

bool tw_any_tangent(const tw_op *op, const tw_arg *args) {
    bool any = false;
    for (int k = 0; k < seen; k++) any |= any_at(op, args, levels[k].id);
    return any;
}

bool tw_has_tangent(const tw_tensor *t) {
    bool any = false;
    for (int k = 0; k < seen; k++) any |= tangent_at(t, levels[k].id) != NULL;
    return any;
}

static bool refuse(const tw_op *op) {
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR,
                   "Trying to use forward AD with %s that does not support it because it has not been implemented yet.\nPlease file an issue "
                   "to PyTorch at https://github.com/pytorch/pytorch/issues/new?template=feature-request.yml so that we can prioritize its "
                   "implementation or submit a PR adding the implementation to derivatives.yaml", op->base);
}

/* as_strided speaks of memory, so the tangent is written into zeros of the whole storage's size, where its tensor lies. */
static bool strided_tangent(const tw_arg *args, tw_tensor *tangent, tw_tensor **tout) {
    tw_tensor *self = args[0].t;
    const int64_t room = (int64_t)(self->storage->bytes / tw_dtypes[self->dtype].size);
    const tw_arg zeros[] = {tw_a_tensor(tangent), tw_a_ints(&room, 1), tw_a_int(self->dtype)};
    tw_tensor *whole = tw_call1(TW_OP_new_zeros, 3, zeros), *part = NULL;
    const tw_arg place[] = {tw_a_tensor(whole), tw_a_ints(self->sizes, self->ndim), tw_a_ints(self->strides, self->ndim), tw_a_int(self->offset)};
    const tw_arg taken[] = {tw_a_tensor(whole), args[1], args[2], tw_a_int(tw_a_get_int(&args[3], self->offset))};
    if (whole) part = tw_call1(TW_OP_as_strided, 4, place);
    tout[0] = part && tw_write_part(part, tangent) ? tw_call1(TW_OP_as_strided, 4, taken) : NULL;
    tw_release(part);
    tw_release(whole);
    return tout[0] != NULL;
}

/* Calls the op's tangent function; the level and the inner ones are hidden meanwhile. */
static bool tangents(const tw_op *op, const tw_arg *args, uint64_t id, tw_tensor *const *results, tw_tensor **tout) {
    tw_arg t[TW_MAX_ARGS];
    tw_tensor **lists[TW_MAX_ARGS] = {NULL};
    bool ok = true, some = false;
    for (int i = 0; i < op->nparams; i++) {
        t[i] = TW_A_NONE;
        if (args[i].tag == TW_ARG_TENSOR) {
            t[i] = tw_a_tensor(tangent_at(args[i].t, id));
            some |= t[i].tag == TW_ARG_TENSOR && (op->differentiable >> i & 1);
        } else if (args[i].tag == TW_ARG_TENSORS) {
            lists[i] = tw_calloc((size_t)args[i].n + 1, sizeof *lists[i]);
            if (!lists[i]) { ok = false; continue; }
            for (int j = 0; j < args[i].n; j++) {
                lists[i][j] = args[i].ts[j] ? tangent_at(args[i].ts[j], id) : NULL;
                some |= lists[i][j] && (op->differentiable >> i & 1);
            }
            t[i] = tw_a_tensors(lists[i], args[i].n);
        }
    }
    if (ok && some) {
        if (op->id == TW_OP_as_strided) {
            ok = strided_tangent(args, t[0].t, tout);
        } else if (op->jvp) {
            ok = op->jvp(args, results, t, tout);
        } else if (op->kind == TW_KIND_VIEW) { /* that is several */
            tw_arg full[TW_MAX_ARGS];
            memcpy(full, args, op->nparams * sizeof *full);
            full[0] = t[0];
            ok = tw_call(op, full, tout);
        } else if (op->grad) {
            ok = tw_jvp_transposed(op, args, results, t, tout);
        } else {
            ok = refuse(op);
        }
    }
    for (int i = 0; i < op->nparams; i++) tw_free(lists[i]);
    return ok;
}

/* A tangent has its result's sizes and dtype. */
static tw_tensor *shape_tangent(tw_tensor *tangent, const tw_tensor *like) {
    if (tangent->dtype != like->dtype) {
        tw_tensor *cast = tw_cast_to(tangent, (tw_dtype)like->dtype);
        tw_release(tangent);
        if (!cast) return NULL;
        tangent = cast;
    }
    if (tangent->ndim == like->ndim && memcmp(tangent->sizes, like->sizes, like->ndim * sizeof(int64_t)) == 0) return tangent;
    tw_arg a[] = {tw_a_tensor(tangent), tw_a_ints(like->sizes, like->ndim)};
    tw_tensor *whole = tw_call1(TW_OP_expand, 2, a);
    tw_release(tangent);
    return whole;
}

/* Gives a result its tangent, if it can have one: whole numbers have none. */
static bool give_tangent(tw_tensor *out, tw_tensor **tangent, uint64_t id) {
    if (!*tangent || !out || !(tw_is_float((tw_dtype)out->dtype) || tw_is_complex((tw_dtype)out->dtype))) return true;
    *tangent = shape_tangent(*tangent, out);
    return *tangent && set_tangent(out, id, *tangent) && tell_saved(out, id, *tangent);
}

static bool outs_at(const tw_op *op, const tw_arg *args, int k, tw_tensor **outs) {
    tw_tensor *tout[TW_MAX_OUTS] = {NULL};
    const uint64_t id = levels[k].id;
    bool ok = tangents(op, args, id, outs, tout);
    if (op->flags & TW_OP_LIST) {
        tw_list *list = tw_list_of(outs[0]), *given = tw_list_of(tout[0]);
        for (int64_t i = 0; ok && given && i < list->n; i++) ok = give_tangent(list->items[i], &given->items[i], id);
        tw_list_release(given);
        return ok;
    }
    for (int i = 0; i < op->nouts; i++) {
        ok = ok && give_tangent(outs[i], &tout[i], id);
        tw_release(tout[i]);
    }
    return ok;
}

bool tw_jvp_outs(const tw_op *op, const tw_arg *args, tw_tensor **outs) {
    const int before = seen;
    bool ok = true;
    for (int k = 0; ok && k < before; k++) {
        if (!any_at(op, args, levels[k].id)) continue;
        see(k);
        ok = outs_at(op, args, k, outs);
        see(before);
    }
    return ok;
}

/* Gives self, which was written to, its tangent; NULL: zeros. */
static bool take_tangent(tw_tensor *self, level *l, tw_tensor *tangent) {
    tw_tensor *base = base_of(self), *old = base ? tangent_at(base, l->id) : NULL;
    if (!base) {
        if (tangent) return set_tangent(self, l->id, tangent);
        if (!tangent_at(self, l->id)) return true;
        tw_tensor *zeros = tw_laid_out_like(NULL, self); /* views are to see them */
        bool ok = zeros && set_tangent(self, l->id, zeros);
        tw_release(zeros);
        return ok;
    }
    if (!old && !tangent) {
        drop_tangent(self, l->id);
        return true;
    }
    tw_tensor *whole = tw_laid_out_like(old, base), *part = whole ? tw_part_like(whole, base, self) : NULL, *zero = NULL;
    if (part && !tangent) tangent = zero = tw_scalar_new(tw_int(0), (tw_dtype)part->dtype, part->device);
    bool ok = part && tangent && tw_write_part(part, tangent);
    tw_release(part); /* taken anew: it must show what has become of the whole's tangents and history */
    part = ok ? tw_part_like(whole, base, self) : NULL;
    ok = part && set_tangent(base, l->id, whole) && set_tangent(self, l->id, part);
    tw_release(zero);
    tw_release(part);
    tw_release(whole);
    return ok;
}

static bool inplace_at(const tw_op *op, const tw_arg *args, int k, tw_tensor *self) {
    tw_tensor *results[TW_MAX_OUTS] = {self}, *tout[TW_MAX_OUTS] = {NULL};
    bool ok = tangents(op, args, levels[k].id, results, tout);
    for (int i = 1; i < op->nouts; i++) tw_release(tout[i]);
    if (ok && tout[0]) ok = (tout[0] = shape_tangent(tout[0], self)) != NULL;
    ok = ok && take_tangent(self, &levels[k], tout[0]) && (!tout[0] || tell_saved(self, levels[k].id, tout[0]));
    tw_release(tout[0]);
    return ok;
}

bool tw_jvp_inplace(const tw_op *op, const tw_arg *args, tw_tensor *before) {
    tw_tensor *self = args[0].t;
    tw_arg full[TW_MAX_ARGS];
    const int levels_seen = seen;
    bool ok = tw_tangents_copy(before, self);
    memcpy(full, args, op->nparams * sizeof *full);
    for (int i = 0; i < op->nparams; i++)
        if (full[i].tag == TW_ARG_TENSOR && full[i].t == self) full[i] = tw_a_tensor(before); /* x.mul_(x) */
    for (int k = 0; ok && k < levels_seen; k++) {
        if (!any_at(op, full, levels[k].id)) continue;
        see(k);
        ok = inplace_at(op, full, k, self);
        see(levels_seen);
    }
    return ok;
}
