/* A bundle's id is worth as much as the list of what went into it. The compiler writes that list
 * itself (-MD); the files on it are read again after it is done, so each of them must prove that it
 * has not changed since: sources by comparing what stat() says before and after, headers by their
 * time of change. */
#include "build/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/bundle.h"
#include "build/compile.h"
#include "build/object.h"
#include "build/place.h"

enum { DEPENDENCIES_MAX = 16 << 20 };

/* ---- dependency lists ---- */

/* Takes one name, undoing what the compiler did for make: a backslash before a blank or #, a
 * doubled $. Backslashes before a backslash-blank are doubled. Returns where the name ends. */
static const char *name_parse(const char *p, struct buf *name)
{
    while (*p != '\0') {
        size_t n = strspn(p, "\\");
        char next = p[n];
        if (n == 0 && strchr(" \t\n\r", next) != NULL)
            break;
        if (n > 0 && (next == '\n' || next == '\r'))
            break;
        bool blank = next == ' ' || next == '\t';
        size_t kept = blank ? n / 2 : n - (n > 0 && next == '#');
        for (size_t i = 0; i < kept; i++)
            buf_char(name, '\\');
        p += n;
        if (blank && n % 2 == 0)
            break;
        if (next == '\0')
            break;
        buf_char(name, next);
        p += 1 + (next == '$' && p[1] == '$');
    }
    return p;
}

void inputs_parse(struct arena *a, const char *text, struct strv *ret)
{
    const char *p = strchr(text, ':'); /* of the target, which is always "x" */
    p = p ? p + 1 : text;
    while (*p != '\0') {
        if (strchr(" \t\n\r", *p) != NULL || (*p == '\\' && (p[1] == '\n' || p[1] == '\r'))) {
            p++;
            continue;
        }
        BUF_AUTO name = BUF_INIT;
        p = name_parse(p, &name);
        a->failed = a->failed || name.failed;
        strv_add(a, ret, arena_str(a, buf_text(&name)));
    }
}

/* ---- one file ---- */

static bool later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static bool same_state(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           !later(&a->st_mtim, &b->st_mtim) && !later(&b->st_mtim, &a->st_mtim) &&
           !later(&a->st_ctim, &b->st_ctim) && !later(&b->st_ctim, &a->st_ctim);
}

static int changed(const char *path, struct ml_error *err)
{
    ml_error_set(err, ML_BUSY, "source_changed", "'%s' changed while it was compiled", path);
    return ml_error_hint(err, "run the command again");
}

/* Reads a file that the compiler has read before. `before`: what it was like then, if that is
 * known. */
