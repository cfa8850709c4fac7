/* Two lists in the order of the keys become one: the plugins that the copy had, and what has
 * changed. Only what has changed is read, but for its texts, which are taken along as they are. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "fetch/records.h"
#include "index/copy.h"
#include "index/top.h"

enum { FLUSH_BYTES = 1 << 20, TOLD_MAX = 5, STEPS = 256 };

struct change {
    char key[INDEX_NAME_SIZE];
    bool removed;
    struct copy_text text;
};

struct merge {
    const struct copy *before;
    struct copy_head *head;
    struct change *change;
    size_t n, cap;
    bool whole;             /* what is no change is not there any more */
    struct copy_text *text; /* of the new copy, in order */
    size_t n_texts, texts_cap;
    int fd, cancel_fd;
    size_t steps;
    struct buf out, retired, rewritten;
    size_t n_rewritten;
    struct copy_changes done;
    struct ml_error *err;
};

static void merge_free(struct merge *m)
{
    free(m->change);
    free(m->text);
    buf_free(&m->out);
    buf_free(&m->retired);
    buf_free(&m->rewritten);
}

/* Room for one more item; the array, or null with an error. */
static void *grow(void *items, size_t n, size_t *cap, size_t size, struct ml_error *err)
{
    if (n < *cap)
        return items;
    size_t more = *cap ? *cap * 2 : 64;
    void *bigger = reallocarray(items, more, size);
    if (bigger == NULL) {
        ml_error_memory(err);
        return NULL;
    }
    *cap = more;
    return bigger;
}

static int cancel_check(struct merge *m)
{
    struct pollfd p = {.fd = m->cancel_fd, .events = POLLIN};
    return poll(&p, 1, 0) <= 0
               ? 0
               : ml_error_set(m->err, ML_SIGNAL + SIGINT, "cancelled", "it was cancelled");
}

/* Of a million plugins this takes a minute: whether it is still wanted is asked now and then. */
static int step(struct merge *m)
{
    return m->steps++ % STEPS == 0 ? cancel_check(m) : 0;
}

/* ---- what has changed ---- */

static int head_read(struct merge *m, const struct fetch_record *record)
{
    BUF_AUTO text = BUF_INIT;
    if (record->removed)
        return index_none(m->err, "its " INDEX_TOP " has gone");
    buf_add(&text, record->data, record->n);
    return index_top_read(&text, m->head->name, m->err);
}

static int change_add(struct merge *m, const struct fetch_record *record)
{
    struct change *change =
        step(m) < 0 ? NULL : grow(m->change, m->n, &m->cap, sizeof *change, m->err);
    if (change == NULL)
        return -1;
    m->change = change;
    change = &change[m->n];
    if (!index_path_key(record->path, record->path_n, change->key)) {
        ml_error_set(m->err, ML_DATA, "bad_index", "'%.*s' is no place for a plugin",
                     (int)record->path_n, record->path);
        return ml_error_hint(m->err, "who keeps the index has to move or remove it");
    }
    if (record->n > INDEX_FILE_MAX)
        return ml_error_set(m->err, ML_DATA, "bad_index", "'%s' has more than %d KiB", change->key,
                            INDEX_FILE_MAX >> 10);
    change->removed = record->removed;
    change->text = (struct copy_text){record->data, record->n};
    m->n++;
    return 0;
}

static int change_compare(const void *a, const void *b)
{
    return strcmp(((const struct change *)a)->key, ((const struct change *)b)->key);
}

static int changes_read(struct merge *m, const void *data, size_t n)
{
    struct fetch_records records;
    struct fetch_record record;
    int more;
    if (!fetch_records_begin(data, n, &records))
        return ml_error_set(m->err, ML_DATA, "bad_repository", "what was fetched is damaged");
    m->whole = records.whole;
    while ((more = fetch_records_next(&records, &record)) > 0) {
        bool top = record.path_n == strlen(INDEX_TOP) &&
                   memcmp(record.path, INDEX_TOP, record.path_n) == 0;
        if ((top ? head_read(m, &record) : change_add(m, &record)) < 0)
            return -1;
    }
    if (more < 0)
        return ml_error_set(m->err, ML_DATA, "bad_repository", "what was fetched is damaged");
    if (*m->head->name == '\0')
        return index_none(m->err, "there is no " INDEX_TOP);
    if (m->n > 1)
        qsort(m->change, m->n, sizeof *m->change, change_compare);
    for (size_t i = 1; i < m->n; i++)
        if (strcmp(m->change[i - 1].key, m->change[i].key) == 0)
            return ml_error_set(m->err, ML_DATA, "bad_index", "'%s' is there twice",
                                m->change[i].key);
    return 0;
}

/* ---- what must not change ---- */

/* All of it is read, so that all can be told. */
static void rewritten_add(struct merge *m, const char *name, const char *version)
{
    if (m->n_rewritten++ < TOLD_MAX)
        buf_fmt(&m->rewritten, "%s%s@%s", m->rewritten.len > 0 ? ", " : "", name, version);
}

