/* What the plugin is called. */
#ifndef BUILD_IDENTITY_H
#define BUILD_IDENTITY_H

#include "build/plan.h"

/* Sets name and version: of the request, else the manifest or ML_PLUGIN (which must not disagree),
 * else the file's. 0; -1 and ML_CONFIG, ML_DATA. */
int identity_find(struct build *b, struct ml_error *err);

#endif
