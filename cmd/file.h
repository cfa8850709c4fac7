/* Files that commands make. */
#ifndef CMD_FILE_H
#define CMD_FILE_H

#include <sys/types.h>

#include "cmd/command.h"

/* Writes all of a file's content to `fd`; `label` is what messages call it. 0, or the exit status.
 */
typedef int file_writer(struct invocation *in, int fd, const char *label, void *arg);

/* Makes a file, or replaces it, by what `write` writes: whole, on the disk and under its name when
 * this returns 0, or not at all; a new file has the rights `mode`, less the umask. "-" is standard
 * output, unless that is a terminal or has JSON to carry (usage); what is no plain file, and a
 * link, is written into. 0, or the exit status. */
int file_write(struct invocation *in, const char *file, mode_t mode, file_writer *write, void *arg);

#endif
