/* libarchive writes "restricted pax": ustar, with an extension where a path needs one. All that
 * could differ from run to run is set here or left out. */
#include "archive/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/budget.h"
#include "archive/paths.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"

struct archive_writer {
    const struct lib *lib;
    struct archive *out;
    int fd;
    const char *label;
    int errnum;   /* why the last write failed */
    bool dropped; /* nothing more is written */
    struct budget budget;
    struct paths paths;
    char last[ARCHIVE_ANY_PATH_MAX + 1];
};

/* The errno of our own write says more than libarchive's words. */
static int failed(const struct archive_writer *w, struct ml_error *err)
{
    const char *why = w->lib->archive_error_string(w->out);
    if (w->errnum != 0)
        return ml_error_errno(err, ML_IO, w->errnum, "cannot write '%s'", w->label);
    if (w->lib->archive_errno(w->out) == ENOMEM || errno == ENOMEM) /* it has no number for all */
        return ml_error_memory(err);
    return ml_error_set(err, ML_IO, NULL, "cannot write '%s': %s", w->label,
                        why ? why : "no reason given");
}

/* Not libarchive's own, which takes a short write for an error where there is none. */
static la_ssize_t sink(struct archive *out, void *arg, const void *data, size_t n)
{
    struct archive_writer *w = arg;
    if (!w->dropped && fs_write_all(w->fd, data, n) == 0)
        return (la_ssize_t)n;
    w->errnum = errno;
    w->lib->archive_set_error(out, EIO, "write error");
    return -1;
}

/* Names go in as bytes, not by way of the locale's charset. Level 3 and one thread are zstd's own
 * defaults: said, so that no version's other opinion changes the bytes. Nothing is padded behind
 * the compression's end. */
static bool configure(const struct archive_writer *w)
{
    const struct lib *l = w->lib;
    return l->archive_write_set_format_pax_restricted(w->out) == ARCHIVE_OK &&
           l->archive_write_set_format_option(w->out, "pax", "hdrcharset", "BINARY") ==
               ARCHIVE_OK &&
           l->archive_write_add_filter_zstd(w->out) == ARCHIVE_OK &&
           l->archive_write_set_filter_option(w->out, "zstd", "compression-level", "3") ==
               ARCHIVE_OK &&
           l->archive_write_set_filter_option(w->out, "zstd", "threads", "0") == ARCHIVE_OK &&
           l->archive_write_set_bytes_in_last_block(w->out, 1) == ARCHIVE_OK;
}

/* libarchive ends the archive on its way out: none of that may arrive, or a part would look
 * whole. */
void archive_writer_drop(struct archive_writer **writer)
{
    struct archive_writer *w = *writer;
    if (w == NULL)
        return;
    w->dropped = true;
    if (w->out != NULL)
        w->lib->archive_write_free(w->out);
    paths_free(&w->paths);
    free(w);
    *writer = NULL;
}

int archive_writer_open(int fd, const char *label, const struct archive_limits *limits,
                        struct archive_writer **ret, struct ml_error *err)
{
    static const struct archive_limits usual = ARCHIVE_LIMITS_INIT;
    const struct lib *lib = lib_load(err);
    if (lib == NULL)
        return -1;
    ARCHIVE_WRITER_AUTO *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ml_error_memory(err);
    w->lib = w->paths.lib = lib;
    w->budget.limits = limits ? *limits : usual;
    w->budget.limits.ratio = 0; /* its own size is not known yet */
    w->paths.names = w->budget.limits.names;
    w->fd = fd;
    w->label = label;
    w->out = lib->archive_write_new();
    if (w->out == NULL)
        return ml_error_memory(err);
    if (!configure(w) || lib->archive_write_open(w->out, w, NULL, sink, NULL) != ARCHIVE_OK)
        return failed(w, err);
    *ret = steal_ptr(w);
    return 0;
}

/* ---- entries ---- */

/* By bytes, a slash before all others: then a directory's files are not interrupted by others,
 * which is the order that a sorted walk has. */
static int path_compare(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    unsigned x = *a == '/' ? 1 : (unsigned char)*a;
    unsigned y = *b == '/' ? 1 : (unsigned char)*b;
    return (x > y) - (x < y);
}

/* A slip of the caller's is a bug, not an error of the user's. */
static int path_take(struct archive_writer *w, const char *path, struct ml_error *err)
{
    if (paths_add(&w->paths, path, false, err) < 0) {
        ml_error_wrap(err, "cannot write '%s'", w->label);
        return ml_error_hint(err, "rename the file, or leave it out");
    }
    if (path_compare(w->last, path) >= 0)
        return ml_error_set(err, ML_BUG, NULL, "cannot write '%s': '%s' comes behind '%s'",
                            w->label, path, w->last);
    strcpy(w->last, path); /* paths_add() has seen to its length */
    return 0;
}

