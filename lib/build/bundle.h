/* The files of a bundle, and its id. */
#ifndef BUILD_BUNDLE_H
#define BUILD_BUNDLE_H

#include "build/plan.h"

enum { BUNDLE_FORMAT = 1 };

/* Writes a new file into the stage, with the directories on its way, and notes its digest. */
int bundle_write(struct build *b, const char *path, const void *data, size_t n,
                 struct ml_error *err);

/* The same for a file that the bundle can do without: 1; 0 when something else has its place; -1.
 */
int bundle_keep(struct build *b, const char *path, const void *data, size_t n,
                struct ml_error *err);

/* Notes the digest of a file that something else has written into the stage. */
int bundle_note(struct build *b, const char *path, struct ml_error *err);

/* The digest of plugin.so, or "". */
const char *bundle_object_digest(const struct build *b);

/* What the bundle is called: a digest of everything that went into it. `id` has ML_BUNDLE_ID_SIZE
 * bytes. */
int bundle_identify(const struct build *b, char *id, struct ml_error *err);

/* Writes manifest.json, build.json, name and, last, SHA256SUMS. */
int bundle_finish(struct build *b, struct ml_error *err);

#endif
