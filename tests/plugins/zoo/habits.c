/* Changes what a process has, and leaves it so. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "zoo.h"

int goes(const char *where)
{
    touched++;
    return chdir(where);
}

int masks(int mask)
{
    touched++;
    umask((mode_t)mask);
    return mask;
}

int sets(const char *name, const char *value)
{
    touched++;
    return setenv(name, value, 1);
}

int unsets_all(void)
{
    touched++;
    return clearenv();
}

/* with a decimal comma, where there is one */
double speaks(const char *locale)
{
    touched++;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL)
        setlocale(LC_ALL, locale);
    return 2.5;
}

/* 1/3 as it is then */
double rounds(double three)
{
    volatile double by = three;
    touched++;
    fesetround(FE_UPWARD);
    feraiseexcept(FE_ALL_EXCEPT);
    return 1 / by;
}

int ignores_signals(int n)
{
    sigset_t all;
    touched++;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_IGN);
    raise(SIGTERM);
    return n;
}

/* in a second there would be a signal: the call is over by then */
int winds(int n)
{
    const struct itimerval soon = {.it_value.tv_sec = 1};
    touched++;
    for (int i = ITIMER_REAL; i <= ITIMER_PROF; i++)
        setitimer(i, &soon, NULL);
    alarm(1);
    return n;
}

void is_woken(void)
{
    const struct itimerval soon = {.it_value.tv_usec = 10000};
    setitimer(ITIMER_REAL, &soon, NULL);
    hang();
}

int limits(int n)
{
    touched++;
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit limit = {0};
        getrlimit(i, &limit);
        limit.rlim_cur = limit.rlim_max =
            i == RLIMIT_AS || i == RLIMIT_CPU || i == RLIMIT_STACK ? limit.rlim_max : 0;
        setrlimit(i, &limit);
    }
    return n;
}

int pretends(const char *name)
{
    touched++;
    prctl(PR_SET_NAME, name);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_PDEATHSIG, 0);
    return nice(19) < 0;
}
