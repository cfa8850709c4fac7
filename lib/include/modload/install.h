/* modload/install.h - plugins from where they are published to a bundle. Volatile: may change with
 * any release before 1.0.
 *
 * A package is the source of one plugin on its way in: a commit of a git repository, an archive, or
 * a directory. It is fetched, looked at, and shown to whoever has to agree, before anything of it
 * is compiled or run. What is fetched lies in the registry's tmp/ until the package is freed; a
 * process that is killed leaves litter there, which the next writer sweeps.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h. */
#ifndef MODLOAD_INSTALL_H
#define MODLOAD_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/build.h"
#include "modload/error.h"
#include "modload/modload.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Sizes of texts, in bytes, the NUL included. */
enum {
    /* git's object ids: 40 hexadecimal digits (SHA-1) */
    ML_COMMIT_SIZE = 41,
    /* "h1:" and a SHA-256 in base64 (RFC 4648 section 4) */
    ML_SOURCE_DIGEST_SIZE = 48,
};

/* ==== origins ==== */

/* Where a plugin came from, as an entry's origin says it (ml_entry_origin()). No text is null: ""
 * is none. */
struct ml_origin {
    /* Of a git repository; "" for everything else, which is a path. */
    char *git;
    /* The directory in it, and what was asked for: a branch, a tag, a commit or a range. */
    char *path, *ref;
    /* The tag that this led to ("v1.2.0"), if it was one, and the commit. */
    char *tag, *commit;
    /* The index that it was found in, and the name that it has there: later versions are for that
     * index to say. Both "" for what nobody has looked up. */
    char *index, *name;
    /* Its submodules were asked for as well. */
    bool submodules;
};

/* Reads an origin. Returns 0 and `*ret`, which the caller gives to ml_origin_done(); or -1, `*ret`
 * emptied, and ML_NO_INPUT ("no_origin": it is not that of a git repository), ML_LIMIT. Any
 * thread. */
int ml_origin_parse(const char *text, struct ml_origin *ret, struct ml_error *err);

/* Writes one, in the form that cargo and pip use for what comes from git:
 *     git+URL?path=DIR&ref=REF&tag=TAG&submodules=1&index=INDEX&name=NAME#COMMIT
 * without those that are "", null or false. What would be mistaken for a mark is written %XX (RFC
 * 3986 section 2.1). The caller frees it; null: memory is out. Any thread. */
char *ml_origin_format(const struct ml_origin *origin);

/* The origin of what came out of a file that says this of itself: "pack+" before that of a
 * repository, so that nobody takes it for what was fetched from there, and agreed to. The caller
 * frees it; null: memory is out. Any thread. */
char *ml_origin_claimed(const char *text);

/* What it says then; `text` itself, where nothing is only said. */
const char *ml_origin_claim(const char *text);

/* Frees what it owns, and empties it. An empty one is fine. Any thread, for different ones. */
void ml_origin_done(struct ml_origin *origin);

/* The key of what came from an origin, where nobody names one: a UUID of version 5 (RFC 9562
 * section 5.5), of a git repository over its URL and the directory in it, else over the text.
 * Whoever installs the same plugin again gets the same entry. Returns 0; or -1 and ML_LIMIT. Any
 * thread. */
int ml_origin_key(const char *text, struct ml_key *ret, struct ml_error *err);

/* ==== packages ==== */

/* How far the fetching of a package is. */
struct ml_package_progress {
    /* "connecting", "receiving", "resolving", "exporting", "unpacking" */
    const char *phase;
    /* From the server so far. */
    uint64_t bytes;
    /* Of which there are `total`; 0: that is not known. */
    uint32_t objects, total;
};

/* What to take in. Zeroed is a good start, but for the descriptor. All texts stay the caller's. */
struct ml_package_request {
    /* SRC[@REF]: the URL of a git repository (https, ssh, git, file, or user@host:path), a
     * directory with one, any other directory, or an archive as ml_build() takes it. REF is a
     * branch, a tag, a commit, or a range over tags that are versions ("^1.2"). */
    const char *source;
    /* Instead of a REF in `source`, which then is without one; null: as `source` says. */
    const char *ref;
    /* The directory of a repository, an archive or a directory that has the plugin; null or "":
     * all of it. */
    const char *path;
    /* Submodules of a git repository as well, beneath `path`: each is fetched from where the
     * repository says (https only), at the commit that it says. Without this one of them is an
     * error. */
    bool submodules;
    /* What is in the cache, and no network. */
    bool offline;
    /* The directory of repositories that were fetched; null: $XDG_CACHE_HOME/modload/git, else
     * ~/.cache/modload/git. It must be ours alone. */
    const char *cache;
    /* `cache` is what ml_mirror() has filled: it is only read, may belong to root, and nothing else
     * is asked, whatever `offline` says. */
    bool mirror;
    /* What it must be, as a lock has it; null: whatever it is. With `commit` that is fetched and no
     * branch or range asked for, and with `tag` it is made sure that this leads there still, where
     * a server was asked. */
    const char *commit, *tag, *tree, *digest;
    /* Of a branch that is followed, where no `commit` is asked for: the commit that it led to
     * before. What it leads to now must be that, or come after it. Null or "": whatever it is. */
    const char *since;
    /* The index that says so, for the origin, and the name and the version that it gives the
     * plugin, whose manifest must give it the same: what is retired goes by them. Null: none does.
     */
    const char *index, *name, *version;
    /* In milliseconds, beside the limits that every fetch has; 0: none. Another fetch of the same
     * repository is waited for as long, 0: for 10 minutes. */
    int64_t timeout_ms;
    /* When it becomes readable it is given up; -1: nothing does. It is not read. */
    int cancel_fd;
    /* Called in the thread that fetches, at most ten times a second; may be null. */
    void (*progress)(const struct ml_package_progress *progress, void *arg);
    void *arg;
};

