/* Homes that are known to be good. What a check finds depends on nothing but what is in the home,
 * so one that is the same to the byte as one that has passed is not looked at again. */
#ifndef FAULT_KNOWN_H
#define FAULT_KNOWN_H

#include <stdint.h>

struct known;

/* In memory that all processes share from here on. */
struct known *known_new(void);
void known_free(struct known *known);

/* A hash of everything in a home: names, modes, where links lead, what files hold, but for litter,
 * of which it is the names that count; and of what else the check depends on. */
uint64_t known_hash(const char *home, uint64_t besides);

/* What known_add() was told of this hash, 1 to 7; 0: nothing. */
unsigned known_find(const struct known *known, uint64_t hash);

/* Forgets it when it is full. */
void known_add(struct known *known, uint64_t hash, unsigned what);

#endif
