/* Progress of fetches, on a terminal only, and after half a second. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/install.h"

/* What several fetches say, as one line. */
struct progress {
    pthread_mutex_t lock;
    bool shown;       /* there is a line to be removed */
    int64_t begun_ms; /* negative: nothing is shown at all */
    int64_t told_ms;
    size_t n;
};

void progress_begin(struct progress *p, size_t n);

/* For ml_package_request: `arg` is a struct progress. Any thread. */
void progress_tell(const struct ml_package_progress *now, void *arg);

/* Takes the line away. */
void progress_end(struct progress *p);

#endif
