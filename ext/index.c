/* x[...] and x[...] = v: PyTorch's indexing. Ints, slices, None and ... make views; tensors, lists and masks go to index. */
#include "ext/ext.h"
#include "op_ids.h"

enum { MAX_INDICES = TW_MAX_DIMS };

typedef struct walk {
    tw_tensor *t;                    /* the view so far; owned unless it is the tensor itself */
    tw_tensor *self;
    int64_t dim;
    tw_tensor *indices[MAX_INDICES]; /* owned; NULL where a dimension is taken whole */
    int64_t count;                   /* entries of indices in use */
} walk;

static void walk_free(walk *w) {
    if (w->t != w->self) tw_release(w->t);
    for (int64_t i = 0; i < w->count; i++) tw_release(w->indices[i]);
}

static bool step_to(walk *w, tw_tensor *next) { /* takes next */
    if (!next) return false;
    if (w->t != w->self) tw_release(w->t);
    w->t = next;
    return true;
}

static bool take_int(walk *w, int64_t i) {
    int64_t size = w->dim < w->t->ndim ? w->t->sizes[w->dim] : 0;
    if (i < -size || i >= size) {
        PyErr_Format(PyExc_IndexError, "index %lld is out of bounds for dimension %lld with size %lld", (long long)i, (long long)w->dim,
                     (long long)size);
        return false;
    }
    tw_arg a[3] = {tw_a_tensor(w->t), tw_a_int(w->dim), tw_a_int(i)};
    return step_to(w, tw_py_op1_raw(TW_OP_select_int, 3, a));
}

/* One end of a slice: int, None, or something with __index__ (0-d tensors). */
static bool slice_end(PyObject *o, int64_t none, int64_t *into) {
    if (o == Py_None) {
        *into = none;
        return true;
    }
    Py_ssize_t v;
    if (!_PyEval_SliceIndex(o, &v)) return false;
    *into = v;
    return true;
}

static bool take_slice(walk *w, PyObject *o) {
    PySliceObject *s = (PySliceObject *)o;
    int64_t start, stop, step;
    if (!slice_end(s->step, 1, &step)) return false;
    if (step <= 0) {
        PyErr_SetString(PyExc_ValueError, step == 0 ? "slice step cannot be zero" : "step must be greater than zero");
        return false;
    }
    if (!slice_end(s->start, 0, &start) || !slice_end(s->stop, INT64_MAX, &stop)) return false;
    if (start == 0 && stop == INT64_MAX && step == 1) {
        w->dim++;
        return true;
    }
    tw_arg a[5] = {tw_a_tensor(w->t), tw_a_int(w->dim), tw_a_int(start), tw_a_int(stop), tw_a_int(step)};
    w->dim++;
    return step_to(w, tw_py_op1_raw(TW_OP_slice_Tensor, 5, a));
}

static bool take_none(walk *w) {
    tw_arg a[2] = {tw_a_tensor(w->t), tw_a_int(w->dim)};
    return step_to(w, tw_py_op1_raw(TW_OP_unsqueeze, 2, a));
}

static bool record(walk *w, tw_tensor *index) { /* takes index */
    if (w->dim >= MAX_INDICES) {
        tw_release(index);
        PyErr_SetString(PyExc_IndexError, "too many indices");
        return false;
    }
    while (w->count <= w->dim) w->indices[w->count++] = NULL;
    w->indices[w->dim] = index;
    w->dim += index->dtype == TW_BOOL || index->dtype == TW_UINT8 ? (index->ndim ? index->ndim : 1) : 1;
    /* A mask covers several dimensions, but is one entry of the list. */
    return true;
}

static bool take_flag(walk *w, bool value) {
    int64_t one = 1;
    if (!take_none(w)) return false;
    tw_tensor *index = tw_empty_new(&one, 1, TW_BOOL, TW_CPU);
    if (!index) return tw_py_raise() != NULL;
    *(uint8_t *)tw_data(index) = value;
    return record(w, index);
}

