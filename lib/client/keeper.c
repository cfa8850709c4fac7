/* Keeping a worker: one that has died is started again, one that was released, or left by itself,
 * is not. Which of the two it was is seen from what it left: who leaves takes his sockets away,
 * both. A keeper holds neither the worker's lock nor its sockets, only a pidfd; so there is no
 * moment in which a dead worker looks alive because of it. */
#include "client/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/signal-word.h"
#include "client/start.h"

enum {
    PAUSE_MIN_MS = 100, /* before a start; doubles with each */
    PAUSE_MAX_MS = 10000,
    STARTS_MAX = 5, /* within WINDOW_MS: then it gives up */
    WINDOW_MS = 60000,
    AGAIN_MS = 20,   /* between two looks at a worker that is just changing */
    ANSWER_MS = 300, /* what a worker has to say that it is ready */
    END_MS = 2000,   /* what a keeper has to end when it is told to */
};

struct keeper {
    struct ml_ctx *ctx;
    const struct ml_key *key;
    const struct ml_start *how;
    char uuid[ML_UUID_SIZE];
    int file; /* with our record lock on it */
    int64_t start[STARTS_MAX];
    size_t n_starts;
    int64_t pause_ms;
    int signal; /* that ended the last worker; 0: that is not known */
    bool died;  /* and there is nobody in its place yet */
};

/* ---- who is one ---- */

int keeper_pidfd(struct ml_ctx *ctx, const char *uuid)
{
    return run_holder(ctx, uuid, RUN_KEEPER);
}

/* Becomes the keeper: 1; 0 when there is one; -1. A file that has lost its name is that of a keeper
 * that is just ending: see end_well(). */
static int take_file(struct keeper *k, struct ml_error *err)
{
    char name[RUN_NAME_SIZE];
    run_file_name(k->uuid, RUN_KEEPER, name);
    for (;;) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct stat here, there;
        AUTO_CLOSE int fd =
            openat(k->ctx->run_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
            return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot open '%s/%s'",
                                  k->ctx->run_path, name);
        bool locked = fcntl(fd, F_SETLK, &lock) == 0;
        if (!locked && errno != EAGAIN && errno != EACCES)
            return ml_error_errno(err, ML_IO, errno, "cannot lock '%s'", name);
        if (fstat(fd, &here) < 0 ||
            fstatat(k->ctx->run_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
            here.st_ino != there.st_ino)
            continue;
        if (locked)
            k->file = steal_fd(&fd);
        return locked;
    }
}

static void drop_file(struct keeper *k)
{
    char name[RUN_NAME_SIZE];
    if (k->file < 0)
        return;
    run_file_name(k->uuid, RUN_KEEPER, name);
    unlinkat(k->ctx->run_fd, name, 0);
    close(steal_fd(&k->file));
}

/* SIGKILL is for one that is stopped. A worker that it is just starting dies with it. */
static void end_process(int pidfd)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    for (size_t i = 0; i < 2; i++) {
        int64_t deadline = clock_ms() + END_MS;
        syscall(SYS_pidfd_send_signal, pidfd, signals[i], NULL, 0);
        while (clock_ms() < deadline)
            if (poll(&ended, 1, clock_poll_timeout(deadline)) > 0)
                return;
    }
}

bool keeper_end(struct ml_ctx *ctx, const char *uuid)
{
    AUTO_CLOSE int pidfd = keeper_pidfd(ctx, uuid);
    if (pidfd >= 0)
        end_process(pidfd);
    struct keeper dead = {.ctx = ctx, .file = -1};
    char name[RUN_NAME_SIZE];
    snprintf(dead.uuid, sizeof dead.uuid, "%s", uuid);
    run_file_name(uuid, RUN_KEEPER, name);
    if (faccessat(ctx->run_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && take_file(&dead, NULL) == 1)
        drop_file(&dead);
    return pidfd >= 0;
}

/* There is nothing to keep. A load that finds a keeper leaves the worker to it, so there is one
 * more look when nobody can find us any more; false: go on, there is a worker again. */
static bool end_well(struct keeper *k)
{
    drop_file(k);
    AUTO_CLOSE int pidfd = worker_pidfd(k->ctx, k->uuid);
    return pidfd < 0 || take_file(k, NULL) <= 0;
}

/* ---- looking ---- */

enum finding { ALIVE, LEFT, DIED, CHANGING };

/* What there is. Without a worker it is found out under the worker's lock, so that nobody starts or
 * sweeps one meanwhile. `*pidfd`, of a live one, is the caller's. */
static enum finding look(struct keeper *k, int *pidfd)
{
    char name[RUN_NAME_SIZE];
    AUTO_CLOSE int lock = -1;
    *pidfd = worker_pidfd(k->ctx, k->uuid);
    if (*pidfd >= 0)
        return ALIVE;
    if (worker_lock(k->ctx, k->uuid, &lock, NULL) <= 0)
        return CHANGING;
    for (enum run_file file = RUN_CONTROL; file <= RUN_CALL; file++) {
        run_file_name(k->uuid, file, name);
        if (faccessat(k->ctx->run_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return DIED;
    }
    worker_remove_files(k->ctx, k->uuid, RUN_LOCK); /* which the look has made */
    return k->died ? DIED : LEFT;
}

static int cancelled(struct ml_error *err)
{
    return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
}

/* Waits until `fd`, unless it is -1, can be read, for so long at most (-1: for ever). -1: somebody
 * wants us to end. */
static int wait_for(const struct keeper *k, int fd, int timeout_ms, struct ml_error *err)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN},
                          {.fd = k->how->cancel_fd, .events = POLLIN}};
    int64_t deadline = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
    while (poll(p, 2, clock_poll_timeout(deadline)) < 0)
        if (errno != EINTR)
            return ml_error_errno(err, 0, errno, "cannot wait for the worker");
    return p[1].revents != 0 ? cancelled(err) : 0;
}

