/* From a request to a package. What can be told without a network is told first; then each package
 * is fetched into a directory of its own in the registry's tmp/, beside the others. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/unpack.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/semver.h"
#include "build/plan.h"
#include "build/unpacked.h"
#include "fetch/fetch.h"
#include "install/package.h"

/* ---- what is asked for ---- */

/* One with a work tree has ".git" in it, one without is what that would be. */
static bool is_repository(const char *path)
{
    static const char *const bare[] = {"HEAD", "objects", "refs"};
    AUTO_CLOSE int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (faccessat(fd, ".git", F_OK, 0) == 0)
        return true;
    for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
        if (faccessat(fd, bare[i], F_OK, 0) < 0)
            return false;
    return true;
}

static int no_ref(const struct package_plan *plan, struct ml_error *err)
{
    ml_error_set(err, ML_DATA, "bad_ref", "'%s' is no git repository: it has no branches and tags",
                 plan->url);
    return ml_error_hint(err, "leave out the @ and what follows it");
}

static int no_submodules(const struct package_plan *plan, struct ml_error *err)
{
    ml_error_set(err, ML_DATA, "no_repository",
                 "'%s' is no git repository: it has no submodules to be fetched", plan->url);
    return ml_error_hint(err, "leave out --submodules: what is in it is taken as it is");
}

