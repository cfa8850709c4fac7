/* modload mirror: what install and sync may need where there is no network, in one directory. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/size.h"
#include "cmd/incoming.h"
#include "cmd/progress.h"
#include "modload/sync.h"

/* One thing that has to be in it. */
struct wish {
    char *source; /* SRC[@REF], or a URL alone */
    char *commit; /* null: none in particular */
    char *path;   /* whose submodules have to be in it as well; null: none */
    char *url;    /* the one spelling of the repository's; the source, where it has none */
};

struct mirroring {
    struct invocation *in;
    struct wish *wish;
    size_t n;
    struct failures failures;
};

static void mirroring_free(struct mirroring *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->wish[i].source);
        free(m->wish[i].commit);
        free(m->wish[i].path);
        free(m->wish[i].url);
    }
    free(m->wish);
}

/* ---- what is wished for ---- */

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int wish_add(struct mirroring *m, const char *source, const char *commit, const char *path)
{
    struct wish *more = realloc(m->wish, (m->n + 1) * sizeof *more);
    if (more == NULL)
        return ml_error_memory(&m->in->err);
    m->wish = more;
    struct wish *one = &more[m->n++];
    *one = (struct wish){copy(source), copy(commit), copy(path), NULL};
    if (one->source == NULL || (commit != NULL && one->commit == NULL) ||
        (path != NULL && one->path == NULL))
        return ml_error_memory(&m->in->err);
    return 0;
}

/* What did not come from a git repository is with whoever has it. */
static int entry_take(const struct ml_entry *entry, void *arg)
{
    struct mirroring *m = arg;
    struct ml_origin origin;
    char text[2 * PATH_MAX];
    if (ml_entry_origin(m->in->ctx, &entry->key, text, sizeof text, &m->in->err) < 0)
        return -1;
    if (ml_origin_parse(text, &origin, NULL) < 0)
        return 0;
    int status = wish_add(m, origin.git, origin.commit, origin.submodules ? origin.path : NULL);
    ml_origin_done(&origin);
    return status;
}

static int locked_take(const struct ml_locked *locked, void *arg)
{
    return wish_add(arg, locked->git, locked->commit, locked->submodules ? locked->path : NULL);
}

static struct ml_package_request request_of(const struct wish *wish)
{
    return (struct ml_package_request){
        .source = wish->source, .ref = wish->commit ? "" : NULL, .commit = wish->commit};
}

static int text_compare(const char *a, const char *b)
{
    return a == NULL || b == NULL ? (a != NULL) - (b != NULL) : strcmp(a, b);
}

/* What is wanted of one repository lies side by side. */
static int wish_compare(const void *a, const void *b)
{
    const struct wish *x = a, *y = b;
    int order = strcmp(x->url, y->url);
    if (order == 0)
        order = text_compare(x->commit, y->commit);
    if (order == 0)
        order = strcmp(x->source, y->source);
    return order != 0 ? order : text_compare(x->path, y->path);
}

/* A source that is none is told when its turn comes. */
static int wishes_sort(struct mirroring *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct wish *wish = &m->wish[i];
        const struct ml_package_request request = request_of(wish);
        if (ml_package_source(&request, &wish->url, NULL) < 0)
            wish->url = strdup(wish->source);
        if (wish->url == NULL)
            return ml_error_memory(&m->in->err);
    }
    if (m->n > 0)
        qsort(m->wish, m->n, sizeof *m->wish, wish_compare);
    return 0;
}

static int wishes_collect(struct mirroring *m)
{
    struct invocation *in = m->in;
    const char *project = option_value(in, "project", NULL);
    int status = 0;
    for (int i = 1; i < in->n_args && status == 0; i++)
        status = wish_add(m, in->args[i], NULL, option_given(in, "submodules") ? "" : NULL);
    if (status == 0 && project != NULL)
        status = ml_project_locked(project, locked_take, m, &in->err);
    else if (status == 0 && in->n_args == 1)
        status = ml_entries(in->ctx, entry_take, m, &in->err);
    if (status == 0)
        status = wishes_sort(m);
    return status == 0 ? 0 : failed(in);
}

/* ---- fetching ---- */

static void tell(struct mirroring *m, const struct wish *wish, const struct ml_mirrored *done,
                 bool again)
{
    struct json *j = &m->in->data;
    char size[SIZE_TEXT];
    if (!again)
        note("%s: %s came", wish->source, size_round(done->received, size));
    json_open(j, '{');
    json_pair(j, "source", wish->source);
    json_pair(j, "commit", done->commit);
    json_key(j, "received");
    json_uint(j, done->received);
    json_close(j, '}');
}

