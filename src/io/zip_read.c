/* Reading zip archives. Every number in them is checked against the file's size before it is used. */
#include "core/error.h"
#include "core/memory.h"
#include "io/zip.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20, DIRECTORY_BYTES = 46, LOCAL_BYTES = 30 };

static uint64_t get(const uint8_t *p, int n) {
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static bool damaged(const tw_zip *z, const char *what) {
    tw_fail(TW_RUNTIME_ERROR, "PytorchStreamReader failed reading zip archive: %s", what);
    return tw_hint("The file '%s' is not a checkpoint in zip format, or it is damaged or cut short.", z->path);
}

typedef struct directory { uint64_t n, bytes, offset; } directory;

/* The zip64 end record, when the plain one says that it does not suffice. `end` is where the plain one begins. */
static bool read_end64(const tw_zip *z, int64_t end, directory *d) {
    uint8_t locator[LOCATOR_BYTES], record[END64_BYTES];
    if (end < LOCATOR_BYTES) return damaged(z, "failed finding central directory");
    if (!tw_file_read(z->fd, z->path, end - LOCATOR_BYTES, locator, sizeof locator)) return false;
    uint64_t at = get(locator + 8, 8);
    if (get(locator, 4) != 0x07064b50 || end < LOCATOR_BYTES + END64_BYTES || at > (uint64_t)(end - LOCATOR_BYTES - END64_BYTES))
        return damaged(z, "failed finding central directory");
    if (!tw_file_read(z->fd, z->path, (int64_t)at, record, sizeof record)) return false;
    if (get(record, 4) != 0x06064b50) return damaged(z, "failed finding central directory");
    *d = (directory){get(record + 32, 8), get(record + 40, 8), get(record + 48, 8)};
    return true;
}

/* The end record is the last thing in the file, but for a comment of up to 64 KiB. */
static bool find_directory(const tw_zip *z, directory *d) {
    int64_t room = z->bytes < END_BYTES + 65535 ? z->bytes : END_BYTES + 65535, at = -1;
    if (room < END_BYTES) return damaged(z, "failed finding central directory");
    uint8_t *tail = tw_malloc((size_t)room);
    if (!tail) return false;
    bool ok = tw_file_read(z->fd, z->path, z->bytes - room, tail, (size_t)room);
    for (int64_t i = room - END_BYTES; ok && i >= 0 && at < 0; i--)
        if (get(tail + i, 4) == 0x06054b50) at = i;
    if (ok && at < 0) ok = damaged(z, "failed finding central directory");
    if (ok) {
        *d = (directory){get(tail + at + 10, 2), get(tail + at + 12, 4), get(tail + at + 16, 4)};
        int64_t end = z->bytes - room + at;
        if (d->n == 0xffff || d->bytes == 0xffffffff || d->offset == 0xffffffff) ok = read_end64(z, end, d);
        if (ok && (d->offset > (uint64_t)end || d->bytes > (uint64_t)end - d->offset || d->n > d->bytes / DIRECTORY_BYTES))
            ok = damaged(z, "failed reading central directory");
    }
    tw_free(tail);
    return ok;
}

/* Sizes and offset that do not fit 32 bits stand in the zip64 extra field, in this order. */
static bool read_extra(const uint8_t *p, size_t n, uint64_t *size, uint64_t *packed, uint64_t *header) {
    uint64_t *wanted[3] = {size, packed, header};
    for (size_t length; n >= 4; p += 4 + length, n -= 4 + length) {
        length = (size_t)get(p + 2, 2);
        if (length > n - 4) return false;
        if (get(p, 2) != 1) continue;
        const uint8_t *q = p + 4;
        size_t left = length;
        for (int i = 0; i < 3; i++) {
            if (*wanted[i] != 0xffffffff) continue;
            if (left < 8) return false;
            *wanted[i] = get(q, 8);
            q += 8;
            left -= 8;
        }
        return true;
    }
    return true;
}

/* One record of the directory; *p moves behind it. */
static bool read_record(tw_zip *z, const uint8_t **p, const uint8_t *end, tw_zip_entry *e) {
    const uint8_t *at = *p;
    if (end - at < DIRECTORY_BYTES || get(at, 4) != 0x02014b50) return damaged(z, "failed reading central directory");
    size_t name = (size_t)get(at + 28, 2), extra = (size_t)get(at + 30, 2), comment = (size_t)get(at + 32, 2);
    if ((size_t)(end - at) - DIRECTORY_BYTES < name + extra + comment) return damaged(z, "failed reading central directory");
    uint64_t packed = get(at + 20, 4), size = get(at + 24, 4), header = get(at + 42, 4);
    if (!read_extra(at + DIRECTORY_BYTES + name, extra, &size, &packed, &header) || header > (uint64_t)z->bytes ||
        size > (uint64_t)z->bytes)
        return damaged(z, "failed reading central directory");
    *e = (tw_zip_entry){.header = (int64_t)header, .size = (int64_t)size, .crc = (uint32_t)get(at + 16, 4),
                        .method = (uint16_t)get(at + 10, 2), .flags = (uint16_t)get(at + 8, 2)};
    e->name = tw_malloc(name + 1);
    if (!e->name) return false;
    memcpy(e->name, at + DIRECTORY_BYTES, name);
    e->name[name] = '\0';
    *p = at + DIRECTORY_BYTES + name + extra + comment;
    return true;
}

static bool keep_folder(tw_zip *z) {
    const char *name = z->n ? z->entries[0].name : "", *slash = strchr(name, '/');
    size_t n = slash ? (size_t)(slash - name) + 1 : 0;
    z->folder = tw_malloc(n + 1);
    if (!z->folder) return false;
    memcpy(z->folder, name, n);
    z->folder[n] = '\0';
    return true;
}

static int by_name(const void *a, const void *b) {
    const tw_zip_entry *left = a, *right = b;
    return strcmp(left->name, right->name);
}

/* Names must differ. Entries must not share bytes, lest a small file ask for much memory: together they fit into the file. */
static bool sort_entries(tw_zip *z) {
    int64_t total = 0;
    qsort(z->entries, (size_t)z->n, sizeof *z->entries, by_name);
    for (int64_t i = 0; i < z->n; i++) {
        int64_t size = z->entries[i].method == 0 ? z->entries[i].size : 0; /* compressed ones are never read */
        if (size > z->bytes - total) return damaged(z, "its entries overlap");
        total += size;
        if (i > 0 && strcmp(z->entries[i - 1].name, z->entries[i].name) == 0) return damaged(z, "two entries have one name");
    }
    return true;
}

static bool read_directory(tw_zip *z, const directory *d) {
    uint8_t *bytes = tw_malloc((size_t)d->bytes);
    z->entries = bytes ? tw_calloc((size_t)d->n, sizeof *z->entries) : NULL;
    bool ok = z->entries && tw_file_read(z->fd, z->path, (int64_t)d->offset, bytes, (size_t)d->bytes);
    const uint8_t *p = bytes;
    for (uint64_t i = 0; ok && i < d->n; i++) {
        ok = read_record(z, &p, bytes + d->bytes, &z->entries[i]);
        z->n += ok;
    }
    tw_free(bytes);
    return ok && keep_folder(z) && sort_entries(z);
}

bool tw_zip_open(tw_zip *z, const char *path) {
    directory d = {0};
    *z = (tw_zip){.path = path};
    z->fd = tw_file_open(path, &z->bytes);
    if (z->fd < 0) return false;
    if (find_directory(z, &d) && read_directory(z, &d)) return true;
    tw_zip_close(z);
    return false;
}

void tw_zip_close(tw_zip *z) {
    for (int64_t i = 0; i < z->n; i++) tw_free(z->entries[i].name);
    tw_free(z->entries);
    tw_free(z->folder);
    if (z->fd >= 0) close(z->fd);
    *z = (tw_zip){.fd = -1};
}

const tw_zip_entry *tw_zip_find(const tw_zip *z, const char *name) {
    size_t folder = strlen(z->folder);
    for (int64_t low = 0, high = z->n; low < high;) {
        int64_t middle = low + (high - low) / 2;
        const tw_zip_entry *e = &z->entries[middle];
        int order = strncmp(z->folder, e->name, folder);
        if (order == 0) order = strcmp(name, e->name + folder);
        if (order == 0) return e;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

bool tw_zip_read(const tw_zip *z, const tw_zip_entry *e, void *to) {
    uint8_t head[LOCAL_BYTES];
    if (e->method != 0 || (e->flags & 1))
        return tw_fail(TW_RUNTIME_ERROR, "PytorchStreamReader failed reading file %s: it is compressed or encrypted", e->name);
    if (e->header > z->bytes - LOCAL_BYTES) return damaged(z, "invalid header or archive is corrupted");
    if (!tw_file_read(z->fd, z->path, e->header, head, sizeof head)) return false;
    int64_t start = e->header + LOCAL_BYTES + (int64_t)get(head + 26, 2) + (int64_t)get(head + 28, 2);
    if (get(head, 4) != 0x04034b50 || start > z->bytes || e->size > z->bytes - start)
        return damaged(z, "invalid header or archive is corrupted");
    if (e->size && !tw_file_read(z->fd, z->path, start, to, (size_t)e->size)) return false;
    if (tw_crc32(0, to, (size_t)e->size) == e->crc) return true;
    tw_fail(TW_RUNTIME_ERROR, "PytorchStreamReader failed reading file %s: file read failed", e->name);
    return tw_hint("Its checksum is wrong: '%s' is damaged.", z->path);
}
