/* Processes that share work by a counter in shared memory. */
#include "jobs.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "report.h"
#include "run.h"

static size_t *counter_new(void)
{
    size_t *next =
        mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (next == MAP_FAILED)
        give_up("cannot share memory: %s", strerror(errno));
    return next;
}

static _Noreturn void work(size_t *next, size_t n, int worker,
                           void (*each)(size_t item, int worker, void *arg), void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_init();
    for (;;) {
        size_t item = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
        if (item >= n)
            _exit(0);
        each(item, worker, arg);
    }
}

/* One by one: this process may have other children, who were adopted and do not end. */
static int wait_for(const pid_t *pids, int n)
{
    int failed = 0;
    for (int i = 0; i < n; i++) {
        int status;
        while (waitpid(pids[i], &status, 0) < 0)
            if (errno != EINTR)
                give_up("cannot wait for process %d: %s", (int)pids[i], strerror(errno));
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    return failed;
}

void jobs_run(size_t n, int jobs, void (*each)(size_t item, int worker, void *arg), void *arg)
{
    size_t *next = counter_new();
    AUTO_FREE pid_t *pids = calloc((size_t)jobs + 1, sizeof *pids);
    if (pids == NULL)
        give_up("out of memory");
    fflush(stdout);
    for (int worker = 0; worker < jobs; worker++) {
        pids[worker] = fork();
        if (pids[worker] < 0)
            give_up("cannot fork: %s", strerror(errno));
        if (pids[worker] == 0)
            work(next, n, worker, each, arg);
    }
    int failed = wait_for(pids, jobs);
    munmap(next, sizeof *next);
    if (failed > 0)
        give_up("%d of its processes failed", failed);
}
