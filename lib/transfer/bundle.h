/* Bundles that leave a registry, and those that come into one. */
#ifndef TRANSFER_BUNDLE_H
#define TRANSFER_BUNDLE_H

#include "archive/unpack.h"
#include "build/check.h"
#include "registry_store/store.h"

/* Opens a filed bundle that is to be passed on, and looks at all of it; `ret` is as that of
 * check_bundle(). A descriptor; -1 and ML_REFUSED (it is damaged; modes and owners do not count,
 * for they stay behind), ML_NO_INPUT (it is gone), ML_LIMIT. */
int transfer_open(struct store *store, const char *id, struct arena *a, struct check *ret,
                  struct ml_error *err);

/* Whether something is in a bundle's place here that is not the bundle. All of it is read. */
bool transfer_is_damaged(struct store *store, const char *id);

/* Files a settled directory of the stage as bundle `id`; `damaged` is what the above said. `*hold`
 * keeps it. Its name is not on the disk yet. What became of it, or -1. */
enum transfer_filed { TRANSFER_THERE, TRANSFER_FILED, TRANSFER_REPLACED };
int transfer_file(struct store_stage *stage, const char *path, const char *id, bool damaged,
                  int *hold, struct ml_error *err);

/* Marks the object of a bundle that was checked, and is not filed yet, as one that was not built
 * here (build/sound.h). 0; -1 and ML_REFUSED, where the record is not as modload writes it, ML_IO,
 * ML_LIMIT. */
int transfer_mark(int dir, const char *label, struct ml_error *err);

/* The record and the sums of a bundle with that mark, as they were without it: whoever takes them
 * in marks it himself. 0; -1 and ML_IO, ML_LIMIT. */
int transfer_unmarked(int dir, struct buf *record, struct buf *sums, struct ml_error *err);

/* Lowers limits so that some of the disk stays free that `fd` is on. */
void transfer_limit(int fd, struct archive_limits *limits);

#endif
