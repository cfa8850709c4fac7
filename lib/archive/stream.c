/* libarchive could undo the compression on the way to the tar by itself. Done in two steps, every
 * byte is seen here: they are counted while they come, and what is behind the tar's end, where
 * libarchive stops reading, cannot hide anything. */
#include "archive/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

enum { TAR_END = 1024, PADDING_MAX = 1 << 20, GZIP_TRAILER = 8 };

void stream_close(struct stream *s)
{
    if (s->packed != NULL)
        s->lib->archive_read_free(s->packed);
    s->packed = NULL;
}

/* libarchive has two things to say: that memory is out, and all the rest. */
static int damaged(const struct stream *s, struct ml_error *err)
{
    if (s->lib->archive_errno(s->packed) == ENOMEM || errno == ENOMEM)
        return ml_error_set(err, ML_LIMIT, "archive_too_large",
                            "it takes too much memory to unpack");
    const char *why = s->lib->archive_error_string(s->packed);
    return ml_error_set(err, ML_DATA, "bad_archive", "it is damaged or cut short (%s)",
                        why ? why : "no reason given");
}

/* The checksum of gzip (RFC 1952, section 8), which libarchive passes over. Bit by bit it would
 * take as long as unpacking does. */
static void crc_prepare(struct stream *s)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t rest = i;
        for (int bit = 0; bit < 8; bit++)
            rest = rest & 1 ? rest >> 1 ^ 0xedb88320 : rest >> 1;
        s->crc_table[i] = rest;
    }
}

static void crc_add(struct stream *s, const uint8_t *data, size_t n)
{
    uint32_t crc = ~s->crc;
    for (size_t i = 0; i < n; i++)
        crc = s->crc_table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
    s->crc = ~crc;
}

/* One filter and libarchive's own "none" make two; it would undo more if there were more. */
static int compression_check(const struct stream *s, struct ml_error *err)
{
    int n = s->lib->archive_filter_count(s->packed);
    if (n == 2)
        return 0;
    if (n < 2)
        return ml_error_set(err, ML_DATA, "bad_archive", "it is damaged in its first bytes");
    return ml_error_set(err, ML_REFUSED, "hostile_archive", "it is compressed more than once");
}

static int filter_add(const struct stream *s)
{
    switch (s->kind) {
    case KIND_GZIP:
        return s->lib->archive_read_support_filter_gzip(s->packed);
    case KIND_XZ:
        return s->lib->archive_read_support_filter_xz(s->packed);
    default:
        return s->lib->archive_read_support_filter_zstd(s->packed);
    }
}

/* In the raw format libarchive takes all that comes out for one file without a name. */
int stream_open(struct stream *s, struct ml_error *err)
{
    struct archive_entry *entry;
    if (lseek(s->fd, 0, SEEK_SET) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read it");
    if (s->kind == KIND_TAR)
        return 0;
    crc_prepare(s);
    s->packed = s->lib->archive_read_new();
    if (s->packed == NULL)
        return ml_error_memory(err);
    if (filter_add(s) != ARCHIVE_OK ||
        s->lib->archive_read_support_format_raw(s->packed) != ARCHIVE_OK ||
        s->lib->archive_read_open_fd(s->packed, s->fd, STREAM_BLOCK) != ARCHIVE_OK ||
        s->lib->archive_read_next_header(s->packed, &entry) != ARCHIVE_OK)
        return damaged(s, err);
    return compression_check(s, err);
}

/* ---- reading ---- */

/* From behind, since it is only a tar's end that has zeros there, and the first byte looked at is
 * mostly not one. */
static void count(struct stream *s, const uint8_t *data, size_t n)
{
    for (size_t i = n; i > 0; i--)
        if (data[i - 1] != 0) {
            s->content_end = s->bytes + i;
            break;
        }
    s->bytes += n;
    if (s->kind == KIND_GZIP)
        crc_add(s, data, n);
}

/* A tar that is not compressed comes through here as well: its end has the same rules. */
static ssize_t plain_read(struct stream *s, const void **ret)
{
    ssize_t n;
    do
        n = read(s->fd, s->block, sizeof s->block);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ml_error_errno(&s->problem, ML_IO, errno, "cannot read it");
    *ret = s->block;
    return n;
}

/* libarchive can put blocks at any place; out of a compression they come one behind the other. */
static ssize_t packed_read(struct stream *s, const void **ret)
{
    size_t n = 0;
    la_int64_t at = 0;
    int status;
    do
        status = s->lib->archive_read_data_block(s->packed, ret, &n, &at);
    while (status == ARCHIVE_OK && n == 0);
    if (status == ARCHIVE_EOF)
        return 0;
    if (status != ARCHIVE_OK || (uint64_t)at != s->bytes)
        return damaged(s, &s->problem);
    return (ssize_t)n;
}

/* Counted before they are given out: the reader may hold all of a bomb before it says a word. */
ssize_t stream_read(struct stream *s, const void **ret)
{
    if (s->at_end)
        return 0;
    ssize_t n = s->packed ? packed_read(s, ret) : plain_read(s, ret);
    if (n > 0)
        count(s, *ret, (size_t)n);
    s->at_end = n <= 0;
    return n > 0 && budget_stream(s->budget, s->bytes, &s->problem) < 0 ? -1 : n;
}

/* ---- the end ---- */

/* The checksum and the length are those of the last stream in the file: where they are those of all
 * that came, it is the only one. */
static int gzip_check(const struct stream *s, struct ml_error *err)
{
    uint8_t t[GZIP_TRAILER];
    if (pread(s->fd, t, sizeof t, (off_t)(s->budget->size - sizeof t)) != (ssize_t)sizeof t)
        return ml_error_set(err, ML_IO, NULL, "cannot read its end");
    uint32_t crc = t[0] | t[1] << 8 | t[2] << 16 | (uint32_t)t[3] << 24;
    uint32_t bytes = t[4] | t[5] << 8 | t[6] << 16 | (uint32_t)t[7] << 24;
    if (crc == s->crc && bytes == (uint32_t)s->bytes)
        return 0;
    return ml_error_set(err, ML_DATA, "bad_archive",
                        "it is damaged (gzip's checksum does not agree), or is several gzip files");
}

/* All of the file belongs to the compression, and all of it was read. */
static int packed_check(const struct stream *s, struct ml_error *err)
{
    if ((uint64_t)s->lib->archive_filter_bytes(s->packed, -1) != s->budget->size)
        return ml_error_set(err, ML_REFUSED, "hostile_archive",
                            "there is something behind the end of its compression");
    return s->kind == KIND_GZIP ? gzip_check(s, err) : 0;
}

/* What is behind the end comes first: of two archives in one file the second is the reason, and not
 * that the first has an odd end. */
int stream_finish(struct stream *s, uint64_t entries_end, struct ml_error *err)
{
    const void *block;
    while (stream_read(s, &block) > 0 && s->bytes <= entries_end + TAR_END + PADDING_MAX)
        ;
    if (s->problem.status != 0) {
        if (err != NULL)
            *err = s->problem;
        return -1;
    }
    if (s->content_end > entries_end)
        return ml_error_set(err, ML_REFUSED, "hostile_archive",
                            "there is something behind its end, where nobody looks");
    if (s->bytes < entries_end + TAR_END)
        return ml_error_set(err, ML_DATA, "bad_archive", "it is cut short: it has no end");
    if (!s->at_end)
        return ml_error_set(err, ML_REFUSED, "hostile_archive",
                            "there is more than a MiB of nothing behind its end");
    return s->packed ? packed_check(s, err) : 0;
}
