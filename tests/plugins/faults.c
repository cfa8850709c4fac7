/* Ends badly, in the ways there are. What hangs says "begun" first, so that a test can wait for
 * that. */
#include <modload/plugin.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ML_PLUGIN("faults", "1.2.3")

static void begun(void)
{
    puts("begun");
    fflush(stdout);
}

static _Noreturn void hang(void)
{
    for (;;)
        pause();
}

int fine(void)
{
    return 7;
}

void segv(void)
{
    raise(SIGSEGV);
}

/* a real one */
int null_read(long offset)
{
    return *(volatile int *)offset;
}

void aborts(void)
{
    abort();
}

void dies_of(int n)
{
    signal(n, SIG_DFL);
    raise(n);
    hang();
}

void exits(int code)
{
    exit(code);
}

void exits_at_once(int code)
{
    _exit(code);
}

void fails(const char *code, const char *message)
{
    ml_fail(code, "%s", message);
}

static void *thread(void *message)
{
    ml_fail("from_thread", "%s", (const char *)message);
}

void fails_in_thread(void)
{
    pthread_t t;
    static char message[] = "a thread of it failed";
    pthread_create(&t, NULL, thread, message);
    hang();
}

void hangs(void)
{
    begun();
    hang();
}

void spins(void)
{
    begun();
    for (volatile int i = 0;; i++)
        ;
}

/* nothing but SIGKILL ends it */
void hangs_deaf(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int n = 1; n < 32; n++)
        signal(n, SIG_IGN);
    begun();
    hang();
}

/* prints with and without stdio, then answers */
int prints(void)
{
    printf("printed, no newline: ");
    fprintf(stderr, "on stderr\n");
    return 1;
}

/* goes on when its input says so */
int waits(void)
{
    begun();
    getchar();
    return 1;
}

int kills_parent(void)
{
    kill(getppid(), SIGKILL);
    hang();
}

int stops_parent(void)
{
    kill(getppid(), SIGSTOP);
    hang();
}

/* more than the stack has */
int recurses(int n)
{
    volatile char room[4096];
    memset((char *)room, n, sizeof room);
    return n == 0 ? room[0] : recurses(n + 1) + room[1];
}
