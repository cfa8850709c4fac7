/* Archives for tests, made byte by byte: as good or as bad as they have to be. */
#ifndef UNIT_PACKED_H
#define UNIT_PACKED_H

#include "archive/unpack.h"
#include "base/buf.h"
#include "fixture.h"

/* One entry of a tar (ustar, POSIX.1-2017). */
struct tar_file {
    const char *name;
    char type;           /* 0: a regular file */
    const char *content; /* null: none */
    unsigned mode;       /* 0: 0644 */
    const char *link;
    long long size; /* 0: the content's; -1: none; else what the header says of it */
};
void tar_add(struct buf *out, const struct tar_file *file);
void tar_end(struct buf *out);
/* An extended header, for the entry behind it: "key=value" texts, and a null. */
__attribute__((sentinel)) void tar_pax(struct buf *out, const char *record, ...);
/* A tar with one file. */
void tar_small(struct buf *out, const char *name, const char *content);

/* One entry of a zip (APPNOTE.TXT 6.3.10), stored. What is 0 is as it should be. */
struct zip_file {
    const char *name;
    const char *content;
    size_t name_size;
    unsigned mode;        /* of Unix */
    unsigned flags;       /* in both headers */
    unsigned method;      /* in both headers */
    unsigned descriptor;  /* bytes of one behind the data, 12 or 16, or of anything else */
    const char *local;    /* another name in the header in front */
    const char *before;   /* bytes in front of all of it */
    bool again;           /* in the directory alone: at the place of the entry before */
    unsigned bad_crc;     /* added to the checksum, in both headers */
    unsigned local_bytes; /* added to the size, in the header in front */
};
struct zip_maker {
    struct buf files, directory;
    size_t n, last;
};
#define ZIP_AUTO __attribute__((cleanup(zip_free))) struct zip_maker
void zip_free(struct zip_maker *zip);
void zip_add(struct zip_maker *zip, const struct zip_file *file);
/* Moves all of it to `out`. */
void zip_end(struct zip_maker *zip, const char *comment, struct buf *out);

/* Adds `in`, compressed by "gzip", "xz", "zstd" or "bzip2", or as it is by
 * "none". */
void packed_compress(const struct buf *in, const char *filter, struct buf *out);

/* The CRC-32 of gzip, zip and xz. */
uint32_t packed_crc(const char *data, size_t n);

/* A memfd that holds it. */
int packed_fd(const struct buf *in);

/* Unpacks into "place/out", which is made anew. The status of the error, or 0; the directory must
 * be empty after an error. */
int packed_unpack(const struct place *place, const struct buf *in,
                  const struct archive_limits *limits, struct ml_error *err);
/* What is in there then, as below. */
const char *packed_out(const struct place *place);

/* The files and directories beneath a directory, sorted: "a/ a/b=content "; others as "a? ". Good
 * until the next call. */
const char *packed_list(int dirfd);

#endif
