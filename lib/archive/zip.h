/* The skeleton of a zip, checked before anything is taken out of it. */
#ifndef ARCHIVE_ZIP_H
#define ARCHIVE_ZIP_H

#include <stdint.h>

#include "modload/error.h"

/* A zip says everything twice, in front of each file and in a directory at its end, and programs
 * differ in what they believe. This one has to be the same by both: the directory ends the file (a
 * comment may follow), each entry begins where the one before ends, the first at byte 0, and its
 * two headers agree. `size` is the file's. The number of its entries; -1 and ML_REFUSED for what is
 * hidden, encrypted, no plain file or has a backslash or NUL in its name, ML_DATA for what is
 * damaged or of a kind that is not read, ML_LIMIT, ML_IO. */
int zip_check(int fd, uint64_t size, struct ml_error *err);

#endif
