#include "base/xdg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A relative path is to be ignored. */
static const char *absolute_variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value == '/' ? value : NULL;
}

char *xdg_path(enum xdg_kind kind, const char *leaf)
{
    char *path;
    const char *base = absolute_variable(kind == XDG_CACHE ? "XDG_CACHE_HOME" : "XDG_CONFIG_HOME");
    const char *home = absolute_variable("HOME");
    if (base == NULL && home == NULL) {
        errno = ENOENT;
        return NULL;
    }
    int n = base != NULL ? asprintf(&path, "%s/modload/%s", base, leaf)
                         : asprintf(&path, "%s/%s/modload/%s", home,
                                    kind == XDG_CACHE ? ".cache" : ".config", leaf);
    return n < 0 ? NULL : path;
}