/* Whether it came, although it has not all that was wanted of it. */
static bool has_come(const struct ml_error *err)
{
    return strcmp(err->code, "rewritten") == 0 || strcmp(err->code, "no_such_ref") == 0;
}

/* Submodules come when what they are in is there: where that fails, it is there all the same. */
static int both_fetch(const char *dir, struct ml_package_request *request, const struct wish *wish,
                      bool *come, struct ml_mirrored *done, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    struct ml_mirrored more;
    request->offline = *come;
    int status = ml_mirror(dir, request, done, &why);
    *come = *come || status == 0 || has_come(&why);
    if (status == 0 && wish->path != NULL) {
        request->offline = request->submodules = true;
        request->path = wish->path;
        status = ml_mirror(dir, request, &more, &why);
        done->received += status == 0 ? more.received : 0;
    }
    if (status < 0)
        *err = why;
    return status;
}

/* `*come`: its repository has come, and has to have this as well. */
static int fetch_one(struct mirroring *m, const char *dir, const struct wish *wish, bool *come)
{
    struct invocation *in = m->in;
    struct progress progress;
    struct ml_mirrored done;
    bool again = *come;
    struct ml_package_request request = request_of(wish);
    request.cancel_fd = watch_signals(in);
    request.progress = progress_tell;
    request.arg = &progress;
    progress_begin(&progress, 1);
    int status = both_fetch(dir, &request, wish, come, &done, &in->err);
    progress_end(&progress);
    if (status == 0)
        tell(m, wish, &done, again);
    return status;
}

/* All that is wanted of one repository, which comes once. Returns how many wishes these are; -1: a
 * signal came. */
static int fetch_group(struct mirroring *m, const char *dir, size_t first)
{
    struct invocation *in = m->in;
    const struct wish *wish = &m->wish[first];
    bool come = false, lost = false;
    size_t n = 0;
    for (; first + n < m->n && strcmp(wish[n].url, wish->url) == 0; n++) {
        if (lost || (n > 0 && wish_compare(&wish[n - 1], &wish[n]) == 0))
            continue;
        if (fetch_one(m, dir, &wish[n], &come) == 0) {
            m->failures.done++;
            continue;
        }
        if (in->err.status > ML_SIGNAL)
            return -1;
        lost = !come;
        failures_add(&m->failures, in);
    }
    return (int)n;
}

/* Each is tried, whatever became of the others: a mirror that has most of it is of use. */
static int fetch_all(struct mirroring *m, const char *dir)
{
    struct invocation *in = m->in;
    json_open(&in->data, '{');
    json_key(&in->data, "repositories");
    json_open(&in->data, '[');
    for (size_t i = 0; i < m->n;) {
        int n = fetch_group(m, dir, i);
        if (n < 0)
            return failed_or_signalled(in);
        i += (size_t)n;
    }
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return failures_end(&m->failures, in);
}

static int run(struct invocation *in)
{
    __attribute__((cleanup(mirroring_free))) struct mirroring m = {.in = in};
    if (option_given(in, "project") && in->n_args > 1)
        return usage_error(in, "mirror: give sources or --project, not both");
    if (option_given(in, "submodules") && in->n_args == 1)
        return usage_error(in, "mirror: --submodules is for sources; entries and projects say for "
                               "themselves whether they need them");
    int status = network_wanted(in);
    if (status == 0)
        status = wishes_collect(&m);
    if (status != 0)
        return status;
    if (m.n == 0)
        note("there is nothing that came from a git repository");
    return fetch_all(&m, in->args[0]);
}

static const struct command_option options[] = {
    {0, "project", "DIR", "what the lock of that project names"},
    {0, "submodules", NULL, "of SOURCE: fetch its submodules as well (https only)"},
    {0},
};

const struct command command_mirror = {
    .name = "mirror",
    .args = "DIR [SOURCE[@REF]...]",
    .summary = "fill a directory that install and sync can use without a network",
    .help =
        "Fetches whole git repositories into DIR: SOURCE as install takes it; without one those "
        "that the registry's\n"
        "entries came from, or a project's plugins. Run again it fetches what is new.\n"
        "'modload install --from DIR' and 'modload sync --from DIR' then ask DIR alone, by the "
        "same URLs. It may be\n"
        "read-only, and root's; for others to read: chmod -R a+rX DIR.",
    .example = "modload mirror /srv/plugins https://example.org/math.git",
    .options = options,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
