/* Its constructor talks before it is asked. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
    puts("from the constructor");
    fflush(stdout);
}

int one(void)
{
    return 1;
}
