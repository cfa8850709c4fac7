#include "base/prefix.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/fs.h"
#include "base/scope.h"

/* The running program. Without /proc, what the kernel was given to execute. */
static char *program_path(void)
{
    char path[PATH_MAX];
    if (fs_read_link(-1, "/proc/self/exe", path, sizeof path) > 0)
        return strdup(path);
    const char *given = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    return given ? realpath(given, NULL) : NULL;
}

static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    *(slash ? slash : path) = '\0';
}

static char *find_prefix(void)
{
    const char *given = getenv("MODLOAD_PREFIX");
    if (given != NULL && *given == '/')
        return strdup(given);
    char *path = program_path();
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
