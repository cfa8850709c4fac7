/* The on-disk registry. Only this folder spells its paths (DESIGN: section 6).
 *
 *     FORMAT                     the version of this layout
 *     bundles/<id>/              immutable: plugin.so, manifest.json, build.json, name, SHA256SUMS,
 *                                source/, outside/; in use as long as somebody has a flock on it
 *     entries/8c/<uuid>          -> ../../bundles/<id>: one link = one lookup
 *     history/8c                 a line for every change of an entry of that shard, newest last; a
 *                                bundle that one names stays until gc has taken the line away
 *     names/<name>               -> ../entries/8c/<uuid>
 *     journal/apply              the change that is being applied: there only while its writer is
 *                                at it, or after he died
 *     locks/write                flock, held while entries and names change
 *     tmp/<random>               files in the making, under locks/write; directories of bundles in
 *                                the making, each under a flock of its maker: the rest is litter
 *
 * A line of history has ten columns, one blank between them; "-" is none, and %xx a byte that could
 * not stand there: uuid, generation, time, change, generation that came back, bundle, name,
 * plugin@version, origin, and the FNV-1a hash (64 bits, hex) of all before it.
 *
 * A store is for one thread at a time. Lookups take no lock. Every change is synced to the disk
 * before the function that makes it returns.
 */
#ifndef REGISTRY_STORE_STORE_H
#define REGISTRY_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "modload/error.h"

enum {
    STORE_UUID_SIZE = 37,
    STORE_BUNDLE_SIZE = 35,
    STORE_NAME_SIZE = 65,
    STORE_PLUGIN_SIZE = 2 * STORE_NAME_SIZE, /* "math@1.2.0" */
    STORE_TIME_SIZE = 21,                    /* "2026-01-02T03:04:05Z" */
};

struct store;

struct store_options {
    bool create;         /* make it where it is missing, and sweep leftovers of dead builds */
    int64_t wait_ms;     /* for the lock of another writer */
    int cancel_fd;       /* gives up waiting when it becomes readable; -1: none */
    const char *command; /* who the others are told has the lock: "modload register"; not copied */
    bool mend; /* also one whose FORMAT is lost or damaged, as it is: for store_check(), which makes
                * it anew. ML_CONFIG where something in it is not of the format of now */
};

/* Opens the registry at `home`. Without `create` a missing one is an empty one. What a dead writer
 * left undone is finished, and an older format is brought up to date, where this process may write
 * there. One in which something is registered, and whose FORMAT is lost, is damaged: only a new
 * home gets one. Errors: ML_REFUSED (not ours, writable by others, damaged), ML_CONFIG (another
 * format), ML_BUSY (another writer), ML_CANT_CREATE, ML_IO. */
int store_open(const char *home, const struct store_options *options, struct store **ret,
               struct ml_error *err);
void store_close(struct store *store);

/* As the option of that name, from now on. */
void store_cancel_on(struct store *store, int cancel_fd);

/* Whether there is a registry: false for one that was opened without `create` and is missing. */
bool store_present(const struct store *store);

/* Whether it is only to be read: its owner has taken his right to write from its directory. */
bool store_read_only(const struct store *store);

/* ---- checks of what becomes part of a path ---- */
bool store_bundle_valid(const char *id); /* "b-" and 32 of a-z2-7 */
bool store_name_valid(const char *name); /* 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first */
bool store_uuid_valid(const char *uuid); /* lower case, 8-4-4-4-12 */

/* ---- entries: `uuid` must be valid, as all texts below ---- */

/* 0 and the bundle; -1 and ML_NO_INPUT when there is no such entry. One system call. */
int store_lookup(struct store *store, const char *uuid, char bundle[STORE_BUNDLE_SIZE],
                 struct ml_error *err);

/* All registered keys that begin with `prefix` (lower-case hex digits without hyphens, may be
 * empty), in order. `each` returns nonzero to stop; that is returned. */
int store_each_key(struct store *store, const char *prefix,
                   int (*each)(const char *uuid, const char *bundle, void *arg), void *arg,
                   struct ml_error *err);

/* An entry as it is now. The texts are good until `each` returns. */
struct store_entry {
    const char *uuid, *bundle;
    const char *name;   /* or "" */
    const char *plugin; /* "math@1.2.0"; "" when its history is damaged */
};

/* The same with all that is known of an entry without opening its bundle. Only one shard is in
 * memory at a time. */
int store_each_entry(struct store *store, const char *prefix,
                     int (*each)(const struct store_entry *entry, void *arg), void *arg,
                     struct ml_error *err);