static int archive_check(const struct package_plan *plan, struct ml_error *err)
{
    AUTO_CLOSE int fd = open(plan->url, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", plan->url);
    if (archive_is(fd))
        return 0;
    ml_error_set(err, ML_DATA, "bad_source", "'%s' is neither a directory nor an archive",
                 plan->url);
    return ml_error_hint(err, "a single source or object: modload register U FILE");
}

/* A place on this machine is known by where it really is. */
static int local_plan(const struct ml_package_request *request, struct package_plan *plan,
                      struct ml_error *err)
{
    struct stat st;
    AUTO_FREE char *real = realpath(plan->source.url, NULL);
    if (real == NULL && errno == ENOENT && request->mirror && *plan->source.url == '/') {
        source_file_url(plan->source.url,
                        plan->url); /* by the name that it had when it was there */
        return 0;
    }
    if (real == NULL && errno == ENOENT) {
        ml_error_set(err, ML_NO_INPUT, "no_source", "there is no '%s'", plan->source.url);
        return ml_error_hint(err, "give a git URL, a directory or an archive");
    }
    if (real == NULL || strlen(real) >= sizeof plan->source.url || stat(real, &st) < 0)
        return ml_error_errno(err, 0, real && strlen(real) >= PATH_MAX ? ENAMETOOLONG : errno,
                              "cannot look at '%s'", plan->source.url);
    strcpy(plan->source.url, real);
    strcpy(plan->url, real);
    if (S_ISDIR(st.st_mode) && (plan->source.kind == SOURCE_FILE || is_repository(real))) {
        source_file_url(real, plan->url);
        return 0;
    }
    plan->kind = S_ISDIR(st.st_mode) ? PACKAGE_DIRECTORY : PACKAGE_ARCHIVE;
    if (plan->source.ref_kind != SOURCE_REF_NONE)
        return no_ref(plan, err);
    if (request->submodules)
        return no_submodules(plan, err);
    return plan->kind == PACKAGE_ARCHIVE ? archive_check(plan, err) : 0;
}

/* With a ref of its own there is none in the source, whose last '@' then is part of it. */
static int source_take(const struct ml_package_request *request, struct source *ret,
                       struct ml_error *err)
{
    AUTO_FREE char *alone = NULL;
    if (request->ref == NULL)
        return source_parse(request->source, ret, err);
    if (asprintf(&alone, "%s@", request->source) < 0)
        return ml_error_memory(err);
    return source_parse(alone, ret, err) < 0 ? -1 : source_ref_parse(request->ref, ret, err);
}

int package_plan(const struct ml_package_request *request, struct package_plan *ret,
                 struct ml_error *err)
{
    *ret = (struct package_plan){.kind = PACKAGE_GIT};
    if (source_take(request, &ret->source, err) < 0)
        return -1;
    if (request->path != NULL && *request->path != '\0' &&
        source_subdir_check(request->path, err) < 0)
        return -1;
    if (ret->source.kind >= SOURCE_FILE)
        return local_plan(request, ret, err);
    strcpy(ret->url, ret->source.url);
    return 0;
}

int ml_package_source(const struct ml_package_request *request, char **ret, struct ml_error *err)
{
    AUTO_FREE struct package_plan *plan = malloc(sizeof *plan);
    if (plan == NULL)
        return ml_error_memory(err);
    if (package_plan(request, plan, err) < 0)
        return -1;
    *ret = strdup(plan->url);
    return *ret ? 0 : ml_error_memory(err);
}

/* ---- where it goes ---- */

/* The last part of a path or a URL as a directory's name, which names a plugin that says nothing of
 * itself: "https://host/x/math.git" is math. */
static const char *stem_of(struct arena *a, const char *text)
{
    const char *end = text + strlen(text);
    if (end - text > 4 && strcmp(end - 4, ".git") == 0)
        end -= 4;
    const char *begin = end;
    while (begin > text && begin[-1] != '/' && begin[-1] != ':')
        begin--;
    const char *stem = arena_mem(a, begin, (size_t)(end - begin));
    return *stem == '\0' || *stem == '.' ? "plugin" : stem;
}

/* Makes the directory in the stage. A descriptor, or -1. */
static int place_make(struct ml_package *p, const char *stem, struct ml_error *err)
{
    AUTO_FREE char *stage = store_stage_path(&p->stage);
    if (stage == NULL)
        return ml_error_memory(err);
    p->dir = arena_fmt(&p->a, "%s/%s", stage, stem);
    if (p->a.failed)
        return ml_error_memory(err);
    int fd = mkdirat(p->stage.fd, stem, 0700) < 0
                 ? -1
                 : openat(p->stage.fd, stem, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        ml_error_errno(err, ML_CANT_CREATE, errno, "cannot create '%s'", p->dir);
    return fd;
}

/* ---- git ---- */

static void tell_progress(const struct fetch_progress *now, void *arg)
{
    static const char *const phases[] = {"connecting", "receiving", "resolving", "exporting"};
    const struct ml_package_request *request = arg;
    struct ml_package_progress told = {.phase = phases[now->phase], .bytes = now->bytes};
    bool deltas = now->phase == FETCH_RESOLVING;
    told.objects = now->phase == FETCH_EXPORTING ? now->files : deltas ? now->deltas : now->objects;
    told.total = now->phase == FETCH_EXPORTING ? 0
                 : deltas                      ? now->deltas_total
                                               : now->objects_total;
    request->progress(&told, request->arg);
}

void package_order(const struct ml_package_request *request, const struct source *source,
                   struct fetch_request *ret)
{
    static const struct fetch_limits usual = FETCH_LIMITS_INIT;
    *ret = (struct fetch_request)FETCH_REQUEST_INIT;
    ret->source = source;
    ret->subdir = request->path;
    ret->offline = request->offline;
    ret->cache = request->cache;
    ret->mirror = request->mirror;
    ret->since = request->commit && *request->commit ? NULL : request->since;
    ret->wait_ms = request->timeout_ms > 0 ? request->timeout_ms : usual.time_ms;
    ret->cancel_fd = request->cancel_fd;
    ret->deadline_ms = request->timeout_ms > 0 ? clock_ms() + request->timeout_ms : -1;
    ret->progress = request->progress ? tell_progress : NULL;
    ret->arg = (void *)(uintptr_t)request;
}

int package_tag_check(const struct fetch_request *order, const struct source *source,
                      const char *tag, const char *commit, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    struct fetch_result got;
    struct fetch_request again = *order;
    AUTO_FREE struct source *tagged = malloc(sizeof *tagged);
    AUTO_FREE char *ref = NULL;
    if (tagged == NULL || asprintf(&ref, PACKAGE_TAGS "%s", tag) < 0)
        return ml_error_memory(err);
    *tagged = *source;
    again.source = tagged;
    again.offline = true;
    again.since = NULL;
    if (source_ref_parse(ref, tagged, err) < 0)
        return -1;
    if (fetch_source(&again, -1, &got, &why) < 0 && why.status != ML_NO_INPUT) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (why.status == 0 && strcmp(got.commit, commit) == 0)
        return 0;
    if (why.status == 0)
        ml_error_set(err, ML_REFUSED, "moved_tag",
                     "the tag '%s' of '%.200s' was moved: it was %.12s, and now is %.12s", tag,
                     source->url, commit, got.commit);
    else
        ml_error_set(err, ML_REFUSED, "moved_tag", "the tag '%s' of '%.200s' is gone: it was %.12s",
                     tag, source->url, commit);
    return ml_error_hint(err, "a version that is out is not changed by an honest author: ask him; "
                              "to take what is there now, install it anew");
}

static int rewritten(const struct source *source, const char *commit, struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "rewritten",
                 "'%.200s' does not have commit %.12s any more: its branches were rewritten",
                 source->url, commit);
    return ml_error_hint(err, "ask its author; to take what is there now, install it anew");
}

/* A commit that is known is asked for by its id, and of the cache first. Where a server had to be
 * asked, what its tag leads to is known as well. */
static int fetch_pinned(struct fetch_request *order, const struct ml_package_request *request,
                        int dirfd, struct fetch_result *ret, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    bool local = order->source->kind >= SOURCE_FILE, offline = order->offline;
    bool asks = !local || order->modules != NULL; /* these are of servers, too */
    AUTO_FREE struct source *pinned = malloc(sizeof *pinned);
    const struct source *asked = order->source;
    if (pinned == NULL)
        return ml_error_memory(err);
    *pinned = *asked;
    if (source_ref_parse(request->commit, pinned, err) < 0)
        return -1;
    order->source = pinned;
    order->offline = true;
    bool cached = fetch_source(order, dirfd, ret, &why) == 0;
    order->offline = offline;
    bool missing = why.status == ML_NO_INPUT || strcmp(why.code, "bad_repository") == 0;
    if (!cached && missing && !offline && asks) { /* a damaged cache is made anew by that */
        why = (struct ml_error)ML_ERROR_INIT;
        fetch_source(order, dirfd, ret, &why);
    }
    order->source = asked;
    if (why.status == ML_NO_INPUT && strcmp(why.code, "no_such_ref") == 0)
        return rewritten(asked, request->commit, err);
    if (why.status != 0) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (request->tag != NULL && *request->tag != '\0' && (local || !cached))
        return package_tag_check(order, asked, request->tag, request->commit, err);
    return 0;
}

static int other_source(const struct ml_package_request *request, const char *what,
                        const char *wanted, const char *got, struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "other_source", "the %s is not that of the %s: %s, and not %s",
                 what, request->index != NULL ? "index" : "lock", got, wanted);
    return ml_error_hint(err, "nothing of it was built; whoever serves it may be lying");
}

