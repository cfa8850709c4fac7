/* modload-worker UUID BUNDLE STARTER KIND IDLE: started by modload with the descriptors of
 * client/start.h, not by people. The order is the point of this file: first what must hold for the
 * plugin's code, then that code (its constructors run as it is mapped), then READY. A failure is
 * told on the READY socket, never on stderr, which is the plugin's and goes to the log. */
#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "client/start.h"
#include "client/wire.h"
#include "modload/abi.h"
#include "worker/crash.h"
#include "worker/invoke.h"
#include "worker/object.h"
#include "worker/tree.h"
#include "worker/worker.h"

/* Of this process and of the threads that constructors start: what we wait for comes through a
 * signalfd (worker.c), which a thread that has it unblocked would take away. */
static void block_signals(void)
{
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    sigprocmask(SIG_BLOCK, &watched, NULL);
}

/* What holds for the plugin's code from its first instruction on. no_new_privs keeps setuid
 * programs inert for the plugin; cores would land in / or the user's directories, with his data in
 * them; the working directory must not keep a file system busy. close_range closes, not only marks,
 * what the starter had open: a descriptor that a plugin finds is one that it can use
 * (CVE-2024-21626). */
static int settle(pid_t starter, bool replaces, struct ml_error *err)
{
    const struct rlimit no_core = {0, 0};
    /* Until it is ready it must not outlive who waits for it: nobody else would end a constructor
     * that hangs. The starter may be gone already. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != starter)
        _exit(1);
    /* Each of them or no plugin: one that runs with less than it is promised is worse than none.
     * The second close_range is for programs that the plugin starts: they must not hold the lock,
     * which says that the worker is alive. */
    if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        close_range(WORKER_FD_END, ~0U, 0) < 0 ||
        close_range(WORKER_FD_LOCK, WORKER_FD_END - 1, CLOSE_RANGE_CLOEXEC) < 0 || chdir("/") < 0) {
        ml_error_errno(err, ML_REFUSED, errno, "the worker cannot be set up for a plugin");
        return ml_error_hint(err, "modload needs Linux 5.15 or later");
    }
    if (!replaces && worker_show(WORKER_FD_LOCK) < 0)
        return ml_error_errno(err, ML_REFUSED, errno, "the worker cannot lock its lock file");
    umask(077);
    tree_adopt();
    block_signals();
    return crash_watch(err);
}

/* _exit, since a plugin's destructors have no business in a worker that never was. */
static _Noreturn void fail(const struct ml_error *err)
{
    struct buf payload = BUF_INIT;
    wire_put_error(&payload, err);
    wire_send(WORKER_FD_READY, WIRE_OUTCOME, payload.data, payload.len, NULL, 0);
    _exit(1);
}

/* A socket at its place is what tells a start by modload from one by hand. */
int main(int argc, char **argv)
{
    struct object object;
    struct ml_error err = ML_ERROR_INIT;
    struct stat st;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) /* asked by modload doctor */
        return printf("modload %s (plugin ABI %u)\n", ML_VERSION, ML_ABI_VERSION) < 0;
    if (argc != 6 || fstat(WORKER_FD_READY, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "modload-worker: started by hand: use 'modload load'\n");
        return ML_USAGE;
    }
    bool replaces = strcmp(argv[4], "reload") == 0;
    if (settle((pid_t)atoi(argv[3]), replaces, &err) < 0)
        fail(&err);
    if (object_map(WORKER_FD_BUNDLE, &object, &err) < 0)
        fail(&err);
    object_attach(&call_host);
    crash_note_objects(argv[2]);
    fflush(NULL); /* what constructors have printed is ours, not that of a call that inherits it */
    /* the bundle's descriptor stays open: its lock keeps the files that are mapped from gc */
    struct worker_setup setup = {
        .uuid = argv[1],
        .bundle = argv[2],
        .object = &object,
        .lock = WORKER_FD_LOCK,
        .control = WORKER_FD_CONTROL,
        .call = WORKER_FD_CALL,
        .ready = WORKER_FD_READY,
        .run_dir = WORKER_FD_RUN,
        .log = WORKER_FD_LOG,
        .log_old = WORKER_FD_LOG_OLD,
        .output = WORKER_FD_OUTPUT,
        .idle_ms = atoll(argv[5]),
        .replaces = replaces,
    };
    worker_run(&setup);
}
