/* Loses its stack. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "zoo.h"

/* more than there is */
int recurses(int n)
{
    volatile char room[4096];
    memset((char *)room, n, sizeof room);
    return n == 0 ? room[0] : recurses(n + 1) + room[1];
}

/* takes away the pages that it stands on */
void saws(void)
{
    volatile char here = 0;
    uintptr_t page = (uintptr_t)&here & ~(uintptr_t)0xffff;
    mmap((void *)page, 0x10000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void nothing(int n)
{
    touched = n;
}

static void sit(int n)
{
    touched = n;
    hang();
}

static void handle(void (*handler)(int))
{
    const stack_t other = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaltstack(&other, NULL);
    sigaction(SIGSEGV, &action, NULL);
}

/* makes nothing of it, over and over */
void ignores_its_crash(long address)
{
    handle(nothing);
    *(volatile int *)address = 1;
}

/* overflows, and stays in the handler */
int sits_in_its_crash(int n)
{
    handle(sit);
    return recurses(n);
}
