/* Its constructor leaves a process. */
#include <unistd.h>

static pid_t left;

__attribute__((constructor)) static void begin(void)
{
    left = fork();
    if (left == 0)
        for (;;)
            pause();
}

long child(void)
{
    return left;
}
