/* What the kernel says of a process, in /proc/PID/stat. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <sys/types.h>

struct proc_stat {
    char state; /* of its first thread: 'R', 'S', 'T' for one that was stopped ... (proc(5)) */
    pid_t parent;
};

/* False when there is no such process, or /proc does not say. By the time that it is looked at it
 * may be outdated, and the number another's. */
bool proc_stat_read(pid_t pid, struct proc_stat *ret);

/* Whether it was stopped, by a signal or a tracer: 'T' or 't'. */
bool proc_is_stopped(pid_t pid);

#endif
