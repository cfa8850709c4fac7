/* The list of a bundle's files against what lies there. Names are looked at in the order in which
 * they are found, through handles, so that no link leads anywhere; what the files say comes after
 * that (agree.c). */
#include "build/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/agree.h"
#include "build/sums.h"

/* The kernel keeps to the bundle: a directory in it may have become a link. O_NONBLOCK and
 * O_NOCTTY, since what lies there may be a FIFO or a terminal by now. */
int check_open(int dir, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    struct stat st;
    AUTO_CLOSE int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (S_ISREG(st.st_mode))
        return steal_fd(&fd);
    errno = EINVAL;
    return -1;
}

int check_load(struct check *c, const char *path, size_t max, struct buf *out)
{
    AUTO_CLOSE int fd = check_open(c->dir, path);
    int status = fd < 0 ? -1 : fs_read_all(fd, out, max);
    if (status < 0 && errno_is_shortage(errno))
        c->lacks = errno;
    if (status < 0 && errno == EIO) {
        check_tell(c, CHECK_CONTENT, path, "cannot be read: %s", strerror(EIO));
        errno = EIO;
    }
    return status;
}

/* ---- problems ---- */

void check_tell(struct check *c, enum check_kind kind, const char *path, const char *fmt, ...)
{
    BUF_AUTO text = BUF_INIT;
    va_list ap;
    struct check_problem *problems = arena_grow(c->a, c->problems, c->n_problems, sizeof *problems);
    if (problems == NULL)
        return;
    va_start(ap, fmt);
    buf_vfmt(&text, fmt, ap);
    va_end(ap);
    c->a->failed = c->a->failed || text.failed;
    c->problems = problems;
    problems[c->n_problems++] =
        (struct check_problem){kind, path, arena_str(c->a, buf_text(&text))};
}

/* By errno: what cannot be read is damage, unless it is this process that cannot. */
static void tell_unread(struct check *c, const char *path, const char *what)
{
    if (errno_is_shortage(errno))
        c->lacks = errno;
    else
        check_tell(c, CHECK_CONTENT, path, "%s: %s", what, strerror(errno));
}

static int problem_compare(const void *a, const void *b)
{
    const struct check_problem *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : strcmp(x->what, y->what);
}

/* ---- what ought to be there ---- */

static int file_compare(const void *a, const void *b)
{
    return strcmp(((const struct check_file *)a)->path, ((const struct check_file *)b)->path);
}

static void expect(struct check *c, const char *path)
{
    struct check_file *files = arena_grow(c->a, c->files, c->n_files, sizeof *files);
    if (files == NULL)
        return;
    c->files = files;
    const struct bundle_file *sum = sums_find(c->sums, c->n_sums, path);
    files[c->n_files++] = (struct check_file){.path = path, .sum = sum ? sum->sha256 : NULL};
}

/* What build.json says went in. */
static void expect_recorded(struct check *c)
{
    const struct build *b = &c->record.build;
    if (b->object != NULL)
        expect(c, "entry.so");
    if (b->has_manifest)
        expect(c, "source/modload.json");
    for (size_t i = 0; i < b->n_inputs; i++)
        if (b->inputs[i].rel != NULL)
            expect(c, arena_fmt(c->a, "source/%s", b->inputs[i].rel));
        else if (b->inputs[i].kept != NULL)
            expect(c, b->inputs[i].kept);
}

/* Sorts, and takes out what is there twice. */
static void files_unique(struct check *c)
{
    size_t n = 0;
    qsort(c->files, c->n_files, sizeof *c->files, file_compare);
    for (size_t i = 0; i < c->n_files; i++)
        if (n == 0 || strcmp(c->files[n - 1].path, c->files[i].path) != 0)
            c->files[n++] = c->files[i];
    c->n_files = n;
}

const struct check_file *check_find(const struct check *c, const char *path)
{
    const struct check_file key = {.path = path};
    return c->n_files > 0 ? bsearch(&key, c->files, c->n_files, sizeof *c->files, file_compare)
                          : NULL;
}

bool check_is_whole(const struct check *c, const char *path)
{
    const struct check_file *file = check_find(c, path);
    return file != NULL && file->sum != NULL && strcmp(file->sum, file->actual) == 0;
}

