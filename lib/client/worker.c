/* Workers, seen from outside. Two things decide and nothing else does: the locks on the lock file
 * say whether a worker lives, and which process it is, its own answer says what it does. No pid is
 * ever read from a file, so none can be outdated. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "client/keeper.h"
#include "client/start.h"
#include "client/wire.h"

enum {
    /* Who only looks must not wait long for each that is stopped. */
    LOOK_MS = 300,
    FIRST_MS = 200, /* after so long one looks what a worker has of the processors */
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

static int64_t sooner(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* One that ends calls and leaves has shut its call socket, and answers nobody. */
static bool is_leaving(struct ml_ctx *ctx, const char *uuid)
{
    struct sockaddr_un addr;
    run_address(ctx, uuid, RUN_CALL, &addr);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0 &&
           errno == ECONNREFUSED;
}

/* Asked twice: what it has had of the processors is looked at in between. One that could not run
 * has not had its time, nor has one whose asker had less. */
int worker_ask(struct ml_ctx *ctx, const char *uuid, const struct query *how,
               struct ml_worker_status *status, int *conn, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    struct worker_share share = {0};
    struct query query = *how;
    int64_t end = deadline_in(WORKER_QUERY_MS);
    query.deadline = sooner(how->deadline, deadline_in(FIRST_MS));
    int got = worker_query(ctx, uuid, &query, status, conn, &why);
    if (got < 0 && why.status == ML_BUSY) {
        worker_share(ctx, uuid, &share);
        query.deadline = sooner(how->deadline, end);
        got = worker_query(ctx, uuid, &query, status, conn, &why);
    }
    if (got >= 0)
        return got;
    bool silent =
        why.status == ML_BUSY && end <= how->deadline && !worker_starves(ctx, uuid, &share);
    if ((silent || strcmp(why.code, "bad_answer") == 0) && !worker_starting(ctx, uuid) &&
        !is_leaving(ctx, uuid))
        got = WORKER_HANGS;
    if (err != NULL)
        *err = why;
    return got;
}

int worker_not_loaded(const char *uuid, struct ml_error *err)
{
    ml_error_set(err, ML_NOT_LOADED, NULL, "%s is not loaded", uuid);
    return ml_error_hint(err, "see what is: modload ps");
}

static bool is_kept(struct ml_ctx *ctx, const char *uuid)
{
    AUTO_CLOSE int keeper = keeper_pidfd(ctx, uuid);
    return keeper >= 0;
}

/* What does not answer is there all the same. Which process it is tells the kernel. */
static int look_at(struct ml_ctx *ctx, const char *uuid, struct ml_worker_status *ret,
                   struct ml_error *err)
{
    const struct query query = {deadline_in(LOOK_MS), -1, false};
    struct ml_error why = ML_ERROR_INIT;
    int there = worker_query(ctx, uuid, &query, ret, NULL, &why);
    if (there < 0 && why.status != ML_BUSY) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (there <= 0) {
        *ret = (struct ml_worker_status){.answers = false};
        ml_key_from_uuid(uuid, &ret->key, NULL);
        there = worker_pid(ctx, uuid, &ret->pid) > 0;
    }
    ret->kept = there > 0 && is_kept(ctx, uuid);
    return there > 0;
}

int ml_worker_query(struct ml_ctx *ctx, const struct ml_key *key, struct ml_worker_status *status,
                    struct ml_error *err)
{
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    int there = ctx_runtime(ctx, false, err);
    if (there <= 0)
        return there;
    if (!worker_starting(ctx, uuid))
        return look_at(ctx, uuid, status, err);
    ml_error_set(err, ML_BUSY, "starting", "the worker of %s is still starting", uuid);
    return ml_error_hint(err, "wait until it is loaded: modload load %s", uuid);
}

/* One worker of a list. What does not answer, or makes no sense, must not hide the others. */
static int visit_worker(struct ml_ctx *ctx, const char *uuid,
                        int (*each)(const struct ml_worker_status *status, void *arg), void *arg)
{
    struct ml_worker_status worker;
    int there = worker_starting(ctx, uuid) ? -1 : look_at(ctx, uuid, &worker, NULL);
    if (there == 0 && !worker_alive(ctx, uuid))
        return 0;
    if (there <= 0) {
        worker = (struct ml_worker_status){.kept = is_kept(ctx, uuid)};
        ml_key_from_uuid(uuid, &worker.key, NULL);
        worker_pid(ctx, uuid, &worker.pid);
    }
    return each(&worker, arg);
}

/* Their lock files are the list: a worker holds its own, whatever else was taken away. One that was
 * left is held by nobody; a worker that began or left since is a matter of when one looked. */
int ml_workers(struct ml_ctx *ctx, int (*each)(const struct ml_worker_status *status, void *arg),
               void *arg, struct ml_error *err)
{
    BUF_AUTO uuids = BUF_INIT;
    int status = ctx_runtime(ctx, false, err);
    if (status > 0)
        status = run_list(ctx, ".lock", &uuids, err);
    for (size_t i = 0; status == 0 && i < uuids.len; i += ML_UUID_SIZE)
        status = visit_worker(ctx, uuids.data + i, each, arg);
    return status;
}
