/* modload retire: versions that nobody should take any more. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "cmd/incoming.h"
#include "cmd/index.h"

int commit_options(struct invocation *in, struct ml_index_commit *ret)
{
    *ret = (struct ml_index_commit){.clone = option_value(in, "index", NULL),
                                    .author = option_value(in, "author", NULL),
                                    .dry_run = option_given(in, "dry-run")};
    if (ret->clone == NULL)
        return usage_error(in, "%s: in which index? --index CLONE", in->command->name);
    return 0;
}

/* What was in the file before is whatever somebody has pushed. */
static void put_lines(struct invocation *in, char *lines)
{
    for (char *line; (line = strsep(&lines, "\n")) != NULL;)
        if (lines != NULL || *line != '\0') {
            put_plain(&in->text, line, SIZE_MAX);
            buf_char(&in->text, '\n');
        }
}

void put_change(struct invocation *in, const struct ml_index_change *change,
                const struct ml_index_commit *how)
{
    if (how->dry_run)
        put_lines(in, change->lines);
    else if (*change->commit != '\0')
        buf_fmt(&in->text, "%s\n", change->commit);
    if (*change->commit != '\0')
        note("committed %s; for others to see it: git -C %s push", change->path, how->clone);
    json_pair(&in->data, "path", change->path);
    json_pair(&in->data, "commit", change->commit);
    json_key(&in->data, "dry_run");
    json_bool(&in->data, how->dry_run);
}

static int run(struct invocation *in)
{
    struct ml_index_commit how;
    struct ml_index_change change = {.lines = NULL};
    const struct ml_retirement retirement = {.name = in->args[0],
                                             .range = in->args[1],
                                             .reason = option_value(in, "reason", NULL),
                                             .message = option_value(in, "message", NULL),
                                             .undo = option_given(in, "undo")};
    int status = commit_options(in, &how);
    if (status != 0)
        return status;
    int changed = ml_index_retire(&retirement, &how, &change, &in->err);
    if (changed == 0)
        note("nothing to change: %s %s is so already", change.name, in->args[1]);
    if (changed >= 0) {
        json_open(&in->data, '{');
        json_pair(&in->data, "name", change.name);
        json_key(&in->data, "versions");
        json_uint(&in->data, change.versions);
        put_change(in, &change, &how);
        json_close(&in->data, '}');
    }
    ml_index_change_done(&change);
    return changed < 0 ? failed(in) : 0;
}

static const struct command_option options[] = {
    {0, "reason", "WHY", "renamed, deprecated, security, invalid or other"},
    {0, "message", "TEXT", "for people: a line"},
    {0, "undo", NULL, "they may be taken again"},
    OPTIONS_COMMIT,
    {0},
};

const struct command command_retire = {
    .name = "retire",
    .args = "NAME VERSION --reason WHY --message TEXT --index CLONE",
    .summary = "mark versions in an index as no more to be taken",
    .help =
        "VERSION may be a range ('<1.2.1'). It is committed to CLONE, a clone of the index, for "
        "you "
        "to push; no\n"
        "hook is run. When others have updated, a range no more leads to these versions, "
        "'install', "
        "'update', 'load'\n"
        "and 'list' warn of them, and after '--reason security' one of them is only installed with "
        "--allow-retired.\n"
        "What is installed goes on working. Prints the commit.",
    .example =
        "modload retire math '<1.2.1' --reason security --message 'it reads too far' --index "
        "plugins-index",
    .options = options,
    .min_args = 2,
    .max_args = 2,
    .bare = true,
    .run = run,
};
