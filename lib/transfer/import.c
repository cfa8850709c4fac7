/* Import: unpacked into a stage, where all of it is checked; then, under the lock, the bundles are
 * filed and the entries are taken over in one change. Nothing that the file says is believed:
 * names, digests and ids are looked at as if a stranger had written it. */
#include "modload/transfer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/unpack.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/limit.h"
#include "base/scope.h"
#include "client/context.h"
#include "transfer/bundle.h"
#include "transfer/form.h"

struct import {
    struct ml_ctx *ctx;
    struct store *store;
    const char *label;
    struct store_stage stage;
    char **bundle; /* ids in the file */
    bool *damaged; /* of each: something is in its place here that is not the bundle */
    size_t n_bundles;
    struct buf text; /* history, cut up by the records */
    struct store_record *record;
    size_t n_records;
    struct ml_transfer_result done;
    struct ml_error *err;
};

static void import_free(struct import *m)
{
    for (size_t i = 0; i < m->n_bundles; i++)
        free(m->bundle[i]);
    free(m->bundle);
    free(m->damaged);
    free(m->record);
    buf_free(&m->text);
    ml_transfer_result_done(&m->done);
    store_stage_drop(&m->stage);
}

void ml_transfer_result_done(struct ml_transfer_result *result)
{
    free(result->names_taken);
    *result = (struct ml_transfer_result){.names_taken = NULL};
}

static int not_an_export(struct import *m, const char *why)
{
    ml_error_set(m->err, ML_DATA, "not_an_export", "'%s' is no export of modload: %s", m->label,
                 why);
    return ml_error_hint(m->err, "make one: modload export FILE; a pack is for modload install");
}

/* ---- the whole ---- */

static int check_head(struct import *m)
{
    BUF_AUTO text = BUF_INIT;
    unsigned version;
    if (fs_read_file(m->stage.fd, FORM_HEAD, &text, 64) < 0)
        return not_an_export(m, "it has no " FORM_HEAD);
    if (strcmp(buf_text(&text), FORM_TEXT) == 0)
        return 0;
    if (sscanf(buf_text(&text), "modload export %5u\n", &version) != 1 || version < 2)
        return not_an_export(m, "its " FORM_HEAD " says something else");
    ml_error_set(m->err, ML_CONFIG, "newer_format", "'%s' has form %u; this modload knows form 1",
                 m->label, version);
    return ml_error_hint(m->err, "import it with the modload that wrote it");
}

