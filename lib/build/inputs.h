/* The files that went into a build: what the compiler says it has read. */
#ifndef BUILD_INPUTS_H
#define BUILD_INPUTS_H

#include "build/plan.h"

/* Takes the digest of every source and of every header that was read, and copies the author's own
 * to source/ in the stage. 0; -1 and ML_BUSY (one has changed since the build began), ML_DATA,
 * ML_IO. */
int inputs_collect(struct build *b, struct ml_error *err);

/* Takes the digest of every static archive that compile_link() has linked in: its code is in the
 * bundle like that of a source. Errors as inputs_collect(). */
int inputs_archives(struct build *b, struct ml_error *err);

/* Adds the files that a dependency list as of -MD names, without its target. */
void inputs_parse(struct arena *a, const char *text, struct strv *ret);

#endif
