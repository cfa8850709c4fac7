/* modload register --many: a list of entries, all of them or none. First the list is read whole,
 * then what has to be built is built, then all is registered in one change; whatever is wrong ends
 * it before anything was written. */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "cmd/build.h"

/* a million entries are about 120 MB */
enum { LIST_MAX = 1 << 30, BAD_MAX = 20 };

struct many {
    struct invocation *in;
    const char *label;
    struct ml_list list;
    struct ml_registration *entry;     /* as many as there are items */
    struct ml_build_job *job;          /* one for each source, however often it is there */
    const char **path;                 /* of each job */
    char **origin;                     /* of each job */
    size_t *job_of;                    /* of each item that is built */
    char (*bundle)[ML_BUNDLE_ID_SIZE]; /* of each item that is not */
    size_t n_jobs;
    struct failures failures;
    size_t n_bad;
};

static void many_free(struct many *m)
{
    for (size_t i = 0; i < m->n_jobs; i++) {
        ml_bundle_info_free(m->job[i].info);
        free(m->origin[i]);
    }
    free(m->entry);
    free(m->job);
    free(m->path);
    free(m->origin);
    free(m->job_of);
    free(m->bundle);
    ml_list_free(&m->list);
}

/* ---- the list ---- */

/* The first ones are told; of a file that is no list at all, not a line for every line of it. */
static void fail_line(struct many *m)
{
    if (m->n_bad++ < BAD_MAX) {
        failures_add(&m->failures, m->in);
        return;
    }
    m->failures.last = m->in->err;
    m->in->err = (struct ml_error)ML_ERROR_INIT;
}

static void tell_bad(const struct ml_error *err, void *arg)
{
    struct many *m = arg;
    m->in->err = *err;
    fail_line(m);
}

/* A pipe will do: a list that a program makes is given as <(program). */
static int read_text(struct invocation *in, const char *file, struct buf *text)
{
    bool dash = strcmp(file, "-") == 0;
    AUTO_CLOSE int fd = dash ? -1 : open(file, O_RDONLY | O_CLOEXEC);
    if ((dash || fd >= 0) && fs_read_all(dash ? STDIN_FILENO : fd, text, LIST_MAX) == 0)
        return 0;
    if (errno == EISDIR)
        ml_error_set(&in->err, ML_DATA, NULL, "'%s' is a directory, not a list", file);
    else
        ml_error_errno(&in->err, errno == ENOENT ? ML_NO_INPUT : 0, errno, "cannot read '%s'",
                       dash ? "standard input" : file);
    return failed(in);
}

/* The last failure is told at the end; that nothing was changed is what everybody wants to know. */
static int refuse(struct many *m, const char *hint)
{
    int status = failures_end(&m->failures, m->in);
    if (m->n_bad > BAD_MAX)
        note("... and %zu more, of which the last is:", m->n_bad - BAD_MAX + 1);
    ml_error_hint(&m->in->err, "nothing was changed; %s", hint);
    return status;
}

/* The texts of the list are copied, so what was read is not needed after this. */
static int read_list(struct many *m, const char *file)
{
    BUF_AUTO text = BUF_INIT;
    struct ml_error ignored = ML_ERROR_INIT;
    int status = read_text(m->in, file, &text);
    if (status != 0)
        return status;
    if (text.data == NULL) /* an empty list is fine */
        return 0;
    m->label = strcmp(file, "-") == 0 ? "standard input" : file;
    if (ml_list_read(text.data, text.len, m->label, tell_bad, m, &m->list, &ignored) == 0)
        return 0;
    if (m->failures.last.status == 0) /* memory, which is in no line */
        m->failures.last = ignored;
    return refuse(m, "a line is {\"key\": K, \"bundle\": B or \"path\": P, \"name\": N}");
}

/* ---- what is there ---- */

/* Before anything is built: a bundle that is missing costs a look, not a minute. The same one after
 * the other, as in most lists, is looked for once. */
static int find_bundles(struct many *m)
{
    size_t found = m->list.n; /* the last that was */
    for (size_t i = 0; i < m->list.n; i++) {
        const struct ml_list_item *item = &m->list.items[i];
        if (item->bundle == NULL)
            continue;
        if (found < i && strcmp(m->list.items[found].bundle, item->bundle) == 0) {
            memcpy(m->bundle[i], m->bundle[found], sizeof m->bundle[i]);
            continue;
        }
        if (ml_bundle_resolve(m->in->ctx, item->bundle, m->bundle[i], &m->in->err) == 0) {
            found = i;
            continue;
        }
        ml_error_wrap(&m->in->err, "%s:%u", m->label, item->line);
        fail_line(m);
    }
    return m->failures.last.status == 0 ? 0 : refuse(m, "build it, or give its \"path\"");
}

/* ---- what has to be built ---- */

struct source {
    const char *path;
    size_t job;
};

static int source_compare(const void *a, const void *b)
{
    return strcmp(((const struct source *)a)->path, ((const struct source *)b)->path);
}

/* The job that builds a path: one, however many entries want it. */
static int job_find(struct many *m, void **sources, const char *path, size_t *job)
{
    struct source *source = malloc(sizeof *source);
    if (source == NULL)
        return ml_error_memory(&m->in->err);
    *source = (struct source){path, m->n_jobs};
    struct source **found = tsearch(source, sources, source_compare);
    if (found == NULL || *found != source)
        free(source);
    if (found == NULL)
        return ml_error_memory(&m->in->err);
    *job = (*found)->job;
    if (*job < m->n_jobs)
        return 0;
    m->path[m->n_jobs] = path;
    return source_origin(path, &m->origin[m->n_jobs++], &m->in->err);
}

