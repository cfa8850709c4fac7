/* The call of a row: what it is given, and what has to come out of it. */
#ifndef ZOO_CALL_H
#define ZOO_CALL_H

#include "report.h"
#include "world.h"

/* A time limit that is not to be hit, on a machine that is busy with others; and one for modload,
 * so that it is told of where it hangs. */
#define LONG_TIME "-t 60s"
enum { HANGS_MS = 90000 };

/* Runs `modload exec`, with or without --json. */
void call_run(const struct zoo *zoo, int world, const struct row *row, bool json,
              struct ended *ended);

/* Notes what is not as the row has it: how modload ended, what it and the function said. */
void call_check(const struct row *row, bool json, const struct ended *ended, struct result *result);
void call_check_code(const struct row *row, const char *form, const struct ended *ended,
                     struct result *result);

/* Notes that something is another than expected. */
void call_note(const struct row *row, const char *form, const char *what, const char *expected,
               const char *got, struct result *result);

#endif
