/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): finds accidents, keeps no secrets.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_FNV1A_INIT UINT64_C(0xcbf29ce484222325)

/* Goes on from `hash`: the hash of a whole is that of its parts, one after the other. */
static inline uint64_t hash_fnv1a(uint64_t hash, const void *data, size_t n)
{
    for (const unsigned char *p = data; n > 0; p++, n--)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
