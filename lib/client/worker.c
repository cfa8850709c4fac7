/* The life of workers, seen from outside: are they there, start them, end them. Two things decide
 * and nothing else does: the flock on the lock file says whether a worker lives, its own answer
 * says what it is. No pid is ever read from a file, so none can be outdated. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "client/start.h"
#include "client/wire.h"

enum {
    /* A worker runs no plugin code after its start: it answers at once, or it is stopped. */
    QUERY_MS = 2000,
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

/* Whether nobody listens: the socket is missing, or was left by a dead worker. */
static bool nobody(int errnum)
{
    return errnum == ENOENT || errnum == ECONNREFUSED || errnum == ECONNRESET || errnum == EPIPE;
}

/* 1, or 2 when it is draining. Its texts are not trusted to have a NUL: a plugin's code shares the
 * worker's memory. */
static int read_status(const struct buf *payload, struct ml_worker_status *ret,
                       struct ml_error *err)
{
    struct wire_status in;
    if (payload->len != sizeof in)
        return ml_error_set(err, ML_PROTOCOL, NULL, "the worker sent an answer that is none");
    memcpy(&in, payload->data, sizeof in);
    *ret = (struct ml_worker_status){
        .answers = true,
        .pid = in.pid,
        .uptime_ms = in.uptime_ms,
        .calls = in.calls,
        .ok = in.ok,
        .errors = in.errors,
        .crashes = in.crashes,
        .timeouts = in.timeouts,
        .cancelled = in.cancelled,
        .rejected = in.rejected,
        .memory_kib = in.memory_kib,
    };
    snprintf(ret->bundle, sizeof ret->bundle, "%.*s", ML_BUNDLE_ID_SIZE - 1, in.bundle);
    snprintf(ret->plugin, sizeof ret->plugin, "%.*s", ML_NAME_SIZE - 1, in.plugin);
    snprintf(ret->version, sizeof ret->version, "%.*s", ML_VERSION_SIZE - 1, in.version);
    return in.draining ? 2 : 1;
}

/* Says why from errno. There is a worker, since its socket took us, so it is never "not loaded". */
static int no_answer(const char *uuid, struct ml_error *err)
{
    if (errno == EPROTONOSUPPORT) {
        ml_error_set(err, ML_PROTOCOL, NULL, "the worker of %s is of another version of modload",
                     uuid);
        return ml_error_hint(err, "end it with the modload that started it");
    }
    ml_error_errno(err, ML_BUSY, errno, "the worker of %s does not answer", uuid);
    return ml_error_hint(err, "is it stopped, or the machine very busy? try again");
}

int worker_query(struct ml_ctx *ctx, const char *uuid, int64_t deadline,
                 struct ml_worker_status *status, int *conn, struct ml_error *err)
{
    struct wire_head head;
    BUF_AUTO answer = BUF_INIT;
    AUTO_CLOSE int fd = run_connect(ctx, uuid, RUN_CONTROL);
    if (fd < 0)
        return nobody(errno) ? 0 : no_answer(uuid, err);
    int got = wire_send(fd, WIRE_QUERY, NULL, 0, NULL, 0) < 0
                  ? -1
                  : wire_receive(fd, &head, &answer, NULL, NULL, -1, deadline);
    if (got == 0 || (got < 0 && nobody(errno)))
        return 0; /* it died before it got to us */
    if (got < 0)
        return no_answer(uuid, err);
    if ((got = read_status(&answer, status, err)) < 0)
        return -1;
    ml_key_from_uuid(uuid, &status->key, NULL);
    if (conn != NULL)
        *conn = steal_fd(&fd);
    return got;
}

int ml_worker_query(struct ml_ctx *ctx, const struct ml_key *key, struct ml_worker_status *status,
                    struct ml_error *err)
{
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    int runtime = ctx_runtime(ctx, false, err);
    if (runtime > 0)
        runtime = worker_query(ctx, uuid, deadline_in(QUERY_MS), status, NULL, err);
    return runtime > 0 ? 1 : runtime;
}

/* One worker of a list. What does not answer is there all the same, and must not hide the others.
 */