static bool take_tensor(walk *w, tw_tensor *t) {
    if (t->ndim == 0 && tw_is_integral((tw_dtype)t->dtype) && !(t->flags & TW_BATCHED)) {
        PyObject *item = tw_py_item(t);
        if (!item) return false;
        if (t->dtype == TW_BOOL || t->dtype == TW_UINT8) {
            bool value = PyObject_IsTrue(item) == 1;
            Py_DECREF(item);
            return take_flag(w, value);
        }
        int64_t i = PyLong_AsLongLong(item);
        Py_DECREF(item);
        return take_int(w, i);
    }
    if (!tw_is_integral((tw_dtype)t->dtype)) {
        PyErr_SetString(PyExc_IndexError, "tensors used as indices must be long, int, byte or bool tensors");
        return false;
    }
    if (t->dtype == TW_UINT8 &&
        PyErr_WarnEx(PyExc_UserWarning, "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.", 1) < 0)
        return false;
    tw_tensor_retain(t);
    return record(w, t);
}

static bool is_sequence_index(PyObject *o) {
    return PyTuple_Check(o) || PyList_Check(o) || tw_py_is_ndarray(o) || PyRange_Check(o) || (PySequence_Check(o) && !tw_py_is_tensor(o));
}

static bool take_sequence(walk *w, PyObject *o) {
    tw_tensor *t = tw_py_from_data(o, TW_DTYPE_NONE, TW_CPU);
    if (!t) return false;
    if (t->numel == 0 && !tw_is_integral((tw_dtype)t->dtype)) { /* [] is an empty list of longs */
        tw_tensor *empty = tw_empty_new(t->sizes, t->ndim, TW_INT64, TW_CPU);
        tw_release(t);
        if (!empty) return tw_py_raise() != NULL;
        t = empty;
    }
    bool ok = take_tensor(w, t);
    tw_release(t);
    return ok;
}

static int64_t dims_taken(PyObject *o) {
    if (PyLong_CheckExact(o) || PySlice_Check(o)) return 1;
    if (o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) return 0;
    if (tw_py_is_tensor(o)) {
        tw_tensor *t = tw_py_tensor_of(o);
        return t->dtype == TW_BOOL || t->dtype == TW_UINT8 ? t->ndim : 1;
    }
    if (PyList_Check(o) || tw_py_is_ndarray(o)) { /* nested lists of bools are masks */
        PyObject *first = o;
        int64_t depth = 0;
        if (tw_py_is_ndarray(o)) return 1;
        while (PyList_Check(first) && PyList_GET_SIZE(first) > 0) {
            first = PyList_GET_ITEM(first, 0);
            depth++;
        }
        return PyBool_Check(first) ? depth : 1;
    }
    return 1;
}

static bool take(walk *w, PyObject *o, PyObject *const *all, Py_ssize_t n, Py_ssize_t at) {
    if (PyLong_CheckExact(o)) {
        long long i = PyLong_AsLongLong(o);
        if (i == -1 && PyErr_Occurred()) return false;
        return take_int(w, i);
    }
    if (PySlice_Check(o)) return take_slice(w, o);
    if (o == Py_None) {
        if (!take_none(w)) return false;
        w->dim++;
        return true;
    }
    if (o == Py_Ellipsis) {
        int64_t after = 0;
        for (Py_ssize_t i = at + 1; i < n; i++) after += dims_taken(all[i]);
        if (w->t->ndim - after > w->dim) w->dim = w->t->ndim - after;
        return true;
    }
    if (PyBool_Check(o)) return take_flag(w, o == Py_True);
    if (tw_py_is_tensor(o)) return take_tensor(w, tw_py_tensor_of(o));
    if (PyLong_Check(o) || tw_py_is_numpy_scalar(o, 'i')) {
        PyObject *number = PyNumber_Index(o);
        long long i = number ? PyLong_AsLongLong(number) : -1;
        Py_XDECREF(number);
        if (i == -1 && PyErr_Occurred()) return false;
        return take_int(w, i);
    }
    if (tw_py_is_numpy_scalar(o, 'b')) return take_flag(w, PyObject_IsTrue(o) == 1);
    if (is_sequence_index(o)) return take_sequence(w, o);
    if (PyIndex_Check(o)) {
        PyObject *number = PyNumber_Index(o);
        long long i = number ? PyLong_AsLongLong(number) : -1;
        Py_XDECREF(number);
        if (i == -1 && PyErr_Occurred()) return false;
        return take_int(w, i);
    }
    PyErr_Format(PyExc_IndexError, "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                 "(got %s)", Py_TYPE(o)->tp_name);
    return false;
}

/* A list that holds slices, None, sequences or tensors was once meant as a tuple; PyTorch still warns and takes it so. */
static bool is_old_tuple(PyObject *o) {
    if (!PyList_Check(o) || PyList_GET_SIZE(o) >= 32) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); i++) {
        PyObject *item = PyList_GET_ITEM(o, i);
        if (PySlice_Check(item) || item == Py_None || item == Py_Ellipsis || tw_py_is_tensor(item) || PySequence_Check(item)) return true;
    }
    return false;
}

