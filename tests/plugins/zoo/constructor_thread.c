/* Its constructor starts a thread that lives as long as the worker. */
#include <pthread.h>
#include <unistd.h>

#include "zoo.h"

static void *wait_for_ever(void *arg)
{
    for (;;)
        pause();
}

__attribute__((constructor)) static void begin(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_ever, NULL);
}

int nap(int ms)
{
    usleep((useconds_t)ms * 1000);
    return ms;
}
