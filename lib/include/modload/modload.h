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
};

/* Makes a context. Looks at the environment, opens nothing yet. `options` may be null. Returns 0
 * and `*ret`, which is the caller's, who gives it to ml_ctx_free(); or -1 and ML_CONFIG (no home
 * can be told). Any thread. The variables for the registry are read now; those for the runtime
 * directory when it is first needed. */
int ml_ctx_new(const struct ml_ctx_options *options, struct ml_ctx **ret, struct ml_error *err);

/* Frees a context and closes what it had opened. Workers go on. Null is fine. Nothing that was got
 * through it as a copy is touched. */
void ml_ctx_free(struct ml_ctx *ctx);

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

/* Finds the one filed bundle whose id begins with `prefix` ("b-" and at least 4 characters).
 * Returns 0 and fills `bundle`; or -1 and ML_DATA (no id; more than one), ML_NO_INPUT (no such
 * bundle). Takes no lock: of a bundle that is filed meanwhile it may or may not know. */
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
};

/* Points an entry at a filed bundle, and makes the entry where it is new. The change is there whole
 * or not at all, and durable when this returns. Waits for the writers' lock for as long as the
 * context says. Loads nothing.
 *
 * `name` is what the entry shall be called. Null: as it is called already, else the plugin's own
 * name, if no other entry has that. "": nothing.
 * `origin` says for people where the bundle came from; may be null.
 * `result` may be null.
 *
 * Returns 0; or -1 and ML_DATA (no bundle id; no name; another entry's name: "name_taken"),
 * ML_NO_INPUT (no such bundle), ML_BUSY (the lock), ML_CANT_CREATE, ML_CONFIG. */
int ml_register(struct ml_ctx *ctx, const struct ml_key *key, const char *bundle, const char *name,
                const char *origin, struct ml_register_result *result, struct ml_error *err);

/* Takes an entry and its name out of the registry. A running worker goes on. Returns 1; 0 when
 * there was no such entry; or -1 and ML_BUSY (the lock). The bundle stays filed. The name is free
 * again. Durable when this returns. */
int ml_unregister(struct ml_ctx *ctx, const struct ml_key *key, struct ml_error *err);

/* An entry as it is now. */
struct ml_entry {
    struct ml_key key;
    char bundle[ML_BUNDLE_ID_SIZE];
    char name[ML_NAME_SIZE];       /* the entry's, or "" */
    char plugin[ML_NAME_SIZE];     /* the plugin's; "" when its bundle is damaged */
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

/* ==== workers ==== */

/* What a worker answers about itself. Counters begin at 0 when it is started. */
struct ml_worker_status {
    /* False: it is starting (its constructors run), or stopped. Then only `key` is known.
     * ml_workers() alone tells of such ones. */
    bool answers;