static int rewritten_check(struct merge *m, const struct copy_line *before,
                           const struct index_plugin *now)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_plugin old;
    if (copy_plugin(&a, before, &old, m->err) < 0)
        return copy_damaged(m->err);
    const struct index_version *v =
        now != NULL ? index_plugin_rewritten(&old, now) : &old.versions[0];
    if (v != NULL)
        rewritten_add(m, old.name, v->version);
    return 0;
}

static int rewritten_tell(struct merge *m)
{
    if (m->n_rewritten == 0)
        return 0;
    ml_error_set(m->err, ML_REFUSED, "rewritten_index",
                 "THE INDEX WAS REWRITTEN: what was published is changed or gone: %s%s",
                 buf_text(&m->rewritten), m->n_rewritten > TOLD_MAX ? ", ..." : "");
    return ml_error_hint(m->err, "the copy from before is kept and used; ask who keeps the index; "
                                 "to take it as it is now: modload index remove, then add");
}

/* ---- writing ---- */

static int flush(struct merge *m, size_t least)
{
    if (m->out.failed)
        return ml_error_memory(m->err);
    if (m->out.len < least)
        return 0;
    if (fs_write_all(m->fd, m->out.data, m->out.len) < 0)
        return ml_error_errno(m->err, ML_IO, errno, "cannot write the copy");
    buf_reset(&m->out);
    return 0;
}

static void put(struct buf *out, struct copy_text text)
{
    buf_add(out, text.at, text.n);
}

static struct copy_text text_of(const char *text)
{
    return (struct copy_text){text, strlen(text)};
}

/* The line of a plugin, and its text for later. */
static int line_write(struct merge *m, const struct copy_line *line)
{
    struct copy_text *text =
        step(m) < 0 ? NULL : grow(m->text, m->n_texts, &m->texts_cap, sizeof *text, m->err);
    struct buf *out = &m->out;
    if (text == NULL)
        return -1;
    m->text = text;
    m->text[m->n_texts++] = line->file;
    size_t before = out->len;
    put(out, line->key);
    buf_char(out, '\t');
    put(out, line->description);
    buf_char(out, '\t');
    put(out, line->name);
    buf_char(out, '\t');
    put(out, line->version);
    buf_fmt(out, "\t%llu\t%zu\t%c\n", (unsigned long long)m->head->texts, line->file.n,
            line->has_retired ? 'r' : '-');
    m->head->lines += out->len - before;
    m->head->texts += line->file.n + 1;
    m->head->plugins++;
    return flush(m, FLUSH_BYTES);
}

/* A plugin that has changed, or is new (`before` is null). Its name is that of its place: no other
 * plugin can take it. */
static int change_write(struct merge *m, const struct change *change,
                        const struct copy_line *before)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_plugin plugin;
    char key[INDEX_NAME_SIZE], label[INDEX_PATH_SIZE];
    const char *text = arena_mem(&a, change->text.at, change->text.n);
    if (a.failed)
        return ml_error_memory(m->err);
    index_name_path(change->key, label);
    if (index_plugin_read(&a, label, text, change->text.n, &plugin, m->err) < 0)
        return -1;
    index_name_key(plugin.name, key);
    if (strcmp(key, change->key) != 0)
        return ml_error_set(m->err, ML_DATA, "bad_index", "%s: it is the file of '%s'", label,
                            plugin.name);
    if (before != NULL && rewritten_check(m, before, &plugin) < 0)
        return -1;
    const struct index_version *newest = index_plugin_newest(&plugin);
    size_t retired = m->retired.len;
    copy_retired_lines(&plugin, &m->retired);
    const struct copy_line line = {.key = text_of(key),
                                   .description = text_of(plugin.description),
                                   .name = text_of(plugin.name),
                                   .version = text_of(newest ? newest->version : "-"),
                                   .file = change->text,
                                   .has_retired = m->retired.len > retired};
    m->done.added += before == NULL;
    m->done.changed += before != NULL;
    return line_write(m, &line);
}

/* One that is as it was. */
static int kept_write(struct merge *m, const struct copy_line *line)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_plugin plugin;
    if (line->has_retired) {
        if (copy_plugin(&a, line, &plugin, m->err) < 0)
            return copy_damaged(m->err);
        copy_retired_lines(&plugin, &m->retired);
    }
    return line_write(m, line);
}

static int line_merge(struct merge *m, const struct copy_line *line, const struct change *change)
{
    if (change != NULL && !change->removed)
        return change_write(m, change, line);
    return change != NULL || m->whole ? rewritten_check(m, line, NULL) : kept_write(m, line);
}

