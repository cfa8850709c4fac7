/* Each file is copied to work/kept, under its name in the bundle, and has links in work/tree where
 * the sources look for it. A link is followed to what it means just as it was when the sources lay
 * where their author had them: whose file a header is, is told by its real path. The compiler
 * stands in the sources' common directory, so that nothing of ours gets into what it writes.
 *
 *     work/kept/source/a.c  outside/1/inc/h.h  outside/include-0/k.h
 *     work/tree/up/up/a.c   work/tree/up/inc/h.h                     "up/up" is the common
 * directory work/include-0/k.h */
#include "build/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/object.h"
#include "build/place.h"
#include "build/sums.h"
#include "build/word.h"

struct layout {
    const struct check *c;
    struct build *b;
    struct ml_build_request *request;
    int depth; /* of the common directory beneath work/tree */
    struct ml_error *err;
};

/* ---- directories ---- */

/* Deeper than anything climbs, and so deep that no directory beside the tree is a neighbour. */
static int depth_needed(const struct build *recorded)
{
    int depth = 3;
    for (size_t i = 0; i < recorded->n_inputs; i++) {
        const struct input *input = &recorded->inputs[i];
        for (size_t k = 0; k <= input->at.n; k++) {
            const char *place = k < input->at.n ? input->at.items[k] : input->kept;
            size_t include;
            int up;
            if (place != NULL && place_parse(place, &up, &include) != NULL && up > depth)
                depth = up;
        }
    }
    return depth;
}

/* The directories on the way to `path`, with it if `whole`; seen from `dir`. */
static int dirs_make(struct layout *l, int dir, const char *path, bool whole)
{
    for (const char *p = path; *p != '\0';) {
        const char *slash = strchr(p, '/');
        if (slash == NULL && !whole)
            break;
        size_t n = slash ? (size_t)(slash - path) : strlen(path);
        const char *part = arena_mem(l->b->a, path, n);
        if (mkdirat(dir, part, 0700) < 0 && errno != EEXIST)
            return ml_error_errno(l->err, ML_CANT_CREATE, errno, "cannot create '%s/%s'",
                                  l->b->work_path, part);
        p = slash ? slash + 1 : path + n;
    }
    return 0;
}

/* The names of the directories above the sources are not known, so they are all called alike: what
 * the sources say about them by name has a link of its own. */
