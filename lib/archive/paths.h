/* The names in an archive: what a name may be, and that each stands for one thing. */
#ifndef ARCHIVE_PATHS_H
#define ARCHIVE_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/lib.h"
#include "archive/unpack.h"

struct paths {
    const struct lib *lib;
    enum archive_names names;
    void *tree; /* of portable ones: of tsearch(3), by folded path */
    char *last; /* of any others: the path before */
    size_t n;   /* files and directories, those that only paths name among them */
};

#define PATHS_AUTO __attribute__((cleanup(paths_free))) struct paths
void paths_free(struct paths *paths);

/* Takes a path in: relative, without a slash at its end. The directories on its way are taken in as
 * well; one of them may be named on its own once, before or after. 0; -1 and ML_REFUSED,
 * "hostile_archive": it is no name for a file (see ARCHIVE_NAME_MAX), or it is there already, or
 * one that differs in case or in Unicode composition alone, or one is a file where the other is a
 * directory; ML_LIMIT.
 *
 * Of any names (ARCHIVE_NAMES_ANY) only that a path stays beneath its directory is looked at:
 * whether two are one file is for the file system to say. `n` is then exact where paths come in
 * order, and never too small. */
int paths_add(struct paths *paths, const char *path, bool directory, struct ml_error *err);

/* By errno, why a path could not be written: ML_IO, ML_CANT_CREATE; or that it is there already,
 * which makes it a hostile one. -1. */
int path_write_failed(const char *path, struct ml_error *err);

/* "'<path>' <why>", the path cut where it is long: -1. */
__attribute__((format(printf, 3, 4))) int path_hostile(struct ml_error *err, const char *path,
                                                       const char *why, ...);

#endif
