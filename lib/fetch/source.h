/* Where a plugin comes from: SRC[@REF], as people write it. */
#ifndef FETCH_SOURCE_H
#define FETCH_SOURCE_H

#include "modload/error.h"

/* Bytes, the NUL included. A path has PATH_MAX of Linux at most, a ref of git's NAME_MAX. */
enum { SOURCE_URL_MAX = 4096, SOURCE_HOST_MAX = 254, SOURCE_REF_MAX = 256 };

enum source_kind {
    SOURCE_HTTPS,
    SOURCE_SSH,  /* ssh://, and user@host:path */
    SOURCE_GIT,  /* git://, which is neither encrypted nor checked: what comes is as good as its
                    commit id */
    SOURCE_FILE, /* file://: a repository on this machine */
    SOURCE_PATH, /* a repository, a directory or a file: for the caller to look */
};

enum source_ref {
    SOURCE_REF_NONE,  /* the branch that the repository has chosen (HEAD) */
    SOURCE_REF_NAME,  /* a branch, a tag, or the first digits of a commit: for the repository to say
                       */
    SOURCE_REF_RANGE, /* versions, over tags (base/semver.h); one version alone is a name */
};

/* Each byte of a path may be three of its URL. */
#define SOURCE_FILE_URL_MAX (3 * SOURCE_URL_MAX + sizeof "file://")

struct source {
    enum source_kind kind;
    /* One spelling for what is the same: scheme and host in small letters, no port that is the
     * usual one, no slash at the end. For the last two kinds a path, as it was given or decoded. */
    char url[SOURCE_URL_MAX];
    char host[SOURCE_HOST_MAX]; /* without brackets; "" where there is none */
    enum source_ref ref_kind;
    char ref[SOURCE_REF_MAX]; /* "" for none */
};

/* Reads SRC[@REF]. The last '@' behind the host, or the last one of a path, divides the two: who
 * has one in a path writes one more at its end. A path that is there as a whole is taken as one. No
 * message repeats the text, since it may hold a password.
 *
 * 0; -1 and ML_DATA, "bad_source" or "bad_ref", for what is no source; ML_REFUSED,
 * "refused_source", for what is one and not taken: transport helpers (ext::), other schemes, http
 * among them, names and passwords in URLs, and what could be taken for an option. */
int source_parse(const char *text, struct source *ret, struct ml_error *err);

/* Reads a ref alone, for who has it apart from its source: the same errors. */
int source_ref_parse(const char *text, struct source *ret, struct ml_error *err);

/* The same for a directory in a repository: relative, of plain names, without a slash at its end.
 * 0; -1 and ML_DATA, "bad_path". */
int source_subdir_check(const char *path, struct ml_error *err);

/* Makes the file:// URL of an absolute path, which is shorter than SOURCE_URL_MAX. */
void source_file_url(const char *path, char ret[SOURCE_FILE_URL_MAX]);

#endif