static bool walk_all(walk *w, tw_tensor *self, PyObject *index) {
    PyObject *single[1] = {index}, *const *items = single;
    Py_ssize_t n = 1;
    w->t = w->self = self;
    w->dim = w->count = 0;
    if (PyTuple_Check(index)) {
        items = ((PyTupleObject *)index)->ob_item;
        n = PyTuple_GET_SIZE(index);
    } else if (is_old_tuple(index)) {
        if (PyErr_WarnEx(PyExc_UserWarning, "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in "
                         "pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
                         "x[torch.tensor(seq)], which will result either in an error or a different result", 1) < 0)
            return false;
        items = ((PyListObject *)index)->ob_item;
        n = PyList_GET_SIZE(index);
    }
    int64_t total = 0;
    for (Py_ssize_t i = 0; i < n; i++) total += dims_taken(items[i]);
    if (total > self->ndim && !(self->ndim == 0 && n == 1 && !PyTuple_Check(index))) {
        PyErr_Format(PyExc_IndexError, "too many indices for tensor of dimension %d", (int)self->ndim);
        return false;
    }
    if (self->ndim == 0 && total > 0 && (PyLong_Check(index) || PySlice_Check(index))) {
        if (PySlice_Check(index)) PyErr_SetString(PyExc_IndexError, "slice() cannot be applied to a 0-dim tensor.");
        else PyErr_SetString(PyExc_IndexError, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
                             "to convert a 0-dim tensor to a number");
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        if (!take(w, items[i], items, n, i)) return false;
    return true;
}

/* Masks stand for several dimensions: the list of indices has one entry per index, not per dimension. */
static int64_t squeeze_masks(walk *w, tw_tensor **list) {
    int64_t n = 0;
    for (int64_t i = 0; i < w->count; i++) {
        tw_tensor *t = w->indices[i];
        list[n++] = t;
        if (t && (t->dtype == TW_BOOL || t->dtype == TW_UINT8) && t->ndim > 1) i += t->ndim - 1;
    }
    return n;
}

static PyObject *method_named(const char *name) {
    PyObject *f = PyDict_GetItemString(tw_py_base_type->tp_dict, name);
    return f ? f : Py_None;
}

static PyObject *getitem(PyObject *self, PyObject *index) {
    walk w;
    PyObject *result = NULL;
    tw_tensor *t = tw_py_tensor_of(self);
    if (!walk_all(&w, t, index)) goto done;
    if (w.count == 0) {
        if (w.t != t) {
            result = tw_py_wrap(w.t);
            w.t = t;
        } else {
            tw_arg a[1] = {tw_a_tensor(t)};
            result = tw_py_op1(TW_OP_alias, 1, a);
        }
        goto done;
    }
    tw_tensor *list[MAX_INDICES];
    int64_t n = squeeze_masks(&w, list);
    tw_arg a[2] = {tw_a_tensor(w.t), tw_a_tensors(list, n)};
    result = tw_py_op1(TW_OP_index_Tensor, 2, a);
done:
    walk_free(&w);
    return result;
}

PyObject *tw_py_getitem(PyObject *self, PyObject *index) {
    if (Py_TYPE(self) == tw_py_tensor_class && PyLong_CheckExact(index) && !tw_py_function_mode_on()) {
        tw_tensor *t = tw_py_tensor_of(self);
        long long i = PyLong_AsLongLong(index);
        if (t->ndim > 0 && i < t->sizes[0] && i >= -t->sizes[0]) {
            tw_arg a[3] = {tw_a_tensor(t), tw_a_int(0), tw_a_int(i)};
            return tw_py_op1(TW_OP_select_int, 3, a);
        }
        PyErr_Clear();
    }
    PyObject *args[2] = {self, index};
    if ((Py_TYPE(self) != tw_py_tensor_class || tw_py_function_mode_on()) && tw_py_any_overrides(args, 2)) {
        bool handled;
        PyObject *r = tw_py_dispatch(method_named("__getitem__"), args, 2, NULL, &handled);
        if (handled) return r;
    }
    return getitem(self, index);
}

/* The value with leading dimensions of size 1 dropped, as far as the target has fewer: (1, 1, 3) fits (3,). Owned. */
static tw_tensor *without_leading_ones(tw_tensor *value, int ndim) {
    int drop = 0;
    while (value->ndim - drop > ndim && value->sizes[drop] == 1) drop++;
    if (drop == 0) {
        tw_tensor_retain(value);
        return value;
    }
    tw_arg a[2] = {tw_a_tensor(value), tw_a_ints(value->sizes + drop, value->ndim - drop)};
    return tw_py_op1_raw(TW_OP_reshape, 2, a);
}

/* What does not broadcast to the target is refused in expand's words. */
static bool fits(tw_tensor *value, tw_tensor *target) {
    const int extra = target->ndim - value->ndim;
    bool same = extra >= 0;
    for (int i = 0; same && i < value->ndim; i++) same = value->sizes[i] == 1 || value->sizes[i] == target->sizes[i + extra];
    if (same) return true;
    tw_arg a[2] = {tw_a_tensor(value), tw_a_ints(target->sizes, target->ndim)};
    tw_tensor *expanded = tw_py_op1_raw(TW_OP_expand, 2, a);
    tw_release(expanded);
    return expanded != NULL;
}

static bool run_inplace(int op_id, int n, const tw_arg *args) {
    const tw_op *op = &tw_ops[op_id];
    tw_arg full[TW_MAX_ARGS];
    tw_fill_defaults(op, n, args, full);
    if (tw_py_run_inplace(op, full)) return true;
    tw_py_raise();
    return false;
}

/* The assigned value: a tensor, or a number of the target's dtype. Owned. */
static tw_tensor *value_tensor(tw_tensor *self, PyObject *value) {
    tw_scalar s;
    if (tw_py_is_tensor(value)) {
        tw_tensor_retain(tw_py_tensor_of(value));
        return tw_py_tensor_of(value);
    }
    int r = tw_py_scalar_from(value, &s);
    if (r < 0) return NULL;
    if (r == 0) {
        PyErr_Format(PyExc_TypeError, "can't assign a %s to a torch.%sTensor", Py_TYPE(value)->tp_name, tw_dtypes[self->dtype].type_name);
        return NULL;
    }
    /* half types take what a double holds: what is too large becomes infinite */
    const tw_dtype holds = self->dtype == TW_FLOAT16 || self->dtype == TW_BFLOAT16 ? TW_FLOAT64 : (tw_dtype)self->dtype;
    if (!tw_check_number(s, holds)) {
        tw_py_raise();
        return NULL;
    }
    tw_tensor *t = tw_scalar_new(s, (tw_dtype)self->dtype, self->device == TW_META ? TW_META : TW_CPU);
    if (!t) tw_py_raise();
    return t;
}

static bool assign(PyObject *self, PyObject *index, PyObject *value) {
    walk w;
    tw_tensor *t = tw_py_tensor_of(self), *v = NULL, *fitted = NULL;
    bool ok = walk_all(&w, t, index) && (v = value_tensor(t, value)) != NULL;
    if (!ok) goto done;
    if (w.count == 0) {
        fitted = without_leading_ones(v, w.t->ndim);
        tw_arg a[2] = {tw_a_tensor(w.t), tw_a_tensor(fitted)};
        ok = fitted && fits(fitted, w.t) && run_inplace(TW_OP_copy_, 2, a);
        goto done;
    }
    tw_tensor *list[MAX_INDICES];
    int64_t n = squeeze_masks(&w, list);
    fitted = without_leading_ones(v, TW_MAX_DIMS);
    tw_arg a[4] = {tw_a_tensor(w.t), tw_a_tensors(list, n), tw_a_tensor(fitted), tw_a_bool(false)};
    ok = fitted && run_inplace(TW_OP_index_put_, 4, a);
done:
    tw_release(v);
    tw_release(fitted);
    walk_free(&w);
    return ok;
}

int tw_py_setitem(PyObject *self, PyObject *index, PyObject *value) {
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "Tensor does not support deleting items");
        return -1;
    }
    PyObject *args[3] = {self, index, value};
    if (tw_py_any_overrides(args, 3)) {
        bool handled;
        PyObject *r = tw_py_dispatch(method_named("__setitem__"), args, 3, NULL, &handled);
        if (handled) {
            Py_XDECREF(r);
            return r ? 0 : -1;
        }
    }
    return assign(self, index, value) ? 0 : -1;
}
