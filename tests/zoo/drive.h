/* One row of the table: what has to come of it, and what must be as before. */
#ifndef ZOO_DRIVE_H
#define ZOO_DRIVE_H

#include "report.h"
#include "world.h"

/* In the counts of a row's result. */
enum { TIMES, MILLISECONDS, LONGEST };

/* Does it once, in a world that this process has entered, and notes what is not as it must be. */
void drive(const struct zoo *zoo, int world, const struct row *row, struct result *result);

/* At the end: the workers of a world are those that were loaded, have not grown, and go when they
 * are told to, without leaving anything. */
void drive_end(const struct zoo *zoo, int world, struct result *result);

#endif
