/* Mending goes from what is cheap to what is dear, and each step is whole in itself: modes and
 * foreign files where they lie; then a bundle put together from what is whole; then one that is
 * built again. The damaged one stays in its place until another can take it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/bundle.h"
#include "build/object.h"
#include "build/rebuild.h"
#include "build/sound.h"
#include "build/sums.h"
#include "client/context.h"

enum { DEPTH_MAX = 64 };

struct repair {
    struct arena *a;
    struct store *store;
    const char *id;
    const struct ml_repair_request *request;
    struct check check;
    struct ml_repair_result result;
    bool changed;
    bool filed; /* the new one is in its place, and may not stay there */
    struct ml_error *err;
};

/* ---- where it lies ---- */

/* fchmod(2) wants a descriptor that can be read or written, which the mode may be in the way of;
 * the path of the descriptor will do for one that is only a place. */
static int mode_set(int dir, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    char place[64];
    struct stat st;
    AUTO_CLOSE int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
    if (chmod(place, S_ISDIR(st.st_mode) ? 0700 : 0400) < 0)
        return -1;
    AUTO_CLOSE int open_fd = open(place, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return open_fd < 0 || fs_sync(open_fd) < 0 ? -1 : 0;
}

/* A directory that could not be read may hold more: so again, as long as something was mended. Not
 * for ever: there are file systems that take every mode and keep none. */
static int modes_mend(struct repair *r)
{
    bool more = true;
    for (int pass = 0; more && pass < DEPTH_MAX; pass++) {
        more = false;
        for (size_t i = 0; i < r->check.n_problems; i++)
            if (r->check.problems[i].kind == CHECK_MODE ||
                r->check.problems[i].kind == CHECK_READ_ONLY)
                more = mode_set(r->check.dir, r->check.problems[i].path) == 0 || more;
        r->changed = r->changed || more;
        if (more && check_bundle(r->a, r->check.dir, r->id, &r->check, r->err) < 0)
            return -1;
    }
    return 0;
}

static bool has_problem(const struct check *c, enum check_kind kind)
{
    for (size_t i = 0; i < c->n_problems; i++)
        if (c->problems[i].kind == kind)
            return true;
    return false;
}

/* Somebody put it there: it is kept, in lost+found. */
static int foreign_move(struct repair *r)
{
    const struct check *c = &r->check;
    for (size_t i = 0; i < c->n_problems; i++) {
        const char *path = c->problems[i].path, *slash = strrchr(path, '/');
        if (c->problems[i].kind != CHECK_FOREIGN)
            continue;
        const char *parent = slash ? arena_mem(r->a, path, (size_t)(slash - path)) : ".";
        if (store_move_away(r->store, c->dir, path) < 0 || fs_sync_dir(c->dir, parent) < 0)
            return ml_error_errno(r->err, 0, errno, "cannot move '%s' out of bundle '%s'", path,
                                  r->id);
    }
    return 0;
}

/* Only where nothing is missing: what looks foreign may be all that is left of what is. */
static int foreign_mend(struct repair *r)
{
    const struct check *c = &r->check;
    if (!has_problem(c, CHECK_FOREIGN) || has_problem(c, CHECK_CONTENT))
        return 0;
    if (foreign_move(r) < 0)
        return -1;
    r->changed = true;
    return check_bundle(r->a, c->dir, r->id, &r->check, r->err);
}

/* ---- from what is whole ---- */

/* `name` repeats what the record says. */
static const char *name_text(struct repair *r)
{
    char sha256[DIGEST_HEX_SIZE];
    const struct build *b = &r->check.record.build;
    const struct check_file *file = check_find(&r->check, "name");
    if (!r->check.has_record || !r->check.record.given || file->sum == NULL)
        return NULL;
    const char *text = arena_fmt(r->a, "%s@%s\n", b->name, b->version);
    if (digest_data(text, strlen(text), sha256) < 0 || strcmp(sha256, file->sum) != 0)
        return NULL;
    return text;
}

/* Then no compiler is needed: owners are wrong, or a file that can be written anew. */
static bool all_is_there(struct repair *r)
{
    const struct check *c = &r->check;
    for (size_t i = 0; i < c->n_problems; i++)
        if (c->problems[i].kind == CHECK_CONTENT && strcmp(c->problems[i].path, "name") != 0)
            return false;
    return c->has_sums && (check_is_whole(c, "name") || name_text(r) != NULL);
}

static int file_copy(struct repair *r, struct build *b, const char *path)
{
    BUF_AUTO content = BUF_INIT;
    if (strcmp(path, "name") == 0 && !check_is_whole(&r->check, path)) {
        buf_str(&content, name_text(r));
    } else {
        AUTO_CLOSE int fd = check_open(r->check.dir, path);
        if (fd < 0 || fs_read_all(fd, &content, OBJECT_SIZE_MAX) < 0)
            return ml_error_errno(r->err, 0, errno, "cannot read the bundle's '%s'", path);
    }
    if (content.failed)
        return ml_error_memory(r->err);
    return bundle_write(b, path, buf_text(&content), content.len, r->err);
}

/* The list goes along as it is; what was copied must be what it says. */
static int assemble(struct repair *r, struct store_stage *stage, struct build *b)
{
    *b = (struct build){.a = r->a, .stage = stage};
    for (size_t i = 0; i < r->check.n_files; i++) {
        const struct check_file *file = &r->check.files[i];
        if (file_copy(r, b, file->path) < 0)
            return -1;
        if (file->sum != NULL && strcmp(b->files[i].sha256, file->sum) != 0)
            return ml_error_set(r->err, ML_REFUSED, "damaged",
                                "the bundle's '%s' is not what was filed", file->path);
    }
    return 0;
}

/* ---- from its sources ---- */

/* A record counts if the list says that it is whole or if it gives the bundle's id: one of the two
 * may itself be damaged. */
static int no_record(struct repair *r, const char *where)
{
    const struct check *c = &r->check;
    bool trusted = c->has_record && (c->id_is_true || check_is_whole(c, "build.json"));
    if (!trusted) {
        ml_error_set(r->err, ML_REFUSED, "sources_damaged",
                     "bundle '%s' cannot be built again: its build.json is damaged, too", r->id);
        return ml_error_hint(r->err,
                             "go back to another bundle (modload rollback), or register "
                             "the sources anew; what is left of them is in '%s/source'",
                             where);
    }
    if (c->record.given || c->record.build.object != NULL)
        return 0;
    ml_error_set(r->err, ML_REFUSED, "no_record",
                 "bundle '%s' cannot be built again: the modload that built it did not write down "
                 "how",
                 r->id);
    return ml_error_hint(r->err, "register the sources anew: they are in '%s/source'", where);
}

/* Each file is what the list says, or what lies there: one of the two was not damaged. Of what is
 * gone together with its line only the object is known. */
static bool is_identical(const struct check *c, const struct build *b)
{
    const char *object = c->record.build.files[0].sha256;
    if (c->n_files != b->n_files + 1) /* SHA256SUMS does not name itself */
        return false;
    for (size_t i = 0; i < b->n_files; i++) {
        const char *now = b->files[i].sha256;
        const struct check_file *file = check_find(c, b->files[i].path);
        bool is_object = strcmp(b->files[i].path, "plugin.so") == 0;
        bool unknown = file != NULL && file->sum == NULL && file->actual[0] == '\0';
        bool same = file != NULL && (strcmp(file->actual, now) == 0 ||
                                     (file->sum != NULL && strcmp(file->sum, now) == 0));
        if (unknown ? is_object && strcmp(object, now) != 0 : !same)
            return false;
    }
    return true;
}

static int build_again(struct repair *r, struct store_stage *stage, struct build *b)
{
    AUTO_FREE char *where = store_bundle_path(r->store, r->id);
    if (where == NULL)
        return ml_error_memory(r->err);
    if (no_record(r, where) < 0 ||
        rebuild_bundle(&r->check, stage, where, r->request, b, r->err) < 0)
        return -1;
    r->result.rebuilt = true;
    r->result.identical = is_identical(&r->check, b);
    return 0;
}

/* ---- all of it ---- */

/* A bundle that was built to be compared and is the same takes nobody's place. */
static int replace(struct repair *r)
{
    __attribute__((cleanup(store_stage_drop))) struct store_stage stage = {.fd = -1};
    struct build b;
    if (store_stage_open(r->store, &stage, r->err) < 0)
        return -1;
    bool copy = !r->request->rebuild && all_is_there(r);
    if ((copy ? assemble(r, &stage, &b) : build_again(r, &stage, &b)) < 0)
        return -1;
    if (r->check.n_problems == 0 && r->result.identical)
        return 0;
    if (foreign_move(r) < 0)
        return -1;
    r->changed = true;
    AUTO_CLOSE int hold = -1;
    int status = store_stage_replace(&stage, r->id, &hold, r->err);
    r->filed = stage.filed;
    return status;
}

static int mend(struct repair *r)
{
    if (check_bundle(r->a, r->check.dir, r->id, &r->check, r->err) < 0)
        return -1;
    r->result = (struct ml_repair_result){.problems = r->check.n_problems, .identical = true};
    if (modes_mend(r) < 0 || foreign_mend(r) < 0)
        return -1;
    if (r->check.n_problems > 0 || r->request->rebuild)
        return replace(r);
    return 0;
}

/* A bundle's own directory that may not be read keeps all else from being looked at. */
static bool opened_up(struct repair *r)
{
    return store_bundle_open_up(r->store, r->id);
}

/* A failure on a directory that is no longer the bundle is nobody's: another process has mended it
 * meanwhile, and was taking the damaged one away. Unless it was us, and it could not be synced. */
static int repair(struct repair *r)
{
    bool opened = opened_up(r);
    for (;;) {
        struct ml_error why = ML_ERROR_INIT, *err = r->err;
        AUTO_CLOSE int dir = store_bundle_open(r->store, r->id, err);
        if (dir < 0)
            return -1;
        r->check.dir = dir;
        r->changed = opened;
        r->filed = false;
        r->err = &why;
        int status = mend(r);
        r->err = err;
        r->result.problems += opened;
        if (status == 0)
            return r->changed;
        if (!r->filed && !sound_is_current(r->store, r->id, dir))
            continue;
        if (err != NULL)
            *err = why;
        return -1;
    }
}

int ml_bundle_repair(struct ml_ctx *ctx, const char *bundle,
                     const struct ml_repair_request *request, struct ml_repair_result *ret,
                     struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    struct repair r = {.a = &a, .id = bundle, .request = request, .err = err};
    if (!store_bundle_valid(bundle))
        return ml_error_set(err, ML_NO_INPUT, NULL, "'%s' is not the id of a bundle", bundle);
    if (ctx_store(ctx, false, &r.store, err) < 0)
        return -1;
    AUTO_CLOSE int there = store_bundle_open(r.store, bundle, err);
    if (there < 0 || ctx_store(ctx, true, &r.store, err) < 0)
        return -1;
    int status = repair(&r);
    if (status < 0 && a.failed)
        return ml_error_memory(err);
    if (status >= 0 && ret != NULL)
        *ret = r.result;
    return status;
}
