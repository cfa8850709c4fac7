/* The kernel resolves each path with the directory for its root, and takes no link on the way
 * (openat2(2), RESOLVE_*): that holds whatever the checks of names have let through, and whoever
 * changes the directory meanwhile. */
#include "archive/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/unpack.h"
#include "base/fs.h"
#include "base/scope.h"

static int open_beneath(int dirfd, const char *path, int flags, unsigned mode)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                      RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

/* The directory of `n` bytes of a path; there is no mkdirat2, so its parent is opened first. */
static int mkdir_one(int dirfd, const char *path, size_t n)
{
    char dir[ARCHIVE_PATH_MAX + 1];
    if (n > ARCHIVE_PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(dir, path, n);
    dir[n] = '\0';
    char *slash = strrchr(dir, '/');
    if (slash != NULL)
        *slash = '\0';
    AUTO_CLOSE int parent = open_beneath(dirfd, slash ? dir : ".", O_PATH | O_DIRECTORY, 0);
    return parent < 0 || fs_mkdir(parent, slash ? slash + 1 : dir, 0700) < 0 ? -1 : 0;
}

/* From the top: each is made in the one before. */
static int mkdir_parents(int dirfd, const char *path)
{
    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++)
        if (mkdir_one(dirfd, path, (size_t)(slash - path)) < 0)
            return -1;
    return 0;
}

/* Most directories have an entry of their own, so the parents are made only where they are missed.
 */
int beneath_create(int dirfd, const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    int fd = open_beneath(dirfd, path, flags, 0600);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    return mkdir_parents(dirfd, path) < 0 ? -1 : open_beneath(dirfd, path, flags, 0600);
}

/* What is there already must be a directory: only such a one can be opened so. */
int beneath_mkdir(int dirfd, const char *path)
{
    if (mkdir_parents(dirfd, path) < 0 || mkdir_one(dirfd, path, strlen(path)) < 0)
        return -1;
    AUTO_CLOSE int fd = open_beneath(dirfd, path, O_PATH | O_DIRECTORY, 0);
    return fd < 0 ? -1 : 0;
}

/* A stream of its own: one on a copy of the descriptor would share, and move, its offset. */
static DIR *dir_open(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL && fd >= 0)
        close(fd);
    return dir;
}

static struct dirent *dir_next(DIR *dir)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(dir);
    } while (entry != NULL &&
             (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}

int beneath_clear(int dirfd)
{
    AUTO_CLOSEDIR DIR *dir = dir_open(dirfd);
    struct dirent *entry;
    if (dir == NULL)
        return -1;
    while ((entry = dir_next(dir)) != NULL)
        if (fs_remove_tree(dirfd, entry->d_name) < 0)
            return -1;
    return errno == 0 ? 0 : -1;
}

int beneath_is_empty(int dirfd)
{
    AUTO_CLOSEDIR DIR *dir = dir_open(dirfd);
    if (dir == NULL)
        return -1;
    if (dir_next(dir) != NULL)
        return 0;
    return errno == 0 ? 1 : -1;
}
