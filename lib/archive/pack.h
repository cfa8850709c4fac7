/* Archives that we make: tar in zstd, the same bytes for the same content. */
#ifndef ARCHIVE_PACK_H
#define ARCHIVE_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/unpack.h"

/* Nothing of the disk or the moment goes in: time 0, owner 0 without a name, modes 0644 and 0755
 * (what the owner may execute), no attributes, entries in order. The bytes also depend on
 * libarchive's and zstd's versions. What is in it goes by the rules of archive_unpack(): what that
 * would refuse is refused here. A writer is for one thread at a time. */
struct archive_writer;

#define ARCHIVE_WRITER_AUTO __attribute__((cleanup(archive_writer_drop))) struct archive_writer

/* Begins an archive at the offset of `fd`, which stays the caller's, as does `label`, what messages
 * call it. What goes in is held to `limits` as if it were unpacked, but for the ratio and for what
 * unpacking takes: whoever unpacks it has to allow as much. Null means ARCHIVE_LIMITS_INIT. Nothing
 * is synced. 0 and `*ret`, which archive_writer_close() takes back, and archive_writer_drop() where
 * that is never reached; -1 and ML_NO_INPUT ("no_libarchive"), ML_LIMIT, ML_IO. */
int archive_writer_open(int fd, const char *label, const struct archive_limits *limits,
                        struct archive_writer **ret, struct ml_error *err);

/* Each adds one file. Paths have to come in order: byte by byte, a slash before all others. 0; -1
 * and ML_REFUSED ("hostile_archive": a path that archive_unpack() would refuse), ML_LIMIT
 * ("archive_too_large": over a limit), ML_BUG (a path out of order), ML_DATA (`file` is no regular
 * file; links are not followed), ML_BUSY (it changed while it was read), ML_NO_INPUT, ML_IO. After
 * a failure the archive is of no use: drop it. */
int archive_writer_add_data(struct archive_writer *writer, const char *path, const void *data,
                            size_t n, bool executable, struct ml_error *err);
int archive_writer_add_file(struct archive_writer *writer, const char *path, int dirfd,
                            const char *file, struct ml_error *err);

/* Adds all files of a directory, with `prefix`, which may be "", and a slash before their paths.
 * Directories themselves are not added: one without files is lost. Errors as above; ML_DATA as well
 * for anything but files and directories. */
int archive_writer_add_tree(struct archive_writer *writer, const char *prefix, int dirfd,
                            struct ml_error *err);

/* Ends the archive and frees the writer. 0; -1 and ML_IO: then what was written is not whole. */
int archive_writer_close(struct archive_writer **writer, struct ml_error *err);

/* Frees the writer without ending the archive; harmless after a close. */
void archive_writer_drop(struct archive_writer **writer);

#endif
