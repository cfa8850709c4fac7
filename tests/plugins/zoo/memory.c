/* Takes memory. */
#include <stdlib.h>
#include <sys/mman.h>

#include "modload/plugin.h"
#include "zoo.h"

/* gives nothing of it back */
int leaks(int megabytes)
{
    for (int i = 0; i < megabytes; i++) {
        char *p = malloc(1 << 20);
        if (p == NULL)
            return -1;
        memset(p, 1, 1 << 20);
    }
    return megabytes;
}

/* in one piece, and looks at each page */
int grabs(int megabytes)
{
    size_t size = (size_t)megabytes << 20;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    for (size_t i = 0; i < size; i += 4096)
        p[i] = 1;
    return megabytes;
}

/* until somebody ends it; what it does not get it does without */
void hoards(void)
{
    for (;;) {
        char *p = malloc(1 << 20);
        if (p == NULL)
            hang();
        memset(p, 1, 1 << 20);
    }
}

/* in one piece, and does not look whether it got it */
int trusts(int megabytes)
{
    volatile char *p = malloc((size_t)megabytes << 20);
    p[0] = 1;
    return megabytes;
}

/* says so when it does not get it */
int complains(int megabytes)
{
    if (malloc((size_t)megabytes << 20) == NULL)
        ml_fail("no_room", "cannot have %d MB", megabytes);
    return megabytes;
}

/* as much for each of its children as for itself, and together with none of them */
void hoards_with_children(int children, int megabytes)
{
    for (int i = 0; i < children; i++)
        if (fork() == 0) {
            grabs(megabytes);
            hang();
        }
    hang();
}

/* the same memory in many processes */
void shares(int children, int megabytes)
{
    grabs(megabytes);
    for (int i = 0; i < children; i++)
        if (fork() == 0)
            hang();
    hang();
}
