/* The storm, and what the program is asked for. */
#ifndef ZOO_STORM_H
#define ZOO_STORM_H

#include "world.h"

struct options {
    const char *filter;     /* rows whose name has this in it; "" */
    int times, jobs;        /* each row so often, in so many worlds at once */
    bool storm;             /* the storm instead */
    int processes, seconds; /* of it */
    unsigned long long seed;
};

/* Many callers of one worker, while calls, supervisors and callers are killed. */
void storm_mode(const struct zoo *zoo, const struct options *options);

#endif
