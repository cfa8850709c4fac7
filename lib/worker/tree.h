/* Ending everything that a call has started, whatever it did to hide. */
#ifndef WORKER_TREE_H
#define WORKER_TREE_H

#include <stddef.h>
#include <sys/types.h>

/* Makes this process the one that orphans among its descendants fall to (PR_SET_CHILD_SUBREAPER),
 * so that a double fork or a setsid leads nowhere. Not inherited by fork. */
void tree_adopt(void);

/* Kills and reaps every descendant of this process but the children in `keep` and theirs. Each is
 * stopped first, so that none can fork away. Returns when they are gone. Single-threaded processes
 * only. */
void tree_end(const pid_t *keep, size_t n_keep);

#endif
