/* Starting a worker. All that can fail before it exists is done here, in the starter: the lock is
 * taken, the sockets listen, the bundle is open. The worker gets them as descriptors, so it opens
 * no path of the registry or the runtime directory by itself, and clients may queue at its sockets
 * while it still maps the plugin. */
#include "client/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/prefix.h"
#include "base/scope.h"
#include "client/wire.h"

/* as many callers as may wait for one worker; net.core.somaxconn (4096 since Linux 5.4) caps it */
enum {
    BACKLOG = 4096,
    END_MS = 500,              /* between a worker's last descriptor and its last breath */
    SPAWN_FDS = WORKER_FD_END, /* 0, 1, 2 and those of start.h */
};

/* A listening socket in place of one that a dead worker left. The caller holds the worker's lock.
 * So whatever has the name is dead, and unlinking it hits nobody. The directory is ours alone
 * (0700), so the socket's own mode does not matter. */
static int listen_at(struct ml_ctx *ctx, const char *uuid, enum run_file file, struct ml_error *err)
{
    char name[RUN_NAME_SIZE];
    struct sockaddr_un addr;
    run_file_name(uuid, file, name);
    unlinkat(ctx->run_fd, name, 0);
    run_address(ctx, uuid, file, &addr);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, BACKLOG) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot listen at '%s/%s'", ctx->run_path,
                              name);
    return steal_fd(&fd);
}

/* What a worker, and so a plugin, sees of the environment: nothing of the caller's but its time
 * zone. LD_PRELOAD, GLIBC_TUNABLES and their like would decide what code runs beside the plugin;
 * secrets in the caller's environment are none of its business; and a worker must not differ by who
 * happened to load it first. A zone that does not fit is left out. */
static void worker_environment(char *env[8], char tz[256])
{
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lang[] = "LANG=C.UTF-8";
    size_t n = 0;
    env[n++] = path;
    env[n++] = lang;
    const char *zone = getenv("TZ");
    if (zone != NULL && snprintf(tz, 256, "TZ=%s", zone) < 256)
        env[n++] = tz;
#ifdef __SANITIZE_ADDRESS__
    /* Where reports go: a log has no room for them. */
    static char options[3][512];
    static const char *const names[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && snprintf(options[i], 512, "%s=%s", names[i], value) < 512)
            env[n++] = options[i];
    }
#endif
    env[n] = NULL;
}

/* Copies `from` to where the targets of later dup2 calls cannot hit it: dup2(2) silently closes
 * what has the target's number. */
static int move_high(int from)
{
    return fcntl(from, F_DUPFD_CLOEXEC, WORKER_FD_END);
}

/* `fds` has what shall be 0, 1, 2 ... there. 0, or an errno, as the posix_spawn functions return
 * it; several failures are or-ed, and then only say that something failed. `high` is the caller's
 * to close. */
static int add_actions(posix_spawn_file_actions_t *actions, const int fds[], int high[])
{
    int failed = 0;
    for (int i = 0; i < SPAWN_FDS; i++)
        high[i] = move_high(fds[i]);
    for (int i = 0; i < SPAWN_FDS; i++)
        failed |= high[i] < 0 ? EMFILE : posix_spawn_file_actions_adddup2(actions, high[i], i);
    return failed;
}

/* A new session, no signal ignored or blocked, whatever the caller had. The session keeps Ctrl-C at
 * the caller's terminal from it. SIGKILL and SIGSTOP cannot be set to anything (sigaction(2),
 * EINVAL), so they are not asked for. */
static int add_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    return posix_spawnattr_setsigmask(attr, &none) | posix_spawnattr_setsigdefault(attr, &all) |
           posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
}

/* posix_spawn, not fork: the caller may have threads, and much memory, whose page tables a fork
 * would copy. The starter's pid goes along for PR_SET_PDEATHSIG's race (worker/main.c: settle). */
