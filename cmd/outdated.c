/* modload outdated: which entries that came from git have something newer to become. */
#include <string.h>

#include "cmd/incoming.h"
#include "cmd/origins.h"
#include "cmd/warn.h"

enum { EXIT_OUTDATED = 2 };

static void put_line(struct invocation *in, const struct origins *o, size_t i)
{
    const struct origin_entry *e = &o->list[i];
    const struct ml_package_versions *v = &o->jobs[i].versions;
    char uuid[ML_UUID_SIZE], now[16], wanted[16];
    buf_fmt(&in->text, "%s  ", entry_word(&e->entry, uuid));
    put_plain(&in->text, origin_at(e->origin.tag, e->origin.commit, now), 80);
    buf_str(&in->text, "  ");
    put_plain(&in->text, origin_at(v->tag, v->commit, wanted), 80);
    buf_fmt(&in->text, "  %s  ", *v->latest ? v->latest : "-");
    put_plain(&in->text, e->origin.git, 400);
    buf_char(&in->text, '\n');
}

static void put_json(struct json *j, const struct origins *o, size_t i)
{
    const struct origin_entry *e = &o->list[i];
    const struct ml_package_versions *v = &o->jobs[i].versions;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(&e->entry.key, uuid);
    json_open(j, '{');
    json_pair(j, "uuid", uuid);
    json_pair(j, "name", e->entry.name);
    json_pair(j, "git", e->origin.git);
    json_pair(j, "path", e->origin.path);
    json_pair(j, "ref", e->origin.ref);
    json_pair(j, "tag", e->origin.tag);
    json_pair(j, "commit", e->origin.commit);
    json_pair(j, "wanted_tag", v->tag);
    json_pair(j, "wanted_commit", v->commit);
    json_pair(j, "index", e->origin.index);
    json_pair(j, "latest", v->latest);
    json_key(j, "update");
    json_bool(j, origin_is_outdated(o, i));
    if (e->retired)
        put_retired(j, &e->why);
    json_close(j, '}');
}

/* How many there are. */
static size_t put_all(struct invocation *in, const struct origins *o)
{
    size_t found = 0;
    json_open(&in->data, '{');
    json_key(&in->data, "outdated");
    json_open(&in->data, '[');
    for (size_t i = 0; i < o->n; i++) {
        bool known = o->jobs[i].err.status == 0;
        if (!known || (!origin_is_outdated(o, i) && !origin_has_newer(o, i)))
            continue;
        found++;
        put_line(in, o, i);
        put_json(&in->data, o, i);
    }
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return found;
}

/* Whether there is an answer, however many there are not. */
static bool any_known(const struct invocation *in, const struct origins *o)
{
    if (o->jobs == NULL || strcmp(in->err.code, "cancelled") == 0)
        return false;
    for (size_t i = 0; i < o->n; i++)
        if (o->jobs[i].err.status == 0)
            return true;
    return false;
}

/* What could not be asked hides nothing of the others. */
int outdated_run(struct invocation *in)
{
    ORIGINS_AUTO o = {.n = 0};
    struct ml_package_request how;
    int status = incoming_options(in, &how);
    if (status == 0)
        status = origins_find(in, &o);
    if (status != 0)
        return status;
    status = origins_ask(in, &o, &how);
    if (status != 0 && !any_known(in, &o))
        return status;
    size_t found = put_all(in, &o);
    if (status != 0)
        return in->want_json || answer_now(in) == 0 ? status : failed(in);
    return found > 0 && option_given(in, "exit-code") ? EXIT_OUTDATED : 0;
}

static const struct command_option options[] = {
    {0, "exit-code", NULL, "exit with 2 when there is one"},
    {0, "offline", NULL, "by what was fetched before, and no network"},
    {0, "from", "DIR", "the same, out of a directory that mirror has filled"},
    {0, "fetch-timeout", "DUR", "how long a fetch may take (default 10m; 30s without a byte)"},
    {0},
};

const struct command command_outdated = {
    .name = "outdated",
    .args = "[U...]",
    .summary = "list entries for which there is something newer",
    .help = "A line each: entry, what it is at, what its branch, tag or range leads to now (update "
            "takes that), the\n"
            "newest version of all, and the repository. What was installed by its name has the "
            "versions of its index, as\n"
            "the last 'modload index update' left it. Warns of those that are retired. A tag that "
            "was moved, or a branch\n"
            "that was rewritten, is an error (77), which hides nothing of the others. Exits with "
            "0, whatever there is,\n"
            "but for --exit-code.",
    .example = "modload outdated",
    .options = options,
    .max_args = -1,
    .run = outdated_run,
};
