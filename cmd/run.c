/* modload run: load if needed, call, and with --release end it. The part that needs a key, which
 * the front has; a source is built first, by the core (run_source.c). */
#include <string.h>
#include <sys/stat.h>

#include "cmd/command.h"

/* Something with a slash, or with the ending of a source or an archive, is a path; a plain word is
 * a key or a name. */
static bool is_source(const char *word)
{
    static const char *const endings[] = {".c",  ".h",   ".so",  ".tar",  ".gz",  ".tgz",
                                          ".xz", ".txz", ".zst", ".tzst", ".zip", ".pack"};
    const char *dot = strrchr(word, '.');
    if (strchr(word, '/') != NULL)
        return true;
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return false;
}

/* A failing release must not hide what became of the call: it is only told. Draining, so that calls
 * of others in the same worker end well; that there is none any more is fine. */
static void release(struct invocation *in, const struct ml_key *key)
{
    struct ml_error err = ML_ERROR_INIT;
    if (ml_release(in->ctx, key, ML_RELEASE_DRAIN, &err) < 0 && err.status != ML_NOT_LOADED)
        note("cannot release '%s': %s", in->args[0], err.message);
}

/* Between our load and our call another `run --release` may have ended the worker: then our call
 * never began, and it is safe to load and call again. TRIES is for a script that runs many of them
 * at once on one entry: each turn means that another one got its call through, so it ends; the
 * number only keeps it from going on for ever. A worker that could not be loaded was not called: it
 * may be there all the same, of an entry that was taken out, and is not ours to end. */
static int load_and_call(struct invocation *in, const struct ml_key *key,
                         const struct call_options *options, bool *called)
{
    enum { TRIES = 100 };
    const struct ml_start how = {.timeout_ms = options->timeout_ms, .cancel_fd = watch_signals(in)};
    int status = ML_NOT_LOADED;
    for (int i = 0; i < TRIES && status == ML_NOT_LOADED; i++) {
        in->err = (struct ml_error)ML_ERROR_INIT;
        if (ml_load(in->ctx, key, &how, NULL, &in->err) < 0)
            return failed_or_signalled(in);
        *called = true;
        status = call_and_answer(in, key, in->args + 1, in->n_args - 1, options);
        if (strcmp(in->err.code, "not_loaded") != 0)
            return status;
    }
    return status;
}

static int run(struct invocation *in)
{
    struct ml_key key;
    struct call_options options;
    bool called = false;
    if (option_call(in, &options) < 0)
        return ML_USAGE;
    if (is_source(in->args[0]))
        return run_source(in);
    int status = resolve_arg(in, in->args[0], &key);
    if (status != 0)
        return status;
    status = load_and_call(in, &key, &options, &called);
    if (called && option_given(in, "release"))
        release(in, &key);
    return status;
}

static const struct command_option option_rows[] = {
    OPTION_TIMEOUT,
    OPTIONS_LIMITS,
    OPTION_WAIT,
    {'r', "release", NULL, "end the worker afterwards, whoever had started it"},
    {0},
};

const struct command command_run = {
    .name = "run",
    .args = "U|SOURCE F [ARG...]",
    .summary = "load an entry if needed, and call a function of it",
    .help =
        "With a source file, directory, archive or pack (anything with a slash, or ending in .c, "
        ".h, .so, .tar,\n"
        ".gz, .tgz, .xz, .txz, .zst, .tzst, .zip or .pack) it is built and registered under a key "
        "of its own first,\n"
        "which stays the same for the same path.\n"
        "The worker stays unless --release is given. Everything behind F belongs to the call.",
    .example = "modload run --release ./math.c add 2 3",
    .options = option_rows,
    .min_args = 2,
    .max_args = -1,
    .call_args = 2,
    .run = run,
};
