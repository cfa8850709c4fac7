/* modload/index.h - where plugins are looked up by name. Volatile: may change with any release
 * before 1.0.
 *
 * An index is a git repository with `index.json` at its top ({"format": 1, "name": "..."}) and one
 * JSON file for each plugin, in directories by the first letters of its name. Which ones a user
 * follows is his configuration ($XDG_CONFIG_HOME/modload/indexes.json); a copy of each is kept in
 * $XDG_CACHE_HOME/modload/index, so that neither a search nor looking up a plugin needs a network.
 * The registry has no part in it.
 *
 * What is published never changes, but for being retired: an update that finds it otherwise is
 * refused. All texts of an index are UTF-8 without control characters.
 *
 * Errors, ownership, threads and fork are as in modload/modload.h. */
#ifndef MODLOAD_INDEX_H
#define MODLOAD_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/error.h"
#include "modload/modload.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Bytes, the NUL included. */
enum { ML_INDEX_URL_SIZE = 4096, ML_INDEX_COMMIT_SIZE = 41 };

/* An index that is followed. */
struct ml_index {
    char name[ML_NAME_SIZE];
    char url[ML_INDEX_URL_SIZE];
    char commit[ML_INDEX_COMMIT_SIZE]; /* of the local copy; "" when there is none */
    uint64_t plugins;                  /* in the copy */
    uint64_t added, changed;           /* plugins, by ml_index_add() and ml_index_update() */
    bool was_damaged; /* ml_index_update() made the copy anew, and could not tell whether what was
                         published before is still as it was */
};

/* How a fetch may go on. */
struct ml_index_fetch {
    int64_t wait_ms; /* how long to wait for another modload that updates */
    int cancel_fd;   /* given up when it becomes readable (130, "cancelled"); -1: none */
    /* Called now and then while it goes on; may be null. `done` of `total` objects have come,
     * `total` is 0 while nobody knows. */
    void (*progress)(uint64_t done, uint64_t total, uint64_t bytes, void *arg);
    void *arg;
};

/* Fetches an index and follows it from now on. `name` null: as it calls itself. Returns 0 and fills
 * `*ret`, which may be null; or -1, and nothing is followed that was not:
 *     ML_DATA      no URL; not an index, or one with a mistake in it; ML_CONFIG: of a newer format
 *     ML_REFUSED   "name_taken": another index is followed by this name; a hostile repository
 *     ML_NO_INPUT  no such repository; ML_IO, ML_TIMEOUT, ML_BUSY, ML_LIMIT, ML_CANT_CREATE */
int ml_index_add(const char *url, const char *name, const struct ml_index_fetch *how,
                 struct ml_index *ret, struct ml_error *err);

/* Follows it no more, and removes its copy. Returns 0; or -1 and ML_NO_INPUT ("no_such_index"). */
int ml_index_remove(const char *name, struct ml_error *err);

/* Calls `each` for every index, in the order in which they were added. Returns 0; what `each`
 * returned, if that was not 0; or -1. */
int ml_indexes(int (*each)(const struct ml_index *index, void *arg), void *arg,
               struct ml_error *err);

/* Brings the copy of one index up to date. Returns 0 and fills `*ret`; or -1, and the copy is as it
 * was: the errors of ml_index_add(); ML_NO_INPUT ("no_such_index"); ML_REFUSED ("rewritten_index"):
 * what was published before is changed or gone, which nobody may do. */
int ml_index_update(const char *name, const struct ml_index_fetch *how, struct ml_index *ret,
                    struct ml_error *err);

/* What a search found. The texts are good until `each` returns. */
struct ml_index_match {
    const char *index, *name;
    const char *version; /* the newest that is not retired; "-" when all are */
    const char *description;
};

/* Calls `each` for every plugin whose name or description has `word` in it, whatever its case, with
 * - and _ as the same: the one of this name first, then names that begin with it, names that have
 * it, descriptions; each in the order of the names. Goes through the copies alone. Returns how many
 * there were, 0 among them; -2 when `each` returned anything but 0, which ends it; or -1 and
 * ML_DATA
 * ("bad_word", "bad_copy"), ML_NO_INPUT ("no_index": none is followed), ML_LIMIT. */
int64_t ml_index_search(const char *word,
                        int (*each)(const struct ml_index_match *match, void *arg), void *arg,
                        struct ml_error *err);

/* ==== looking a plugin up ==== */

struct ml_index_query {
    const char *name;
    const char *range;  /* of versions ("^1.2", "1.2.3"); null: any */
    const char *index;  /* in this one; null: in all */
    bool allow_retired; /* also one that was retired for its security */
};

/* A version of a plugin. No text is null; all of them were checked for what they are. */
struct ml_index_found {
    const char *index, *name, *version;
    const char *git, *path;                   /* where its source is */
    const char *tag, *commit, *tree, *source; /* what it must be: for ml_package_request */
    const char *published;
    const char *reason, *message; /* of one that is retired; else "" */
};

/* Finds the newest version in a range that is not retired; where there are only retired ones, the
 * newest of these. Goes through the copies alone. Returns 0 and `*ret`, which the caller gives to
 * ml_index_found_free(); or -1 and ML_NO_INPUT ("no_index", "no_such_index", "no_such_plugin",
 * "no_such_version"), ML_DATA ("bad_range"; "ambiguous_name": two indexes have it, and guessing
 * would let one stand in for the other; "bad_copy"), ML_REFUSED ("retired"), ML_LIMIT. */