static int key_order(const struct change *change, const struct copy_line *line)
{
    size_t n = strlen(change->key), least = n < line->key.n ? n : line->key.n;
    int order = memcmp(change->key, line->key.at, least);
    return order != 0 ? order : n < line->key.n ? -1 : n > line->key.n;
}

/* What was removed and was not there is nothing: a file that never was in a copy. */
static int lines_merge(struct merge *m)
{
    const struct change *change = m->change, *end = m->change + m->n;
    const char *at = m->before->lines;
    struct copy_line line;
    int status = 0, have = copy_line_next(m->before, &at, &line);
    while (status == 0 && (have > 0 || (have == 0 && change < end))) {
        int order = have == 0 ? -1 : change == end ? 1 : key_order(change, &line);
        if (order < 0) {
            status = change->removed ? 0 : change_write(m, change, NULL);
        } else {
            status = line_merge(m, &line, order == 0 ? change : NULL);
            have = copy_line_next(m->before, &at, &line);
        }
        change += order <= 0;
    }
    return have < 0 ? copy_damaged(m->err) : status;
}

/* Each with a NUL, so that it can be read where it lies. */
static int texts_write(struct merge *m)
{
    int status = 0;
    for (size_t i = 0; status == 0 && i < m->n_texts; i++) {
        put(&m->out, m->text[i]);
        buf_char(&m->out, '\0');
        status = step(m) < 0 ? -1 : flush(m, FLUSH_BYTES);
    }
    return status;
}

/* The head comes first, and is known last. */
static int all_write(struct merge *m)
{
    struct copy_head *h = m->head;
    buf_add(&m->out, h, sizeof *h);
    if (flush(m, 0) < 0 || lines_merge(m) < 0 || rewritten_tell(m) < 0 || texts_write(m) < 0 ||
        copy_lines_sort(&m->retired, m->err) < 0)
        return -1;
    h->retired = m->retired.len;
    buf_add(&m->out, m->retired.data, m->retired.len);
    if (flush(m, 0) < 0)
        return -1;
    if (pwrite(m->fd, h, sizeof *h, 0) != (ssize_t)sizeof *h || fs_sync(m->fd) < 0)
        return ml_error_errno(m->err, ML_IO, errno, "cannot write the copy");
    return cancel_check(m); /* the disk may have taken its time */
}

int copy_make(const struct copy *before, const void *records, size_t n, struct copy_head *head,
              int fd, int cancel_fd, struct copy_changes *ret, struct ml_error *err)
{
    struct ml_error problem = ML_ERROR_INIT;
    __attribute__((cleanup(merge_free))) struct merge m = {
        .before = before, .head = head, .fd = fd, .cancel_fd = cancel_fd, .err = &problem};
    memset(head->magic, 0, sizeof head->magic);
    strcpy(head->magic, COPY_MAGIC);
    head->form = COPY_FORM;
    strcpy(head->name, before->map != NULL ? before->head->name : "");
    head->plugins = head->lines = head->texts = head->retired = 0;
    if (changes_read(&m, records, n) == 0 && all_write(&m) == 0) {
        *ret = m.done;
        return 0;
    }
    if (err != NULL)
        *err = problem;
    return -1;
}

/* ---- retired versions ---- */

void copy_retired_lines(const struct index_plugin *plugin, struct buf *out)
{
    for (size_t i = 0; i < plugin->n; i++) {
        const struct index_version *v = &plugin->versions[i];
        if (v->retired != INDEX_NOT_RETIRED)
            buf_fmt(out, "%s@%s\t%s\t%s\t%s\t%s\n", plugin->name, v->version,
                    index_reason_word(v->retired), plugin->git, v->commit, v->message);
    }
}

static int line_compare(const void *a, const void *b)
{
    const struct copy_text *x = a, *y = b;
    int order = memcmp(x->at, y->at, x->n < y->n ? x->n : y->n);
    return order != 0 ? order : x->n < y->n ? -1 : x->n > y->n;
}

int copy_lines_sort(struct buf *lines, struct ml_error *err)
{
    size_t n = 0, cap = 0;
    AUTO_FREE struct copy_text *line = NULL;
    BUF_AUTO sorted = BUF_INIT;
    if (lines->failed)
        return ml_error_memory(err);
    for (const char *at = lines->data, *end; at < lines->data + lines->len; at = end + 1) {
        struct copy_text *more = grow(line, n, &cap, sizeof *line, err);
        if (more == NULL)
            return -1;
        line = more;
        end = memchr(at, '\n', (size_t)(lines->data + lines->len - at));
        line[n++] = (struct copy_text){at, (size_t)(end - at) + 1};
    }
    if (n > 0)
        qsort(line, n, sizeof *line, line_compare);
    for (size_t i = 0; i < n; i++)
        put(&sorted, line[i]);
    if (sorted.failed)
        return ml_error_memory(err);
    buf_reset(lines);
    buf_add(lines, sorted.data, sorted.len);
    return lines->failed ? ml_error_memory(err) : 0;
}