/* ---- names ---- */

/* 0 and the UUID that a name stands for; -1 and ML_NO_INPUT. */
int store_name_lookup(struct store *store, const char *name, char uuid[STORE_UUID_SIZE],
                      struct ml_error *err);

/* All names. */
int store_each_name(struct store *store, int (*each)(const char *name, const char *uuid, void *arg),
                    void *arg, struct ml_error *err);

/* ---- changes and their history ---- */

enum store_op { STORE_REGISTER, STORE_UNREGISTER, STORE_ROLLBACK, STORE_PIN, STORE_UNPIN };
const char *store_op_word(enum store_op op); /* "register" */

/* One line of history. No text is null: "" is none. */
struct store_record {
    const char *uuid;
    unsigned long generation; /* of an entry: 1, 2, 3 ...; of a pin: the one that it is about */
    const char *time;
    enum store_op op;
    unsigned long of;   /* of a rollback: the generation that came back */
    const char *bundle; /* from now on; "" after unregister */
    const char *name;
    const char *plugin;
    const char *origin; /* for people */
};

/* Calls `each` for every line of an entry's history, oldest first, pins among them. Its texts are
 * good until it returns. Lines that are damaged are passed over: store_check() tells of them. */
int store_history(struct store *store, const char *uuid,
                  int (*each)(const struct store_record *record, void *arg), void *arg,
                  struct ml_error *err);

/* Entries that were taken out: `each` gets their last generation with a bundle. Otherwise as
 * store_each_entry(). */
int store_each_removed(struct store *store, int (*each)(const struct store_entry *entry, void *arg),
                       void *arg, struct ml_error *err);

/* As store_history() for all entries, those that were taken out among them, by key; each entry's
 * lines are in order, and `newest` is the one that says what it is now. As of one moment:
 * no change is half in it, where the write lock may be had. */
int store_each_record(struct store *store,
                      int (*each)(const struct store_record *record, bool newest, void *arg),
                      void *arg, struct ml_error *err);

/* One change of one entry: what is wanted, and what became of it. */
struct store_change {
    const char *uuid;
    enum store_op op;
    /* REGISTER: a filed bundle, and its "math@1.2.0" */
    const char *bundle, *plugin;
    /* REGISTER: what the entry shall be called; "": nothing; null: as it is called, else `own_name`
     * if that is free */
    const char *name;
    const char *own_name; /* null: none */
    const char *origin;   /* REGISTER; may be null */
    bool origin_counts;   /* from elsewhere the same bundle is another generation */
    /* REGISTER, UNREGISTER: the bundle that the entry had when this was decided, "": there was no
     * entry. Where it has another one by now, that is no change of somebody's to be lost: unless it
     * is what it shall be, nothing is changed. Null: whatever it has. */
    const char *seen;
    /* ROLLBACK: which generation, 0: the one before what is current. PIN, UNPIN: 0: the current */
    unsigned long generation;

    bool changed;    /* false: it was so already */
    bool name_taken; /* the entry got no name: another one has it */
    char name_now[STORE_NAME_SIZE];
    char bundle_now[STORE_BUNDLE_SIZE];
    char plugin_now[STORE_PLUGIN_SIZE];
    unsigned long generation_now; /* that was made, came back or was pinned */
};

/* Applies the changes, all or none, under the write lock. No key may be there twice. Returns 0, or
 * -1, `*failed` the number of the change that could not be (`n`: none of them in particular), and
 * ML_DATA (a name of another entry: "name_taken"), ML_NO_INPUT (no such bundle, entry, generation),
 * ML_BUSY (the lock; "changed_meanwhile": an entry is not what was seen), ML_IO ... */
int store_change(struct store *store, struct store_change *changes, size_t n, size_t *failed,
                 struct ml_error *err);

/* Entries of another registry that are to be taken over, with their history. */
struct store_arrival {
    const struct store_record *records; /* of each key in order; the last generation is current */
    size_t n;
    /* Of the bundles that come along, whether this is one, and what files all of them, by
     * store_stage_file(): called under the lock, when all else is known to be possible. 0; -1 ends
     * it. Both may be null. */
    bool (*brings)(const char *id, void *arg);
    int (*file)(void *arg, struct ml_error *err);
    /* Told of each name that is left out, before it is sure that anything changes. 0; -1 ends it.
     * May be null. */
    int (*name_taken)(const char *uuid, const char *name, void *arg, struct ml_error *err);
    void *arg;

