/* Which functions a plugin has: from its objects, its manifest and the comments in its sources. */
#ifndef BUILD_FUNCTIONS_H
#define BUILD_FUNCTIONS_H

#include "build/plan.h"

/* Fills in b->functions, sorted, with signatures and docs. 0; -1 and ML_DATA (no function can be
 * called), ML_CONFIG (a prototype in the manifest is of no use), ML_TIMEOUT, ML_LIMIT. */
int functions_find(struct build *b, struct ml_error *err);

#endif
