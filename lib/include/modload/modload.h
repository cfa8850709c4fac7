/* modload/modload.h - the registry, and calls of loaded plugins.
 *
 * Stability: volatile. Anything here may change with any release before 1.0.
 *
 * Threads: a context, and what was got through it, is for one thread at a time. Different threads
 * use different contexts, and then every function may run at the same time as every other one.
 *
 * Fork: after fork() the child must not use its parent's contexts. It may make its own. No function
 * is async-signal-safe unless it says so.
 *
 * Manners: no function here prints, exits, aborts, changes the working directory, the environment
 * or a signal handler, or leaves a descriptor open that is not close-on-exec.
 *
 * Errors: a function that can fail takes a `struct ml_error *` last (see modload/error.h) and
 * returns a negative number when it has failed. The statuses named with a function are those that
 * are its own; any of them may also fail with ML_LIMIT (memory or descriptors are out), ML_IO (the
 * disk) or ML_REFUSED (a directory belongs to somebody else, or may not be read).
 *
 * Ownership: texts and structures that are passed in stay the caller's and are not kept. What comes
 * back in a buffer of the caller is a copy.
 */
#ifndef MODLOAD_MODLOAD_H
#define MODLOAD_MODLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "modload/error.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Of the headers that a program was compiled with (SemVer 2.0.0). A worker may be of another one:
 * what then fails, fails as ML_PROTOCOL. */
#define ML_VERSION "0.1.0"

/* ==== keys ==== */

/* A key is 128 bits, in the order in which they are written. Its two text forms are the UUID
 * (8-4-4-4-12 hex digits, RFC 9562 section 4) and 32 hex digits; both always stand for the same
 * entry. */
struct ml_key {
    uint8_t bytes[16];
};

/* Sizes of buffers, in bytes, the NUL at the end included. */
enum {
    /* 36 characters (RFC 9562 section 4) */
    ML_UUID_SIZE = 37,
    /* 32 hex digits */
    ML_KEY_TEXT_SIZE = 33,
    /* "b-" and 32 of a-z2-7: 160 bits in base32 (RFC 4648 section 6), lower case, unpadded */
    ML_BUNDLE_ID_SIZE = 35,
    /* 64 characters: what ml_name_valid() accepts, and what a plugin may be called */
    ML_NAME_SIZE = 65,
    /* 64 characters of a plugin's version */
    ML_VERSION_SIZE = 65,
};

/* Makes a new random key, with the version and variant bits of UUID version 4 (RFC 9562 section
 * 5.4). Cannot fail. Any thread; safe after fork(): the bits come from the kernel each time. 122 of
 * them are random; nothing is recorded, so a new key is registered nowhere. */
void ml_key_generate(struct ml_key *key);

/* Reads a UUID: exactly 36 characters, any case; no braces, no "urn:", nothing before or behind.
 * Its version and variant are not looked at: any 128 bits are a key, all-zero ones too. Returns 0
 * and fills `*key`; or -1 and ML_DATA, with `*key` as it was. Any thread. */
int ml_key_from_uuid(const char *text, struct ml_key *key, struct ml_error *err);

/* Reads 32 hex digits, any case. Otherwise like ml_key_from_uuid(). */
int ml_key_from_hex(const char *text, struct ml_key *key, struct ml_error *err);

/* Reads either form; the message on failure names both. Otherwise like ml_key_from_uuid(). */
int ml_key_parse(const char *text, struct ml_key *key, struct ml_error *err);

/* Writes the UUID of a key, in lower case. Cannot fail. Any thread. */
void ml_key_to_uuid(const struct ml_key *key, char uuid[ML_UUID_SIZE]);

/* Writes the 32 hex digits of a key, in lower case. Cannot fail. Any thread. */
void ml_key_to_hex(const struct ml_key *key, char text[ML_KEY_TEXT_SIZE]);

/* Whether a text can be a name: 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, and not a
 * key itself. Any thread. A name that is a key would hide the entry of that key. Hex digits that
 * are no whole key, such as "cafe", can be a name, and then win over the keys that begin so. */
bool ml_name_valid(const char *name);

/* ==== contexts ==== */

/* One registry and its workers, seen by one thread. Opaque: only the functions here look into it.
 */
struct ml_ctx;

/* Where a context works. A null pointer means what the environment says. Zeroed is a good start.
 * Relative paths are made absolute when the context is made. */
struct ml_ctx_options {
    /* The registry's directory. Null: MODLOAD_HOME, else $XDG_DATA_HOME/modload, else
     * $HOME/.local/share/modload (XDG Base Directory Specification 0.8; relative XDG paths do not
     * count). */
    const char *home;

    /* Where sockets and locks of workers are. Null: MODLOAD_RUNTIME_DIR, else
     * $XDG_RUNTIME_DIR/modload, else modload-UID in $TMPDIR or /tmp. Two registries may share one.
     */
    const char *runtime_dir;

    /* How long to wait for another process's lock, in milliseconds; 0 tries once. Locks are held
     * for the time of one change, so only a writer that was stopped keeps one for long. */
    int64_t wait_ms;

    /* Who other processes are told has the lock: "modload register". Null: "modload". At most 64
     * characters of it count. The text stays the caller's, and has to outlive the context. */
    const char *command;
};