static bool differs(const char *wanted, const char *got)
{
    return wanted != NULL && *wanted != '\0' && strcmp(wanted, got) != 0;
}

/* The version that a tag stands for: a commit that was asked for by its id comes without. */
static const char *release_of(const char *tag)
{
    struct semver version;
    const char *text = tag + (*tag == 'v' || *tag == 'V');
    return semver_parse(text, &version) ? text : "";
}

const char *package_ref_leaf(const char *ref, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(ref, prefix, n) == 0 ? ref + n : "";
}

static void git_note(struct ml_package *p, const struct ml_package_request *request,
                     const struct fetch_result *got)
{
    struct ml_package_info *info = &p->info;
    const char *tag = package_ref_leaf(got->ref, PACKAGE_TAGS);
    info->git = true;
    info->tag = arena_str(&p->a, *tag == '\0' && request->tag ? request->tag : tag);
    info->release = arena_str(&p->a, release_of(info->tag));
    info->branch = arena_str(&p->a, package_ref_leaf(got->ref, PACKAGE_HEADS));
    info->commit = arena_str(&p->a, got->commit);
    info->tree = arena_str(&p->a, got->tree);
    info->time = got->time;
    info->signature = (enum ml_signature)got->signature;
    info->received = got->received;
}

static void modules_note(struct ml_package *p, const struct fetch_modules *modules)
{
    struct ml_submodule *list = arena_alloc(&p->a, modules->n, sizeof *list);
    for (size_t i = 0; list != NULL && i < modules->n; i++) {
        const struct fetch_module *one = &modules->list[i];
        list[i] = (struct ml_submodule){arena_str(&p->a, one->path), arena_str(&p->a, one->url),
                                        arena_str(&p->a, one->commit)};
        p->info.n_submodules++;
    }
    p->info.submodules = list;
}

