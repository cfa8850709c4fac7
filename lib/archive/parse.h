/* The part that reads an archive and makes files of it. archive_unpack() runs it in a process of
 * its own; this is for tests, and for those who feed it with bytes. */
#ifndef ARCHIVE_PARSE_H
#define ARCHIVE_PARSE_H

#include "archive/unpack.h"

/* As archive_unpack(), in this process, without its limits on memory and time; the messages do not
 * say which archive it is. What was made before a failure is left there. Nothing else is left: no
 * memory, no descriptor, no locale. */
int archive_parse(int fd, int dirfd, const struct archive_limits *limits, struct ml_error *err);

/* As archive_begins_with(), in this process. */
int archive_parse_first(int fd, const char *path, struct ml_error *err);

#endif
