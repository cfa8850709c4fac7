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
    END_MS = 500, /* between a worker's last descriptor and its last breath */
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
    /* Where reports go: a worker's own stderr is nowhere. */
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

/* 0, or an errno, as the posix_spawn functions return it; several failures are or-ed, and then only
 * say that something failed. `high` is the caller's to close. */
static int add_actions(posix_spawn_file_actions_t *actions, const int fds[], int high[])
{
    int failed = 0;
    for (int fd = 0; fd < 3; fd++)
        failed |= posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
    for (int i = 0; i < WORKER_FD_END - WORKER_FD_LOCK; i++) {
        high[i] = move_high(fds[i]);
        failed |= high[i] < 0
                      ? errno
                      : posix_spawn_file_actions_adddup2(actions, high[i], WORKER_FD_LOCK + i);
    }
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
static int spawn_worker(const char *uuid, const char *bundle, const int fds[], pid_t *pid,
                        struct ml_error *err)
{
    AUTO_FREE char *path = prefix_path("libexec/modload/modload-worker");
    if (path == NULL)
        return ml_error_set(err, ML_CANT_CREATE, NULL, "cannot tell where modload is installed");
    static char name[] = "modload-worker";
    char starter[16];
    snprintf(starter, sizeof starter, "%d", (int)getpid());
    char *argv[] = {name, (char *)(uintptr_t)uuid, (char *)(uintptr_t)bundle, starter, NULL};
    char *env[8], tz[256];
    int high[WORKER_FD_END - WORKER_FD_LOCK];
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
    for (size_t i = 0; i < sizeof high / sizeof *high; i++)
        if (high[i] >= 0)
            close(high[i]);
    if (failed)
        return ml_error_errno(err, ML_CANT_CREATE, failed, "cannot start '%s'", path);
    return 0;
}

/* The worker said nothing and is gone: its end is the reason. A constructor or IFUNC resolver did
 * it. */
static int died_early(pid_t pid, struct ml_error *err)
{
    int status;
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (poll(&ended, 1, END_MS) <= 0)
        kill(pid, SIGKILL); /* not dead: a constructor has closed the channel, and stays */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return ml_error_errno(err, ML_NOT_LOADED, errno,
                                  "the worker went away while it started");
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
static int wait_ready(pid_t pid, int ready, const struct start_limits *limits, struct ml_error *err)
{
    struct wire_head head;
    struct ml_value none = {0};
    BUF_AUTO answer = BUF_INIT;
    int64_t deadline = limits->timeout_ms > 0 ? clock_ms() + limits->timeout_ms : -1;
    int got = wire_receive(ready, &head, &answer, NULL, NULL, limits->cancel_fd, deadline);
    if (got == 0)
        return died_early(pid, err);
    if (got < 0) {
        int errnum = errno;
        kill_worker(pid);
        return start_given_up(errnum, limits->timeout_ms, err);
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

/* The lock last: as soon as it is gone, the next starter may bind new sockets under the same names.
 */
void worker_remove_files(struct ml_ctx *ctx, const char *uuid)
{
    for (int file = RUN_CALL; file >= RUN_LOCK; file--) {
        char name[RUN_NAME_SIZE];
        run_file_name(uuid, (enum run_file)file, name);
        unlinkat(ctx->run_fd, name, 0);
    }
}

/* The entry is looked up here, under the worker's lock: what it points at now is what is loaded. A
 * worker that fails to be spawned leaves sockets, which worker_start() removes. */
static int start(struct ml_ctx *ctx, const char *uuid, int lock_fd,
                 const struct start_limits *limits, pid_t *pid, struct ml_error *err)
{
    struct store *store;
    char bundle[STORE_BUNDLE_SIZE];
    if (ctx_store(ctx, false, &store, err) < 0 || store_lookup(store, uuid, bundle, err) < 0)
        return -1;
    AUTO_CLOSE int bundle_fd = store_bundle_open(store, bundle, err);
    AUTO_CLOSE int control = bundle_fd < 0 ? -1 : listen_at(ctx, uuid, RUN_CONTROL, err);
    AUTO_CLOSE int call = control < 0 ? -1 : listen_at(ctx, uuid, RUN_CALL, err);
    int pair[2];
    if (call < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return ml_error_errno(err, 0, errno, "cannot start a worker");
    AUTO_CLOSE int ready = pair[0];
    AUTO_CLOSE int theirs = pair[1];
    const int fds[] = {lock_fd, control, call, theirs, bundle_fd, ctx->run_fd};
    if (spawn_worker(uuid, bundle, fds, pid, err) < 0)
        return -1;
    close(steal_fd(&theirs)); /* so that its death is an end of file */
    return wait_ready(*pid, ready, limits, err);
}

int worker_start(struct ml_ctx *ctx, const char *uuid, int lock_fd,
                 const struct start_limits *limits, pid_t *pid, struct ml_error *err)
{
    int status = start(ctx, uuid, lock_fd, limits, pid, err);
    if (status < 0)
        worker_remove_files(ctx, uuid); /* we still hold the lock: nobody else is starting one */
    return status;
}