/* Makes a context. Looks at the environment, opens nothing yet. `options` may be null. Returns 0
 * and `*ret`, which is the caller's, who gives it to ml_ctx_free(); or -1 and ML_CONFIG (no home
 * can be told). Any thread. The variables for the registry are read now; those for the runtime
 * directory when it is first needed. */
int ml_ctx_new(const struct ml_ctx_options *options, struct ml_ctx **ret, struct ml_error *err);

/* Frees a context and closes what it had opened. Workers go on. Null is fine. Nothing that was got
 * through it as a copy is touched. */
void ml_ctx_free(struct ml_ctx *ctx);

/* From now on, what waits for a lock gives up with 130 when `fd` becomes readable; -1: nothing
 * does. The descriptor stays the caller's. */
void ml_ctx_cancel_on(struct ml_ctx *ctx, int fd);

/* ==== the registry ==== */

/* Finds the key that a user's word stands for, in this order: a UUID or 32 hex digits, registered
 * or not; a name; "name@version", where the version must be that of the entry's bundle; the first 4
 * or more hex digits of exactly one registered key. Returns 0 and fills `*key`; or -1 and ML_DATA
 * (none of these forms; more than one key), ML_NO_INPUT (nothing is registered so; another
 * version), ML_CONFIG (no registry of this format). */
int ml_resolve(struct ml_ctx *ctx, const char *word, struct ml_key *key, struct ml_error *err);

/* Tells which bundle an entry points at now. Takes no lock and never waits: it sees what was before
 * a change or what is after it. Returns 0 and fills `bundle`; or -1 and ML_NO_INPUT (not
 * registered). One system call, whatever the number of entries. The bundle was filed when the entry
 * was pointed at it; whether it still is whole is not looked at. */
int ml_lookup(struct ml_ctx *ctx, const struct ml_key *key, char bundle[ML_BUNDLE_ID_SIZE],
              struct ml_error *err);

/* Finds the one filed bundle whose id begins with `prefix` ("b-" and at least 4 characters), and
 * keeps it from ml_gc() until the context is freed: whoever asks for one is about to use it.
 * Returns 0 and fills `bundle`; or -1 and ML_DATA (no id; more than one), ML_NO_INPUT (no such
 * bundle), ML_LIMIT (each one that is kept is an open descriptor, for which the soft limit of
 * descriptors is raised to the hard one where it has to be). Waits for nobody: of a bundle that is
 * filed meanwhile it may or may not know. */
int ml_bundle_resolve(struct ml_ctx *ctx, const char *prefix, char bundle[ML_BUNDLE_ID_SIZE],
                      struct ml_error *err);

/* What ml_register() did. */
struct ml_register_result {
    /* False: all was so already, and nothing was written. */
    bool changed;
    /* Another entry has the plugin's own name, so this one has none. Only when `name` was null. */
    bool name_taken;
    /* The entry's name now, or "". */
    char name[ML_NAME_SIZE];
    /* The plugin's name, as the bundle has it. */
    char plugin[ML_NAME_SIZE];
    /* The plugin's version. */
    char version[ML_VERSION_SIZE];
    /* The bundle; "" after unregister. */
    char bundle[ML_BUNDLE_ID_SIZE];
    /* Which generation of the entry is current now. */
    unsigned long generation;
};

/* Points an entry at a filed bundle, and makes the entry where it is new. The change is there whole
 * or not at all, and durable when this returns. Waits for the writers' lock for as long as the
 * context says. Loads nothing.
 *
 * `name` is what the entry shall be called. Null: as it is called already, else the plugin's own
 * name, if no other entry has that. "": nothing.
 * `origin` says for people where the bundle came from; may be null. One of a git repository
 * (modload/install.h) also says what the entry follows: with another one the same bundle is a new
 * generation.
 * `result` may be null.
 *
 * Returns 0; or -1 and ML_DATA (no bundle id; no name; another entry's name: "name_taken"),
 * ML_NO_INPUT (no such bundle), ML_BUSY (the lock), ML_CANT_CREATE, ML_CONFIG. */
int ml_register(struct ml_ctx *ctx, const struct ml_key *key, const char *bundle, const char *name,
                const char *origin, struct ml_register_result *result, struct ml_error *err);

/* One of several registrations: what ml_register() takes, and what became of it. */
struct ml_registration {
    struct ml_key key;
    const char *bundle, *name, *origin;
    /* The bundle that the entry had when this was decided; "": there was no entry. Where it has
     * another one by now, other than `bundle`, nothing is changed (ML_BUSY, "changed_meanwhile").
     * Null: whatever it has. */
    const char *seen;
    struct ml_register_result result;
};

/* Registers all of them, or none, in one change that is there whole or not at all and durable when
 * this returns. Of a key that is there twice the last counts, and `result` of the others says what
 * became of the last. Names that are asked for come before those that plugins bring. Returns 0; or
 * -1,
 * `*failed` the place of the one that could not be (`n`: none in particular; null is fine), and the
 * errors of ml_register(). */
int ml_register_all(struct ml_ctx *ctx, struct ml_registration *list, size_t n, size_t *failed,
                    struct ml_error *err);

/* Takes an entry and its name out of the registry. A running worker goes on. Returns 1; 0 when
 * there was no such entry; or -1 and ML_BUSY (the lock). The name is free again. The entry's
 * history and its bundles stay until ml_gc(), and ml_rollback() brings it back. Durable when this
 * returns. */
int ml_unregister(struct ml_ctx *ctx, const struct ml_key *key, struct ml_error *err);

