/* splitmix64 (public domain, Sebastiano Vigna) */
#include "draw.h"

unsigned draw(uint64_t *state, unsigned n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (unsigned)((z ^ z >> 31) % n);
}
