/* The process that reads an archive gives up what it does not need. */
#ifndef ARCHIVE_CONFINE_H
#define ARCHIVE_CONFINE_H

#include "archive/unpack.h"

/* From here on this process can make files and directories beneath `dirfd` (-1: none), read what it
 * has open, and no more: limits on memory, time, file size, descriptors and processes; no new
 * privileges; and, where the kernel has Landlock, no other file and no TCP. For good. 0; -1 and
 * ML_LIMIT. */
int archive_confine(int dirfd, const struct archive_limits *limits, struct ml_error *err);

#endif
