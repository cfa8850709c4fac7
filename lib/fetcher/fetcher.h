/* What the parts of modload-fetch share. It is a program of its own (lib/fetch/message.h), linked
 * with libgit2, with one order to carry out; so there is one state, and nothing outlives it. */
#ifndef FETCHER_FETCHER_H
#define FETCHER_FETCHER_H

#include <git2.h>
#include <stdatomic.h>

#include "archive/budget.h"
#include "fetch/message.h"

/* ---- libgit2 (git.c) ---- */

/* Sets libgit2 up: no configuration, bounded memory; for https the certificates of the system, or
 * those of SSL_CERT_FILE and SSL_CERT_DIR. 0; -1. */
int git_begin(const struct fetch_order *order, struct ml_error *err);

/* "what: why" of libgit2's last failure, as one of those of fetch_source(). -1. `status` is what
 * libgit2 returned. */
__attribute__((format(printf, 3, 4))) int git_failed(struct ml_error *err, int status,
                                                     const char *fmt, ...);

/* Whether libgit2's last failure is one of what is kept here, not of the server. */
bool git_is_local_failure(int status);

/* ---- limits (confine.c) ---- */

/* From here on the process can do what its step needs, and no more. 0; -1 and ML_LIMIT. */
int fetcher_confine(const struct fetch_order *order, struct ml_error *err);

/* ---- telling (tell.c) ---- */

/* What has been done: written by whoever does it, told by a thread of its own. */
struct fetcher_counts {
    _Atomic uint32_t phase, objects, objects_total, deltas, deltas_total, files;
    _Atomic uint64_t bytes;
};
extern struct fetcher_counts fetcher_counts;

/* Tells the counts ten times a second, until the process ends. 0; -1 and ML_LIMIT. */
int fetcher_tell_begin(struct ml_error *err);

/* Tells them now. */
void fetcher_tell_counts(void);

/* Tells of one submodule: whether somebody hears it is known when the answer is told. */
void fetcher_tell_module(const struct fetch_module *module);

/* Tells the answer. False when nobody is there to hear it. */
bool fetcher_tell_result(const struct fetch_result *result);
bool fetcher_tell_error(const struct ml_error *err);

/* ---- credentials (auth.c) ---- */

/* For one connection; `problem` is why it was given up, where that is not libgit2's reason. */
struct fetcher_auth {
    const struct fetch_order *order;
    const struct source *source; /* the order's */
    int tried;                   /* how many credentials were given */
    struct ml_error problem;
};

int auth_credential(git_credential **ret, const char *url, const char *user, unsigned allowed,
                    void *auth);
int auth_certificate(git_cert *cert, int valid, const char *host, void *auth);

/* ---- the proxy for https (proxy.c) ---- */

/* Puts the variables that name it into the form that libgit2 reads. 0; -1 and ML_CONFIG. */
int proxy_begin(struct ml_error *err);

/* Its port; 0: there is none. After proxy_begin(). */
int proxy_port(void);

/* Says of a failure that the proxy may be why, where there is one. */
void proxy_hint(struct ml_error *err);

/* ---- the steps ---- */

/* Fills the cache where it stands, and finds the commit. */
int fetcher_fetch(const struct fetch_order *order, struct fetch_result *ret, struct ml_error *err);

/* Finds what the order's ref stands for in the repository. */
int fetcher_resolve(git_repository *repo, const struct source *source, struct fetch_result *ret,
                    struct ml_error *err);

/* Whether that is the order's `since`, or comes after it. 0; -1 and ML_REFUSED, "rewritten". */
int fetcher_follows(git_repository *repo, const struct fetch_order *order,
                    const struct fetch_result *found, struct ml_error *err);

/* Puts a commit's tree, or a directory of it, into the directory where it stands. */
int fetcher_export(const struct fetch_order *order, struct fetch_result *ret, struct ml_error *err);

/* Tells which submodules a commit has, in the cache where it stands. */
int fetcher_modules(const struct fetch_order *order, struct fetch_result *ret,
                    struct ml_error *err);

/* Writes what differs between two commits into a file there. */
int fetcher_changes(const struct fetch_order *order, struct fetch_result *ret,
                    struct ml_error *err);

/* Commits a file in the clone where it stands; what is behind the order says which. */
int fetcher_commit(struct fetch_result *ret, struct ml_error *err);

/* ---- what they share (object.c) ---- */

/* An object that is missing, or is not what its id says: the cache is made anew then. -1. */
int object_unreadable(struct ml_error *err, const char *path);

/* How large a file will be is known before it is read, and is held against the budget. 0; -1. */
int object_size_check(git_repository *repo, const struct budget *budget, const git_oid *id,
                      const char *path, struct ml_error *err);

/* The tree of a commit. 0; -1. */
int object_commit_tree(git_repository *repo, const char *commit, git_oid *ret,
                       struct ml_error *err);

/* The same of a directory of it; "" for all. 0; -1, also with ML_NO_INPUT, "no_such_path". */
int object_subtree(git_repository *repo, const char *commit, const char *subdir, git_oid *ret,
                   struct ml_error *err);

/* Whether an entry of a tree is a submodule: its id is that of a commit of another repository. */
bool object_is_module(const git_tree_entry *entry);

/* The codes of archives, whose checks are used, as those of repositories. */
void object_rename_code(struct ml_error *err);

#endif
