/* Ending everything that a call has started. Process groups and sessions are left by setsid, and a
 * double fork loses its parent; what a descendant cannot leave is the tree beneath its nearest
 * subreaper. So the tree is walked in /proc, everybody found is stopped, and when a walk finds
 * nobody new, all are killed: for a bomb of 200 processes that took 67 ms, where killing alone
 * never caught up. */
#include "worker/tree.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/scope.h"

/* A process that was found beneath us, held by a pidfd: its number may go to a stranger, this may
 * not. */
struct member {
    pid_t pid;
    int pidfd;
};

struct tree {
    struct member *member;
    size_t n, cap;
    const pid_t *keep;
    size_t n_keep;
    bool grew; /* the last walk found somebody new */
};

void tree_adopt(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* Asked for each child of each walk: linear is good enough for the few that a call leaves. */
static bool known(const struct tree *tree, pid_t pid)
{
    for (size_t i = 0; i < tree->n; i++)
        if (tree->member[i].pid == pid)
            return true;
    return false;
}

static bool kept(const struct tree *tree, pid_t pid)
{
    for (size_t i = 0; i < tree->n_keep; i++)
        if (tree->keep[i] == pid)
            return true;
    return false;
}

/* -1 when it is gone. */
static pid_t parent_of(pid_t pid)
{
    struct proc_stat stat;
    return proc_stat_read(pid, &stat) ? stat.parent : -1;
}

/* Stops a process that was listed as a child of `parent`, if it is still that one. The pidfd is
 * opened first and the parent looked at after that: if it is still the one, then the pidfd stands
 * for whom we listed. A child whose parent has died meanwhile is ours directly. */
static void take_in(struct tree *tree, pid_t pid, pid_t parent)
{
    if (tree->n == tree->cap) {
        size_t cap = tree->cap ? tree->cap * 2 : 16;
        struct member *member = realloc(tree->member, cap * sizeof *member);
        if (member == NULL)
            return; /* the next walk sees it again, when others are gone */
        tree->member = member;
        tree->cap = cap;
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    pid_t now = pidfd < 0 ? -1 : parent_of(pid);
    if (now != parent && now != getpid()) {
        if (pidfd >= 0)
            close(pidfd);
        return;
    }
    syscall(SYS_pidfd_send_signal, pidfd, SIGSTOP, NULL, 0);
    tree->member[tree->n++] = (struct member){pid, pidfd};
    tree->grew = true;
}

static void walk(struct tree *tree, pid_t pid);

/* Children that one thread of `pid` has started (Linux >= 4.2, CONFIG_PROC_CHILDREN). Reading it is
 * not atomic: with processes coming and going it may miss some (proc(5)), which is why the caller
 * walks again until nobody is new and everybody is stopped. */
static void walk_thread(struct tree *tree, pid_t pid, const char *tid)
{
    char path[96];
    BUF_AUTO text = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", pid, tid);
    if (fs_read_file(AT_FDCWD, path, &text, 1 << 24) < 0)
        return;
    for (char *p = text.data, *end; *p != '\0'; p = end) {
        pid_t child = (pid_t)strtol(p, &end, 10);
        if (end == p)
            break;
        if (pid == getpid() && kept(tree, child))
            continue;
        if (!known(tree, child))
            take_in(tree, child, pid);
        if (known(tree, child))
            walk(tree, child);
    }
}

/* All threads, since a child belongs to the one that forked it. */
static void walk(struct tree *tree, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    AUTO_CLOSEDIR DIR *dir = opendir(path);
    struct dirent *e;
    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (isdigit((unsigned char)e->d_name[0]))
            walk_thread(tree, pid, e->d_name);
}

/* Kills and reaps whom the walks found, parents before their children: a child falls to us when its
 * parent is gone, and can be waited for then. SIGKILL ends stopped processes too. One that is not
 * our child yet fails with ECHILD, and is found by the next walk as a zombie of ours. */
static void end_members(struct tree *tree)
{
    for (size_t i = 0; i < tree->n; i++)
        syscall(SYS_pidfd_send_signal, tree->member[i].pidfd, SIGKILL, NULL, 0);
    for (size_t i = 0; i < tree->n; i++) {
        siginfo_t info;
        while (waitid(P_PIDFD, (id_t)tree->member[i].pidfd, &info, WEXITED | __WALL) < 0 &&
               errno == EINTR)
            ;
        close(tree->member[i].pidfd);
    }
    tree->n = 0;
}

/* Walks, kills and walks again until a walk finds nobody. /proc has to be there: without it only
 * the first test works, and descendants of a call would stay. */
void tree_end(const pid_t *keep, size_t n_keep)
{
    struct tree tree = {.keep = keep, .n_keep = n_keep};
    siginfo_t info;
    /* The usual case: the call left nobody, and /proc need not be asked. */
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
        return;
    for (;;) {
        do {
            tree.grew = false;
            walk(&tree, getpid());
        } while (tree.grew);
        if (tree.n == 0)
            break;
        end_members(&tree);
    }
    free(tree.member);
}

/* ---- is there anybody? ---- */

static int open_task(pid_t pid, const char *what, int flags)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/task%s", pid, what);
    return open(path, flags | O_CLOEXEC);
}

void tree_watch(struct tree_watch *watch, pid_t child)
{
    char list[32], own[32];
    snprintf(list, sizeof list, "/%d/children", child);
    snprintf(own, sizeof own, "/%d/children", getpid());
    watch->threads = open_task(child, "", O_PATH | O_DIRECTORY);
    watch->children = open_task(child, list, O_RDONLY);
    watch->own = open_task(getpid(), own, O_RDONLY);
}

/* The child's children first, and then ours: when the child dies in between, they fall to us. A
 * second thread would have children of its own, and could die between two looks; so with one thread
 * only. The directory of threads has two links more than there are threads (proc_task_getattr). */
bool tree_alone(const struct tree_watch *watch, pid_t child)
{
    struct stat st;
    char text[32], expected[32], byte;
    int n = snprintf(expected, sizeof expected, "%d ", child);
    return fstat(watch->threads, &st) == 0 && st.st_nlink == 3 &&
           pread(watch->children, &byte, 1, 0) == 0 &&
           pread(watch->own, text, sizeof text, 0) == n && memcmp(text, expected, (size_t)n) == 0;
}
