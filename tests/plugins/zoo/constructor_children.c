/* Its constructor says that it does not want to hear of children, which then vanish when they end.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zoo.h"

__attribute__((constructor)) static void begin(void)
{
    signal(SIGCHLD, SIG_IGN);
}

int nap(int ms)
{
    usleep((useconds_t)ms * 1000);
    return ms;
}

void crashes(int ms)
{
    nap(ms);
    abort();
}

/* what was asked for holds for the call: nobody is there to be waited for */
int leaves_none(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return waitpid(pid, NULL, 0);
}
