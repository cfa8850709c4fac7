/* modload list: the entries of the registry, and which of them have a worker. The workers are asked
 * first, once each: an entry that is loaded meanwhile shows as it was, and no entry costs a connect
 * of its own. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cmd/command.h"
#include "cmd/origins.h"
#include "cmd/warn.h"

struct listing {
    struct invocation *in;
    struct ml_key *live; /* keys that have a worker, asked for once */
    size_t n_live;
    struct ml_retired_list *retired; /* null: nothing is */
};

/* -1 when memory is out, which ends the walk. */
static int collect_live(const struct ml_worker_status *worker, void *arg)
{
    struct listing *l = arg;
    struct ml_key *more = realloc(l->live, (l->n_live + 1) * sizeof *more);
    if (more == NULL)
        return ml_error_memory(&l->in->err);
    l->live = more;
    l->live[l->n_live++] = worker->key;
    return 0;
}

/* A walk over the keys for each entry: a user has a handful of workers, not thousands. */
static bool is_live(const struct listing *l, const struct ml_key *key)
{
    for (size_t i = 0; i < l->n_live; i++)
        if (memcmp(&l->live[i], key, sizeof *key) == 0)
            return true;
    return false;
}

/* "-" and "?" keep the columns apart for cut(1) and awk. */
static void put_line(struct buf *text, const struct ml_entry *e, const char *uuid, bool loaded)
{
    buf_str(text, uuid);
    buf_str(text, "  ");
    buf_str(text, e->name[0] ? e->name : "-");
    buf_str(text, "  ");
    buf_str(text, e->bundle);
    buf_str(text, "  ");
    buf_str(text, e->plugin[0] ? e->plugin : "?");
    buf_char(text, '@');
    buf_str(text, e->version);
    buf_str(text, loaded ? "  loaded\n" : "  -\n");
}

/* A million entries are a stream, not an answer that is held in memory. */
static int show_entry(const struct ml_entry *e, void *arg)
{
    struct listing *l = arg;
    struct json *data = &l->in->data;
    bool loaded = is_live(l, &e->key);
    char uuid[ML_UUID_SIZE];
    struct ml_retired why;
    bool retired = l->retired != NULL && warn_entry(l->in, l->retired, e, &why);
    ml_key_to_uuid(&e->key, uuid);
    if (!l->in->want_json) {
        put_line(&l->in->text, e, uuid, loaded);
        return answer_stream(l->in);
    }
    json_open(data, '{');
    json_pair(data, "uuid", uuid);
    json_pair(data, "name", e->name);
    json_pair(data, "plugin", e->plugin);
    json_pair(data, "version", e->version);
    json_pair(data, "bundle", e->bundle);
    json_key(data, "loaded");
    json_bool(data, loaded);
    if (retired)
        put_retired(data, &why);
    json_close(data, '}');
    return answer_stream(l->in);
}

static int list_all(struct invocation *in)
{
    struct listing l = {.in = in};
    bool removed = option_given(in, "removed");
    if (!removed)
        l.retired = warn_open();
    json_open(&in->data, '{');
    json_key(&in->data, "entries");
    json_open(&in->data, '[');
    int status = ml_workers(in->ctx, collect_live, &l, &in->err);
    if (status >= 0)
        status = removed ? ml_removed(in->ctx, show_entry, &l, &in->err)
                         : ml_entries(in->ctx, show_entry, &l, &in->err);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    free(l.live);
    ml_retired_close(l.retired);
    if (status < 0 && !in->streamed)
        json_free(&in->data);
    return status < 0 ? failed(in) : 0;
}

static int run(struct invocation *in)
{
    bool outdated = option_given(in, "outdated");
    if (outdated && option_given(in, "removed"))
        return usage_error(in, "list: --outdated or --removed, not both");
    if (!outdated && option_given(in, "exit-code"))
        return usage_error(in, "list: --exit-code goes with --outdated");
    return outdated ? outdated_run(in) : list_all(in);
}

static const struct command_option options[] = {
    {0, "removed", NULL, "entries that were taken out, and can be brought back until gc"},
    {0, "outdated", NULL, "as modload outdated: asks the repositories that entries came from"},
    {0, "exit-code", NULL, "with --outdated: exit with 2 when there is one"},
    {0},
};

const struct command command_list = {
    .name = "list",
    .args = "",
    .summary = "list the registered entries",
    .help =
        "A line per entry, in the order of the keys: key, name, bundle, plugin@version, loaded "
        "or -. Of\n"
        "versions that are retired in an index, as 'modload index update' found it, it warns on "
        "stderr.",
    .example = "modload list --json",
    .options = options,
    .run = run,
};
