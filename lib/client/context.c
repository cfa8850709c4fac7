/* Contexts: which registry, which runtime directory, and the addresses of sockets in it. But for
 * what a worker inherits (start.c), lib/client reads the environment here only. Neither directory
 * is opened before somebody needs it: a call of a key never opens the registry, a lookup never the
 * runtime directory. */
#include "client/context.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/limit.h"
#include "base/scope.h"

/* A variable that is set and not empty (XDG Base Directory Specification 0.8: empty counts as
 * unset). */
static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* XDG paths must be absolute; a relative one is to be ignored. HOME and TMPDIR are held to the
 * same, for they would mean whatever lies where the user stands. */
static const char *env_absolute(const char *name)
{
    const char *value = env(name);
    return value != NULL && *value == '/' ? value : NULL;
}

static char *join(const char *dir, const char *rest)
{
    char *path;
    return asprintf(&path, "%s/%s", dir, rest) < 0 ? NULL : path;
}

/* An absolute form of `path`; null when memory or the working directory is gone. */
static char *absolute(const char *path)
{
    if (*path == '/')
        return strdup(path);
    AUTO_FREE char *cwd = getcwd(NULL, 0);
    return cwd == NULL ? NULL : join(cwd, path);
}

/* In the order of how much somebody meant it. Null, and `err`, when there is nothing to go by: /tmp
 * or the working directory would be a registry that the next command does not find. */
static char *default_home(struct ml_error *err)
{
    const char *base;
    char *path;
    if ((base = env("MODLOAD_HOME")) != NULL)
        path = absolute(base);
    else if ((base = env_absolute("XDG_DATA_HOME")) != NULL)
        path = join(base, "modload");
    else if ((base = env_absolute("HOME")) != NULL)
        path = join(base, ".local/share/modload");
    else {
        ml_error_set(err, ML_CONFIG, "no_home",
                     "cannot tell where the registry is: HOME is not set");
        ml_error_hint(err, "set MODLOAD_HOME to a directory of yours");
        return NULL;
    }
    if (path == NULL)
        ml_error_memory(err);
    return path;
}

/* `*ret` is written last. A half-made context is released as a whole one is. */
int ml_ctx_new(const struct ml_ctx_options *options, struct ml_ctx **ret, struct ml_error *err)
{
    struct ml_ctx *ctx = calloc(1, sizeof *ctx);
    if (ctx == NULL)
        return ml_error_memory(err);
    ctx->run_fd = -1;
    ctx->cancel_fd = -1;
    ctx->wait_ms = options ? options->wait_ms : 0;
    ctx->command = options ? options->command : NULL;
    ctx->home = options && options->home ? absolute(options->home) : default_home(err);
    if (options && options->runtime_dir)
        ctx->runtime_dir = absolute(options->runtime_dir);
    if (ctx->home == NULL || (options && options->runtime_dir && ctx->runtime_dir == NULL)) {
        if (ctx->home != NULL || (options && options->home)) /* else default_home() has said why */
            ml_error_memory(err);
        ml_ctx_free(ctx);
        return -1;
    }
    *ret = ctx;
    return 0;
}

void ml_ctx_free(struct ml_ctx *ctx)
{
    if (ctx == NULL)
        return;
    for (int i = 0; i < 2; i++)
        store_close(ctx->store[i]);
    tdestroy(ctx->kept, free);
    for (size_t i = 0; i < ctx->n_holds; i++)
        close(ctx->hold[i]);
    free(ctx->hold);
    if (ctx->run_fd >= 0)
        close(ctx->run_fd);
    free(ctx->run_path);
    free(ctx->runtime_dir);
    free(ctx->home);
    free(ctx);
}

/* A store that was opened for reading has made nothing and swept nothing, so a writer opens it
 * anew; readers go on with whichever is there. One that found no registry is opened again when it
 * is asked for again: there may be one by now, and nobody can be in the middle of nothing. */
int ctx_store(struct ml_ctx *ctx, bool create, struct store **ret, struct ml_error *err)
{
    bool writer = create || ctx->store[1] != NULL;
    struct store **store = &ctx->store[writer], *fresh;
    if (*store == NULL || !store_present(*store)) {
        const struct store_options options = {.create = writer,
                                              .wait_ms = ctx->wait_ms,
                                              .cancel_fd = ctx->cancel_fd,
                                              .command = ctx->command};
        if (store_open(ctx->home, &options, &fresh, err) < 0)
            return -1;
        store_close(*store);
        *store = fresh;
    }
    *ret = *store;
    return 0;
}

