/* .npy files: "\x93NUMPY", a version, the length of a header, the header (a Python dict as text), then the numbers. See
 * numpy/lib/format.py for the format. */
#include "io/npy.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "io/file.h"
#include <string.h>
#include <unistd.h>

enum { MAX_HEADER = 1 << 16, PREFIX = 6 };

typedef struct header { tw_dtype dtype; bool fortran, swapped; int ndim; int64_t sizes[TW_MAX_DIMS], start; } header;
typedef struct text { const char *at; const char *path; } text; /* ends with a '\0' */

static bool damaged(const char *path, const char *what) { return tw_fail(TW_VALUE_ERROR, "'%s' is no .npy file, or damaged: %s", path, what); }

/* "<f4": byte order, kind, bytes. */
static bool read_type(const text *t, const char *descr, size_t n, header *h) {
    static const struct { char name[4]; tw_dtype dtype; } known[] = {
        {"b1", TW_BOOL}, {"u1", TW_UINT8}, {"i1", TW_INT8}, {"i2", TW_INT16}, {"i4", TW_INT32}, {"i8", TW_INT64}, {"u2", TW_UINT16},
        {"u4", TW_UINT32}, {"u8", TW_UINT64}, {"f2", TW_FLOAT16}, {"f4", TW_FLOAT32}, {"f8", TW_FLOAT64}, {"c8", TW_COMPLEX64},
        {"c16", TW_COMPLEX128},
    };
    const char native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
    for (size_t i = 0; n > 1 && strchr("<>|=", descr[0]) && i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == n - 1 && memcmp(descr + 1, known[i].name, n - 1) == 0) {
            h->dtype = known[i].dtype;
            h->swapped = (descr[0] == '<' || descr[0] == '>') && descr[0] != native;
            return true;
        }
    return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "'%s' holds elements of type '%.*s', which are no numbers of a tensor", t->path,
                   (int)(n < 40 ? n : 40), descr);
}

static void skip_blanks(text *t) { t->at += strspn(t->at, " \t\n"); }
static bool accept(text *t, const char *word) {
    size_t n = strlen(word);
    skip_blanks(t);
    if (strncmp(t->at, word, n) != 0) return false;
    t->at += n;
    return true;
}

/* A word in quotes. */
static bool read_word(text *t, const char **word, size_t *n) {
    skip_blanks(t);
    char quote = *t->at;
    const char *end = quote == '\'' || quote == '"' ? strchr(t->at + 1, quote) : NULL;
    if (!end) return damaged(t->path, "its header lacks a word");
    *word = t->at + 1;
    *n = (size_t)(end - *word);
    t->at = end + 1;
    return true;
}

/* "(3, 4)", "(3,)" or "()" */
static bool read_shape(text *t, header *h) {
    if (!accept(t, "(")) return damaged(t->path, "its shape is no tuple");
    while (!accept(t, ")")) {
        int64_t size = 0;
        if (h->ndim == TW_MAX_DIMS) return damaged(t->path, "it has too many dimensions");
        if (*t->at < '0' || *t->at > '9') return damaged(t->path, "its shape holds what is no size");
        for (; *t->at >= '0' && *t->at <= '9'; t->at++)
            if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, *t->at - '0', &size))
                return damaged(t->path, "its sizes are impossible");
        h->sizes[h->ndim++] = size;
        if (!accept(t, ",") && (skip_blanks(t), *t->at != ')')) return damaged(t->path, "its shape does not end");
    }
    return true;
}

static bool read_dict(text *t, header *h) {
    unsigned seen = 0;
    const char *word = "", *descr = "";
    size_t n = 0, length = 0;
    if (!accept(t, "{")) return damaged(t->path, "its header is no dict");
    while (!accept(t, "}")) {
        if (!read_word(t, &word, &n)) return false;
        if (!accept(t, ":")) return damaged(t->path, "its header lacks a value");
        if (n == 5 && memcmp(word, "descr", 5) == 0 && !(seen & 1)) {
            seen |= 1;
            if (accept(t, "[")) return tw_fail(TW_NOT_IMPLEMENTED_ERROR, "'%s' holds records, which are no numbers of a tensor", t->path);
            if (!read_word(t, &descr, &length) || !read_type(t, descr, length, h)) return false;
        } else if (n == 13 && memcmp(word, "fortran_order", 13) == 0 && !(seen & 2)) {
            seen |= 2;
            h->fortran = accept(t, "True");
            if (!h->fortran && !accept(t, "False")) return damaged(t->path, "its fortran_order is neither True nor False");
        } else if (n == 5 && memcmp(word, "shape", 5) == 0 && !(seen & 4)) {
            seen |= 4;
            if (!read_shape(t, h)) return false;
        } else return damaged(t->path, "its header has an unknown key");
        if (!accept(t, ",") && (skip_blanks(t), *t->at != '}')) return damaged(t->path, "its header does not end");
    }
    return seen == 7 || damaged(t->path, "its header lacks a key");
}

