/* The parent's side of modload-fetch. What comes from it may be a stranger's doing: it is messages
 * of one size, each looked at, with one answer at the end; and who says nothing, does nothing or
 * goes on for too long is ended with all that it has started. */
#include "fetch/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/prefix.h"
#include "base/scope.h"

/* Less work than this in between is no sign of life: the child looks at its sockets all the time.
 */
enum { WORK_MS = 50 };

struct talk {
    const struct fetch_order *order;
    const struct fetch_payload *payload;
    const struct fetch_request *request;
    struct child child;
    int in;
    int64_t deadline_ms, idle_ms; /* when it is given up, and when as an idle one */
    struct fetch_counts last;
    struct fetch_message message; /* what there is of the next one */
    size_t have;
    bool answered;
    struct fetch_message answer;
    struct fetch_modules *modules; /* null: the step tells none */
};

/* ---- how it is started ---- */

/* What finding and reaching a server takes, and no more; the sanitizers' own for builds with them.
 * The first are paths. */
static const char *const passed[] = {
    "HOME",       "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "MODLOAD_TOKEN_FILE",
    "http_proxy", "https_proxy",   "HTTP_PROXY",    "HTTPS_PROXY",  "no_proxy",
    "NO_PROXY",   "ASAN_OPTIONS",  "UBSAN_OPTIONS", "LSAN_OPTIONS",
};
enum { PASSED = sizeof passed / sizeof *passed, PATHS = 5 };

struct environment {
    char *items[PASSED + 2];
};

static void environment_free(struct environment *env)
{
    for (size_t i = 0; env->items[i] != NULL; i++)
        free(env->items[i]);
}

/* The child stands elsewhere: a path is one from where the user stands. */
static int environment_make(struct environment *env, struct ml_error *err)
{
    size_t n = 0;
    AUTO_FREE char *here = getcwd(NULL, 0);
    env->items[0] = strdup("LC_ALL=C.UTF-8");
    if (env->items[0] == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < PASSED; i++) {
        const char *value = getenv(passed[i]);
        bool relative =
            i < PATHS && here != NULL && value != NULL && *value != '\0' && *value != '/';
        if (value != NULL && asprintf(&env->items[++n], "%s=%s%s%s", passed[i],
                                      relative ? here : "", relative ? "/" : "", value) < 0) {
            env->items[n] = NULL;
            return ml_error_memory(err);
        }
    }
    return 0;
}

