/* What a supervisor tells of a call for the worker's log. */
#ifndef WORKER_RECORD_H
#define WORKER_RECORD_H

#include "modload/error.h"

/* Says by the lifeline that a call of `function` has ended so, where that is worth a line: it
 * crashed, ended its process, or took too long. The worker may be busy, or gone: nobody waits for
 * it. */
void record_call(int lifeline, const char *function, const struct ml_error *how);

#endif
