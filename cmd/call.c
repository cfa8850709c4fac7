/* What exec and run share: the call itself, and how its result is shown. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/number.h"
#include "base/scope.h"
#include "cmd/command.h"

/* A signal that was ignored when we came (nohup, a background job) stays ignored. It is blocked,
 * and read as an event, so that Ctrl-C first ends what runs in the worker's processes and then us.
 * The block is inherited by what we start, which is why starters reset it (lib/client/start.c). */
int watch_signals(struct invocation *in)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;
    if (in->signals >= 0)
        return in->signals;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&set, signals[i]);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        in->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return in->signals;
}

/* The library knows only that its cancel_fd became readable; which signal that was is read here, so
 * that a shell sees 143 for SIGTERM as it would of any program. */
int failed_or_signalled(struct invocation *in)
{
    struct signalfd_siginfo info;
    if (in->err.status == ML_SIGNAL + SIGINT && in->signals >= 0 &&
        read(in->signals, &info, sizeof info) == (ssize_t)sizeof info)
        in->err.status = ML_SIGNAL + (int)info.ssi_signo;
    return failed(in);
}

/* Floats as floats: 0.1f is "0.1", not the 17 digits of the double next to it. Text and JSON have
 * the same digits, so that either can be compared with the other. */
static void show_number(struct invocation *in, const struct ml_value *value)
{
    char text[NUMBER_TEXT_SIZE];
    if (value->type == ML_VALUE_FLOAT)
        number_format_float(value->real32, text);
    else
        number_format_double(value->real, text);
    buf_str(&in->text, text);
    json_number(&in->data, text);
}

/* Raw on stdout, NUL and all. In JSON what is not UTF-8 becomes base64 instead of something
 * else. */
static void show_data(struct invocation *in, const struct ml_value *value)
{
    buf_add(&in->text, value->data, value->size);
    if (!in->want_json)
        return;
    if (value->type == ML_VALUE_BYTES)
        json_bytes(&in->data, value->data, value->size);
    else
        json_text(&in->data, value->data, value->size);
}

/* A line behind every result but bytes, whose end is the caller's own: a picture must arrive as it
 * is. */
static void show_value(struct invocation *in, const struct ml_value *value)
{
    switch (value->type) {
    case ML_VALUE_NONE:
        return; /* a function that returns nothing has no line either */
    case ML_VALUE_NULL:
        buf_str(&in->text, "null");
        break;
    case ML_VALUE_BOOL:
        buf_str(&in->text, value->boolean ? "true" : "false");
        json_bool(&in->data, value->boolean);
        break;
    case ML_VALUE_INT:
        buf_fmt(&in->text, "%lld", (long long)value->integer);
        json_int(&in->data, value->integer);
        break;
    case ML_VALUE_UINT:
        buf_fmt(&in->text, "%llu", (unsigned long long)value->uinteger);
        json_uint(&in->data, value->uinteger);
        break;
    case ML_VALUE_FLOAT:
    case ML_VALUE_DOUBLE:
        show_number(in, value);
        break;
    case ML_VALUE_STRING:
    case ML_VALUE_BYTES:
        show_data(in, value);
        break;
    }
    if (value->type != ML_VALUE_BYTES)
        buf_char(&in->text, '\n');
}

int call_and_answer(struct invocation *in, const struct ml_key *key, char **words, int n,
                    int64_t timeout_ms)
{
    struct ml_value value = {0};
    struct ml_call call = {
        .function = words[0],
        .args = (const char *const *)(words + 1),
        .n_args = (size_t)n - 1,
        .timeout_ms = timeout_ms,
        /* With --json the answer is one object: what the function prints would spoil it. */
        .stdio = {STDIN_FILENO, in->want_json ? STDERR_FILENO : STDOUT_FILENO, STDERR_FILENO},
        .cancel_fd = watch_signals(in),
    };
    if (ml_exec(in->ctx, key, &call, &value, &in->err) < 0)
        return failed_or_signalled(in);
    show_value(in, &value);
    ml_value_done(&value);
    return 0;
}
