/* Export: the histories as they are at one moment, and then the bundles that they name, one by one.
 * What no generation names is not taken along. */
#include "modload/transfer.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/pack.h"
#include "base/error.h"
#include "base/limit.h"
#include "base/scope.h"
#include "client/context.h"
#include "transfer/bundle.h"
#include "transfer/form.h"

struct export
{
    struct ml_ctx *ctx;
    struct store *store;
    const struct ml_key *keys;
    size_t n;
    bool *seen;      /* of each key that was asked for */
    struct buf text; /* history */
    void *bundles;   /* tsearch(3): ids */
    size_t n_bundles;
    struct ml_transfer_result done;
    struct ml_error *err;
};

/* ---- what is taken along ---- */

static int text_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* An entry without its bundle would be refused by whoever imports it, and everything with it. */
static int missing(struct export *x, const struct store_record *r)
{
    ml_error_set(x->err, ML_REFUSED, "damaged", "bundle '%s' of key %s is missing", r->bundle,
                 r->uuid);
    return ml_error_hint(x->err,
                         "run: modload verify --repair; where that cannot help, register "
                         "the key again, or go back: modload rollback %s",
                         r->uuid);
}

static int add_bundle(struct export *x, const struct store_record *r, bool newest)
{
    const char *id = r->bundle;
    int there = *id == '\0' ? 0 : store_bundle_filed(x->store, id, x->err);
    if (there == 0 && *id != '\0' && newest)
        return missing(x, r);
    if (there <= 0)
        return there; /* of an earlier generation whose bundle is gone, the line alone */
    AUTO_FREE char *copy = strdup(id);
    char **found = copy ? tsearch(copy, &x->bundles, text_compare) : NULL;
    if (found == NULL)
        return ml_error_memory(x->err);
    if (*found != copy)
        return 0;
    steal_ptr(copy);
    x->n_bundles++;
    /* From gc, as many as there can be descriptors; whether one of the others has been removed is
     * seen when it is its turn. */
    ctx_keep(x->ctx, id, NULL);
    return 0;
}

/* A walk over the keys for each line: whoever names them on a command line names a handful. */
static bool is_wanted(struct export *x, const char *uuid)
{
    struct ml_key key;
    ml_key_from_uuid(uuid, &key, NULL);
    bool wanted = x->n == 0;
    for (size_t i = 0; i < x->n; i++)
        if (memcmp(&x->keys[i], &key, sizeof key) == 0)
            wanted = x->seen[i] = true;
    return wanted;
}

static int take_record(const struct store_record *r, bool newest, void *arg)
{
    struct export *x = arg;
    if (!is_wanted(x, r->uuid))
        return 0;
    store_record_write(&x->text, r);
    return add_bundle(x, r, newest);
}

static int count_entry(const struct store_entry *entry, void *arg)
{
    struct export *x = arg;
    x->done.entries += is_wanted(x, entry->uuid);
    return 0;
}

static int collect(struct export *x)
{
    x->seen = calloc(x->n + 1, sizeof *x->seen);
    if (x->seen == NULL)
        return ml_error_memory(x->err);
    if (store_each_record(x->store, take_record, x, x->err) != 0 ||
        store_each_entry(x->store, "", count_entry, x, x->err) != 0 ||
        store_each_removed(x->store, count_entry, x, x->err) != 0)
        return -1;
    for (size_t i = 0; i < x->n; i++)
        if (!x->seen[i]) {
            char uuid[ML_UUID_SIZE];
            ml_key_to_uuid(&x->keys[i], uuid);
            ml_error_set(x->err, ML_NO_INPUT, "not_registered", "key %s is not registered", uuid);
            return ml_error_hint(x->err, "see what is: modload list");
        }
    return x->text.failed ? ml_error_memory(x->err) : 0;
}

/* ---- writing ---- */

static int pack_bundle(struct export *x, struct archive_writer *writer, const char *id)
{
    ARENA_AUTO arena = ARENA_INIT;
    struct check check;
    char prefix[sizeof FORM_BUNDLES + ML_BUNDLE_ID_SIZE];
    AUTO_CLOSE int dir = transfer_open(x->store, id, &arena, &check, x->err);
    if (dir < 0) {
        if (x->err != NULL && x->err->status == ML_NO_INPUT) {
            ml_error_set(x->err, ML_BUSY, NULL, "bundle '%s' was removed meanwhile", id);
            ml_error_hint(x->err, "try again");
        }
        return -1;
    }
    snprintf(prefix, sizeof prefix, "%s/%s", FORM_BUNDLES, id);
    x->done.bundles++;
    return archive_writer_add_tree(writer, prefix, dir, x->err);
}

/* In the order of their names, as an archive wants it: twalk(3) goes by it. */
struct walk {
    struct export *x;
    struct archive_writer *writer;
    int status;
};

static void pack_visited(const void *node, VISIT visit, void *arg)
{
    struct walk *walk = arg;
    if ((visit == postorder || visit == leaf) && walk->status == 0)
        walk->status = pack_bundle(walk->x, walk->writer, *(char *const *)node);
}

static int pack_all(struct export *x, struct archive_writer *writer)
{
    struct walk walk = {x, writer, 0};
    twalk_r(x->bundles, pack_visited, &walk);
    if (walk.status < 0)
        return -1;
    if (archive_writer_add_data(writer, FORM_HISTORY, buf_text(&x->text), x->text.len, false,
                                x->err) < 0)
        return -1;
    return archive_writer_add_data(writer, FORM_HEAD, FORM_TEXT, strlen(FORM_TEXT), false, x->err);
}

static int too_large(struct export *x, const char *label)
{
    if (x->text.len > FORM_HISTORY_MAX)
        ml_error_set(x->err, ML_LIMIT, "archive_too_large",
                     "cannot write '%s': the history has more than %d bytes", label,
                     FORM_HISTORY_MAX);
    return ml_error_hint(x->err, "export some of the entries at a time: modload export FILE U...");
}

static int write_all(struct export *x, int fd, const char *label)
{
    static const struct archive_limits limits = FORM_LIMITS_INIT;
    ARCHIVE_WRITER_AUTO *writer = NULL;
    if (x->text.len > FORM_HISTORY_MAX)
        return too_large(x, label);
    if (archive_writer_open(fd, label, &limits, &writer, x->err) == 0 && pack_all(x, writer) == 0)
        return archive_writer_close(&writer, x->err);
    bool large = x->err != NULL && strcmp(x->err->code, "archive_too_large") == 0;
    return large ? too_large(x, label) : -1;
}

/* A descriptor for each directory that a file lies in. */
int ml_export(struct ml_ctx *ctx, const struct ml_key *keys, size_t n, int fd, const char *label,
              struct ml_transfer_result *ret, struct ml_error *err)
{
    struct export x = {.ctx = ctx, .keys = keys, .n = n, .err = err};
    limit_files_raise();
    int status = ctx_store(ctx, false, &x.store, err) < 0 ? -1 : collect(&x);
    if (status == 0)
        status = write_all(&x, fd, label);
    tdestroy(x.bundles, free);
    buf_free(&x.text);
    free(x.seen);
    if (status == 0 && ret != NULL)
        *ret = x.done;
    return status;
}
