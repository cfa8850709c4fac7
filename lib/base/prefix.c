/* Where this installation lies, told by the running program, so that a tree can be moved as a
 * whole. */
#include "base/prefix.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/fs.h"
#include "base/scope.h"

/* The running program. Without /proc, what the kernel was given to execute. /proc/self/exe is the
 * file that runs, whatever argv[0] says. AT_EXECFN may be
 * relative to a working directory that has changed since; it is the last resort. */
static char *program_path(void)
{
    char path[PATH_MAX];
    if (fs_read_link(-1, "/proc/self/exe", path, sizeof path) > 0)
        return strdup(path);
    const char *given = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    return given ? realpath(given, NULL) : NULL;
}

/* Drops the last part of a path. What has no slash becomes "". */
static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    *(slash ? slash : path) = '\0';
}

/* A program that links libmodload lies anywhere; the library lies in <prefix>/lib. Null when this
 * code is not in the library. */
static char *library_path(void)
{
    Dl_info info;
    if (dladdr((void *)(uintptr_t)prefix_path, &info) == 0 || info.dli_fname == NULL ||
        strstr(info.dli_fname, "/libmodload.so") == NULL)
        return NULL;
    return realpath(info.dli_fname, NULL);
}

/* An override has to be absolute: a relative one would mean whatever lies where the user stands. A
 * worker starts with an environment that does not have it, and needs none. */
static char *find_prefix(void)
{
    const char *given = getenv("MODLOAD_PREFIX");
    if (given != NULL && *given == '/')
        return strdup(given);
    char *path = library_path();
    if (path == NULL)
        path = program_path();
    if (path == NULL)
        return NULL;
    cut_last(path);
    size_t n = strlen(path);
    if (n >= 16 && strcmp(path + n - 16, "/libexec/modload") == 0)
        cut_last(path);
    cut_last(path);
    return path;
}

char *prefix_path(const char *rest)
{
    AUTO_FREE char *prefix = find_prefix();
    char *path;
    if (prefix == NULL || asprintf(&path, "%s/%s", prefix, rest) < 0)
        return NULL;
    return path;
}
