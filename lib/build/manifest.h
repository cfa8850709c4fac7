/* modload.json: what the author of a plugin of several files says about it. */
#ifndef BUILD_MANIFEST_H
#define BUILD_MANIFEST_H

#include "build/arena.h"
#include "modload/abi.h"
#include "modload/error.h"

enum { MANIFEST_SIZE_MAX = 64 << 10 };

/* A value that the bundle's own manifest has: as it was written, but for the capabilities. */
struct manifest_part {
    const char *key, *json;
};

struct manifest {
    const char *label; /* its path as the user would write it, for messages */
    const char *text;  /* all of it */
    const char *name, *version, *description, *license; /* null: not given */
    struct strv sources, include, link, pkg_config, cflags, functions;
    struct strv capabilities; /* normalised: see client/capability.h */
    struct ml_plugin_limits limits;
    struct manifest_part parts[6];
    size_t n_parts;
};

/* Reads and checks a manifest. What this version cannot honour is refused, not ignored. `label` and
 * `text` (with a NUL behind its `n` bytes) must outlive `ret`. 0; -1 and ML_CONFIG, ML_LIMIT. */
int manifest_parse(struct arena *a, const char *label, const char *text, size_t n,
                   struct manifest *ret, struct ml_error *err);

/* The same for the modload.json of a directory; its text is in `a`. 1; 0 when there is none; -1 and
 * the errors above, and those of reading it. */
int manifest_load(struct arena *a, int dirfd, const char *label, struct manifest *ret,
                  struct ml_error *err);

#endif
