/* By PKWARE's APPNOTE.TXT 6.3.10; numbers in brackets are its sections. Zip64 is for what is larger
 * than our limits, so there is none here. */
#include "archive/zip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/paths.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/scope.h"

enum {
    LOCAL_SIZE = 30,      /* [4.3.7] */
    CENTRAL_SIZE = 46,    /* [4.3.12] */
    END_SIZE = 22,        /* [4.3.16] */
    DESCRIPTOR_SIZE = 12, /* [4.3.9] */
    COMMENT_MAX = 65535,  /* a field of 16 bits */
    NAME_SHOWN = 200,
    HOST_UNIX = 3,        /* [4.4.2] */
    ENCRYPTED = 0x2041,   /* bits 0, 6 and 13 [4.4.4] */
    LENGTHS_BEHIND = 0x8, /* a data descriptor follows the data [4.3.9] */
    STORED = 0,
    DEFLATED = 8,
};
static const uint32_t too_wide = 0xffffffff; /* the value is in a zip64 field */

/* One entry as the directory has it. */
struct member {
    const char *name; /* in the directory's bytes, not terminated */
    size_t name_size;
    uint32_t at, packed, size, crc, mode;
    uint16_t flags, method;
};

struct zip {
    int fd;
    uint64_t file_size;
    struct buf directory;
    struct member *members;
    size_t n;
    uint32_t directory_at;
};

static uint16_t get16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}

static uint32_t get32(const void *p)
{
    return get16(p) | (uint32_t)get16((const uint8_t *)p + 2) << 16;
}

static int damaged(const char *what, struct ml_error *err)
{
    return ml_error_set(err, ML_DATA, "bad_archive", "it is damaged or cut short (%s)", what);
}

/* Some other program could find something there. */
static int hidden(struct ml_error *err)
{
    return ml_error_set(err, ML_REFUSED, "hostile_archive",
                        "there are bytes in it that belong to no file");
}

