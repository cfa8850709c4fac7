/* The room on the disk that a build takes. */
#ifndef BUILD_ROOM_H
#define BUILD_ROOM_H

#include "build/plan.h"

/* Whether there is none left where compilers write: a megabyte, which is more than they need for
 * most plugins. What they say of it is in the language of the user, or was not written either. */
bool room_is_out(const struct build *b, int *errnum);

/* Adds the object of a source to `bytes`. Each file has its limit (base/cc-box.c), and a plugin has
 * as many objects as it has sources. 0; -1 and ML_LIMIT ("too_large") when all of them together are
 * larger than one may be. */
int room_take(const struct build *b, const char *stem, uint64_t *bytes, struct ml_error *err);

#endif
