/* Directory trees. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/scope.h"
#include "report.h"

enum { FILE_MAX = 1 << 26 };

const char *path_make(char path[PATH_ROOM], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(path, PATH_ROOM, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= PATH_ROOM)
        give_up("a path is too long: %s", path);
    return path;
}

static void walk(int dir, const char *path,
                 void (*each)(const char *path, unsigned mode, const char *target, void *arg),
                 void *arg)
{
    int fd = openat(dir, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL)
        give_up("cannot read the directory '%s': %s", path, strerror(errno));
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char sub[PATH_MAX], target[PATH_MAX] = "";
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s%s%s", path, *path ? "/" : "", e->d_name);
        if (fstatat(dir, sub, &st, AT_SYMLINK_NOFOLLOW) < 0)
            give_up("cannot look at '%s': %s", sub, strerror(errno));
        if (S_ISLNK(st.st_mode) && fs_read_link(dir, sub, target, sizeof target) < 0)
            give_up("cannot read the link '%s': %s", sub, strerror(errno));
        each(sub, st.st_mode, target, arg);
        if (S_ISDIR(st.st_mode))
            walk(dir, sub, each, arg);
    }
}

void tree_walk(const char *root,
               void (*each)(const char *path, unsigned mode, const char *target, void *arg),
               void *arg)
{
    AUTO_CLOSE int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT)
        return;
    if (dir < 0)
        give_up("cannot open '%s': %s", root, strerror(errno));
    walk(dir, "", each, arg);
}

struct copy {
    int from, to;
};

static void copy_file(const struct copy *c, const char *path, unsigned mode)
{
    BUF_AUTO data = BUF_INIT;
    AUTO_CLOSE int fd = openat(c->to, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 07777);
    if (fd < 0 || fs_read_file(c->from, path, &data, FILE_MAX) < 0 ||
        fs_write_all(fd, data.data, data.len) < 0)
        give_up("cannot copy '%s': %s", path, strerror(errno));
}

static void copy_one(const char *path, unsigned mode, const char *target, void *arg)
{
    const struct copy *c = arg;
    if (S_ISREG(mode))
        copy_file(c, path, mode);
    else if (S_ISDIR(mode) ? mkdirat(c->to, path, mode & 07777) < 0
                           : symlinkat(target, c->to, path) < 0)
        give_up("cannot copy '%s': %s", path, strerror(errno));
}

void tree_copy(const char *from, const char *to)
{
    struct stat st;
    if (lstat(from, &st) < 0 && errno == ENOENT)
        return;
    AUTO_CLOSE int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (in < 0 || mkdir(to, st.st_mode & 07777) < 0)
        give_up("cannot copy '%s' to '%s': %s", from, to, strerror(errno));
    AUTO_CLOSE int out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct copy c = {in, out};
    tree_walk(from, copy_one, &c);
}

void tree_remove(const char *path)
{
    if (fs_remove_tree(AT_FDCWD, path) < 0)
        give_up("cannot remove '%s': %s", path, strerror(errno));
}

uint64_t fnv(uint64_t hash, const void *data, size_t n)
{
    const unsigned char *p = data;
    while (n-- > 0)
        hash = (hash ^ *p++) * 0x100000001b3;
    return hash;
}
