/* Landlock (landlock(7)): a process gives up, for itself and for all that it starts, whatever it is
 * not given back beneath some path. Calls are made by their numbers, and the rights are those that
 * the kernel knows: the headers that we are built with may be older than it.
 *
 * What no version of it covers: stat, access, chdir, chmod, chown, extended attributes and times.
 */
#ifndef BASE_LANDLOCK_H
#define BASE_LANDLOCK_H

#include <stdint.h>

/* Sets of rights (linux/landlock.h: LANDLOCK_ACCESS_FS_*). */
#define LANDLOCK_READ    0xcULL /* files and the names in directories */
#define LANDLOCK_EXECUTE 0x1ULL
#define LANDLOCK_WRITE   0x2ULL
/* Making and removing plain files and directories, and moving them about; no links, no devices. */
#define LANDLOCK_CHANGE (0x2ULL | 0x10 | 0x20 | 0x80 | 0x100 | 0x2000 | 0x4000)
#define LANDLOCK_MAKE   (0x2ULL | 0x80 | 0x100) /* the making of them, and no more */

/* The version of the kernel's Landlock; -1 with errno: ENOSYS it has none, EOPNOTSUPP it is
 * switched off. */
long landlock_abi(void);

/* A set of rules that takes all rights away that this kernel knows: on files, and on TCP (version
 * 4), abstract sockets and signals to others (version 6). A descriptor; -1 with errno. */
int landlock_open(void);

/* The same, and TCP is left as it is: for who has to reach a server. */
int landlock_open_tcp(void);

/* Gives rights back on what `fd` (O_PATH will do) is, and beneath it. Rights that the kernel does
 * not know, or that a plain file cannot have, are left out. 0, or -1 with errno. */
int landlock_allow(int ruleset, int fd, uint64_t rights);

/* From here on the rules hold. Needs no_new_privs. Async-signal-safe. 0; -1 with errno, E2BIG when
 * 16 sets hold already. */
int landlock_enter(int ruleset);

#endif
