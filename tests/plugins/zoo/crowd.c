/* What many call at once: each function says who runs it, its process and the parent of that, and
 * then does what it is for. */
#include <modload/plugin.h>
#include <signal.h>
#include <time.h>

#include "zoo.h"

static void here(void)
{
    char line[64];
    int n = snprintf(line, sizeof line, "in %d of %d\n", (int)getpid(), (int)getppid());
    if (write(1, line, (size_t)n) != n)
        _exit(1);
}

int at_once(int a, int b)
{
    here();
    return add(a, b);
}

static void nap(int ms)
{
    const struct timespec time = {0, ms * 1000000L};
    nanosleep(&time, NULL);
}

int sleeps_a_little(int a, int b, int ms)
{
    here();
    nap(ms);
    return add(a, b);
}

int works_a_little(int a, int b, int rounds)
{
    volatile int n = 0;
    here();
    for (int i = 0; i < rounds * 10000; i++)
        n += i;
    return add(a, b);
}

int leaves_a_child(int a, int b, int ms)
{
    here();
    if (fork() == 0) {
        alarm(100);
        hang();
    }
    nap(ms);
    return add(a, b);
}

void fails(int a, int b)
{
    here();
    ml_fail("no_sum", "%d and %d", a, b);
}

void crashes(void)
{
    here();
    raise(SIGSEGV);
}
