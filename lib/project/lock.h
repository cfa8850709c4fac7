/* modload.lock: what a project got for what it asked. One file for all machines, made to be kept
 * beside the project's file and to be merged: sorted, one block per plugin, one member per line.
 *
 *     {
 *       "version": 1,
 *       "plugins": {
 *         "math": {
 *           "uuid": "...",
 *           "git": "https://...",
 *           "version": "^1.2",
 *           "tag": "v1.2.3",
 *           "release": "1.2.3",
 *           "commit": "...",
 *           "tree": "...",
 *           "source": "h1:...",
 *           "capabilities": [],
 *           "bundles": {
 *             "x86_64-linux-gnu ...": "b-..."
 *           }
 *         }
 *       }
 *     }
 */
#ifndef PROJECT_LOCK_H
#define PROJECT_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "build/arena.h"
#include "modload/error.h"
#include "project/project.h"

#define LOCK_FILE "modload.lock"

enum { LOCK_VERSION = 1, LOCK_SIZE_MAX = 16 << 20, LOCK_PLATFORM_MAX = 255 };

/* What a plugin became on one kind of machine. */
struct lock_bundle {
    const char *platform, *id;
};

/* One block. What the project had not to say, or the repository has not, is null. */
struct lock_plugin {
    const char *name;
    const char *uuid;                       /* in lower case */
    const char *git, *path, *version, *ref; /* as the project asked */
    const char *tag;                        /* the tag that was resolved, if it was one: "v1.2.3" */
    const char *release;                    /* the version of it (SemVer), if it is one */
    const char *commit, *tree;   /* git's ids: 40 hexadecimal digits, the tree that of `path` */
    const char *source;          /* digest of the files: "h1:" and base64 */
    bool submodules;             /* are fetched as well; written only where they are */
    struct strv capabilities;    /* that were agreed to; sorted */
    struct lock_bundle *bundles; /* sorted by platform */
    size_t n_bundles;
};

struct lock {
    struct lock_plugin *plugins; /* sorted by name */
    size_t n;
};

/* Reads a lock, strictly: every key must be known and there once, every text have its form. Order
 * does not count, since a merge may have changed it. `label` is the file's path for messages,
 * `text` has a NUL behind its `n` bytes. What is in `ret` is in the arena. 0; -1 and ML_CONFIG:
 * "merge_conflict"; "newer_lock": written by a later modload; ML_LIMIT. */
int lock_parse(struct arena *a, const char *label, const char *text, size_t n, struct lock *ret,
               struct ml_error *err);

/* Writes it in its one form: what lock_parse() reads of that is written as the same bytes. */
void lock_write(struct buf *out, const struct lock *lock);

/* ---- changing one ---- */

/* The block of that name, or null. */
struct lock_plugin *lock_find(const struct lock *lock, const char *name);

/* Puts a block in its place, over the one of its name if there is one. What it points at is kept
 * and not copied. */
void lock_put(struct arena *a, struct lock *lock, const struct lock_plugin *plugin);

/* Takes a block away. False: there was none. */
bool lock_remove(struct lock *lock, const char *name);

/* The id that a block has for a platform, or null; and setting it, by copies. */
const char *lock_bundle(const struct lock_plugin *plugin, const char *platform);
void lock_set_bundle(struct arena *a, struct lock_plugin *plugin, const char *platform,
                     const char *id);

/* Whether a block's commit answers to what the project asks for now: the same repository and
 * directory, the same ref, or a release in its range. What the block repeats of the project's words
 * may differ, and its UUID: lock_repeats() is about that. */
bool lock_answers(const struct lock_plugin *plugin, const struct project_plugin *asked);

/* Whether it says what the project says, word for word; and a copy of it that does. */
bool lock_repeats(const struct lock_plugin *plugin, const struct project_plugin *asked);
struct lock_plugin lock_restate(const struct lock_plugin *plugin,
                                const struct project_plugin *asked);

/* ---- its file ---- */

/* Reads LOCK_FILE in the directory `dirfd`; its bytes are in `text`, for lock_save(). 1; 0 when
 * there is none, `*ret` is empty then; -1 and the errors of lock_parse(), ML_IO ... */
int lock_read(struct arena *a, int dirfd, const char *label, struct buf *text, struct lock *ret,
              struct ml_error *err);

/* Writes it, whole or not at all, and durable when this returns, unless it would have the bytes
 * `old` (null: there is no file). Whoever calls holds the directory's lock (lock_hold()): what
 * dead ones have left is removed first. 1 when it was written, 0, or -1 and ML_IO,
 * ML_CANT_CREATE ... */
int lock_save(int dirfd, const char *label, const struct lock *lock, const char *old,
              struct ml_error *err);

/* Puts the file back that was there before lock_save(), or takes it away where there was none
 * (null), for who finds that what it says has not come to be. 0, or -1 and ML_IO, ML_CANT_CREATE
 * ... */
int lock_put_back(int dirfd, const char *label, const struct buf *old, struct ml_error *err);

/* Makes the caller the only one who changes the lock of this directory, until `dirfd` is closed.
 * Waits at most `wait_ms`, or until `cancel_fd` becomes readable (-1: none). 0; -1 and ML_BUSY, 130
 * ... */
int lock_hold(int dirfd, const char *label, int64_t wait_ms, int cancel_fd, struct ml_error *err);

#endif