/* By place, not by offset: that one is libarchive's. */
static int read_at(const struct zip *z, void *data, size_t n, uint64_t at, struct ml_error *err)
{
    ssize_t got = pread(z->fd, data, n, (off_t)at);
    if (got < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read it");
    return (size_t)got == n ? 0 : damaged("a zip's header is missing", err);
}

/* ---- the end record ---- */

/* The last record that looks like one is taken by those who search from the end, as most do: it has
 * to end the file, or the comment hides another. */
static int end_find(const struct zip *z, uint8_t end[END_SIZE], uint64_t *at, struct ml_error *err)
{
    size_t n =
        z->file_size < END_SIZE + COMMENT_MAX ? (size_t)z->file_size : END_SIZE + COMMENT_MAX;
    AUTO_FREE uint8_t *tail = malloc(n + 1);
    if (tail == NULL)
        return ml_error_memory(err);
    if (read_at(z, tail, n, z->file_size - n, err) < 0)
        return -1;
    size_t i = n < END_SIZE ? 0 : n - END_SIZE + 1;
    while (i > 0 && memcmp(tail + i - 1, "PK\5\6", 4) != 0)
        i--;
    if (i == 0)
        return damaged("a zip's directory is missing", err);
    memcpy(end, tail + i - 1, END_SIZE);
    *at = z->file_size - n + i - 1;
    if (*at + END_SIZE + get16(end + 20) == z->file_size)
        return 0;
    return *at + END_SIZE + get16(end + 20) > z->file_size
               ? damaged("its comment is cut", err)
               : ml_error_set(err, ML_REFUSED, "hostile_archive",
                              "there is something behind its end, where nobody looks");
}

/* It is read whole, so that nothing in it can change between two looks: 65534 entries at most. */
static int directory_read(struct zip *z, struct ml_error *err)
{
    uint8_t end[END_SIZE] = {0};
    uint64_t at = 0;
    if (end_find(z, end, &at, err) < 0)
        return -1;
    uint32_t size = get32(end + 12);
    z->n = get16(end + 10);
    z->directory_at = get32(end + 16);
    if (z->n == 0xffff || size == too_wide || z->directory_at == too_wide)
        return ml_error_set(err, ML_DATA, "bad_archive", "it is a zip64, which is not read");
    if (get32(end + 4) != 0 || get16(end + 8) != z->n)
        return ml_error_set(err, ML_DATA, "bad_archive", "it is a part of several");
    if ((uint64_t)z->directory_at + size != at)
        return (uint64_t)z->directory_at + size > at ? damaged("its directory is cut", err)
                                                     : hidden(err);
    if (!buf_reserve(&z->directory, size))
        return ml_error_memory(err);
    z->directory.len = size;
    return read_at(z, z->directory.data, size, z->directory_at, err);
}

/* ---- the directory ---- */

/* A name is cut, or ends at a NUL in it. */
static int member_refused(const struct member *m, const char *why, struct ml_error *err)
{
    char name[NAME_SHOWN + 1] = {0};
    memcpy(name, m->name, m->name_size < NAME_SHOWN ? m->name_size : NAME_SHOWN);
    return path_hostile(err, name, "%s", why);
}

/* What libarchive would mend, or never show: a backslash may become a slash, a NUL ends the name, a
 * FIFO becomes a file. */
static int member_check(const struct member *m, struct ml_error *err)
{
    mode_t type = m->mode & S_IFMT;
    if (m->flags & ENCRYPTED)
        return member_refused(m, "is encrypted", err);
    if (memchr(m->name, '\\', m->name_size) != NULL)
        return member_refused(m, "has a backslash, which is a slash for some", err);
    if (memchr(m->name, '\0', m->name_size) != NULL)
        return member_refused(m, "has a NUL in its name", err);
    if (type != 0 && type != S_IFREG && type != S_IFDIR)
        return member_refused(m, S_ISLNK(type) ? "is a symbolic link" : "is a device or the like",
                              err);
    if (m->method != STORED && m->method != DEFLATED)
        return ml_error_set(err, ML_DATA, "bad_archive",
                            "it is packed by zip's method %u; only 0 and 8 are read", m->method);
    if (m->packed == too_wide || m->size == too_wide || m->at == too_wide)
        return ml_error_set(err, ML_DATA, "bad_archive", "it is a zip64, which is not read");
    if (m->size > 0 && m->name_size > 0 && m->name[m->name_size - 1] == '/')
        return member_refused(m, "is a directory with something in itself", err);
    if (m->method == STORED && m->packed != m->size)
        return damaged("two sizes of a file that is not packed", err);
    return 0;
}

/* The entry at `*at` of the directory, which is moved behind it. */
static int member_read(const struct zip *z, size_t *at, struct member *m, struct ml_error *err)
{
    const char *p = z->directory.data + *at;
    size_t left = z->directory.len - *at;
    if (left < CENTRAL_SIZE || memcmp(p, "PK\1\2", 4) != 0)
        return damaged("its directory has less than it says", err);
    size_t size = (size_t)CENTRAL_SIZE + get16(p + 28) + get16(p + 30) + get16(p + 32);
    if (left < size)
        return damaged("its directory has less than it says", err);
    *m = (struct member){.name = p + CENTRAL_SIZE,
                         .name_size = get16(p + 28),
                         .at = get32(p + 42),
                         .packed = get32(p + 20),
                         .size = get32(p + 24),
                         .crc = get32(p + 16),
                         .mode = p[5] == HOST_UNIX ? get16(p + 40) : 0,
                         .flags = get16(p + 8),
                         .method = get16(p + 10)};
    *at += size;
    return member_check(m, err);
}

/* As many entries as the end record says, and not a byte more. */
static int directory_parse(struct zip *z, struct ml_error *err)
{
    size_t at = 0;
    z->members = calloc(z->n + 1, sizeof *z->members);
    if (z->members == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < z->n; i++)
        if (member_read(z, &at, &z->members[i], err) < 0)
            return -1;
    return at == z->directory.len ? 0 : hidden(err);
}

/* ---- what is in front of each file ---- */

static int member_compare(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* Where lengths come behind the data the header in front has zeros, mostly; where not, they have to
 * be the directory's. */
static bool same_numbers(const struct member *m, const uint8_t *local)
{
    uint16_t flags = get16(local + 6);
    if (get16(local + 8) != m->method || (flags & ENCRYPTED) ||
        ((flags ^ m->flags) & LENGTHS_BEHIND))
        return false;
    return (flags & LENGTHS_BEHIND) ||
           (get32(local + 14) == m->crc && get32(local + 18) == m->packed &&
            get32(local + 22) == m->size);
}

/* Whether `n` bytes at `at` are the data descriptor: CRC and two sizes, behind a signature or
 * not. */
static bool is_descriptor(const struct zip *z, const struct member *m, uint64_t at, uint64_t n)
{
    uint8_t bytes[DESCRIPTOR_SIZE + 4];
    if (n > sizeof bytes || n < DESCRIPTOR_SIZE || read_at(z, bytes, n, at, NULL) < 0)
        return false;
    const uint8_t *p = bytes + n - DESCRIPTOR_SIZE;
    return get32(p) == m->crc && get32(p + 4) == m->packed && get32(p + 8) == m->size &&
           (n == DESCRIPTOR_SIZE || (n == sizeof bytes && memcmp(bytes, "PK\7\10", 4) == 0));
}

/* One entry lies from `at` to `next`, and fills it. */
static int local_check(const struct zip *z, const struct member *m, uint64_t next,
                       struct ml_error *err)
{
    uint8_t local[LOCAL_SIZE];
    if (read_at(z, local, sizeof local, m->at, err) < 0)
        return -1;
    uint16_t name_size = get16(local + 26);
    if (memcmp(local, "PK\3\4", 4) != 0)
        return damaged("a file's header is none", err);
    AUTO_FREE char *name = malloc(name_size + 1u);
    if (name == NULL)
        return ml_error_memory(err);
    if (read_at(z, name, name_size, m->at + LOCAL_SIZE, err) < 0)
        return -1;
    if (name_size != m->name_size || memcmp(name, m->name, name_size) != 0 ||
        !same_numbers(m, local))
        return member_refused(m, "is one thing by its own header and another by the directory",
                              err);
    uint64_t end = (uint64_t)m->at + LOCAL_SIZE + name_size + get16(local + 28) + m->packed;
    if (end > next)
        return member_refused(m, "shares bytes with what is behind it", err);
    if (end < next && !((m->flags & LENGTHS_BEHIND) && is_descriptor(z, m, end, next - end)))
        return hidden(err);
    return 0;
}

/* In the order in which they lie in the file, which need not be the directory's. */
static int locals_check(struct zip *z, struct ml_error *err)
{
    if (z->n == 0)
        return z->directory_at == 0 ? 0 : hidden(err);
    qsort(z->members, z->n, sizeof *z->members, member_compare);
    if (z->members[0].at != 0)
        return hidden(err);
    for (size_t i = 0; i < z->n; i++)
        if (local_check(z, &z->members[i], i + 1 < z->n ? z->members[i + 1].at : z->directory_at,
                        err) < 0)
            return -1;
    return 0;
}

int zip_check(int fd, uint64_t size, struct ml_error *err)
{
    struct zip z = {.fd = fd, .file_size = size};
    int status = -1;
    if (directory_read(&z, err) == 0 && directory_parse(&z, err) == 0 && locals_check(&z, err) == 0)
        status = (int)z.n;
    buf_free(&z.directory);
    free(z.members);
    return status;
}
