/* One of many processes that work at one registry at once. */
#ifndef FAULT_STORM_H
#define FAULT_STORM_H

#include <stdint.h>

#include "report.h"
#include "rig.h"
#include "run.h"

/* Keys of all, of which the first few are never taken out; behind them each process has one that no
 * other process changes. */
enum { STORM_KEYS = 16, STORM_STEADY = 4, STORM_SOURCES = 6 };

enum storm_outcome { STORM_DONE = COUNT_OWN, STORM_BUSY, STORM_GONE, STORM_KILLED, STORM_TAKEN };

struct client {
    const struct rig *rig;
    int number;
    uint64_t random;
    unsigned own; /* what its own key may have: a bit for each bundle, and one for none */
    struct ended ended;
};

/* One kind of work: the command that it needs, and how often it is done among the others. */
struct storm_work {
    const char *name, *needs;
    int weight;
    void (*run)(struct client *c, struct result *result);
};
extern const struct storm_work storm_works[];
extern const int n_storm_works;

/* The key of a number. Four are good at a time. */
const char *storm_key(int number);
unsigned client_draw(struct client *c, unsigned n);

/* The bundles, sources and entries that a storm begins with. */
void storm_prepare(const struct rig *rig);

/* What must hold of a list at any time: adds to `why` what does not. */
void storm_check_list(const struct rig *rig, const char *json, struct buf *why);

#endif
