/* The harnesses: each tries all cases in its way, and prints TAP. */
#ifndef FAULT_MODES_H
#define FAULT_MODES_H

#include <stdbool.h>

#include "trial.h"

struct options {
    bool full;          /* everything, not a sample */
    bool sanitized;     /* the build has sanitizers: memory is theirs, and leaks count */
    int jobs;           /* processes */
    const char *filter; /* cases whose name has this in it; "" */
    int at;             /* only this point; 0 */
    const char *call;   /* only calls of this name; null */
    const char *error;  /* only this failure: "EIO", "ENOSPC..."; null */
    unsigned sample;    /* so many points of each case; 0: as the mode has it in its short form */
    int processes, seconds; /* of the storm; 0: as the form has it */
    unsigned long long seed;
};

/* Kills each command before each of its system calls that change the registry. */
void kill_mode(const struct trials *trials, const struct options *options);

/* Kills compile while its compiler runs: a part of kill_mode(). */
void kill_children(const struct rig *rig);

/* Lets each system call of each command fail. */
void fail_mode(const struct trials *trials, const struct options *options);

/* Lets each request for memory of each command fail. */
void memory_mode(const struct trials *trials, const struct options *options);

/* Cuts the power at each point: whatever a file system may have kept of it. */
void power_mode(const struct trials *trials, const struct options *options);

/* How many of the `n` points of a case are tried: `usual` in the short form. Of so many equal parts
 * of them one each, which is drawn: the i-th, counted from 0. */
size_t sample_size(const struct options *options, size_t n, size_t usual);
size_t sample_draw(const struct options *options, int trial, size_t n, size_t size, size_t i);

/* Many processes at once, some of them killed. It needs no trials. */
void storm_mode(const struct trials *trials, const struct options *options);

#endif
