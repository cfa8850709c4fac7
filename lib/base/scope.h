/* Releases what a scope owns, whichever way the scope is left. GNU C11: __attribute__((cleanup)).
 */
#ifndef BASE_SCOPE_H
#define BASE_SCOPE_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scope_free(void *p)
{
    free(*(void **)p);
}

static inline void scope_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void scope_closedir(DIR **d)
{
    if (*d)
        closedir(*d);
}

#define AUTO_FREE     __attribute__((cleanup(scope_free)))
#define AUTO_CLOSE    __attribute__((cleanup(scope_close)))
#define AUTO_CLOSEDIR __attribute__((cleanup(scope_closedir)))

/* Takes the descriptor out of a scope that would close it. */
static inline int steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define steal_ptr(p)                                                                               \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#endif
