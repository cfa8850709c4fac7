/* Dies of signals: of those that the processor makes, and of all others. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "zoo.h"

void writes_to(long address)
{
    *(volatile int *)address = 1;
}

void calls_at(long address)
{
    ((void (*)(void))address)();
}

/* beyond the end of a file */
int bus(void)
{
    int fd = memfd_create("empty", MFD_CLOEXEC);
    volatile int *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    return page[0];
}

/* not every processor minds */
int divides(int a, int b)
{
    volatile int sum = b == 0 ? a : 0;
#ifdef __x86_64__
    sum /= b;
#else
    raise(SIGFPE);
#endif
    return sum;
}

void illegal(void)
{
#if defined __x86_64__
    __asm__ volatile("ud2");
#elif defined __aarch64__
    __asm__ volatile("udf #0");
#else
    raise(SIGILL);
#endif
}

void aborts(void)
{
    abort();
}

void raises(int n)
{
    raise(n);
    hang();
}
