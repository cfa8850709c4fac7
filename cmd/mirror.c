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
    }
    free(m->wish);
}

/* ---- what is wished for ---- */

static int wish_add(struct mirroring *m, const char *source, const char *commit)
{
    struct wish *more = realloc(m->wish, (m->n + 1) * sizeof *more);
    if (more == NULL)
        return ml_error_memory(&m->in->err);
    m->wish = more;
    more[m->n] = (struct wish){strdup(source), commit ? strdup(commit) : NULL};
    if (more[m->n].source != NULL && (commit == NULL || more[m->n].commit != NULL)) {
        m->n++;
        return 0;
    }
    free(more[m->n].source);
    free(more[m->n].commit);
    return ml_error_memory(&m->in->err);
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
    int status = wish_add(m, origin.git, origin.commit);
    ml_origin_done(&origin);
    return status;
}

static int locked_take(const char *name, const char *git, const char *commit, void *arg)
{
    return wish_add(arg, git, commit);
}

static int wishes_collect(struct mirroring *m)
{
    struct invocation *in = m->in;
    const char *project = option_value(in, "project", NULL);
    int status = 0;
    for (int i = 1; i < in->n_args && status == 0; i++)
        status = wish_add(m, in->args[i], NULL);
    if (status == 0 && project != NULL)
        status = ml_project_locked(project, locked_take, m, &in->err);
    else if (status == 0 && in->n_args == 1)
        status = ml_entries(in->ctx, entry_take, m, &in->err);
    return status == 0 ? 0 : failed(in);
}

/* ---- fetching ---- */

/* A repository that several want comes once: what is wanted of it by its commit is then there. */
static bool was_fetched(const struct mirroring *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(m->wish[k].source, m->wish[i].source) == 0 &&
            (m->wish[i].commit == NULL ||
             (m->wish[k].commit != NULL && strcmp(m->wish[k].commit, m->wish[i].commit) == 0)))
            return true;
    return false;
}

static void tell(struct mirroring *m, const struct wish *wish, const struct ml_mirrored *done)
{
    struct json *j = &m->in->data;
    char size[SIZE_TEXT];
    note("%s: %s came", wish->source, size_round(done->received, size));
    json_open(j, '{');
    json_pair(j, "source", wish->source);
    json_pair(j, "commit", done->commit);
    json_key(j, "received");
    json_uint(j, done->received);
    json_close(j, '}');
}

static int fetch_one(struct mirroring *m, const char *dir, const struct wish *wish)
{
    struct invocation *in = m->in;
    struct progress progress;
    struct ml_mirrored done;
    const struct ml_package_request request = {.source = wish->source,
                                               .ref = wish->commit ? "" : NULL,
                                               .commit = wish->commit,
                                               .cancel_fd = watch_signals(in),
                                               .progress = progress_tell,
                                               .arg = &progress};
    progress_begin(&progress, 1);
    int status = ml_mirror(dir, &request, &done, &in->err);
    progress_end(&progress);
    if (status == 0)
        tell(m, wish, &done);
    return status;
}

/* Each is tried, whatever became of the others: a mirror that has most of it is of use. */
static int fetch_all(struct mirroring *m, const char *dir)
{
    struct invocation *in = m->in;
    json_open(&in->data, '{');
    json_key(&in->data, "repositories");
    json_open(&in->data, '[');
    for (size_t i = 0; i < m->n; i++) {
        if (was_fetched(m, i))
            continue;
        if (fetch_one(m, dir, &m->wish[i]) == 0) {
            m->failures.done++;
            continue;
        }
        if (in->err.status > ML_SIGNAL)
            return failed_or_signalled(in);
        failures_add(&m->failures, in);
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