static int git_take(struct ml_package *p, const struct package_plan *plan,
                    const struct ml_package_request *request, struct ml_error *err)
{
    struct fetch_request order;
    AUTO_FREE struct fetch_result *got = calloc(1, sizeof *got);
    AUTO_FREE struct fetch_modules *modules = calloc(1, sizeof *modules);
    bool pinned = request->commit != NULL && *request->commit != '\0';
    const char *stem = stem_of(&p->a, *p->info.path ? p->info.path : plan->url);
    AUTO_CLOSE int dirfd = place_make(p, stem, err);
    if (dirfd < 0)
        return -1;
    if (got == NULL || modules == NULL)
        return ml_error_memory(err);
    package_order(request, &plan->source, &order);
    order.modules = request->submodules ? modules : NULL;
    if (pinned ? fetch_pinned(&order, request, dirfd, got, err) < 0
               : fetch_source(&order, dirfd, got, err) < 0)
        return -1;
    git_note(p, request, got);
    modules_note(p, modules);
    if (differs(request->tree, got->tree))
        return other_source(request, "tree", request->tree, got->tree, err);
    return package_look(p, dirfd, stem, err);
}

/* ---- archives and directories ---- */

/* Goes into the directory that was asked for. A descriptor, or -1. */
static int subdir_open(struct ml_package *p, int dirfd, struct ml_error *err)
{
    int fd = openat(dirfd, *p->info.path ? p->info.path : ".",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        ml_error_set(err, ML_NO_INPUT, "no_such_path", "'%s' has no directory '%s'", p->label,
                     p->info.path);
        ml_error_hint(err, "see what is in it; --path counts from its top");
    } else if (fd < 0) {
        ml_error_errno(err, 0, errno, "cannot open '%s/%s'", p->label, p->info.path);
    }
    if (*p->info.path != '\0')
        p->dir = arena_fmt(&p->a, "%s/%s", p->dir, p->info.path);
    return fd;
}

