/* Zip archives of uncompressed files, as torch.save writes them; zip64 included. */
#ifndef TW_IO_ZIP_H
#define TW_IO_ZIP_H
#include "io/file.h"

typedef struct tw_zip_entry { char *name; int64_t header, size; uint32_t crc; uint16_t method, flags; } tw_zip_entry;
/* entries are sorted by name; folder is the top folder of the first entry in the file, with its slash: "archive/", or "". */
typedef struct tw_zip { int fd; const char *path; int64_t bytes, n; tw_zip_entry *entries; char *folder; } tw_zip;

/* Opens and reads the directory. path must outlive the zip. On failure there is nothing to close. */
bool tw_zip_open(tw_zip *z, const char *path);
void tw_zip_close(tw_zip *z);
/* The entry `name` within the archive's top folder ("data.pkl"); NULL without an error if absent. */
const tw_zip_entry *tw_zip_find(const tw_zip *z, const char *name);
bool tw_zip_read(const tw_zip *z, const tw_zip_entry *e, void *to); /* e->size bytes, checksum verified */

typedef struct tw_zip_writer { tw_file_writer file; tw_zip_entry *entries; int64_t n, room; } tw_zip_writer;
bool tw_zip_create(tw_zip_writer *z, const char *path);
/* Adds a file in the folder "archive/", its bytes at a multiple of 64 in the archive. */
bool tw_zip_add(tw_zip_writer *z, const char *name, const void *from, size_t n);
bool tw_zip_finish(tw_zip_writer *z, bool ok); /* writes the directory and puts the file in place; !ok: gives up */
#endif
