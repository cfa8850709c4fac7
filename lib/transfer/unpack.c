/* Taking a pack in: unpacked into a stage, where all of it is checked as if a stranger had made it;
 * then filed as it is, or built from what is in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/limit.h"
#include "base/scope.h"
#include "build/info.h"
#include "build/object.h"
#include "build/rebuild.h"
#include "client/context.h"
#include "modload/abi.h"
#include "modload/transfer.h"
#include "transfer/bundle.h"
#include "transfer/pack.h"

enum { PLACE_SIZE = sizeof PACK_PLUGINS + ML_BUNDLE_ID_SIZE };

struct ml_pack {
    struct ml_ctx *ctx;
    struct store *store;
    char *label;
    struct store_stage stage;
    struct pack_head head;
    char place[PLACE_SIZE]; /* of the bundle in the stage */
    int dir;                /* the same */
    struct arena arena;
    struct check check;
    struct ml_bundle_info *says; /* its manifest.json */
    struct ml_pack_info info;
    struct ml_error *err; /* of the call at hand */
};

void ml_pack_close(struct ml_pack *p)
{
    if (p == NULL)
        return;
    scope_close(&p->dir);
    ml_bundle_info_free(p->says);
    arena_free(&p->arena);
    store_stage_drop(&p->stage);
    free(p->label);
    free(p);
}

int ml_pack_is(int fd, const char *label, struct ml_error *err)
{
    return archive_begins_with(fd, label, PACK_MARK, err);
}

/* ---- its form ---- */

static int not_a_pack(struct ml_pack *p, const char *why)
{
    ml_error_set(p->err, ML_DATA, "not_a_pack", "'%s' is no pack of modload: %s", p->label, why);
    return ml_error_hint(p->err, "make one: modload pack U -o FILE");
}

static int damaged(struct ml_pack *p, const char *path, const char *what)
{
    ml_error_set(p->err, ML_REFUSED, "damaged",
                 "'%s': bundle '%s' is not what it says it is: %s %s", p->label, p->head.bundle,
                 path, what);
    return ml_error_hint(p->err, "nothing was filed; get it again, or pack it anew where it came "
                                 "from");
}

static int mark_check(struct ml_pack *p)
{
    BUF_AUTO text = BUF_INIT;
    unsigned version;
    if (fs_read_file(p->stage.fd, PACK_MARK, &text, 64) < 0)
        return not_a_pack(p, "it has no " PACK_MARK);
    if (strcmp(buf_text(&text), PACK_TEXT) == 0)
        return 0;
    if (sscanf(buf_text(&text), "modload pack %5u\n", &version) != 1 || version < 2)
        return not_a_pack(p, "its " PACK_MARK " says something else");
    ml_error_set(p->err, ML_CONFIG, "newer_format", "'%s' has form %u; this modload knows form 1",
                 p->label, version);
    return ml_error_hint(p->err, "use the modload that wrote it, or a newer one");
}

static int head_read(struct ml_pack *p)
{
    BUF_AUTO text = BUF_INIT;
    if (fs_read_file(p->stage.fd, PACK_HEAD, &text, PACK_HEAD_MAX) < 0)
        return not_a_pack(p, "it has no " PACK_HEAD);
    return pack_head_read(buf_text(&text), text.len, p->label, &p->head, p->err);
}

/* Whether nothing but these names is in a directory of the stage. */
static int names_check(struct ml_pack *p, const char *path, const char *const *names)
{
    int fd = openat(p->stage.fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        scope_close(&fd);
        return not_a_pack(p, "it has no " PACK_PLUGINS);
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        const char *const *name = names;
        while (*name != NULL && strcmp(*name, e->d_name) != 0)
            name++;
        if (*name != NULL)
            continue;
        ml_error_set(p->err, ML_REFUSED, "damaged", "'%s' holds files that are of no pack",
                     p->label);
        return ml_error_hint(p->err, "nothing was filed");
    }
    return 0;
}

static int form_check(struct ml_pack *p)
{
    static const char *const top[] = {".", "..", PACK_MARK, PACK_HEAD, PACK_PLUGINS, NULL};
    const char *const plugins[] = {".", "..", p->head.bundle, NULL};
    if (mark_check(p) < 0 || head_read(p) < 0 || names_check(p, ".", top) < 0)
        return -1;
    return names_check(p, PACK_PLUGINS, plugins);
}

/* ---- its bundle ---- */

/* What can be built, and is not in a pack of sources. */
static const char *built_path(const struct ml_pack *p)
{
    return p->check.record.build.object != NULL ? "entry.so" : "plugin.so";
}

static bool is_left_out(const struct ml_pack *p, const struct check_problem *problem)
{
    const struct check_file *file = check_find(&p->check, problem->path);
    return !p->head.binary && p->check.has_record && problem->kind == CHECK_CONTENT &&
           strcmp(problem->path, built_path(p)) == 0 && file != NULL && !file->seen;
}

