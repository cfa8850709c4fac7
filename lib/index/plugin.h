/* The file of one plugin in an index: JSON, with a line for the plugin and one for each version, so
 * that a change touches the lines that it is about and nothing else:
 *
 *     {"name":"math","description":"...","license":"MIT","git":"https://...","path":"","versions":[
 *     {"version":"1.0.0","tag":"v1.0.0","commit":"...","tree":"...","source":"h1:...","published":"..."}
 *     ,{"version":"1.1.0",...,"retired":{"reason":"security","message":"...","date":"..."}}
 *     ]}
 *
 * Strangers write it: what it says is of bounded length, goes to a terminal as it is, and a URL is
 * one that fetch_source() takes. */
#ifndef INDEX_PLUGIN_H
#define INDEX_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "build/arena.h"
#include "modload/error.h"

/* Bytes; of texts without the NUL. */
enum {
    INDEX_FILE_MAX = 1 << 20,
    INDEX_DESCRIPTION_MAX = 512,
    INDEX_LICENSE_MAX = 128,
    INDEX_MESSAGE_MAX = 512,
    INDEX_DATE_SIZE = 21, /* 2026-11-26T15:00:00Z */
};

enum index_reason {
    INDEX_NOT_RETIRED,
    INDEX_RENAMED,
    INDEX_DEPRECATED,
    INDEX_SECURITY,
    INDEX_INVALID,
    INDEX_OTHER,
};

struct index_version {
    const char *version;   /* SemVer */
    const char *tag;       /* of the repository */
    const char *commit;    /* 40 hex digits */
    const char *tree;      /* 40 hex digits: git's id of the exported directory */
    const char *source;    /* "h1:" and base64: Go's dirhash over the exported files */
    const char *published; /* UTC, as INDEX_DATE_SIZE has it */
    enum index_reason retired;
    const char *message, *date; /* why and when it was retired; "" when it is not */
};

struct index_plugin {
    const char *name, *description, *license;
    const char *git;                /* a URL in the spelling of struct source */
    const char *path;               /* the plugin's directory in the repository; "" for all of it */
    struct index_version *versions; /* in ascending order, no two of one precedence */
    size_t n;
};

/* The word of a reason; null for INDEX_NOT_RETIRED. And a reason's word read: INDEX_NOT_RETIRED
 * when it is none. */
const char *index_reason_word(enum index_reason reason);
enum index_reason index_reason_read(const char *word);

/* Whether a text of strangers may be shown: UTF-8 of at most `max` bytes, without control
 * characters, line separators, and what turns the direction of writing. */
bool index_text_good(const char *text, size_t max);

/* Whether a text can be where others get a plugin: a URL in its one spelling, without a ref, and
 * not of this machine alone by a path of its own. */
bool index_git_good(const char *text);

/* Reads a file of `n` bytes with a NUL behind them, strictly: no key is unknown, missing, or of
 * another kind. `label` is its name for messages. The texts are the arena's. 0; -1 and ML_DATA,
 * "bad_index", ML_LIMIT. */
int index_plugin_read(struct arena *a, const char *label, const char *text, size_t n,
                      struct index_plugin *ret, struct ml_error *err);

/* Writes one, with the checks of the reader before: what is written can be read. 0; -1 and the
 * errors above. */
int index_plugin_write(const char *label, const struct index_plugin *plugin, struct buf *out,
                       struct ml_error *err);

/* The version that is offered: the newest that is neither retired nor a pre-release, else the
 * newest that is not retired. Null when all are. */
const struct index_version *index_plugin_newest(const struct index_plugin *plugin);

/* The version of this text, or null. */
struct index_version *index_plugin_find(const struct index_plugin *plugin, const char *version);

/* What `now` has changed of what was published in `before`, where only "retired" may change: the
 * version that it changed or left out, or null. */
const struct index_version *index_plugin_rewritten(const struct index_plugin *before,
                                                   const struct index_plugin *now);

#endif