/* Points an entry again at the bundle of an earlier generation, as a new generation. `generation`
 * 0: the one before the current, where one that itself came back counts as what it came back from,
 * so that doing it twice goes two steps back; of an entry that was taken out, its last one. Its
 * name is the one it has, else the one it had, if that is free. Returns 0; or -1 and ML_NO_INPUT
 * (no such generation; its bundle is gone), ML_BUSY. `result` may be null. */
int ml_rollback(struct ml_ctx *ctx, const struct ml_key *key, unsigned long generation,
                struct ml_register_result *result, struct ml_error *err);

/* Keeps a generation, and so its bundle, from ml_gc(); or no longer, with `pin` false. `generation`
 * 0: the current one. Returns 1; 0 when it was so already; or -1 and ML_NO_INPUT, ML_BUSY. `*ret`
 * is the generation; may be null. */
int ml_pin(struct ml_ctx *ctx, const struct ml_key *key, unsigned long generation, bool pin,
           unsigned long *ret, struct ml_error *err);

/* One generation of an entry. The texts are good until the callback returns; none is null. */
struct ml_generation {
    /* 1, 2, 3 ... in each entry. */
    unsigned long number;
    /* When it was made: UTC, "2026-01-02T03:04:05Z" (RFC 3339). */
    const char *time;
    /* "register", "unregister" or "rollback". */
    const char *change;
    /* Of a rollback: the generation that came back; else 0. */
    unsigned long of;
    /* The bundle, "" after unregister; the entry's name; where the bundle came from. */
    const char *bundle, *name, *origin;
    /* The plugin's own name and version. */
    char plugin[ML_NAME_SIZE], version[ML_VERSION_SIZE];
    bool current, pinned;
    /* Whether its bundle is still there. */
    bool present;
};

/* Calls `each` for every generation of an entry, newest first; an entry that was taken out has a
 * history until ml_gc(). Returns 0; what `each` returned, if that was not 0; or -1 and ML_NO_INPUT
 * (there is none). */
int ml_history(struct ml_ctx *ctx, const struct ml_key *key,
               int (*each)(const struct ml_generation *generation, void *arg), void *arg,
               struct ml_error *err);

/* What ml_gc() may forget. Zeroed: no generation of a registered entry. */
struct ml_gc_policy {
    /* Of each entry, all but the newest so many generations, the current one among them; 0: this is
     * no reason. */
    unsigned long keep_last;
    /* Only what was replaced, taken out or filed longer ago than `older_than_ms` milliseconds,
     * which count as whole seconds, rounded up. 0: whatever was, a moment ago too. */
    bool by_age;
    int64_t older_than_ms;
    /* Changes nothing, and says what it would do. */
    bool dry_run;
    /* Told of every bundle that goes, with what it took on the disk; may be null. Nonzero ends it.
     */
    int (*freed)(const char *bundle, uint64_t bytes, void *arg);
    void *arg;
};

/* What it did. */
struct ml_gc_result {
    size_t bundles, generations, entries;
    /* Bytes that the bundles took on the disk. */
    uint64_t bytes;
    /* Bundles that nothing points at, but somebody uses: a worker, a build, a reader. */
    size_t in_use;
};

/* Forgets generations and removes bundles that nothing points at any more. What stays: the current
 * generation of each entry, pinned ones, those that the policy keeps, and what a live worker or a
 * command in progress uses. Entries that were taken out are forgotten. Safe beside everything else;
 * writers wait for it. Returns 0, or -1 and ML_BUSY, ML_IO; what was removed until then is gone. */
int ml_gc(struct ml_ctx *ctx, const struct ml_gc_policy *policy, struct ml_gc_result *result,
          struct ml_error *err);

/* What ml_cache_gc() did. */
struct ml_cache_result {
    size_t repositories;
    /* Bytes of their files. */
    uint64_t bytes;
    /* Repositories that are old enough, and somebody is fetching. */
    size_t in_use;
};

/* Removes git repositories that were fetched and kept ($XDG_CACHE_HOME/modload/git, else
 * ~/.cache/modload/git), each that nobody has used for `unused_ms` milliseconds; 0: all of them.
 * What needs one again fetches it again. With `dry_run` nothing is removed. Returns 0, also where
 * there is no such directory; or -1 and ML_IO, or why it cannot be read; what was removed until
 * then is gone. Any thread; safe beside fetches. */
int ml_cache_gc(int64_t unused_ms, bool dry_run, struct ml_cache_result *ret, struct ml_error *err);

/* An entry as it is now. */
struct ml_entry {
    struct ml_key key;
    char bundle[ML_BUNDLE_ID_SIZE];
    char name[ML_NAME_SIZE];       /* the entry's, or "" */
    char plugin[ML_NAME_SIZE];     /* the plugin's; "" when its history is damaged */
    char version[ML_VERSION_SIZE]; /* the plugin's */
};

/* Reads one entry. Returns 0 and fills `*entry`; or -1 and ML_NO_INPUT (not registered). Takes no
 * lock: name and bundle may be those of before and after a change that happens meanwhile. */
int ml_entry_read(struct ml_ctx *ctx, const struct ml_key *key, struct ml_entry *entry,
                  struct ml_error *err);

/* Where the entry's bundle came from, as ml_register() was told: for people. "" when it was not
 * told. Cut to `size` bytes with its NUL. Returns 0; or -1. */