/* A package that was fetched. Opaque: ml_package_info() tells of it. It does not outlive its
 * context. */
struct ml_package;

/* How a commit is signed. modload does not check signatures: anybody can sign. */
enum ml_signature { ML_UNSIGNED, ML_SIGNED_OPENPGP, ML_SIGNED_SSH, ML_SIGNED_X509 };

/* A submodule in a package: its directory, the URL that it came from, its commit. */
struct ml_submodule {
    const char *path, *url, *commit;
};

/* What there is to know of a package before it is built. The texts are the package's, never null
 * ("" is none), and were written by strangers: control characters may be in them. */
struct ml_package_info {
    /* Where it is from: the URL in one spelling, or an absolute path; the directory in it; what was
     * asked for. */
    const char *source, *path, *ref;
    /* Of a git repository; all of them "" and 0 for others. `tag` is without "refs/tags/", and
     * `release` is the version that it stands for; `branch` is without "refs/heads/". */
    bool git;
    const char *tag, *release, *branch, *commit, *tree;
    /* `n_submodules` that are in it; one that is in another stands behind that. */
    const struct ml_submodule *submodules;
    size_t n_submodules;
    /* The committer's, in seconds since 1970. He may lie. */
    int64_t time;
    enum ml_signature signature;
    /* Bytes that came over the network for it. */
    uint64_t received;
    /* Over all files, the same on every platform: Go's dirhash "h1:", a SHA-256 in base64 over the
     * list that `find . -type f | LC_ALL=C sort | xargs sha256sum` prints, without "./". */
    const char *digest;
    /* Its manifest's, or what is told where it has none. */
    const char *name, *version, *description, *license;
    /* `n_capabilities` texts that the manifest asks for, as those of struct ml_bundle_info. */
    const char *const *capabilities;
    size_t n_capabilities;
    uint32_t files;
    /* In all its files. */
    uint64_t bytes;
    /* For ml_register(). */
    const char *origin;
};

/* One of several packages, and what became of it. */
struct ml_package_job {
    struct ml_package_request request;
    /* Null when it failed; else the caller's, for ml_package_free(). */
    struct ml_package *package;
    struct ml_error err;
};

/* Fetches packages, `at_once` at a time (0: 8), in threads of its own. Each is tried, whatever
 * became of the others. Returns the number of those that failed; -1 when none could be begun:
 * ML_LIMIT, or what keeps the registry from being written to. Of one, in `err` of its job:
 * - ML_NO_INPUT: no such file, repository, ref, directory in it; "not_cached": offline;
 *   "no_such_commit": of a submodule
 * - ML_DATA: "bad_source", "bad_ref", "bad_path"; nothing that could be built; damaged
 * - ML_CONFIG: a bad manifest
 * - ML_REFUSED: hostile; a certificate; "has_submodule": and they were not asked for;
 *   "refused_submodule": its URL, or what .gitmodules says of it; "moved_tag", "rewritten",
 *   "other_source": it is not what the request says that it must be
 * - ML_LIMIT, ML_TIMEOUT, ML_IO, ML_BUSY: as in fetching
 * - 130: cancelled */
int ml_package_fetch_all(struct ml_ctx *ctx, struct ml_package_job *jobs, size_t n,
                         unsigned at_once, struct ml_error *err);

/* Tells the one spelling of what a request asks for, without a ref: a URL, or an absolute path. It
 * may be shown; what the user has written may not, before it was read: there may be a password in
 * it. Looks at this machine, not at the network. Returns 0 and `*ret`, which the caller frees; or
 * -1 and the errors of ml_package_fetch(). Any thread. */
int ml_package_source(const struct ml_package_request *request, char **ret, struct ml_error *err);

/* The same for one, in this thread. Returns 0 and `*ret`; or -1. */
int ml_package_fetch(struct ml_ctx *ctx, const struct ml_package_request *request,
                     struct ml_package **ret, struct ml_error *err);

