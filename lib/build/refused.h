/* Why a compiler failed, where it was kept from a file. */
#ifndef BUILD_REFUSED_H
#define BUILD_REFUSED_H

#include "build/plan.h"

/* Looks through what a compiler said for a file that is there and that it may not read (the box,
 * base/cc-box.h): whatever the language, its words name the file. `dir` is where the source lies,
 * with a slash, or "". True when there is one: then `err` says so: ML_REFUSED, "outside_source",
 * and `what` was not done. */
bool refused_tell(struct build *b, const char *said, const char *dir, const char *what,
                  struct ml_error *err);

#endif
