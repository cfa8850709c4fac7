/* Has children, and runs away from them or with them. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "zoo.h"

enum { PATIENCE = 20 }; /* seconds after which all of them give up, whoever is in charge */

static _Noreturn void stay(void)
{
    alarm(PATIENCE);
    hang();
}

int child(int n)
{
    if (fork() == 0)
        stay();
    return n;
}

/* as a daemon leaves its parent, its session and its signals */
int demon(int n)
{
    if (fork() == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        stay();
    }
    wait(NULL);
    return n;
}

/* dead children whom nobody takes in */
int corpses(int n)
{
    for (int i = 0; i < n; i++)
        if (fork() == 0)
            _exit(0);
    return n;
}

int child_and_crash(int n)
{
    if (fork() == 0)
        stay();
    raise(SIGSEGV);
    return n;
}

/* no more than `most`, and not for longer than PATIENCE */
void bomb(int most)
{
    atomic_int *n =
        mmap(NULL, sizeof *n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (n == MAP_FAILED)
        return;
    while (atomic_fetch_add(n, 1) < most)
        fork();
    stay();
}

/* lives by forking: a child goes on where its parent ends */
int runs_away(int n)
{
    time_t end = time(NULL) + PATIENCE;
    if (fork() != 0)
        return n;
    setsid();
    while (time(NULL) < end)
        if (fork() > 0)
            _exit(0);
    _exit(0);
}

int vforks(int n)
{
    pid_t pid = vfork();
    if (pid == 0)
        _exit(0);
    return waitpid(pid, NULL, 0) == pid ? n : -1;
}

/* is not there while its child is */
void vforks_and_waits(void)
{
    if (vfork() == 0)
        stay();
}

static int other(void *arg)
{
    for (time_t end = time(NULL) + PATIENCE; time(NULL) < end;)
        ++*(volatile int *)arg;
    return 0;
}

/* a process that has its memory in common with the call, and tells nobody when it ends */
int twin(int n)
{
    enum { STACK = 65536 };
    char *stack = malloc(STACK);
    return clone(other, stack + STACK, CLONE_VM | CLONE_FILES | CLONE_FS, &touched) > 0 ? n : -1;
}
