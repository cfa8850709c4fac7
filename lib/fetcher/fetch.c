/* The cache of one repository is a bare repository with all its branches and tags, under their own
 * names, and its HEAD: what is asked for next may be any of them, and then there may be no network.
 * The caller has it locked. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "fetcher/fetcher.h"

/* ---- what a killed fetch leaves ---- */

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Locks of git's, and packs that were not whole yet: nobody else is here, so nobody has them. */
static bool is_litter(const char *name)
{
    return ends_in(name, ".lock") || strncmp(name, "pack_git2_", 10) == 0 ||
           strncmp(name, "tmp_", 4) == 0;
}

enum { SWEEP_DEPTH_MAX = 64 }; /* a branch's name has as many parts at most: it has 255 bytes */

static void sweep(int dirfd, const char *path, int depth)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (is_litter(entry->d_name))
            unlinkat(fd, entry->d_name, 0);
        else if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && depth < SWEEP_DEPTH_MAX)
            sweep(fd, entry->d_name, depth + 1);
    }
}

/* ---- the cache ---- */

static int bad_cache(struct ml_error *err, const char *what)
{
    const git_error *why = git_error_last();
    return ml_error_set(err, ML_DATA, "bad_cache", "%s: %s", what,
                        why && why->message ? why->message : "libgit2 gives no reason");
}

static int not_cached(const struct source *source, struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "not_cached", "%s%s%s is not in the cache",
                 *source->ref ? "'" : "it", source->ref, *source->ref ? "'" : "");
    return ml_error_hint(err, "fetch it once without --offline and MODLOAD_OFFLINE=1");
}

static int cache_open(const struct fetch_order *order, git_repository **ret, struct ml_error *err)
{
    git_repository_init_options options;
    git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_NO_REINIT;
    if (access("HEAD", F_OK) < 0) {
        if (order->offline)
            return not_cached(&order->source, err);
        return git_repository_init_ext(ret, ".", &options) < 0
                   ? bad_cache(err, "cannot make the cache")
                   : 0;
    }
    if (!order->mirror) /* it is not ours alone: somebody may be filling it */
        sweep(AT_FDCWD, ".", 0);
    return git_repository_open_bare(ret, ".") < 0 ? bad_cache(err, "cannot open the cache") : 0;
}

/* ---- the transfer ---- */

struct transfer {
    struct fetcher_auth auth; /* first: libgit2 has one argument for all its callbacks */
    uint64_t bytes_max;
};

static int too_large(struct transfer *t)
{
    ml_error_set(&t->auth.problem, ML_LIMIT, "repository_too_large",
                 "it has more than %llu MiB of objects", (unsigned long long)t->bytes_max >> 20);
    return GIT_EUSER;
}

static int on_progress(const git_indexer_progress *now, void *arg)
{
    struct transfer *t = arg;
    struct fetcher_counts *c = &fetcher_counts;
    bool received = now->total_objects > 0 && now->received_objects == now->total_objects;
    c->bytes = now->received_bytes;
    c->objects = now->received_objects;
    c->objects_total = now->total_objects;
    c->deltas = now->indexed_deltas;
    c->deltas_total = now->total_deltas;
    c->phase = received ? FETCH_RESOLVING : FETCH_RECEIVING;
    return now->received_bytes > t->bytes_max ? too_large(t) : 0;
}

/* Why libgit2 gave up: our own reason, if we had one. */
static int transfer_failed(const struct transfer *t, int status, const char *what,
                           struct ml_error *err)
{
    if (t->auth.problem.status == 0) {
        git_failed(err, status, "%s", what);
        if (t->auth.source->kind == SOURCE_HTTPS)
            proxy_hint(err);
        return -1;
    }
    if (err != NULL)
        *err = t->auth.problem;
    return -1;
}

/* What it calls HEAD is the branch for those who name none; an empty or a detached one has none. */
static void head_take(git_repository *repo, git_remote *remote)
{
    git_buf name = GIT_BUF_INIT;
    if (git_remote_default_branch(&name, remote) < 0 || git_repository_set_head(repo, name.ptr) < 0)
        git_repository_set_head(repo, "refs/heads/HEAD"); /* no branch can be called so */
    git_buf_dispose(&name);
}

