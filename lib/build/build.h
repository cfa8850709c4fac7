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

/* Files what build_identify() has named `id`, with build_finish() before where it has to be; one
 * that is there already and whole does as well, and a damaged one is replaced. `*hold` is then a
 * descriptor as that of store_bundle_open(). 0, or -1. */
int build_file(struct build *b, const char *id, int *hold, struct ml_error *err);

/* Closes what build_begin() has opened. */
void build_end(struct build *b);

#endif
