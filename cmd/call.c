/* What exec and run share: the call itself. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/scope.h"
#include "cmd/command.h"
#include "cmd/crash.h"

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

int call_and_answer(struct invocation *in, const struct ml_key *key, char **words, int n,
                    const struct call_options *options)
{
    struct ml_value value = {0};
    struct ml_crash crash;
    struct ml_call call = {
        .function = words[0],
        .args = (const char *const *)(words + 1),
        .n_args = (size_t)n - 1,
        .timeout_ms = options->timeout_ms,
        .timeout_default = options->timeout_default,
        .last = options->last,
        .limits = options->limits,
        /* With --json the answer is one object: what the function prints would spoil it. */
        .stdio = {STDIN_FILENO, in->want_json ? STDERR_FILENO : STDOUT_FILENO, STDERR_FILENO},
        .cancel_fd = watch_signals(in),
        .crash = &crash,
    };
    if (ml_exec(in->ctx, key, &call, &value, &in->err) < 0) {
        crash_tell(in, &crash, true, &in->crash);
        ml_crash_done(&crash);
        return failed_or_signalled(in);
    }
    value_text(&in->text, &value);
    if (in->want_json)
        value_json(&in->data, &value);
    ml_value_done(&value);
    return 0;
}
