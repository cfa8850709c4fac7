/* A source that is an archive: unpacked into the build's stage, and built like a directory. */
#ifndef BUILD_UNPACKED_H
#define BUILD_UNPACKED_H

#include "base/buf.h"
#include "build/plan.h"

/* Unpacks b->archive, and plans what was in it. Where all of it lies in one directory, as in the
 * archive of a release, that one is the root. 0; -1 and what archive_unpack() and plan_directory()
 * say. */
int unpacked_plan(struct build *b, struct ml_error *err);

/* The one thing in a directory if it is a directory, else "": where all of an archive lies in one,
 * as in that of a release. Closes `dirfd`. */
const char *unpacked_top(struct arena *a, int dirfd);

/* Adds a text in which the place of unpacking, which nobody knows and which is gone by then, has
 * the archive's name, and any other such place its label: "calc.tgz/src/a.c:3:1: error". */
void unpacked_show(const struct build *b, const char *text, struct buf *out);

/* The same for what an error says. */
void unpacked_show_error(const struct build *b, struct ml_error *err);

#endif