/* Names of a directory of the stage. */
static int list_names(struct import *m, const char *path,
                      int (*each)(struct import *m, const char *name))
{
    int fd = openat(m->stage.fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return errno == ENOENT
                   ? 0
                   : ml_error_errno(m->err, 0, errno, "cannot read what was in '%s'", m->label);
    }
    int status = 0;
    for (struct dirent *e; status == 0 && (e = readdir(dir)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            status = each(m, e->d_name);
    return status;
}

static int check_top(struct import *m, const char *name)
{
    if (strcmp(name, FORM_HEAD) == 0 || strcmp(name, FORM_HISTORY) == 0 ||
        strcmp(name, FORM_BUNDLES) == 0)
        return 0;
    return not_an_export(m, "it holds other files");
}

/* ---- bundles ---- */

static int take_bundle(struct import *m, const char *name)
{
    if (!store_bundle_valid(name))
        return not_an_export(m, "something that is no bundle is among the bundles");
    char **more = realloc(m->bundle, (m->n_bundles + 1) * sizeof *more);
    if (more == NULL)
        return ml_error_memory(m->err);
    m->bundle = more;
    more[m->n_bundles] = strdup(name);
    if (more[m->n_bundles] == NULL)
        return ml_error_memory(m->err);
    m->n_bundles++;
    return 0;
}

/* Modes are set before it is looked at: an archive carries none, and they are part of what is
 * whole. */
static int check_one(struct import *m, const char *id)
{
    ARENA_AUTO arena = ARENA_INIT;
    struct check check;
    char path[sizeof FORM_BUNDLES + ML_BUNDLE_ID_SIZE];
    snprintf(path, sizeof path, "%s/%s", FORM_BUNDLES, id);
    if (store_stage_settle(&m->stage, path, m->err) < 0)
        return -1;
    AUTO_CLOSE int dir = openat(m->stage.fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return not_an_export(m, "a bundle is no directory");
    if (check_bundle(&arena, dir, id, &check, m->err) < 0)
        return -1;
    if (check.n_problems == 0)
        return transfer_mark(dir, m->label, m->err);
    ml_error_set(m->err, ML_REFUSED, "damaged",
                 "'%s': bundle '%s' is not what it says it is: %s %s", m->label, id,
                 check.problems[0].path, check.problems[0].what);
    return ml_error_hint(m->err, "nothing was imported; export it anew where it came from");
}

/* ---- history ---- */

static int add_line(struct import *m, char *line, size_t n, unsigned number)
{
    struct store_record *r = &m->record[m->n_records];
    if (!store_record_parse(line, n, r) || (*r->name != '\0' && !ml_name_valid(r->name))) {
        ml_error_set(m->err, ML_REFUSED, "damaged", "'%s': line %u of its history is damaged",
                     m->label, number);
        return ml_error_hint(m->err, "nothing was imported; export it anew where it came from");
    }
    m->n_records++;
    return 0;
}

static int read_history(struct import *m)
{
    if (fs_read_file(m->stage.fd, FORM_HISTORY, &m->text, FORM_HISTORY_MAX) < 0)
        return not_an_export(m, "it has no " FORM_HISTORY);
    size_t lines = 1;
    char *text = m->text.data, *end = text + m->text.len;
    for (const char *p = text; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        lines++;
    m->record = calloc(lines, sizeof *m->record);
    if (m->record == NULL)
        return ml_error_memory(m->err);
    unsigned number = 1;
    for (char *line = text, *next; line < end; line = next, number++) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL)
            return not_an_export(m, "its history does not end");
        next = newline + 1;
        if (add_line(m, line, (size_t)(newline - line), number) < 0)
            return -1;
    }
    return 0;
}

/* ---- taking it over ---- */

static int id_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool brings(const char *id, void *arg)
{
    const struct import *m = arg;
    return m->n_bundles > 0 &&
           bsearch(&id, m->bundle, m->n_bundles, sizeof *m->bundle, id_compare) != NULL;
}

/* Every byte of them is read, so this comes before the lock. Who is not asked under the lock again
 * was whole a moment ago. */
static int find_damaged(struct import *m)
{
    m->damaged = calloc(m->n_bundles + 1, sizeof *m->damaged);
    if (m->damaged == NULL)
        return ml_error_memory(m->err);
    for (size_t i = 0; i < m->n_bundles; i++)
        m->damaged[i] = transfer_is_damaged(m->store, m->bundle[i]);
    return 0;
}

static int file_bundle(struct import *m, size_t i, int *hold, struct ml_error *err)
{
    char path[sizeof FORM_BUNDLES + ML_BUNDLE_ID_SIZE];
    const char *id = m->bundle[i];
    snprintf(path, sizeof path, "%s/%s", FORM_BUNDLES, id);
    int filed = transfer_file(&m->stage, path, id, m->damaged[i], hold, err);
    m->done.bundles += filed == TRANSFER_FILED;
    m->done.replaced += filed == TRANSFER_REPLACED;
    return filed;
}

static int file_bundles(void *arg, struct ml_error *err)
{
    struct import *m = arg;
    for (size_t i = 0; i < m->n_bundles; i++) {
        int hold = -1;
        if (file_bundle(m, i, &hold, err) < 0 || (hold >= 0 && ctx_hold(m->ctx, hold, err) < 0))
            return -1;
    }
    return 0;
}

static int unpack(struct import *m, int fd, int cancel_fd)
{
    struct archive_limits limits = FORM_LIMITS_INIT;
    transfer_limit(m->stage.fd, &limits);
    if (archive_unpack(fd, m->label, m->stage.fd, &limits, -1, cancel_fd, m->err) == 0)
        return 0;
    if (m->err != NULL && strcmp(m->err->code, "archive_too_large") == 0)
        ml_error_hint(m->err, "make room where the registry is, or import it in parts: modload "
                              "export FILE U...");
    return -1;
}

static int note_name(const char *uuid, const char *name, void *arg, struct ml_error *err)
{
    struct ml_transfer_result *done = &((struct import *)arg)->done;
    struct ml_name_taken *more =
        realloc(done->names_taken, (done->n_names_taken + 1) * sizeof *more);
    if (more == NULL)
        return ml_error_memory(err);
    done->names_taken = more;
    more += done->n_names_taken++;
    snprintf(more->name, sizeof more->name, "%s", name);
    return ml_key_from_uuid(uuid, &more->key, err);
}

static int adopt(struct import *m)
{
    struct store_arrival arrival = {.records = m->record,
                                    .n = m->n_records,
                                    .brings = brings,
                                    .file = file_bundles,
                                    .name_taken = note_name,
                                    .arg = m};
    struct ml_error why = ML_ERROR_INIT;
    int status = store_adopt(m->store, &arrival, &why);
    m->done.entries = arrival.n_entries;
    m->done.changed = arrival.n_changed;
    if (status == 0)
        return 0;
    if (strcmp(why.code, "bad_history") == 0) {
        ml_error_wrap(&why, "'%s'", m->label);
        ml_error_hint(&why, "nothing was imported; export it anew where it came from");
    }
    if (m->err != NULL)
        *m->err = why;
    return -1;
}

static int import_run(struct import *m, int fd, int cancel_fd)
{
    if (unpack(m, fd, cancel_fd) < 0 || check_head(m) < 0 || list_names(m, ".", check_top) < 0 ||
        list_names(m, FORM_BUNDLES, take_bundle) < 0 || read_history(m) < 0)
        return -1;
    if (m->n_bundles > 0)
        qsort(m->bundle, m->n_bundles, sizeof *m->bundle, id_compare);
    for (size_t i = 0; i < m->n_bundles; i++)
        if (check_one(m, m->bundle[i]) < 0)
            return -1;
    return find_damaged(m) < 0 ? -1 : adopt(m);
}

/* A descriptor for each bundle that is filed, and one for each directory that a file lies in. */
int ml_import(struct ml_ctx *ctx, int fd, const char *label, int cancel_fd,
              struct ml_transfer_result *ret, struct ml_error *err)
{
    struct import m = {.ctx = ctx, .label = label, .stage = {.fd = -1}, .err = err};
    int status = -1;
    limit_files_raise();
    if (ctx_store(ctx, true, &m.store, err) == 0 && store_stage_open(m.store, &m.stage, err) == 0)
        status = import_run(&m, fd, cancel_fd);
    if (status == 0 && ret != NULL) {
        *ret = m.done;
        m.done = (struct ml_transfer_result){.names_taken = NULL};
    }
    import_free(&m);
    return status;
}
