/* Running a program to its end, with what it says, a limit of time, and an eye on what it leaves
 * running. All of it is for a process with one thread, after run_init(). */
#ifndef LIB_RUN_H
#define LIB_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* How a program ended and what it said. */
struct ended {
    int code;   /* its exit code; -1 when it died of a signal */
    int signal; /* that it died of; 0 */
    bool hung;  /* it did not end in time, and was killed */
    struct buf out, err;
};

#define ENDED_INIT                                                                                 \
    {                                                                                              \
        .code = -1                                                                                 \
    }
#define ENDED_AUTO __attribute__((cleanup(ended_free))) struct ended
void ended_free(struct ended *e);

/* "exited with 74", "died of signal 9", "did not end". */
const char *ended_text(const struct ended *e, char text[64]);

/* Makes this process one that gets the children of its children, and whose output is not theirs. */
void run_init(void);

/* How a program is started. RUN_PLAIN is a usual one: nothing to read, and its output goes into
 * this process's two files. */
struct run_how {
    bool traced;         /* it stops before its execve, and is ours to trace */
    const char *preload; /* a shared object, or null */
    int stdio[3];        /* what it gets instead of the usual; -1 */
    int limit_ms;        /* what runs for longer hangs; 0: the usual, half a minute */
};

#define RUN_PLAIN                                                                                  \
    {                                                                                              \
        .stdio = { -1, -1, -1 }                                                                    \
    }

/* Starts a program. */
pid_t run_start(const char *const *argv, const struct run_how *how);

/* waitpid() for one child with a limit of time (of clock_ms()). False when time is out. */
bool run_wait(pid_t pid, int *status, int64_t deadline_ms);

/* When a usual program that starts now has to be through. */
int64_t run_deadline(void);

/* Reads what the last program said, and how it ended. */
void run_collect(int status, struct ended *ret);

/* Waits for everything that was started and is still there. How many processes had to be killed,
 * since they did not end by themselves. */
int run_settle(void);

/* All of it: 0 when it exited with 0. */
int run(const char *const *argv, struct ended *ret);
int run_as(const char *const *argv, const struct run_how *how, struct ended *ret);

#endif
