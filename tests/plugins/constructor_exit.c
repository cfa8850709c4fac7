/* Its constructor ends its process before anything of it can be called. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
    exit(3);
}

int one(void)
{
    return 1;
}