    struct ml_key key;
    pid_t pid;
    char bundle[ML_BUNDLE_ID_SIZE]; /* what it has mapped: the entry may have moved on since */
    char plugin[ML_NAME_SIZE];
    char version[ML_VERSION_SIZE];
    uint64_t uptime_ms;
    uint64_t calls;      /* that ended, in whichever of the following ways */
    uint64_t ok;         /* returned */
    uint64_t errors;     /* failed by ml_fail, or ended their process */
    uint64_t crashes;    /* died of a signal */
    uint64_t timeouts;   /* took too long */
    uint64_t cancelled;  /* their caller went away, or the worker was released */
    uint64_t rejected;   /* unknown function, bad argument: the plugin was not entered */
    uint64_t memory_kib; /* resident memory of the worker itself, in KiB */
};

/* Makes sure that an entry has a worker. Any number of callers at once get one and the same.
 * Returns when the plugin is mapped and its constructors have run. A worker that was started is a
 * child of the calling process until that one ends: a caller that goes on reaps it like any child.
 *
 * `timeout_ms` bounds the start, constructors included; 0: no limit. When `cancel_fd` becomes
 * readable, the start is given up; -1: none. `pid` may be null.
 *
 * Returns 1 when it was started, 0 when it was there; or -1 and ML_NO_INPUT (not registered),
 * ML_REFUSED (the object is not what was filed), ML_DATA (it cannot be mapped), ML_FAILED (a
 * constructor ended the process), ML_SIGNAL + n (a constructor crashed), ML_TIMEOUT, ML_PROTOCOL
 * (built for another plugin ABI), ML_BUSY (another process is loading or releasing it, or its
 * worker does not answer), 130 (cancelled). On failure nothing of the worker is left. A caller that
 * ignores SIGCHLD cannot be told how a worker ended while it started: that is ML_NOT_LOADED then
 * (waitpid(2), ECHILD). */
int ml_load(struct ml_ctx *ctx, const struct ml_key *key, int64_t timeout_ms, int cancel_fd,
            pid_t *pid, struct ml_error *err);

/* What becomes of calls that run when a worker is told to leave. */
enum ml_release_mode {
    /* Ends them; their callers get ML_NOT_LOADED, "worker_gone", at once. */
    ML_RELEASE_NOW,
    /* Lets them end, takes no new one, and leaves after the last. */
    ML_RELEASE_DRAIN,
};

/* Ends a worker, whoever had started it. Returns 0 when the worker and all its calls are gone; 1
 * when it drains and calls of others still hold it; or -1 and ML_NOT_LOADED (there is none),
 * ML_BUSY (it does not answer). Calls that wait and have not begun get ML_NOT_LOADED, "not_loaded",
 * in both modes: they may safely be tried again. Waits for 10 seconds at most, when it drains for a
 * quarter of a second. */
int ml_release(struct ml_ctx *ctx, const struct ml_key *key, enum ml_release_mode mode,
               struct ml_error *err);

/* Asks a worker about itself; no file is believed. Waits for its answer for 2 seconds at most.
 * Returns 1 and fills `*status`; 0 when there is none; or -1 and ML_BUSY (it does not answer),
 * ML_PROTOCOL (it is of another version). The counters are read one by one while calls go on, so
 * their sum may be off by those that are just ending. */
int ml_worker_query(struct ml_ctx *ctx, const struct ml_key *key, struct ml_worker_status *status,
                    struct ml_error *err);

/* Tells `each` of every worker of this registry, in no order. One that does not answer is told of
 * with `answers` false, and ends nothing; one that is gone by then is passed over. `each` returns 0
 * to go on, and may use the context. Returns 0; what `each` returned, if that was not 0; or -1 and
 * ML_REFUSED or ML_IO, where the runtime directory cannot be read. */
int ml_workers(struct ml_ctx *ctx, int (*each)(const struct ml_worker_status *status, void *arg),
               void *arg, struct ml_error *err);

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
    /* The call's standard input, output and error. It gets copies; all three must be open. */
    int stdio[3];
    /* When it becomes readable, the call is ended; it is not read. -1: none. */
    int cancel_fd;
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
 *     ML_LIMIT           "plugin_error"        its result is too large
 *     ML_TIMEOUT         "timeout"             it took too long, and was ended
 *     ML_UNDEFINED       "undefined_function"  the plugin has no such function
 *     ML_DATA            "bad_argument"        it was not entered; the hint shows its signature
 *     ML_NOT_LOADED      "not_loaded"          code "not_loaded": the call never began;
 *                                              code "worker_gone": it may have
 *     ML_SIGNAL + SIGINT "cancelled"           `cancel_fd` became readable
 *     ML_PROTOCOL        ""                    the worker is of another version
 *     ML_DATA            ""                    code "too_large": over 64 MiB of arguments
 *     ML_IO              ""                    one of `stdio` is closed
 *     ML_BUSY            ""                    the worker's socket cannot be reached */
int ml_exec(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_call *call,
            struct ml_value *result, struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
