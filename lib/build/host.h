/* The host compiler, and the environment that it and its like run in. */
#ifndef BUILD_HOST_H
#define BUILD_HOST_H

#include "base/child.h"
#include "build/plan.h"

/* Finds the compiler ($CC, split at blanks, else cc) and modload's own headers, makes the box that
 * it runs in (base/cc-box.h; the planned sources can be read there), and asks the compiler who it
 * is. The stage's work directory becomes everybody's TMPDIR and HOME. 0; -1 and ML_NO_INPUT (no
 * compiler, no headers), ML_DATA (it cannot say who it is), ML_TIMEOUT, ML_LIMIT, ML_IO. */
int host_open(struct build *b, struct ml_error *err);

/* How every program of a build is started: in its box, with the environment from a list. `argv`
 * must outlive `ret`. */
void host_spec(struct build *b, const struct strv *argv, struct child_spec *ret);

/* Whether the caller has asked to give the build up. */
bool host_cancelled(const struct build *b);

/* A build that took too long, in words. */
int host_timeout(const struct build *b, struct ml_error *err);

#endif
