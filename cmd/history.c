/* modload history: what an entry was, newest first. */
#include "cmd/command.h"

static int show(const struct ml_generation *g, void *arg)
{
    struct invocation *in = arg;
    struct json *data = &in->data;
    buf_fmt(&in->text, "%c%c %3lu  %s  %-10s  %s", g->current ? '*' : ' ', g->pinned ? 'p' : ' ',
            g->number, g->time, g->change, g->name[0] ? g->name : "-");
    if (g->bundle[0] != '\0')
        buf_fmt(&in->text, "  %s%s  %s@%s", g->bundle, g->present ? "" : " (gone)", g->plugin,
                g->version);
    if (g->of > 0)
        buf_fmt(&in->text, "  of %lu", g->of);
    if (g->origin[0] != '\0')
        buf_fmt(&in->text, "  %s", g->origin);
    buf_char(&in->text, '\n');
    json_open(data, '{');
    json_key(data, "generation");
    json_uint(data, g->number);
    json_pair(data, "time", g->time);
    json_pair(data, "change", g->change);
    json_pair(data, "bundle", g->bundle);
    json_pair(data, "name", g->name);
    json_pair(data, "plugin", g->plugin);
    json_pair(data, "version", g->version);
    json_pair(data, "origin", g->origin);
    json_key(data, "of");
    if (g->of > 0)
        json_uint(data, g->of);
    else
        json_null(data);
    json_key(data, "current");
    json_bool(data, g->current);
    json_key(data, "pinned");
    json_bool(data, g->pinned);
    json_key(data, "present");
    json_bool(data, g->present);
    json_close(data, '}');
    return 0;
}

static int run(struct invocation *in)
{
    struct ml_key key;
    char uuid[ML_UUID_SIZE];
    if (ml_resolve_removed(in->ctx, in->args[0], &key, &in->err) < 0)
        return failed(in);
    ml_key_to_uuid(&key, uuid);
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_key(&in->data, "generations");
    json_open(&in->data, '[');
    if (ml_history(in->ctx, &key, show, in, &in->err) < 0)
        return failed(in);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return 0;
}

const struct command command_history = {
    .name = "history",
    .args = "U",
    .summary = "show the generations of an entry, newest first",
    .help = "A line each: * current, p pinned, number, time (UTC), change, name, bundle, "
            "plugin@version, "
            "origin.\n"
            "U may be an entry that was taken out: gc forgets those.",
    .example = "modload history math",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
