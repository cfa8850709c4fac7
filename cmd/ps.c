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

static int show_worker(const struct ml_worker_status *w, void *arg)
{
    struct invocation *in = arg;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(&w->key, uuid);
    if (!w->answers)
        return show_silent(in, uuid);
    buf_fmt(&in->text, "%s  %d  ", uuid, (int)w->pid);
    show_duration(&in->text, w->uptime_ms);
    buf_fmt(&in->text,
            "  calls=%" PRIu64 " errors=%" PRIu64 " crashes=%" PRIu64 " timeouts=%" PRIu64
            "  %" PRIu64 "KiB  %s  %s@%s\n",
            w->calls, w->errors, w->crashes, w->timeouts, w->memory_kib, w->bundle, w->plugin,
            w->version);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"pid", (uint64_t)w->pid}, {"uptime_ms", w->uptime_ms},
        {"calls", w->calls},       {"ok", w->ok},
        {"errors", w->errors},     {"crashes", w->crashes},
        {"timeouts", w->timeouts}, {"cancelled", w->cancelled},
        {"rejected", w->rejected}, {"memory_kib", w->memory_kib},
    };
    json_open(&in->data, '{');
    json_pair(&in->data, "uuid", uuid);
    json_key(&in->data, "answers");
    json_bool(&in->data, true);
    json_pair(&in->data, "plugin", w->plugin);
    json_pair(&in->data, "version", w->version);
    json_pair(&in->data, "bundle", w->bundle);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_key(&in->data, numbers[i].name);
        json_uint(&in->data, numbers[i].value);
    }
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

const struct command command_ps = {
    .name = "ps",
    .args = "",
    .summary = "show the live workers, as they answer",
    .help = "A line per worker: key, process id, uptime, what became of its calls, resident "
            "memory, bundle, plugin.",
    .example = "modload ps",
    .run = run,
};
