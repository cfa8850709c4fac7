/* modload/build.h - from sources to a bundle. Volatile: may change with any release before 1.0.
 *
 * Building runs the host compiler as a child process. None of these functions is async-signal-safe;
 * different threads may build at the same time.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h: the context is for one thread at
 * a time, what is passed in stays the caller's, and what comes back is his to free. A build that is
 * abandoned by a signal, or by the death of the caller, leaves only litter in the registry's tmp/,
 * which the next writer sweeps. */
#ifndef MODLOAD_BUILD_H
#define MODLOAD_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/error.h"
#include "modload/modload.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What to build, and how. All pointers stay the caller's. Zeroed is a good start, but for the two
 * descriptors, where 0 would be standard input. Give `sources` or `text`, not both. */
struct ml_build_request {
    /* One or more .c or .h files, or one .so, or one directory, with its modload.json where it has
     * one. Relative paths count from the working directory. */
    const char *const *sources;
    size_t n_sources;
    /* Instead of sources: `text_size` bytes of C or, with `text_is_object`, of a shared object. The
     * bytes need no NUL behind them. */
    const char *text;
    size_t text_size;
    bool text_is_object;
    /* Instead of the name that the plugin or its file gives. Null: that one. The name is part of
     * the bundle's identity. */
    const char *name;
    /* `n_defines` texts, NAME or NAME=VALUE, as after -D. */
    const char *const *defines;
    size_t n_defines;
    /* `n_includes` directories, as after -I, searched before the system's. */
    const char *const *includes;
    size_t n_includes;
    /* `n_libraries` names, as after -l: letters, digits and + . _ - only, so that none of them can
     * be an option of the linker's. */
    const char *const *libraries;
    size_t n_libraries;
    /* As after -std=; null: the compiler's own. */
    const char *standard;
    /* For the whole build, in milliseconds; 0: no limit. The command line's default is 60 s. */
    int64_t timeout_ms;
    /* Where the compiler's own words go, as they come; -1: /dev/null. It stays open and is not
     * read. */
    int diagnostics_fd;

    /* When it becomes readable, the build is given up, and nothing of it is left; -1: none. */
    int cancel_fd;
};

/* A function that can be called. The texts are owned by the ml_bundle_info, and are never null. */
struct ml_built_function {
    /* As `exec U NAME` is given it. */
    char *name;
    /* "add(a: double, b: double) -> double" */
    char *signature;
    /* The comment above it, without its marks, in lines; "" if there is none. */
    char *doc;
};

/* A function that is there and cannot be called. Owned as above. */
struct ml_skipped_function {
    /* Its name in the source. */
    char *name;
    /* For people: "parameter 'p' is a pointer to struct point, which cannot be carried". */
    char *reason;
};

/* What a bundle says about itself. It is a copy, made when it was read: nothing in it changes with
 * the registry, and it outlives its context. Read-only for callers; different threads may read
 * one. */
struct ml_bundle_info {
    /* Its id. */
    char bundle[ML_BUNDLE_ID_SIZE];
    /* The plugin's own, never null; description and license are "" where the manifest has none. */
    char *name, *version, *description, *license;
    /* `n_functions` of them, sorted by name. */
    struct ml_built_function *functions;
    size_t n_functions;
    /* `n_skipped` of them, sorted by name. */
    struct ml_skipped_function *skipped;
    size_t n_skipped;
};

/* Builds a bundle and files it in the registry of `ctx`, which is made where it is missing; or
 * finds that the same one is there already: its id is a digest of everything that goes in, so
 * equal input gives an equal id, and costs neither a link nor a second copy. Any thread; other
 * processes may build and register meanwhile.
 *
 * The compiler, $CC or else cc of the caller's PATH, runs as a child in a process group of its own,
 * which is killed when the time is up and when the caller dies. Of the environment it sees search
 * paths, language and colours, from a fixed list: other variables would change what it runs.
 *
 * Returns 0 and `*ret`, which is the caller's, who gives it to ml_bundle_info_free(); or -1,
 * `*ret` as it was, and
 *     ML_DATA         the compiler or the linker failed; not C; not an object for this machine; no
 *                     callable function; a name that cannot be one
 *     ML_NO_INPUT     no such file; no compiler; modload's own headers are not installed
 *     ML_CONFIG       a bad modload.json, or an ML_PLUGIN that contradicts it; no registry of this
 *                     format
 *     ML_TIMEOUT      `timeout_ms` have passed
 *     ML_SIGNAL + SIGINT   `cancel_fd` became readable
 *     ML_BUSY         a source changed while it was compiled: what was built could not be told
 *     ML_LIMIT        a source or an object is too large, or memory is out
 *     ML_IO, ML_CANT_CREATE, ML_REFUSED   a file could not be read, made, or may not be
 * Nothing is left behind in any of these cases. */
int ml_build(struct ml_ctx *ctx, const struct ml_build_request *request,
             struct ml_bundle_info **ret, struct ml_error *err);

/* Reads what a filed bundle says about itself. Takes no lock and builds nothing. Only its manifest
 * is looked at: whether the object is still what was filed is checked when it is loaded.
 *
 * Returns 0 and `*ret`, which is the caller's, who gives it to ml_bundle_info_free(); or -1, `*ret`
 * as it was, and ML_NO_INPUT (no id, no such bundle), ML_REFUSED (damaged), ML_CONFIG (no registry
 * of this format), ML_IO, ML_LIMIT. */
int ml_bundle_info_read(struct ml_ctx *ctx, const char *bundle, struct ml_bundle_info **ret,
                        struct ml_error *err);

/* Frees it and everything in it; null is fine. Any thread. */
void ml_bundle_info_free(struct ml_bundle_info *info);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
