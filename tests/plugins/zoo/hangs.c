/* Does not come back. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "zoo.h"

void loops(void)
{
    for (volatile int i = 0;; i++)
        ;
}

void sleeps(void)
{
    for (;;)
        sleep(1000);
}

void waits_for_itself(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
}

/* SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU */
void stops(int n)
{
    raise(n);
    hang();
}

/* deaf to all that can be said */
void hears_nothing(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_IGN);
    hang();
}

void ignores_sigterm(void)
{
    signal(SIGTERM, SIG_IGN);
    hang();
}

/* asks to go before everybody else, and lets nobody but its like before it */
void pushes(void)
{
    const struct sched_param lowest = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &lowest);
    for (;;)
        sched_yield();
}

/* on as many processors as there are */
void burns_with_children(int children)
{
    for (int i = 0; i < children; i++)
        if (fork() == 0)
            loops();
    for (;;)
        pause();
}