static int visit_worker(struct ml_ctx *ctx, const char *uuid,
                        int (*each)(const struct ml_worker_status *status, void *arg), void *arg)
{
    struct ml_worker_status worker = {.answers = false};
    int got = worker_query(ctx, uuid, deadline_in(LIST_MS), &worker, NULL, NULL);
    if (got == 0)
        return 0;
    if (got < 0)
        ml_key_from_uuid(uuid, &worker.key, NULL);
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

/* ---- loading ---- */

/* Takes the worker's lock: 1; 0 when another process has it. A file that was unlinked between our
 * open and our lock is a ghost that nobody else will look at, so then again. The loop ends: each
 * turn means that some other worker came or went in that moment. */
static int take_lock(struct ml_ctx *ctx, const char *uuid, int *ret_fd, struct ml_error *err)
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

/* One try. 1: started; 0: there is one; -1; 2: another process is at it, or a worker is just
 * leaving. The lock is tried before the socket is asked: a worker that hangs while it starts
 * listens already, but would answer nobody. The lock stays open here until worker_start() returns;
 * from then on the worker's copy holds it, since flock belongs to the open file, not to the
 * descriptor (flock(2)). */
static int try_load(struct ml_ctx *ctx, const char *uuid, const struct start_limits *limits,
                    int64_t deadline, pid_t *pid, struct ml_error *err)
{
    struct ml_worker_status status;
    AUTO_CLOSE int lock = -1;
    int locked = take_lock(ctx, uuid, &lock, err);
    if (locked < 0)
        return -1;
    if (locked)
        return worker_start(ctx, uuid, lock, limits, pid, err) < 0 ? -1 : 1;
    int there = worker_query(ctx, uuid, deadline, &status, NULL, err);
    if (there < 0)
        return -1;
    if (there != 1)
        return 2;
    *pid = status.pid;
    return 0;
}

/* Waits for others with pauses that double up to 16 ms: a start takes a few milliseconds, and flock
 * can be polled for only by trying. QUERY_MS more than the time limit, so that whoever waits for
 * another's start does not give up before that does. */
int ml_load(struct ml_ctx *ctx, const struct ml_key *key, int64_t timeout_ms, int cancel_fd,
            pid_t *pid, struct ml_error *err)
{
    char uuid[ML_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    struct store *store;
    struct start_limits limits = {timeout_ms, cancel_fd};
    pid_t started = 0;
    ml_key_to_uuid(key, uuid);
    if (ctx_store(ctx, false, &store, err) < 0 || store_lookup(store, uuid, bundle, err) < 0 ||
        ctx_runtime(ctx, true, err) < 0)
        return -1;
    int64_t deadline = deadline_in(timeout_ms > 0 ? timeout_ms + QUERY_MS : RELEASE_MS);
    int status;
    for (int pause = 1; (status = try_load(ctx, uuid, &limits, deadline, &started, err)) == 2;) {
        if (clock_ms() >= deadline)
            return ml_error_set(err, ML_BUSY, NULL, "another process is loading or releasing %s",
                                uuid);
        clock_sleep_ms(pause);
        pause = pause < 16 ? pause * 2 : 16;
    }
    if (status >= 0 && pid != NULL)
        *pid = started;
    return status;
}

/* ---- releasing ---- */

/* The same words as of a call, but another hint: who releases wants to know what there is. */
static int not_loaded(const char *uuid, struct ml_error *err)
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
        return no_answer(uuid, err);
    }
    if (got < 0 && errno == ETIMEDOUT && mode == ML_RELEASE_DRAIN)
        return 1;
    errno = got > 0 ? EPROTO : errno;
    return got == 0 || (got < 0 && nobody(errno)) ? not_loaded(uuid, err) : no_answer(uuid, err);
}

/* A worker that was killed could not remove its files. Who was asked to end it may. */
static void sweep_dead(struct ml_ctx *ctx, const char *uuid)
{
    char name[RUN_NAME_SIZE];
    AUTO_CLOSE int lock = -1;
    run_file_name(uuid, RUN_LOCK, name);
    if (faccessat(ctx->run_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
        take_lock(ctx, uuid, &lock, NULL) == 1)
        worker_remove_files(ctx, uuid);
}

/* One connection for question and order: both reach the same worker, even if another one is started
 * meanwhile. */
int ml_release(struct ml_ctx *ctx, const struct ml_key *key, enum ml_release_mode mode,
               struct ml_error *err)
{
    uint32_t wanted = mode;
    char uuid[ML_UUID_SIZE];
    struct ml_worker_status status;
    AUTO_CLOSE int conn = -1;
    ml_key_to_uuid(key, uuid);
    int there = ctx_runtime(ctx, false, err);
    if (there > 0) {
        there = worker_query(ctx, uuid, deadline_in(QUERY_MS), &status, &conn, err);
        if (there == 0)
            sweep_dead(ctx, uuid);
    }
    if (there <= 0)
        return there < 0 ? -1 : not_loaded(uuid, err);
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, status.pid, 0);
    if (wire_send(conn, WIRE_RELEASE, &wanted, sizeof wanted, NULL, 0) < 0)
        return nobody(errno) ? not_loaded(uuid, err) : no_answer(uuid, err);
    return wait_gone(uuid, conn, pidfd, mode, err);
}
