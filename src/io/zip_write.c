/* Writing zip archives: entry after entry, then the directory, always with zip64 end records when anything needs them. */
#include "core/error.h"
#include "core/memory.h"
#include "io/zip.h"
#include <string.h>

enum { ALIGNMENT = 64, LOCAL_BYTES = 30 };
static const char FOLDER[] = "archive/";

typedef struct record { uint8_t bytes[256]; size_t n; } record; /* a header in the making: little-endian fields one after the other */
static void put(record *r, uint64_t v, int n) {
    for (int i = 0; i < n; i++, v >>= 8) r->bytes[r->n++] = (uint8_t)v;
}

bool tw_zip_create(tw_zip_writer *z, const char *path) {
    *z = (tw_zip_writer){0};
    return tw_writer_open(&z->file, path);
}

static tw_zip_entry *new_entry(tw_zip_writer *z, const char *name) {
    if (z->n == z->room) {
        int64_t room = z->room ? 2 * z->room : 16;
        tw_zip_entry *grown = tw_realloc(z->entries, (size_t)room * sizeof *grown);
        if (!grown) return NULL;
        z->entries = grown;
        z->room = room;
    }
    size_t folder = sizeof FOLDER - 1, length = strlen(name);
    char *full = tw_malloc(folder + length + 1);
    if (!full) return NULL;
    memcpy(full, FOLDER, folder);
    memcpy(full + folder, name, length + 1);
    z->entries[z->n] = (tw_zip_entry){.name = full};
    return &z->entries[z->n++];
}

static uint32_t clipped(int64_t v) { return v >= 0xffffffff ? 0xffffffff : (uint32_t)v; }

bool tw_zip_add(tw_zip_writer *z, const char *name, const void *from, size_t n) {
    static const char padding[ALIGNMENT + 4] = {'F', 'B'};
    tw_zip_entry *e = new_entry(z, name);
    if (!e) return false;
    e->header = z->file.written;
    e->size = (int64_t)n;
    e->crc = tw_crc32(0, from, n);
    size_t length = strlen(e->name), wide = n >= 0xffffffff ? 20 : 0;
    /* A field "FB" fills up to the next multiple of 64; its own head takes 4 bytes. */
    size_t before = (size_t)e->header + LOCAL_BYTES + length + wide + 4;
    size_t fill = (ALIGNMENT - before % ALIGNMENT) % ALIGNMENT;
    record r = {.n = 0};
    put(&r, 0x04034b50, 4);
    put(&r, wide ? 45 : 20, 2);
    put(&r, 0x0800, 2);                 /* names are UTF-8 */
    put(&r, 0, 2);                      /* stored */
    put(&r, 0, 2);
    put(&r, 0x21, 2);                   /* 1980-01-01: the same file has the same bytes whenever it is written */
    put(&r, e->crc, 4);
    put(&r, clipped(e->size), 4);
    put(&r, clipped(e->size), 4);
    put(&r, length, 2);
    put(&r, wide + 4 + fill, 2);
    if (!tw_writer_put(&z->file, r.bytes, r.n) || !tw_writer_put(&z->file, e->name, length)) return false;
    r.n = 0;
    if (wide) {
        put(&r, 1, 2);
        put(&r, 16, 2);
        put(&r, n, 8);
        put(&r, n, 8);
    }
    put(&r, 'F' | 'B' << 8, 2);
    put(&r, fill, 2);
    return tw_writer_put(&z->file, r.bytes, r.n) && tw_writer_put(&z->file, padding + 2, fill) && tw_writer_put(&z->file, from, n);
}

static bool write_record(tw_zip_writer *z, const tw_zip_entry *e) {
    bool big = e->size >= 0xffffffff, far = e->header >= 0xffffffff;
    size_t length = strlen(e->name), inner = (big ? 16u : 0u) + (far ? 8u : 0u), extra = inner ? 4 + inner : 0;
    record r = {.n = 0};
    put(&r, 0x02014b50, 4);
    put(&r, extra ? 45 : 20, 2);
    put(&r, extra ? 45 : 20, 2);
    put(&r, 0x0800, 2);
    put(&r, 0, 4);
    put(&r, 0x21, 2);
    put(&r, e->crc, 4);
    put(&r, clipped(e->size), 4);
    put(&r, clipped(e->size), 4);
    put(&r, length, 2);
    put(&r, extra, 2);
    put(&r, 0, 2 + 2 + 2 + 4);
    put(&r, clipped(e->header), 4);
    if (!tw_writer_put(&z->file, r.bytes, r.n) || !tw_writer_put(&z->file, e->name, length)) return false;
    if (!extra) return true;
    r.n = 0;
    put(&r, 1, 2);
    put(&r, inner, 2);
    if (big) {
        put(&r, (uint64_t)e->size, 8);
        put(&r, (uint64_t)e->size, 8);
    }
    if (far) put(&r, (uint64_t)e->header, 8);
    return tw_writer_put(&z->file, r.bytes, r.n);
}

static bool write_end(tw_zip_writer *z, int64_t start) {
    int64_t end = z->file.written, bytes = end - start;
    record r = {.n = 0};
    if (z->n >= 0xffff || bytes >= 0xffffffff || start >= 0xffffffff) {
        put(&r, 0x06064b50, 4);
        put(&r, 44, 8);
        put(&r, 45, 2);
        put(&r, 45, 2);
        put(&r, 0, 8);
        put(&r, (uint64_t)z->n, 8);
        put(&r, (uint64_t)z->n, 8);
        put(&r, (uint64_t)bytes, 8);
        put(&r, (uint64_t)start, 8);
        put(&r, 0x07064b50, 4);
        put(&r, 0, 4);
        put(&r, (uint64_t)end, 8);
        put(&r, 1, 4);
    }
    uint64_t n = z->n >= 0xffff ? 0xffff : (uint64_t)z->n;
    put(&r, 0x06054b50, 4);
    put(&r, 0, 4);
    put(&r, n, 2);
    put(&r, n, 2);
    put(&r, clipped(bytes), 4);
    put(&r, clipped(start), 4);
    put(&r, 0, 2);
    return tw_writer_put(&z->file, r.bytes, r.n);
}

bool tw_zip_finish(tw_zip_writer *z, bool ok) {
    int64_t start = z->file.written;
    for (int64_t i = 0; ok && i < z->n; i++) ok = write_record(z, &z->entries[i]);
    ok = ok && write_end(z, start);
    ok = tw_writer_close(&z->file, ok) && ok;
    for (int64_t i = 0; i < z->n; i++) tw_free(z->entries[i].name);
    tw_free(z->entries);
    *z = (tw_zip_writer){.file = {.fd = -1}};
    return ok;
}