void ml_ctx_cancel_on(struct ml_ctx *ctx, int fd)
{
    ctx->cancel_fd = fd;
    for (int i = 0; i < 2; i++)
        if (ctx->store[i] != NULL)
            store_cancel_on(ctx->store[i], fd);
}

int ctx_hold(struct ml_ctx *ctx, int fd, struct ml_error *err)
{
    int *hold = realloc(ctx->hold, (ctx->n_holds + 1) * sizeof *hold);
    if (hold == NULL) {
        close(fd);
        return ml_error_memory(err);
    }
    ctx->hold = hold;
    ctx->hold[ctx->n_holds++] = fd;
    return 0;
}

static int id_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Half of the descriptors that there can be are left for everything else. */
static int open_to_keep(struct ml_ctx *ctx, const char *id, struct ml_error *err)
{
    struct store *store;
    uint64_t most = limit_files_raise() / 2;
    if (ctx->n_holds >= most) {
        ml_error_set(err, ML_LIMIT, "too_many_bundles",
                     "more than %" PRIu64 " bundles cannot be kept at once", most);
        return ml_error_hint(err, "raise the limit of open files (ulimit -n), or name fewer");
    }
    return ctx_store(ctx, false, &store, err) < 0 ? -1 : store_bundle_open(store, id, err);
}

bool ctx_keeps(const struct ml_ctx *ctx, const char *id)
{
    return tfind(id, &ctx->kept, id_compare) != NULL;
}

int ctx_keep(struct ml_ctx *ctx, const char *id, struct ml_error *err)
{
    if (ctx_keeps(ctx, id))
        return 0;
    int fd = open_to_keep(ctx, id, err);
    if (fd < 0 || ctx_hold(ctx, fd, err) < 0)
        return -1;
    char *copy = strdup(id);
    if (copy == NULL || tsearch(copy, &ctx->kept, id_compare) == NULL) {
        free(copy);
        return ml_error_memory(err);
    }
    return 0;
}

/* Between the two looks the entry may have moved on and a gc taken the bundle away: then there is
 * another one to open. Where there is not, the link leads nowhere. */
int ctx_entry_open(struct ml_ctx *ctx, const char *uuid, char bundle[ML_BUNDLE_ID_SIZE],
                   struct ml_error *err)
{
    struct store *store;
    char before[STORE_BUNDLE_SIZE] = "";
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    for (;;) {
        struct ml_error why = ML_ERROR_INIT;
        if (store_lookup(store, uuid, bundle, err) < 0)
            return -1;
        if (strcmp(before, bundle) == 0)
            break;
        int fd = store_bundle_open(store, bundle, &why);
        if (fd >= 0)
            return fd;
        if (why.status != ML_NO_INPUT) {
            if (err != NULL)
                *err = why;
            return -1;
        }
        strcpy(before, bundle);
    }
    ml_error_set(err, ML_REFUSED, "damaged", "bundle '%s' of key %s is missing", bundle, uuid);
    return ml_error_hint(err, "run: modload verify --repair; or go back: modload rollback %s",
                         uuid);
}

/* ---- the runtime directory ---- */

/* Where sockets of all registries of this user live. The fallback has the uid in its name, since
 * /tmp is shared: whoever takes that name first can at most make us refuse it (check_private). */
char *ctx_runtime_base(const struct ml_ctx *ctx, const char **why)
{
    const char *base;
    char *path;
    *why = "the program's choice";
    if (ctx->runtime_dir != NULL)
        return strdup(ctx->runtime_dir);
    *why = "MODLOAD_RUNTIME_DIR";
    if ((base = env(*why)) != NULL)
        return absolute(base);
    *why = "XDG_RUNTIME_DIR";
    if ((base = env_absolute(*why)) != NULL)
        return join(base, "modload");
    *why = "TMPDIR";
    if ((base = env_absolute(*why)) == NULL)
        *why = "the default";
    return asprintf(&path, "%s/modload-%u", base ? base : "/tmp", geteuid()) < 0 ? NULL : path;
}

/* Two registries may share a runtime directory: each has its own place there, named by a hash of
 * its home's real path. No secret depends on it. The real path, so that a registry that is reached
 * by a link finds its workers too. */
static uint64_t home_hash(const struct ml_ctx *ctx)
{
    AUTO_FREE char *real = realpath(ctx->home, NULL);
    const char *path = real ? real : ctx->home;
    return hash_fnv1a(HASH_FNV1A_INIT, path, strlen(path));
}

/* A directory in a place that others can write to is ours only if it is a directory, ours, and
 * closed. Looked at through the handle that is then used: a look at the path could be outdated
 * (lstat and then open is a race). */