int ml_index_find(const struct ml_index_query *query, struct ml_index_found **ret,
                  struct ml_error *err);

/* Frees it; null is fine. */
void ml_index_found_free(struct ml_index_found *found);

/* ==== what is retired ==== */

/* The retired versions of all copies, as ml_index_update() has left them in a file of their own.
 * Opaque. */
struct ml_retired_list;

/* Why a version is retired. */
struct ml_retired {
    char reason[16];
    char message[513];
};

/* Opens the list. Returns 0 and `*ret`: null where nothing is retired, which costs one open(2). Or
 * -1 and ML_REFUSED (others can write to it), ML_LIMIT, ML_IO. Any thread. */
int ml_retired_open(struct ml_retired_list **ret, struct ml_error *err);

/* Closes it; null is fine. */
void ml_retired_close(struct ml_retired_list *list);

/* Whether a version of the plugin that came from `origin` (ml_entry_origin()) is retired: from the
 * repository that the index names, or, from any other, of the commit that it names. Returns 1 and
 * fills `*ret`, or 0; `list` may be null. It looks at as many lines as their number has bits. */
int ml_retired_find(const struct ml_retired_list *list, const char *plugin, const char *version,
                    const char *origin, struct ml_retired *ret);

/* The same for an entry as it is now. Returns 1, 0; or -1 and the errors of ml_entry_origin(). */
int ml_retired_entry(const struct ml_retired_list *list, struct ml_ctx *ctx,
                     const struct ml_entry *entry, struct ml_retired *ret, struct ml_error *err);

/* ==== publishing ==== */

/* How a change of an index is committed. */
struct ml_index_commit {
    /* The directory of a clone of it, on a branch. */
    const char *clone;
    /* "Name <mail>"; null: GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL of the environment. Git's own
     * configuration is not read. */
    const char *author;
    /* Says what would change, and changes nothing. */
    bool dry_run;
};

/* What was changed in the clone. Zeroed before it is given to a function. */
struct ml_index_change {
    char name[ML_NAME_SIZE];
    /* How many versions a retirement is about. */
    size_t versions;
    /* The file in the clone, and the new commit; both "" when there was nothing to change. */
    char path[80];
    char commit[ML_INDEX_COMMIT_SIZE];
    /* Its lines that went, each behind a '-', and those that came, behind a '+'; null: none. */
    char *lines;
    /* By ml_index_publish(): where others get the plugin, all its versions; and where they got it
     * before, null when that has not changed. */
    char *git, *git_before;
};

/* Frees what it holds, not itself. Harmless on one that is all zeros, and twice. */
void ml_index_change_done(struct ml_index_change *change);

/* Where a plugin is published from: for ml_package_fetch(). Null: not said. */
struct ml_publish_source {
    char *source, *ref, *path;
    bool is_url; /* others can get it there */
};

/* Finds out what is meant: a directory in a git repository, whose modload.json says of which
 * version the tag is to be taken; or URL@TAG. Returns 0; or -1, `*ret` emptied, and ML_DATA,
 * ML_REFUSED (no source), ML_NO_INPUT (no such directory, or in no repository), ML_CONFIG (no
 * manifest, a bad one, or no version in it), ML_LIMIT, ML_IO. */
int ml_publish_source(const char *text, struct ml_publish_source *ret, struct ml_error *err);

/* Frees what it holds, and empties it. */
void ml_publish_source_done(struct ml_publish_source *source);

/* A version of a plugin, as it was fetched and built. */
struct ml_release {
    const char *name, *version, *description, *license; /* of its manifest; "": not given */
    const char *git;  /* where others can get all its versions; null: where they could before */
    const char *from; /* the same for a plugin that is new, when `git` is null; null: not known */
    const char *path; /* its directory in the repository; "" for all of it */
    const char *tag, *commit, *tree;
    const char *source; /* the digest of its files, "h1:..." */
};

/* Adds a version to the plugin's file in a clone and commits that. Returns 0; or -1, and nothing is
 * changed, but for what a full disk has left in the clone, which git tells of:
 * - ML_CONFIG: something is missing in the manifest ("incomplete"), or is no line of text, or too
 *   long for one ("bad_text")
 * - ML_REFUSED: "published": this version is; "name_taken": a plugin has a name that looks alike;
 *   "other_path": its versions are in another directory of the repository
 * - ML_USAGE: "no_author", "no_url": that has to be said
 * - ML_DATA: "not_an_index"; "dirty_clone": the file has changes that are not committed;
 *   "bad_index": what it has there cannot be read, or a tag cannot be written there;
 *   "bad_url": `git` is no place where others get it
 * - ML_NO_INPUT: no such clone
 * - ML_IO, ML_LIMIT, ML_CANT_CREATE */
int ml_index_publish(const struct ml_release *release, const struct ml_index_commit *how,
                     struct ml_index_change *ret, struct ml_error *err);

/* Which versions of a plugin are no more to be taken, and why. */
struct ml_retirement {
    const char *name;
    const char *range;   /* a version, or a range */
    const char *reason;  /* "renamed", "deprecated", "security", "invalid", "other" */
    const char *message; /* for people, a line */
    bool undo;           /* they may be taken again; neither reason nor message count */
};

/* Marks versions in a clone as retired, or not, and commits that. Returns 1; 0 when all of them are
 * so already; or -1 and the errors above; ML_NO_INPUT ("no_such_plugin", "no_such_version"). */
int ml_index_retire(const struct ml_retirement *retirement, const struct ml_index_commit *how,
                    struct ml_index_change *ret, struct ml_error *err);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