int ml_entry_origin(struct ml_ctx *ctx, const struct ml_key *key, char *origin, size_t size,
                    struct ml_error *err);

/* Calls `each` for every entry, in the order of the keys, without holding them all in memory.
 * Entries that come or go meanwhile may or may not be seen. `each` returns 0 to go on. Returns 0;
 * what `each` returned, if that was not 0; or -1. `each` may read through the same context; what
 * changes the registry needs another one, since the walk holds this one's. */
int ml_entries(struct ml_ctx *ctx, int (*each)(const struct ml_entry *entry, void *arg), void *arg,
               struct ml_error *err);

/* The same for entries that were taken out: what they were last, until ml_gc() forgets them. */
int ml_removed(struct ml_ctx *ctx, int (*each)(const struct ml_entry *entry, void *arg), void *arg,
               struct ml_error *err);

/* As ml_resolve(), but where nothing is registered so, an entry that was taken out is found as
 * well, by the first 4 or more hex digits of its key or by the name that it had last: for
 * ml_rollback() and ml_history(). Errors: those of ml_resolve(); ML_DATA when there is more than
 * one. */
int ml_resolve_removed(struct ml_ctx *ctx, const char *word, struct ml_key *key,
                       struct ml_error *err);

/* Calls `each` for every filed bundle, in the order of their ids. Returns 0; what `each` returned,
 * if that was not 0; or -1. */
int ml_bundles(struct ml_ctx *ctx, int (*each)(const char *bundle, void *arg), void *arg,
               struct ml_error *err);

/* A file of a bundle by its path beneath the registry's directory, as ml_check() tells paths. The
 * caller frees it; null: memory is out. */
char *ml_bundle_place(const char *bundle, const char *path);

/* What ml_check() found. */
struct ml_check_result {
    size_t problems;
    /* How many of them are no more. */
    size_t mended;
};

/* Looks at the registry's links, histories, names and modes, and that nothing else is there and
 * every bundle that a generation names is; with `key` at that entry alone. What is in the bundles
 * is for ml_bundle_check(). `problem` is told of each: a path beneath the registry's directory,
 * what is wrong with it, and whether it was put right. With `repair` that is done where it can be;
 * what nobody knows goes to lost+found/ in the registry's directory. Holds the lock of all writers,
 * where there may be one. In a registry that is only to be read (its owner has no right to write to
 * its directory) it is no problem that he has none to what is in it. Returns 0 when all was looked
 * at; what `problem` returned, if that was not 0; or -1 and ML_BUSY, ML_IO; ML_CANT_CREATE: it is
 * only to be read, and nothing was mended; ML_CONFIG: its FORMAT is lost or damaged, and what is in
 * it is not of this one. */
int ml_check(struct ml_ctx *ctx, const struct ml_key *key, bool repair,
             int (*problem)(const char *path, const char *what, bool mended, void *arg), void *arg,
             struct ml_check_result *result, struct ml_error *err);

/* ==== workers ==== */

/* What a worker answers about itself, but for `pid`, which the kernel tells: it is the process that
 * holds the worker's lock. The texts are of the form that they must have, or the answer is none
 * (ML_PROTOCOL). Counters begin at 0 when it is started. */
struct ml_worker_status {
    /* False: it is starting (its constructors run), or stopped, or says what makes no sense. Then
     * only `key`, `kept` and `pid` (0: not known) count. */
    bool answers;

    struct ml_key key;
    pid_t pid;
    char bundle[ML_BUNDLE_ID_SIZE]; /* what it has mapped: the entry may have moved on since */
    char plugin[ML_NAME_SIZE];
    char version[ML_VERSION_SIZE];
    uint64_t uptime_ms;
    uint64_t calls;         /* that ended, in whichever of the following ways */
    uint64_t ok;            /* returned */
    uint64_t errors;        /* failed by ml_fail, or ended their process */
    uint64_t crashes;       /* died of a signal */
    uint64_t timeouts;      /* took too long */
    uint64_t cancelled;     /* their caller went away, or the worker was released */
    uint64_t rejected;      /* unknown function, bad argument: the plugin was not entered */
    uint64_t memory_kib;    /* resident memory of the worker itself, in KiB */
    uint64_t idle_limit_ms; /* after so long without a call it leaves; 0: never */
    uint64_t idle_ms;       /* since the last call ended; 0 while one runs */
    uint64_t running; /* calls that run; a session is one of them, whether it is idle or not */
    bool kept;        /* when it dies, ml_keep() of some process starts another one */
};

/* How a worker is started. */
struct ml_start {
    /* Bounds the start, constructors included, in milliseconds; 0: no limit. */
    int64_t timeout_ms;
    /* When it becomes readable, the start is given up; it is not read. -1: none. */
    int cancel_fd;
    /* After so many milliseconds without a call the worker leaves by itself, as if it had been
     * released; 0: it never does. A call that comes in the very moment gets ML_NOT_LOADED,
     * "not_loaded". ml_load() of a worker that is there changes nothing of this, but counts as a
     * call; for ml_reload() 0 means what the old worker has. */
    int64_t idle_ms;
    /* A filed bundle for the worker of ml_load(), whatever the key stands for, and whether it is
     * registered or not: to try a bundle under a new key before an entry is pointed at it. Null:
     * what the entry points at. */
    const char *bundle;
};

