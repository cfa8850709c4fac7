/* modload search: plugins in the indexes that are followed. */
#include "cmd/command.h"
#include "modload/index.h"

static int show_match(const struct ml_index_match *match, void *arg)
{
    struct invocation *in = arg;
    if (!in->want_json) {
        buf_fmt(&in->text, "%s  %s  %s  %s\n", match->name, match->version, match->index,
                match->description);
        return answer_stream(in);
    }
    json_open(&in->data, '{');
    json_pair(&in->data, "name", match->name);
    json_pair(&in->data, "version", match->version);
    json_pair(&in->data, "index", match->index);
    json_pair(&in->data, "description", match->description);
    json_close(&in->data, '}');
    return answer_stream(in);
}

static int run(struct invocation *in)
{
    json_open(&in->data, '{');
    json_key(&in->data, "plugins");
    json_open(&in->data, '[');
    int64_t found = ml_index_search(in->args[0], show_match, in, &in->err);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    if (found < 0 && !in->streamed)
        json_free(&in->data);
    return found < 0 ? failed(in) : found == 0 ? ML_FAILED : 0;
}

const struct command command_search = {
    .name = "search",
    .args = "WORD",
    .summary = "look for plugins in the indexes that are followed",
    .help =
        "A line for each plugin that has the word in its name or description, in any case: name, "
        "newest version\n"
        "that is not retired ('-': all are), index, description. The one of this name comes first, "
        "then names that\n"
        "begin with it, names that have it, descriptions. Exits with 1 when there is none, as grep "
        "does. It goes\n"
        "through the local copies: 'modload index update' brings them up to date.",
    .example = "modload search json",
    .min_args = 1,
    .max_args = 1,
    .bare = true,
    .run = run,
};