/* Waits for the worker's end. Which signal it was is told to its parent only: we are that of those
 * that we have started. One that never got ready, started by somebody else, is none in the place of
 * the one that died. */
static int watch(struct keeper *k, int pidfd, struct ml_error *err)
{
    struct ml_worker_status status;
    siginfo_t end = {.si_signo = 0};
    const struct query query = {clock_ms() + ANSWER_MS, -1, false};
    if (worker_query(k->ctx, k->uuid, &query, &status, NULL, NULL) == 1)
        k->died = false;
    if (wait_for(k, pidfd, -1, err) < 0)
        return -1;
    bool ours = waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED) == 0;
    k->signal = ours && end.si_code != CLD_EXITED ? end.si_status : 0;
    return 0;
}

/* ---- starting again ---- */

/* A keeper writes a line now and then: it does not keep the log open for it. */
__attribute__((format(printf, 3, 4))) static void note(struct keeper *k, const char *kind,
                                                       const char *fmt, ...)
{
    char text[LOG_TEXT_MAX];
    struct log log;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (run_log_open(k->ctx, k->uuid, &log, NULL) < 0)
        return;
    log_put(&log, kind, text, strlen(text));
    log_close(&log);
}

/* How many starts there were within the last minute. Who had none begins with the shortest
 * pause. */
static size_t recent_starts(struct keeper *k)
{
    int64_t now = clock_ms();
    size_t n = 0;
    for (size_t i = 0; i < k->n_starts; i++)
        if (now - k->start[i] < WINDOW_MS)
            k->start[n++] = k->start[i];
    if (n == 0)
        k->pause_ms = PAUSE_MIN_MS;
    return k->n_starts = n;
}

static int give_up(struct keeper *k, struct ml_error *err)
{
    note(k, "fail", "given up: it was started %d times within a minute, and died", STARTS_MAX);
    return ml_error_set(err, ML_LIMIT, "gave_up",
                        "%s was started %d times within a minute, and died", k->uuid, STARTS_MAX);
}

/* One try. What is not registered any more cannot be started later either; every other failure may
 * be over next time. */
static int start_again(struct keeper *k, struct ml_error *err)
{
    char word[SIGNAL_WORD];
    struct ml_error why = ML_ERROR_INIT;
    if (recent_starts(k) == STARTS_MAX)
        return give_up(k, err);
    if (!k->died)
        note(k, "restart", "the worker has died%s%s: it is started again in %d ms",
             k->signal ? " of " : "", k->signal ? signal_word(k->signal, word) : "",
             (int)k->pause_ms);
    k->died = true;
    if (wait_for(k, -1, (int)k->pause_ms, err) < 0)
        return -1;
    k->pause_ms = k->pause_ms * 2 < PAUSE_MAX_MS ? k->pause_ms * 2 : PAUSE_MAX_MS;
    k->start[k->n_starts++] = clock_ms();
    if (ml_load(k->ctx, k->key, k->how, NULL, &why) >= 0)
        return 0;
    if (strcmp(why.code, "cancelled") == 0)
        return cancelled(err);
    note(k, "fail", "not started again: %s", why.message);
    if (why.status != ML_NO_INPUT)
        return 0;
    if (err != NULL)
        *err = why;
    return -1;
}

/* 1: there is nothing to keep any more; 0: go on; -1. */
static int turn(struct keeper *k, int *ready_fd, struct ml_error *err)
{
    AUTO_CLOSE int pidfd = -1;
    enum finding finding = look(k, &pidfd);
    if (finding != CHANGING && *ready_fd >= 0) {
        if (write(*ready_fd, "", 1) < 0)
            return ml_error_errno(err, 0, errno, "nobody waits for the keeper");
        close(steal_fd(ready_fd));
    }
    switch (finding) {
    case ALIVE:
        return watch(k, pidfd, err);
    case CHANGING:
        return wait_for(k, -1, AGAIN_MS, err);
    case DIED:
        return start_again(k, err);
    case LEFT:
        return end_well(k);
    }
    return 0;
}

int ml_keep(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_start *how, int ready_fd,
            struct ml_error *err)
{
    struct keeper k = {.ctx = ctx, .key = key, .how = how, .file = -1};
    ml_key_to_uuid(key, k.uuid);
    int status = ctx_runtime(ctx, true, err) < 0 ? -1 : take_file(&k, err);
    if (status <= 0)
        return status < 0 ? -1 : 1;
    while ((status = turn(&k, &ready_fd, err)) == 0)
        continue;
    drop_file(&k);
    return status < 0 ? -1 : 0;
}
