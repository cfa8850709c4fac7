/* Ends its process in every way but by returning. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "zoo.h"

void exits(int code)
{
    exit(code);
}

/* says that all went well, and goes */
void exits_with_a_result(const char *result)
{
    puts(result);
    exit(0);
}

void exits_at_once(int code)
{
    _exit(code);
}

void quick(int code)
{
    quick_exit(code);
}

void leaves_its_thread(void)
{
    pthread_exit(NULL);
}

void leaves_by_itself(int code)
{
    syscall(SYS_exit, code);
}

static void never(void)
{
    hang();
}

void exits_slowly(void)
{
    atexit(never);
    exit(0);
}

void quick_but_slow(void)
{
    at_quick_exit(never);
    quick_exit(0);
}

/* is another program from now on */
void becomes(const char *program, const char *arg)
{
    execlp(program, program, arg, (char *)NULL);
    hang();
}
