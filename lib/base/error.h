/* Filling in a struct ml_error. Each setter returns -1, so that a failure is one line:
 *     return ml_error_set(err, ML_DATA, "bad_key", "'%s' is not a UUID", text);
 * All of them take a null `err` and do nothing then. Messages: lower case, no full stop, the
 * subject in quotes. Setting an error overwrites an earlier one. Thread-safe for different errors;
 * no allocation. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#include "modload/error.h"

/* Whether an errno says that this process has run out of memory, descriptors or processes, and
 * nothing of the file that was at hand. */
bool errno_is_shortage(int errnum);

/* `code` may be null: then the status's own word is used. */
__attribute__((format(printf, 4, 5))) int ml_error_set(struct ml_error *err, int status,
                                                       const char *code, const char *fmt, ...);

/* As above, and appends ": " and the text of `errnum`. Which status an errno means where the caller
 * has no better one (ENOSPC and EIO: 74, EACCES: 77, ...) is chosen by `status` = 0. ENOMEM is that
 * of ml_error_memory() whatever `status` is. */
__attribute__((format(printf, 4, 5))) int ml_error_errno(struct ml_error *err, int status,
                                                         int errnum, const char *fmt, ...);

/* Out of memory is always the same error: ML_LIMIT, "out_of_memory". */
int ml_error_memory(struct ml_error *err);

/* Puts "context: " before the message: "outer: inner". */
__attribute__((format(printf, 2, 3))) int ml_error_wrap(struct ml_error *err, const char *fmt, ...);

/* Sets what the user may do next. */
__attribute__((format(printf, 2, 3))) int ml_error_hint(struct ml_error *err, const char *fmt, ...);

#endif
