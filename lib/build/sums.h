/* SHA256SUMS, the list of a bundle's files: the form of coreutils' sha256sum, so that everybody can
 * check a bundle. */
#ifndef BUILD_SUMS_H
#define BUILD_SUMS_H

#include "base/buf.h"
#include "build/plan.h"

enum { SUMS_SIZE_MAX = 1 << 22 };

/* Writes the list, sorted by name; `files` is sorted by it. */
void sums_write(struct buf *out, struct bundle_file *files, size_t n);

/* Reads a list, and sorts it. 0; -1 when a line is none, when a path leads out of the bundle or is
 * there twice, or memory is out. */
int sums_parse(struct arena *a, const char *text, struct bundle_file **ret, size_t *n);

/* Whether a path names something in a bundle: relative, and without empty, "." or ".." parts. */
bool sums_path_valid(const char *path);

/* The file of this name, or null. `files` is sorted. */
const struct bundle_file *sums_find(const struct bundle_file *files, size_t n, const char *path);

/* Whether it is a digest: 64 lower-case hex digits. */
bool sums_digest_valid(const char *hex);

#endif