static int spawn_worker(const char *uuid, const char *bundle, const char *kind, int64_t idle_ms,
                        const int fds[], pid_t *pid, struct ml_error *err)
{
    AUTO_FREE char *path = prefix_path("libexec/modload/modload-worker");
    if (path == NULL)
        return ml_error_set(err, ML_CANT_CREATE, NULL, "cannot tell where modload is installed");
    static char name[] = "modload-worker";
    char starter[16], idle[24];
    snprintf(starter, sizeof starter, "%d", (int)getpid());
    snprintf(idle, sizeof idle, "%lld", (long long)idle_ms);
    char *argv[] = {name,    (char *)(uintptr_t)uuid, (char *)(uintptr_t)bundle,
                    starter, (char *)(uintptr_t)kind, idle,
                    NULL};
    char *env[8], tz[256];
    int high[SPAWN_FDS];
    memset(high, -1, sizeof high);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    worker_environment(env, tz);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    int failed = add_actions(&actions, fds, high) | add_attributes(&attr);
    if (!failed)
        failed = posix_spawn(pid, path, &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < SPAWN_FDS; i++)
        if (high[i] >= 0)
            close(high[i]);
    if (failed)
        return ml_error_errno(err, ML_CANT_CREATE, failed, "cannot start '%s'", path);
    return 0;
}

/* The worker said nothing and is gone: its end is the reason. A constructor or IFUNC resolver did
 * it; but SIGKILL is what others send: a release, the kernel when memory is out. */
static int died_early(pid_t pid, struct ml_error *err)
{
    int status;
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    bool stays = poll(&ended, 1, END_MS) <= 0;
    if (stays)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return ml_error_errno(err, ML_NOT_LOADED, errno,
                                  "the worker went away while it started");
    if (stays)
        return ml_error_set(err, ML_SIGNAL + SIGKILL, NULL,
                            "the plugin closed the worker's descriptors while it was mapped");
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return ml_error_set(err, ML_NOT_LOADED, "worker_gone",
                            "the worker was killed while it started");
    if (WIFSIGNALED(status))
        return ml_error_set(err, ML_SIGNAL + WTERMSIG(status), NULL,
                            "the plugin crashed the worker while it was mapped: %s",
                            strsignal(WTERMSIG(status)));
    return ml_error_set(err, ML_FAILED, "plugin_error",
                        "the plugin ended the worker while it was mapped: exit status %d",
                        WEXITSTATUS(status));
}

static void kill_worker(pid_t pid)
{
    kill(pid, SIGKILL); /* our own child, not yet waited for: the number is still its own */
    waitpid(pid, NULL, 0);
}

/* Anything else than the two is a worker that talks nonsense: a plugin's constructor may have
 * written to its descriptors. */
static int start_given_up(int errnum, int64_t timeout_ms, struct ml_error *err)
{
    if (errnum == ETIMEDOUT)
        return ml_error_set(err, ML_TIMEOUT, NULL, "the plugin was not ready within %lld ms",
                            (long long)timeout_ms);
    if (errnum == ECANCELED)
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
    return ml_error_errno(err, ML_PROTOCOL, errnum, "the worker sent nothing sensible");
}

/* The worker's first word. Where it is an error, or nothing, the worker is reaped here, so that
 * when this returns -1 its lock is gone and the number is nobody's. */
static int wait_ready(pid_t pid, int ready, const struct ml_start *how, struct ml_error *err)
{
    struct wire_head head;
    struct ml_value none = {0};
    BUF_AUTO answer = BUF_INIT;
    int64_t deadline = how->timeout_ms > 0 ? clock_ms() + how->timeout_ms : -1;
    int got = wire_receive(ready, &head, &answer, NULL, NULL, how->cancel_fd, deadline);
    if (got == 0)
        return died_early(pid, err);
    if (got < 0) {
        int errnum = errno;
        kill_worker(pid);
        return start_given_up(errnum, how->timeout_ms, err);
    }
    if (head.type != WIRE_OUTCOME) {
        kill_worker(pid);
        return start_given_up(EPROTO, 0, err);
    }
    int status = wire_get_outcome(&answer, &none, err);
    if (status < 0)
        kill_worker(pid); /* it is on its way out; or a constructor wrote that, and stays */
    return status;
}

/* ---- its log ---- */

/* What the starter keeps of it: the log's files, and both ends of the pipe that is the worker's
 * standard output and error. Nobody reads there before the worker is ready, and nobody may have to:
 * neither end blocks, so what does not fit is lost to who writes it. */
