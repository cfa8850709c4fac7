/* The sources of a bundle, laid out as they lay to each other when it was built. */
#ifndef BUILD_LAYOUT_H
#define BUILD_LAYOUT_H

#include "build/check.h"

/* Plans a build from what the bundle of `c` holds; the work directory is there. `request` gets the
 * directories of -I and, where there is one, the text. `b->cwd_fd` is opened, and is the caller's
 * to close. 0; -1 and ML_REFUSED (a file has changed since it was checked), ML_CONFIG, ML_LIMIT,
 * ML_IO.
 */
int layout_make(const struct check *c, struct build *b, struct ml_build_request *request,
                struct ml_error *err);

#endif
