/* Takes away the names that lead to its own worker: those of its sockets and of its lock file,
 * which it is told, and nothing else. */
#include "zoo.h"

/* A file of modload's, in the zoo's own run-time directory. */
static int cut(const char *control, const char *ending)
{
    char path[512];
    const char *dot = strrchr(control, '.');
    if (dot == NULL || strcmp(dot, ".control") != 0 || strstr(control, "/r/") == NULL)
        return 0;
    snprintf(path, sizeof path, "%.*s%s", (int)(dot - control), control, ending);
    return unlink(path) == 0;
}

/* how many */
int cuts(const char *control)
{
    return cut(control, ".call") + cut(control, ".control") + cut(control, ".lock");
}
