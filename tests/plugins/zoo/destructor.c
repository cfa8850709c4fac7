/* Its destructor misbehaves, if it is let: in a worker, and in a call that returns, it is not to
 * run at all. */
#include <signal.h>
#include <stdlib.h>

#include "zoo.h"

static const char *manner = "hang";

__attribute__((destructor)) static void end(void)
{
    if (strcmp(manner, "hang") == 0)
        hang();
    else if (strcmp(manner, "crash") == 0)
        raise(SIGSEGV);
    else if (strcmp(manner, "exit") == 0)
        _exit(9);
    puts("from the destructor");
}

/* calls exit(), which runs destructors */
void exits(const char *how)
{
    manner = how;
    exit(0);
}
