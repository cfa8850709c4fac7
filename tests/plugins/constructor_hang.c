/* Its constructor never gets ready. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
    for (;;)
        pause();
}

int one(void)
{
    return 1;
}