/* What is known of it: good until it is freed. */
const struct ml_package_info *ml_package_info(const struct ml_package *package);

/* Fills in what ml_build() or ml_build_all() need to know of it: `sources`, `n_sources`, `label`.
 * They are the package's. */
void ml_package_build(const struct ml_package *package, struct ml_build_request *request);

/* Removes what was fetched. Null is fine. */
void ml_package_free(struct ml_package *package);

/* What is not the same in two packages. */
struct ml_package_change {
    /* '+' only the later one has it, '-' only the earlier one, '~' it differs */
    char kind;
    /* The path of a file. */
    const char *path;
};

/* Compares the files of two packages. Returns 0 and `*n` changes in the order of their paths, which
 * the caller frees with one free(); their texts are the packages'. Or -1 and ML_LIMIT. */
int ml_package_compare(const struct ml_package *earlier, const struct ml_package *later,
                       struct ml_package_change **ret, size_t *n, struct ml_error *err);

/* Whether a package still is what it was when it was looked at. What was fetched is; a directory of
 * the user's own is built where it is, and may have been changed. Reads its files again. Returns 0;
 * or -1 and ML_BUSY "source_changed", or the errors of ml_package_fetch(). */
int ml_package_unchanged(const struct ml_package *package, struct ml_error *err);

/* ==== versions that there are ==== */

/* The refs that a repository has now. */
struct ml_package_versions {
    /* What the origin's ref leads to now. */
    char commit[ML_COMMIT_SIZE];
    /* "" where it is no tag, or no version. */
    char tag[ML_NAME_SIZE * 5], release[ML_VERSION_SIZE];
    /* The newest version of all its tags that is no pre-release; "" where there is none. */
    char latest[ML_VERSION_SIZE];
};

/* Asks the repository of an origin. That the origin's own tag leads somewhere else by now is
 * ML_REFUSED, "moved_tag"; that its branch leads to what does not come after its commit, or that
 * this is gone, "rewritten". Only `offline`, `cache`, `timeout_ms`, `cancel_fd` and `progress` of
 * `how` count. Returns 0; or -1 and the errors of ml_package_fetch(). Any thread. */
int ml_package_versions(const struct ml_origin *origin, const struct ml_package_request *how,
                        struct ml_package_versions *ret, struct ml_error *err);

/* One of several questions, and what became of it. */
struct ml_versions_job {
    const struct ml_origin *origin;
    struct ml_package_versions versions;
    /* Status 0: the answer is there. */
    struct ml_error err;
};

/* Asks for several, `at_once` at a time (0: 8), in threads of its own. Each is tried. Returns the
 * number of those that failed. Any thread. */
int ml_package_versions_all(const struct ml_package_request *how, struct ml_versions_job *jobs,
                            size_t n, unsigned at_once);

/* ==== mirrors ==== */

/* What is in a mirror now. */
struct ml_mirrored {
    char commit[ML_COMMIT_SIZE]; /* that was asked for; "" where there is none */
    uint64_t received;           /* bytes that came over the network for it */
};

/* Fetches a git repository, all its branches and tags, into the directory of repositories `dir`,
 * which is made where it is missing and must be ours alone: later requests have it as their
 * `cache`, with `mirror`. What its `source`, `ref` and `commit` ask for must be in it then; with
 * `offline` nothing of it is fetched, and it must be in it already. With `submodules` the
 * repositories of those that are beneath `path` there are fetched as well, where their commits are
 * not in it. Of the rest of the request its times, its descriptor and its progress count. Any
 * thread; others may read the directory meanwhile. Returns 0, `ret` may be null; or -1 and the
 * errors of ml_package_fetch(), ML_DATA ("no_repository": it is a directory or an archive). */
int ml_mirror(const char *dir, const struct ml_package_request *request, struct ml_mirrored *ret,
              struct ml_error *err);

/* ==== tests ==== */

/* What became of one of a plugin's own tests. */
struct ml_test_result {
    /* From 1 on, and of how many. */
    size_t number, count;
    /* The call as JSON has it: function and arguments. */
    const char *call;
    bool passed;
    /* Where it failed: what was expected and what came, for people; else "". */
    const char *why;
};

/* Runs the "tests" of a bundle's manifest in a worker of its own, which is gone afterwards: the
 * bundle need not be registered. `each` is told of every test, and may be null; nonzero ends it.
 * Each call has `timeout_ms` (0: none), and so has the start; all of them have six times as long
 * (ML_TIMEOUT). Returns the number of tests that
 * failed; what `each` returned; or -1 and the errors of ml_load() and ml_session_open(). */
int ml_bundle_test(struct ml_ctx *ctx, const char *bundle, int64_t timeout_ms, int cancel_fd,
                   int (*each)(const struct ml_test_result *result, void *arg), void *arg,
                   struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
