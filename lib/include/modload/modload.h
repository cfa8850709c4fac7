/* modload/modload.h - the registry, and calls of loaded plugins. Volatile: may change with any
 * release before 1.0.
 *
 * A context is for one thread at a time; different threads use different contexts. After fork() the
 * child must not use its parent's contexts. No function here prints, exits, or changes signal
 * handlers.
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

#define ML_VERSION "0.1.0"

/* ---- keys
 * ---------------------------------------------------------------------------------------- */

/* A key is 128 bits. Its text forms: the UUID 8-4-4-4-12 of RFC 9562 section 4, and 32 hex digits.
 */
struct ml_key {
    uint8_t bytes[16];
};

enum {
    ML_UUID_SIZE = 37,      /* with the NUL */
    ML_KEY_TEXT_SIZE = 33,  /* with the NUL */
    ML_BUNDLE_ID_SIZE = 35, /* "b-", 32 of a-z2-7 (160 bits, base32 of RFC 4648 section 6), NUL */
    ML_NAME_SIZE = 65,      /* with the NUL */
    ML_VERSION_SIZE = 65,   /* with the NUL */
};

/* A new random key with the bits of UUID version 4 (RFC 9562 section 5.4). Thread-safe. */
void ml_key_generate(struct ml_key *key);

/* Reads a UUID, any case, exactly 36 characters: no braces, no "urn:", nothing before or behind.
 * Version and variant are not looked at: any 128 bits are a key. 0, or -1 and ML_DATA. */
int ml_key_from_uuid(const char *text, struct ml_key *key, struct ml_error *err);

/* Reads 32 hex digits, any case. 0, or -1 and ML_DATA. */
int ml_key_from_hex(const char *text, struct ml_key *key, struct ml_error *err);

/* Reads either form. 0, or -1 and ML_DATA. */
int ml_key_parse(const char *text, struct ml_key *key, struct ml_error *err);

/* Write the text forms, in lower case. */
void ml_key_to_uuid(const struct ml_key *key, char uuid[ML_UUID_SIZE]);
void ml_key_to_hex(const struct ml_key *key, char text[ML_KEY_TEXT_SIZE]);

/* Whether a text can be a plugin's name: 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, and
 * not a key itself. */
bool ml_name_valid(const char *name);

/* ---- context
 * ------------------------------------------------------------------------------------- */

struct ml_ctx;

/* Where a context works. Null members are taken from the environment: MODLOAD_HOME, else
 * $XDG_DATA_HOME/modload, else $HOME/.local/share/modload; MODLOAD_RUNTIME_DIR, else
 * $XDG_RUNTIME_DIR/modload, else a private directory in $TMPDIR or /tmp. */
struct ml_ctx_options {
    const char *home;
    const char *runtime_dir;
    int64_t wait_ms; /* for locks; 0 tries once */
};

/* Makes a context. Opens nothing yet. 0; -1 and ML_CONFIG (no home can be told), ML_LIMIT. */
int ml_ctx_new(const struct ml_ctx_options *options, struct ml_ctx **ret, struct ml_error *err);
void ml_ctx_free(struct ml_ctx *ctx);

/* ---- registry
 * ------------------------------------------------------------------------------------ */

/* Finds the key that a user's word stands for: a UUID or 32 hex digits as they are; a name, or
 * name@version; else a prefix of at least 4 hex digits of exactly one registered key. Errors:
 * ML_DATA (none of these; ambiguous), ML_NO_INPUT (no such name or prefix), and those of reading
 * the registry. */
int ml_resolve(struct ml_ctx *ctx, const char *word, struct ml_key *key, struct ml_error *err);

/* Which bundle an entry points at now. Takes no lock, never waits. Errors: ML_NO_INPUT
 * (unregistered). */
int ml_lookup(struct ml_ctx *ctx, const struct ml_key *key, char bundle[ML_BUNDLE_ID_SIZE],
              struct ml_error *err);

/* Finds the one filed bundle whose id begins with `prefix` ("b-" and at least 4 characters).
 * Errors: ML_DATA (no id; ambiguous), ML_NO_INPUT (no such bundle). */
int ml_bundle_resolve(struct ml_ctx *ctx, const char *prefix, char bundle[ML_BUNDLE_ID_SIZE],
                      struct ml_error *err);

/* Points an entry at a filed bundle, making the entry where it is new. Whole or not at all, and
 * durable when it returns. `name` is a name for the entry: the plugin's own when null, if no other
 * entry has it; "" is no name; a name that was asked for and is another entry's is ML_DATA.
 * `origin` says where the bundle came from, for people; may be null. Errors: ML_NO_INPUT (no such
 * bundle), ML_BUSY (the lock), ML_IO, ... */
struct ml_register_result {
    bool changed;            /* false: it was so already */
    bool name_taken;         /* the plugin's own name belongs to another entry: this one has none */
    char name[ML_NAME_SIZE]; /* the entry's name now, or "" */
    char plugin[ML_NAME_SIZE]; /* the plugin's name */
    char version[ML_VERSION_SIZE];
};
int ml_register(struct ml_ctx *ctx, const struct ml_key *key, const char *bundle, const char *name,
                const char *origin, struct ml_register_result *result, struct ml_error *err);