/* What is listed and is no part of any bundle. Without a record nobody can tell. */
static void check_listed(struct check *c, size_t n_known)
{
    for (size_t i = 0; c->has_record && i < c->n_sums; i++) {
        const char *path = c->sums[i].path;
        bool known = !c->record.given && strcmp(path, "source/modload.json") == 0;
        for (size_t k = 0; k < n_known && !known; k++)
            known = strcmp(c->files[k].path, path) == 0;
        if (!known)
            check_tell(c, CHECK_CONTENT, path, "is named in SHA256SUMS, and not in build.json");
    }
}

static void files_expect(struct check *c)
{
    static const char *const always[] = {"SHA256SUMS", "build.json", "manifest.json", "name",
                                         "plugin.so"};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        expect(c, always[i]);
    if (c->has_record)
        expect_recorded(c);
    check_listed(c, c->n_files);
    for (size_t i = 0; i < c->n_sums; i++)
        expect(c, c->sums[i].path);
    files_unique(c);
}

/* ---- what is there ---- */

static void meta_check(struct check *c, const char *path, const struct stat *st, unsigned mode)
{
    unsigned now = st->st_mode & 07777;
    if (now != mode)
        check_tell(c, (now | S_IWUSR) == mode ? CHECK_READ_ONLY : CHECK_MODE, path,
                   "has mode %04o, not %04o", now, mode);
    if (st->st_uid != geteuid())
        check_tell(c, CHECK_OWNER, path, "belongs to uid %u, not to you (%u)", st->st_uid,
                   geteuid());
}

static const char *kind_words(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFLNK:
        return "is a symbolic link, not a file";
    case S_IFDIR:
        return "is a directory, not a file";
    case S_IFIFO:
        return "is a FIFO, not a file";
    case S_IFSOCK:
        return "is a socket, not a file";
    default:
        return "is a device, not a file";
    }
}

/* A file that SHA256SUMS does not name is not read: it is told of anyway. */
static void file_look(struct check *c, int dir, const char *name, struct check_file *file)
{
    AUTO_CLOSE int fd = check_open(dir, name);
    file->seen = true;
    if (fd >= 0 && digest_fd(fd, file->actual) == 0)
        return;
    file->actual[0] = '\0';
    tell_unread(c, file->path, "cannot be read");
}

static bool is_beneath(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* A directory is ours if a file of ours belongs beneath it: directories have no list of their own.
 */
static bool holds_files(const struct check *c, const char *dir)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (is_beneath(c->files[i].path, dir))
            return true;
    return false;
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, so that problems come in the same order every time. */
static int names_list(struct arena *a, int dir, struct strv *ret)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL) {
        scope_close(&fd);
        return -1;
    }
    struct dirent *e;
    while (errno = 0, (e = readdir(stream)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            strv_add(a, ret, arena_str(a, e->d_name));
    if (ret->n > 1)
        qsort(ret->items, ret->n, sizeof *ret->items, name_compare);
    return errno == 0 ? 0 : -1;
}

static void walk(struct check *c, int dir, const char *path);

/* What could not be looked at is not missing: one problem, not one for each file. */
static void see_all_beneath(struct check *c, const char *path)
{
    for (size_t i = 0; i < c->n_files; i++)
        c->files[i].seen = c->files[i].seen || *path == '\0' || is_beneath(c->files[i].path, path);
}

static void walk_into(struct check *c, int parent, const char *name, const char *path)
{
    AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        walk(c, fd, path);
    else
        tell_unread(c, path, "cannot be read");
    if (fd < 0)
        see_all_beneath(c, path);
}

/* A foreign directory is told of as a whole, and not walked into: it may be large, or anywhere. */
static void entry_look(struct check *c, int dir, const char *name, const char *path)
{
    struct stat st;
    struct check_file *file = (struct check_file *)check_find(c, path);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (file != NULL)
            file->seen = true;
        tell_unread(c, path, "cannot be looked at");
    } else if (S_ISDIR(st.st_mode) && holds_files(c, path)) {
        meta_check(c, path, &st, 0700);
        walk_into(c, dir, name, path);
    } else if (file == NULL) {
        check_tell(c, CHECK_FOREIGN, path, "is a %s that is not of this bundle",
                   S_ISDIR(st.st_mode)   ? "directory"
                   : S_ISLNK(st.st_mode) ? "link"
                                         : "file");
    } else if (!S_ISREG(st.st_mode)) {
        file->seen = true;
        check_tell(c, CHECK_CONTENT, path, "%s", kind_words(st.st_mode));
    } else {
        meta_check(c, path, &st, 0400);
        file_look(c, dir, name, file);
    }
}

