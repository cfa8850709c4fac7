/* modload/index.h - where plugins are looked up by name. Volatile: may change with any release
 * before 1.0.
 *
 * An index is a git repository with `index.json` at its top ({"format": 1, "name": "..."}) and one
 * JSON file for each plugin, in directories by the first letters of its name. Which ones a user
 * follows is his configuration ($XDG_CONFIG_HOME/modload/indexes.json); a copy of each is kept in
 * $XDG_CACHE_HOME/modload/index, so that neither a search nor looking up a plugin needs a network.
 * The registry has no part in it.
 *
 * What is published never changes, but for being retired: an update that finds it otherwise is
 * refused. All texts of an index are UTF-8 without control characters.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h. */
#ifndef MODLOAD_INDEX_H
#define MODLOAD_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/error.h"
#include "modload/modload.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Bytes, the NUL included. */
enum { ML_INDEX_URL_SIZE = 4096, ML_INDEX_COMMIT_SIZE = 41 };

/* An index that is followed. */
struct ml_index {
    char name[ML_NAME_SIZE];
    char url[ML_INDEX_URL_SIZE];
    char commit[ML_INDEX_COMMIT_SIZE]; /* of the local copy; "" when there is none */
    uint64_t plugins;                  /* in the copy */
    uint64_t added, changed;           /* plugins, by ml_index_add() and ml_index_update() */
};

/* How a fetch may go on. */
struct ml_index_fetch {
    int64_t wait_ms; /* how long to wait for another modload that updates */
    int cancel_fd;   /* given up when it becomes readable; -1: none */
    /* Called now and then while it goes on; may be null. `done` of `total` objects have come,
     * `total` is 0 while nobody knows. */
    void (*progress)(uint64_t done, uint64_t total, uint64_t bytes, void *arg);
    void *arg;
};

/* Fetches an index and follows it from now on. `name` null: as it calls itself. Returns 0 and fills
 * `*ret`, which may be null; or -1, and nothing is followed that was not:
 *     ML_DATA      no URL; not an index, or one with a mistake in it; ML_CONFIG: of a newer format
 *     ML_REFUSED   "name_taken": another index is followed by this name; a hostile repository
 *     ML_NO_INPUT  no such repository; ML_IO, ML_TIMEOUT, ML_BUSY, ML_LIMIT, ML_CANT_CREATE */
int ml_index_add(const char *url, const char *name, const struct ml_index_fetch *how,
                 struct ml_index *ret, struct ml_error *err);

/* Follows it no more, and removes its copy. Returns 0; or -1 and ML_NO_INPUT ("no_such_index"). */
int ml_index_remove(const char *name, struct ml_error *err);

/* Calls `each` for every index, in the order in which they were added. Returns 0; what `each`
 * returned, if that was not 0; or -1. */
int ml_indexes(int (*each)(const struct ml_index *index, void *arg), void *arg,
               struct ml_error *err);

/* Brings the copy of one index up to date. Returns 0 and fills `*ret`; or -1, and the copy is as it
 * was: the errors of ml_index_add(); ML_NO_INPUT ("no_such_index"); ML_REFUSED ("rewritten_index"):
 * what was published before is changed or gone, which nobody may do. */
int ml_index_update(const char *name, const struct ml_index_fetch *how, struct ml_index *ret,
                    struct ml_error *err);

/* What a search found. The texts are good until `each` returns. */
struct ml_index_match {
    const char *index, *name;
    const char *version; /* the newest that is not retired; "-" when all are */
    const char *description;
};

/* Calls `each` for every plugin whose name or description has `word` in it, whatever its case, with
 * - and _ as the same: the one of this name first, then names that begin with it, names that have
 * it, descriptions; each in the order of the names. Goes through the copies alone. Returns how many
 * there were, 0 among them; -2 when `each` returned anything but 0, which ends it; or -1 and
 * ML_DATA
 * ("bad_word", "bad_copy"), ML_NO_INPUT ("no_index": none is followed), ML_LIMIT. */
int64_t ml_index_search(const char *word,
                        int (*each)(const struct ml_index_match *match, void *arg), void *arg,
                        struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
