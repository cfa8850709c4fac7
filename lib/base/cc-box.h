/* The box that compilers run in, with all that they start. Sources are other people's, and
 * compilers are large: what one of them can be talked into has to end here.
 *
 * - No network: no socket of any kind (seccomp), TCP a second time (Landlock).
 * - To run and read: /usr, /lib*, /bin, /sbin and the stores of Nix and Guix, which hold compilers,
 *   headers and libraries of the system; what the loader wants in /etc; the directories that the
 *   words of $CC lie in, found by PATH and through links, and the prefix of such a directory where
 *   it is a "bin": toolchains are in /opt, or anywhere else.
 * - To read: what cc_box_read() names, the sources and -I; the directories in CPATH,
 *   C_INCLUDE_PATH and LIBRARY_PATH, which are the caller's own words.
 * - To read and write: the build's own directory, where TMPDIR is; /dev/null; the paths in
 *   MODLOAD_BUILD_DIRS, for those whose compiler needs more (a ccache's cache).
 * - Not the home: a directory that holds it, or /tmp and its like, is never granted as a whole, but
 *   only the plain files in it, without those that begin with a dot.
 * - Nothing to wait for: directories with a FIFO or a device somewhere in them are granted file by
 *   file.
 * - Limits: 4 GiB of addresses, 256 MiB a file, no core, and so many processes as there are and 512
 *   more. Processor time is left to the deadline: linkers have many threads.
 * - One group: no setsid and setpgid, so that one signal ends all of them.
 *
 * Nothing can be gained by set-user-ID programs. Modes are all that a process in the box can change
 * outside of its directories (ld sets them, and seccomp sees no paths). That a file exists can be
 * found out (stat), what is in it cannot.
 *
 * A kernel without Landlock confines no files: the rest holds. `doctor` says so. */
#ifndef BASE_CC_BOX_H
#define BASE_CC_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "modload/error.h"

struct cc_box {
    int ruleset;        /* -1: this kernel has no Landlock */
    uint64_t processes; /* how many there may be of this user's */
};

#define CC_BOX_INIT                                                                                \
    {                                                                                              \
        -1, 0                                                                                      \
    }

/* Prepares a box for $CC (base/cc.h). `work` is the directory to write to. 0; -1 and ML_LIMIT,
 * ML_IO. */
int cc_box_open(struct cc_box *box, const char *work, struct ml_error *err);

/* Gives back the descriptor. Harmless on CC_BOX_INIT, and twice. */
void cc_box_close(struct cc_box *box);

/* Lets a file, or a directory with all that is in it, be read. What is not there is nothing to be
 * granted. 0; -1 and ML_LIMIT, ML_IO. */
int cc_box_read(struct cc_box *box, const char *path, struct ml_error *err);

/* A child_spec's `before`: the calling process is in the box from here on. `box` is a struct
 * cc_box. */
int cc_box_enter(void *box);

/* Whether this process may read a file and one in the box may not. */
bool cc_box_refuses(struct cc_box *box, int dirfd, const char *path);

#endif
