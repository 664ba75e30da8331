/* Storages in memory that processes share: anonymous files, mapped. A file lives as long as some process maps it or holds its descriptor, so
 * nothing is left behind by a process that is killed. */
#ifndef TW_CORE_SHARED_H
#define TW_CORE_SHARED_H
#include "core/storage.h"

bool tw_storage_is_shared(const tw_storage *s);
/* Moves the bytes of a CPU storage into a file (once) and gives its descriptor, which stays the storage's. -1 on failure. */
int tw_storage_share(tw_storage *s);
/* Maps a file of at least `bytes` bytes; with `keep` the descriptor becomes the storage's own, and a file that this process has mapped already
 * keeps its address; without it is closed. Owned; NULL on failure, and
 * then the descriptor is still the caller's. */
tw_storage *tw_storage_from_fd(int fd, size_t bytes, bool keep);
/* `bytes` bytes of a storage from `offset` on, as a storage of its own that keeps the whole alive. */
tw_storage *tw_storage_part(tw_storage *whole, size_t offset, size_t bytes);
#endif
