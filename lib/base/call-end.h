/* How calls end: the one list of it, which the README's table shows, and the one function that
 * tells from what was seen of a call which of them it is. */
#ifndef BASE_CALL_END_H
#define BASE_CALL_END_H

#include <signal.h>
#include <stdbool.h>

#include "base/error.h"

enum call_end {
    CALL_OK,           /* it returned */
    CALL_FAILED,       /* it said so, with ml_fail */
    CALL_EXITED,       /* it ended its process */
    CALL_BAD_REPORT,   /* it left an outcome that is none */
    CALL_CRASHED,      /* it died of a signal that modload did not send */
    CALL_OVER_LIMIT,   /* it wanted more than it may have, and was ended for that; or its result is
                          larger than may be passed on */
    CALL_LATE,         /* it was ended when its time was over */
    CALL_UNDEFINED,    /* not entered: there is no such function */
    CALL_BAD_ARGUMENT, /* not entered: the arguments do not fit */
    CALL_NOT_LOADED,   /* never begun: there is no worker */
    CALL_WORKER_GONE,  /* begun, and then the worker, or the supervisor, was no more */
    CALL_CANCELLED,    /* ended since its caller, or somebody else, wanted it ended */
    N_CALL_ENDS
};

/* What a call that has ended is made known by. */
struct call_class {
    const char *outcome; /* of struct ml_error; of CALL_OK "" */
    const char *code;    /* the word for programs, where the failure has none of its own */
    int status;          /* enum ml_status: modload's exit code; of a crash the signal is added */
    bool its_own;        /* the call itself may say that it ended so. That it was late, died or
                            never began, others know: clients act upon it */
};

extern const struct call_class call_classes[N_CALL_ENDS];

/* Why a call was ended from outside. */
enum ending { ENDED_ITSELF, ENDED_TIMEOUT, ENDED_CANCELLED, ENDED_RELEASED, ENDED_LIMIT };

/* What was seen of a call that is over. */
struct call_facts {
    enum ending ending;
    bool never_began;              /* nobody has taken it */
    const struct ml_error *report; /* ENDED_ITSELF: what it left, with status 0 for a result; null
                                      where it left nothing, or nothing that holds */
    const siginfo_t *end;          /* ENDED_ITSELF without a report: as waitid(2) tells it; all 0
                                      where it had not ended when it was killed */
};

/* How a call ended. What ended it from outside goes before what it says of itself, and before the
 * signal that it died of: a timeout is one whatever ended it then. A report of what is not its to
 * say is none. Any thread; async-signal-safe. */
enum call_end call_classify(const struct call_facts *facts);

/* Which of them an error is, as its sender says: of those with the same outcome and status the
 * first one, for words may be a plugin's. N_CALL_ENDS: none of a call. Any thread;
 * async-signal-safe. */
enum call_end call_end_of(const struct ml_error *err);

/* As ml_error_set(), with the status, outcome and code of a class. Of a crash, `signal` is added to
 * the status; otherwise it is 0. Returns -1. */
int call_error_set(struct ml_error *err, enum call_end end, int signal, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
