/* System calls that no compiler needs (seccomp(2)): the one filter for programs that read what
 * strangers wrote. Refused, with an errno, are
 *
 *   sockets of every kind, and io_uring, which could make them unseen
 *   leaving the process group and the session, so that one signal ends all
 *   namespaces, mounts, tracing and reading other processes, keys, bpf, perf, kernel modules,
 * clocks what Landlock does not cover or did not always: truncate(2) and opening with O_TRUNC for
 * reading, owners, times and extended attributes of files, System V IPC and message queues
 *
 * openat2 and clone3, whose arguments no filter sees, are answered as by a kernel that does not
 * have them. Calls of another architecture end the process. */
#ifndef BASE_SYSCALL_FILTER_H
#define BASE_SYSCALL_FILTER_H

#include <stdbool.h>

/* From here on the filter holds, for this process and all that it starts. Needs no_new_privs.
 * Async-signal-safe. 0; -1 with errno. A kernel without filters is no error: modload needs one that
 * is newer than these, and `doctor` tells of one that has them switched off. */
int syscall_filter_enter(void);

/* Whether the kernel has filters. */
bool syscall_filter_available(void);

#endif