static int json_check(struct ml_pack *p)
{
    const char *name = pack_json_large(p->dir);
    if (name == NULL)
        return 0;
    ml_error_set(p->err, ML_LIMIT, "too_large", "'%s': %s of its bundle has more than %d MiB",
                 p->label, name, PACK_JSON_MAX >> 20);
    return ml_error_hint(p->err, "nothing was filed; get its sources another way");
}

/* The id is that of what build.json says went in, and all of that but the object is there: so it is
 * told without one. */
static int bundle_check(struct ml_pack *p)
{
    snprintf(p->place, sizeof p->place, PACK_PLUGINS "/%s", p->head.bundle);
    p->dir = openat(p->stage.fd, p->place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (p->dir < 0)
        return not_a_pack(p, "its bundle is missing");
    if (json_check(p) < 0 || store_stage_settle(&p->stage, p->place, p->err) < 0 ||
        check_bundle(&p->arena, p->dir, p->head.bundle, &p->check, p->err) < 0)
        return -1;
    for (size_t i = 0; i < p->check.n_problems; i++)
        if (!is_left_out(p, &p->check.problems[i]))
            return damaged(p, p->check.problems[i].path, p->check.problems[i].what);
    const struct check_file *built = check_find(&p->check, built_path(p));
    if (!p->head.binary && built != NULL && built->seen)
        return damaged(p, built->path, "is there, and " PACK_HEAD " says that it is not");
    return 0;
}

/* The head is what people are shown, so that it must not say anything else. */
static int names_agree(struct ml_pack *p)
{
    const struct build *b = &p->check.record.build;
    if (strcmp(p->head.name, b->name) == 0 && strcmp(p->head.version, b->version) == 0)
        return 0;
    return damaged(p, PACK_HEAD, "gives its plugin another name or version");
}

static int manifest_read(struct ml_pack *p)
{
    BUF_AUTO text = BUF_INIT;
    if (check_load(&p->check, "manifest.json", INFO_SIZE_MAX, &text) < 0)
        return ml_error_errno(p->err, 0, errno, "cannot read what was in '%s'", p->label);
    return info_parse(p->head.bundle, &text, &p->says, p->err);
}

/* ---- what it is ---- */

static void measure(struct ml_pack *p)
{
    struct stat st;
    for (size_t i = 0; i < p->check.n_files; i++) {
        const struct check_file *file = &p->check.files[i];
        if (!file->seen || fstatat(p->dir, file->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        p->info.files++;
        p->info.bytes += (uint64_t)st.st_size;
    }
}

/* The very bundle may be here: then it is the one that would come out. */
static bool find_here(const struct ml_pack *p, int *hold)
{
    if (p->check.record.build.abi != ML_ABI_VERSION)
        return false;
    *hold = store_bundle_open(p->store, p->head.bundle, NULL);
    if (*hold >= 0 && !transfer_is_damaged(p->store, p->head.bundle))
        return true;
    if (*hold >= 0)
        close(steal_fd(hold));
    return false;
}

static int info_fill(struct ml_pack *p)
{
    const struct record *record = &p->check.record;
    AUTO_CLOSE int hold = -1;
    AUTO_CLOSE int object = check_open(p->dir, "plugin.so");
    const char *machine = object >= 0 ? object_machine(object) : "";
    bool ours = strcmp(machine, object_machine_here()) == 0;
    p->info = (struct ml_pack_info){
        .bundle = p->head.bundle,
        .name = p->head.name,
        .version = p->head.version,
        .origin = p->head.origin,
        .binary = p->head.binary,
        .machine = machine,
        .abi = record->build.abi,
        .fits = p->head.binary && ours && record->build.abi == ML_ABI_VERSION,
        .prebuilt = record->build.object != NULL,
        .here = find_here(p, &hold),
        .says = p->says,
    };
    measure(p);
    return p->arena.failed ? ml_error_memory(p->err) : 0;
}

const struct ml_pack_info *ml_pack_info(const struct ml_pack *pack)
{
    return &pack->info;
}

/* ---- opening ---- */

static int unpack(struct ml_pack *p, int fd, int cancel_fd)
{
    struct archive_limits limits = PACK_LIMITS_INIT;
    transfer_limit(p->stage.fd, &limits);
    if (archive_unpack(fd, p->label, p->stage.fd, &limits, -1, cancel_fd, p->err) == 0)
        return 0;
    if (p->err != NULL && strcmp(p->err->code, "archive_too_large") == 0)
        ml_error_hint(p->err, "nothing was filed; make room where the registry is");
    if (p->err != NULL && strcmp(p->err->code, "hostile_archive") == 0)
        ml_error_hint(p->err,
                      "nothing was filed; what 'modload pack' writes is taken, nothing else");
    return -1;
}

static int pack_open(struct ml_pack *p, int fd, int cancel_fd)
{
    limit_files_raise(); /* a descriptor for each directory that a file lies in */
    if (p->label == NULL)
        return ml_error_memory(p->err);
    if (ctx_store(p->ctx, true, &p->store, p->err) < 0 ||
        store_stage_open(p->store, &p->stage, p->err) < 0 || unpack(p, fd, cancel_fd) < 0 ||
        form_check(p) < 0 || bundle_check(p) < 0 || names_agree(p) < 0 || manifest_read(p) < 0)
        return -1;
    return info_fill(p);
}

int ml_pack_open(struct ml_ctx *ctx, int fd, const char *label, int cancel_fd, struct ml_pack **ret,
                 struct ml_error *err)
{
    struct ml_pack *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ml_error_memory(err);
    *p =
        (struct ml_pack){.ctx = ctx, .label = strdup(label), .stage.fd = -1, .dir = -1, .err = err};
    int status = pack_open(p, fd, cancel_fd);
    if (status < 0 && p->arena.failed) /* texts were empty from there on */
        ml_error_memory(err);
    if (status < 0)
        ml_pack_close(p);
    else
        *ret = p;
    return status;
}

/* ---- filing ---- */

static int file_as_it_is(struct ml_pack *p, int *hold)
{
    bool broken = transfer_is_damaged(p->store, p->head.bundle);
    AUTO_CLOSE int object = check_open(p->dir, "plugin.so");
    if (object < 0 || object_check(object, "plugin.so", p->err) < 0)
        return object < 0
                   ? ml_error_errno(p->err, 0, errno, "cannot read what was in '%s'", p->label)
                   : ml_error_wrap(p->err, "'%s'", p->label);
    if (transfer_mark(p->dir, p->label, p->err) < 0)
        return -1;
    if (transfer_file(&p->stage, p->place, p->head.bundle, broken, hold, p->err) < 0)
        return -1;
    return store_bundles_sync(p->store, p->err);
}

/* In words that name both: one of them is what the user has to look for. */
static int other_platform(struct ml_pack *p, const char *why)
{
    ml_error_set(p->err, ML_DATA, "other_platform",
                 "'%s' is for %s with plugin ABI %u, and this is %s with plugin ABI %u%s", p->label,
                 p->info.machine, p->info.abi, object_machine_here(), ML_ABI_VERSION, why);
    return ml_error_hint(p->err, "get a pack for this platform, or install a C compiler: the "
                                 "sources are in it");
}

/* An object of another machine is all that there is. */
static int object_fits(struct ml_pack *p)
{
    if (!p->info.prebuilt || strcmp(p->info.machine, object_machine_here()) == 0)
        return 0;
    other_platform(p, "; its object was not built by modload, and cannot be built again");
    return ml_error_hint(p->err, "get the object for this machine, and register that");
}

static int build_failed(struct ml_pack *p, const struct ml_error *why)
{
    if (p->head.binary && strcmp(why->code, "no_compiler") == 0)
        return other_platform(p, "; there is no compiler to build it from its sources");
    if (p->err != NULL)
        *p->err = *why;
    if (strcmp(why->code, "no_compiler") == 0)
        ml_error_hint(p->err, "apt install gcc libc6-dev, or get it packed with --binary");
    return ml_error_wrap(p->err, "cannot build '%s'", p->label);
}

static int build_here(struct ml_pack *p, const struct ml_pack_build *how, char *id, int *hold)
{
    const struct ml_repair_request request = {.timeout_ms = how->timeout_ms,
                                              .diagnostics_fd = how->diagnostics_fd,
                                              .cancel_fd = how->cancel_fd};
    const struct record *record = &p->check.record;
    __attribute__((cleanup(store_stage_drop))) struct store_stage stage = {.fd = -1};
    struct ml_error why = ML_ERROR_INIT;
    if (!record->given && record->build.object == NULL) {
        ml_error_set(p->err, ML_REFUSED, "no_record",
                     "'%s' cannot be built: the modload that built it did not write down how",
                     p->label);
        return ml_error_hint(p->err, "get a pack of it that a newer modload has built");
    }
    if (object_fits(p) < 0 || store_stage_open(p->store, &stage, p->err) < 0)
        return -1;
    return rebuild_here(&p->check, &stage, &request, id, hold, &why) < 0 ? build_failed(p, &why)
                                                                         : 0;
}

int ml_pack_file(struct ml_pack *p, const struct ml_pack_build *how, struct ml_bundle_info **ret,
                 struct ml_error *err)
{
    char id[ML_BUNDLE_ID_SIZE];
    int hold = -1;
    p->err = err;
    strcpy(id, p->head.bundle);
    int status = find_here(p, &hold) ? 0
                 : p->info.fits      ? file_as_it_is(p, &hold)
                                     : build_here(p, how, id, &hold);
    if (status == 0)
        status = ctx_hold(p->ctx, steal_fd(&hold), err);
    else if (p->arena.failed)
        ml_error_memory(err);
    scope_close(&hold);
    return status < 0 ? -1 : ml_bundle_info_read(p->ctx, id, ret, err);
}
