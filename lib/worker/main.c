/* modload-worker UUID BUNDLE STARTER: started by modload with the descriptors of client/start.h,
 * not by people. The order is the point of this file: first what must hold for the plugin's code,
 * then that code (its constructors run as it is mapped), then READY. A failure is told on the READY
 * socket, never on stderr, which is /dev/null. */
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
#include "worker/call.h"
#include "worker/object.h"
#include "worker/tree.h"
#include "worker/worker.h"

/* What holds for the plugin's code from its first instruction on. no_new_privs keeps setuid
 * programs inert for the plugin; cores would land in / or the user's directories, with his data in
 * them; the working directory must not keep a file system busy. close_range closes, not only marks,
 * what the starter had open: a descriptor that a plugin finds is one that it can use
 * (CVE-2024-21626). */
static void settle(pid_t starter)
{
    /* Until it is ready it must not outlive who waits for it: nobody else would end a constructor
     * that hangs. The starter may be gone already. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != starter)
        _exit(1);
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    close_range(WORKER_FD_END, ~0U, 0);
    /* A program that the plugin starts must not hold the lock, which says that the worker is alive.
     */
    close_range(WORKER_FD_LOCK, WORKER_FD_END - 1, CLOSE_RANGE_CLOEXEC);
    umask(077);
    if (chdir("/") < 0)
        _exit(1);
    tree_adopt();
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
    if (argc != 4 || fstat(WORKER_FD_READY, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "modload-worker: started by hand: use 'modload load'\n");
        return ML_USAGE;
    }
    settle((pid_t)atoi(argv[3]));
    if (object_map(WORKER_FD_BUNDLE, &object, &err) < 0)
        fail(&err);
    object_attach(&call_host);
    close(WORKER_FD_BUNDLE);
    struct worker_setup setup = {
        .uuid = argv[1],
        .bundle = argv[2],
        .object = &object,
        .control = WORKER_FD_CONTROL,
        .call = WORKER_FD_CALL,
        .ready = WORKER_FD_READY,
        .run_dir = WORKER_FD_RUN,
    };
    worker_run(&setup);
}
