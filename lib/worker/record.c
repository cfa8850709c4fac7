/* The worker's log: what it and its plugin write, which comes through a pipe, and what supervisors
 * say of calls, which comes through the lifeline. Neither ever waits for us. */
#include "worker/record.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "worker/state.h"

enum {
    PART_MS = 200,  /* how long the beginning of a line waits for its end */
    CALLS_MAX = 64, /* taken in at once: who crashes in a loop must not keep us from the rest */
};

void record_call(int lifeline, const char *function, const struct ml_error *how)
{
    char text[LOG_TEXT_MAX];
    if (how->status != ML_TIMEOUT && how->status <= ML_SIGNAL && strcmp(how->code, "exited") != 0 &&
        strncmp(how->code, "limit_", 6) != 0)
        return;
    int n = snprintf(text, sizeof text, "%.64s: %s: %s", function, how->outcome, how->message);
    send(lifeline, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1,
         MSG_DONTWAIT | MSG_NOSIGNAL);
}

void record_take_calls(struct worker *w)
{
    char text[LOG_TEXT_MAX];
    ssize_t n;
    for (int i = 0; i < CALLS_MAX; i++)
        if ((n = recv(w->lifeline[1], text, sizeof text, MSG_DONTWAIT)) > 0)
            log_put(&w->log, "call", text, (size_t)n);
        else
            return;
}

void record_take_output(struct worker *w)
{
    log_drain(&w->log, &w->output, w->setup->output);
    w->part_until = w->output.n > 0 ? clock_ms() + PART_MS : -1;
}

void record_go_on(struct worker *w)
{
    if (w->part_until < 0 || clock_ms() < w->part_until)
        return;
    log_stream_end(&w->log, &w->output);
    w->part_until = -1;
}

void record_end(struct worker *w)
{
    record_take_output(w);
    log_stream_end(&w->log, &w->output);
    if (!w->replaced)
        record_take_calls(w);
    log_fmt(&w->log, "end", "pid %d: %s", (int)getpid(), w->why);
}
