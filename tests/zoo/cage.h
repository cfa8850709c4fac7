/* A worker, and whether it is well. */
#ifndef ZOO_CAGE_H
#define ZOO_CAGE_H

#include "report.h"
#include "world.h"

/* Loads a plugin's worker, unless it is, and takes down how it is. Null, and a violation, when it
 * cannot. */
struct cage *cage_load(const struct zoo *zoo, int world, int plugin, struct result *result);

/* Ends a worker, by force if need be. The next cage_load() makes a new one. */
void cage_discard(const struct zoo *zoo, int world, int plugin);

/* Waits until a worker has nothing but what waits for the next call. False, and a violation, when
 * it never comes to that. */
bool cage_settle(const struct cage *cage, struct result *result, const char *after);

/* A call that is to be well, and counts as such: "add 2 3". Its result; "" and a violation when it
 * is not. `answer` holds it. */
const char *cage_call(const struct zoo *zoo, int world, int plugin, const char *call,
                      struct answer *answer, struct result *result, const char *after);

/* What `ps` counts is what was expected, and it is the same worker. */
void cage_check_counts(const struct zoo *zoo, int plugin, const struct cage *cage,
                       struct result *result, const char *after);

#endif
