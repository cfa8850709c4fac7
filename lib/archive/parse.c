/* One entry after the other: what it is, whether its name is good, then its bytes. libarchive says
 * what there is; nothing of its own extraction is used, which means well, mends, and follows. A
 * warning of its is an end here: what it is not sure of, the next program may see otherwise. */
#include "archive/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/beneath.h"
#include "archive/paths.h"
#include "archive/stream.h"
#include "archive/zip.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"

enum { ZIP_BLOCK = 65536, SPECIAL_BITS = 07000 };

struct parse {
    const struct lib *lib;
    int dirfd;
    struct budget budget;
    struct paths paths;
    bool root_named; /* "./" was there */
    struct archive *reader;
    struct stream *stream; /* of a tar; null for a zip */
};

/* What the reader says, or what the stream beneath it has said before. */
static int reader_failed(const struct parse *p, struct ml_error *err)
{
    if (p->stream != NULL && p->stream->problem.status != 0) {
        if (err != NULL)
            *err = p->stream->problem;
        return -1;
    }
    int errnum = p->lib->archive_errno(p->reader);
    const char *why = p->lib->archive_error_string(p->reader);
    if (errnum == ENOMEM || errno == ENOMEM) /* it has no number for all of them */
        return ml_error_set(err, ML_LIMIT, "archive_too_large",
                            "it takes too much memory to unpack");
    return ml_error_set(err, ML_DATA, "bad_archive", "it is damaged or cut short (%s)",
                        why ? why : "no reason given");
}

/* ---- what an entry is ---- */

/* Null for what is taken. */
static const char *entry_fault(const struct parse *p, struct archive_entry *entry)
{
    if (p->lib->archive_entry_hardlink(entry) != NULL)
        return "is a hard link";
    switch (p->lib->archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
        break;
    case AE_IFLNK:
        return "is a symbolic link";
    case AE_IFCHR:
    case AE_IFBLK:
        return "is a device";
    case AE_IFIFO:
        return "is a FIFO";
    case AE_IFSOCK:
        return "is a socket";
    default:
        return "is neither a file nor a directory";
    }
    if (p->lib->archive_entry_perm(entry) & SPECIAL_BITS)
        return "has a set-id or sticky bit";
    if (p->lib->archive_entry_is_encrypted(entry))
        return "is encrypted";
    if (p->lib->archive_entry_sparse_count(entry) > 0)
        return "is sparse";
    return NULL;
}

/* "./a", as `tar c .` writes it, is a: that is the one form in which a name is put right. A slash
 * at the end belongs to a directory and to nothing else. The caller frees it; null when memory is
 * out. */
static char *entry_path(const char *name, bool directory)
{
    if (strncmp(name, "./", 2) == 0)
        name += 2;
    size_t n = strlen(name);
    if (directory && n > 1 && name[n - 1] == '/')
        n--;
    return strndup(name, n);
}

/* The directory itself: "./", or "." */
static bool is_root(const char *name, bool directory)
{
    return directory && (strcmp(name, "./") == 0 || strcmp(name, ".") == 0);
}

/* ---- its bytes ---- */

/* Blocks that leave something out between them are how holes are told. */
static int content_copy(struct parse *p, const char *path, int to, uint64_t *size,
                        struct ml_error *err)
{
    const void *block;
    size_t n;
    la_int64_t at;
    int status;
    while ((status = p->lib->archive_read_data_block(p->reader, &block, &n, &at)) == ARCHIVE_OK) {
        if ((uint64_t)at != *size)
            return path_hostile(err, path, "is sparse");
        if (budget_bytes(&p->budget, path, *size, n, err) < 0)
            return -1;
        if (fs_write_all(to, block, n) < 0)
            return path_write_failed(path, err);
        *size += n;
    }
    return status == ARCHIVE_EOF ? 0 : reader_failed(p, err);
}

/* By what is said before there is a file, by what comes while it is written, and the two must
 * agree. An error of close(2) is one of writing. */