/* Makes sure that an entry has a worker. Any number of callers at once get one and the same.
 * Returns when the plugin is mapped and its constructors have run. A worker that was started is a
 * child of the calling process until that one ends: a caller that goes on reaps it like any child.
 * `pid` may be null.
 *
 * One that is there and does not answer in 2 seconds, though it could, is killed, with its calls,
 * and another one started.
 *
 * Returns 1 when it was started, 0 when it was there; or -1 and ML_NO_INPUT (not registered),
 * ML_REFUSED (the object is not what was filed), ML_DATA (it cannot be mapped), ML_FAILED (a
 * constructor ended the process), ML_SIGNAL + n (a constructor crashed), ML_NOT_LOADED,
 * "worker_gone" (it was killed while it started: by somebody, or for want of memory), ML_TIMEOUT,
 * ML_PROTOCOL (built for another plugin ABI), ML_BUSY (another process is loading or releasing it,
 * or its worker does not answer), 130 (cancelled). On failure nothing of the worker is left. A
 * caller that ignores SIGCHLD cannot be told how a worker ended while it started: that is
 * ML_NOT_LOADED then (waitpid(2), ECHILD). */
int ml_load(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_start *how, pid_t *pid,
            struct ml_error *err);

/* Puts a new worker, on what the entry points at now and with counters at 0, in the place of the
 * one that there is; where there is none, this is ml_load(). The new one is brought up beside the
 * old one, which serves until then. Then it takes over the old one's sockets and lock, with all who
 * wait there: no call is refused because of it, and one that comes after the return runs on the new
 * worker. Calls that have begun end on the old worker, which leaves after the last of them; a
 * release of the new one ends them as well. Of several reloads at once each puts its own worker in
 * place, one after the other. A worker of another version of modload, or one that does not answer,
 * cannot be talked to: it is killed first, with its calls.
 *
 * Returns 0; or -1, and then the old worker is there as if nothing had been asked. Errors: those of
 * ml_load(); ML_BUSY also when other reloads take too long. */
int ml_reload(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_start *how, pid_t *pid,
              struct ml_error *err);

/* Keeps the worker of an entry: when it has died, whoever started it, another one is started as by
 * ml_load() with `how`. Not when it was released, or has left because it was idle: then this
 * returns. The first start comes 100 ms after the death, each further one after twice the time of
 * the one before, up to 10 s; it begins anew when there was no start for a minute. Between a death
 * and a start the entry is not loaded. Deaths, starts and failures go to the worker's log.
 *
 * One process keeps a worker; there it takes a thread or all of it, until it returns. When it
 * watches, one byte is written to `ready_fd`, which is closed then (-1: none). When
 * `how->cancel_fd` becomes readable it gives up, and leaves the worker as it is; ml_release() of
 * another process sends it SIGTERM, which should make that readable, and after 2 seconds SIGKILL.
 *
 * Returns 0 when there is nothing to keep any more; 1 when another process keeps it; or -1 and
 * ML_LIMIT, "gave_up" (5 starts within a minute did not help), ML_NO_INPUT (the entry was taken
 * out), 130 (cancelled). */
int ml_keep(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_start *how, int ready_fd,
            struct ml_error *err);

/* What becomes of calls that run when a worker is told to leave. */
enum ml_release_mode {
    /* Ends them; their callers get ML_NOT_LOADED, "worker_gone", at once. */
    ML_RELEASE_NOW,
    /* Lets them end, takes no new one, and leaves after the last. */
    ML_RELEASE_DRAIN,
};

/* Ends a worker, whoever had started it, and first who keeps it (ml_keep()). Returns 0 when the
 * worker and all its calls are gone; 1 when it drains and calls of others still hold it; or -1 and
 * ML_NOT_LOADED (there is none), ML_BUSY (it does not answer), ML_PROTOCOL (it is of another
 * version). Calls that wait and have not begun get ML_NOT_LOADED, "not_loaded", in both modes: they
 * may safely be tried again. When it drains this waits for a quarter of a second. With
 * ML_RELEASE_NOW a worker that is still starting, does not answer in 2 seconds or does not go in
 * 10, is killed, and its calls with it. */
int ml_release(struct ml_ctx *ctx, const struct ml_key *key, enum ml_release_mode mode,
               struct ml_error *err);

/* Ends workers to which no key leads any more, since somebody has removed their lock files: they
 * find that out by themselves, but not at once. Looks at all processes. Returns how many there
 * were; or -1, where the runtime directory or /proc cannot be read. */
int ml_release_lost(struct ml_ctx *ctx, struct ml_error *err);

/* Asks a worker about itself; no file is believed. Returns 1 and fills `*status`; 0 when there is
 * none; or -1 and ML_BUSY, "starting" (its constructors still run), ML_PROTOCOL (it is of another
 * version, or its answer is none). One that does not answer in 300 ms, but holds its lock, is
 * there: 1, with `answers` false. The counters are read one by one while calls go on, so their sum
 * may be off by those that are just ending. */
int ml_worker_query(struct ml_ctx *ctx, const struct ml_key *key, struct ml_worker_status *status,
                    struct ml_error *err);

/* Tells `each` of every worker of this registry, in no order. One that does not answer is told of
 * with `answers` false, and ends nothing; one that is gone by then is passed over. `each` returns 0
 * to go on, and may use the context. Returns 0; what `each` returned, if that was not 0; or -1 and
 * ML_REFUSED or ML_IO, where the runtime directory cannot be read. */
