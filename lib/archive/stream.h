/* The bytes of a tar, out of the one compression that it may be in. */
#ifndef ARCHIVE_STREAM_H
#define ARCHIVE_STREAM_H

#include "archive/budget.h"
#include "archive/kind.h"
#include "archive/lib.h"

enum { STREAM_BLOCK = 65536 };

struct stream {
    const struct lib *lib;
    const struct budget *budget;
    int fd;
    enum kind kind;
    struct archive *packed; /* null: the file is the tar */
    uint64_t bytes;         /* that came so far */
    uint64_t content_end;   /* behind the last of them that is not 0 */
    uint32_t crc;           /* of a gzip's content */
    uint32_t crc_table[256];
    bool at_end;
    struct ml_error problem; /* why the last read failed */
    char block[STREAM_BLOCK];
};

void stream_close(struct stream *s);

/* Begins at the start of the file; `s` has its first four members. 0; -1 and ML_DATA, ML_REFUSED.
 */
int stream_open(struct stream *s, struct ml_error *err);

/* The next bytes, as many as come; they are the stream's and good until the next call. Their
 * number, 0 at the end, -1 and `s->problem`. */
ssize_t stream_read(struct stream *s, const void **ret);

/* Reads on to the end of the file and checks that the tar ended where it should: behind byte
 * `entries_end` there is the mark of its end, two blocks of zeros, and there are zeros, at most
 * a MiB of them, and nothing behind the compression's own end. 0; -1 and ML_DATA, ML_REFUSED,
 * ML_IO. */
int stream_finish(struct stream *s, uint64_t entries_end, struct ml_error *err);

#endif
