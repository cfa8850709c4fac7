/* The functions that an object defines, and their types, from its symbols and debug information. */
#ifndef BUILD_DWARF_H
#define BUILD_DWARF_H

#include "build/function.h"
#include "modload/error.h"

/* Adds every global function that the object at `path` (open as `fd`, which stays the caller's)
 * defines to the list, callable or with the reason why not; names that begin with ml_ are left out.
 * Signatures are not written yet. 0; -1 and ML_DATA (no object, damaged), ML_LIMIT. */
int dwarf_read(int fd, const char *path, struct fn_list *list, struct ml_error *err);

#endif
