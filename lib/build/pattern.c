#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "build/plan.h"

/* The kernel keeps the path beneath the directory: checks of the text could not see through links.
 */
static int open_beneath(int dirfd, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC | O_NONBLOCK),
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

static bool has_wildcard(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strchr("*?[", text[i]) != NULL)
            return true;
    return false;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in one directory that match one component, in order. A directory that is not there
 * matches nothing; what cannot be read is an error, since it would change what is built. */
static int names_match(struct arena *a, int dirfd, const char *dir, const char *component,
                       struct strv *ret)
{
    AUTO_CLOSE int fd = open_beneath(dirfd, *dir ? dir : ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    AUTO_CLOSEDIR DIR *stream = fdopendir(fd);
    if (stream == NULL)
        return -1;
    steal_fd(&fd);
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (fnmatch(component, entry->d_name, FNM_PERIOD) == 0)
            strv_add(a, ret, arena_str(a, entry->d_name));
    if (ret->n > 1)
        qsort(ret->items, ret->n, sizeof *ret->items, compare);
    return 0;
}

static int match_beneath(struct arena *a, int dirfd, const char *dir, const char *pattern,
                         struct strv *ret);

/* Goes on with one name: into it when there is more of the pattern, else it is a match if it is a
 * file. */
static int name_take(struct arena *a, int dirfd, const char *dir, const char *name,
                     const char *rest, struct strv *ret)
{
    const char *path = *dir ? arena_fmt(a, "%s/%s", dir, name) : name;
    if (*rest != '\0')
        return match_beneath(a, dirfd, path, rest, ret);
    AUTO_CLOSE int fd = open_beneath(dirfd, path, O_RDONLY);
    struct stat st;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        strv_add(a, ret, path);
    return 0;
}

/* One component at a time, always opened from the top: no descriptor of a directory in between is
 * held, so none can be moved away under it. */
static int match_beneath(struct arena *a, int dirfd, const char *dir, const char *pattern,
                         struct strv *ret)
{
    size_t n = strcspn(pattern, "/");
    const char *component = arena_mem(a, pattern, n);
    const char *rest = pattern + n + strspn(pattern + n, "/");
    struct strv names = {0};
    if (n == 1 && *component == '.' && *rest != '\0')
        return match_beneath(a, dirfd, dir, rest, ret);
    if (!has_wildcard(component, n))
        strv_add(a, &names, component);
    else if (names_match(a, dirfd, dir, component, &names) < 0)
        return -1;
    for (size_t i = 0; i < names.n; i++)
        if (name_take(a, dirfd, dir, names.items[i], rest, ret) < 0)
            return -1;
    return 0;
}

int pattern_match(struct arena *a, int dirfd, const char *pattern, struct strv *ret)
{
    return match_beneath(a, dirfd, "", pattern, ret);
}