static int root_open(struct layout *l)
{
    struct build *b = l->b;
    const char *root = "tree";
    for (int i = 0; i < l->depth; i++)
        root = arena_fmt(b->a, "%s/up", root);
    if (dirs_make(l, b->work, root, true) < 0 || dirs_make(l, b->work, "kept/source", true) < 0)
        return -1;
    b->cwd_path = arena_fmt(b->a, "%s/%s", b->work_path, root);
    b->cwd_fd = openat(b->work, root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (b->cwd_fd >= 0)
        return 0;
    b->cwd_fd = AT_FDCWD;
    return ml_error_errno(l->err, 0, errno, "cannot open '%s'", b->cwd_path);
}

/* ---- files ---- */

/* Between the check and now the file may have changed: what is compiled has the digest that was
 * recorded, or there is no build. */
static int read_whole(struct layout *l, const char *path, const char *sha256, struct buf *out)
{
    char now[DIGEST_HEX_SIZE];
    AUTO_CLOSE int fd = check_open(l->c->dir, path);
    if (fd < 0 || fs_read_all(fd, out, OBJECT_SIZE_MAX) < 0)
        return ml_error_errno(l->err, 0, errno, "cannot read the bundle's '%s'", path);
    if (digest_data(buf_text(out), out->len, now) < 0)
        return ml_error_memory(l->err);
    if (strcmp(now, sha256) == 0)
        return 0;
    return ml_error_set(l->err, ML_REFUSED, "damaged", "the bundle's '%s' is not what was filed",
                        path);
}

static int file_keep(struct layout *l, const char *path, const char *sha256)
{
    BUF_AUTO content = BUF_INIT;
    const char *kept = arena_fmt(l->b->a, "kept/%s", path);
    if (read_whole(l, path, sha256, &content) < 0 || dirs_make(l, l->b->work, kept, false) < 0)
        return -1;
    AUTO_CLOSE int fd = openat(l->b->work, kept, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) /* two headers that are one */
        return 0;
    if (fd < 0 || fs_write_all(fd, buf_text(&content), content.len) < 0)
        return ml_error_errno(l->err, ML_CANT_CREATE, errno, "cannot write '%s/%s'",
                              l->b->work_path, kept);
    return 0;
}

static const char *climb(struct arena *a, int up, const char *rest)
{
    for (; up > 0; up--)
        rest = arena_fmt(a, "../%s", rest);
    return rest;
}

/* Two files at one place: the first has it, as when the bundle was built. */
static int file_link(struct layout *l, const char *path, const char *at)
{
    const char *target = arena_fmt(l->b->a, "%s/kept/%s", l->b->work_path, path);
    if (dirs_make(l, l->b->cwd_fd, at, false) < 0)
        return -1;
    if (symlinkat(target, l->b->cwd_fd, at) == 0 || errno == EEXIST)
        return 0;
    return ml_error_errno(l->err, ML_CANT_CREATE, errno, "cannot create '%s/%s'", l->b->cwd_path,
                          at);
}

/* A place, as a path from the common directory. */
static const char *place_path(const struct layout *l, const char *place)
{
    int up;
    size_t include;
    const char *rest = place_parse(place, &up, &include);
    if (up >= 0)
        return climb(l->b->a, up, rest);
    return climb(l->b->a, l->depth + 1, arena_fmt(l->b->a, "include-%zu/%s", include, rest));
}

static int input_lay(struct layout *l, const struct input *input)
{
    const char *path = input->rel ? arena_fmt(l->b->a, "source/%s", input->rel) : input->kept;
    if (path == NULL)
        return 0;
    if (file_keep(l, path, input->sha256) < 0 ||
        file_link(l, path, input->rel ? input->rel : place_path(l, path)) < 0)
        return -1;
    for (size_t i = 0; i < input->at.n; i++)
        if (file_link(l, path, place_path(l, input->at.items[i])) < 0)
            return -1;
    return 0;
}

/* ---- the plan ---- */

/* Also the directories in which nothing was found: the compiler counts them. */
static int includes_lay(struct layout *l)
{
    const struct ml_build_request *recorded = &l->c->record.request;
    struct strv dirs = {0};
    for (size_t i = 0; i < recorded->n_includes; i++) {
        const char *dir = recorded->includes[i];
        if (dir == NULL)
            dir = climb(l->b->a, l->depth + 1, arena_fmt(l->b->a, "include-%zu", i));
        if (dirs_make(l, l->b->cwd_fd, dir, true) < 0)
            return -1;
        strv_add(l->b->a, &dirs, *dir ? dir : ".");
    }
    l->request->includes = dirs.items;
    l->request->n_includes = dirs.n;
    return 0;
}

static int manifest_lay(struct layout *l)
{
    BUF_AUTO text = BUF_INIT;
    struct build *b = l->b;
    b->has_manifest = l->c->record.build.has_manifest;
    if (!b->has_manifest)
        return 0;
    if (read_whole(l, "source/modload.json", l->c->record.manifest_sha256, &text) < 0)
        return -1;
    const char *kept = arena_mem(b->a, buf_text(&text), text.len);
    if (b->a->failed)
        return ml_error_memory(l->err);
    return manifest_parse(b->a, "modload.json", kept, text.len, &b->manifest, l->err);
}

/* As plan.c has it: with a manifest, the directories that it names; else the sources' own and its
 * "include". */
static int directory_plan(struct layout *l)
{
    struct build *b = l->b;
    for (size_t i = 0; i < b->manifest.include.n; i++) {
        if (dirs_make(l, b->cwd_fd, b->manifest.include.items[i], true) < 0)
            return -1;
        strv_fmt(b->a, &b->paths, "-I%s", b->manifest.include.items[i]);
    }
    if (b->has_manifest)
        return 0;
    strv_add(b->a, &b->paths, "-I.");
    if (faccessat(b->cwd_fd, "include", F_OK, 0) == 0)
        strv_add(b->a, &b->paths, "-Iinclude");
    return 0;
}

static int text_plan(struct layout *l)
{
    BUF_AUTO text = BUF_INIT;
    const struct input *inputs = l->c->record.build.inputs;
    size_t i = 0;
    while (strcmp(inputs[i].rel ? inputs[i].rel : "", l->c->record.build.sources[0].rel) != 0)
        i++; /* record_read() saw to it that it is there */
    if (read_whole(l, arena_fmt(l->b->a, "source/%s", inputs[i].rel), inputs[i].sha256, &text) < 0)
        return -1;
    l->request->text = arena_mem(l->b->a, buf_text(&text), text.len);
    l->request->text_size = text.len;
    return plan_text(l->b, l->err);
}

/* The part of a source's path that says in which directory it lies, with its slash. */
static const char *dir_of(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? arena_mem(a, path, (size_t)(slash - path) + 1) : "";
}

/* Sources that came as files each have the directory they lie in for a root, and it is their
 * author's; those of a directory share that one (plan.c). */
static int sources_plan(struct layout *l)
{
    struct build *b = l->b;
    const struct build *recorded = &l->c->record.build;
    AUTO_FREE char *real = realpath(arena_fmt(b->a, "%s/kept/source", b->work_path), NULL);
    if (real == NULL)
        return ml_error_errno(l->err, 0, errno, "cannot read '%s/kept/source'", b->work_path);
    b->root_real = arena_str(b->a, real);
    if (b->kind == BUILD_DIRECTORY)
        strv_add(b->a, &b->own_dirs, b->root_real);
    for (size_t i = 0; i < recorded->n_sources; i++) {
        const char *rel = recorded->sources[i].rel, *root = "";
        if (b->kind == BUILD_FILES) {
            const char *dir = dir_of(b->a, rel);
            root = dir_of(b->a, word_path(b->a, rel));
            strv_fmt(b->a, &b->own_dirs, "%s%s%.*s", b->root_real, *dir ? "/" : "",
                     *dir ? (int)strlen(dir) - 1 : 0, dir);
        }
        if (plan_source(b, rel, rel, root, l->err) < 0)
            return -1;
    }
    return b->kind == BUILD_DIRECTORY ? directory_plan(l) : 0;
}

static int plan(struct layout *l)
{
    struct build *b = l->b;
    const struct build *recorded = &l->c->record.build;
    if (b->kind == BUILD_TEXT)
        return text_plan(l);
    if (b->kind != BUILD_OBJECT)
        return sources_plan(l);
    if (file_keep(l, "plugin.so", recorded->files[0].sha256) < 0)
        return -1;
    b->object = arena_fmt(b->a, "%s/kept/plugin.so", b->work_path);
    return 0;
}

int layout_make(const struct check *c, struct build *b, struct ml_build_request *request,
                struct ml_error *err)
{
    const struct build *recorded = &c->record.build;
    struct layout l = {c, b, request, depth_needed(recorded), err};
    b->kind = recorded->kind;
    b->root = "";
    b->stem = "plugin";
    if (root_open(&l) < 0)
        return -1;
    for (size_t i = 0; i < recorded->n_inputs; i++)
        if (input_lay(&l, &recorded->inputs[i]) < 0)
            return -1;
    if (includes_lay(&l) < 0 || manifest_lay(&l) < 0 || plan(&l) < 0)
        return -1;
    clock_gettime(CLOCK_REALTIME, &b->started); /* what is read from here on is older */
    return b->a->failed ? ml_error_memory(err) : 0;
}
