/* Files, read at a place and replaced as a whole. */
#ifndef TW_IO_FILE_H
#define TW_IO_FILE_H
#include "tallow/tallow.h"

/* OSError with the text that Python gives: "[Errno 2] No such file or directory: 'x'". Returns false. */
bool tw_fail_errno(int number, const char *path);
/* Opens for reading; the size goes to *size. -1 and an error on failure, also for what is no regular file. */
int tw_file_open(const char *path, int64_t *size);
/* Reads exactly n bytes at `offset`. */
bool tw_file_read(int fd, const char *path, int64_t offset, void *to, size_t n);

/* A file in the making, beside the one it will replace. */
typedef struct tw_file_writer { int fd; char *path, *temporary; int64_t written, sent; } tw_file_writer; /* sent: on its way to the disk */
bool tw_writer_open(tw_file_writer *w, const char *path);
bool tw_writer_put(tw_file_writer *w, const void *from, size_t n);
/* Starts writing what lies in a part of a file to the disk, without waiting: a later fsync has less to do. Nothing where the system cannot. */
void tw_file_send(int fd, int64_t from, int64_t n);
/* With ok: on disk, then in place of the old file. Otherwise the old file stays. Frees what w holds. Returns whether all went well. */
bool tw_writer_close(tw_file_writer *w, bool ok);

/* Reverses the bytes of each of n numbers of `size` bytes. */
void tw_swap_bytes(void *numbers, int64_t n, size_t size);
/* CRC-32 as in zip (polynomial 0xEDB88320); crc is that of what came before, 0 at first. */
uint32_t tw_crc32(uint32_t crc, const void *bytes, size_t n);
#endif
