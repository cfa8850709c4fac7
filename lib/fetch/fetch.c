/* Two steps, each a process: fill the cache and find the commit; export it. Between them, where
 * submodules are asked for, one that tells which there are. A cache that cannot be
 * read is made anew, once. */
#include "fetch/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/beneath.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "fetch/cache.h"
#include "fetch/helper.h"
#include "fetch/repository.h"
#include "fetch/run.h"

/* A repository on this machine is known by where it really is. */
static int place_take(struct source *source, struct ml_error *err)
{
    AUTO_FREE char *real = realpath(source->url, NULL);
    if (real == NULL && errno == ENOENT) {
        ml_error_set(err, ML_NO_INPUT, "no_repository", "there is no such file or directory");
        return ml_error_hint(err, "give a directory with a git repository in it, or a URL");
    }
    if (real == NULL || strlen(real) >= sizeof source->url)
        return ml_error_errno(err, 0, real ? ENAMETOOLONG : errno, "cannot look at it");
    strcpy(source->url, real);
    return 0;
}

static int order_make(const struct fetching *f, struct fetch_order *ret, struct ml_error *err)
{
    static const struct fetch_limits usual = FETCH_LIMITS_INIT;
    const struct fetch_request *request = f->request;
    const char *subdir = request->subdir ? request->subdir : "";
    bool local = request->source->kind >= SOURCE_FILE;
    ret->mark = FETCH_MARK;
    ret->source = *request->source;
    /* What is here needs no network; but a mirror is there because it may be gone. */
    ret->offline = request->mirror || (request->offline && !local);
    ret->mirror = request->mirror;
    ret->changes = f->base != NULL;
    ret->modules = f->modules != NULL;
    ret->used = f->used;
    snprintf(ret->base, sizeof ret->base, "%s", f->base ? f->base : "");
    snprintf(ret->at, sizeof ret->at, "%s", f->at);
    ret->limits = request->limits ? *request->limits : usual;
    snprintf(ret->since, sizeof ret->since, "%s", request->since ? request->since : "");
    if (*subdir != '\0' && source_subdir_check(subdir, err) < 0)
        return -1;
    strcpy(ret->subdir, subdir);
    if (!local || (request->mirror && access(ret->source.url, F_OK) < 0))
        return 0;
    return place_take(&ret->source, err);
}

/* ---- the steps ---- */

static bool needs_password(const struct fetch_order *order, const struct ml_error *err)
{
    return order->helper && order->source.kind == SOURCE_HTTPS &&
           strcmp(err->code, FETCH_NEEDS_PASSWORD) == 0;
}

/* Once more, with what the helper says. Where it stays is the order's file, which goes with the
 * child. */
static int with_password(struct fetch_order *order, int dir, const struct fetch_request *request,
                         int64_t deadline_ms, struct fetch_result *ret, struct ml_error *err)
{
    *err = (struct ml_error)ML_ERROR_INIT;
    int status = helper_ask(&order->source, deadline_ms, request->cancel_fd, &order->password, err);
    order->helper = false;
    order->has_password = true;
    if (status == 0)
        status = fetch_run(order, NULL, dir, request, deadline_ms, NULL, ret, err);
    order->has_password = false;
    explicit_bzero(&order->password, sizeof order->password);
    return status;
}

static int fetch_step(struct fetch_order *order, int dir, const struct fetch_request *request,
                      int64_t deadline_ms, struct fetch_result *ret, struct ml_error *err)
{
    order->step = FETCH_STEP_FETCH;
    order->helper = helper_there();
    if (fetch_run(order, NULL, dir, request, deadline_ms, NULL, ret, err) == 0)
        return 0;
    return needs_password(order, err) ? with_password(order, dir, request, deadline_ms, ret, err)
                                      : -1;
}

