/* Having workers started: one for an entry, whoever asks, and another one in its place. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "client/start.h"
#include "client/wire.h"

/* Without a time limit of its own, who waits for somebody else's start gives up some day. */
enum { OTHERS_MS = 10000, TAIL_MS = 50 };

/* The loop ends: each turn means that some other worker came or went in that moment. A file that
 * was unlinked between our open and our lock is a ghost that nobody else will look at. */
int worker_lock(struct ml_ctx *ctx, const char *uuid, int *ret_fd, struct ml_error *err)
{
    char name[RUN_NAME_SIZE];
    run_file_name(uuid, RUN_LOCK, name);
    for (;;) {
        struct stat here, there;
        AUTO_CLOSE int fd =
            openat(ctx->run_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
            return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot open '%s/%s'", ctx->run_path,
                                  name);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return errno == EWOULDBLOCK
                       ? 0
                       : ml_error_errno(err, ML_IO, errno, "cannot lock '%s'", name);
        if (fstat(fd, &here) == 0 && fstatat(ctx->run_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
            here.st_ino == there.st_ino) {
            *ret_fd = steal_fd(&fd);
            return 1;
        }
    }
}

/* One try. 1: done; 0: there is one already; -1; 2: another process is at it, or a worker is just
 * leaving. */
typedef int try_fn(struct ml_ctx *ctx, const char *uuid, const struct ml_start *how,
                   int64_t deadline, pid_t *pid, struct ml_error *err);

static bool has_name(struct ml_ctx *ctx, const char *uuid, enum run_file file)
{
    char name[RUN_NAME_SIZE];
    run_file_name(uuid, file, name);
    return faccessat(ctx->run_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether a worker holds the lock that nobody can ask any more, since its control socket has lost
 * its name. One that leaves takes away that one last but the lock, and is gone in the next moment;
 * nothing is lost if it should be killed in that. */
static bool is_cut_off(struct ml_ctx *ctx, const char *uuid)
{
    AUTO_CLOSE int pidfd = worker_pidfd(ctx, uuid);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || has_name(ctx, uuid, RUN_CONTROL) || worker_starting(ctx, uuid))
        return false;
    return has_name(ctx, uuid, RUN_CALL) || poll(&ended, 1, TAIL_MS) == 0;
}

/* What worker_ask() did not get an answer from: one that hangs is ended, so that the next try
 * starts another one. */
static int ask_again(struct ml_ctx *ctx, const char *uuid, int there, const struct ml_error *why,
                     struct ml_error *err)
{
    if (there == WORKER_HANGS && why->status == ML_BUSY)
        return worker_end(ctx, uuid, err) < 0 ? -1 : 2;
    if (why->status == ML_BUSY)
        return 2;
    if (err != NULL)
        *err = *why;
    return -1;
}

/* The lock is tried before the socket is asked: a worker that hangs while it starts listens
 * already, but would answer nobody. The lock stays open here until worker_start() returns; from
 * then on the worker's copy holds it, since flock belongs to the open file, not to the descriptor
 * (flock(2)). */
static int try_load(struct ml_ctx *ctx, const char *uuid, const struct ml_start *how,
                    int64_t deadline, pid_t *pid, struct ml_error *err)
{
    struct ml_worker_status status;
    struct ml_error why = ML_ERROR_INIT;
    const struct query query = {deadline, how->cancel_fd, true};
    AUTO_CLOSE int lock = -1;
    int locked = worker_lock(ctx, uuid, &lock, err);
    if (locked < 0)
        return -1;
    if (locked)
        return worker_start(ctx, uuid, lock, how, pid, err) < 0 ? -1 : 1;
    if (worker_starting(ctx, uuid))
        return 2;
    int there = worker_ask(ctx, uuid, &query, &status, NULL, &why);
    if (there == 1)
        *pid = status.pid;
    if (there == 0 && is_cut_off(ctx, uuid))
        return worker_end(ctx, uuid, err) < 0 ? -1 : 2;
    if (there >= 0)
        return there == 1 ? 0 : 2;
    return ask_again(ctx, uuid, there, &why, err);
}

/* Whether the worker lets us take its place now: 1; 0 when another reload is at it, or it is just
 * going. One that asks gets an answer at once. */
static int ask_turn(int old)
{
    struct wire_head head;
    uint32_t granted = 0;
    BUF_AUTO answer = BUF_INIT;
    if (wire_send(old, WIRE_RELOAD, NULL, 0, NULL, 0) < 0 ||
        wire_receive(old, &head, &answer, NULL, NULL, -1, clock_ms() + WORKER_QUERY_MS) <= 0 ||
        head.type != WIRE_TURN || answer.len != sizeof granted)
        return 0;
    memcpy(&granted, answer.data, sizeof granted);
    return granted == 1;
}

/* The entry is looked up when it is our turn: of two reloads the one that comes last has also
 * looked last. A worker of another version says so before it is asked anything that it would not
 * understand, and cannot hand over. That there is no worker is found out without the lock, so the
 * load that follows may find one; it was started after we were asked for one, and is as new as ours
 * would be. */
static int try_reload(struct ml_ctx *ctx, const char *uuid, const struct ml_start *how,
                      int64_t deadline, pid_t *pid, struct ml_error *err)
{
    struct ml_worker_status status;
    const struct query query = {deadline, how->cancel_fd, false};
    AUTO_CLOSE int old = -1;
    struct ml_error why = ML_ERROR_INIT;
    int there = worker_starting(ctx, uuid) ? 0 : worker_ask(ctx, uuid, &query, &status, &old, &why);
    if (there < 0 && why.status == ML_PROTOCOL)
        return worker_end(ctx, uuid, err) < 0 ? -1 : 2;
    if (there < 0)
        return ask_again(ctx, uuid, there, &why, err);
    if (there == 0)
        return try_load(ctx, uuid, how, deadline, pid, err);
    if (there == 2 || !ask_turn(old))
        return 2;
    struct ml_start as_before = *how;
    if (as_before.idle_ms == 0)
        as_before.idle_ms = (int64_t)status.idle_limit_ms;
    struct worker_share share = {0};
    worker_share(ctx, uuid, &share);
    int replaced = worker_replace(ctx, uuid, old, &as_before, pid, err);
    if (replaced == 2 && !worker_starves(ctx, uuid, &share))
        return worker_end(ctx, uuid, err) < 0 ? -1 : 2;
    return replaced == 0 ? 1 : replaced > 0 ? 2 : -1;
}

/* A pause between two tries. -1: it was cancelled. */
static int rest(const struct ml_start *how, int pause_ms, struct ml_error *err)
{
    struct pollfd p = {.fd = how->cancel_fd, .events = POLLIN};
    if (poll(&p, 1, pause_ms) <= 0)
        return 0;
    return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
}

/* Waits for others with pauses that double up to 16 ms: a start takes a few milliseconds, and flock
 * can be polled for only by trying. WORKER_QUERY_MS more than the time limit, so that whoever waits
 * for another's start does not give up before that does. The entry is looked at first, so that what
 * is not registered is told whatever runs. */
static int insist(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_start *how,
                  try_fn *each, pid_t *pid, struct ml_error *err)
{
    char uuid[ML_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    struct store *store;
    pid_t started = 0;
    ml_key_to_uuid(key, uuid);
    if (ctx_store(ctx, false, &store, err) < 0 ||
        (how->bundle == NULL && store_lookup(store, uuid, bundle, err) < 0) ||
        ctx_runtime(ctx, true, err) < 0)
        return -1;
    int64_t deadline =
        clock_ms() + (how->timeout_ms > 0 ? how->timeout_ms + WORKER_QUERY_MS : OTHERS_MS);
    int status;
    for (int pause = 1; (status = each(ctx, uuid, how, deadline, &started, err)) == 2;) {
        if (clock_ms() >= deadline)
            return ml_error_set(err, ML_BUSY, NULL, "another process is loading or releasing %s",
                                uuid);
        if (rest(how, pause, err) < 0)
            return -1;
        pause = pause < 16 ? pause * 2 : 16;
    }
    if (status >= 0 && pid != NULL)
        *pid = started;
    return status;
}

int ml_load(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_start *how, pid_t *pid,
            struct ml_error *err)
{
    return insist(ctx, key, how, try_load, pid, err);
}

int ml_reload(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_start *how, pid_t *pid,
              struct ml_error *err)
{
    return insist(ctx, key, how, try_reload, pid, err) < 0 ? -1 : 0;
}
