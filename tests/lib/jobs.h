/* Work that several processes share, each with a world of its own. */
#ifndef LIB_JOBS_H
#define LIB_JOBS_H

#include <stddef.h>

/* Calls `each` for the items 0 to n-1, in `jobs` processes that take the next one whenever they are
 * through with one. `worker` is the number of the process. Does not return if one of them failed.
 */
void jobs_run(size_t n, int jobs, void (*each)(size_t item, int worker, void *arg), void *arg);

#endif
