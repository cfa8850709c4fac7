/* Goes for those who watch it. */
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>

#include "zoo.h"

/* 1 is nobody who watches us */
static void at(pid_t pid, int n)
{
    if (pid > 1)
        kill(pid, n);
}

static pid_t grandparent(void)
{
    char path[64], line[256];
    int pid = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)getppid());
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "PPid: %d", &pid) == 1)
            break;
    return pid;
}

void signals_parent(int n)
{
    at(getppid(), n);
    hang();
}

/* does not want to go with it */
void orphans_itself(int n)
{
    prctl(PR_SET_PDEATHSIG, 0);
    setsid();
    signals_parent(n);
}

/* its supervisor's: the worker */
void signals_grandparent(int n)
{
    at(grandparent(), n);
    hang();
}

void signals_group(int n)
{
    kill(0, n);
    hang();
}

/* holds its supervisor still, where it is allowed to, and hangs where it is not */
void traces_parent(void)
{
    ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    hang();
}
