/* The steps of a build, in their order. Whoever takes them has planned the build and opened its
 * stage, and files or drops the stage in the end. */
#ifndef BUILD_BUILD_H
#define BUILD_BUILD_H

#include "build/plan.h"

/* Makes the work directory in the stage, and finds the compiler. */
int build_begin(struct build *b, struct ml_error *err);

/* Compiles, and tells what the bundle is called; `id` has ML_BUNDLE_ID_SIZE bytes. */
int build_identify(struct build *b, char *id, struct ml_error *err);

/* Links, and writes what else the bundle needs. The work directory is gone then. */
int build_finish(struct build *b, struct ml_error *err);

/* Closes what build_begin() has opened. */
void build_end(struct build *b);

#endif