static int file_take(struct parse *p, struct archive_entry *entry, const char *path,
                     struct ml_error *err)
{
    uint64_t size = 0, said = (uint64_t)p->lib->archive_entry_size(entry);
    bool is_said = p->lib->archive_entry_size_is_set(entry);
    if (budget_file(&p->budget, path, is_said ? said : 0, err) < 0)
        return -1;
    AUTO_CLOSE int fd = beneath_create(p->dirfd, path);
    if (fd < 0)
        return path_write_failed(path, err);
    if (content_copy(p, path, fd, &size, err) < 0)
        return -1;
    if (is_said && size != said)
        return ml_error_set(err, ML_DATA, "bad_archive",
                            "'%.200s' has another size than the archive says", path);
    return fs_close(steal_fd(&fd)) < 0 ? path_write_failed(path, err) : 0;
}

/* Made already where a path went through it. Content would be content that nobody sees. */
static int directory_take(struct parse *p, struct archive_entry *entry, const char *path,
                          struct ml_error *err)
{
    if (p->lib->archive_entry_size(entry) != 0)
        return path_hostile(err, path, "is a directory with something in itself");
    return beneath_mkdir(p->dirfd, path) < 0 ? path_write_failed(path, err) : 0;
}

/* ---- all of them ---- */

/* The kind comes before the name: that something is a link says more of it than what it is called.
 * The count comes before the file, so that not one more than the limit is made. */
static int entry_take(struct parse *p, struct archive_entry *entry, struct ml_error *err)
{
    const char *name = p->lib->archive_entry_pathname(entry);
    if (name == NULL)
        return ml_error_set(err, ML_DATA, "bad_archive", "there is something without a name in it");
    const char *fault = entry_fault(p, entry);
    if (fault != NULL)
        return path_hostile(err, name, "%s", fault);
    bool directory = p->lib->archive_entry_filetype(entry) == AE_IFDIR;
    if (is_root(name, directory)) {
        bool again = p->root_named;
        p->root_named = true;
        return again ? path_hostile(err, name, "is there twice") : 0;
    }
    AUTO_FREE char *path = entry_path(name, directory);
    if (path == NULL)
        return ml_error_memory(err);
    if (paths_add(&p->paths, path, directory, err) < 0 ||
        budget_entries(&p->budget, p->paths.n, err) < 0)
        return -1;
    return directory ? directory_take(p, entry, path, err) : file_take(p, entry, path, err);
}

/* Not one is passed over: what cannot be taken ends it, and with it all that was taken before. */
static int entries_take(struct parse *p, struct ml_error *err)
{
    struct archive_entry *entry;
    for (;;) {
        int status = p->lib->archive_read_next_header(p->reader, &entry);
        if (status == ARCHIVE_EOF)
            return 0;
        if (status != ARCHIVE_OK)
            return reader_failed(p, err);
        if (entry_take(p, entry, err) < 0)
            return -1;
    }
}

/* ---- tar and zip ---- */

/* The reader of the tar asks for the next bytes. Why there are none is kept by the stream. */
static la_ssize_t tar_feed(struct archive *reader, void *arg, const void **block)
{
    struct parse *p = arg;
    ssize_t n = stream_read(p->stream, block);
    if (n < 0)
        p->lib->archive_set_error(reader, EIO, "%s", p->stream->problem.message);
    return n;
}

/* The tar's reader has no filter of its own: what is still compressed is no tar to it. */
static int tar_open(struct parse *p, struct ml_error *err)
{
    if (stream_open(p->stream, err) < 0)
        return -1;
    if (p->lib->archive_read_support_format_tar(p->reader) != ARCHIVE_OK)
        return reader_failed(p, err);
    if (p->lib->archive_read_open(p->reader, p, NULL, tar_feed, NULL) != ARCHIVE_OK) {
        if (p->stream->kind == KIND_TAR || p->stream->problem.status != 0 || errno == ENOMEM)
            return reader_failed(p, err);
        return ml_error_set(err, ML_DATA, "not_an_archive", "it is compressed, and is not a tar");
    }
    return 0;
}

static int tar_take(struct parse *p, struct ml_error *err)
{
    if (tar_open(p, err) < 0 || entries_take(p, err) < 0)
        return -1;
    /* At the end, this is where the header of the next entry would have been. */
    return stream_finish(p->stream, (uint64_t)p->lib->archive_read_header_position(p->reader), err);
}

