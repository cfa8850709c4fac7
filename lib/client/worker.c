/* Workers, seen from outside: are they there, and end them. Two things decide and nothing else
 * does: the flock on the lock file says whether a worker lives, its own answer says what it is. No
 * pid is ever read from a file, so none can be outdated. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "client/keeper.h"
#include "client/start.h"
#include "client/wire.h"

enum {
    QUERY_MS = WORKER_QUERY_MS,
    /* ... and a list of many must not wait so long for each that is stopped. */
    LIST_MS = 300,
    RELEASE_MS = 10000,
    /* Past its last call a worker needs a moment to go; for calls of others nobody waits. */
    DRAIN_MS = 250,
};

static int64_t deadline_in(int64_t ms)
{
    return clock_ms() + ms;
}

/* ---- asking ---- */

bool worker_nobody(int errnum)
{
    return errnum == ENOENT || errnum == ECONNREFUSED || errnum == ECONNRESET || errnum == EPIPE;
}

/* A text of `size` bytes that ends in a NUL, of 1 to `max - 1` of these characters: what may be
 * shown. */
static bool is_text(const char *text, size_t size, size_t max, const char *characters)
{
    size_t n = strnlen(text, size);
    return n > 0 && n < size && n < max && strspn(text, characters) >= n;
}

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* A plugin's code shares the worker's memory: what comes from there is looked at. */
static bool is_status(const struct buf *payload, struct wire_status *ret)
{
    static const char version[] = LETTERS_AND_DIGITS ".+-", name[] = LETTERS_AND_DIGITS "._-";
    if (payload->len != sizeof *ret)
        return false;
    memcpy(ret, payload->data, sizeof *ret);
    return is_text(ret->bundle, sizeof ret->bundle, ML_BUNDLE_ID_SIZE, LETTERS_AND_DIGITS "-") &&
           store_bundle_valid(ret->bundle) &&
           is_text(ret->plugin, sizeof ret->plugin, ML_NAME_SIZE, name) &&
           ml_name_valid(ret->plugin) &&
           is_text(ret->version, sizeof ret->version, ML_VERSION_SIZE, version);
}

/* 1, or 2 when it is draining. Its pid is for others to say: take_pid(). */
static int read_status(const struct wire_head *head, const struct buf *payload,
                       struct ml_worker_status *ret, struct ml_error *err)
{
    struct wire_status in;
    if (head->type != WIRE_STATUS || !is_status(payload, &in))
        return ml_error_set(err, ML_PROTOCOL, "bad_answer",
                            "the worker sent an answer that is none");
    *ret = (struct ml_worker_status){
        .answers = true,
        .uptime_ms = in.uptime_ms,
        .calls = in.calls,
        .ok = in.ok,
        .errors = in.errors,
        .crashes = in.crashes,
        .timeouts = in.timeouts,
        .cancelled = in.cancelled,
        .rejected = in.rejected,
        .memory_kib = in.memory_kib,
        .idle_limit_ms = in.idle_limit_ms,
        .idle_ms = in.idle_ms,
        .running = in.running,
    };
    memcpy(ret->bundle, in.bundle, sizeof ret->bundle);
    memcpy(ret->plugin, in.plugin, sizeof ret->plugin);
    memcpy(ret->version, in.version, sizeof ret->version);
    return in.draining ? 2 : 1;
}

/* The worker's process, by the kernel's word: who holds the record lock. While one takes the place
 * of another it is nobody's for a moment. 1; 0 when there is no worker any more; -1 with errno. */
static int take_pid(struct ml_ctx *ctx, const char *uuid, const struct query *query, pid_t *ret)
{
    struct pollfd cancel = {.fd = query->cancel_fd, .events = POLLIN};
    int found;
    while ((found = worker_pid(ctx, uuid, ret)) < 0) {
        errno = clock_ms() >= query->deadline ? EPROTO : 0;
        if (errno == 0 && poll(&cancel, 1, 1) > 0)
            errno = ECANCELED;
        if (errno == EPROTO || errno == ECANCELED)
            return -1;
    }
    return found;
}

