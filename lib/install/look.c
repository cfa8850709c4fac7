/* Looking at a package: what its manifest says, which files it has, and one digest over all of
 * them. Nothing of it is run, and what is read was written by strangers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/unpack.h"
#include "base/error.h"
#include "base/scope.h"
#include "build/plan.h"
#include "install/package.h"

/* What is fetched has been within these limits; a directory of the user's own may not be. */
static const struct archive_limits limits = ARCHIVE_LIMITS_INIT;

/* ---- its files ---- */

static int too_large(struct ml_package *p, struct ml_error *err)
{
    ml_error_set(err, ML_LIMIT, "package_too_large",
                 "there are more than %u files in '%s', or a file of more than %u MiB",
                 limits.entries, p->label, (unsigned)(limits.file_bytes >> 20));
    return ml_error_hint(err, "give the plugin's own directory: --path DIR");
}

static int file_add(struct ml_package *p, int dirfd, const char *name, const char *path,
                    const struct stat *st, struct ml_error *err)
{
    struct package_file file = {.path = path};
    AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (p->n_files >= limits.entries || (uint64_t)st->st_size > limits.file_bytes)
        return too_large(p, err);
    if (fd < 0 || digest_fd(fd, file.sha256) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s/%s'", p->label, path);
    struct package_file *files = arena_grow(&p->a, p->files, p->n_files, sizeof *files);
    if (files == NULL)
        return ml_error_memory(err);
    p->files = files;
    files[p->n_files++] = file;
    p->info.bytes += (uint64_t)st->st_size;
    return 0;
}

static int walk(struct ml_package *p, int dirfd, const char *path, unsigned depth,
                struct ml_error *err);

/* A link is what the build decides about, and no file here; the digest list has one line for each
 * file, so a name with a line's end would say something else. */
static int entry_look(struct ml_package *p, int dirfd, const char *name, const char *path,
                      unsigned depth, struct ml_error *err)
{
    struct stat st;
    if (strpbrk(name, "\n\r") != NULL)
        return ml_error_set(err, ML_DATA, "bad_name",
                            "a file's name in '%s' has a line's end in it", p->label);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s/%s'", p->label, path);
    if (S_ISDIR(st.st_mode))
        return walk(p, openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), path,
                    depth + 1, err);
    return S_ISREG(st.st_mode) ? file_add(p, dirfd, name, path, &st, err) : 0;
}

/* Takes `dirfd` over. */
static int walk(struct ml_package *p, int dirfd, const char *path, unsigned depth,
                struct ml_error *err)
{
    AUTO_CLOSEDIR DIR *dir = dirfd < 0 ? NULL : fdopendir(dirfd);
    int status = 0;
    if (dir == NULL) {
        ml_error_errno(err, 0, errno, "cannot read '%s/%s'", p->label, path);
        if (dirfd >= 0)
            close(dirfd);
        return -1;
    }
    if (depth > ARCHIVE_DEPTH_MAX)
        return ml_error_set(err, ML_LIMIT, "package_too_large",
                            "'%s' has directories within directories, %d deep", p->label,
                            ARCHIVE_DEPTH_MAX);
    for (struct dirent *e; status == 0 && (errno = 0, e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        const char *below =
            *path ? arena_fmt(&p->a, "%s/%s", path, e->d_name) : arena_str(&p->a, e->d_name);
        status =
            p->a.failed ? ml_error_memory(err) : entry_look(p, dirfd, e->d_name, below, depth, err);
    }
    if (status == 0 && errno != 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read '%s/%s'", p->label, path);
    return status;
}

static int file_compare(const void *a, const void *b)
{
    return strcmp(((const struct package_file *)a)->path, ((const struct package_file *)b)->path);
}

/* ---- their digest ---- */

/* golang.org/x/mod/sumdb/dirhash, Hash1: the SHA-256 of the lines that sha256sum(1) prints, in the
 * order of the names. */
static int digest_all(struct ml_package *p, struct ml_error *err)
{
    uint8_t sum[DIGEST_SIZE];
    char text[ML_SOURCE_DIGEST_SIZE] = "h1:";
    DIGEST_AUTO d;
    digest_begin(&d);
    for (size_t i = 0; i < p->n_files; i++) {
        const struct package_file *f = &p->files[i];
        digest_add(&d, f->sha256, strlen(f->sha256));
        digest_add(&d, "  ", 2);
        digest_add(&d, f->path, strlen(f->path));
        digest_add(&d, "\n", 1);
    }
    if (digest_end(&d, sum) < 0)
        return ml_error_errno(err, 0, errno, "cannot compute a digest");
    EVP_EncodeBlock((unsigned char *)text + 3, sum, sizeof sum);
    p->info.digest = arena_str(&p->a, text);
    return 0;
}

/* ---- what it says of itself ---- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* 1 when there is a manifest, 0 when not, -1. */
static int manifest_look(struct ml_package *p, int dirfd, struct ml_error *err)
{
    struct manifest m = {.name = NULL};
    const char *label = arena_fmt(&p->a, "%s/modload.json", p->label);
    int there = manifest_load(&p->a, dirfd, label, &m, err);
    if (there <= 0)
        return there;
    if (m.name != NULL)
        p->info.name = m.name;
    p->info.version = or_empty(m.version);
    p->info.description = or_empty(m.description);
    p->info.license = or_empty(m.license);
    p->info.capabilities = m.capabilities.items;
    p->info.n_capabilities = m.capabilities.n;
    return 1;
}

/* ---- whether it is a plugin at all ---- */

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

/* A repository may hold many plugins: which there are is what the user has to know. */
static int no_plugin(struct ml_package *p, struct ml_error *err)
{
    static const char manifest[] = "/modload.json";
    BUF_AUTO there = BUF_INIT;
    size_t n = 0;
    for (size_t i = 0; i < p->n_files; i++) {
        const char *path = p->files[i].path;
        if (!ends_in(path, manifest))
            continue;
        if (++n <= 5)
            buf_fmt(&there, "%s%.*s", n > 1 ? ", " : "",
                    (int)(strlen(path) - (sizeof manifest - 1)), path);
    }
    ml_error_set(err, ML_DATA, "no_plugin",
                 "there is no plugin in '%s': no modload.json, and no C source", p->label);
    if (n == 0)
        return ml_error_hint(err, "a plugin in one of its directories: --path DIR");
    return ml_error_hint(err, "it has %zu in its directories, give one of them by --path: %.160s%s",
                         n, buf_text(&there), n > 5 || there.len > 160 ? " ..." : "");
}

int package_look(struct ml_package *p, int dirfd, const char *stem, struct ml_error *err)
{
    int again = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p->info.name = stem;
    if (walk(p, again, "", 0, err) < 0)
        return -1;
    qsort(p->files, p->n_files, sizeof *p->files, file_compare);
    p->info.files = (uint32_t)p->n_files;
    int manifest = manifest_look(p, dirfd, err);
    if (manifest < 0)
        return -1;
    struct strv sources = {0};
    if (manifest == 0 && plan_guess(&p->a, dirfd, &sources) == 0 && sources.n == 0)
        return no_plugin(p, err);
    return digest_all(p, err);
}