    size_t n_entries, n_changed; /* that were looked at; that are not as they were */
};

/* Takes them over. A key that has a history here gets what is current there as a new generation,
 * unless it is so already. Names that are taken are left out. All or none, as above; ML_REFUSED
 * ("bad_history"): a current bundle is neither here nor comes along, or a history is not one that a
 * registry writes. */
int store_adopt(struct store *store, struct store_arrival *arrival, struct ml_error *err);

/* Writes a record as a line of history, and reads one; what it returns points into `line`, whose
 * newline is gone. False: it is damaged. */
void store_record_write(struct buf *out, const struct store_record *record);
bool store_record_parse(char *line, size_t n, struct store_record *ret);

/* ---- bundles ---- */

/* A directory for a bundle in the making, open and locked against the sweep. */
struct store_stage {
    struct store *store;
    char name[24]; /* beneath tmp/ */
    int fd;        /* the directory */
    bool filed;    /* it has been renamed into its place, whatever became of it then */
};

int store_stage_open(struct store *store, struct store_stage *ret, struct ml_error *err);

/* Files the stage as bundle `id`: makes its files read-only, syncs them and every directory, and
 * renames it into place. 1 when filed; 0 when the bundle was there already and the stage is
 * dropped; -1. The stage is closed in every case. `*hold` is then a descriptor as that of
 * store_bundle_open(). ML_REFUSED: something else is in its place. */
int store_stage_commit(struct store_stage *stage, const char *id, int *hold, struct ml_error *err);

/* The same where a damaged bundle `id` is in the way: the two change places in one step, and the
 * damaged one is removed. Processes that have mapped it keep what they have. 0, or -1. */
int store_stage_replace(struct store_stage *stage, const char *id, int *hold, struct ml_error *err);

/* Drops a stage that was not committed; harmless after a commit. */
void store_stage_drop(struct store_stage *stage);

/* The absolute path of a stage, for programs that know no directory handles. The caller frees it.
 */
char *store_stage_path(const struct store_stage *stage);

/* Makes a directory of the stage what a bundle is: files read-only, all of it on the disk. */
int store_stage_settle(struct store_stage *stage, const char *path, struct ml_error *err);

/* Files a settled directory of the stage as bundle `id`, and leaves the rest: as
 * store_stage_commit(), but that its name is not on the disk before store_adopt() is through. */
int store_stage_file(struct store_stage *stage, const char *path, const char *id, int *hold,
                     struct ml_error *err);

/* The same where a damaged bundle `id` is in the way, or anything else: the two change places in
 * one step, and what was there goes with the stage. 0, or -1. */
int store_stage_file_over(struct store_stage *stage, const char *path, const char *id, int *hold,
                          struct ml_error *err);

/* Puts on the disk that bundles were filed so, where no store_adopt() does. 0, or -1. */
int store_bundles_sync(struct store *store, struct ml_error *err);

/* A descriptor of a filed bundle's directory, or -1 and ML_NO_INPUT. The bundle stays as long as
 * it, or a copy of it, is open: gc passes over what somebody holds a flock on. */
int store_bundle_open(struct store *store, const char *id, struct ml_error *err);
/* What the file system says of its directory, also where it may not be read. 0; -1 and ML_NO_INPUT.
 */
struct stat;
int store_bundle_stat(struct store *store, const char *id, struct stat *ret, struct ml_error *err);
/* Lets its owner into a bundle's directory that is closed to him. Whether it was. */
bool store_bundle_open_up(struct store *store, const char *id);
/* Whether it is filed: 1, 0, or -1 and ML_IO, ML_LIMIT... where that cannot be told, which is not
 * the same as that it is gone. The second form is for those who then find out otherwise. */
int store_bundle_filed(struct store *store, const char *id, struct ml_error *err);
bool store_bundle_exists(struct store *store, const char *id);

/* All bundle ids, sorted. `each` returns nonzero to stop; that is returned. */
int store_each_bundle(struct store *store, int (*each)(const char *id, void *arg), void *arg,
                      struct ml_error *err);

/* The plugin's name and version as the bundle's file `name` gives them ("math@1.2.0"). */
int store_bundle_name(struct store *store, const char *id, char name[STORE_NAME_SIZE],
                      char version[STORE_NAME_SIZE], struct ml_error *err);

/* Finds the one bundle whose id begins with `prefix` (at least "b-" and 4 characters). */
int store_bundle_resolve(struct store *store, const char *prefix, char id[STORE_BUNDLE_SIZE],
                         struct ml_error *err);

