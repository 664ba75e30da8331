/* Reading and replacing files. */
#include "io/file.h"
#include "core/error.h"
#include "core/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool tw_fail_errno(int number, const char *path) {
    char text[128];
    return tw_fail(TW_OS_ERROR, "[Errno %d] %s: '%s'", number, strerror_r(number, text, sizeof text), path);
}

int tw_file_open(const char *path, int64_t *size) {
    if (!path) return tw_fail(TW_VALUE_ERROR, "the path is NULL"), -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) != 0) {
        tw_fail_errno(errno, path);
    } else if (!S_ISREG(about.st_mode)) {
        if (S_ISDIR(about.st_mode)) tw_fail_errno(EISDIR, path);
        else tw_fail(TW_OS_ERROR, "not a regular file: '%s'", path);
    } else {
        *size = about.st_size;
        return fd;
    }
    if (fd >= 0) close(fd);
    return -1;
}

bool tw_file_read(int fd, const char *path, int64_t offset, void *to, size_t n) {
    char *at = to;
    while (n > 0) {
        ssize_t got = pread(fd, at, n < (1u << 30) ? n : 1u << 30, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return tw_fail_errno(errno, path);
        if (got == 0) return tw_fail(TW_OS_ERROR, "'%s' ends before byte %lld", path, (long long)offset + (long long)n);
        at += got;
        offset += got;
        n -= (size_t)got;
    }
    return true;
}

bool tw_writer_open(tw_file_writer *w, const char *path) {
    static atomic_uint turn;
    *w = (tw_file_writer){.fd = -1};
    size_t room = strlen(path) + 40;
    w->path = tw_strdup(path);
    w->temporary = tw_malloc(room);
    if (!w->path || !w->temporary) return tw_writer_close(w, false);
    snprintf(w->temporary, room, "%s.%ld-%u.tmp", path, (long)getpid(), atomic_fetch_add(&turn, 1));
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd >= 0) return true;
    tw_fail_errno(errno, path);
    return tw_writer_close(w, false);
}

void tw_file_send(int fd, int64_t from, int64_t n) {
#ifdef SYNC_FILE_RANGE_WRITE
    (void)!sync_file_range(fd, from, n, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd, (void)from, (void)n;
#endif
}

/* Large writes go in pieces, each on its way to the disk while the next is made: the fsync at the end then waits for the last ones only. */
bool tw_writer_put(tw_file_writer *w, const void *from, size_t n) {
    enum { PIECE = 4 << 20 };
    const char *at = from;
    while (n > 0) {
        ssize_t put = write(w->fd, at, n < PIECE ? n : PIECE);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return tw_fail_errno(errno, w->path);
        at += put;
        n -= (size_t)put;
        w->written += put;
        if (w->written - w->sent < PIECE) continue;
        tw_file_send(w->fd, w->sent, w->written - w->sent);
        w->sent = w->written;
    }
    return true;
}

/* A new name is on disk only when its folder is. A file system that cannot do that has done what it can. */
static void sync_folder(char *path) {
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path] = '\0';
    int fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)!fsync(fd);
    close(fd);
}

bool tw_writer_close(tw_file_writer *w, bool ok) {
    if (w->fd >= 0) {
        if (ok && fsync(w->fd) != 0 && errno != EINVAL) ok = tw_fail_errno(errno, w->path);
        if (close(w->fd) != 0 && ok) ok = tw_fail_errno(errno, w->path);
        if (ok && rename(w->temporary, w->path) != 0) ok = tw_fail_errno(errno, w->path);
        if (ok) sync_folder(w->path);
        else unlink(w->temporary);
    }
    tw_free(w->path);
    tw_free(w->temporary);
    *w = (tw_file_writer){.fd = -1};
    return ok;
}

void tw_swap_bytes(void *numbers, int64_t n, size_t size) {
    char *bytes = numbers;
    for (int64_t i = 0; i < n; i++, bytes += size)
        for (size_t j = 0; j < size / 2; j++) {
            char c = bytes[j];
            bytes[j] = bytes[size - 1 - j];
            bytes[size - 1 - j] = c;
        }
}

/* Eight bytes a step: table[k][b] is the effect of byte b with k zero bytes behind it. */
static uint32_t table[8][256];
static void make_table(void) {
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
        table[0][b] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++) table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

/* The remainder of n bytes, a multiple of 16 from 64 on, after `crc`, both without the final complement: 64 bytes at a time by products without
 * carries (V. Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel, 2009; its constants are x^k modulo
 * the polynomial, bits reversed). */
#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("pclmul,sse4.1"))) static __m128i folded(__m128i x, __m128i k, __m128i next) {
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00), _mm_clmulepi64_si128(x, k, 0x11)), next);
}

__attribute__((target("pclmul,sse4.1"))) static uint32_t crc_by_products(uint32_t crc, const uint8_t *p, size_t n) {
    const __m128i by512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4), by128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const __m128i by64 = _mm_set_epi64x(0, 0x163cd6124), reduce = _mm_set_epi64x(0x1f7011641, 0x1db710641);
    const __m128i low = _mm_setr_epi32(~0, 0, ~0, 0);
    __m128i x[4];
    for (int i = 0; i < 4; i++) x[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)crc));
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64)
        for (int i = 0; i < 4; i++) x[i] = folded(x[i], by512, _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)));
    __m128i v = x[0];
    for (int i = 1; i < 4; i++) v = folded(v, by128, x[i]);
    for (; n >= 16; p += 16, n -= 16) v = folded(v, by128, _mm_loadu_si128((const __m128i *)(const void *)p));
    v = _mm_xor_si128(_mm_srli_si128(v, 8), _mm_clmulepi64_si128(v, by128, 0x10)); /* 128 bits to 96, to 64, to 32 */
    v = _mm_xor_si128(_mm_srli_si128(v, 4), _mm_clmulepi64_si128(_mm_and_si128(v, low), by64, 0x00));
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(v, low), reduce, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low), reduce, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(v, q), 1);
}

static bool has_products(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#else
static uint32_t crc_by_products(uint32_t crc, const uint8_t *p, size_t n) { (void)p, (void)n; return crc; }
static bool has_products(void) { return false; }
#endif

uint32_t tw_crc32(uint32_t crc, const void *bytes, size_t n) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_table);
    const uint8_t *p = bytes;
    crc = ~crc;
    if (n >= 64 && has_products()) {
        crc = crc_by_products(crc, p, n / 16 * 16);
        p += n / 16 * 16, n %= 16;
    }
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
              table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    while (n-- > 0) crc = table[0][(crc ^ *p++) & 0xff] ^ crc >> 8;
    return ~crc;
}
