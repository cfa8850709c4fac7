/* What an archive is by its first bytes. */
#ifndef ARCHIVE_KIND_H
#define ARCHIVE_KIND_H

enum kind { KIND_NONE, KIND_TAR, KIND_GZIP, KIND_XZ, KIND_ZSTD, KIND_ZIP };

/* KIND_NONE, too, for what is no regular file or cannot be read. What a compressed file holds is
 * found out by whoever unpacks it. */
enum kind kind_of(int fd);

#endif
