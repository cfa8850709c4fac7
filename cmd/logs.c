/* modload logs: what a worker wrote, and what became of it. */
#include "base/error.h"
#include "cmd/command.h"

/* A record as text: one line, whatever a plugin put into it. */
static void put_line(struct buf *text, const struct ml_log_record *record)
{
    if (record->time[0] != '\0')
        buf_fmt(text, "%s %s ", record->time, record->kind);
    for (size_t i = 0; i < record->size; i++) {
        unsigned char c = (unsigned char)record->text[i];
        if (c < 0x20 || c == 0x7f)
            buf_fmt(text, "\\x%02x", c);
        else
            buf_char(text, (char)c);
    }
    buf_char(text, '\n');
}

static void put_object(struct json *json, const struct ml_log_record *record)
{
    json_open(json, '{');
    json_pair(json, "time", record->time);
    json_pair(json, "kind", record->kind);
    json_key(json, "text");
    json_text(json, record->text, record->size);
    json_close(json, '}');
}

static int show(const struct ml_log_record *record, void *arg)
{
    struct invocation *in = arg;
    put_line(&in->text, record);
    put_object(&in->data, record);
    return answer_stream(in);
}

/* As they come: a line each, which with --json is an object of its own. */
static int show_now(const struct ml_log_record *record, void *arg)
{
    struct invocation *in = arg;
    JSON_AUTO json = {0};
    if (!in->want_json)
        put_line(&in->text, record);
    else {
        put_object(&json, record);
        buf_add(&in->text, json.out.data, json.out.len);
        buf_char(&in->text, '\n');
    }
    return answer_now(in);
}

static int follow(struct invocation *in, const struct ml_key *key)
{
    int status = ml_logs(in->ctx, key, true, watch_signals(in), show_now, in, &in->err);
    in->want_json = in->want_json && !in->streamed; /* the lines are all the answer there is */
    return status < 0 ? failed_or_signalled(in) : 0;
}

static int run(struct invocation *in)
{
    struct ml_key key;
    int status = resolve_arg(in, in->args[0], &key);
    if (status != 0)
        return status;
    if (option_given(in, "follow"))
        return follow(in, &key);
    json_open(&in->data, '{');
    json_key(&in->data, "records");
    json_open(&in->data, '[');
    status = ml_logs(in->ctx, &key, false, -1, show, in, &in->err);
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    if (status < 0 && !in->streamed)
        json_free(&in->data);
    return status < 0 ? failed(in) : 0;
}

static const struct command_option options[] = {
    {'f', "follow", NULL, "go on with what comes, until the worker has ended"},
    {0},
};

const struct command command_logs = {
    .name = "logs",
    .args = "U",
    .summary = "show what an entry's worker wrote, and what became of it",
    .help = "A line each: time, kind, text. Kinds: start; out, a line that the plugin's "
            "constructors or threads wrote to\n"
            "stdout or stderr; call, one that crashed, hung or vanished; end; fail, a start that "
            "failed. What calls\n"
            "write goes to their callers, not here. Control characters show as \\x1b; with --json "
            "they are as they\n"
            "were, and with -f each line is an object. At most the last 512 KiB are kept. The log "
            "survives the\n"
            "worker's death and its leaving by itself, and the next load goes on with it; release "
            "takes it away.\n"
            "Exit 69 when there is none.",
    .example = "modload logs -f math",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