int ml_workers(struct ml_ctx *ctx, int (*each)(const struct ml_worker_status *status, void *arg),
               void *arg, struct ml_error *err);

/* A call that runs, or a session. Of a session its plugin may have falsified all but `number`. */
struct ml_running {
    /* From 1 on, in the order in which they came; the worker never gives one twice. */
    uint64_t number;
    /* In milliseconds, since its client came; of a session since it was opened. */
    uint64_t running_ms;
    /* The client's process, as the kernel knew it when the call came; 0: not known. Only to be
     * shown: that process may have gone, and its number be another's. */
    pid_t client;
    /* It is a session: `function` is what it was last at, and may have ended. */
    bool session;
    /* As much of its name as there is room for, a C identifier; "" when none is known yet. */
    char function[64];
};

/* Tells `each` of every call that an entry's worker runs, in the order of their numbers. Calls that
 * a worker before it has left over, when it took that one's place (ml_reload()), are not among
 * them. Waits for the answer for 2 seconds at most. `each` returns 0 to go on, and may use the
 * context. Returns 0; what `each` returned, if that was not 0; or -1 and ML_NOT_LOADED (there is no
 * worker), ML_BUSY (it does not answer), ML_PROTOCOL (it is of another version, or its answer is
 * none). */
int ml_calls(struct ml_ctx *ctx, const struct ml_key *key,
             int (*each)(const struct ml_running *call, void *arg), void *arg,
             struct ml_error *err);

/* Ends calls that an entry's worker runs, with all their descendants: the one of `number`, or, with
 * 0, all that ml_calls() would tell of. Their callers get "cancelled". Of a session the call that
 * it is at is ended, if it is at one; the session goes on. A call that has its result in the same
 * moment keeps it. A supervisor that is stopped, and has not ended its call after 2 seconds, is
 * killed: then the caller gets ML_NOT_LOADED, "worker_gone".
 *
 * Returns how many there were, when they are over; 0: none, or not that one. `each` is told of each
 * of them (null is fine), and returns 0 to go on; what it returns else ends the telling, not the
 * cancelling, and is no error. Or -1 and ML_NOT_LOADED (there is no worker), ML_BUSY (it does not
 * answer within 2 seconds, or a call is not over after 10), ML_PROTOCOL. */
int ml_cancel(struct ml_ctx *ctx, const struct ml_key *key, uint64_t number,
              int (*each)(const struct ml_running *call, void *arg), void *arg,
              struct ml_error *err);

/* One record of a worker's log. The texts are good until the callback returns. */
struct ml_log_record {
    /* UTC, "2026-01-02T03:04:05.678Z" (RFC 3339). */
    const char *time;
    /* "start"; "out", a line that the worker or its plugin wrote to its standard output or error;
     * "call", one that crashed, took too long or too much, or vanished; "end"; "fail", a start that
     * failed; "restart". New kinds may come. */
    const char *kind;
    /* `size` bytes of whatever, without the line's end; no NUL behind them. */
    const char *text;
    size_t size;
};

/* Tells `each` of every record in the log of an entry's worker, the oldest first. The log outlives
 * the worker, unless that was released, and the next one goes on with it; at most 512 KiB are kept.
 * A plugin may write there as its worker does: nothing in it is to be trusted, and what is no
 * record comes with `time` and `kind` empty.
 *
 * With `wait` it goes on with what is written, until there is no worker any more, or `cancel_fd`
 * becomes readable (-1: none). `each` returns 0 to go on. Returns 0; what `each` returned, if that
 * was not 0; or -1 and ML_NOT_LOADED (there is no log), 130 (cancelled). */
int ml_logs(struct ml_ctx *ctx, const struct ml_key *key, bool wait, int cancel_fd,
            int (*each)(const struct ml_log_record *record, void *arg), void *arg,
            struct ml_error *err);

/* Takes away what workers that have gone have left: sockets and locks of those that were killed,
 * and logs to which nothing was written for `log_age_ms` milliseconds (0: all;
 * then who is about to start one again gives it up, too). What a worker that
 * lives has is not touched. Returns 0; or -1, where the runtime directory cannot be read. */
int ml_sweep(struct ml_ctx *ctx, int64_t log_age_ms, struct ml_error *err);

/* ==== calls ==== */

/* What a function returned. The numbers are part of the wire format between one version's programs,
 * and may change with any release. */
enum ml_value_type {
    ML_VALUE_NONE,   /* of a void function */
    ML_VALUE_NULL,   /* a null pointer where a string or bytes could have been */
    ML_VALUE_BOOL,   /* `boolean` */
    ML_VALUE_INT,    /* `integer` */
    ML_VALUE_UINT,   /* `uinteger` */
    ML_VALUE_FLOAT,  /* `real32` */
    ML_VALUE_DOUBLE, /* `real` */
    ML_VALUE_STRING, /* `data`, as the plugin returned it: any bytes but NUL, UTF-8 or not */
    ML_VALUE_BYTES,  /* `data` */
};

/* The result of a call. `type` says which member counts. */
struct ml_value {
    enum ml_value_type type;
    union {
        bool boolean;
        int64_t integer;
        uint64_t uinteger;
        float real32;
        double real;
    };
    char *data;  /* STRING and BYTES: `size` bytes, and a NUL behind them; else null */
    size_t size; /* at most 64 MiB */
};

/* Frees what a value owns, and empties it. An empty one is fine. Any thread, for different
 * values. */
