/* The "limits" of a manifest: what a plugin's author says that a call of it may use. */
#ifndef BUILD_LIMITS_H
#define BUILD_LIMITS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "modload/abi.h"

/* The keys there are; ends in null. */
extern const char *const limits_keys[];

/* Takes one of them into `ret`. Null; or what its value must be: "be a size such as ...". */
const char *limits_take(const cJSON *value, struct ml_plugin_limits *ret);

/* Whether it says anything. */
bool limits_any(const struct ml_plugin_limits *limits);

#endif
