/* modload/build.h - from sources to a bundle. Volatile: may change with any release before 1.0.
 *
 * Building runs the host compiler as a child process. None of these functions is async-signal-safe;
 * different threads may build at the same time.
 */
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

/* What to build, and how. All pointers stay the caller's. */
struct ml_build_request {
    const char *const *sources; /* .c or .h files, one .so, or one directory */
    size_t n_sources;
    const char *text; /* instead of sources: the C source itself, or (is_object) a shared object */
    size_t text_size;
    bool text_is_object;
    const char *name; /* instead of the name that the plugin or its file gives; may be null */
    const char *const *defines; /* NAME or NAME=VALUE, as after -D */
    size_t n_defines;
    const char *const *includes; /* directories, as after -I */
    size_t n_includes;
    const char *const *libraries; /* as after -l: letters, digits and + . _ - */
    size_t n_libraries;
    const char *standard; /* as after -std=; null: the compiler's own */
    int64_t timeout_ms;   /* for the whole build; 0: none. The command line's default is 60 s */
    int diagnostics_fd;   /* where the compiler's own words go; -1: /dev/null */
};

struct ml_built_function {
    char *name;
    char *signature; /* "add(a: double, b: double) -> double" */
    char *doc;       /* the comment above it, without its marks; "" if there is none */
};

struct ml_skipped_function {
    char *name;
    char *reason; /* "parameter 'p' is a pointer to struct point, which cannot be carried" */
};

/* What a bundle says about itself. */
struct ml_bundle_info {
    char bundle[ML_BUNDLE_ID_SIZE];
    char *name, *version, *description, *license;
    struct ml_built_function *functions; /* sorted by name */
    size_t n_functions;
    struct ml_skipped_function *skipped; /* sorted by name */
    size_t n_skipped;
};

/* Builds and files a bundle in the registry of `ctx`, or finds that the same one is there. On
 * success
 * `*ret` is the caller's, who gives it to ml_bundle_info_free(). Errors: ML_DATA (the compiler or
 * linker failed, not C, not an object for this machine, no callable function), ML_NO_INPUT (no such
 * file, no compiler), ML_CONFIG (a bad modload.json), ML_TIMEOUT, ML_BUSY (a source changed while
 * it was compiled), ML_IO, ML_CANT_CREATE, ML_LIMIT, ML_REFUSED. Nothing is left behind in any of
 * these cases. */
int ml_build(struct ml_ctx *ctx, const struct ml_build_request *request,
             struct ml_bundle_info **ret, struct ml_error *err);

/* Reads what a filed bundle says about itself. Errors: ML_NO_INPUT, ML_REFUSED (damaged), ML_IO. */
int ml_bundle_info_read(struct ml_ctx *ctx, const char *bundle, struct ml_bundle_info **ret,
                        struct ml_error *err);

/* Frees; null is fine. */
void ml_bundle_info_free(struct ml_bundle_info *info);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
