/* Reads its input to the end, a part of it, or not at all. */
#include "zoo.h"

long to_the_end(void)
{
    char chunk[65536];
    long sum = 0;
    for (ssize_t n; (n = read(0, chunk, sizeof chunk)) > 0; sum += n)
        ;
    return sum;
}

int a_byte(void)
{
    unsigned char byte = 0;
    return read(0, &byte, 1) == 1 ? byte : -1;
}

int nothing(int n)
{
    return n;
}