/* What cannot be written here is the cache's fault: a branch may be in the way of another that has
 * come since. Redirects are followed within the host: others say what they are (auth.c), and to
 * whom a password would go is then not for a server to say. */
static int transfer(git_repository *repo, git_remote *remote, struct transfer *t,
                    struct ml_error *err)
{
    static char heads[] = "+refs/heads/*:refs/heads/*", tags[] = "+refs/tags/*:refs/tags/*";
    const git_strarray refspecs = {(char *[]){heads, tags}, 2};
    git_remote_connect_options how;
    git_fetch_options what;
    git_remote_connect_options_init(&how, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
    git_fetch_options_init(&what, GIT_FETCH_OPTIONS_VERSION);
    git_remote_callbacks *calls = &what.callbacks;
    calls->credentials = auth_credential;
    calls->certificate_check = auth_certificate;
    calls->transfer_progress = on_progress;
    calls->payload = t;
    what.prune = GIT_FETCH_PRUNE;
    what.update_fetchhead = 0;
    what.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE; /* the second refspec has them */
    what.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
    what.proxy_opts.type = GIT_PROXY_AUTO;
    how.callbacks = what.callbacks;
    how.follow_redirects = what.follow_redirects;
    how.proxy_opts = what.proxy_opts;
    int status = git_remote_connect_ext(remote, GIT_DIRECTION_FETCH, &how);
    if (status < 0)
        return transfer_failed(t, status, "cannot connect", err);
    head_take(repo, remote);
    status = git_remote_fetch(remote, &refspecs, &what, NULL);
    if (status < 0 && t->auth.problem.status == 0 && git_is_local_failure(status))
        return bad_cache(err, "cannot fetch");
    return status < 0 ? transfer_failed(t, status, "cannot fetch", err) : 0;
}

static int remote_fetch(git_repository *repo, const struct fetch_order *order, struct ml_error *err)
{
    struct transfer t = {.auth = {.order = order, .source = &order->source},
                         .bytes_max = order->limits.pack_bytes};
    const char *url = order->source.url;
    char local[SOURCE_FILE_URL_MAX];
    git_remote *remote;
    if (order->source.kind >= SOURCE_FILE) { /* a path with a colon would be host:path */
        source_file_url(url, local);
        url = local;
    }
    if (git_remote_create_anonymous(&remote, repo, url) < 0)
        return bad_cache(err, "cannot use the cache");
    int status = transfer(repo, remote, &t, err);
    git_remote_free(remote);
    return status;
}

/* ---- the step ---- */

/* A commit by its whole id is the same for ever: what is there need not be asked for. */
static bool has_commit(git_repository *repo, const char *ref)
{
    git_oid id;
    git_commit *commit;
    if (strlen(ref) != GIT_OID_HEXSZ || git_oid_fromstr(&id, ref) < 0 ||
        git_commit_lookup(&commit, repo, &id) < 0)
        return false;
    git_commit_free(commit);
    return true;
}

static int fetch_and_resolve(git_repository *repo, const struct fetch_order *order,
                             struct fetch_result *ret, struct ml_error *err)
{
    bool there = has_commit(repo, order->source.ref);
    if (!order->offline && !there && remote_fetch(repo, order, err) < 0)
        return -1;
    if (fetcher_resolve(repo, &order->source, ret, err) < 0) {
        bool missing = err != NULL && err->status == ML_NO_INPUT;
        return order->offline && missing ? not_cached(&order->source, err) : -1;
    }
    ret->received = fetcher_counts.bytes;
    return fetcher_follows(repo, order, ret, err);
}

int fetcher_fetch(const struct fetch_order *order, struct fetch_result *ret, struct ml_error *err)
{
    git_repository *repo;
    if (cache_open(order, &repo, err) < 0)
        return -1;
    int status = fetch_and_resolve(repo, order, ret, err);
    git_repository_free(repo);
    return status;
}
