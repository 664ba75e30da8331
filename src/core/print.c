/* Printing by PyTorch's rules: one width for all elements, scientific notation when magnitudes lie far apart, floats that are all
 * integers as "1.", long tensors summarised. Values are read one by one: printing is not a hot path. */
#include "core/print.h"
#include "core/sparse.h"

#include "core/memory.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

tw_print_options tw_print_defaults = {4, 1000, 3, 80, -1};

/* --- a growing text ------------------------------------------------------------------------------------------ */

typedef struct text { char *at; size_t length, room; bool failed; } text;

static void text_add(text *t, const char *piece, size_t n) {
    if (t->failed) return;
    if (t->length + n + 1 > t->room) {
        const size_t room = 2 * (t->length + n + 1) + 64;
        char *grown = tw_realloc(t->at, room);
        if (!grown) { t->failed = true; return; }
        t->at = grown;
        t->room = room;
    }
    memcpy(t->at + t->length, piece, n);
    t->length += n;
    t->at[t->length] = 0;
}
static void text_put(text *t, const char *piece) { text_add(t, piece, strlen(piece)); }
static void text_fill(text *t, char c, int64_t n) { while (n-- > 0) text_add(t, &c, 1); }

/* --- how one element looks ----------------------------------------------------------------------------------- */

typedef struct format { bool floating, integers, scientific; int width, precision; } format;
typedef struct part { double value; int64_t integer; tw_dtype dtype; } part; /* a real element, or half of a complex one */
enum { ELEMENT_ROOM = 400 }; /* %.*f of the largest double, with some precision */

static int write_part(char *to, const part *p, const format *f) {
    if (!f->floating) {
        if (p->dtype == TW_BOOL) return snprintf(to, ELEMENT_ROOM, "%s", p->integer ? "True" : "False");
        if (p->dtype == TW_UINT64) return snprintf(to, ELEMENT_ROOM, "%llu", (unsigned long long)p->integer);
        return snprintf(to, ELEMENT_ROOM, "%lld", (long long)p->integer);
    }
    if (isnan(p->value)) return snprintf(to, ELEMENT_ROOM, "nan"); /* Python prints no sign of NaN */
    if (isinf(p->value)) return snprintf(to, ELEMENT_ROOM, p->value < 0 ? "-inf" : "inf");
    if (f->scientific) return snprintf(to, ELEMENT_ROOM, "%.*e", f->precision, p->value);
    if (f->integers) return snprintf(to, ELEMENT_ROOM, "%.0f.", p->value);
    return snprintf(to, ELEMENT_ROOM, "%.*f", f->precision, p->value);
}

typedef struct printer {
    const tw_tensor *t;
    const tw_print_options *options;
    bool summarise;
    format first, second; /* real parts (or all); imaginary parts */
    text out;
} printer;

static part read_part(const tw_tensor *t, int64_t offset, bool imaginary) {
    const size_t size = tw_dtypes[t->dtype].size;
    const tw_scalar s = tw_load_scalar((const char *)t->storage->data + (size_t)offset * size, (tw_dtype)t->dtype);
    part p = {s.kind == TW_SCALAR_FLOAT || s.kind == TW_SCALAR_COMPLEX ? s.re : 0.0, s.i, (tw_dtype)t->dtype};
    if (imaginary) p.value = t->flags & TW_CONJ ? -s.im : s.im;
    if (t->flags & TW_NEG) { p.value = -p.value; p.integer = -p.integer; }
    return p;
}

/* Calls visit on each element that is shown. */
static void for_shown(printer *p, int dim, int64_t offset, void (*visit)(printer *, int64_t offset, void *), void *context) {
    const tw_tensor *t = p->t;
    if (dim == t->ndim) { visit(p, offset, context); return; }
    const int64_t n = t->sizes[dim], edge = p->options->edgeitems;
    const bool cut = p->summarise && n > 2 * edge;
    for (int64_t i = 0; i < n; i++) {
        if (cut && i == edge) i = n - edge;
        if (i >= n) break;
        for_shown(p, dim + 1, offset + i * t->strides[dim], visit, context);
    }
}

typedef struct survey { bool imaginary, any, integers, poisoned; double least, most; int width, pass; format *into; } survey;

static void measure(printer *p, int64_t offset, void *context) {
    survey *s = context;
    const part x = read_part(p->t, offset, s->imaginary);
    char shown[ELEMENT_ROOM];
    if (!s->into->floating) {
        const int width = write_part(shown, &x, s->into);
        if (width > s->width) s->width = width;
        return;
    }
    /* PyTorch compares E8M0 with a zero that it has rounded to 2^-127, the least such number, and takes its NaN for finite. */
    const bool odd = x.dtype == TW_FLOAT8_E8M0FNU;
    if (odd ? x.value == 0x1p-127 : !isfinite(x.value) || x.value == 0) return;
    if (s->pass == 0) {
        s->poisoned |= isnan(x.value);
        const double size = fabs(x.value);
        if (!s->any || size < s->least) s->least = size;
        if (!s->any || size > s->most) s->most = size;
        s->any = true;
        if (x.value != ceil(x.value)) s->integers = false;
        return;
    }
    const int width = write_part(shown, &x, s->into);
    if (width > s->width) s->width = width;
}

