/* modload.json of a project: which plugins it needs. The same file may be a plugin's own manifest
 * (build/manifest.h). */
#ifndef PROJECT_PROJECT_H
#define PROJECT_PROJECT_H

#include <stdbool.h>

#include "build/arena.h"
#include "modload/error.h"

#define PROJECT_FILE "modload.json"

/* Bytes. Of a manifest that is also built, MANIFEST_SIZE_MAX is the limit. */
enum { PROJECT_SIZE_MAX = 1 << 20 };

/* What the project asks for. A text that is null was not given. */
struct project_plugin {
    const char *name;
    const char *git;     /* as it was written; field_git_same() compares */
    const char *version; /* a range; not with `ref` */
    const char *ref;     /* a branch, a tag or a commit */
    const char *path;    /* the plugin's directory in the repository */
    const char *uuid;    /* in lower case */
    bool submodules;     /* of the repository as well */
};

struct project {
    struct project_plugin *plugins; /* sorted by name */
    size_t n;
};

/* Reads and checks "plugins", and checks all else by the rules of a manifest. `label` is the file's
 * path for messages, `text` has a NUL behind its `n` bytes. What is in `ret` is in the arena. 0; -1
 * and ML_CONFIG, with file, plugin and key in the message; "no_plugins" where there is no such key;
 * ML_LIMIT. */
int project_parse(struct arena *a, const char *label, const char *text, size_t n,
                  struct project *ret, struct ml_error *err);

/* The same for PROJECT_FILE in the directory `dirfd`. Also -1 and ML_NO_INPUT, "no_project", where
 * there is none; ML_IO. */
int project_read(struct arena *a, int dirfd, const char *label, struct project *ret,
                 struct ml_error *err);

#endif