static int size_take(struct archive_writer *w, const char *path, uint64_t size,
                     struct ml_error *err)
{
    if (budget_entries(&w->budget, w->paths.n, err) < 0 ||
        budget_bytes(&w->budget, path, 0, size, err) < 0)
        return ml_error_wrap(err, "cannot write '%s'", w->label);
    return 0;
}

static int header_write(struct archive_writer *w, const char *path, size_t size, bool executable,
                        struct ml_error *err)
{
    const struct lib *l = w->lib;
    struct archive_entry *entry = l->archive_entry_new();
    if (entry == NULL)
        return ml_error_memory(err);
    l->archive_entry_set_pathname(entry, path);
    l->archive_entry_set_filetype(entry, AE_IFREG);
    l->archive_entry_set_perm(entry, executable ? 0755 : 0644);
    l->archive_entry_set_size(entry, (la_int64_t)size);
    l->archive_entry_set_mtime(entry, 0, 0);
    int status = l->archive_write_header(w->out, entry);
    l->archive_entry_free(entry);
    return status == ARCHIVE_OK ? 0 : failed(w, err);
}

static int data_write(struct archive_writer *w, const void *data, size_t n, struct ml_error *err)
{
    return w->lib->archive_write_data(w->out, data, n) == (la_ssize_t)n ? 0 : failed(w, err);
}

int archive_writer_add_data(struct archive_writer *w, const char *path, const void *data, size_t n,
                            bool executable, struct ml_error *err)
{
    if (path_take(w, path, err) < 0 || size_take(w, path, n, err) < 0 ||
        header_write(w, path, n, executable, err) < 0)
        return -1;
    return n > 0 ? data_write(w, data, n, err) : 0;
}

static int changed(const char *path, struct ml_error *err)
{
    ml_error_set(err, ML_BUSY, "source_changed", "'%s' changed while it was read", path);
    return ml_error_hint(err, "run the command again");
}

/* The size is in front of the content: it must come true. */
static int content_write(struct archive_writer *w, const char *path, int fd, off_t size,
                         struct ml_error *err)
{
    char block[65536];
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ml_error_errno(err, ML_IO, errno, "cannot read '%s'", path);
        if (n > size || (n == 0 && size > 0))
            return changed(path, err);
        if (n == 0)
            return 0;
        if (data_write(w, block, (size_t)n, err) < 0)
            return -1;
        size -= n;
    }
}

/* O_NONBLOCK, or a FIFO would hold us up; O_NOFOLLOW, since a link may lead anywhere. */
int archive_writer_add_file(struct archive_writer *w, const char *path, int dirfd, const char *file,
                            struct ml_error *err)
{
    struct stat st;
    AUTO_CLOSE int fd =
        openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno != ELOOP && errno != ENXIO)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return ml_error_set(err, ML_DATA, NULL, "'%s' is not a plain file", path);
    if (path_take(w, path, err) < 0 || size_take(w, path, (uint64_t)st.st_size, err) < 0 ||
        header_write(w, path, (size_t)st.st_size, st.st_mode & S_IXUSR, err) < 0)
        return -1;
    return content_write(w, path, fd, st.st_size, err);
}

/* ---- trees ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_own(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Opened as a directory first: the kernel says what it is, with no look that could be outdated. */
static int child_add(struct archive_writer *w, const char *path, int dirfd, const char *name,
                     struct ml_error *err)
{
    AUTO_CLOSE int dir = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir >= 0)
        return archive_writer_add_tree(w, path, dir, err);
    if (errno != ENOTDIR && errno != ELOOP)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    return archive_writer_add_file(w, path, dirfd, name, err);
}

/* Paths are not on the stack, which has to do for the deepest tree that there is. */
static int child_add_named(struct archive_writer *w, const char *prefix, int dirfd,
                           const char *name, struct ml_error *err)
{
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s%s%s", prefix, *prefix ? "/" : "", name) < 0)
        return ml_error_memory(err);
    return child_add(w, path, dirfd, name, err);
}

/* Sorted in each directory: what order the disk has them in does not matter. What is too deep is
 * refused before the stack is full. */
int archive_writer_add_tree(struct archive_writer *w, const char *prefix, int dirfd,
                            struct ml_error *err)
{
    struct dirent **entries;
    bool deep = strlen(prefix) > ARCHIVE_ANY_PATH_MAX;
    int n = deep ? -1 : scandirat(dirfd, ".", &entries, is_own, by_name);
    if (n < 0)
        return ml_error_errno(err, 0, deep ? ENAMETOOLONG : errno, "cannot read '%s'", prefix);
    int status = 0;
    for (int i = 0; i < n; i++) {
        if (status == 0)
            status = child_add_named(w, prefix, dirfd, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

int archive_writer_close(struct archive_writer **writer, struct ml_error *err)
{
    struct archive_writer *w = *writer;
    int status = w->lib->archive_write_close(w->out) == ARCHIVE_OK ? 0 : failed(w, err);
    archive_writer_drop(writer);
    return status;
}
