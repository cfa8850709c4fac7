/* Where submodules come from: the file .gitmodules of a commit, which a stranger has written. */
#ifndef FETCH_GITMODULES_H
#define FETCH_GITMODULES_H

#include <stddef.h>

#include "fetch/fetch.h"

#define GITMODULES_FILE ".gitmodules"
enum { GITMODULES_SIZE_MAX = 256 << 10 };

/* Looks for the submodule at `path`, which counts from the top of the repository, and copies its
 * URL as it is written there. Of the file only "path" and "url" count, and what git would not write
 * is refused: lines that go on, escapes, keys that are there twice, names and paths that begin with
 * a dash or have '..' in them.
 *
 * 0; -1 and ML_REFUSED, "refused_submodule": also when there is no such one, or two. */
int gitmodules_find(const char *text, size_t n, const char *path, char url[FETCH_MODULE_URL_SIZE],
                    struct ml_error *err);

/* Reads a URL as it is written there: of https, or relative ("../x") to that of `super`, which is
 * of https then. 0; -1 and ML_REFUSED, "refused_submodule". */
int gitmodules_source(const struct source *super, const char *url, struct source *ret,
                      struct ml_error *err);

#endif
