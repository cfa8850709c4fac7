/* A package on its way in: what the parts of lib/install know of it. */
#ifndef INSTALL_PACKAGE_H
#define INSTALL_PACKAGE_H

#include "build/arena.h"
#include "build/digest.h"
#include "fetch/fetch.h"
#include "modload/install.h"
#include "registry_store/store.h"

/* Paths are relative to the plugin's directory. */
struct package_file {
    const char *path;
    char sha256[DIGEST_HEX_SIZE];
};

struct ml_package {
    struct arena a;
    struct ml_package_info info;
    struct store_stage stage; /* where it was fetched to; a directory of the user's own has none */
    const char *dir;          /* the plugin's directory, absolute */
    const char *label;        /* what messages call it */
    struct package_file *files; /* sorted */
    size_t n_files;
};

/* What a request asks for, before anything is fetched. */
enum package_kind { PACKAGE_GIT, PACKAGE_ARCHIVE, PACKAGE_DIRECTORY };
struct package_plan {
    enum package_kind kind;
    struct source source;          /* of a git repository of this machine, its real path */
    char url[SOURCE_FILE_URL_MAX]; /* the one spelling of it; else an absolute path */
};

/* Reads what a request asks for, and looks at what there is on this machine. 0; -1 and the errors
 * of ml_package_fetch(). */
int package_plan(const struct ml_package_request *request, struct package_plan *ret,
                 struct ml_error *err);

/* How a request is said to those who fetch. `ret` points to both. */
void package_order(const struct ml_package_request *request, const struct source *source,
                   struct fetch_request *ret);

/* Fetches it into the package, whose stage is open where it needs one, and looks at it. Any thread.
 * 0; -1. */
int package_take(struct ml_package *p, const struct package_plan *plan,
                 const struct ml_package_request *request, struct ml_error *err);

#define PACKAGE_TAGS  "refs/tags/"
#define PACKAGE_HEADS "refs/heads/"

/* What is behind one of these in a ref's name; "" when it is none of that kind. */
const char *package_ref_leaf(const char *ref, const char *prefix);

/* A fetch of `source` by what the request says of the network. Points into both. */
void package_order(const struct ml_package_request *request, const struct source *source,
                   struct fetch_request *ret);

/* Whether a tag leads to `commit`, by what was fetched last. 0; -1 and ML_REFUSED, "moved_tag",
 * when not, or the errors of the fetch. */
int package_tag_check(const struct fetch_request *order, const struct source *source,
                      const char *tag, const char *commit, struct ml_error *err);

/* Looks at the plugin in `dirfd`: its manifest, its files and their digest. `stem` names it where
 * nothing else does. 0; -1 and ML_CONFIG, ML_DATA ("no_plugin"), ML_LIMIT, ML_IO. */
int package_look(struct ml_package *p, int dirfd, const char *stem, struct ml_error *err);

#endif