int worker_no_answer(const char *uuid, struct ml_error *err)
{
    if (errno == ECANCELED)
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
    if (errno == EPROTONOSUPPORT) {
        ml_error_set(err, ML_PROTOCOL, NULL, "the worker of %s is of another version of modload",
                     uuid);
        return ml_error_hint(err, "start it anew, which ends its calls: modload reload %s", uuid);
    }
    if (errno == EACCES)
        return ml_error_set(err, ML_REFUSED, NULL, "the socket of %s is not yours", uuid);
    ml_error_errno(err, ML_BUSY, errno, "the worker of %s does not answer", uuid);
    return ml_error_hint(err, "is it stopped, or the machine very busy? try again");
}

int worker_query(struct ml_ctx *ctx, const char *uuid, const struct query *query,
                 struct ml_worker_status *status, int *conn, struct ml_error *err)
{
    struct wire_head head;
    const uint32_t flag = 1;
    BUF_AUTO answer = BUF_INIT;
    AUTO_CLOSE int fd = run_connect(ctx, uuid, RUN_CONTROL);
    if (fd < 0)
        return worker_nobody(errno) ? 0 : worker_no_answer(uuid, err);
    int got = wire_send(fd, WIRE_QUERY, &flag, query->use ? sizeof flag : 0, NULL, 0) < 0
                  ? -1
                  : wire_receive(fd, &head, &answer, NULL, NULL, query->cancel_fd, query->deadline);
    if (got == 0 || (got < 0 && worker_nobody(errno)))
        return 0; /* it died before it got to us */
    if (got < 0)
        return worker_no_answer(uuid, err);
    if ((got = read_status(&head, &answer, status, err)) < 0)
        return -1;
    int alive = take_pid(ctx, uuid, query, &status->pid);
    if (alive <= 0)
        return alive < 0 ? worker_no_answer(uuid, err) : 0;
    ml_key_from_uuid(uuid, &status->key, NULL);
    if (conn != NULL)
        *conn = steal_fd(&fd);
    return got;
}

static bool is_kept(struct ml_ctx *ctx, const char *uuid)
{
    AUTO_CLOSE int keeper = keeper_pidfd(ctx, uuid);
    return keeper >= 0;
}

int ml_worker_query(struct ml_ctx *ctx, const struct ml_key *key, struct ml_worker_status *status,
                    struct ml_error *err)
{
    char uuid[ML_UUID_SIZE];
    const struct query query = {deadline_in(QUERY_MS), -1, false};
    ml_key_to_uuid(key, uuid);
    int there = ctx_runtime(ctx, false, err);
    if (there > 0)
        there = worker_query(ctx, uuid, &query, status, NULL, err);
    if (there > 0)
        status->kept = is_kept(ctx, uuid);
    return there > 0 ? 1 : there;
}

/* One worker of a list. What does not answer is there all the same, and must not hide the others.
 */
static int visit_worker(struct ml_ctx *ctx, const char *uuid,
                        int (*each)(const struct ml_worker_status *status, void *arg), void *arg)
{
    struct ml_worker_status worker = {.answers = false};
    const struct query query = {deadline_in(LIST_MS), -1, false};
    int got = worker_query(ctx, uuid, &query, &worker, NULL, NULL);
    if (got == 0)
        return 0;
    if (got < 0)
        ml_key_from_uuid(uuid, &worker.key, NULL);
    worker.kept = is_kept(ctx, uuid);
    return each(&worker, arg);
}

/* The control sockets are the list. A file that only looks like one costs a failed connect; a
 * worker that began or left since is a matter of when one looked. */