/* Takes an entry out of the registry. 1, or 0 when there was none. A running worker goes on. */
int ml_unregister(struct ml_ctx *ctx, const struct ml_key *key, struct ml_error *err);

struct ml_entry {
    struct ml_key key;
    char bundle[ML_BUNDLE_ID_SIZE];
    char name[ML_NAME_SIZE];       /* the entry's, or "" */
    char plugin[ML_NAME_SIZE];     /* the plugin's; "" when its bundle is damaged */
    char version[ML_VERSION_SIZE]; /* the plugin's */
};

/* One entry. Errors: ML_NO_INPUT. */
int ml_entry_read(struct ml_ctx *ctx, const struct ml_key *key, struct ml_entry *entry,
                  struct ml_error *err);

/* Calls `each` for every entry in the order of the keys, streaming. `each` returns nonzero to stop;
 * that value is returned. */
int ml_entries(struct ml_ctx *ctx, int (*each)(const struct ml_entry *entry, void *arg), void *arg,
               struct ml_error *err);

/* ---- workers
 * ------------------------------------------------------------------------------------- */

/* What a worker answers about itself. */
struct ml_worker_status {
    struct ml_key key;
    pid_t pid;
    char bundle[ML_BUNDLE_ID_SIZE];
    char plugin[ML_NAME_SIZE];
    char version[ML_VERSION_SIZE];
    uint64_t uptime_ms;
    uint64_t calls; /* ended, in whichever way */
    uint64_t ok, errors, crashes, timeouts, cancelled;
    uint64_t rejected;   /* undefined function, bad argument: the plugin was not entered */
    uint64_t memory_kib; /* resident, of the worker itself */
};

/* Makes sure that the entry has a worker. 1 when it was started, 0 when it was there. Any number of
 * callers at once get one worker. `timeout_ms` bounds the whole start, constructors included; 0:
 * none. Errors: ML_NO_INPUT (unregistered), ML_REFUSED (the object is damaged), ML_DATA (it cannot
 * be mapped), ML_SIGNAL + n (a constructor crashed), ML_FAILED (a constructor exited), ML_TIMEOUT,
 * ML_PROTOCOL (another ABI), ML_BUSY. The worker is a child of the calling process until that one
 * ends. */
int ml_load(struct ml_ctx *ctx, const struct ml_key *key, int64_t timeout_ms, pid_t *pid,
            struct ml_error *err);

/* Ends the worker. ML_RELEASE_NOW ends its calls with it, and returns when all are gone. With
 * ML_RELEASE_DRAIN it takes no new call, and leaves when those that run have ended: 0 when it is
 * gone, 1 when calls of others still hold it. Errors: ML_NOT_LOADED. */
enum ml_release_mode { ML_RELEASE_NOW, ML_RELEASE_DRAIN };
int ml_release(struct ml_ctx *ctx, const struct ml_key *key, enum ml_release_mode mode,
               struct ml_error *err);

/* Asks the worker. 1 and `*status`; 0 when there is none. Never believes a file. */
int ml_worker_query(struct ml_ctx *ctx, const struct ml_key *key, struct ml_worker_status *status,
                    struct ml_error *err);

/* Calls `each` for every live worker of this registry. */
int ml_workers(struct ml_ctx *ctx, int (*each)(const struct ml_worker_status *status, void *arg),
               void *arg, struct ml_error *err);

/* ---- calls
 * --------------------------------------------------------------------------------------- */

enum ml_value_type {
    ML_VALUE_NONE, /* a void function */
    ML_VALUE_NULL, /* a null string */
    ML_VALUE_BOOL,
    ML_VALUE_INT,
    ML_VALUE_UINT,
    ML_VALUE_FLOAT,
    ML_VALUE_DOUBLE,
    ML_VALUE_STRING, /* `data`, as the plugin returned it: any bytes but NUL */
    ML_VALUE_BYTES,  /* `data` */
};

/* The result of a call. */
struct ml_value {
    enum ml_value_type type;
    union {
        bool boolean;
        int64_t integer;
        uint64_t uinteger;
        float real32;
        double real;
    };
    char *data; /* STRING and BYTES: `size` bytes and a NUL */
    size_t size;
};

void ml_value_done(struct ml_value *value); /* frees what it owns */

struct ml_call {
    const char *function;
    const char *const *args; /* texts, converted by the function's signature */
    size_t n_args;
    int64_t timeout_ms; /* 0: none */
    int stdio[3];       /* the call's standard input, output and error; they stay the caller's */
    int cancel_fd;      /* readable = cancel the call; -1: none */
};

/* Calls a function of a loaded entry in a process of its own, and waits until that process and all
 * its descendants are gone. On 0 `*result` is the caller's, who gives it to ml_value_done().
 * Errors, with `outcome` set: ML_FAILED (the function failed; `code` is its own), ML_SIGNAL + n (it
 * crashed), ML_TIMEOUT, ML_UNDEFINED, ML_DATA (bad argument), ML_NOT_LOADED (with the code
 * "not_loaded" the call never began, with "worker_gone" it may have), 130 (cancelled), ML_PROTOCOL.
 */
int ml_exec(struct ml_ctx *ctx, const struct ml_key *key, const struct ml_call *call,
            struct ml_value *result, struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
