/* What there is to see from outside: processes, descriptors, memory, files. */
#ifndef ZOO_LOOK_H
#define ZOO_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

enum { FAMILY_MAX = 4096 };

/* A process and its descendants, parents first. */
struct family {
    struct relative {
        pid_t pid, parent, session;
        char state; /* of proc(5): R, S, D, T, t, Z, X */
    } member[FAMILY_MAX];
    int n; /* 0: there is no such process, or it is dead */
};
void look_family(pid_t pid, struct family *ret);

/* A process and its children alone, which takes much less time. */
void look_children(pid_t pid, struct family *ret);

const struct relative *family_find(const struct family *family, pid_t pid);

/* Kills it, by a pidfd, if it is still there and the child of whom it was the child of: the number
 * may be another's by now. False when it was not, or was dead already. */
bool relative_kill(const struct relative *r);

/* "12 S modload-worker 7c.., 13 T ..": for people. */
void family_tell(const struct family *family, struct buf *ret);

/* Kills and takes in all descendants of this process but the children in `keep` and theirs. How
 * many were alive. */
int look_end(const pid_t *keep, int n_keep);

/* How many descriptors it has open; -1 when it is gone. */
int look_descriptors(pid_t pid);

/* What of it is in memory, in KiB, and in no file: private and its own. */
long look_memory_kib(pid_t pid);

/* A number for the names, kinds and modes of all that is beneath a directory, and what links lead
 * to, in whatever order. */
uint64_t look_files(const char *path);

#endif