struct record {
    struct log log;
    int read_fd, write_fd;
};

static void record_close(struct record *r)
{
    log_close(&r->log);
    scope_close(&r->read_fd);
    scope_close(&r->write_fd);
}

static int open_log(struct ml_ctx *ctx, const char *uuid, enum run_file file, int flags,
                    struct ml_error *err)
{
    char name[RUN_NAME_SIZE];
    run_file_name(uuid, file, name);
    int fd = openat(ctx->run_fd, name, flags | O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        ml_error_errno(err, ML_CANT_CREATE, errno, "cannot open '%s/%s'", ctx->run_path, name);
    return fd;
}

int run_log_open(struct ml_ctx *ctx, const char *uuid, struct log *ret, struct ml_error *err)
{
    *ret = (struct log){open_log(ctx, uuid, RUN_LOG, O_APPEND, err), -1};
    if (ret->fd >= 0)
        ret->old_fd = open_log(ctx, uuid, RUN_LOG_OLD, 0, err);
    if (ret->old_fd >= 0)
        return 0;
    log_close(ret);
    return -1;
}

static int record_open(struct ml_ctx *ctx, const char *uuid, struct record *ret,
                       struct ml_error *err)
{
    int output[2];
    if (run_log_open(ctx, uuid, &ret->log, err) < 0)
        return -1;
    if (pipe2(output, O_CLOEXEC | O_NONBLOCK) < 0)
        return ml_error_errno(err, 0, errno, "cannot start a worker");
    ret->read_fd = output[0];
    ret->write_fd = output[1];
    return 0;
}

/* The worker has died, or is no use: what it still had to say may be why. */
static void record_failure(const struct record *r, const struct ml_error *why)
{
    struct log_stream stream = {.n = 0};
    log_drain(&r->log, &stream, r->read_fd);
    log_stream_end(&r->log, &stream);
    log_fmt(&r->log, "fail", "%s", why->message);
}

/* ---- bringing it up ---- */

static int open_bundle(struct ml_ctx *ctx, const char *uuid, const struct ml_start *how,
                       char bundle[ML_BUNDLE_ID_SIZE], struct ml_error *err)
{
    struct store *store;
    if (how->bundle == NULL)
        return ctx_entry_open(ctx, uuid, bundle, err);
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    snprintf(bundle, ML_BUNDLE_ID_SIZE, "%s", how->bundle);
    return store_bundle_open(store, bundle, err);
}

/* Spawns a worker with the descriptors that it shall have, and waits until its plugin is mapped.
 * `*ret_ready` is our end of its READY channel. The entry is looked up here, under the worker's
 * lock, or when it is our turn: what it points at now is what is loaded. */
static int spawn_and_wait(struct ml_ctx *ctx, const char *uuid, const char *kind,
                          const int given[3], const struct record *record,
                          const struct ml_start *how, pid_t *pid, int *ret_ready,
                          struct ml_error *err)
{
    char bundle[ML_BUNDLE_ID_SIZE];
    int pair[2];
    AUTO_CLOSE int bundle_fd = open_bundle(ctx, uuid, how, bundle, err);
    AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (bundle_fd < 0)
        return -1;
    if (null < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return ml_error_errno(err, 0, errno, "cannot start a worker");
    AUTO_CLOSE int ready = pair[0];
    AUTO_CLOSE int theirs = pair[1];
    const int fds[SPAWN_FDS] = {
        null,
        record->write_fd,
        record->write_fd,
        [WORKER_FD_LOCK] = given ? given[0] : null,
        [WORKER_FD_CONTROL] = given ? given[1] : null,
        [WORKER_FD_CALL] = given ? given[2] : null,
        [WORKER_FD_READY] = theirs,
        [WORKER_FD_BUNDLE] = bundle_fd,
        [WORKER_FD_RUN] = ctx->run_fd,
        [WORKER_FD_LOG] = record->log.fd,
        [WORKER_FD_LOG_OLD] = record->log.old_fd,
        [WORKER_FD_OUTPUT] = record->read_fd,
    };
    if (spawn_worker(uuid, bundle, kind, how->idle_ms, fds, pid, err) < 0)
        return -1;
    close(steal_fd(&theirs)); /* so that its death is an end of file */
    if (wait_ready(*pid, ready, how, err) < 0) {
        record_failure(record, err);
        return -1;
    }
    *ret_ready = steal_fd(&ready);
    return 0;
}

/* `given` is lock and sockets, or null: it takes those of another one. */
static int bring_up(struct ml_ctx *ctx, const char *uuid, const int given[3],
                    const struct ml_start *how, pid_t *pid, int *ret_ready, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    struct record record = {{-1, -1}, -1, -1};
    int status = record_open(ctx, uuid, &record, &why);
    if (status == 0)
        status = spawn_and_wait(ctx, uuid, given ? "load" : "reload", given, &record, how, pid,
                                ret_ready, &why);
    record_close(&record);
    if (status < 0 && err != NULL)
        *err = why;
    return status;
}

/* Whoever listens where we are about to has lost his lock file, or we would not hold it: he looks
 * when somebody comes, and leaves (worker/names.c). */
static int start(struct ml_ctx *ctx, const char *uuid, int lock_fd, const struct ml_start *how,
                 pid_t *pid, struct ml_error *err)
{
    AUTO_CLOSE int ready = -1;
    AUTO_CLOSE int mark = worker_mark_start(ctx, uuid, err);
    AUTO_CLOSE int other = run_connect(ctx, uuid, RUN_CONTROL);
    AUTO_CLOSE int control = mark < 0 ? -1 : listen_at(ctx, uuid, RUN_CONTROL, err);
    AUTO_CLOSE int call = control < 0 ? -1 : listen_at(ctx, uuid, RUN_CALL, err);
    if (call < 0)
        return -1;
    return bring_up(ctx, uuid, (int[]){lock_fd, control, call}, how, pid, &ready, err);
}

int worker_start(struct ml_ctx *ctx, const char *uuid, int lock_fd, const struct ml_start *how,
                 pid_t *pid, struct ml_error *err)
{
    int status = start(ctx, uuid, lock_fd, how, pid, err);
    if (status < 0)
        worker_remove_files(ctx, uuid,
                            RUN_CALL); /* we still hold the lock: nobody else is starting one */
    return status;
}

/* ---- in the place of another ---- */

/* The old worker's spare waits for a client, and must not get one any more. It cannot be ended:
 * nobody can tell whether it has just accepted somebody. So it gets a client who hangs up at once.
 * Where a real one is there before us, it goes with him, and ours finds the next spare. A queue
 * that is full, for which we do not wait, is of real ones. Not the worker itself: it would need a
 * socket. */
static void knock(struct ml_ctx *ctx, const char *uuid)
{
    struct sockaddr_un addr;
    run_address(ctx, uuid, RUN_CALL, &addr);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        return; /* done without */
}

/* HAND before the knock, so that the old worker makes no other spare; it answers to whoever then
 * holds the connection. From TAKE on the two are among themselves: if we die, either it has
 * happened or it has not. */
static int switch_over(struct ml_ctx *ctx, const char *uuid, int old, int ready, pid_t pid,
                       struct ml_error *err)
{
    const struct ml_start soon = {.timeout_ms = SWITCH_WAIT_MS + SWITCH_MS, .cancel_fd = -1};
    if (wire_send(old, WIRE_HAND, NULL, 0, NULL, 0) < 0) {
        kill_worker(pid);
        return 1;
    }
    knock(ctx, uuid);
    if (wire_send(ready, WIRE_TAKE, NULL, 0, &old, 1) < 0)
        return died_early(pid, err);
    struct ml_error why = ML_ERROR_INIT;
    int64_t begun = clock_ms();
    if (wait_ready(pid, ready, &soon, &why) == 0)
        return 0;
    if (strcmp(why.code, "worker_gone") == 0)
        return clock_ms() < begun + SWITCH_MS ? 1 : 2;
    if (err != NULL)
        *err = why;
    return -1;
}

int worker_replace(struct ml_ctx *ctx, const char *uuid, int old, const struct ml_start *how,
                   pid_t *pid, struct ml_error *err)
{
    AUTO_CLOSE int ready = -1;
    if (bring_up(ctx, uuid, NULL, how, pid, &ready, err) < 0)
        return -1;
    return switch_over(ctx, uuid, old, ready, *pid, err);
}