/* The order as a file that is nowhere. */
static int order_file(const struct talk *t, struct ml_error *err)
{
    AUTO_CLOSE int fd = memfd_create("modload-order", MFD_CLOEXEC);
    if (fd < 0 || fs_write_all(fd, t->order, sizeof *t->order) < 0 ||
        (t->payload != NULL && fs_write_all(fd, t->payload->data, t->payload->n) < 0) ||
        lseek(fd, 0, SEEK_SET) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot tell modload-fetch what to do");
    return steal_fd(&fd);
}

static int start(struct talk *t, int cwd_fd, struct ml_error *err)
{
    __attribute__((cleanup(environment_free))) struct environment env = {0};
    struct child_spec spec = CHILD_SPEC_INIT;
    int fds[2];
    AUTO_FREE char *program = prefix_path("libexec/modload/modload-fetch");
    AUTO_CLOSE int order = order_file(t, err);
    if (order < 0 || environment_make(&env, err) < 0)
        return -1;
    if (program == NULL)
        return ml_error_memory(err);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot make a pipe");
    AUTO_CLOSE int out = fds[1];
    t->in = fds[0];
    spec.argv = (const char *const[]){program, NULL};
    spec.env = (const char *const *)env.items;
    spec.cwd_fd = cwd_fd;
    spec.stdio[0] = order;
    spec.stdio[1] = out;
    spec.cancel_fd = t->request->cancel_fd;
    if (child_start(&spec, &t->child, err) == 0)
        return 0;
    return ml_error_hint(err, "is modload installed whole? run: make install");
}

/* ---- what it says ---- */

static int bad_message(struct ml_error *err)
{
    ml_error_set(err, ML_DATA, "bad_repository", "modload-fetch says what it should not");
    return ml_error_hint(err, "the repository is hostile, or two builds of modload are mixed");
}

static bool progress_same(const struct fetch_progress *a, const struct fetch_progress *b)
{
    return a->phase == b->phase && a->bytes == b->bytes && a->objects == b->objects &&
           a->objects_total == b->objects_total && a->deltas == b->deltas &&
           a->deltas_total == b->deltas_total && a->files == b->files;
}

/* Bytes, objects and work are signs of life, each of its own. Who shows progress hears of a server
 * that is silent as well: what it shows begins with time, and not with the next byte. */
static void counts_take(struct talk *t, const struct fetch_counts *now)
{
    struct fetch_counts *last = &t->last;
    bool lives = !progress_same(&last->progress, &now->progress) || now->wire != last->wire ||
                 (now->cpu_ms > last->cpu_ms && now->cpu_ms - last->cpu_ms >= WORK_MS);
    if (lives) {
        *last = *now;
        t->idle_ms = clock_ms() + t->order->limits.idle_ms;
    }
    if (t->request->progress != NULL)
        t->request->progress(&now->progress, t->request->arg);
}

static int module_take(struct talk *t, struct ml_error *err)
{
    struct fetch_modules *modules = t->modules;
    if (modules == NULL || modules->n == FETCH_MODULES_MAX)
        return bad_message(err);
    modules->list[modules->n++] = t->message.u.module;
    return 0;
}

static int message_take(struct talk *t, struct ml_error *err)
{
    if (t->answered || !fetch_message_good(&t->message))
        return bad_message(err);
    if (t->message.kind == FETCH_SAYS_COUNTS) {
        counts_take(t, &t->message.u.counts);
        return 0;
    }
    if (t->message.kind == FETCH_SAYS_MODULE)
        return module_take(t, err);
    t->answer = t->message;
    t->answered = true;
    return 0;
}

/* 1 while there may be more, 0 at the end, -1. */
static int read_some(struct talk *t, struct ml_error *err)
{
    ssize_t n = read(t->in, (char *)&t->message + t->have, sizeof t->message - t->have);
    if (n < 0)
        return errno == EINTR ? 1 : ml_error_errno(err, ML_IO, errno, "cannot read what it says");
    if (n == 0)
        return t->have > 0 ? bad_message(err) : 0;
    t->have += (size_t)n;
    if (t->have < sizeof t->message)
        return 1;
    t->have = 0;
    return message_take(t, err) < 0 ? -1 : 1;
}

/* ---- how long it may take ---- */

static bool is_cancelled(const struct talk *t)
{
    struct pollfd p = {.fd = t->request->cancel_fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static int cancelled(struct ml_error *err)
{
    return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "it was cancelled");
}

static int too_late(const struct talk *t, struct ml_error *err)
{
    const struct fetch_limits *l = &t->order->limits;
    if (t->deadline_ms >= 0 && clock_ms() >= t->deadline_ms) {
        ml_error_set(err, ML_TIMEOUT, NULL, "it took too long");
        return ml_error_hint(err, "try again: what has come in whole is kept");
    }
    ml_error_set(err, ML_TIMEOUT, NULL, "nothing has come from the server for %lld s",
                 (long long)(l->idle_ms + 999) / 1000);
    return ml_error_hint(err, "try again; --offline uses what was fetched before");
}

/* When its pipe is at its end, it is over or has let go of us: either is an end. Its own end counts
 * as well, since what it left running may hold the pipe; what it wrote before that is still read.
 */
static int listen_to(struct talk *t, struct ml_error *err)
{
    for (;;) {
        int64_t until =
            t->deadline_ms >= 0 && t->deadline_ms < t->idle_ms ? t->deadline_ms : t->idle_ms;
        struct pollfd ready[3] = {{.fd = t->in, .events = POLLIN},
                                  {.fd = t->request->cancel_fd, .events = POLLIN},
                                  {.fd = t->child.pidfd, .events = POLLIN}};
        int n = poll(ready, 3, clock_poll_timeout(until));
        if (n < 0 && errno != EINTR)
            return ml_error_errno(err, 0, errno, "cannot wait for modload-fetch");
        if (n > 0 && ready[1].revents != 0)
            return cancelled(err);
        if (clock_ms() >= until)
            return too_late(t, err);
        if (n > 0 && ready[0].revents != 0) {
            int more = read_some(t, err);
            if (more <= 0)
                return more;
        } else if (n > 0 && ready[2].revents != 0) {
            return 0;
        }
    }
}

/* ---- how it ended ---- */

static int crashed(const struct talk *t, const struct child_end *end, struct ml_error *err)
{
    char text[128];
    const struct fetch_limits *l = &t->order->limits;
    if (end->signal == SIGXCPU)
        return ml_error_set(err, ML_LIMIT, "repository_too_large",
                            "reading it took more than %u s of processor time", l->cpu_s);
    if (end->signal == SIGXFSZ)
        return ml_error_set(err, ML_LIMIT, "repository_too_large",
                            "it has more than %llu MiB of objects",
                            (unsigned long long)l->pack_bytes >> 20);
    ml_error_set(err, ML_DATA, "bad_repository", "the process that read it %s",
                 child_end_text(end, text, sizeof text));
    return ml_error_hint(err,
                         "a repository that does this is damaged or hostile; if it is neither, "
                         "please report it");
}

/* It has said all, and may still be on its way out. */
static int not_ended(const struct talk *t, struct ml_error *why, struct ml_error *err)
{
    if (why->status == ML_TIMEOUT)
        return is_cancelled(t) ? cancelled(err) : too_late(t, err);
    if (err != NULL)
        *err = *why;
    return -1;
}

/* What it answered has to fit how it ended. */
static int finish(struct talk *t, struct fetch_result *ret, struct ml_error *err)
{
    struct child_end end;
    struct ml_error why = ML_ERROR_INIT;
    if (child_wait(&t->child, t->deadline_ms, &end, &why) < 0)
        return not_ended(t, &why, err);
    if (!t->answered || end.signal != 0)
        return crashed(t, &end, err);
    if ((end.code == 0) != (t->answer.kind == FETCH_SAYS_RESULT))
        return bad_message(err);
    if (t->answer.kind == FETCH_SAYS_RESULT)
        *ret = t->answer.u.result;
    else if (err != NULL)
        *err = t->answer.u.error;
    return end.code == 0 ? 0 : -1;
}

int fetch_run(const struct fetch_order *order, const struct fetch_payload *payload, int cwd_fd,
              const struct fetch_request *request, int64_t deadline_ms,
              struct fetch_modules *modules, struct fetch_result *ret, struct ml_error *err)
{
    struct talk t = {.order = order,
                     .payload = payload,
                     .request = request,
                     .child = CHILD_INIT,
                     .in = -1,
                     .modules = modules,
                     .deadline_ms = deadline_ms,
                     .idle_ms = clock_ms() + order->limits.idle_ms};
    int status = start(&t, cwd_fd, err);
    if (status == 0)
        status = listen_to(&t, err);
    if (status == 0)
        status = finish(&t, ret, err);
    child_kill(&t.child);
    scope_close(&t.in);
    return status;
}