int ml_workers(struct ml_ctx *ctx, int (*each)(const struct ml_worker_status *status, void *arg),
               void *arg, struct ml_error *err)
{
    int runtime = ctx_runtime(ctx, false, err);
    if (runtime <= 0)
        return runtime;
    int fd = openat(ctx->run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", ctx->run_path);
    int status = 0;
    for (struct dirent *e; status == 0 && (e = readdir(dir)) != NULL;) {
        char uuid[ML_UUID_SIZE];
        if (strlen(e->d_name) <= 36 || strcmp(e->d_name + 36, ".control") != 0)
            continue;
        snprintf(uuid, sizeof uuid, "%.36s", e->d_name);
        if (store_uuid_valid(uuid))
            status = visit_worker(ctx, uuid, each, arg);
    }
    return status;
}

/* ---- releasing ---- */

int worker_not_loaded(const char *uuid, struct ml_error *err)
{
    ml_error_set(err, ML_NOT_LOADED, NULL, "%s is not loaded", uuid);
    return ml_error_hint(err, "see what is: modload ps");
}

/* The worker answered on `conn` after `pidfd` was opened, so the number was its own then. It ends
 * when the pidfd says so; the connection's end comes a moment earlier, and will do where there is
 * no pidfd. 0 when it is gone; 1 when it is draining; -1. */
static int wait_gone(const char *uuid, int conn, int pidfd, enum ml_release_mode mode,
                     struct ml_error *err)
{
    struct wire_head head;
    BUF_AUTO answer = BUF_INIT;
    int64_t deadline = deadline_in(mode == ML_RELEASE_DRAIN ? DRAIN_MS : RELEASE_MS);
    int got = wire_receive(conn, &head, &answer, NULL, NULL, -1, deadline);
    if (got > 0 && head.type == WIRE_LEAVING) {
        struct pollfd p = {.fd = pidfd >= 0 ? pidfd : conn, .events = POLLIN};
        while ((got = poll(&p, 1, clock_poll_timeout(deadline))) < 0 && errno == EINTR)
            ;
        if (got > 0)
            return 0;
        errno = ETIMEDOUT;
        return worker_no_answer(uuid, err);
    }
    if (got < 0 && errno == ETIMEDOUT && mode == ML_RELEASE_DRAIN)
        return 1;
    errno = got > 0 ? EPROTO : errno;
    return got == 0 || (got < 0 && worker_nobody(errno)) ? worker_not_loaded(uuid, err)
                                                         : worker_no_answer(uuid, err);
}

/* The keeper first: what it had started after the question would live on. One connection for
 * question and order: both reach the same worker, even if another one is started
 * meanwhile. A worker that was killed could not remove its files: who was asked to end it may. Its
 * log stays where only a call was to be cleared up after: why there was nothing to call is of
 * interest. */
int ml_release(struct ml_ctx *ctx, const struct ml_key *key, enum ml_release_mode mode,
               struct ml_error *err)
{
    uint32_t wanted = mode;
    char uuid[ML_UUID_SIZE];
    struct ml_worker_status status;
    AUTO_CLOSE int conn = -1;
    bool kept = false;
    ml_key_to_uuid(key, uuid);
    int there = ctx_runtime(ctx, false, err);
    if (there > 0) {
        kept = keeper_end(ctx, uuid);
        const struct query query = {deadline_in(QUERY_MS), -1, false};
        there = worker_query(ctx, uuid, &query, &status, &conn, err);
        if (there == 0)
            worker_sweep(ctx, uuid, mode == ML_RELEASE_DRAIN ? INT64_MAX : 0);
    }
    if (there == 0 && kept)
        return 0; /* there was something to be released: a start that was due */
    if (there <= 0)
        return there < 0 ? -1 : worker_not_loaded(uuid, err);
    AUTO_CLOSE int pidfd = worker_pidfd(ctx, uuid);
    if (wire_send(conn, WIRE_RELEASE, &wanted, sizeof wanted, NULL, 0) < 0)
        return worker_nobody(errno) ? worker_not_loaded(uuid, err) : worker_no_answer(uuid, err);
    return wait_gone(uuid, conn, pidfd, mode, err);
}
