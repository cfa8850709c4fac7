/* The host compiler, and the environment that it and its like run in. */
#ifndef BUILD_HOST_H
#define BUILD_HOST_H

#include "build/plan.h"

/* Finds the compiler ($CC, split at blanks, else cc) and modload's own headers, and asks the
 * compiler who it is. The stage's work directory becomes everybody's TMPDIR. 0; -1 and ML_NO_INPUT
 * (no compiler, no headers), ML_DATA (it cannot say who it is), ML_TIMEOUT. */
int host_open(struct build *b, struct ml_error *err);

/* Whether the caller has asked to give the build up. */
bool host_cancelled(const struct build *b);

/* A build that took too long, in words. */
int host_timeout(const struct build *b, struct ml_error *err);

#endif
