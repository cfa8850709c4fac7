/* Ending everything that a call has started, whatever it did to hide. */
#ifndef WORKER_TREE_H
#define WORKER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Makes this process the one that orphans among its descendants fall to (PR_SET_CHILD_SUBREAPER),
 * so that a double fork or a setsid leads nowhere. Not inherited by fork. */
void tree_adopt(void);

/* Kills and reaps every descendant of this process but the children in `keep` and theirs. Each is
 * stopped first, so that none can fork away. Returns when they are gone. Single-threaded processes
 * only. */
void tree_end(const pid_t *keep, size_t n_keep);

/* For asking quickly whether a child, and this process, have other descendants. Descriptors of
 * /proc, opened while there is time; -1 where it cannot be asked. */
struct tree_watch {
    int threads, children, own;
};
void tree_watch(struct tree_watch *watch, pid_t child);

/* True: the child, which was sent SIGKILL before, has one thread and no children, and is our only
 * one. Then nobody is left, and nobody can come: a process with a fatal signal pending does not
 * fork any more (kernel/fork.c: copy_process). False: it is not so, or not known. */
bool tree_alone(const struct tree_watch *watch, pid_t child);

#endif