static int jobs_find(struct many *m)
{
    void *sources = NULL;
    int status = 0;
    for (size_t i = 0; i < m->list.n && status == 0; i++)
        if (m->list.items[i].path != NULL)
            status = job_find(m, &sources, m->list.items[i].path, &m->job_of[i]);
    tdestroy(sources, free);
    return status;
}

/* Which entries want what could not be built, by their lines. */
static void tell_failed(struct many *m, size_t job)
{
    for (size_t i = 0; i < m->list.n; i++)
        if (m->list.items[i].path != NULL && m->job_of[i] == job) {
            m->in->err = m->job[job].err;
            ml_error_wrap(&m->in->err, "%s:%u", m->label, m->list.items[i].line);
            fail_line(m);
        }
}

/* Packs come first: of those that cannot be taken nothing is built. */
static int take_packs(struct many *m, const struct ml_build_request *like)
{
    for (size_t i = 0; i < m->n_jobs; i++) {
        int status = build_pack(m->in, m->path[i], like, &m->origin[i], &m->job[i].info);
        if (status <= 0)
            continue;
        if (status == ML_USAGE || status > ML_SIGNAL)
            return status;
        m->job[i].err = m->in->err;
        tell_failed(m, i);
    }
    return m->failures.last.status == 0 ? 0 : refuse(m, "get the pack again");
}

static int build(struct many *m, const struct ml_build_request *like)
{
    unsigned long at_once;
    if (option_count(m->in, "jobs", 0, &at_once) < 0)
        return ML_USAGE;
    int status = take_packs(m, like);
    if (status != 0)
        return status;
    for (size_t i = 0; i < m->n_jobs; i++) {
        m->job[i].request = *like;
        m->job[i].request.sources = &m->path[i];
        m->job[i].request.n_sources = 1;
    }
    int broken = ml_build_all(m->in->ctx, m->job, m->n_jobs, (unsigned)at_once, &m->in->err);
    if (broken < 0)
        return failed(m->in);
    for (size_t i = 0; i < m->n_jobs; i++)
        if (m->job[i].info == NULL)
            tell_failed(m, i);
        else
            note_skipped(m->job[i].info);
    return m->failures.last.status == 0 ? 0 : refuse(m, "mend the source, or leave the line out");
}

/* ---- all of it ---- */

static int allocate(struct many *m)
{
    size_t n = m->list.n + 1;
    m->entry = calloc(n, sizeof *m->entry);
    m->job = calloc(n, sizeof *m->job);
    m->path = calloc(n, sizeof *m->path);
    m->origin = calloc(n, sizeof *m->origin);
    m->job_of = calloc(n, sizeof *m->job_of);
    m->bundle = calloc(n, sizeof *m->bundle);
    if (m->bundle && m->entry && m->job && m->path && m->origin && m->job_of)
        return 0;
    return ml_error_memory(&m->in->err);
}

static int register_all(struct many *m)
{
    size_t bad;
    for (size_t i = 0; i < m->list.n; i++) {
        const struct ml_list_item *item = &m->list.items[i];
        bool built = item->path != NULL;
        m->entry[i] = (struct ml_registration){
            .key = item->key,
            .bundle = built ? m->job[m->job_of[i]].info->bundle : m->bundle[i],
            .name = item->name,
            .origin = built ? m->origin[m->job_of[i]] : NULL,
        };
    }
    if (ml_register_all(m->in->ctx, m->entry, m->list.n, &bad, &m->in->err) == 0)
        return 0;
    if (bad < m->list.n)
        ml_error_wrap(&m->in->err, "%s:%u", m->label, m->list.items[bad].line);
    if (strcmp(m->in->err.code, "name_taken") == 0)
        ml_error_hint(&m->in->err, "nothing was changed; give the line another \"name\"");
    return failed(m->in);
}

/* An entry that is in the list twice is told twice: a line of the answer for each of the list. */
static int put_entries(struct many *m)
{
    struct json *data = &m->in->data;
    size_t changed = 0, nameless = 0;
    json_open(data, '{');
    json_key(data, "entries");
    json_open(data, '[');
    for (size_t i = 0; i < m->list.n; i++) {
        const struct ml_register_result *r = &m->entry[i].result;
        char uuid[ML_UUID_SIZE];
        changed += r->changed;
        nameless += r->name_taken;
        if (!m->in->want_json)
            continue;
        ml_key_to_uuid(&m->entry[i].key, uuid);
        json_open(data, '{');
        json_pair(data, "uuid", uuid);
        json_pair(data, "bundle", r->bundle);
        json_pair(data, "name", r->name);
        json_pair(data, "version", r->version);
        json_key(data, "name_taken");
        json_bool(data, r->name_taken);
        json_key(data, "changed");
        json_bool(data, r->changed);
        json_close(data, '}');
        if (answer_stream(m->in) < 0)
            return failed(m->in);
    }
    json_close(data, ']');
    json_close(data, '}');
    if (nameless > 0)
        note("%zu entr%s no name: the plugin's belongs to another", nameless,
             nameless == 1 ? "y has" : "ies have");
    if (changed == m->list.n)
        note("registered %zu", changed);
    else
        note("registered %zu of %zu: the others were so already", changed, m->list.n);
    return 0;
}

int register_many(struct invocation *in, const char *file, const struct ml_build_request *like)
{
    __attribute__((cleanup(many_free))) struct many m = {.in = in};
    int status = read_list(&m, file);
    if (status != 0)
        return status;
    if (allocate(&m) < 0 || jobs_find(&m) < 0)
        return failed(in);
    status = find_bundles(&m);
    if (status == 0)
        status = build(&m, like);
    if (status != 0)
        return status;
    status = register_all(&m);
    return status != 0 ? status : put_entries(&m);
}
