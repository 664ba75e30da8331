#include "core/shared.h"

#include "core/error.h"
#include "core/memory.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A mapped file: its descriptor (-1 once closed), identity and bytes. Those with a descriptor are in a list, so that a file that comes back is
 * mapped only once and its storages have one address. */
typedef struct mapping {
    int fd;
    dev_t device;
    ino_t inode;
    void *data;
    size_t bytes;
    unsigned refs; /* storages */
    struct mapping *next;
} mapping;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list and refs */
static mapping *known;

static void enlist(mapping *m) {
    pthread_mutex_lock(&lock);
    m->next = known;
    known = m;
    pthread_mutex_unlock(&lock);
}

/* The mapping of this file with one reference more; NULL if there is none. */
static mapping *known_mapping(const struct stat *info, size_t bytes) {
    pthread_mutex_lock(&lock);
    mapping *m = known;
    while (m && (m->device != info->st_dev || m->inode != info->st_ino || m->bytes != bytes)) m = m->next;
    if (m) m->refs++;
    pthread_mutex_unlock(&lock);
    return m;
}

static void unmap(void *context, void *data, size_t bytes) {
    mapping *m = context;
    pthread_mutex_lock(&lock);
    const bool last = --m->refs == 0;
    for (mapping **at = &known; last && *at; at = &(*at)->next) {
        if (*at != m) continue;
        *at = m->next;
        break;
    }
    pthread_mutex_unlock(&lock);
    if (!last) return;
    if (data) munmap(data, bytes);
    if (m->fd >= 0) close(m->fd);
    tw_small_free(m, sizeof *m);
}

static void release_whole(void *context, void *data, size_t bytes) {
    (void)data, (void)bytes;
    tw_storage_release(context);
}

bool tw_storage_is_shared(const tw_storage *s) {
    return s->free == unmap || (s->free == release_whole && tw_storage_is_shared(s->context));
}

static int new_file(size_t bytes) {
#if defined(__linux__)
    const int fd = memfd_create("tallow", MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0) return fd;
    const int error = errno;
    if (fd >= 0) close(fd);
    tw_fail(TW_RUNTIME_ERROR, "unable to make shared memory of %zu bytes: %s (%d)", bytes, strerror(error), error);
#else
    (void)bytes;
    tw_fail(TW_NOT_IMPLEMENTED_ERROR, "shared memory is implemented for Linux only");
#endif
    return -1;
}

/* A file's first bytes in memory, not in the list yet. */
static mapping *map_file(int fd, const struct stat *info, size_t bytes) {
    if (info->st_size < 0 || (size_t)info->st_size < bytes) {
        tw_fail(TW_RUNTIME_ERROR, "a storage of %zu bytes needs a file of that size", bytes);
        return NULL;
    }
    mapping *m = tw_small_alloc(sizeof *m);
    if (!m) return NULL;
    *m = (mapping){.fd = fd, .device = info->st_dev, .inode = info->st_ino, .bytes = bytes, .refs = 1};
    m->data = bytes ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : NULL;
    if (m->data != MAP_FAILED) return m;
    tw_fail(TW_RUNTIME_ERROR, "unable to mmap %zu bytes: %s (%d)", bytes, strerror(errno), errno);
    tw_small_free(m, sizeof *m);
    return NULL;
}

static bool describe(int fd, struct stat *info) {
    return fstat(fd, info) == 0 || tw_fail(TW_RUNTIME_ERROR, "unable to stat a shared file: %s (%d)", strerror(errno), errno);
}

int tw_storage_share(tw_storage *s) {
    struct stat info;
    if (s->free == unmap && ((mapping *)s->context)->fd >= 0) return ((mapping *)s->context)->fd;
    if (s->device != TW_CPU) {
        tw_fail(TW_NOT_IMPLEMENTED_ERROR, "only storages on the CPU can be shared");
        return -1;
    }
    const int fd = new_file(s->bytes);
    mapping *m = fd >= 0 && describe(fd, &info) ? map_file(fd, &info, s->bytes) : NULL;
    if (!m) {
        if (fd >= 0) close(fd);
        return -1;
    }
    enlist(m);
    if (s->bytes) memcpy(m->data, s->data, s->bytes);
    if (s->free) s->free(s->context, s->data, s->bytes);
    else if (s->data) tw_block_free(s->data, s->bytes);
    s->data = m->data;
    s->free = unmap;
    s->context = m;
    s->resizable = false;
    return fd;
}

tw_storage *tw_storage_from_fd(int fd, size_t bytes, bool keep) {
    struct stat info;
    if (!describe(fd, &info)) return NULL;
    mapping *m = keep ? known_mapping(&info, bytes) : NULL;
    const bool back = m != NULL;
    if (!m && !(m = map_file(fd, &info, bytes))) return NULL;
    tw_storage *s = tw_storage_borrow(TW_CPU, m->data, bytes, unmap, m);
    if (!s) {
        if (!back) m->fd = -1; /* the caller's */
        unmap(m, m->data, bytes);
        return NULL;
    }
    if (back || !keep) close(fd);
    if (!keep) m->fd = -1;
    if (keep && !back) enlist(m);
    return s;
}

tw_storage *tw_storage_part(tw_storage *whole, size_t offset, size_t bytes) {
    if (offset > whole->bytes || bytes > whole->bytes - offset) {
        tw_fail(TW_RUNTIME_ERROR, "part of %zu bytes at %zu is outside a storage of %zu bytes", bytes, offset, whole->bytes);
        return NULL;
    }
    tw_storage *s = tw_storage_borrow(whole->device, whole->data ? (char *)whole->data + offset : NULL, bytes, release_whole, whole);
    if (s) tw_storage_retain(whole);
    return s;
}
