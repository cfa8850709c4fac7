/* Where a header stands in relation to the sources. A bundle says nothing of where its sources lay,
 * and yet must be built again from itself: what they reached by a path has to be reached by the
 * same one there. So a place is told as seen from the directory that all sources have in common:
 *
 *     outside/0/inc/h.h            inc/h.h
 *     outside/1/inc/h.h            ../inc/h.h, one directory up
 *     outside/include-0/h.h        h.h in the first -I directory, which is no neighbour
 *
 * It is also the name under which a bundle keeps a header that is neither the author's own (those
 * are in source/) nor the system's. */
#ifndef BUILD_PLACE_H
#define BUILD_PLACE_H

#include "build/plan.h"

#define PLACE_DIR "outside/"
enum { PLACE_UP_MAX = 16 };

/* Notes the directories that places are seen from: those of the planned sources, and the request's
 * -I. 0; -1 when memory has run out. */
int place_begin(struct build *b, struct ml_error *err);

/* The place of a file as the compiler names it in its list; null when it has none: it was found by
 * neither the sources' own paths nor the request's -I. */
const char *place_of(const struct build *b, const char *path);

/* Where the request's -I number `i` leads to: a path from the sources' common directory ("inc",
 * "../inc"), or null: to no neighbour. */
const char *place_include(const struct build *b, size_t i);

/* Whether a text can be what place_include() gives. */
bool place_neighbour_valid(const char *dir);

/* Takes a place apart: `up` directories up, or -1 and the number of an -I in `include`; returns the
 * path there. Null when it is no place. */
const char *place_parse(const char *place, int *up, size_t *include);

/* Whether a header is the system's or modload's: it is there for every build, and not kept. */
bool place_is_system(const struct build *b, const char *path);

#endif