static int input_read(const struct build *b, const char *path, const struct stat *before,
                      size_t max, struct buf *out, struct ml_error *err)
{
    struct stat st, after;
    AUTO_CLOSE int fd = openat(b->cwd_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? changed(path, err)
                               : ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return ml_error_set(err, ML_DATA, NULL, "'%s' is not a file", path);
    if (fs_read_all(fd, out, max) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    if (fstat(fd, &after) < 0 || !same_state(&st, &after))
        return changed(path, err);
    if (before ? !same_state(before, &st) : later(&st.st_ctim, &b->started))
        return changed(path, err);
    return 0;
}

/* The author's own files go into the bundle, so that it can be built again from itself. */
static int input_add(struct build *b, const char *path, const char *rel, const struct buf *content,
                     struct ml_error *err)
{
    struct input *inputs = arena_grow(b->a, b->inputs, b->n_inputs, sizeof *inputs);
    if (inputs == NULL)
        return ml_error_memory(err);
    b->inputs = inputs;
    struct input *input = &inputs[b->n_inputs++];
    *input = (struct input){.path = path, .rel = rel};
    if (digest_data(buf_text(content), content->len, input->sha256) < 0)
        return ml_error_memory(err);
    if (rel == NULL)
        return 0;
    return bundle_write(b, arena_fmt(b->a, "source/%s", rel), buf_text(content), content->len, err);
}

static struct input *own_input(const struct build *b, const char *rel)
{
    for (size_t i = 0; i < b->n_inputs; i++)
        if (b->inputs[i].rel != NULL && strcmp(b->inputs[i].rel, rel) == 0)
            return &b->inputs[i];
    return NULL;
}

/* ---- where it was found ---- */

/* A file of the author's that a link or a detour led to has more places than its own. */
static void place_note(struct build *b, struct input *input, const char *path)
{
    const char *place = place_of(b, path);
    if (place == NULL || strcmp(place, arena_fmt(b->a, PLACE_DIR "0/%s", input->rel)) == 0)
        return;
    for (size_t i = 0; i < input->at.n; i++)
        if (strcmp(input->at.items[i], place) == 0)
            return;
    strv_add(b->a, &input->at, place);
}

/* A header that is neither the author's own nor the system's goes into the bundle as well, since it
 * may be gone when that has to be built again. Its digest is all of it that the id is made of. */
static int header_keep(struct build *b, struct input *input, const struct buf *content,
                       struct ml_error *err)
{
    const char *place = place_of(b, input->path);
    if (place == NULL || place_is_system(b, input->path))
        return 0;
    int kept = bundle_keep(b, place, buf_text(content), content->len, err);
    input->kept = kept > 0 ? place : NULL;
    return kept < 0 ? -1 : 0;
}

/* ---- whose file it is ---- */

/* A source may lie in /usr/include (single-header libraries do), but what lies beside it is the
 * system's. */
static bool is_system_dir(const char *dir)
{
    static const char *const dirs[] = {"/", "/usr", "/usr/include", "/usr/local",
                                       "/usr/local/include"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (strcmp(dir, dirs[i]) == 0)
            return true;
    return false;
}

static bool is_beneath(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* The name of one of the author's own headers relative to the root, or null. */
static const char *own_header(struct build *b, const char *path)
{
    AUTO_FREE char *real = realpath(plan_absolute(b, path), NULL);
    if (real == NULL || b->root_real == NULL || is_system_dir(b->root_real) ||
        !is_beneath(real, b->root_real))
        return NULL;
    for (size_t i = 0; i < b->own_dirs.n; i++)
        if (!is_system_dir(b->own_dirs.items[i]) && is_beneath(real, b->own_dirs.items[i]))
            return arena_str(b->a, real + strlen(b->root_real) + 1);
    return NULL;
}

/* ---- all of them ---- */

static int sources_add(struct build *b, struct ml_error *err)
{
    for (size_t i = 0; i < b->n_sources; i++) {
        const struct unit *s = &b->sources[i];
        BUF_AUTO content = BUF_INIT;
        if (strcmp(s->path, "-") == 0)
            buf_add(&content, b->request->text, b->request->text_size);
        else if (input_read(b, s->path, &s->st, SOURCE_SIZE_MAX, &content, err) < 0)
            return -1;
        if (content.failed)
            return ml_error_memory(err);
        if (input_add(b, s->path, s->rel, &content, err) < 0)
            return -1;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int headers_list(struct build *b, struct strv *ret, struct ml_error *err)
{
    for (size_t i = 0; i < b->n_sources; i++) {
        BUF_AUTO text = BUF_INIT;
        const char *name = arena_fmt(b->a, "%s.d", b->sources[i].stem);
        if (fs_read_file(b->work, name, &text, DEPENDENCIES_MAX) < 0)
            return ml_error_errno(err, ML_IO, errno,
                                  "cannot read what the compiler says it has read");
        inputs_parse(b->a, buf_text(&text), ret);
    }
    if (b->a->failed)
        return ml_error_memory(err);
    if (ret->n > 1)
        qsort(ret->items, ret->n, sizeof *ret->items, compare);
    return 0;
}

static bool is_source(const struct build *b, const char *path)
{
    for (size_t i = 0; i < b->n_sources; i++)
        if (strcmp(b->sources[i].path, path) == 0)
            return true;
    return strcmp(path, "-") == 0 || strcmp(path, "<stdin>") == 0;
}

static int header_add(struct build *b, const char *path, const char *rel, struct ml_error *err)
{
    BUF_AUTO content = BUF_INIT;
    struct input *input = rel ? own_input(b, rel) : NULL;
    if (input == NULL) {
        if (input_read(b, path, NULL, SOURCE_SIZE_MAX, &content, err) < 0 ||
            input_add(b, path, rel, &content, err) < 0)
            return -1;
        input = &b->inputs[b->n_inputs - 1];
        if (rel == NULL)
            return header_keep(b, input, &content, err);
    }
    place_note(b, input, path);
    return 0;
}

/* Sorted by path, so that one that many sources include is read once. */
static int headers_add(struct build *b, struct ml_error *err)
{
    struct strv paths = {0};
    if (headers_list(b, &paths, err) < 0)
        return -1;
    for (size_t i = 0; i < paths.n; i++) {
        const char *path = paths.items[i];
        if ((i > 0 && strcmp(path, paths.items[i - 1]) == 0) || is_source(b, path))
            continue;
        if (header_add(b, path, own_header(b, path), err) < 0)
            return -1;
    }
    return b->a->failed ? ml_error_memory(err) : 0;
}

static int input_compare(const void *a, const void *b)
{
    const struct input *x = a, *y = b;
    if (x->rel != NULL && y->rel != NULL)
        return strcmp(x->rel, y->rel);
    if (x->rel != NULL || y->rel != NULL)
        return x->rel != NULL ? -1 : 1;
    return strcmp(x->sha256, y->sha256);
}

static void inputs_sort(struct build *b)
{
    if (b->n_inputs > 1)
        qsort(b->inputs, b->n_inputs, sizeof *b->inputs, input_compare);
}

int inputs_collect(struct build *b, struct ml_error *err)
{
    if (place_begin(b, err) < 0 || sources_add(b, err) < 0 || headers_add(b, err) < 0)
        return -1;
    inputs_sort(b);
    return 0;
}

/* Shared libraries are not looked at: of them only the name goes in, and what they are is decided
 * each time the bundle is loaded. */
int inputs_archives(struct build *b, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    struct strv paths = {0};
    if (fs_read_file(b->work, LINK_DEPENDENCIES, &text, DEPENDENCIES_MAX) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read what the linker says it has read");
    inputs_parse(b->a, buf_text(&text), &paths);
    for (size_t i = 0; i < paths.n; i++) {
        const char *path = paths.items[i];
        size_t n = strlen(path);
        BUF_AUTO content = BUF_INIT;
        if (n < 2 || strcmp(path + n - 2, ".a") != 0)
            continue;
        if (input_read(b, path, NULL, OBJECT_SIZE_MAX, &content, err) < 0 ||
            input_add(b, path, NULL, &content, err) < 0)
            return -1;
    }
    inputs_sort(b);
    return b->a->failed ? ml_error_memory(err) : 0;
}
