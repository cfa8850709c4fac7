/* Fetching a plugin's source from a git repository, into a directory that ends up with all of one
 * commit or with nothing.
 *
 * libgit2 does it, in processes of its own (libexec/modload/modload-fetch): one reaches the server
 * and can write nothing but the cache, one reads the cache and can write nothing but the directory.
 * Both have limits, and are gone when this process is. What they say is looked at as if a stranger
 * had said it. No hook, filter or helper is run, and no configuration of git's is read. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/unpack.h"
#include "fetch/source.h"

/* What a fetch may cost. All limits are inclusive. */
struct fetch_limits {
    int64_t time_ms;            /* by the clock, the wait for the cache left out */
    int64_t idle_ms;            /* without a byte from the server, and without work of our own */
    uint64_t pack_bytes;        /* that come in one fetch */
    uint64_t memory_bytes;      /* of address space for each process */
    uint32_t cpu_s;             /* seconds of processor time that each has */
    struct archive_limits tree; /* of what is exported; its ratio, memory and times do not count */
};

/* 10 minutes let 512 MiB come at 1 MiB/s. A server that says nothing for 30 s is one that has
 * forgotten us: git's own counts and sends what it counted every few seconds. Memory: what indexing
 * a pack of 512 MiB takes, whose parts are mapped 128 MiB at a time. Processor time: from this
 * machine libgit2 packs anew, 160 000 objects in more than two minutes here. */
#define FETCH_LIMITS_INIT                                                                          \
    {                                                                                              \
        .time_ms = 600000, .idle_ms = 30000, .pack_bytes = 512 << 20, .memory_bytes = 768 << 20,   \
        .cpu_s = 300, .tree = ARCHIVE_LIMITS_INIT                                                  \
    }

enum fetch_phase {
    FETCH_CONNECTING, /* until the server begins to send */
    FETCH_RECEIVING,  /* objects, of objects_total */
    FETCH_RESOLVING,  /* deltas, of deltas_total */
    FETCH_EXPORTING,  /* files */
};

struct fetch_progress {
    enum fetch_phase phase;
    uint64_t bytes; /* from the server */
    uint32_t objects, objects_total;
    uint32_t deltas, deltas_total;
    uint32_t files;
};

enum { FETCH_ID_SIZE = 41, FETCH_NAME_SIZE = SOURCE_REF_MAX + 16, FETCH_VERSION_SIZE = 65 };

#define FETCH_TIME_MAX 253402300799 /* the last second of the year 9999 */

/* Submodules: how many there may be in all, how deep in one another, and the sizes of their texts.
 */
enum {
    FETCH_MODULES_MAX = 64,
    FETCH_MODULES_DEPTH_MAX = 4,
    FETCH_MODULE_PATH_SIZE = ARCHIVE_PATH_MAX + 1,
    FETCH_MODULE_URL_SIZE = 2048,
};

/* One submodule that was fetched: where it is in what was exported, and where it came from. */
struct fetch_module {
    char path[FETCH_MODULE_PATH_SIZE];
    char url[FETCH_MODULE_URL_SIZE]; /* as struct source has it */
    char commit[FETCH_ID_SIZE];
};

/* Those that are in others stand behind them. */
struct fetch_modules {
    size_t n;
    struct fetch_module list[FETCH_MODULES_MAX];
};

struct fetch_request {
    const struct source *source; /* of SOURCE_PATH: a git repository */
    const char *subdir; /* the directory of the repository to export; null or "": all of it */
    bool offline;       /* the cache only */
    bool mirror; /* `cache` was filled by another fetch, for many to read: it is only read, may be
                    root's, and is all that there is, offline or not */
    const char *since; /* null, "", or the commit that the ref led to once: what it leads to now
                          must be that, or come after it */
    const char *cache; /* the directory of caches; null: $XDG_CACHE_HOME/modload/git, else
                          ~/.cache/modload/git. It must be ours alone. */
    const struct fetch_limits *limits; /* null: FETCH_LIMITS_INIT */
    struct fetch_modules *modules; /* submodules are fetched as well, and told here; null: they are
                                      refused */
    int64_t wait_ms;               /* how long to wait for another fetch of the same repository */
    int64_t deadline_ms;           /* of clock_ms(); negative: none */
    int cancel_fd;                 /* given up when it becomes readable; -1: none */
    /* Called in this thread, at most ten times a second and at the end of each phase; may be null.
     */
    void (*progress)(const struct fetch_progress *progress, void *arg);
    void *arg;
};