/* The skeleton first: libarchive would mend what it can, and never say so. */
static int zip_take(struct parse *p, int fd, struct ml_error *err)
{
    int n = zip_check(fd, p->budget.size, err);
    if (n <= 0) /* libarchive does not know one without entries */
        return n;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read it");
    if (p->lib->archive_read_support_format_zip_seekable(p->reader) != ARCHIVE_OK ||
        p->lib->archive_read_open_fd(p->reader, fd, ZIP_BLOCK) != ARCHIVE_OK)
        return reader_failed(p, err);
    return entries_take(p, err);
}

static int reader_make(struct parse *p, int fd, enum kind kind, struct ml_error *err)
{
    p->reader = p->lib->archive_read_new();
    if (p->reader == NULL)
        return ml_error_memory(err);
    if (kind == KIND_ZIP)
        return 0;
    p->stream = calloc(1, sizeof *p->stream);
    if (p->stream == NULL)
        return ml_error_memory(err);
    *p->stream = (struct stream){.lib = p->lib, .budget = &p->budget, .fd = fd, .kind = kind};
    return 0;
}

/* Each reader knows one format, so that no bytes can be taken for another one's. */
static int kind_take(struct parse *p, int fd, enum kind kind, struct ml_error *err)
{
    if (kind == KIND_NONE)
        return ml_error_set(err, ML_DATA, "not_an_archive",
                            "it is neither a tar (alone or in gzip, xz or zstd) nor a zip");
    if (reader_make(p, fd, kind, err) < 0)
        return -1;
    return kind == KIND_ZIP ? zip_take(p, fd, err) : tar_take(p, err);
}

static void parse_close(struct parse *p)
{
    if (p->reader != NULL)
        p->lib->archive_read_free(p->reader);
    if (p->stream != NULL)
        stream_close(p->stream);
    free(p->stream);
    paths_free(&p->paths);
}

/* libarchive converts names to the charset of the thread's locale, and fails for most of them in
 * that of a program that never set one. */
static int parse_in_utf8(struct parse *p, int fd, struct ml_error *err)
{
    locale_t before = uselocale(p->lib->utf8); /* 0 changes nothing */
    int status = kind_take(p, fd, kind_of(fd), err);
    parse_close(p);
    uselocale(before);
    return status;
}

static int parse_begin(struct parse *p, int fd, int dirfd, const struct archive_limits *limits,
                       struct ml_error *err)
{
    static const struct archive_limits usual = ARCHIVE_LIMITS_INIT;
    struct stat st;
    *p = (struct parse){.lib = lib_load(err), .dirfd = dirfd};
    if (p->lib == NULL)
        return -1;
    if (fstat(fd, &st) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read it");
    errno = 0;
    p->paths.lib = p->lib;
    p->budget = (struct budget){.limits = limits ? *limits : usual, .size = (uint64_t)st.st_size};
    p->paths.names = p->budget.limits.names;
    return 0;
}

int archive_parse(int fd, int dirfd, const struct archive_limits *limits, struct ml_error *err)
{
    struct parse p;
    return parse_begin(&p, fd, dirfd, limits, err) < 0 ? -1 : parse_in_utf8(&p, fd, err);
}

/* ---- the first entry alone ---- */

static int first_look(struct parse *p, const char *path, struct ml_error *err)
{
    struct archive_entry *entry;
    if (tar_open(p, err) < 0)
        return -1;
    if (p->lib->archive_read_next_header(p->reader, &entry) != ARCHIVE_OK)
        return reader_failed(p, err);
    const char *name = p->lib->archive_entry_pathname(entry);
    return entry_fault(p, entry) == NULL && p->lib->archive_entry_filetype(entry) == AE_IFREG &&
           name != NULL && strcmp(name, path) == 0;
}

/* What is wrong with it is told by who unpacks it; that memory is out says nothing of it. */
int archive_parse_first(int fd, const char *path, struct ml_error *err)
{
    struct parse p;
    struct ml_error why = ML_ERROR_INIT;
    enum kind kind = kind_of(fd);
    if (kind == KIND_NONE || kind == KIND_ZIP)
        return 0;
    int first = parse_begin(&p, fd, -1, NULL, &why);
    if (first == 0) {
        first = reader_make(&p, fd, kind, &why) < 0 ? -1 : first_look(&p, path, &why);
        parse_close(&p);
    }
    if (first >= 0 || why.status != ML_LIMIT)
        return first > 0;
    if (err != NULL)
        *err = why;
    return -1;
}