/* Looks at the shown elements twice: for magnitudes, then for the width they need. */
static void choose_format(printer *p, format *f, bool imaginary) {
    const tw_dtype dtype = (tw_dtype)p->t->dtype;
    *f = (format){.floating = !tw_is_integral(dtype) && tw_dtypes[dtype].category >= 2, .integers = true, .width = 1,
                  .precision = p->options->precision};
    survey s = {.imaginary = imaginary, .integers = true, .width = 1, .into = f};
    for_shown(p, 0, p->t->offset, measure, &s);
    if (f->floating && s.any) {
        f->integers = s.integers;
        f->scientific = p->options->sci_mode >= 0 ? p->options->sci_mode != 0
                                                  : !s.poisoned && (s.most / s.least > 1000.0 || s.most > 1.0e8 || s.least < 1.0e-4);
        s.pass = 1;
        for_shown(p, 0, p->t->offset, measure, &s);
    }
    f->width = s.width;
}

static void put_element(printer *p, int64_t offset) {
    char shown[ELEMENT_ROOM];
    const part real = read_part(p->t, offset, false);
    int n = write_part(shown, &real, &p->first);
    text_fill(&p->out, ' ', p->first.width - n);
    text_put(&p->out, shown);
    if (!tw_is_complex((tw_dtype)p->t->dtype)) return;
    const part imag = read_part(p->t, offset, true);
    n = write_part(shown, &imag, &p->second);
    if (shown[0] != '-' && shown[0] != '+') text_put(&p->out, "+"); /* the padding before it is stripped */
    text_put(&p->out, shown);
    text_put(&p->out, "j");
}

static void put_vector(printer *p, int64_t offset, int64_t indent) {
    const tw_tensor *t = p->t;
    const int64_t n = t->sizes[t->ndim - 1], stride = t->strides[t->ndim - 1], edge = p->options->edgeitems;
    const bool cut = p->summarise && n > 2 * edge;
    int64_t length = p->first.width + 2;
    if (tw_is_complex((tw_dtype)t->dtype)) length += p->second.width + 1;
    int64_t per_line = (int64_t)floor((double)(p->options->linewidth - indent) / (double)length);
    if (per_line < 1) per_line = 1;
    text_put(&p->out, "[");
    int64_t shown = 0;
    for (int64_t i = 0; i < n; i++, shown++) {
        if (shown > 0 && shown % per_line == 0) {
            text_put(&p->out, ",\n");
            text_fill(&p->out, ' ', indent + 1);
        } else if (shown > 0) {
            text_put(&p->out, ", ");
        }
        if (cut && i == edge) {
            text_put(&p->out, edge ? " ..." : "...");
            i = n - edge - 1;
        } else {
            put_element(p, offset + i * stride);
        }
    }
    text_put(&p->out, "]");
}

static void put_nested(printer *p, int dim, int64_t offset, int64_t indent) {
    const tw_tensor *t = p->t;
    if (t->ndim == 0) { put_element(p, offset); return; }
    if (dim == t->ndim - 1) { put_vector(p, offset, indent); return; }
    const int64_t n = t->sizes[dim], edge = p->options->edgeitems;
    const bool cut = p->summarise && n > 2 * edge;
    text_put(&p->out, "[");
    for (int64_t i = 0, shown = 0; i < n; i++, shown++) {
        if (shown > 0) {
            text_put(&p->out, ",");
            text_fill(&p->out, '\n', t->ndim - dim - 1);
            text_fill(&p->out, ' ', indent + 1);
        }
        if (cut && i == edge) {
            text_put(&p->out, "...");
            i = n - edge - 1;
        } else {
            put_nested(p, dim + 1, offset + i * t->strides[dim], indent + 1);
        }
    }
    text_put(&p->out, "]");
}

/* --- what follows the values --------------------------------------------------------------------------------- */

typedef struct line { int64_t used; size_t indent; } line;

static void put_suffix(printer *p, line *l, const char *suffix) {
    const int64_t n = (int64_t)strlen(suffix);
    if (l->used + n + 2 > p->options->linewidth) {
        text_put(&p->out, ",\n");
        text_fill(&p->out, ' ', (int64_t)l->indent);
        l->used = (int64_t)l->indent + n;
    } else {
        text_put(&p->out, ", ");
        l->used += n + 2;
    }
    text_put(&p->out, suffix);
}

static void put_size(printer *p, line *l) {
    text size = {0};
    char number[32];
    text_put(&size, "size=(");
    for (int i = 0; i < p->t->ndim; i++) {
        snprintf(number, sizeof number, i ? ", %lld" : "%lld", (long long)p->t->sizes[i]);
        text_put(&size, number);
    }
    text_put(&size, p->t->ndim == 1 ? ",)" : ")");
    if (size.failed) p->out.failed = true;
    else put_suffix(p, l, size.at);
    tw_free(size.at);
}

