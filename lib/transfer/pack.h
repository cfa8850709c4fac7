/* What a pack is inside: the head that says what is in it, and one bundle.
 *
 *     modload-pack       "modload pack 1"; the first, so that a pack is told by its beginning
 *     pack.json          {"bundles":[{"bundle":ID,"name":"math","version":"1.2.0","binary":false}],
 *                        "origin":URL}; origin may be missing
 *     plugins/<id>/      the bundle's files, called as they are; without what is built, or with it
 *
 * The list of bundles is for what a plugin requires: this modload knows no such thing, writes one
 * bundle, and takes one. */
#ifndef TRANSFER_PACK_H
#define TRANSFER_PACK_H

#include "archive/unpack.h"
#include "base/buf.h"
#include "modload/modload.h"

#define PACK_MARK    "modload-pack"
#define PACK_TEXT    "modload pack 1\n"
#define PACK_HEAD    "pack.json"
#define PACK_PLUGINS "plugins"

/* A head has one bundle and one URL. Of the rest: an object has 256 MiB at most (build/object.h),
 * as the sources of an archive have. No ratio, as of an export. */
enum { PACK_HEAD_MAX = 64 << 10, PACK_ORIGIN_SIZE = 4096, PACK_TIME_MAX_MS = 600 * 1000 };
#define PACK_LIMITS_INIT                                                                           \
    {                                                                                              \
        .names = ARCHIVE_NAMES_ANY, .total_bytes = UINT64_C(2) << 30, .file_bytes = 512 << 20,     \
        .entries = 200000, .ratio = 0, .memory_bytes = 512 << 20,                                  \
        .cpu_s = PACK_TIME_MAX_MS / 1000, .time_ms = PACK_TIME_MAX_MS                              \
    }

struct pack_head {
    char bundle[ML_BUNDLE_ID_SIZE];
    char name[ML_NAME_SIZE];
    char version[ML_VERSION_SIZE];
    bool binary;                   /* what is built is in it */
    char origin[PACK_ORIGIN_SIZE]; /* "" for none */
};

/* Of each of a bundle's JSON files. Their trees take forty times their size in the process that
 * takes a pack in, which is none that a stranger's may fill: two bytes of a bomb are a node. What
 * modload writes of a plugin takes some KiB. */
enum { PACK_JSON_MAX = 4 << 20 };

/* The name of one in the bundle `dir` that is larger, or null. That it is missing is no matter. */
const char *pack_json_large(int dir);

/* Whether an origin says something to others: a path of this machine does not. */
bool pack_origin_travels(const char *origin);

/* Writes pack.json. */
void pack_head_write(struct buf *out, const struct pack_head *head);

/* Reads it; `text` has a NUL behind its `n` bytes, and `label` is what messages call the pack.
 * Whether what it says is true is not looked at. 0; -1 and ML_REFUSED ("damaged"), ML_CONFIG
 * ("newer_format": it has more than one bundle), ML_LIMIT. */
int pack_head_read(const char *text, size_t n, const char *label, struct pack_head *ret,
                   struct ml_error *err);

#endif