void ml_value_done(struct ml_value *value);

/* What is known of the moment at which a call crashed: taken down when the signal came, told by the
 * call's supervisor when it was dead. Nothing is, where the plugin had blocked that signal or set
 * an action of its own for it: the signal alone is known then. It says what the plugin's process
 * had left in its registers and on its stack, so it may be as wrong as that process had gone. */
struct ml_crash {
    /* That it died of; 0: nothing is known, and nothing else here counts. */
    int signal;
    /* Of SIGSEGV and SIGBUS: the address that could not be used. Of SIGFPE, SIGILL, SIGTRAP: of the
     * instruction. Not known for signals that somebody sent, and for addresses that the processor
     * itself refused. */
    bool has_address;
    uint64_t address;
    /* Where it was: the file, and the address in it. A path; or "plugin.so" or "entry.so" of the
     * bundle; or "modload-worker"; or "", when it was in no file: then `offset` is an address.
     * Points into `record`. */
    const char *object;
    uint64_t offset;
    /* For ml_backtrace() (modload/build.h), in this or another process: `size` bytes. */
    void *record;
    size_t size;
};

/* Frees what it owns, and empties it. An empty one is fine. Any thread, for different ones. */
void ml_crash_done(struct ml_crash *crash);

/* What a call may use, besides time: it, and every process that it has started, together. In each
 * member 0 stands for what the plugin's manifest says, and ML_NO_LIMIT for no limit whatever that
 * says. Processes are looked at every 5 milliseconds, by their supervisor: what a call has within
 * such a moment, and gives back, nobody sees; but memory and descriptors much beyond the limit it
 * does not get, its system calls fail. A call that is through before the first look is told as what
 * it was.
 *
 * In a session the time of processors counts for each call by itself, from the first look at it on.
 * Everything else counts for the process in which the calls run, with what earlier ones left. */
struct ml_limits {
    /* Milliseconds of processors, of all its processes and threads together; the kernel counts in
     * steps of 10. */
    uint64_t cpu_ms;
    /* Bytes of memory: what is in no file, or shared without one; what processes share counts
     * once. What is in a file does not count, be it one in memory (memfd_create(2), tmpfs). A
     * function that fails by itself while errno is ENOMEM, under such a limit, is told as over
     * it. */
    uint64_t memory;
    /* Bytes on standard output and standard error, together. They are pipes then: what is within
     * the limit arrives before the outcome does, but in a session, where it may come after it. */
    uint64_t output;
    /* Open descriptors of each process, its standard input, output and error among them. */
    uint64_t descriptors;
    /* Processes at the same time, the call's own among them; threads are none. */
    uint64_t processes;
};

#define ML_NO_LIMIT UINT64_MAX

/* What to call, and how. */
struct ml_call {
    /* Its name, as the linker knows it. */
    const char *function;
    /* `n_args` texts, which the function's signature says how to read. All of them together are at
     * most 64 MiB. */
    const char *const *args;
    size_t n_args;
    /* In milliseconds, not negative; 0: no limit. Over 49 days counts as 49 days (32 bits on the
     * wire). */
    int64_t timeout_ms;
    /* True: `timeout_ms` is nobody's wish, and a shorter limit in the plugin's manifest counts
     * instead. A longer one does not: the deadline is also kept here, where nobody knows the
     * manifest. */
    bool timeout_default;
    /* True: the caller is going to release the worker when this call has ended, which then need not
     * get ready for the next one before somebody asks for it. */
    bool last;
    /* What it may use. Zeroed: as the plugin's manifest says. */
    struct ml_limits limits;
    /* The call's standard input, output and error. It gets copies; all three must be open. */
    int stdio[3];
    /* When it becomes readable, the call is ended; it is not read. -1: none. */
    int cancel_fd;
    /* Null, or where what is known of a crash goes. It is emptied first; the caller gives it to
     * ml_crash_done(), whatever became of the call. */
    struct ml_crash *crash;
};

/* Calls a function of a loaded entry, in a process of its own, and waits until that process and all
 * its descendants are gone. The deadline is kept twice, by the call's supervisor and, 200 ms later,
 * here. Nothing is loaded by it, and no lock is taken: calls of different processes and threads
 * run at the same time. The caller gets no signal from it, not even SIGPIPE.
 *
 * Returns 0 and `*result`, which is the caller's, who gives it to ml_value_done(). Or -1, nothing
 * in `*result` that would have to be freed, and, with `outcome` in the error:
 *     ML_FAILED          "plugin_error"        it failed; `code` is its own word, or "exited"
 *     ML_SIGNAL + n      "plugin_error"        it died of signal n
 *     ML_LIMIT           "plugin_error"        its result is too large; or it went over one of its
 *                                              limits, and was ended: code "limit_memory",
 *                                              "limit_cpu", "limit_output", "limit_files" or
 *                                              "limit_processes"
 *     ML_TIMEOUT         "timeout"             it took too long, and was ended; or its worker took
 *                                              too long to start, and goes on with that
 *     ML_UNDEFINED       "undefined_function"  the plugin has no such function
 *     ML_DATA            "bad_argument"        it was not entered; the hint shows its signature
 *     ML_NOT_LOADED      "not_loaded"          code "not_loaded": the call never began;
 *                                              code "worker_gone": it may have
 *     ML_SIGNAL + SIGINT "cancelled"           `cancel_fd` became readable
 *     ML_PROTOCOL        ""                    the worker is of another version
 *     ML_DATA            ""                    code "too_large": over 64 MiB of arguments
 *     ML_IO              ""                    one of `stdio` is closed
 *     ML_BUSY            ""                    the worker's socket cannot be reached; or, without
 *                                              a time limit: nobody takes the call, and the worker
 *                                              does not answer */
