/* Jumps: out of handlers, and to where nothing is. */
#undef _FORTIFY_SOURCE /* it would look where the jump goes */
#include <setjmp.h>
#include <signal.h>

#include "zoo.h"

static sigjmp_buf back;

static void handler(int n)
{
    siglongjmp(back, n);
}

static void handle(int n)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(n, &action, NULL);
}

void nowhere(void)
{
    jmp_buf none;
    memset(none, 0, sizeof none);
    longjmp(none, 1);
}

/* the signal that it came back from */
int out_of_a_crash(void)
{
    handle(SIGSEGV);
    int n = sigsetjmp(back, 1);
    if (n == 0)
        raise(SIGSEGV);
    return n;
}

/* ... and crashes again, with the signal blocked: nothing handles that */
int out_of_a_crash_into_another(long address)
{
    handle(SIGSEGV);
    int n = sigsetjmp(back, 0);
    return *(volatile int *)address + n;
}

int out_of_an_alarm(void)
{
    const struct itimerval soon = {.it_value.tv_usec = 10000};
    handle(SIGALRM);
    int n = sigsetjmp(back, 1);
    if (n == 0) {
        setitimer(ITIMER_REAL, &soon, NULL);
        hang();
    }
    return n;
}