static void walk(struct check *c, int dir, const char *path)
{
    struct strv names = {0};
    if (names_list(c->a, dir, &names) < 0) {
        tell_unread(c, *path ? path : ".", "cannot be read");
        see_all_beneath(c, path);
    }
    for (size_t i = 0; i < names.n; i++)
        entry_look(c, dir, names.items[i],
                   arena_fmt(c->a, "%s%s%s", path, *path ? "/" : "", names.items[i]));
}

/* ---- whether they agree ---- */

/* SHA-256 of nothing (FIPS 180-4, examples). */
static const char empty_sha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* Digests say that a file has changed, not how; an empty one is told apart, since that is what a
 * full disk leaves. */
static void sums_compare(struct check *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        const struct check_file *file = &c->files[i];
        bool listed = file->sum != NULL || strcmp(file->path, "SHA256SUMS") == 0;
        if (!file->seen)
            check_tell(c, CHECK_CONTENT, file->path, "is missing");
        else if (c->has_sums && !listed)
            check_tell(c, CHECK_CONTENT, file->path, "is not named in SHA256SUMS");
        else if (file->sum == NULL || file->actual[0] == '\0' ||
                 strcmp(file->sum, file->actual) == 0)
            continue;
        else if (strcmp(file->actual, empty_sha256) == 0)
            check_tell(c, CHECK_CONTENT, file->path, "is empty, and was not when it was filed");
        else
            check_tell(c, CHECK_CONTENT, file->path, "is not what was filed: its digest differs");
    }
}

/* Whether there is no saying that the file is damaged: then what is in it counts. */
bool check_is_readable(const struct check *c, const char *path)
{
    const struct check_file *file = check_find(c, path);
    return file != NULL && file->actual[0] != '\0' &&
           (!c->has_sums || (file->sum != NULL && strcmp(file->sum, file->actual) == 0));
}

/* ---- all of it ---- */

static void sums_load(struct check *c)
{
    BUF_AUTO text = BUF_INIT;
    if (check_load(c, "SHA256SUMS", SUMS_SIZE_MAX, &text) < 0)
        return; /* that it is missing, or no file, is told of as of any other */
    c->has_sums = text.len > 0 && strlen(text.data) == text.len &&
                  sums_parse(c->a, text.data, &c->sums, &c->n_sums) == 0;
    if (c->has_sums)
        return;
    c->n_sums = 0;
    check_tell(c, CHECK_CONTENT, "SHA256SUMS", "is no list of digests as sha256sum writes it");
}

/* A record that is damaged by its digest need not be told of again because it makes no sense. */
static void record_load(struct check *c)
{
    BUF_AUTO text = BUF_INIT;
    struct ml_error why = ML_ERROR_INIT;
    if (check_load(c, "build.json", RECORD_SIZE_MAX, &text) < 0)
        return;
    c->has_record = record_read(c->a, buf_text(&text), text.len, &c->record, &why) == 0;
    const struct bundle_file *sum = sums_find(c->sums, c->n_sums, "build.json");
    char sha256[DIGEST_HEX_SIZE];
    bool innocent = sum == NULL || (digest_data(text.data, text.len, sha256) == 0 &&
                                    strcmp(sum->sha256, sha256) == 0);
    if (why.status == ML_LIMIT)
        c->lacks = ENOMEM;
    else if (!c->has_record && innocent)
        check_tell(c, CHECK_CONTENT, "build.json", "cannot be understood: %s", why.message);
}

/* The record is read before the walk: it says what ought to be there as well as the list does. */
int check_bundle(struct arena *a, int dir, const char *id, struct check *ret, struct ml_error *err)
{
    struct check *c = ret;
    struct stat st;
    *c = (struct check){.a = a, .id = id, .dir = dir};
    sums_load(c);
    record_load(c);
    files_expect(c);
    if (fstat(dir, &st) == 0)
        meta_check(c, ".", &st, 0700);
    walk(c, dir, "");
    sums_compare(c);
    agree_check(c);
    if (c->n_problems > 1)
        qsort(c->problems, c->n_problems, sizeof *c->problems, problem_compare);
    if (c->lacks != 0)
        return ml_error_errno(err, ML_LIMIT, c->lacks, "cannot check bundle '%s'", id);
    return a->failed ? ml_error_memory(err) : 0;
}