static bool read_header(int fd, const char *path, int64_t bytes, header *h) {
    uint8_t head[PREFIX + 6] = {0};
    if (bytes < (int64_t)sizeof head) return damaged(path, "it is too short");
    if (!tw_file_read(fd, path, 0, head, sizeof head)) return false;
    if (memcmp(head, "\x93NUMPY", PREFIX) != 0) return damaged(path, "it does not begin with \\x93NUMPY");
    if (head[6] < 1 || head[6] > 3) return damaged(path, "its version is unknown");
    int64_t before = head[6] == 1 ? 10 : 12;
    int64_t length = head[8] | head[9] << 8;
    if (head[6] > 1) length |= (int64_t)head[10] << 16 | (int64_t)head[11] << 24;
    if (length > MAX_HEADER || length > bytes - before) return damaged(path, "its header is cut short");
    char *words = tw_malloc((size_t)length + 1);
    if (!words) return false;
    words[length] = '\0';
    text t = {words, path};
    h->start = before + length;
    bool ok = tw_file_read(fd, path, before, words, (size_t)length) && read_dict(&t, h);
    tw_free(words);
    return ok;
}

static bool check_size(const header *h, const char *path, int64_t bytes) {
    int64_t total = (int64_t)tw_dtype_size(h->dtype);
    bool overflow = false;
    for (int d = 0; d < h->ndim; d++) overflow |= __builtin_mul_overflow(total, h->sizes[d], &total);
    if (overflow) return damaged(path, "its sizes are impossible");
    if (total == bytes - h->start) return true;
    return tw_fail(TW_VALUE_ERROR, "'%s' is %s: sizes %s need %lld bytes of data, it has %lld", path,
                   bytes - h->start < total ? "cut short" : "damaged", tw_sizes_text(h->sizes, h->ndim), (long long)total,
                   (long long)(bytes - h->start));
}

static tw_tensor *read_all(int fd, const char *path, int64_t bytes) {
    header h = {.dtype = TW_DTYPE_NONE};
    int64_t strides[TW_MAX_DIMS], step = 1;
    if (!read_header(fd, path, bytes, &h) || !check_size(&h, path, bytes)) return NULL;
    tw_contiguous_strides(h.sizes, h.ndim, strides);
    for (int d = 0; h.fortran && d < h.ndim; d++) { /* the first dimension is the fastest */
        strides[d] = step;
        step = (int64_t)((uint64_t)step * (uint64_t)(h.sizes[d] > 1 ? h.sizes[d] : 1)); /* may wrap where another size is 0 */
    }
    tw_tensor *t = tw_empty_strided_new(h.sizes, strides, h.ndim, h.dtype, TW_CPU);
    const size_t size = tw_dtype_size(h.dtype), part = tw_is_complex(h.dtype) ? size / 2 : size;
    if (!t || !t->numel) return t;
    if (!tw_file_read(fd, path, h.start, tw_data(t), (size_t)t->numel * size)) {
        tw_release(t);
        return NULL;
    }
    if (h.swapped) tw_swap_bytes(tw_data(t), t->numel * (int64_t)(size / part), part);
    if (h.dtype == TW_BOOL) /* any byte but 0 is true, and 1 is the only one that kernels know */
        for (uint8_t *b = tw_data(t), *end = b + t->numel; b < end; b++) *b = *b != 0;
    return t;
}

tw_tensor *tw_npy_read(const char *path) {
    if (tw_failed()) return NULL;
    int64_t bytes = 0;
    int fd = tw_file_open(path, &bytes);
    if (fd < 0) return NULL;
    tw_tensor *t = read_all(fd, path, bytes);
    close(fd);
    return t;
}
