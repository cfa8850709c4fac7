/* A registry as its user sees it: what list, lookup and history say, and which bundles are filed.
 */
#ifndef FAULT_STATE_H
#define FAULT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rig.h"

enum { MAX_ITEMS = 120, MAX_NAMES = 16 };

/* One thing that can be asked for, and the answer: "lookup 10a0..." and "b-...". */
struct item {
    char *what, *answer;
};

struct state {
    struct item item[MAX_ITEMS]; /* by `what`, each once */
    size_t n;
};
#define STATE_AUTO __attribute__((cleanup(state_free))) struct state
void state_free(struct state *s);

/* What is asked for. */
struct questions {
    bool key[N_KEYS + 1];
    char name[MAX_NAMES][80];
    size_t n_names;
};

/* Asks, in the world that this process has entered; `home` is its home. */
void state_read(const struct rig *rig, const struct questions *q, const char *home,
                struct state *ret);

/* The same in two steps. The first asks for the list alone, which is the command that finds what
 * the one before it has left; it gives a hash of what that said. */
uint64_t state_begin(const struct rig *rig, struct state *ret);
void state_go_on(const struct rig *rig, const struct questions *q, const char *home,
                 struct state *ret);

/* Adds the names of a state's entries to what is asked for. */
void questions_add_names(struct questions *q, const struct state *s);

/* How a state stands to two others. */
enum { STATE_OLD = 1, STATE_NEW = 2, STATE_MIXED = 4 };

/* STATE_OLD, STATE_NEW, or both when the two are the same; STATE_MIXED when each answer is the old
 * or the new one; 0 when one is neither: then `why` says which. */
unsigned state_compare(const struct state *s, const struct state *old, const struct state *new,
                       struct buf *why);

/* Whether the entries are those of a text: "key:bundle:name key:bundle:name". */
bool state_is(const struct rig *rig, const struct state *s, const char *spec, struct buf *why);

#endif
