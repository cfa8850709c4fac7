/* Looks at a registry from outside: nothing here takes a lock, makes anything, or needs the format
 * to be a known one. What cannot be told is left out, since who asks has a broken one before him.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

/* Names that are looked at before the rest is estimated: some milliseconds. */
enum { NAMES_MAX = 16384 };

char *store_bundle_path(const struct store *store, const char *id)
{
    char *path;
    return asprintf(&path, "%s/bundles/%s", store->home, id) < 0 ? NULL : path;
}

/* ---- the disk ---- */

/* Of a directory that is not there yet, the one it will be made in. */
static void disk_look(const char *home, struct store_inspection *ret)
{
    AUTO_FREE char *path = strdup(home);
    struct statfs fs;
    struct statvfs vfs;
    while (path != NULL && statfs(path, &fs) < 0) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || strcmp(path, "/") == 0)
            return;
        slash[slash == path] = '\0';
    }
    if (path == NULL || statvfs(path, &vfs) < 0)
        return;
    ret->fs_type = (long)fs.f_type;
    ret->read_only = (vfs.f_flag & ST_RDONLY) != 0;
    ret->free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    ret->size_bytes = (uint64_t)vfs.f_blocks * vfs.f_frsize;
    ret->free_files = vfs.f_favail;
    ret->size_files = vfs.f_files;
}

/* ---- locks ---- */

/* Who has a flock on the file, from the kernel's own list: to ask by trying to take it would be in
 * a writer's way. 0 when the list does not name one; processes outside of our pid namespace are not
 * on it (proc(5)). */
static int lock_holder(const struct stat *st)
{
    BUF_AUTO list = BUF_INIT;
    char file[64];
    if (fs_read_file(AT_FDCWD, "/proc/locks", &list, 16 << 20) < 0)
        return 0;
    snprintf(file, sizeof file, " %02x:%02x:%llu ", major(st->st_dev), minor(st->st_dev),
             (unsigned long long)st->st_ino);
    for (char *line = list.data, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        int pid;
        *end = '\0';
        if (strstr(line, "FLOCK") != NULL && strstr(line, "->") == NULL &&
            strstr(line, file) != NULL && sscanf(line, "%*s FLOCK %*s %*s %d", &pid) == 1)
            return pid;
    }
    return 0;
}

/* Where the list is silent, a shared lock for a moment tells: whoever wants an exclusive one tries
 * again by himself. */
static bool is_locked(int fd, int *pid)
{
    struct stat st;
    *pid = fstat(fd, &st) == 0 ? lock_holder(&st) : 0;
    if (*pid > 0)
        return true;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0)
        return errno == EWOULDBLOCK;
    flock(fd, LOCK_UN);
    return false;
}

static void lock_look(int home, struct store_inspection *ret)
{
    struct stat st;
    bool there = fstatat(home, "locks/write", &st, AT_SYMLINK_NOFOLLOW) == 0;
    ret->lock_damaged = there ? !S_ISREG(st.st_mode) : errno == ENOTDIR;
    if (!there || ret->lock_damaged)
        return;
    AUTO_CLOSE int fd = openat(home, "locks/write", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || !is_locked(fd, &ret->lock_pid))
        return;
    ret->lock_held = true;
    ssize_t n = pread(fd, ret->lock_text, sizeof ret->lock_text - 1, 0);
    ret->lock_text[n > 0 ? n : 0] = '\0';
    ret->lock_text[strcspn(ret->lock_text, "\n")] = '\0';
}

/* ---- what is in it ---- */

