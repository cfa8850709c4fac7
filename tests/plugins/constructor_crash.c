/* Its constructor crashes before anything of it can be called. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
    raise(SIGSEGV);
}

int one(void)
{
    return 1;
}
