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

/* Makes a directory of one name, unless it is there, and opens it: what is there must be one, since
 * only a directory can be opened so. */
static int enter(int dirfd, const char *name, size_t n)
{
    char copy[ARCHIVE_NAME_MAX + 1];
    if (n > ARCHIVE_NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(copy, name, n);
    copy[n] = '\0';
    return fs_mkdir(dirfd, copy, 0700) < 0 ? -1
                                           : open_beneath(dirfd, copy, O_PATH | O_DIRECTORY, 0);
}

/* The directory that a path's last name is in, each on the way made where it is missing; one name
 * at a time, so that a path may be longer than the kernel takes at once (PATH_MAX). */
static int enter_parent(int dirfd, const char *path)
{
    AUTO_CLOSE int at = open_beneath(dirfd, ".", O_PATH | O_DIRECTORY, 0);
    for (const char *slash; at >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        int next = enter(at, path, (size_t)(slash - path));
        close(steal_fd(&at));
        at = next;
    }
    return steal_fd(&at);
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Most directories have an entry of their own, so the way is walked only where one is missed, or
 * where it is too long. */
int beneath_create(int dirfd, const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    int fd = open_beneath(dirfd, path, flags, 0600);
    if (fd >= 0 || (errno != ENOENT && errno != ENAMETOOLONG))
        return fd;
    AUTO_CLOSE int parent = enter_parent(dirfd, path);
    return parent < 0 ? -1 : open_beneath(parent, last_name(path), flags, 0600);
}

int beneath_mkdir(int dirfd, const char *path)
{
    AUTO_CLOSE int parent = enter_parent(dirfd, path);
    AUTO_CLOSE int fd = parent < 0 ? -1 : enter(parent, last_name(path), strlen(last_name(path)));
    return fd < 0 ? -1 : 0;
}

int beneath_open(int dirfd, const char *path)
{
    return open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
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