/* What a command would stumble over, which only asks for the home's own directory. */
static void closed_look(int home, struct store_inspection *ret)
{
    struct names names;
    struct stat st;
    if (names_read(home, ".", &names) < 0)
        return;
    for (size_t i = 0; i < names.n && ret->closed[0] == '\0'; i++) {
        const char *name = names.item[i];
        bool ours = strcmp(name, "FORMAT") == 0 || home_dir_known(name);
        if (!ours || fstatat(home, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        int need = R_OK; /* a file is replaced, not written to */
        if (S_ISDIR(st.st_mode))
            need |= X_OK | (ret->writable ? W_OK : 0);
        if (faccessat(home, name, need, AT_EACCESS) == 0 || errno != EACCES)
            continue;
        snprintf(ret->closed, sizeof ret->closed, "%s", name);
        ret->closed_mode = st.st_mode & 07777;
    }
    names_free(&names);
}

/* What others may look into, or use. */
static void open_look(int home, struct store_inspection *ret)
{
    struct names names;
    struct stat st;
    if (names_read(home, ".", &names) < 0)
        return;
    for (size_t i = 0; i < names.n + 2 && ret->open[0] == '\0'; i++) {
        const char *name = i == 0 ? "." : i == 1 ? "locks/write" : names.item[i - 2];
        bool ours = i < 2 || strcmp(name, "FORMAT") == 0 || home_dir_known(name);
        if (!ours || fstatat(home, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(st.st_mode) ||
            (st.st_mode & 077) == 0)
            continue;
        snprintf(ret->open, sizeof ret->open, "%s", name);
        ret->open_mode = st.st_mode & 07777;
    }
    names_free(&names);
}

static void format_look(int home, struct store_inspection *ret)
{
    BUF_AUTO text = BUF_INIT;
    ret->format_known = FORMAT_NOW;
    ret->format = -1;
    if (fs_read_file(home, "FORMAT", &text, 256) < 0) {
        if (errno != ENOENT)
            ret->format = 0;
        return;
    }
    if (sscanf(buf_text(&text), "modload registry %d", &ret->format) != 1 || ret->format < 1)
        ret->format = 0;
}

/* Files belong to the writer who has the lock, directories to whoever has one on them. */
static void litter_look(int home, struct store_inspection *ret)
{
    AUTO_CLOSE int tmp = openat(home, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct names names;
    if (tmp < 0 || names_read(tmp, ".", &names) < 0)
        return;
    for (size_t i = 0; i < names.n; i++) {
        int pid;
        AUTO_CLOSE int fd =
            openat(tmp, names.item[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 ? !is_locked(fd, &pid) : errno == ENOTDIR && !ret->lock_held)
            ret->litter++;
    }
    names_free(&names);
}

/* How many names a directory has; stops behind `max`. */
static size_t names_count(int dirfd, const char *path, size_t max)
{
    size_t n = 0;
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        scope_close(&fd);
        return 0;
    }
    for (struct dirent *e; n <= max && (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    return n;
}

/* Keys are random, so that one shard is as full as another. */
static void contents_look(int home, struct store_inspection *ret)
{
    struct names shards;
    size_t seen = 0, looked = 0;
    ret->bundles = names_count(home, "bundles", NAMES_MAX);
    ret->many_bundles = ret->bundles > NAMES_MAX;
    if (names_read(home, "entries", &shards) < 0)
        return;
    for (; looked < shards.n && seen < NAMES_MAX; looked++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "entries/%.2s", shards.item[looked]);
        seen += names_count(home, path, SIZE_MAX - 1);
    }
    ret->many = looked < shards.n;
    ret->entries = ret->many ? (uint64_t)seen * shards.n / looked : seen;
    names_free(&shards);
}

/* ---- all of it ---- */

int store_inspect(const char *home, struct store_inspection *ret)
{
    struct stat st;
    *ret = (struct store_inspection){.format_known = FORMAT_NOW, .format = -1};
    disk_look(home, ret);
    AUTO_CLOSE int place = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place < 0)
        return errno == ENOENT ? 0 : -1;
    if (fstat(place, &st) < 0)
        return -1;
    ret->there = true;
    ret->uid = st.st_uid;
    ret->mode = st.st_mode & 07777;
    AUTO_CLOSE int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ret->readable = fd >= 0 && faccessat(fd, ".", R_OK | X_OK, AT_EACCESS) == 0;
    if (!ret->readable)
        return 0;
    ret->writable = faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;
    closed_look(fd, ret);
    open_look(fd, ret);
    format_look(fd, ret);
    ret->used = home_used(fd) > 0;
    lock_look(fd, ret);
    litter_look(fd, ret);
    ret->unfinished = journal_pending(&(struct store){.fd = fd});
    ret->journal_damaged = ret->unfinished && journal_damaged(&(struct store){.fd = fd});
    contents_look(fd, ret);
    return 0;
}
