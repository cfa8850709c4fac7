/* modload ps: the workers of this registry that live, as they answer. Their order is that of the
 * directory: none. */
#include <inttypes.h>

#include "cmd/command.h"

/* The two largest units: a worker's age matters to the second only while it is young. */
static void show_duration(struct buf *out, uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (s < 60)
        buf_fmt(out, "%" PRIu64 "s", s);
    else if (s < 3600)
        buf_fmt(out, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
    else
        buf_fmt(out, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
}

/* People get the counters that say that something is wrong; JSON has all of them. */
static int show_silent(struct invocation *in, const char *uuid)
{
    buf_fmt(&in->text, "%s  does not answer (starting, or stopped)\n", uuid);
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_key(&in->data, "answers");
    json_bool(&in->data, false);
    json_close(&in->data, '}');
    return 0;
}

/* ---- calls ---- */

static int show_call(const struct ml_running *call, void *arg)
{
    struct invocation *in = arg;
    const char *function = call->function[0] != '\0' ? call->function : "-";
    buf_fmt(&in->text, "  %" PRIu64 "  ", call->number);
    show_duration(&in->text, call->running_ms);
    buf_fmt(&in->text, "  %s  %d%s\n", function, (int)call->client,
            call->session ? "  session" : "");
    json_open(&in->data, '{');
    json_key(&in->data, "call");
    json_uint(&in->data, call->number);
    json_key(&in->data, "running_ms");
    json_uint(&in->data, call->running_ms);
    json_pair(&in->data, "function", call->function);
    json_key(&in->data, "client");
    json_int(&in->data, call->client);
    json_key(&in->data, "session");
    json_bool(&in->data, call->session);
    json_close(&in->data, '}');
    return 0;
}

/* A worker that has gone in between had its calls ended; one that tells nothing of its calls hides
 * no other worker. */
static void show_calls(struct invocation *in, const struct ml_worker_status *w)
{
    struct ml_error why = ML_ERROR_INIT;
    json_key(&in->data, "running");
    json_open(&in->data, '[');
    if (ml_calls(in->ctx, &w->key, show_call, in, &why) < 0 && why.status != ML_NOT_LOADED)
        note("%s", why.message);
    json_close(&in->data, ']');
}

/* ---- workers ---- */

static void show_line(const struct ml_worker_status *w, const char *uuid, struct buf *out)
{
    buf_fmt(out, "%s  %d  ", uuid, (int)w->pid);
    show_duration(out, w->uptime_ms);
    buf_fmt(out,
            "  calls=%" PRIu64 " errors=%" PRIu64 " crashes=%" PRIu64 " timeouts=%" PRIu64
            "  %" PRIu64 "KiB  %s  %s@%s",
            w->calls, w->errors, w->crashes, w->timeouts, w->memory_kib, w->bundle, w->plugin,
            w->version);
    if (w->running > 0)
        buf_fmt(out, "  running=%" PRIu64, w->running);
    if (w->kept)
        buf_str(out, "  restart=on-failure");
    if (w->idle_limit_ms > 0) {
        buf_str(out, "  idle=");
        show_duration(out, w->idle_ms);
        buf_char(out, '/');
        show_duration(out, w->idle_limit_ms);
    }
    buf_char(out, '\n');
}

static void show_numbers(const struct ml_worker_status *w, struct json *data)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"pid", (uint64_t)w->pid},
        {"uptime_ms", w->uptime_ms},
        {"calls", w->calls},
        {"ok", w->ok},
        {"errors", w->errors},
        {"crashes", w->crashes},
        {"timeouts", w->timeouts},
        {"cancelled", w->cancelled},
        {"rejected", w->rejected},
        {"memory_kib", w->memory_kib},
        {"idle_limit_ms", w->idle_limit_ms},
        {"idle_ms", w->idle_ms},
        {"running_calls", w->running},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_key(data, numbers[i].name);
        json_uint(data, numbers[i].value);
    }
}

static int show_worker(const struct ml_worker_status *w, void *arg)
{
    struct invocation *in = arg;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(&w->key, uuid);
    if (!w->answers)
        return show_silent(in, uuid);
    show_line(w, uuid, &in->text);
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_key(&in->data, "answers");
    json_bool(&in->data, true);
    json_pair(&in->data, "plugin", w->plugin);
    json_pair(&in->data, "version", w->version);
    json_pair(&in->data, "bundle", w->bundle);
    show_numbers(w, &in->data);
    json_pair(&in->data, "restart", w->kept ? "on-failure" : "no");
    if (option_given(in, "calls"))
        show_calls(in, w);
    json_close(&in->data, '}');
    return 0;
}

static int run(struct invocation *in)
{
    json_open(&in->data, '{');
    json_key(&in->data, "workers");
    json_open(&in->data, '[');
    if (ml_workers(in->ctx, show_worker, in, &in->err) < 0)
        return failed(in);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    return 0;
}

static const struct command_option options[] = {
    {'c', "calls", NULL, "below each worker, show the calls that it runs"},
    {0},
};

const struct command command_ps = {
    .name = "ps",
    .args = "",
    .summary = "show the live workers, as they answer",
    .help = "A line per worker: key, process id, uptime, what became of its calls, resident "
            "memory, bundle, plugin;\n"
            "how many calls it runs; whether it is started again when it dies; how long it has "
            "been idle, and how long it\n"
            "may be. With --calls a line for each of those calls: its number, which 'modload "
            "cancel' takes; for how long;\n"
            "its function, of a session the last one; the process that called. What runs on in a "
            "worker that a reload has\n"
            "replaced is not shown; a release ends it.",
    .example = "modload ps --calls",
    .options = options,
    .run = run,
};
