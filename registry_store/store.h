/* The on-disk registry. Only this folder spells its paths (DESIGN: section 6).
 *
 *     FORMAT                           the version of this layout
 *     bundles/<id>/                    immutable: plugin.so, manifest.json, build.json, name,
 *                                      SHA256SUMS, source/
 *     entries/8c/<uuid>/current        -> ../../../bundles/<id>: one link = one lookup
 *     entries/8c/<uuid>/1 2 3 ...      what each change was: lines of "word value"
 *     names/<name>                     -> ../entries/8c/<uuid>
 *     locks/write                      flock, held while entries and names change
 *     tmp/<random>                     files in the making, under locks/write; directories of
 *                                      bundles in the making, each under a flock of its maker:
 *                                      the rest is litter
 *
 * A store is for one thread at a time. Lookups take no lock. Every change is synced to the disk
 * before the function that makes it returns.
 */
#ifndef REGISTRY_STORE_STORE_H
#define REGISTRY_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/error.h"

enum {
    STORE_UUID_SIZE = 37,
    STORE_BUNDLE_SIZE = 35,
    STORE_NAME_SIZE = 65,
};

struct store;

/* Opens the registry at `home`. With `create` it is made where it is missing, and leftovers of dead
 * builds are swept; without, a missing one is an empty one. Errors: ML_REFUSED (not ours, writable
 * by others), ML_CONFIG (another format), ML_CANT_CREATE, ML_IO. */
int store_open(const char *home, bool create, int64_t wait_ms, struct store **ret,
               struct ml_error *err);
void store_close(struct store *store);

/* Whether there is a registry: false for one that was opened without `create` and is missing. */
bool store_present(const struct store *store);

/* ---- checks of what becomes part of a path ---- */
bool store_bundle_valid(const char *id); /* "b-" and 32 of a-z2-7 */
bool store_name_valid(const char *name); /* 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first */
bool store_uuid_valid(const char *uuid); /* lower case, 8-4-4-4-12 */

/* ---- entries: `uuid` must be valid, as all texts below ---- */

/* 0 and the bundle; -1 and ML_NO_INPUT when there is no such entry. */
int store_lookup(struct store *store, const char *uuid, char bundle[STORE_BUNDLE_SIZE],
                 struct ml_error *err);

struct store_change {
    const char *uuid;
    const char *bundle; /* null: take the entry out */
    const char *name;   /* for the entry; null: none */
    const char *origin; /* for people; may be null */
};

/* Applies a change under the write lock. 1 when it changed something, 0 when it was so already. A
 * name of another registered entry is ML_DATA, "name_taken"; a bundle that is not filed is
 * ML_NO_INPUT. */
int store_change_entry(struct store *store, const struct store_change *change,
                       struct ml_error *err);

/* The name that an entry has now, or "". */
int store_entry_name(struct store *store, const char *uuid, char name[STORE_NAME_SIZE],
                     struct ml_error *err);

/* Where the current bundle came from, or "". */
int store_entry_origin(struct store *store, const char *uuid, char *origin, size_t size,
                       struct ml_error *err);

/* All registered entries whose UUID begins with `prefix` (lower-case hex digits without hyphens,
 * may be empty), in order. `each` returns nonzero to stop; that is returned. */
int store_each_entry(struct store *store, const char *prefix,
                     int (*each)(const char *uuid, const char *bundle, void *arg), void *arg,
                     struct ml_error *err);

/* ---- names ---- */

/* 0 and the UUID that a name stands for; -1 and ML_NO_INPUT. The entry may have been taken out
 * since. */
int store_name_lookup(struct store *store, const char *name, char uuid[STORE_UUID_SIZE],
                      struct ml_error *err);

/* All names. */
int store_each_name(struct store *store, int (*each)(const char *name, const char *uuid, void *arg),
                    void *arg, struct ml_error *err);

/* ---- bundles ---- */

/* A directory for a bundle in the making, open and locked against the sweep. */
struct store_stage {
    struct store *store;
    char name[24]; /* beneath tmp/ */
    int fd;        /* the directory */
};

int store_stage_open(struct store *store, struct store_stage *ret, struct ml_error *err);

/* Files the stage as bundle `id`: makes its files read-only, syncs them and every directory, and
 * renames it into place. 1 when filed; 0 when the bundle was there already and the stage is
 * dropped; -1. The stage is closed in every case. */
int store_stage_commit(struct store_stage *stage, const char *id, struct ml_error *err);

/* The same where a damaged bundle `id` is in the way: the two change places in one step, and the
 * damaged one is removed. Processes that have mapped it keep what they have. 0, or -1. */
int store_stage_replace(struct store_stage *stage, const char *id, struct ml_error *err);

/* Drops a stage that was not committed; harmless after a commit. */
void store_stage_drop(struct store_stage *stage);

/* The absolute path of a stage, for programs that know no directory handles. The caller frees it.
 */
char *store_stage_path(const struct store_stage *stage);

/* A descriptor of a filed bundle's directory (O_PATH), or -1 and ML_NO_INPUT. */
int store_bundle_open(struct store *store, const char *id, struct ml_error *err);
bool store_bundle_exists(struct store *store, const char *id);

/* The plugin's name and version as the bundle's file `name` gives them ("math@1.2.0"). */
int store_bundle_name(struct store *store, const char *id, char name[STORE_NAME_SIZE],
                      char version[STORE_NAME_SIZE], struct ml_error *err);

/* Finds the one bundle whose id begins with `prefix` (at least "b-" and 4 characters). */
int store_bundle_resolve(struct store *store, const char *prefix, char id[STORE_BUNDLE_SIZE],
                         struct ml_error *err);

#endif
