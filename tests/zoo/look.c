/* Looking at /proc and at directories. */
#include "look.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/scope.h"
#include "tree.h"

enum { EXITING = 4 }; /* PF_EXITING, include/linux/sched.h */

/* Its state, parent and session, as behind the name in /proc/PID/stat; false when it is gone. One
 * that is on its way out, or has been sent SIGKILL, runs nothing of its own any more: it counts as
 * dead (X). */
static bool read_stat(pid_t pid, struct relative *ret)
{
    char path[64];
    int parent, session;
    unsigned flags;
    unsigned long pending = 0;
    BUF_AUTO text = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (fs_read_file(AT_FDCWD, path, &text, 4096) < 0)
        return false;
    const char *behind = strrchr(buf_text(&text), ')');
    if (behind == NULL ||
        sscanf(behind,
               ") %c %d %*d %d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u "
               "%*d %*u %*u %*u %*u %*u %*u %lu",
               &ret->state, &parent, &session, &flags, &pending) < 4)
        return false;
    if ((flags & EXITING) != 0 || (pending & 1ul << (SIGKILL - 1)) != 0)
        ret->state = 'X';
    ret->pid = pid;
    ret->parent = parent;
    ret->session = session;
    return true;
}

static void add_children(struct family *family, pid_t pid, const char *thread)
{
    char path[96];
    BUF_AUTO text = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)pid, thread);
    if (fs_read_file(AT_FDCWD, path, &text, 1 << 20) < 0)
        return;
    for (char *p = text.data, *end; family->n < FAMILY_MAX; p = end) {
        pid_t child = (pid_t)strtol(p, &end, 10);
        if (end == p)
            break;
        family->n += read_stat(child, &family->member[family->n]);
    }
}

/* Children belong to the thread that made them. */
static void add_all_children(struct family *family, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    AUTO_CLOSEDIR DIR *threads = opendir(path);
    for (struct dirent *e; threads != NULL && (e = readdir(threads)) != NULL;)
        if (isdigit((unsigned char)e->d_name[0]))
            add_children(family, pid, e->d_name);
}

void look_children(pid_t pid, struct family *ret)
{
    ret->n = read_stat(pid, &ret->member[0]);
    if (ret->n > 0 && strchr("ZX", ret->member[0].state) != NULL)
        ret->n = 0;
    if (ret->n > 0)
        add_all_children(ret, pid);
}

void look_family(pid_t pid, struct family *ret)
{
    look_children(pid, ret);
    for (int i = 1; i < ret->n; i++)
        add_all_children(ret, ret->member[i].pid);
}

const struct relative *family_find(const struct family *family, pid_t pid)
{
    for (int i = 0; i < family->n; i++)
        if (family->member[i].pid == pid)
            return &family->member[i];
    return NULL;
}

void family_tell(const struct family *family, struct buf *ret)
{
    for (int i = 0; i < family->n; i++) {
        const struct relative *r = &family->member[i];
        char path[64];
        BUF_AUTO name = BUF_INIT;
        snprintf(path, sizeof path, "/proc/%d/comm", (int)r->pid);
        if (fs_read_file(AT_FDCWD, path, &name, 64) < 0)
            buf_str(&name, "?");
        buf_fmt(ret, "%s%d (child of %d, %c, %.*s)", i ? ", " : "", (int)r->pid, (int)r->parent,
                r->state, (int)strcspn(buf_text(&name), "\n"), buf_text(&name));
    }
}

static bool is_kept(const struct family *family, const struct relative *r, const pid_t *keep, int n)
{
    for (int i = 0; i < n; i++)
        if (r->pid == keep[i])
            return true;
    const struct relative *parent = family_find(family, r->parent);
    return parent != NULL && parent != &family->member[0] && is_kept(family, parent, keep, n);
}

bool relative_kill(const struct relative *r)
{
    struct relative now;
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    return pidfd >= 0 && read_stat(r->pid, &now) && now.parent == r->parent &&
           strchr("ZX", now.state) == NULL &&
           syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
}

/* The dead are taken in as they fall to us, one look after the other. */
int look_end(const pid_t *keep, int n_keep)
{
    struct family family;
    int n = 0;
    for (bool alone = false; !alone;) {
        int left = 0;
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
            continue;
        look_family(getpid(), &family);
        for (int i = 1; i < family.n; i++)
            if (!is_kept(&family, &family.member[i], keep, n_keep)) {
                n += relative_kill(&family.member[i]);
                left++;
            }
        alone = left == 0;
        if (!alone)
            clock_sleep_ms(1);
    }
    return n;
}

int look_descriptors(pid_t pid)
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    AUTO_CLOSEDIR DIR *dir = opendir(path);
    if (dir == NULL)
        return -1;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += isdigit((unsigned char)e->d_name[0]) != 0;
    return n;
}

long look_memory_kib(pid_t pid)
{
    char path[64];
    long kib = -1;
    BUF_AUTO text = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (fs_read_file(AT_FDCWD, path, &text, 65536) < 0)
        return -1;
    const char *line = strstr(buf_text(&text), "\nRssAnon:");
    return line != NULL && sscanf(line, "\nRssAnon: %ld", &kib) == 1 ? kib : -1;
}

static bool is_log(const char *path)
{
    const char *suffix = strstr(path, ".log");
    return suffix != NULL && (suffix[4] == '\0' || strcmp(suffix, ".log.old") == 0);
}

/* A sum, since the order in which a directory tells its names may change. Logs outlive workers that
 * were not released, and are meant to. */
static void add_file(const char *path, unsigned mode, const char *target, void *arg)
{
    if (is_log(path))
        return;
    uint64_t *sum = arg, hash = fnv(FNV_INIT, path, strlen(path) + 1);
    hash = fnv(hash, &mode, sizeof mode);
    *sum += fnv(hash, target, strlen(target) + 1);
}

uint64_t look_files(const char *path)
{
    uint64_t sum = 0;
    tree_walk(path, add_file, &sum);
    return sum;
}
