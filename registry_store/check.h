/* What the two halves of the check share: places and names (check.c), entries and histories
 * (check-entry.c). */
#ifndef REGISTRY_STORE_CHECK_H
#define REGISTRY_STORE_CHECK_H

#include "registry_store/internal.h"

struct check {
    struct store *store;
    const struct store_check *policy;
    struct store_check_result *result;
    size_t n_named;  /* entries that have a name */
    bool read_only;  /* store_read_only() */
    bool unsure;     /* something could not be read, or mended: more may be right than was seen */
    struct ids lost; /* bundles that are missing, and were told of */
    char time[STORE_TIME_SIZE];
    struct ml_error *err;
};

/* What became of a problem: 1 it was mended; 0 it was not, since nobody asked for that, or nothing
 * helps; -1 the error is set: nothing can be mended any more. */

/* Counts a problem and tells it. Nonzero ends the check; `mended` -1 does. */
int problem_tell(struct check *c, const char *path, int mended, const char *what);

/* Sets the error to errno's. -1. */
int problem_errno(struct check *c, const char *path);

/* By errno, whether what could not be read is a problem of the registry, and told as one, or this
 * process has run out of something, which ends the check. */
int problem_unread(struct check *c, const char *path);

/* The same of what could not be mended: 0, or -1. */
int mend_failed(struct check *c, const char *path);

/* Keeps what is in a file that will be replaced, in lost+found/. 0, or -1 with errno. */
int keep_copy(struct store *store, const char *path);

/* Whether a mode is none of ours, where `good` is. In a home that is only to be read it is no
 * matter whether its owner may write to what is in it. */
bool mode_is_wrong(const struct check *c, unsigned mode, unsigned good);

/* With `repair`, gives it this mode. */
int mode_mend(struct check *c, const char *path, unsigned mode);

/* With `repair`, moves a file to lost+found/. */
int problem_move_away(struct check *c, const char *path);

/* Whether an entry has this name by its history: 1, 0; -1 and errno. */
int name_is_known(struct store *store, const char *name, const char *uuid);

/* The entries of one shard beside its history, or the one that is asked for. */
int check_shard(struct check *c, unsigned shard);

#endif
