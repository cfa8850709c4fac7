/* Ruins its heap, loudly and quietly. */
#include <stdlib.h>

#include "zoo.h"

/* The compiler knows what free() is, and would leave out what nobody may read any more. */
static void scribble(volatile char *p, int byte, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)byte;
}

void frees_twice(void)
{
    char *volatile p = malloc(100), *volatile q = p;
    free(p);
    free(q);
}

/* over the head of its own memory, which free() looks at */
void underruns(int n)
{
    char *volatile p = malloc(100);
    scribble(p - 16, n, 16);
    free(p);
}

/* all of it, and says nothing: whoever allocates now is lost */
int ruins(int n)
{
    char *volatile first = malloc(24);
    char *end = sbrk(0);
    free(first);
    for (int i = 1; i < 64; i++)
        free(malloc((size_t)i * 16));
    if (first < end)
        scribble(first, 0xff, (size_t)(end - first));
    return n;
}

int ruins_stdio(int n)
{
    memset(stdout, 0xff, sizeof *stdout);
    return n;
}
