/* modload uninstall: an entry goes, and its worker with it. */
#include "cmd/command.h"

/* The entry first: whoever asks for the worker in between is told that there is no entry, and
 * starts none. What is not there need not be taken out, as in unregister; but a worker may still
 * be. */
static int uninstall_one(struct invocation *in, const char *word)
{
    struct ml_key key;
    char uuid[ML_UUID_SIZE];
    int there = ml_resolve(in->ctx, word, &key, &in->err);
    bool unknown = there < 0 && in->err.status == ML_NO_INPUT;
    if (there == 0)
        there = ml_unregister(in->ctx, &key, &in->err);
    if (there < 0 && !unknown)
        return failed_or_signalled(in);
    if (unknown || there == 0)
        note("nothing is registered as '%s'", word);
    if (!unknown && ml_release(in->ctx, &key, ML_RELEASE_NOW, &in->err) < 0 &&
        in->err.status != ML_NOT_LOADED)
        return failed(in);
    in->err = (struct ml_error)ML_ERROR_INIT;
    if (unknown || there == 0)
        return 0;
    ml_key_to_uuid(&key, uuid);
    json_string(&in->data, uuid);
    return 0;
}

static int run(struct invocation *in)
{
    struct failures failures = {0};
    json_open(&in->data, '{');
    json_key(&in->data, "uninstalled");
    json_open(&in->data, '[');
    ml_ctx_cancel_on(in->ctx, watch_signals(in));
    for (int i = 0; i < in->n_args; i++)
        if (uninstall_one(in, in->args[i]) == 0)
            failures.done++;
        else
            failures_add(&failures, in);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return failures_end(&failures, in);
}

static const struct command_option options[] = {
    OPTION_WAIT,
    {0},
};

const struct command command_uninstall = {
    .name = "uninstall",
    .args = "U...",
    .summary = "take entries out of the registry, and end their workers",
    .help = "Until the next gc an entry can come back: modload rollback U. What was fetched for it "
            "stays in the cache.\nA key that is not registered is fine.",
    .example = "modload uninstall math",
    .options = options,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
