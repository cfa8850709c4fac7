/* What an archive has cost so far. */
#ifndef ARCHIVE_BUDGET_H
#define ARCHIVE_BUDGET_H

#include "archive/unpack.h"

struct budget {
    struct archive_limits limits;
    uint64_t size;  /* of the archive */
    uint64_t bytes; /* of the files so far */
};

/* Every function: 0; -1 and ML_REFUSED, "hostile_archive", for what is out of proportion to the
 * archive's size, else ML_LIMIT, "archive_too_large", for what is over another limit. Proportion
 * comes first: a bomb is a bomb, however large the limits are. */

/* Before the next file is made, which is said to have `size` bytes. */
int budget_file(const struct budget *b, const char *path, uint64_t size, struct ml_error *err);

/* `n` bytes more of a file that has `so_far`. */
int budget_bytes(struct budget *b, const char *path, uint64_t so_far, uint64_t n,
                 struct ml_error *err);

/* There are `n` files and directories now. */
int budget_entries(const struct budget *b, uint64_t n, struct ml_error *err);

/* A stream that comes out of a compression has `n` bytes so far: files, and what is between them.
 */
int budget_stream(const struct budget *b, uint64_t n, struct ml_error *err);

#endif