#define FETCH_REQUEST_INIT                                                                         \
    {                                                                                              \
        .deadline_ms = -1, .cancel_fd = -1                                                         \
    }

/* How a commit is signed, by the first line of its signature: nobody has checked it. */
enum fetch_signature {
    FETCH_UNSIGNED,
    FETCH_SIGNED_OPENPGP,
    FETCH_SIGNED_SSH,
    FETCH_SIGNED_X509,
};

struct fetch_result {
    char commit[FETCH_ID_SIZE]; /* 40 hexadecimal digits */
    char tree[FETCH_ID_SIZE]; /* git's id of the exported directory's tree: a digest of all of it */
    char
        ref[FETCH_NAME_SIZE]; /* "refs/tags/v1.2.3", "refs/heads/main"; "" for a commit by its id */
    char version[FETCH_VERSION_SIZE]; /* the tag's, without its v; "" when it is no version */
    int64_t time;                     /* the committer's, in seconds since 1970: he may lie, but
                                         from 0 to FETCH_TIME_MAX */
    uint32_t signature;               /* enum fetch_signature: the commit's */
    uint64_t received;                /* bytes that came from the server for this */
    uint32_t files;                   /* exported, directories among them */
    uint64_t bytes;                   /* in these files */
};

/* Fetches, resolves the ref to a commit, and exports that into the empty directory `out_dirfd`; -1:
 * only fetches and resolves. Submodules, where they are asked for, are repositories of their own,
 * each in its own cache: of https alone, at the very commit that is asked for, exported to where
 * they belong. What came, and what is exported, is of all of them together, and so are the limits
 * of it; the tree's id is that of the repository itself, in which the submodules' commits are.
 * Files become 0600 and directories 0700. A commit by its whole id that is in the cache is not
 * asked for again. Different threads, and different processes, may fetch at the same time; for one
 * repository they wait for each other.
 *
 * 0; or -1, when the directory is empty again, and
 * - ML_NO_INPUT: "no_libarchive": whose checks are used is not installed; "no_repository";
 *   "no_such_ref", "no_such_path": with what there is, in the hint; "not_cached": offline, and the
 *   cache does not have it; "no_such_commit": of a submodule
 * - ML_DATA: "ambiguous_ref"; "bad_repository": damaged, or of a kind that is not read;
 *   "sha256_repository": of git's SHA-256 format, which libgit2 does not read
 * - ML_REFUSED: "hostile_repository": a link, a name that leads out or is two things, ...;
 *   "has_submodule"; "refused_submodule": its URL, or what .gitmodules says of it;
 *   "bad_certificate", "unknown_host", "no_credentials"; "credential_helper": that of
 *   MODLOAD_CREDENTIAL_HELPER (lib/fetch/helper.h) fails, which also may be ML_TIMEOUT;
 *   "rewritten": the ref does not lead to what comes after `since`; "refused_cache": others can
 *   write to the cache
 * - ML_LIMIT: "repository_too_large"; "too_many_submodules"; memory is out
 * - ML_IO: "network"; reading or writing failed
 * - ML_TIMEOUT: a limit of time
 * - ML_BUSY: another fetch of this repository went on for longer than `wait_ms`
 * - ML_SIGNAL + SIGINT: "cancelled"
 * - ML_CONFIG: "no_cache": there is no HOME; "bad_variable": https_proxy, SSL_CERT_FILE,
 * MODLOAD_TOKEN_FILE, ...
 * - ML_CANT_CREATE: the cache cannot be made, or `out_dirfd` is not empty (and left as it is) */
int fetch_source(const struct fetch_request *request, int out_dirfd, struct fetch_result *ret,
                 struct ml_error *err);

/* For repositories of many small files, of which one wants to know what is new: an index of
 * plugins. Fetches and resolves as above, and writes one file, "records" (fetch/records.h), into
 * the empty directory: what differs between the commit `base` and the one found. `base` is "" for
 * none; where it is not in the cache any more, the file says so and has everything. The file
 * FETCH_RECORDS_TOP counts, and what is in directories at the top with names of 1 or 2 bytes, and
 * in those beneath them; nothing else is looked at. Nothing is written when the two commits are the
 * same. `limits.tree` are of what is written. `request->subdir` must be null.
 *
 * 0; -1 and the errors above. */
int fetch_changes(const struct fetch_request *request, const char *base, int out_dirfd,
                  struct fetch_result *ret, struct ml_error *err);

#endif