/* ---- removing what nobody needs ---- */

struct store_gc {
    unsigned long
        keep_last; /* generations of each entry, the current one among them; 0: no such bound */
    int64_t older_than_s; /* only what was replaced, or filed, more than so many seconds ago; 0:
                           * also this very second; < 0: whatever age */
    bool dry_run;         /* only say what would be done */
    /* told of every bundle that goes; may be null; nonzero ends it */
    int (*freed)(const char *id, uint64_t bytes, void *arg);
    void *arg;
};

struct store_gc_result {
    size_t bundles, generations; /* that went */
    uint64_t bytes;              /* that they took on the disk */
    size_t in_use;               /* bundles that only somebody who uses them keeps */
    size_t entries;              /* that there are */
};

/* With neither bound every generation of a registered entry stays; with both, only what both let go
 * goes. Pinned generations and the current one always stay. Bundles that nothing points at go, and
 * entries that were taken out. 0, or -1 and ML_BUSY, ML_IO ... */
int store_gc(struct store *store, const struct store_gc *policy, struct store_gc_result *ret,
             struct ml_error *err);

/* A file of a bundle as store_check() would name it: a path beneath the home. The caller frees it;
 * null: memory. */
char *store_bundle_place(const char *id, const char *path);

/* Moves what does not belong where it is, beneath `dirfd`, to lost+found/. 0, or -1 with errno. */
int store_move_away(struct store *store, int dirfd, const char *path);

/* ---- checking ---- */

struct store_check {
    bool repair;      /* puts right what can be */
    const char *uuid; /* only this entry and its history; null: everything */
    /* told of every problem: where it is, beneath the home, what it is, and whether it is no more;
     * nonzero ends the check */
    int (*problem)(const char *path, const char *what, bool mended, void *arg);
    void *arg;
};

struct store_check_result {
    size_t problems, mended;
};

/* Checks links, histories, names, modes, and that nothing else is there and no bundle that a line
 * names is missing; not what is in the bundles. Under the write lock, where there may be one. Where
 * it is only to be read, that nobody may write there is no problem, and `repair` is ML_CANT_CREATE.
 * Returns 0 when all was looked at, whatever it found; or -1 and ML_BUSY, ML_IO ..., or what
 * `problem` returned. */
int store_check(struct store *store, const struct store_check *policy,
                struct store_check_result *ret, struct ml_error *err);

/* ---- looking at it from outside ---- */

/* Where a bundle lies, for people who want to look. The caller frees it; null when memory is out.
 */
char *store_bundle_path(const struct store *store, const char *id);

/* What a registry looks like to somebody who wants to know what is wrong with it. */
struct store_inspection {
    bool there;         /* false: of the rest only what the disk says is known */
    unsigned uid, mode; /* of its directory; mode has the permission bits */
    bool readable;      /* false: its files could not be looked at, and the rest is the disk's */
    int format;         /* as FORMAT has it; 0: that is none of ours; -1: there is none */
    bool used;          /* something was registered in it */
    int format_known;   /* what this modload can use */
    bool writable;      /* as far as the kernel lets us know without writing */
    char closed[16];    /* what in it is closed to us, who may get into it: "history"; or "" */
    unsigned closed_mode;
    char open[16]; /* what of it others may get into: "history", "." for itself; or "" */
    unsigned open_mode;
    bool lock_damaged;    /* there is no file where the lock of all writers should be */
    bool lock_held;       /* a writer is at work */
    int lock_pid;         /* it, or 0 when nobody can tell */
    char lock_text[96];   /* what it wrote: "pid 12 since 2024-01-01T00:00:00Z"; or "" */
    size_t litter;        /* files and directories that dead commands left in tmp/ */
    bool unfinished;      /* a change was cut short, or is being made */
    bool journal_damaged; /* and cannot be understood: nobody can finish it */
    uint64_t entries;     /* how many; an estimate where `many` */
    uint64_t bundles;     /* how many; at least, where `many_bundles` */
    bool many, many_bundles;

    long fs_type;   /* statfs(2), of the directory or the nearest one above it */
    bool read_only; /* that file system is */
    uint64_t free_bytes, size_bytes;
    uint64_t free_files, size_files; /* 0 of 0: it has no such limit */
};

/* Looks at the registry at `home`, in whatever format: takes no lock, waits for nothing, makes and
 * changes nothing, and reads no more than a few thousand names. 0; -1 with errno when the directory
 * cannot even be looked at. */
int store_inspect(const char *home, struct store_inspection *ret);

#endif
