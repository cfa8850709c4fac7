/* Whether the files of a bundle agree with each other. */
#ifndef BUILD_AGREE_H
#define BUILD_AGREE_H

#include "build/check.h"

/* Compares what name, manifest.json, build.json and the bundle's id say. Files that are damaged are
 * passed over: they are told of already. */
void agree_check(struct check *c);

#endif
