/* Limits that a process sets itself, most of them before it reads what strangers have made. For
 * good: what it starts has them too. */
#ifndef BASE_LIMIT_H
#define BASE_LIMIT_H

#include <stdint.h>

#include "modload/error.h"

/* Lowers one of setrlimit(2)'s limits to `value`, or leaves it where it is lower. Processor time
 * has a second between the soft limit, whose signal says what it was, and the hard one, which just
 * kills. 0; -1 and ML_LIMIT. */
int limit_lower(int resource, uint64_t value, struct ml_error *err);

/* Address space: `bytes` more than what is in use by now. Not under AddressSanitizer, which
 * reserves terabytes of it. 0; -1 and ML_LIMIT. */
int limit_memory(uint64_t bytes, struct ml_error *err);

/* Open descriptors: up to the hard limit, which is for those who know that they want more than
 * others (getrlimit(2)). Stays where it is if that cannot be. */
uint64_t limit_files_raise(void);

#endif
