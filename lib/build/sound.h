/* Whether a filed bundle is still what was filed. */
#ifndef BUILD_SOUND_H
#define BUILD_SOUND_H

#include <stdbool.h>

#include "registry_store/store.h"

/* Checks every file of the bundle that its SHA256SUMS names, and that the names without which no
 * bundle works are among them. False also when something cannot be read. */
bool bundle_is_sound(struct store *store, const char *id);

#endif
