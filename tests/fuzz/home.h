/* A registry of its own for every run, for the targets that leave it changed, made through the
 * store alone: the bundles and entries of registry.h. */
#ifndef FUZZ_HOME_H
#define FUZZ_HOME_H

#include "base/buf.h"
#include "registry.h"

/* The path of the home, which home_clear() and home_make() make anew. */
const char *home_path(void);
/* Nothing but its directory; returns a handle, for the caller to close. */
int home_clear(void);
/* With bundles, without entries: the caller closes both. */
struct store *home_open(void);
/* The whole: FUZZ_UUID, called "math", FUZZ_UUID2, called "cafe", and FUZZ_UUID3. */
struct store *home_make(void);

/* A directory beneath bundles/, with its name: "math@1.0.0\n". */
void home_bundle(const char *id, const char *name);

/* All that is in it but tmp/ and locks/, in words. */
void home_show(struct buf *out);

/* Looks at all of it, and counts what is wrong; but for bundles that only generations of the past
 * had: a history may name any. -1 where it could not be looked at. */
int home_check(struct store *store, bool repair, size_t *problems, struct ml_error *err);

/* Adds a line of history without its hash, then its hash and a newline. */
void line_seal(struct buf *out, const char *line);

#endif