int ml_exec(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_call *call,
            struct ml_value *result, struct ml_error *err);

/* ==== sessions ==== */

/* One connection to a worker, for many calls: they run one after the other in one process, under
 * one supervisor, and cost a hundredth of an ml_exec() each. What a call leaves on the heap and in
 * static variables is there for the next one, until one crashes, times out or ends its process:
 * that costs its own call alone, and the next one runs in a clean process. A session keeps the code
 * that the worker has. It is for one thread at a time; after fork() the child must not use it. */
struct ml_session;

struct ml_session_options {
    /* The standard input, output and error of all its calls, which get copies. All three must be
     * open. */
    int stdio[3];
    /* When it becomes readable while a call is waited for, the session is ended; it is not read.
     * -1: none. */
    int cancel_fd;
    /* How long to wait for the worker to take the session; in milliseconds, 0: no limit. */
    int64_t timeout_ms;
    /* What its calls may use. A call that goes over a limit costs itself alone, and the process
     * that it ran in: the next one begins in a clean one. */
    struct ml_limits limits;
};

enum {
    /* How many calls can be under way in a session at the same time: sent, and not received. */
    ML_SESSION_CALLS = 4096,
    /* As many arguments as any function takes: ML_PARAMS_MAX (modload/abi.h), and a size for
     * each. */
    ML_CALL_ARGS = 64,
};

/* Opens a session with a loaded entry. `*ret` is the caller's, who gives it to ml_session_close().
 * It does not use the context afterwards but to end a worker that has stopped answering, so the
 * context must outlive it. Returns 0; or -1 and ML_NOT_LOADED, ML_TIMEOUT, ML_PROTOCOL (the worker
 * is of another version), ML_BUSY, ML_IO (one of `stdio` is closed), 130 (cancelled). */
int ml_session_open(struct ml_ctx *ctx, const struct ml_key *key,
                    const struct ml_session_options *options, struct ml_session **ret,
                    struct ml_error *err);

/* One call, and its outcome: ml_session_send() and ml_session_receive(). For a session in which
 * nothing is under way. Of `call`, `stdio`, `cancel_fd` and `limits` are not looked at: they are
 * the session's. Returns 0 and `*result`, or -1, as ml_exec() does; with ML_NOT_LOADED,
 * ML_PROTOCOL, ML_TIMEOUT of a worker that did not answer, and 130, the session is over: only
 * ml_session_close() may follow. */
int ml_session_call(struct ml_session *session, const struct ml_call *call, struct ml_value *result,
                    struct ml_error *err);

/* Sends a call without waiting for its outcome: calls are answered in the order in which they were
 * sent. The clock of a call starts when the one before it has ended. Returns 0; or -1 and
 * ML_BUSY (code "full": there is no room for it until an outcome is received; nothing was sent),
 * ML_DATA (over 64 MiB of arguments), or as ml_session_call() when the session is over. */
int ml_session_send(struct ml_session *session, const struct ml_call *call, struct ml_error *err);

/* Waits for the outcome of the oldest call that is under way: as ml_session_call(). When none is:
 * -1 and ML_USAGE. */
int ml_session_receive(struct ml_session *session, struct ml_value *result, struct ml_error *err);

/* What is known of the crash with which the call ended whose outcome was received last; `*ret` is
 * emptied first, stays so where it was no crash, or memory is out, and is the caller's, who gives
 * it to ml_crash_done(). What was asked for once costs as much the second time. */
void ml_session_crash(const struct ml_session *session, struct ml_crash *ret);

/* How many calls are under way. Never fails. */
size_t ml_session_pending(const struct ml_session *session);

/* Whether the session is over: every further call of it fails as the last one did. Never fails. */
bool ml_session_over(const struct ml_session *session);

/* False: no outcome is here yet, and ml_session_receive() would wait. Never fails. */
bool ml_session_ready(struct ml_session *session);

/* A call as a line of JSON (RFC 8259) has it: {"call": NAME, "args": [...], "id": ...}. */
struct ml_call_line {
    /* Its function, args and n_args; everything else is 0. */
    struct ml_call call;
    const char *args[ML_CALL_ARGS];
    /* The value of "id" as it stands in the line, `id_size` bytes; null: it has none. */
    const char *id;
    size_t id_size;
};

/* Reads a call from the `size` bytes of a line, in place: the texts of `*ret` point into the line,
 * which is changed by it. Numbers, strings, true and false are arguments as the command line has
 * them; bytes are {"base64": "..."} (RFC 4648 section 4). Any thread, for different lines. Returns
 * 0; or -1 and ML_DATA: code "bad_line" (no JSON, a key that is not known or stands twice, no
 * "call"), "bad_argument" (null, an array, another object, a text with a NUL, more than
 * ML_CALL_ARGS). `id` is there all the same if it stood before the fault. */
int ml_call_read(char *line, size_t size, struct ml_call_line *ret, struct ml_error *err);

/* Ends what runs, waits until nothing of it is left (for one second at most), and frees the
 * session. Null is fine. */
void ml_session_close(struct ml_session *session);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