/* The two that stand in the cache: what is found, and which submodules that has. */
static int cache_steps(struct fetch_order *order, const struct cache *cache,
                       const struct fetching *f, int64_t deadline_ms, struct fetch_result *ret,
                       struct ml_error *err)
{
    struct fetch_result done;
    AUTO_CLOSE int dir = open(cache->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return ml_error_errno(err, 0, errno, "cannot open '%s'", cache->path);
    if (fetch_step(order, dir, f->request, deadline_ms, ret, err) < 0)
        return -1;
    strcpy(order->commit, ret->commit);
    if (f->modules == NULL)
        return 0;
    f->modules->n = 0;
    order->step = FETCH_STEP_MODULES;
    return fetch_run(order, NULL, dir, f->request, deadline_ms, f->modules, &done, err);
}

static int export_step(struct fetch_order *order, const struct cache *cache,
                       const struct fetching *f, int64_t deadline_ms, struct fetch_result *ret,
                       struct ml_error *err)
{
    struct fetch_result done;
    order->step = order->changes ? FETCH_STEP_CHANGES : FETCH_STEP_EXPORT;
    strcpy(order->cache, cache->path);
    if (fetch_run(order, NULL, f->out_dirfd, f->request, deadline_ms, NULL, &done, err) < 0)
        return -1;
    strcpy(ret->tree, done.tree);
    ret->files = done.files;
    ret->bytes = done.bytes;
    return 0;
}

/* -1. What was wrong before counts, unless this fails as well. */
static int clear(int out_dirfd, struct ml_error *err)
{
    struct ml_error problem = ML_ERROR_INIT;
    if (beneath_clear(out_dirfd) < 0)
        ml_error_errno(&problem, ML_IO, errno, "cannot remove what it left");
    if (err != NULL && problem.status != 0)
        *err = problem;
    return -1;
}

static int all_steps(struct fetch_order *order, const struct cache *cache, const struct fetching *f,
                     int64_t deadline_ms, struct fetch_result *ret, struct ml_error *err)
{
    if (cache_steps(order, cache, f, deadline_ms, ret, err) < 0)
        return -1;
    if (f->out_dirfd < 0 || (order->changes && strcmp(order->base, ret->commit) == 0))
        return 0;
    if (export_step(order, cache, f, deadline_ms, ret, err) == 0)
        return 0;
    return clear(f->out_dirfd, err);
}

/* ---- when the cache is at fault ---- */

static bool is_bad_cache(const struct ml_error *err)
{
    return err->status == ML_DATA && strcmp(err->code, "bad_cache") == 0;
}

/* Twice: what is still wrong in a new cache came from the repository. */
static int with_cache(struct fetch_order *order, const struct cache *cache,
                      const struct fetching *f, struct fetch_result *ret, struct ml_error *err)
{
    const struct fetch_request *request = f->request;
    int64_t ours = clock_ms() + order->limits.time_ms;
    int64_t deadline =
        request->deadline_ms < 0 || ours < request->deadline_ms ? ours : request->deadline_ms;
    int status = all_steps(order, cache, f, deadline, ret, err);
    if (status == 0 || !is_bad_cache(err) || order->offline)
        return status;
    if (cache_reset(cache, err) < 0)
        return -1;
    return all_steps(order, cache, f, deadline, ret, err);
}

/* ---- what is told of a failure ---- */

static bool has_file(const struct source *source, const char *name)
{
    struct stat st;
    char path[SOURCE_URL_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", source->url, name);
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A repository on this machine that git itself finds no fault with. What is fetched is all of it,
 * and out of its own directory: not out of another one that it leads to. */
static void local_finish(const struct source *source, struct ml_error *err)
{
    static const struct {
        const char *name, *what;
    } kinds[] = {
        {".git", "it is a work tree of a repository that is elsewhere"},
        {".git/shallow", "it is a shallow clone, which does not have all of its commits"},
        {"shallow", "it is a shallow clone, which does not have all of its commits"},
        {".git/objects/info/alternates", "it takes objects from a repository that is elsewhere"},
        {"objects/info/alternates", "it takes objects from a repository that is elsewhere"},
    };
    if (strcmp(err->code, "bad_repository") != 0)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (has_file(source, kinds[i].name)) {
            ml_error_set(err, ML_DATA, "bad_repository", "%s", kinds[i].what);
            ml_error_hint(err, "write a commit of it to an archive, and give that: git archive -o "
                               "NAME.tar.gz HEAD; or give a whole clone: git clone --no-local, git "
                               "fetch --unshallow");
            return;
        }
}

/* What to do is a matter of what kind of error it is. */
static void error_finish(struct ml_error *err, bool offline, bool mirror)
{
    static const struct {
        const char *code, *hint;
    } hints[] = {
        {"network", "try again; --offline uses what was fetched before"},
        {"no_repository", "is it the right URL? A private repository may answer so as well, to who "
                          "does not say who he is"},
        {"bad_certificate", "a certificate authority of your own: SSL_CERT_FILE"},
        {"no_credentials", "add a key to the agent: ssh-add; is the URL right?"},
        {"unknown_host", "server and ~/.ssh/known_hosts need a kind of key in common, which RSA is "
                         "not: add another of its keys there (ssh-keyscan -t ed25519,ecdsa HOST)"},
        {"redirect", "if the other place is right, give its URL"},
        {"hostile_repository", "only plain files and directories are taken; one directory of it: "
                               "--path DIR; if you trust it: clone it, " FETCH_AS_DIRECTORY},
        {"has_submodule", "to fetch submodules as well: --submodules; of a project's plugin: "
                          "\"submodules\": true; else one directory of it: --path DIR"},
        {"repository_too_large", "one directory of it: --path DIR; or clone it, remove its .git, "
                                 "and give the plugin's own directory"},
        {"too_many_submodules", "one directory of it: --path DIR; or clone it with what it "
                                "needs, " FETCH_AS_DIRECTORY},
        {"out_of_memory", "one directory of it needs as much: clone it, remove its .git, and give "
                          "the plugin's own directory"},
        {"bad_repository", "it is damaged, or of a kind that is not read; 'git fsck' says more"},
    };
    if (is_bad_cache(err)) {
        strcpy(err->code, "bad_repository");
        if (offline)
            ml_error_hint(err, "the cache is damaged: fetch it once without --offline and "
                               "MODLOAD_OFFLINE=1");
    }
    if (mirror && (strcmp(err->code, "not_cached") == 0 ||
                   strcmp(err->code, "bad_repository") == 0 || strcmp(err->code, "rewritten") == 0))
        ml_error_hint(err, "fill the mirror where there is a network: modload mirror DIR SRC");
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (*err->hint == '\0' && strcmp(err->code, hints[i].code) == 0)
            ml_error_hint(err, "%s", hints[i].hint);
}

/* ---- all of it ---- */

/* It is cleared after a failure: it must be ours alone. */
static int directory_check(int dirfd, struct ml_error *err)
{
    int empty = dirfd < 0 ? 1 : beneath_is_empty(dirfd);
    if (empty < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot read the directory for it");
    return empty == 0 ? ml_error_set(err, ML_CANT_CREATE, NULL, "the directory for it is not empty")
                      : 0;
}

static int cache_find(const struct fetch_request *request, const char *url, struct cache *ret,
                      struct ml_error *err)
{
    if (request->mirror)
        return cache_open_mirror(request->cache, url, ret, err);
    return cache_open(request->cache, url, request->wait_ms, request->cancel_fd, ret, err);
}

static int fetch(const struct fetching *f, struct fetch_order *order, struct fetch_result *ret,
                 struct ml_error *err)
{
    CACHE_AUTO cache = CACHE_INIT;
    struct fetch_result result = {0};
    if (order_make(f, order, err) < 0 || directory_check(f->out_dirfd, err) < 0 ||
        cache_find(f->request, order->source.url, &cache, err) < 0 ||
        with_cache(order, &cache, f, &result, err) < 0)
        return -1;
    *ret = result;
    return 0;
}

/* The order is too large for a small stack. */
int fetch_repository(const struct fetching *f, struct fetch_result *ret, struct ml_error *err)
{
    struct ml_error problem = ML_ERROR_INIT;
    AUTO_FREE struct fetch_order *order = calloc(1, sizeof *order);
    if (order == NULL)
        return ml_error_memory(err);
    if (fetch(f, order, ret, &problem) == 0)
        return 0;
    error_finish(&problem, order->offline, f->request->mirror);
    if (order->source.kind >= SOURCE_FILE && !f->request->mirror)
        local_finish(&order->source, &problem);
    ml_error_wrap(&problem, "cannot fetch '%.200s'", f->request->source->url);
    if (err != NULL)
        *err = problem;
    return -1;
}

int fetch_source(const struct fetch_request *request, int out_dirfd, struct fetch_result *ret,
                 struct ml_error *err)
{
    struct fetching f = {.request = request, .at = "", .out_dirfd = out_dirfd};
    AUTO_FREE struct fetch_modules *own = NULL;
    struct fetch_result result;
    if (request->modules == NULL)
        return fetch_repository(&f, ret, err);
    request->modules->n = 0;
    f.modules = own = malloc(sizeof *own);
    if (own == NULL)
        return ml_error_memory(err);
    if (fetch_repository(&f, &result, err) < 0)
        return -1;
    if (fetch_modules(&f, &result, err) < 0)
        return out_dirfd < 0 ? -1 : clear(out_dirfd, err);
    *ret = result;
    return 0;
}

int fetch_changes(const struct fetch_request *request, const char *base, int out_dirfd,
                  struct fetch_result *ret, struct ml_error *err)
{
    const struct fetching f = {.request = request, .base = base, .at = "", .out_dirfd = out_dirfd};
    return fetch_repository(&f, ret, err);
}
