/* Between a call whose output is limited and its client. */
#ifndef WORKER_PUMP_H
#define WORKER_PUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A process that copies standard output and standard error. It runs nothing of the plugin's. */
struct pump {
    pid_t pid; /* 0: there is none */
    int pidfd; /* readable when it has ended; -1: there is none */
    bool over; /* it has ended, since there was more than the limit */
};
#define PUMP_INIT                                                                                  \
    {                                                                                              \
        0, -1, false                                                                               \
    }

/* Starts one: what comes from from[0] goes to to[0], what comes from from[1] to to[1], and when
 * `limit` bytes have gone both ways together and there are more, it ends. It also ends when nobody
 * can write to it any more, and all is written; and dies with this process. Where it cannot write
 * it stops reading, so that whoever writes to it learns. The descriptors stay the caller's. -1 when
 * there is none. */
int pump_start(struct pump *pump, const int from[2], const int to[2], uint64_t limit);

/* Takes in one that has ended. */
void pump_reap(struct pump *pump);

/* Waits for its end for as long as that, and then ends it. None is fine. */
void pump_end(struct pump *pump, int patience_ms);

#endif
