/* modload/error.h - what went wrong, in a form that a program and a person can both use.
 *
 * Every call that can fail takes a `struct ml_error *` last. Success leaves it alone. Failure
 * returns a negative number and fills it in. A null pointer is allowed: the caller then only learns
 * that it failed. The structure owns no memory, so it is never freed, may live on the stack, may be
 * copied, and can be filled in when memory has run out, and after fork(). Texts that do not fit are
 * cut and end in "...".
 */
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
    ML_OK = 0,           /* done */
    ML_FAILED = 1,       /* the plugin's function failed, or the answer is no */
    ML_USAGE = 64,       /* the command was called wrongly */
    ML_DATA = 65,        /* a bad argument or bad input; a build that failed */
    ML_NO_INPUT = 66,    /* no such key, bundle or file */
    ML_NOT_LOADED = 69,  /* not loaded, or the worker is gone */
    ML_BUG = 70,         /* a bug in modload */
    ML_LIMIT = 71,       /* a limit was hit: memory, CPU, output, processes */
    ML_CANT_CREATE = 73, /* a file cannot be created */
    ML_IO = 74,          /* input or output failed */
    ML_BUSY = 75,        /* busy, try again */
    ML_PROTOCOL = 76,    /* the other side speaks another protocol */
    ML_REFUSED = 77,     /* refused: permission, digest, policy */
    ML_CONFIG = 78,      /* a bad manifest or configuration */
    ML_TIMEOUT = 124,    /* timed out, whatever signal ended it */
    ML_UNDEFINED = 127,  /* the plugin has no such function */
    ML_SIGNAL = 128,     /* plus n: the function died of signal n */
};

enum { ML_ERROR_CODE_MAX = 64, ML_ERROR_MESSAGE_MAX = 1024, ML_ERROR_HINT_MAX = 512 };

struct ml_error {
    int status;                   /* an enum ml_status, or ML_SIGNAL + n */
    char outcome[24];             /* of a call: "plugin_error", "timeout", ...; else empty */
    char code[ML_ERROR_CODE_MAX]; /* one word for programs: "not_loaded", or the plugin's own */
    char message[ML_ERROR_MESSAGE_MAX]; /* "what failed: why", lower case, no full stop */
    char hint[ML_ERROR_HINT_MAX];       /* what to do next; may be empty */
};

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
