/* Has threads, and leaves them or is left by them. */
#include <modload/plugin.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "zoo.h"

static void *spin(void *arg)
{
    for (;;)
        ++*(volatile int *)arg;
}

static void *sit(void *arg)
{
    hang();
}

static void *crash(void *arg)
{
    raise(SIGSEGV);
    return arg;
}

static void *fail(void *arg)
{
    ml_fail("from_thread", "a thread of it failed");
}

static void *hold(void *arg)
{
    flockfile(stdout);
    pthread_barrier_wait(arg);
    hang();
}

static void start(void *(*body)(void *), void *arg)
{
    pthread_t t;
    pthread_create(&t, NULL, body, arg);
}

int outlived(int n)
{
    start(spin, &touched);
    return n;
}

int crowd(int n)
{
    for (int i = 0; i < n; i++)
        start(sit, NULL);
    return n;
}

void crashes(void)
{
    start(crash, NULL);
    hang();
}

void fails(void)
{
    start(fail, NULL);
    hang();
}

/* its first thread ends, and the process does not */
void headless(void)
{
    start(sit, NULL);
    syscall(SYS_exit, 0);
}

/* returns, and cannot print what it said: a thread has the lock */
int holds_stdout(int n)
{
    pthread_barrier_t both;
    pthread_barrier_init(&both, NULL, 2);
    start(hold, &both);
    pthread_barrier_wait(&both);
    return n;
}