static void put_suffixes(printer *p, size_t indent, const char *suffix) {
    const tw_tensor *t = p->t;
    const tw_dtype dtype = (tw_dtype)t->dtype, standard = tw_default_dtype();
    const bool meta = tw_device_type(t->device) == TW_META, empty = t->numel == 0;
    if (p->out.failed) return;
    const char *last = strrchr(p->out.at, '\n');
    /* PyTorch counts from the line's newline, or two past the end where there is none: len(s) - s.rfind("\n") + 1 */
    line l = {(int64_t)p->out.length - (last ? last - p->out.at : -1) + 1, indent};
    char note[96];
    if (t->device != TW_CPU) {
        snprintf(note, sizeof note, "device='%s'", tw_device_text(t->device));
        put_suffix(p, &l, note);
    }
    if (meta || (empty && t->ndim != 1) || (!empty && p->options->edgeitems == 0)) put_size(p, &l);
    const tw_dtype complex = standard == TW_FLOAT64 ? TW_COMPLEX128 : TW_COMPLEX64;
    const bool usual = meta || empty ? dtype == standard
                                     : dtype == standard || dtype == complex || dtype == TW_INT64 || dtype == TW_BOOL;
    if (!usual) {
        snprintf(note, sizeof note, "dtype=torch.%s", tw_dtypes[dtype].name);
        put_suffix(p, &l, note);
    }
    if (suffix) put_suffix(p, &l, suffix);
}

static void put_values(printer *p, int64_t indent) {
    const tw_tensor *t = p->t;
    if (t->device != TW_CPU) {
        text_put(&p->out, "...");
    } else if (t->numel == 0) {
        text_put(&p->out, "[]");
    } else {
        choose_format(p, &p->first, false);
        if (tw_is_complex((tw_dtype)t->dtype)) choose_format(p, &p->second, true);
        put_nested(p, 0, t->offset, indent);
    }
}

/* "indices=tensor(...)" */
static void put_part(printer *whole, const char *name, const tw_tensor *t, int64_t indent) {
    printer p = {.t = t, .options = whole->options, .out = whole->out, .summarise = (double)t->numel > whole->options->threshold};
    text_put(&p.out, name);
    put_values(&p, indent + (int64_t)strlen(name));
    whole->out = p.out;
    if (t->numel == 0) {
        text_put(&whole->out, ", size=(");
        for (int i = 0; i < t->ndim; i++) {
            char number[32];
            snprintf(number, sizeof number, i ? ", %lld" : "%lld", (long long)t->sizes[i]);
            text_put(&whole->out, number);
        }
        text_put(&whole->out, t->ndim == 1 ? ",)" : ")");
    }
    text_put(&whole->out, ")");
}

/* The parts, and what is known of the whole, on lines of its own. */
static void put_sparse(printer *p, size_t indent, const char *suffix) {
    const tw_sparse *s = tw_sparse_of(p->t);
    const tw_dtype dtype = (tw_dtype)p->t->dtype, standard = tw_default_dtype();
    char note[96];
    put_part(p, "indices=tensor(", s->indices, (int64_t)indent);
    text_put(&p->out, ",\n");
    text_fill(&p->out, ' ', (int64_t)indent);
    put_part(p, "values=tensor(", s->values, (int64_t)indent);
    line l = {p->options->linewidth, indent}; /* full: the first goes to the next line */
    put_size(p, &l);
    snprintf(note, sizeof note, "nnz=%lld", (long long)tw_stored(p->t));
    put_suffix(p, &l, note);
    if (dtype != standard && dtype != (standard == TW_FLOAT64 ? TW_COMPLEX128 : TW_COMPLEX64) && dtype != TW_INT64 && dtype != TW_BOOL) {
        snprintf(note, sizeof note, "dtype=torch.%s", tw_dtypes[dtype].name);
        put_suffix(p, &l, note);
    }
    put_suffix(p, &l, "layout=torch.sparse_coo");
    if (suffix) put_suffix(p, &l, suffix);
}

char *tw_tensor_text(const tw_tensor *t, const tw_print_options *options, const char *prefix, const char *suffix) {
    printer p = {.t = t, .options = options ? options : &tw_print_defaults};
    p.summarise = (double)t->numel > p.options->threshold;
    const size_t indent = strlen(prefix) + 1;
    text_put(&p.out, prefix);
    text_put(&p.out, "(");
    if (t->layout) {
        put_sparse(&p, indent, suffix);
    } else {
        put_values(&p, (int64_t)indent);
        put_suffixes(&p, indent, suffix);
    }
    text_put(&p.out, ")");
    if (p.out.failed) {
        tw_free(p.out.at);
        return NULL;
    }
    return p.out.at;
}
