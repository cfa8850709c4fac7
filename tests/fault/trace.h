/* Runs a program under ptrace(2), and lets a harness decide at each of its system calls. What it
 * executes is followed as the same process; what it forks is not traced. Calls count from where the
 * program's main() begins: before that it is the loader's and libc's business. */
#ifndef FAULT_TRACE_H
#define FAULT_TRACE_H

#include "calls.h"
#include "run.h"

enum trace_act {
    TRACE_GO,        /* let it be */
    TRACE_KILL,      /* SIGKILL before the call is made */
    TRACE_FAIL,      /* it is not made, and fails with `error` */
    TRACE_FAIL_ONCE, /* the same, and this process is not looked at any more */
    TRACE_CUT_ONCE,  /* it gets half of its count, at least 1, and is not looked at any more */
};

struct tracer {
    /* Before a call that is in the table of calls.c; `error` is to be set for a failure. */
    enum trace_act (*enter)(const struct call *call, int *error, void *arg);
    /* After it, when it was made: may be null. */
    void (*leave)(const struct call *call, void *arg);
    void *arg;
};

/* Whether this machine lets a process trace its children. */
bool trace_possible(void);

/* True when it ran to an end of its own, false when it was killed by the harness; `ret` says how it
 * ended. What it left running is waited for; `*left` is how many processes had to be killed. */
bool trace_run(const char *const *argv, const struct tracer *tracer, struct ended *ret, int *left);

#endif
