/* Programs, and functions of this one, run as children: no shell, a process group of their own, a
 * deadline, and an end in words.
 *
 * A child's whole group is killed when the child has ended, when child_kill() is called and when
 * this process dies in whichever way: nothing that the program had started outlives it. Different
 * threads may run children at the same time. */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "modload/error.h"

struct child_spec {
    const char *const
        *argv; /* ends in null; argv[0] is a path, or is looked up in the caller's PATH */
    const char *const *env; /* ends in null; null itself: the caller's own */
    /* Instead of argv: a function of this program, in a copy of it that holds the three descriptors
     * and no other. What it returns is the exit status. In a program of several threads a lock that
     * another one held at that moment stays locked in the copy for ever: give it a deadline. */
    int (*body)(void *arg);
    void *body_arg;
    /* Called in the child when all else is ready, before the program or the function runs: what
     * confines it. Other threads may have held locks, so it makes system calls and nothing else.
     * Null: nothing. 0, or -1 with errno. */
    int (*before)(void *arg);
    void *before_arg;
    int cwd_fd;             /* the directory to start in; -1: the caller's own */
    int stdio[3];           /* -1: /dev/null */
    uint64_t max_file_size; /* no file may grow beyond; 0: no limit */
    int cancel_fd;          /* when it is readable, waiting is given up as if time were out; -1 */
};

#define CHILD_SPEC_INIT                                                                            \
    {                                                                                              \
        .cwd_fd = -1, .stdio = {-1, -1, -1}, .cancel_fd = -1                                       \
    }

struct child {
    pid_t pid; /* 0: none */
    pid_t
        guard; /* kills the group when we die; in the group itself, so its id cannot be another's */
    int pidfd; /* readable when the program has ended */
    int lifeline;  /* closed by our death, which is what the guard waits for */
    int cancel_fd; /* the spec's; not owned */
};

#define CHILD_INIT                                                                                 \
    {                                                                                              \
        0, 0, -1, -1, -1                                                                           \
    }
#define CHILD_AUTO __attribute__((cleanup(child_kill))) struct child

/* How a program ended: `code` when `signal` is 0. */
struct child_end {
    int code, signal;
};

/* Starts a program. 0; -1 and ML_NO_INPUT (no such program), ML_REFUSED (it may not be run),
 * ML_LIMIT (no more processes; "not_confined": what the spec has before it failed). */
int child_start(const struct child_spec *spec, struct child *ret, struct ml_error *err);

/* Waits for the end, then kills what is left of the group and takes the child down. 0; -1 and
 * ML_TIMEOUT when `deadline_ms` (of clock_ms(); negative: none) came first, ML_LIMIT when there is
 * no memory to wait with: the whole group is gone then as well. */
int child_wait(struct child *child, int64_t deadline_ms, struct child_end *ret,
               struct ml_error *err);

/* Kills the group and waits for it. Harmless for a child that has been waited for, and on
 * CHILD_INIT. */
void child_kill(struct child *child);

/* Runs a program to its end, and adds its standard output to `out`. Errors: those of child_start()
 * and child_wait(); ML_LIMIT when there is more than `max` bytes of output; ML_IO. */
int child_capture(const struct child_spec *spec, int64_t deadline_ms, struct buf *out, size_t max,
                  struct child_end *ret, struct ml_error *err);

/* "exited with status 1", "was killed by signal 11 (Segmentation fault)". */
const char *child_end_text(const struct child_end *end, char *text, size_t size);

/* The absolute path of a program: `name` itself when it has a slash, else the first executable file
 * in the absolute directories of PATH. 0, or -1 with errno. */
int child_find_program(const char *name, char *path, size_t size);

#endif
