/* Filed bundles for tests that damage and mend them. The bundle is one of the place's registry. */
#ifndef UNIT_MEND_H
#define UNIT_MEND_H

#include "modload/build.h"

#include "built.h"

/* Builds from one path of the place, which must succeed, and gives the bundle's id. Four are good
 * at a time. */
const char *mend_build(const struct place *place, const char *path);
const char *mend_build_request(const struct place *place, struct ml_build_request *request);

/* Runs a shell command in the bundle's directory, whose files can be written meanwhile; then their
 * modes are as they were. `sums` in it writes SHA256SUMS anew. */
void mend_damage(const struct place *place, const char *id, const char *command);

/* The same without touching a mode. */
void mend_damage_modes(const struct place *place, const char *id, const char *command);

/* What ml_bundle_check() says, in lines of "path: what"; good until the next call. */
const char *mend_check(const struct place *place, const char *id);

/* Names, types, modes and digests of all that is in the bundle; good until the next call. */
const char *mend_snapshot(const struct place *place, const char *id);

/* Mends it; what ml_bundle_repair() returns. `result` and `err` are emptied first. */
int mend_repair(const struct place *place, const char *id, bool rebuild,
                struct ml_repair_result *result, struct ml_error *err);

#endif
