/* Where a harness works, and what it tests: a directory of its own, an environment that is
 * nobody's, and the programs of a build. */
#ifndef LIB_PLACE_H
#define LIB_PLACE_H

#include <stdbool.h>

#include "tree.h"

enum { PLACE_SIZE = 128 };

/* Makes a directory for homes, in memory if there is room, as modload-NAME.*. It is removed when
 * this process ends, however that happens, unless it is to be kept. */
void place_open(const char *name, bool keep, char path[PLACE_SIZE]);

/* The directory of a build; null: of the one that this program is in. */
void place_build(const char *build, char path[PATH_ROOM]);

/* The caller's modload, compiler and language are none of ours. */
void place_clean_environment(void);

#endif
