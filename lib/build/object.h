/* Checks of an object that somebody else built, before anything else reads it, and an object's
 * identity. */
#ifndef BUILD_OBJECT_H
#define BUILD_OBJECT_H

#include <stddef.h>

#include "build/arena.h"
#include "modload/error.h"

enum { OBJECT_SIZE_MAX = 256 << 20 };

/* Whether the file is a whole shared object for this machine. `label` is what messages call it. 0;
 * -1 and ML_DATA ("bad_object") with the reason in words, ML_LIMIT (too large), ML_IO. */
int object_check(int fd, const char *label, struct ml_error *err);

/* What machine an object says that it is for, in words; "" when it is no ELF object. And this one.
 */
const char *object_machine(int fd);
const char *object_machine_here(void);

/* Adds the texts that ML_PLUGIN left in an object ("name@version"). 0; -1 and ML_DATA, ML_LIMIT. */
int object_identities(int fd, struct arena *a, struct strv *ret, struct ml_error *err);

#endif
