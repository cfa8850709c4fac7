/* What the processes beneath this one use. */
#ifndef WORKER_METER_H
#define WORKER_METER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is asked for; processor time and the number of processes come with every look. */
enum { METER_MEMORY = 1, METER_SHARED = 2, METER_DESCRIPTORS = 4 };

struct meter {
    uint64_t
        memory; /* bytes; pages that several have count for each, or, with METER_SHARED, once */
    uint64_t cpu_ms;      /* of those that are there, and of the dead that they have waited for */
    uint64_t descriptors; /* of the process that has the most */
    uint64_t processes;   /* that are alive */
};

/* Looks at every descendant of this process but the child `except` (0: none) and its own. It is no
 * snapshot: processes that come or go meanwhile may be missed. What a process does not let be seen
 * counts as nothing; METER_SHARED where it is not let see counts as METER_MEMORY. */
void meter_read(unsigned what, pid_t except, struct meter *ret);

#endif
