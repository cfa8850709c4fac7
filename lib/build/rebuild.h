/* A bundle built again from itself. */
#ifndef BUILD_REBUILD_H
#define BUILD_REBUILD_H

#include "build/check.h"
#include "modload/build.h"

/* Builds the bundle of `c` again into a stage, whole but for being filed; it has the same id.
 * `ret` gets its files, sorted. `where` is the bundle's path, for hints. 0; -1 and the errors of
 * ml_bundle_repair(). */
int rebuild_bundle(struct check *c, struct store_stage *stage, const char *where,
                   const struct ml_repair_request *how, struct build *ret, struct ml_error *err);

#endif