static int archive_take(struct ml_package *p, const struct package_plan *plan,
                        const struct ml_package_request *request, struct ml_error *err)
{
    const char *stem = plan_archive_stem(&p->a, plan->url);
    int64_t deadline = request->timeout_ms > 0 ? clock_ms() + request->timeout_ms : -1;
    const struct ml_package_progress unpacking = {.phase = "unpacking"};
    AUTO_CLOSE int dirfd = place_make(p, stem, err);
    AUTO_CLOSE int fd = open(plan->url, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (dirfd < 0)
        return -1;
    if (fd < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", plan->url);
    if (request->progress != NULL)
        request->progress(&unpacking, request->arg);
    if (archive_unpack(fd, plan->url, dirfd, NULL, deadline, request->cancel_fd, err) < 0)
        return -1;
    const char *top = unpacked_top(&p->a, openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (*top != '\0')
        p->dir = arena_fmt(&p->a, "%s/%s", p->dir, top);
    AUTO_CLOSE int topfd =
        openat(dirfd, *top ? top : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSE int sub = topfd < 0 ? -1 : subdir_open(p, topfd, err);
    if (topfd < 0)
        return ml_error_errno(err, 0, errno, "cannot open what was in '%s'", p->label);
    return sub < 0 ? -1
                   : package_look(p, sub, *p->info.path ? stem_of(&p->a, p->info.path) : stem, err);
}

static int directory_take(struct ml_package *p, const struct package_plan *plan,
                          struct ml_error *err)
{
    AUTO_CLOSE int dirfd = open(plan->url, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", plan->url);
    p->dir = arena_str(&p->a, plan->url);
    AUTO_CLOSE int sub = subdir_open(p, dirfd, err);
    return sub < 0 ? -1 : package_look(p, sub, stem_of(&p->a, p->dir), err);
}

/* ---- all of it ---- */

static int origin_note(struct ml_package *p, const struct ml_package_request *request,
                       struct ml_error *err)
{
    struct ml_package_info *info = &p->info;
    BUF_AUTO path = BUF_INIT;
    if (!info->git) {
        buf_str(&path, info->source);
        if (*info->path != '\0')
            buf_fmt(&path, "/%s", info->path);
        info->origin = arena_str(&p->a, buf_text(&path));
        return path.failed ? ml_error_memory(err) : 0;
    }
    const struct ml_origin origin = {
        .git = (char *)(uintptr_t)info->source,
        .path = (char *)(uintptr_t)info->path,
        .ref = (char *)(uintptr_t)info->ref,
        .tag = (char *)(uintptr_t)info->tag,
        .commit = (char *)(uintptr_t)info->commit,
        .index = (char *)(uintptr_t)request->index,
        .name = (char *)(uintptr_t)request->name,
        .submodules = request->submodules,
    };
    AUTO_FREE char *text = ml_origin_format(&origin);
    if (text == NULL)
        return ml_error_memory(err);
    info->origin = arena_str(&p->a, text);
    return 0;
}

static void package_begin(struct ml_package *p, const struct package_plan *plan,
                          const struct ml_package_request *request)
{
    struct ml_package_info *info = &p->info;
    info->source = arena_str(&p->a, plan->url);
    info->path = arena_str(&p->a, request->path ? request->path : "");
    info->ref = arena_str(&p->a, plan->source.ref);
    info->tag = info->release = info->branch = info->commit = info->tree = "";
    info->name = info->version = info->description = info->license = "";
    p->label = stem_of(&p->a, *info->path ? info->path : plan->url);
}

int package_take(struct ml_package *p, const struct package_plan *plan,
                 const struct ml_package_request *request, struct ml_error *err)
{
    package_begin(p, plan, request);
    int status = plan->kind == PACKAGE_GIT       ? git_take(p, plan, request, err)
                 : plan->kind == PACKAGE_ARCHIVE ? archive_take(p, plan, request, err)
                                                 : directory_take(p, plan, err);
    if (status < 0)
        return p->a.failed ? ml_error_memory(err) : -1;
    if (differs(request->digest, p->info.digest))
        return other_source(request, "source", request->digest, p->info.digest, err);
    if (differs(request->name, p->info.name))
        return other_source(request, "name", request->name, p->info.name, err);
    if (differs(request->version, p->info.version))
        return other_source(request, "version", request->version, p->info.version, err);
    if (origin_note(p, request, err) < 0)
        return -1;
    return p->a.failed ? ml_error_memory(err) : 0;
}

const struct ml_package_info *ml_package_info(const struct ml_package *package)
{
    return &package->info;
}

void ml_package_build(const struct ml_package *package, struct ml_build_request *request)
{
    request->sources = (const char *const *)&package->dir;
    request->n_sources = 1;
    request->label = package->stage.store != NULL ? package->label : NULL;
}

void ml_package_free(struct ml_package *package)
{
    if (package == NULL)
        return;
    store_stage_drop(&package->stage);
    arena_free(&package->a);
    free(package);
}
