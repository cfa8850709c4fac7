/* Each process is looked at through a descriptor of its directory in /proc, which stands for that
 * process alone: who gets its number later is another one. Its status says who its parent is, so
 * that a number that was another's by the time it was opened is found out. */
#include "worker/meter.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/scope.h"

enum { PROC_MAX = 1 << 16 }; /* of a file; a list of children may be longer, and is cut */

/* Those that are still to be looked at. */
struct listed {
    pid_t pid, parent;
};

struct walk {
    struct listed *list;
    size_t n, cap;
    unsigned what;
    pid_t except;
    struct meter *ret;
};

/* Without memory for more the look is one that missed some. */
static void add(struct walk *w, pid_t pid, pid_t parent)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 64;
        struct listed *list = realloc(w->list, cap * sizeof *list);
        if (list == NULL)
            return;
        w->list = list;
        w->cap = cap;
    }
    w->list[w->n++] = (struct listed){pid, parent};
}

/* The children of one process: each belongs to the thread that forked it. */
static void add_children(struct walk *w, int proc, pid_t pid)
{
    int fd = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        char path[64];
        BUF_AUTO text = BUF_INIT;
        snprintf(path, sizeof path, "%.20s/children", e->d_name);
        if (!isdigit((unsigned char)e->d_name[0]) ||
            fs_read_file(dirfd(dir), path, &text, PROC_MAX) < 0)
            continue;
        for (char *p = text.data, *end; *p != '\0'; p = end) {
            pid_t child = (pid_t)strtol(p, &end, 10);
            if (end == p)
                break;
            if (child != w->except)
                add(w, child, pid);
        }
    }
}

/* The value of "Name:   123 kB", in bytes; 0 when there is no such line. */
static uint64_t field_kib(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* "\n" before the names, so that none is found inside of another. Pss: each page counts for a part
 * to every process that has it (proc(5)). */
static uint64_t memory_of(int proc, unsigned what)
{
    BUF_AUTO text = BUF_INIT;
    if ((what & METER_SHARED) && fs_read_file(proc, "smaps_rollup", &text, PROC_MAX) == 0)
        return field_kib(buf_text(&text), "\nPss_Anon:") +
               field_kib(buf_text(&text), "\nPss_Shmem:");
    buf_reset(&text);
    if (fs_read_file(proc, "status", &text, PROC_MAX) < 0)
        return 0;
    return field_kib(buf_text(&text), "\nRssAnon:") + field_kib(buf_text(&text), "\nRssShmem:");
}

static uint64_t descriptors_of(int proc)
{
    int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    uint64_t n = 0;
    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (e = readdir(dir)) != NULL)
        n += isdigit((unsigned char)e->d_name[0]) != 0;
    return n;
}

/* What stands behind the name in stat: state, parent, and, ten fields on, the processor's time, by
 * itself and of those it has waited for (proc(5)). The name may hold anything, so its end is the
 * last ')'. */
static bool stat_read(int proc, char *state, int *parent, uint64_t *cpu_ms)
{
    BUF_AUTO text = BUF_INIT;
    uint64_t user, system;
    int64_t child_user, child_system;
    if (fs_read_file(proc, "stat", &text, 4096) < 0)
        return false;
    const char *behind = strrchr(buf_text(&text), ')');
    if (behind == NULL ||
        sscanf(behind, ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", state, parent,
               &user, &system, &child_user, &child_system) != 6)
        return false;
    *cpu_ms = (user + system + (uint64_t)(child_user + child_system)) * 1000 /
              (uint64_t)sysconf(_SC_CLK_TCK);
    return true;
}

/* The dead count with their time until somebody has waited for them, and with nothing else. A child
 * whose parent has gone meanwhile is ours directly. */
static void look(struct walk *w, struct listed who)
{
    char path[32], state;
    int parent;
    uint64_t cpu_ms;
    snprintf(path, sizeof path, "/proc/%d", who.pid);
    AUTO_CLOSE int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0 || !stat_read(proc, &state, &parent, &cpu_ms) ||
        (parent != who.parent && parent != getpid()))
        return;
    w->ret->cpu_ms += cpu_ms;
    if (state == 'Z' || state == 'X')
        return;
    w->ret->processes++;
    if (w->what & (METER_MEMORY | METER_SHARED))
        w->ret->memory += memory_of(proc, w->what);
    uint64_t n = w->what & METER_DESCRIPTORS ? descriptors_of(proc) : 0;
    if (n > w->ret->descriptors)
        w->ret->descriptors = n;
    add_children(w, proc, who.pid);
}

void meter_read(unsigned what, pid_t except, struct meter *ret)
{
    struct walk w = {.what = what, .except = except, .ret = ret};
    *ret = (struct meter){0};
    AUTO_CLOSE int self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self >= 0)
        add_children(&w, self, getpid());
    while (w.n > 0)
        look(&w, w.list[--w.n]);
    free(w.list);
}
