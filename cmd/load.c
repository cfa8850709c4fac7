/* modload load and reload: start workers, one entry after the other. */
#include <string.h>

#include "base/error.h"
#include "cmd/command.h"
#include "cmd/keeper.h"
#include "cmd/warn.h"

static void put_worker(struct invocation *in, const struct ml_key *key, pid_t pid)
{
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_key(&in->data, "pid");
    json_int(&in->data, pid);
}

/* Nothing else is read where nothing is retired: a load has no time to lose. */
static void put_warning(struct invocation *in, const struct ml_key *key)
{
    struct ml_entry entry;
    struct ml_retired why;
    struct ml_retired_list *list = warn_open();
    if (list != NULL && ml_entry_read(in->ctx, key, &entry, NULL) == 0 &&
        warn_entry(in, list, &entry, &why))
        put_retired(&in->data, &why);
    ml_retired_close(list);
}

static int load_one(struct invocation *in, const struct ml_key *key, const struct ml_start *how)
{
    pid_t pid;
    bool keep = strcmp(option_value(in, "restart", "no"), "no") != 0;
    int started = ml_load(in->ctx, key, how, &pid, &in->err);
    if (started < 0 || (keep && start_keeper(in, key, how) < 0))
        return -1;
    put_worker(in, key, pid);
    json_key(&in->data, "started");
    json_bool(&in->data, started);
    put_warning(in, key);
    json_close(&in->data, '}');
    return 0;
}

static int reload_one(struct invocation *in, const struct ml_key *key, const struct ml_start *how)
{
    pid_t pid;
    if (ml_reload(in->ctx, key, how, &pid, &in->err) < 0)
        return -1;
    put_worker(in, key, pid);
    json_close(&in->data, '}');
    return 0;
}

/* The time limit is for each of them. What was done before a failure stays done: to do it again is
 * no error, so the command can simply be given again. */
static int each(struct invocation *in, const char *word, const struct ml_start *how,
                int (*one)(struct invocation *, const struct ml_key *, const struct ml_start *))
{
    struct ml_key key;
    int status = resolve_arg(in, word, &key);
    if (status != 0)
        return status;
    if (one(in, &key, how) == 0)
        return 0;
    ml_error_wrap(&in->err, "cannot %s '%s'", in->command->name, word);
    return failed_or_signalled(in);
}

static int run_with(struct invocation *in,
                    int (*one)(struct invocation *, const struct ml_key *, const struct ml_start *))
{
    struct ml_start how = {.cancel_fd = watch_signals(in)};
    if (option_duration(in, "timeout", DEFAULT_TIMEOUT_MS, &how.timeout_ms) < 0 ||
        option_duration(in, "idle", 0, &how.idle_ms) < 0)
        return ML_USAGE;
    struct failures failures = {0};
    json_open(&in->data, '{');
    json_key(&in->data, "workers");
    json_open(&in->data, '[');
    for (int i = 0; i < in->n_args; i++)
        if (each(in, in->args[i], &how, one) == 0)
            failures.done++;
        else
            failures_add(&failures, in);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return failures_end(&failures, in);
}

static int run_load(struct invocation *in)
{
    const char *restart = option_value(in, "restart", "no");
    if (strcmp(restart, "no") != 0 && strcmp(restart, "on-failure") != 0)
        return usage_error(in, "load: --restart is 'no' or 'on-failure', not '%s'", restart);
    return run_with(in, load_one);
}

static int run_reload(struct invocation *in)
{
    return run_with(in, reload_one);
}

static const struct command_option load_options[] = {
    OPTION_TIMEOUT,
    {0, "idle", "DUR", "leave after so long without a call: 10m; 0: never (default)"},
    {0, "restart", "WHEN", "start it again: on-failure, when it has died; no (default)"},
    {0},
};
static const struct command_option reload_options[] = {OPTION_TIMEOUT, {0}};

const struct command command_load = {
    .name = "load",
    .args = "U...",
    .summary = "start the worker of an entry, if it has none",
    .help =
        "Any number of loads at once give one worker. It returns when the plugin is mapped and "
        "its constructors\n"
        "have run, within the time limit. What is loaded already stays as it is, and is told "
        "that somebody is\n"
        "about to use it: with --idle its time begins anew. Who calls a worker in the moment "
        "in which it leaves\n"
        "gets 'not loaded' (69); 'modload run' loads it again. With --restart on-failure a "
        "process stays that starts\n"
        "the worker again when it has died, also one that is loaded already: after 100 ms, then "
        "after twice as\n"
        "long each time, up to 10 s, and at most 5 times a minute. It ends with the release.",
    .example = "modload load math",
    .options = load_options,
    .min_args = 1,
    .max_args = -1,
    .run = run_load,
};

const struct command command_reload = {
    .name = "reload",
    .args = "U...",
    .summary = "put a new worker in the place of an entry's",
    .help =
        "On what the entry points at now, with counters at 0; of an entry without a worker this "
        "is load. The new\n"
        "worker is brought up beside the old one and then takes its place: no call is refused, "
        "those that have\n"
        "begun end on the old one, those that come when reload has returned run on the new one. "
        "If the new one\n"
        "cannot be brought up, nothing has changed.",
    .example = "modload reload math",
    .options = reload_options,
    .min_args = 1,
    .max_args = -1,
    .run = run_reload,
};
