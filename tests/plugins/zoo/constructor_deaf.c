/* Its constructor hears nothing, and never gets ready. */
#include <signal.h>

#include "zoo.h"

__attribute__((constructor)) static void begin(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_IGN);
    hang();
}
