/* modload/error.h - what went wrong, in a form that a program and a person can both use.
 *
 * Every call that can fail takes a `struct ml_error *` last. Success leaves it alone. Failure
 * returns a negative number and fills it in. A null pointer is allowed: the caller then only learns
 * that it failed. The structure owns no memory, so it is never freed, may live on the stack, may be
 * copied, and can be filled in when memory has run out, and after fork(). Texts that do not fit are
 * cut and end in "...".
 *
 *
 * Threads: two threads may not share one structure while either may fail; nothing else is shared,
 * so different structures need no care. */
#ifndef MODLOAD_ERROR_H
#define MODLOAD_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Whose failure it was. The values are the exit codes of the command line. 64 to 78 have the
 * meanings of sysexits.h (4.3BSD), 124 and 127 those of timeout(1) and the shell (POSIX.1-2017,
 * XCU 2.8.2). */
enum ml_status {
    /* Done. */
    ML_OK = 0,
    /* The plugin's function failed, or the answer of a question is no. */
    ML_FAILED = 1,
    /* The command was called wrongly (EX_USAGE). The library itself never sets it. */
    ML_USAGE = 64,
    /* A bad argument or bad input; a build that failed (EX_DATAERR). */
    ML_DATA = 65,
    /* No such key, bundle or file (EX_NOINPUT). */
    ML_NO_INPUT = 66,
    /* Not loaded, or the worker is gone (EX_UNAVAILABLE). */
    ML_NOT_LOADED = 69,
    /* A bug in modload (EX_SOFTWARE): please report it. */
    ML_BUG = 70,
    /* A limit was hit: memory, CPU, output, processes, descriptors (EX_OSERR). */
    ML_LIMIT = 71,
    /* A file, a socket or a process cannot be created (EX_CANTCREAT). */
    ML_CANT_CREATE = 73,
    /* Input or output failed (EX_IOERR): what the disk holds now is not known to be whole. */
    ML_IO = 74,
    /* Busy: the same call may succeed later (EX_TEMPFAIL). */
    ML_BUSY = 75,
    /* The other side, a worker or a bundle, speaks another protocol (EX_PROTOCOL). */
    ML_PROTOCOL = 76,
    /* Refused: permission, owner, digest, policy (EX_NOPERM). Trying again does not help. */
    ML_REFUSED = 77,
    /* A bad manifest, registry or configuration (EX_CONFIG). */
    ML_CONFIG = 78,
    /* Timed out, whatever signal ended it: the same for a call, a start and a build. */
    ML_TIMEOUT = 124,
    /* The plugin has no such function. */
    ML_UNDEFINED = 127,
    /* Plus n: the function died of signal n. 130 is also what a cancelled call has. */
    ML_SIGNAL = 128,
};

/* Sizes in bytes, the NUL at the end included. They are limits of this structure only: large enough
 * for a path, or for what a compiler or ld.so says in a line, and small enough for the stack. */
enum { ML_ERROR_CODE_MAX = 64, ML_ERROR_MESSAGE_MAX = 1024, ML_ERROR_HINT_MAX = 512 };

/* One failure. ML_ERROR_INIT is none. Texts are NUL-terminated and never localised, except for what
 * strerror(3) and ld.so say: that is for people, and differs between C libraries; programs go by
 * `code`. */
struct ml_error {
    /* An enum ml_status, or ML_SIGNAL + n; 0 while nothing has failed. */
    int status;
    /* Of a call: "plugin_error", "timeout", "undefined_function", "bad_argument", "not_loaded" or
     * "cancelled"; "" for every other failure. */
    char outcome[24];
    /* One word for programs: "not_loaded", "name_taken", or the plugin's own, as it gave it to
     * ml_fail. New words may come; the status of an old one stays. */
    char code[ML_ERROR_CODE_MAX];
    /* For people: "what failed: why", lower case, no full stop. It may hold bytes of a plugin or a
     * path: whoever shows it on a terminal escapes control characters. */
    char message[ML_ERROR_MESSAGE_MAX];
    /* What the user may do next; "" where nobody knows. */
    char hint[ML_ERROR_HINT_MAX];
};

/* For `struct ml_error err = ML_ERROR_INIT;`. A setter needs none; it is for those who look at
 * `status` without having looked at what the call returned. */
#define ML_ERROR_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

/* The word that stands for a status where an error has no better code of its own: "not_loaded" for
 * ML_NOT_LOADED. Never null; "error" for a number that is no status. Any thread; async-signal-safe.
 */
const char *ml_status_code(int status);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
