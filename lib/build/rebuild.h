/* A bundle built again from itself, here or where it came to. */
#ifndef BUILD_REBUILD_H
#define BUILD_REBUILD_H

#include "build/check.h"
#include "modload/build.h"

/* Builds the bundle of `c` again into a stage, whole but for being filed; it has the same id.
 * `ret` gets its files, sorted. `where` is the bundle's path, for hints. 0; -1 and the errors of
 * ml_bundle_repair(). */
int rebuild_bundle(struct check *c, struct store_stage *stage, const char *where,
                   const struct ml_repair_request *how, struct build *ret, struct ml_error *err);

/* Builds the bundle of `c`, of which all that it was built from is whole, with the compiler that is
 * here, and files it. `id` (ML_BUNDLE_ID_SIZE bytes) is what it is called now: the same where
 * compiler, flags and headers are. `*hold` keeps it, as that of store_bundle_open(). The stage
 * stays the caller's to drop. 0; -1 and the errors of ml_build(). */
int rebuild_here(struct check *c, struct store_stage *stage, const struct ml_repair_request *how,
                 char *id, int *hold, struct ml_error *err);

#endif
