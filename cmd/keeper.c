/* A keeper is this program once more: forked, not executed, so that it is as small as this one is
 * by then, and away from everything that its caller has. */
#include "cmd/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/sys.h"

/* A session of its own: no terminal, no signals from one. Only `ready` stays open, for its sake
 * moved to 3. -1 when any of it fails: a keeper that holds its caller's pipe would keep it open for
 * days. */
static int leave_caller(int ready)
{
    int null = open("/dev/null", O_RDWR);
    if (setsid() < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return -1;
    if (ready != 3 && dup3(ready, 3, O_CLOEXEC) < 0)
        return -1;
    umask(077);
    return sys_close_range(4, ~0U, 0);
}

/* What ml_release() sends, and what a shutdown sends to everybody, as an event. Nothing is ignored
 * that our caller may have ignored. */
static int watch_for_end(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        signal(signals[i], SIG_DFL);
        sigaddset(&set, signals[i]);
    }
    sigprocmask(SIG_SETMASK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The context is a new one: this is another process now. The runtime directory is looked for before
 * the working directory is left, since a path may be relative. That another process keeps it
 * already is told as if it were us. */
static _Noreturn void be_keeper(const struct ml_key *key, struct ml_start how, int ready)
{
    struct ml_ctx_options options = {.wait_ms = DEFAULT_WAIT_MS,
                                     .command = "modload load --restart"};
    struct ml_worker_status worker;
    struct ml_ctx *ctx;
    if (leave_caller(ready) < 0 || (how.cancel_fd = watch_for_end()) < 0 ||
        ml_ctx_new(&options, &ctx, NULL) < 0)
        _exit(1);
    ml_worker_query(ctx, key, &worker, NULL);
    if (chdir("/") < 0)
        _exit(1);
    int status = ml_keep(ctx, key, &how, 3, NULL);
    if (status == 1 && write(3, "", 1) < 0)
        _exit(1);
    ml_ctx_free(ctx);
    _exit(status < 0);
}

/* Waits until it is in place, so that what was asked for holds when the command has ended. */
int start_keeper(struct invocation *in, const struct ml_key *key, const struct ml_start *how)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return ml_error_errno(&in->err, 0, errno, "cannot start a keeper");
    AUTO_CLOSE int ready = ends[0];
    pid_t pid = fork();
    if (pid == 0)
        be_keeper(key, *how, ends[1]);
    close(ends[1]);
    if (pid < 0)
        return ml_error_errno(&in->err, ML_LIMIT, errno, "cannot start a keeper");
    ssize_t n;
    while ((n = read(ready, &byte, 1)) < 0 && errno == EINTR)
        continue;
    return n == 1
               ? 0
               : ml_error_set(&in->err, ML_CANT_CREATE, NULL, "the keeper cannot watch the worker");
}
