/* manifest.json: what a filed bundle says about itself. */
#ifndef BUILD_INFO_H
#define BUILD_INFO_H

#include "base/buf.h"
#include "modload/build.h"

enum { INFO_SIZE_MAX = 256 << 20 };

/* Reads the text of a manifest.json. 0 and `*ret`, which the caller frees; -1 and ML_REFUSED (it is
 * damaged), ML_LIMIT. */
int info_parse(const char *bundle, const struct buf *text, struct ml_bundle_info **ret,
               struct ml_error *err);

#endif
