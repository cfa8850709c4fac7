/* ml_build(): plan, unpack, compile, ask the objects what they hold, describe it, link, file. Every
 * step gets the whole build and adds to it; the stage is the only thing that has to be undone, and
 * its scope drops it on every way out but that of a filed bundle. The order is one of cost and of
 * trust: the request is checked before a registry is made, an object before anything reads it, and
 * the id is known before anything is linked, so that a bundle that is there already costs no link.
 * */
#include "modload/build.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/build.h"
#include "build/bundle.h"
#include "build/compile.h"
#include "build/functions.h"
#include "build/host.h"
#include "build/identity.h"
#include "build/inputs.h"
#include "build/object.h"
#include "build/sound.h"
#include "build/stubs.h"
#include "build/unpacked.h"
#include "client/context.h"
#include "modload/abi.h"

/* ---- the work directory ---- */

static int work_open(struct build *b, struct ml_error *err)
{
    AUTO_FREE char *stage = store_stage_path(b->stage);
    if (stage == NULL)
        return ml_error_memory(err);
    b->work_path = arena_fmt(b->a, "%s/work", stage);
    if (mkdirat(b->stage->fd, "work", 0700) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot create '%s'", b->work_path);
    b->work = openat(b->stage->fd, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (b->work < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%s'", b->work_path);
    return 0;
}

/* ---- a prebuilt object ---- */

/* Copies the object first and checks the copy: nobody can change that one in between. */
static int object_copy(struct build *b, int to, struct ml_error *err)
{
    if (b->request->text != NULL)
        return fs_write_all(to, b->request->text, b->request->text_size) == 0
                   ? 0
                   : ml_error_errno(err, 0, errno, "cannot write the bundle's 'plugin.so'");
    AUTO_CLOSE int from = open(b->object, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (from < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", b->object);
    char block[65536];
    size_t total = 0;
    for (;;) {
        ssize_t n = read(from, block, sizeof block);
        if (n < 0)
            return ml_error_errno(err, ML_IO, errno, "cannot read '%s'", b->object);
        if (n == 0)
            return 0;
        total += (size_t)n;
        if (total > OBJECT_SIZE_MAX)
            return ml_error_set(err, ML_LIMIT, NULL, "'%s' is larger than %d MiB", b->object,
                                OBJECT_SIZE_MAX >> 20);
        if (fs_write_all(to, block, (size_t)n) < 0)
            return ml_error_errno(err, 0, errno, "cannot write the bundle's 'plugin.so'");
    }
}

static int object_take(struct build *b, struct ml_error *err)
{
    AUTO_CLOSE int fd =
        openat(b->stage->fd, "plugin.so", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot create the bundle's 'plugin.so'");
    if (object_copy(b, fd, err) < 0 || object_check(fd, b->object, err) < 0)
        return -1;
    return bundle_note(b, "plugin.so", err);
}

/* ---- steps ---- */

/* From the sources to objects, or from an object to its checked copy; and what they are called. */
static int objects_make(struct build *b, struct ml_error *err)
{
    if (compile_flags(b, err) < 0 || packages_add(b, err) < 0)
        return -1;
    if (b->object != NULL) {
        if (object_take(b, err) < 0)
            return -1;
    } else if (compile_sources(b, err) < 0 || inputs_collect(b, err) < 0) {
        return -1;
    }
    return identity_find(b, err);
}

/* The descriptor's source goes into the work directory, where the linker's run compiles it. */
static int entry_write(struct build *b, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    struct stubs_plugin plugin = {b->name, b->version, &b->functions, b->object != NULL,
                                  &b->manifest.limits};
    stubs_write(&text, &plugin);
    if (text.failed)
        return ml_error_memory(err);
    AUTO_CLOSE int fd = openat(b->work, "entry.c", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fs_write_all(fd, buf_text(&text), text.len) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot write '%s/entry.c'",
                              b->work_path);
    return 0;
}

static int link_make(struct build *b, struct ml_error *err)
{
    if (functions_find(b, err) < 0 || entry_write(b, err) < 0 || compile_link(b, err) < 0)
        return -1;
    return bundle_note(b, b->object ? "entry.so" : "plugin.so", err);
}

/* Where libraries are asked for, only the linker can say which archives went in: then it runs
 * before the bundle is named. Where not, a bundle that is there already saves its run. */
static int link_and_identify(struct build *b, char *id, struct ml_error *err)
{
    if (b->object != NULL || b->libraries.n == 0)
        return bundle_identify(b, id, err);
    if (link_make(b, err) < 0 || inputs_archives(b, err) < 0)
        return -1;
    b->linked = true;
    return bundle_identify(b, id, err);
}

int build_begin(struct build *b, struct ml_error *err)
{
    return work_open(b, err) < 0 ? -1 : host_open(b, err);
}

int build_identify(struct build *b, char *id, struct ml_error *err)
{
    return objects_make(b, err) < 0 ? -1 : link_and_identify(b, id, err);
}

int build_finish(struct build *b, struct ml_error *err)
{
    if ((!b->linked && link_make(b, err) < 0) || bundle_finish(b, err) < 0)
        return -1;
    if (fs_remove_tree(b->stage->fd, "work") < 0)
        return ml_error_errno(err, 0, errno, "cannot remove '%s'", b->work_path);
    return 0;
}

void build_end(struct build *b)
{
    cc_box_close(&b->box);
    scope_close(&b->work);
    b->work = -1;
}

/* The same bundle may be there already, or be filed by somebody else in the meantime: both are
 * fine. */
int build_file(struct build *b, const char *id, int *hold, struct ml_error *err)
{
    *hold = store_bundle_open(b->stage->store, id, NULL);
    if (*hold >= 0 && bundle_is_ours(b->stage->store, id))
        return 0;
    if (*hold >= 0)
        close(steal_fd(hold));
    if (build_finish(b, err) < 0)
        return -1;
    if (store_bundle_exists(b->stage->store, id) && !bundle_is_ours(b->stage->store, id))
        return store_stage_replace(b->stage, id, hold, err);
    return store_stage_commit(b->stage, id, hold, err) < 0 ? -1 : 0;
}

/* `id` is the bundle's when 0 is returned, and `*hold` keeps it. */
static int build_run(struct build *b, char *id, int *hold, struct ml_error *err)
{
    if (build_begin(b, err) < 0 || (b->archive != NULL && unpacked_plan(b, err) < 0) ||
        build_identify(b, id, err) < 0)
        return -1;
    return build_file(b, id, hold, err);
}

/* The stage lives in this scope: whatever happens in it, nothing is left in the registry but a
 * whole bundle. */
static int build_staged(struct ml_ctx *ctx, struct build *b, char *id, struct ml_error *err)
{
    struct store *store;
    __attribute__((cleanup(store_stage_drop))) struct store_stage stage = {.fd = -1};
    if (ctx_store(ctx, true, &store, err) < 0 || store_stage_open(store, &stage, err) < 0)
        return -1;
    b->stage = &stage;
    int hold = -1, status = build_run(b, id, &hold, err);
    build_end(b);
    if (hold >= 0 && status < 0)
        close(hold);
    return hold >= 0 && status == 0 ? ctx_hold(ctx, hold, err) : status;
}

/* What can be wrong with a request before any file is looked at. */
static int request_check(const struct ml_build_request *request, struct ml_error *err)
{
    if (request->name != NULL && !ml_name_valid(request->name))
        return ml_error_set(
            err, ML_DATA, "bad_name",
            "'%s' cannot be a plugin's name: that is 1 to 64 of A-Z a-z 0-9 . _ -, a "
            "letter or digit first",
            request->name);
    return 0;
}

int ml_build(struct ml_ctx *ctx, const struct ml_build_request *request,
             struct ml_bundle_info **ret, struct ml_error *err)
{
    ARENA_AUTO arena = ARENA_INIT;
    struct build b = {.a = &arena, .request = request, .work = -1, .cwd_fd = AT_FDCWD};
    b.box = (struct cc_box)CC_BOX_INIT;
    b.abi = ML_ABI_VERSION;
    char id[ML_BUNDLE_ID_SIZE];
    b.deadline_ms = request->timeout_ms > 0 ? clock_ms() + request->timeout_ms : -1;
    clock_gettime(CLOCK_REALTIME, &b.started);
    if (request_check(request, err) < 0 || plan_make(&b, err) < 0 ||
        build_staged(ctx, &b, id, err) < 0) {
        if (arena.failed) /* texts were empty from there on, and what failed was something else */
            return ml_error_memory(err);
        unpacked_show_error(&b, err);
        return -1;
    }
    return ml_bundle_info_read(ctx, id, ret, err);
}
