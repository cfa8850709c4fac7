/* Two names go with every source. `path` is the user's, for the compiler and for messages; `rel` is
 * the bundle's, relative to what all sources have in common, and says nothing of where they lie. */
#include "build/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/unpack.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/word.h"

/* ---- paths ---- */

/* The directory part with its slash, or "". */
static const char *directory_of(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? arena_mem(a, path, (size_t)(slash - path) + 1) : "";
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *plan_absolute(const struct build *b, const char *path)
{
    return b->cwd_path && *path != '/' ? arena_fmt(b->a, "%s/%s", b->cwd_path, path) : path;
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcmp(path + n - m, suffix) == 0;
}

static const char *real_path(struct arena *a, const char *path, struct ml_error *err)
{
    AUTO_FREE char *real = realpath(*path ? path : ".", NULL);
    if (real != NULL)
        return arena_str(a, real);
    ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    return NULL;
}

/* ---- names ---- */

/* A file's or directory's name as that of a plugin: what cannot be in one becomes a hyphen.
 * "libfoo.so.1" is libfoo, "v1.2.c" is v1.2. */
static const char *stem_of(struct arena *a, const char *path)
{
    char stem[ML_NAME_SIZE];
    const char *base = base_of(path);
    const char *so = strstr(base, ".so");
    const char *dot = so && (so[3] == '\0' || so[3] == '.') ? so : strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    size_t k = 0;
    for (size_t i = 0; i < n && k < sizeof stem - 1; i++) {
        char letter[2] = {base[i], '\0'};
        bool good = store_name_valid(letter) || (k > 0 && strchr("._-", base[i]));
        if (good || k > 0)
            stem[k++] = good ? base[i] : '-';
    }
    stem[k] = '\0';
    return ml_name_valid(stem) ? arena_str(a, stem) : "plugin";
}

/* ---- sources ---- */

enum { STEM_MAX = 100 };

static int file_check(const char *path, const struct stat *st, struct ml_error *err)
{
    for (const char *p = path; *p != '\0'; p++) /* a list of dependencies cannot hold a newline */
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return ml_error_set(err, ML_DATA, NULL,
                                "a source's path must be without control characters");
    if (!S_ISREG(st->st_mode))
        return ml_error_set(err, ML_DATA, NULL, "'%s' is not a file", path);
    if (st->st_size > SOURCE_SIZE_MAX)
        return ml_error_set(err, ML_LIMIT, NULL, "'%s' is larger than %d MiB", path,
                            SOURCE_SIZE_MAX >> 20);
    return 0;
}

/* Its files in the work directory are named after it, so that the linker's words can be understood.
 */
static const char *work_stem(struct build *b, const char *path)
{
    const char *base = base_of(path);
    size_t n = strcspn(base, ".");
    const char *stem = arena_mem(b->a, base, n < STEM_MAX ? n : STEM_MAX);
    for (size_t i = 0; i < b->n_sources; i++)
        if (strcmp(b->sources[i].stem, stem) == 0)
            return arena_fmt(b->a, "%s-%zu", stem, b->n_sources);
    return *stem ? stem : arena_fmt(b->a, "source-%zu", b->n_sources);
}

int plan_source(struct build *b, const char *path, const char *rel, const char *root,
                struct ml_error *err)
{
    if (b->n_sources == SOURCES_MAX)
        return ml_error_set(err, ML_LIMIT, NULL, "more than %d sources", SOURCES_MAX);
    struct unit s = {.path = word_path(b->a, path), .rel = rel, .root = root};
    s.header = has_suffix(path, ".h");
    if (fstatat(b->cwd_fd, path, &s.st, 0) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    if (file_check(path, &s.st, err) < 0)
        return -1;
    s.stem = work_stem(b, path);
    struct unit *sources = arena_grow(b->a, b->sources, b->n_sources, sizeof *sources);
    if (sources == NULL)
        return ml_error_memory(err);
    b->sources = sources;
    b->sources[b->n_sources++] = s;
    return 0;
}

int plan_text(struct build *b, struct ml_error *err)
{
    if (b->request->text_size > SOURCE_SIZE_MAX)
        return ml_error_set(err, ML_LIMIT, NULL, "the source is larger than %d MiB",
                            SOURCE_SIZE_MAX >> 20);
    b->kind = BUILD_TEXT;
    b->sources = arena_alloc(b->a, 1, sizeof *b->sources);
    if (b->sources == NULL)
        return ml_error_memory(err);
    b->sources[b->n_sources++] =
        (struct unit){.path = "-", .rel = "stdin.c", .root = "", .stem = "stdin"};
    return 0;
}

/* ---- a directory ---- */

/* A missing manifest is fine: the directory's own layout says what to build then. */
static int directory_manifest(struct build *b, int dirfd, struct ml_error *err)
{
    const char *label = arena_fmt(b->a, "%smodload.json", b->root);
    int there = manifest_load(b->a, dirfd, label, &b->manifest, err);
    b->has_manifest = there > 0;
    return there < 0 ? -1 : 0;
}

/* The files that one pattern of the manifest means. It must mean some. */
static int manifest_pattern(struct build *b, int dirfd, const char *key, const char *pattern,
                            struct strv *ret, struct ml_error *err)
{
    size_t before = ret->n;
    if (pattern_match(b->a, dirfd, pattern, ret) < 0 && errno == EXDEV)
        return ml_error_set(err, ML_CONFIG, NULL,
                            "%s: key '%s': '%s' leads out of the directory by a link",
                            b->manifest.label, key, pattern);
    if (ret->n > before)
        return 0;
    return ml_error_set(err, ML_CONFIG, NULL, "%s: key '%s': '%s' matches no file",
                        b->manifest.label, key, pattern);
}

static const char *shown_root(const struct build *b)
{
    return *b->root ? b->root : ".";
}

static int guess_failed(const struct build *b, struct ml_error *err)
{
    if (errno == EXDEV)
        return ml_error_set(err, ML_REFUSED, NULL,
                            "the sources in '%s' lead out of the directory by a link",
                            shown_root(b));
    return ml_error_errno(err, 0, errno, "cannot read '%s'", shown_root(b));
}

/* Headers come last: in a library that is headers only they are the sources, in any other they are
 * not. */
int plan_guess(struct arena *a, int dirfd, struct strv *ret)
{
    static const char *const guesses[] = {"*.c", "src/*.c", "*.h"};
    for (size_t i = 0; i < sizeof guesses / sizeof *guesses && ret->n == 0; i++)
        if (pattern_match(a, dirfd, guesses[i], ret) < 0)
            return -1;
    return 0;
}

static int directory_files(struct build *b, int dirfd, struct strv *ret, struct ml_error *err)
{
    for (size_t i = 0; i < b->manifest.sources.n; i++)
        if (manifest_pattern(b, dirfd, "sources", b->manifest.sources.items[i], ret, err) < 0)
            return -1;
    if (ret->n == 0 && plan_guess(b->a, dirfd, ret) < 0)
        return guess_failed(b, err);
    if (ret->n == 0)
        return ml_error_set(err, ML_DATA, "no_source", "there is no C source in '%s'",
                            shown_root(b));
    return 0;
}

static int include_add(struct build *b, int dirfd, const char *dir, struct ml_error *err)
{
    AUTO_CLOSE int fd = openat(dirfd, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *real = fd < 0 ? NULL : real_path(b->a, arena_fmt(b->a, "%s%s", b->root, dir), NULL);
    size_t n = strlen(b->root_real);
    if (real == NULL)
        return ml_error_set(err, ML_CONFIG, NULL, "%s: key 'include': '%s' is no directory",
                            b->manifest.label, dir);
    if (strncmp(real, b->root_real, n) != 0 || (real[n] != '/' && real[n] != '\0' && n > 1))
        return ml_error_set(err, ML_CONFIG, NULL,
                            "%s: key 'include': '%s' leads out of the directory by a link",
                            b->manifest.label, dir);
    strv_fmt(b->a, &b->paths, "-I%s%s", b->root, dir);
    return 0;
}

/* Without a manifest, headers are looked for in the directory itself and in its "include". */
static int directory_includes(struct build *b, int dirfd, struct ml_error *err)
{
    for (size_t i = 0; i < b->manifest.include.n; i++)
        if (include_add(b, dirfd, b->manifest.include.items[i], err) < 0)
            return -1;
    if (b->has_manifest)
        return 0;
    strv_fmt(b->a, &b->paths, "-I%.*s", (int)(*b->root ? strlen(b->root) - 1 : 1),
             *b->root ? b->root : ".");
    if (faccessat(dirfd, "include", F_OK, 0) == 0)
        strv_fmt(b->a, &b->paths, "-I%sinclude", b->root);
    return 0;
}

/* "x.so" and "x.so.1.2". */
static bool is_object_name(const char *path)
{
    const char *so = strstr(base_of(path), ".so");
    return so != NULL && (so[3] == '\0' || so[3] == '.');
}

static int object_set(struct build *b, const char *path, struct ml_error *err)
{
    if (stat(path, &b->object_st) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    if (!S_ISREG(b->object_st.st_mode))
        return ml_error_set(err, ML_DATA, NULL, "'%s' is not a file", path);
    b->object = path;
    b->kind = BUILD_OBJECT;
    return 0;
}

static int directory_sources(struct build *b, const struct strv *files, struct ml_error *err)
{
    if (files->n == 1 && is_object_name(files->items[0]))
        return object_set(b, arena_fmt(b->a, "%s%s", b->root, files->items[0]), err);
    for (size_t i = 0; i < files->n; i++) {
        const char *rel = files->items[i];
        bool again = false;
        for (size_t k = 0; k < i && !again; k++)
            again = strcmp(files->items[k], rel) == 0;
        if (again) /* two patterns match it */
            continue;
        if (!has_suffix(rel, ".c") && !has_suffix(rel, ".h"))
            return ml_error_set(err, ML_CONFIG, NULL,
                                "%s: key 'sources': '%s' is not C source (.c or .h), nor a single "
                                "shared object",
                                b->manifest.label, rel);
        if (plan_source(b, arena_fmt(b->a, "%s%s", b->root, rel), rel, b->root, err) < 0)
            return -1;
    }
    return 0;
}

/* The path of a directory as a prefix of what is in it. */
static const char *root_of(struct arena *a, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 1 && *path == '.')
        return "";
    const char *root = word_path(a, arena_mem(a, path, n));
    return strcmp(root, "/") == 0 ? root : arena_fmt(a, "%s/", root);
}

/* Its handle is held while patterns are matched; the compiler gets paths, as it knows nothing else.
 * */
int plan_directory(struct build *b, const char *path, struct ml_error *err)
{
    struct strv files = {0};
    AUTO_CLOSE int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    b->kind = BUILD_DIRECTORY;
    b->root = root_of(b->a, path);
    b->root_real = real_path(b->a, path, err);
    if (b->root_real == NULL)
        return -1;
    b->stem = stem_of(b->a, arena_fmt(b->a, "%s.", b->root_real)); /* its own dot is no suffix's */
    strv_add(b->a, &b->own_dirs, b->root_real);
    if (directory_manifest(b, dirfd, err) < 0 || directory_files(b, dirfd, &files, err) < 0 ||
        directory_includes(b, dirfd, err) < 0)
        return -1;
    return directory_sources(b, &files, err);
}

/* ---- files ---- */

/* How long the directory is that two absolute directories have in common, its slash included. */
static size_t common_length(const char *a, const char *b)
{
    size_t n = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++)
        if (a[i] == '/')
            n = i + 1;
    return n;
}

/* The sources' real places, and the part that all have in common: the rest are their names. */
static int files_locate(struct build *b, struct strv *real, size_t *common, struct ml_error *err)
{
    const struct ml_build_request *r = b->request;
    for (size_t i = 0; i < r->n_sources; i++) {
        const char *dir = real_path(b->a, directory_of(b->a, r->sources[i]), err);
        if (dir == NULL)
            return -1;
        strv_add(b->a, &b->own_dirs, dir);
        strv_fmt(b->a, real, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, base_of(r->sources[i]));
    }
    if (b->a->failed)
        return ml_error_memory(err);
    *common = strlen(real->items[0]) - strlen(base_of(real->items[0]));
    for (size_t i = 1; i < real->n; i++) {
        size_t n = common_length(real->items[0], real->items[i]);
        *common = n < *common ? n : *common;
    }
    return 0;
}

static int plan_files(struct build *b, struct ml_error *err)
{
    const struct ml_build_request *r = b->request;
    struct strv real = {0};
    size_t common = 0;
    if (files_locate(b, &real, &common, err) < 0)
        return -1;
    b->stem = stem_of(b->a, r->sources[0]);
    b->root_real = arena_mem(b->a, real.items[0], common > 1 ? common - 1 : common);
    for (size_t i = 0; i < r->n_sources; i++) {
        if (!has_suffix(r->sources[i], ".c") && !has_suffix(r->sources[i], ".h")) {
            ml_error_set(err, ML_DATA, NULL, "'%s' is not C source (.c or .h)", r->sources[i]);
            return ml_error_hint(err,
                                 "a directory, an archive or a shared object is compiled alone");
        }
        const char *root = directory_of(b->a, word_path(b->a, r->sources[i]));
        if (plan_source(b, r->sources[i], real.items[i] + common, root, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- which of them ---- */

static bool has_elf_magic(const char *path)
{
    char magic[4] = {0};
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && read(fd, magic, 4) == 4 && memcmp(magic, "\177ELF", 4) == 0;
}

static bool has_archive_magic(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && archive_is(fd);
}

/* "calc-1.2.tar.gz" is calc-1.2, as the directory in it would be. */
const char *plan_archive_stem(struct arena *a, const char *path)
{
    static const char *const endings[] = {".tgz", ".txz", ".tzst", ".gz", ".xz", ".zst", ".zip"};
    const char *base = base_of(path);
    size_t n = strlen(base);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (has_suffix(base, endings[i])) {
            n -= strlen(endings[i]);
            break;
        }
    const char *name = arena_mem(a, base, n);
    return stem_of(a, has_suffix(name, ".tar") ? name : arena_fmt(a, "%s.", name));
}

/* A shared object is known by its name or, whatever it is called, by its first bytes; an archive by
 * these alone. */
static int plan_one(struct build *b, const char *path, struct ml_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    if (S_ISDIR(st.st_mode)) {
        if (b->request->label != NULL && strlen(root_of(b->a, path)) > 1) {
            b->label = b->request->label;
            b->unpacked = root_of(b->a, path);
        }
        return plan_directory(b, path, err);
    }
    if (S_ISREG(st.st_mode) && has_archive_magic(path)) {
        b->archive = path;
        b->stem = plan_archive_stem(b->a, path);
        return 0;
    }
    if (!is_object_name(path) && (!S_ISREG(st.st_mode) || !has_elf_magic(path)))
        return plan_files(b, err);
    b->stem = stem_of(b->a, path);
    return object_set(b, path, err);
}

int plan_make(struct build *b, struct ml_error *err)
{
    const struct ml_build_request *r = b->request;
    int status = 0;
    b->root = "";
    b->stem = "plugin";
    if (r->text != NULL && r->text_is_object)
        b->object = "<stdin>", b->kind = BUILD_OBJECT;
    else if (r->text != NULL)
        status = plan_text(b, err);
    else if (r->n_sources == 0)
        status = ml_error_set(err, ML_DATA, "no_source", "there is nothing to compile");
    else if (r->n_sources == 1)
        status = plan_one(b, r->sources[0], err);
    else
        status = plan_files(b, err);
    if (status == 0 && b->a->failed)
        return ml_error_memory(err);
    return status;
}
