/* Removes what it can reach, if that is the keeper's: a directory that is called "victim" and holds
 * a file "victim" of its own. It does not go deeper, nor anywhere else: each name is removed
 * beneath the descriptor that was looked at, and has no slash. */
#include <dirent.h>
#include <fcntl.h>

#include "zoo.h"

static int open_victim(const char *path)
{
    struct stat st;
    const char *name = strrchr(path, '/');
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (name == NULL || strcmp(name, "/victim") != 0 || fd < 0 ||
        fstatat(fd, "victim", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return -1;
    return fd;
}

/* how many */
int unlinks(const char *path)
{
    int fd = open_victim(path), n = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL)
        return -1;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (strchr(e->d_name, '/') == NULL)
            n += unlinkat(fd, e->d_name, 0) == 0;
    return n;
}
