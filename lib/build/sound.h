/* Whether a filed bundle is still what was filed. */
#ifndef BUILD_SOUND_H
#define BUILD_SOUND_H

#include <stdbool.h>

#include "build/check.h"
#include "registry_store/store.h"

/* Whether the bundle still is the directory that was opened: another process may have put a mended
 * one in its place, and be removing this one while somebody reads it. */
bool sound_is_current(struct store *store, const char *id, int dir);

/* Looks at all of it. False also when something cannot be read, or memory is out. */
bool bundle_is_sound(struct store *store, const char *id);

/* The same, and that its object was built here, or was the user's own: whether it can stand for
 * what a build would make. The id says what it ought to be built from; of an object that came in a
 * pack or an export only who made that knows whether it was. */
bool bundle_is_ours(struct store *store, const char *id);

#endif
