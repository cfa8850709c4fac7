/* Writing a pack: what an entry points at now, and nothing of this machine or moment. */
#include "transfer/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/pack.h"
#include "base/error.h"
#include "base/limit.h"
#include "base/scope.h"
#include "client/context.h"
#include "modload/install.h"
#include "modload/transfer.h"
#include "transfer/bundle.h"

struct pack {
    const struct check *check;
    int dir;
    struct pack_head head;
    struct buf record, sums; /* in the place of the files, where they say how it came here */
    struct archive_writer *writer;
    struct ml_error *err;
};

/* ---- what goes in ---- */

enum part { PART_FILE, PART_TREE };

/* All that a bundle can have, in the order that an archive wants. */
static const struct {
    const char *path;
    enum part part;
} parts[] = {
    {"SHA256SUMS", PART_FILE},    {"build.json", PART_FILE}, {"entry.so", PART_FILE},
    {"manifest.json", PART_FILE}, {"name", PART_FILE},       {"outside", PART_TREE},
    {"plugin.so", PART_FILE},     {"source", PART_TREE},
};

/* What is built can be built again, and stays behind. An object that was not built here is what its
 * bundle is made of. */
static bool stays(const struct pack *p, const char *path)
{
    const char *built = p->check->record.build.object != NULL ? "entry.so" : "plugin.so";
    return !p->head.binary && strcmp(path, built) == 0;
}

/* What is written in the place of a file; null: the file. */
static const struct buf *instead(const struct pack *p, const char *path)
{
    const struct buf *text = strcmp(path, "build.json") == 0   ? &p->record
                             : strcmp(path, "SHA256SUMS") == 0 ? &p->sums
                                                               : NULL;
    return text != NULL && text->len > 0 ? text : NULL;
}

static int part_add(struct pack *p, const char *path, enum part part)
{
    const struct buf *text = instead(p, path);
    char place[sizeof PACK_PLUGINS + ML_BUNDLE_ID_SIZE + 32];
    struct stat st;
    snprintf(place, sizeof place, PACK_PLUGINS "/%s/%s", p->head.bundle, path);
    if (text != NULL)
        return archive_writer_add_data(p->writer, place, text->data, text->len, false, p->err);
    if (fstatat(p->dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return 0; /* what ought to be there is there: it was checked */
    if (part == PART_FILE)
        return archive_writer_add_file(p->writer, place, p->dir, path, p->err);
    AUTO_CLOSE int dir = openat(p->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return ml_error_errno(p->err, 0, errno, "cannot read the bundle's '%s'", path);
    return archive_writer_add_tree(p->writer, place, dir, p->err);
}

static int write_parts(struct pack *p)
{
    BUF_AUTO text = BUF_INIT;
    pack_head_write(&text, &p->head);
    if (text.failed)
        return ml_error_memory(p->err);
    if (archive_writer_add_data(p->writer, PACK_MARK, PACK_TEXT, strlen(PACK_TEXT), false, p->err) <
            0 ||
        archive_writer_add_data(p->writer, PACK_HEAD, text.data, text.len, false, p->err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!stays(p, parts[i].path) && part_add(p, parts[i].path, parts[i].part) < 0)
            return -1;
    return 0;
}

static int write_all(struct pack *p, int fd, const char *label)
{
    static const struct archive_limits limits = PACK_LIMITS_INIT;
    ARCHIVE_WRITER_AUTO *writer = NULL;
    if (archive_writer_open(fd, label, &limits, &writer, p->err) < 0)
        return -1;
    p->writer = writer;
    return write_parts(p) < 0 ? -1 : archive_writer_close(&writer, p->err);
}

/* ---- what is packed ---- */

/* Where there is no saying how it was built, nobody else could build it. */
static int record_check(const struct pack *p)
{
    const struct record *record = &p->check->record;
    if (p->head.binary || record->given || record->build.object != NULL)
        return 0;
    ml_error_set(p->err, ML_REFUSED, "no_record",
                 "bundle '%s' cannot be packed as sources: the modload that built it did not write "
                 "down how",
                 p->head.bundle);
    return ml_error_hint(p->err, "register the sources anew, or pack it with --binary");
}

/* Nobody would take it in. */
static int json_check(const struct pack *p)
{
    const char *name = pack_json_large(p->dir);
    if (name == NULL)
        return 0;
    ml_error_set(p->err, ML_LIMIT, "too_large",
                 "bundle '%s' cannot be packed: its %s has more than %d MiB", p->head.bundle, name,
                 PACK_JSON_MAX >> 20);
    return ml_error_hint(p->err, "it grows by functions, their comments, and files: make several "
                                 "plugins of it, or export it");
}

/* Where it came from, and not what is followed here, which may be an index of one's own. */
static int origin_reduce(char origin[PACK_ORIGIN_SIZE], struct ml_error *err)
{
    struct ml_origin o;
    if (ml_origin_parse(origin, &o, NULL) < 0)
        return 0;
    *o.ref = *o.index = *o.name = '\0';
    AUTO_FREE char *text = ml_origin_format(&o);
    ml_origin_done(&o);
    if (text == NULL)
        return ml_error_memory(err);
    snprintf(origin, PACK_ORIGIN_SIZE, "%s", text); /* no longer than it was */
    return 0;
}

static int head_fill(struct pack *p, struct ml_ctx *ctx, const struct ml_key *key)
{
    const struct build *b = &p->check->record.build;
    if (ml_entry_origin(ctx, key, p->head.origin, sizeof p->head.origin, p->err) < 0)
        return -1;
    memmove(p->head.origin, ml_origin_claim(p->head.origin),
            strlen(ml_origin_claim(p->head.origin)) + 1);
    if (origin_reduce(p->head.origin, p->err) < 0)
        return -1;
    if (!pack_origin_travels(p->head.origin))
        *p->head.origin = '\0';
    snprintf(p->head.name, sizeof p->head.name, "%s", b->name);
    snprintf(p->head.version, sizeof p->head.version, "%s", b->version);
    return record_check(p);
}

/* That it came in a pack or an export is of this machine. */
static int mark_leave(struct pack *p)
{
    if (!p->check->record.build.packed)
        return 0;
    return transfer_unmarked(p->dir, &p->record, &p->sums, p->err);
}

/* Held from gc until it is written. */
int ml_pack(struct ml_ctx *ctx, const struct ml_key *key, bool binary, int fd, const char *label,
            struct ml_packed *ret, struct ml_error *err)
{
    ARENA_AUTO arena = ARENA_INIT;
    struct check check;
    struct store *store;
    struct pack p = {.check = &check, .head.binary = binary, .err = err};
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    limit_files_raise();
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    AUTO_CLOSE int hold = ctx_entry_open(ctx, uuid, p.head.bundle, err);
    AUTO_CLOSE int dir = hold < 0 ? -1 : transfer_open(store, p.head.bundle, &arena, &check, err);
    p.dir = dir;
    int status = dir < 0 || json_check(&p) < 0 || head_fill(&p, ctx, key) < 0 ||
                         mark_leave(&p) < 0 || write_all(&p, fd, label) < 0
                     ? -1
                     : 0;
    buf_free(&p.record);
    buf_free(&p.sums);
    if (status < 0)
        return -1;
    if (ret != NULL) {
        strcpy(ret->bundle, p.head.bundle);
        strcpy(ret->name, p.head.name);
        strcpy(ret->version, p.head.version);
    }
    return 0;
}