static int check_private(int fd, const char *path, struct ml_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return ml_error_errno(err, 0, errno, "cannot look at '%s'", path);
    if (st.st_uid == geteuid() && (st.st_mode & 022) == 0)
        return 0;
    ml_error_set(err, ML_REFUSED, NULL,
                 "runtime directory '%s' is not yours alone (uid %u, mode %04o)", path, st.st_uid,
                 st.st_mode & 07777);
    return ml_error_hint(err, "set MODLOAD_RUNTIME_DIR to a directory of your own with mode 0700");
}

/* Opens `path`, making it with its parents where it is missing. A descriptor, or -1 with errno.
 * O_NOFOLLOW keeps a link in /tmp from leading us into another directory of ours; parents are
 * followed, since XDG_RUNTIME_DIR may well lie behind a link. */
static int open_dir(const char *path, bool create)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags);
    if (fd >= 0 || errno != ENOENT || !create)
        return fd;
    if (fs_mkdir_parents(path, 0700) < 0)
        return -1;
    return open(path, flags);
}

/* 1 when it is open; 0 when it is missing and not to be made, which means that no worker lives; -1.
 * Both levels are checked: the inner one could have been made by somebody while the outer was open
 * to others. */
static int open_runtime(struct ml_ctx *ctx, const char *base, bool create, struct ml_error *err)
{
    AUTO_CLOSE int top = open_dir(base, create);
    if (top < 0)
        return errno == ENOENT && !create ? 0
                                          : ml_error_errno(err, create ? ML_CANT_CREATE : 0, errno,
                                                           "cannot open '%s'", base);
    if (check_private(top, base, err) < 0)
        return -1;
    AUTO_FREE char *path = NULL;
    if (asprintf(&path, "%s/%016" PRIx64, base, home_hash(ctx)) < 0)
        return ml_error_memory(err);
    AUTO_CLOSE int fd = open_dir(path, create);
    if (fd < 0)
        return errno == ENOENT && !create ? 0
                                          : ml_error_errno(err, 0, errno, "cannot open '%s'", path);
    if (check_private(fd, path, err) < 0)
        return -1;
    ctx->run_fd = steal_fd(&fd);
    ctx->run_path = steal_ptr(path);
    return 1;
}

int ctx_runtime(struct ml_ctx *ctx, bool create, struct ml_error *err)
{
    if (ctx->run_fd >= 0)
        return 1;
    const char *why;
    AUTO_FREE char *base = ctx_runtime_base(ctx, &why);
    if (base == NULL)
        return ml_error_memory(err);
    return open_runtime(ctx, base, create, err);
}

/* 36 and 7 characters, a dot and the NUL fit RUN_NAME_SIZE; "%.36s" keeps it so whatever comes
 * in. */
void run_file_name(const char *uuid, enum run_file file, char name[RUN_NAME_SIZE])
{
    static const char *const suffix[] = {
        [RUN_LOCK] = "lock", [RUN_CONTROL] = "control", [RUN_CALL] = "call",
        [RUN_LOG] = "log",   [RUN_LOG_OLD] = "log.old", [RUN_KEEPER] = "keeper"};
    snprintf(name, RUN_NAME_SIZE, "%.36s.%s", uuid, suffix[file]);
}

/* A path that does not fit sun_path (108 bytes, unix(7)) goes by way of our handle, which is short
 * whatever the directory's path is. Not always, since that needs /proc. */
void run_address(struct ml_ctx *ctx, const char *uuid, enum run_file file, struct sockaddr_un *addr)
{
    char name[RUN_NAME_SIZE];
    run_file_name(uuid, file, name);
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(addr->sun_path, sizeof addr->sun_path, "%s/%s", ctx->run_path, name);
    if (n >= (int)sizeof addr->sun_path)
        snprintf(addr->sun_path, sizeof addr->sun_path, "/proc/self/fd/%d/%s", ctx->run_fd, name);
}

/* The directory is ours alone; this holds where somebody else got into it all the same: what a
 * caller's standard descriptors are sent to has to be his own. The uid is that of the moment of
 * listen(2) (unix(7)). */
static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

/* Waits while the listener's queue is full. */
int run_connect(struct ml_ctx *ctx, const char *uuid, enum run_file file)
{
    struct sockaddr_un addr;
    run_address(ctx, uuid, file, &addr);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        return -1;
    if (!is_ours(fd)) {
        errno = EACCES;
        return -1;
    }
    return steal_fd(&fd);
}
