/* Between texts and the values of C, by a function's signature. */
#ifndef WORKER_CONVERT_H
#define WORKER_CONVERT_H

#include "modload/abi.h"
#include "modload/error.h"
#include "modload/modload.h"

/* Two slots for every parameter is the most there can be. */
enum { CONVERT_SLOTS = 2 * ML_PARAMS_MAX };

/* Fills `slots` from `n` texts, which must outlive them and may be written to by the function.
 * Bytes that come with their size need no text for the size; where texts for all sizes are given
 * too, they count, and must not be more than the bytes. Errors: ML_DATA, "bad_argument", with the
 * signature as the hint. */
int convert_args(const struct ml_function *function, char *const *texts, size_t n,
                 union ml_slot slots[CONVERT_SLOTS], struct ml_error *err);

/* What a function returned. The value points into the plugin's memory and is not to be freed;
 * `scratch` (2 bytes) holds a char. Errors: ML_LIMIT, a result over the wire's limit. */
int convert_result(const struct ml_function *function, const union ml_slot result[2],
                   char scratch[2], struct ml_value *value, struct ml_error *err);

#endif
