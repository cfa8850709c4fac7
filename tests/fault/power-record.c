/* Recording: each call that changed the home, as its result is known. What children do, who are not
 * traced, is found by looking when one of them has ended. At the end the record has to come to what
 * is really there, so that no call is overlooked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "power.h"
#include "trace.h"

enum { DATA_MAX = 1 << 24 };

/* ---- names ---- */

static size_t edges_at(const struct edges *e, int dir, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->edge[i].dir == dir && strcmp(e->edge[i].name, name) == 0)
            return i;
    return e->n;
}

int edges_find(const struct edges *e, int dir, const char *name)
{
    size_t i = edges_at(e, dir, name);
    return i < e->n ? e->edge[i].node : -1;
}

void edges_set(struct edges *e, const struct edge *change)
{
    size_t i = edges_at(e, change->dir, change->name);
    if (change->node < 0) {
        if (i < e->n)
            e->edge[i] = e->edge[--e->n];
        return;
    }
    if (i == e->room) {
        e->room = e->room ? e->room * 2 : 64;
        e->edge = realloc(e->edge, e->room * sizeof *e->edge);
        if (e->edge == NULL)
            give_up("out of memory");
    }
    e->n += i == e->n;
    e->edge[i] = *change;
}

void edges_copy(struct edges *to, const struct edges *from)
{
    if (to->room < from->n) {
        to->room = from->n + 64;
        to->edge = realloc(to->edge, to->room * sizeof *to->edge);
        if (to->edge == NULL)
            give_up("out of memory");
    }
    memcpy(to->edge, from->edge, from->n * sizeof *from->edge);
    to->n = from->n;
}

/* ---- nodes and ops ---- */

static int node_new(struct recording *r, enum node_type type, unsigned mode, const char *target)
{
    if ((r->n_nodes & (r->n_nodes - 1)) == 0)
        r->node = realloc(r->node, (size_t)(r->n_nodes ? r->n_nodes * 2 : 1) * sizeof *r->node);
    char *copy = strdup(target);
    if (r->node == NULL || copy == NULL)
        give_up("out of memory");
    r->node[r->n_nodes] = (struct node){.type = type, .mode = mode & 07777, .target = copy};
    return r->n_nodes++;
}

static void version_add(struct node *node, const void *data, size_t n)
{
    node->version = realloc(node->version, (size_t)(node->n_versions + 1) * sizeof *node->version);
    char *copy = malloc(n + 1);
    if (node->version == NULL || copy == NULL)
        give_up("out of memory");
    if (n > 0)
        memcpy(copy, data, n);
    node->version[node->n_versions++] = (struct version){copy, n, fnv(FNV_INIT, copy, n)};
}

static struct op *op_new(struct recording *r, enum op_kind kind, const char *call)
{
    if ((r->n_ops & (r->n_ops - 1)) == 0)
        r->op = realloc(r->op, (size_t)(r->n_ops ? r->n_ops * 2 : 1) * sizeof *r->op);
    if (r->op == NULL)
        give_up("out of memory");
    struct op *op = &r->op[r->n_ops++];
    *op = (struct op){.kind = kind, .node = -1};
    snprintf(op->call, sizeof op->call, "%s", call);
    return op;
}

static void op_half(struct recording *r, struct op *op, const struct edge *where, int node)
{
    struct edge *half = &op->half[op->n_halves++];
    *half = *where;
    half->node = node;
    edges_set(&r->live, half);
}

static void op_names(struct recording *r, const char *call, const struct edge *where, int node)
{
    op_half(r, op_new(r, OP_NAMES, call), where, node);
}

/* ---- paths ---- */

/* Splits a path beneath the root; `where` gets its directory, its name and the node that it leads
 * to now, or -1. False when its directory is not known. */
static bool path_find(const struct recording *r, const char *path, struct edge *where)
{
    *where = (struct edge){.dir = -1, .node = ROOT};
    for (const char *p = path; *p != '\0';) {
        size_t n = strcspn(p, "/");
        if (n >= sizeof where->name)
            give_up("a name is too long: %s", path);
        if (where->node < 0)
            return false;
        where->dir = where->node;
        snprintf(where->name, sizeof where->name, "%.*s", (int)n, p);
        where->node = edges_find(&r->live, where->dir, where->name);
        p += n + (p[n] == '/');
    }
    return true;
}

/* The part of a path that is of interest: the home, what is in it, and what it is in (""). */
static const char *beneath(const struct recording *r, const char *path)
{
    size_t n = strlen(r->root);
    if (strcmp(path, r->root) == 0)
        return path + n;
    if (strncmp(path, r->root, n) != 0 || strncmp(path + n, "/h", 2) != 0 ||
        (path[n + 2] != '\0' && path[n + 2] != '/'))
        return NULL;
    return path + n + 1;
}

/* ---- what is really there ---- */

static void file_read(const struct recording *r, const char *path, struct buf *data)
{
    char full[PATH_ROOM];
    path_make(full, "%s/%s", r->root, path);
    if (fs_read_file(AT_FDCWD, full, data, DATA_MAX) < 0)
        give_up("cannot read '%s': %s", full, strerror(errno));
}

/* Adds what a file holds now, if that is new. */
static void take_data(struct recording *r, const char *path, int node, const char *call)
{
    BUF_AUTO data = BUF_INIT;
    file_read(r, path, &data);
    struct node *file = &r->node[node];
    const struct version *last = &file->version[file->n_versions - 1];
    if (last->n == data.len && memcmp(last->data, buf_text(&data), data.len) == 0)
        return;
    version_add(file, buf_text(&data), data.len);
    struct op *op = op_new(r, OP_DATA, call);
    op->node = node;
    op->version = file->n_versions - 1;
}

struct scan {
    struct recording *r;
    const char *call;
};

static void scan_one(const char *path, unsigned mode, const char *target, void *arg)
{
    const struct scan *scan = arg;
    struct recording *r = scan->r;
    char full[PATH_ROOM];
    struct edge where;
    path_make(full, "h/%s", path);
    if (!path_find(r, full, &where))
        give_up("'%s' has no directory", full);
    if (where.node < 0) {
        enum node_type type = S_ISDIR(mode) ? NODE_DIR : S_ISLNK(mode) ? NODE_LINK : NODE_FILE;
        int node = node_new(r, type, mode, target);
        if (type == NODE_FILE)
            version_add(&r->node[node], "", 0);
        op_names(r, scan->call, &where, node);
        where.node = node;
    }
    r->node[where.node].mode = mode & 07777;
    if (r->node[where.node].type == NODE_FILE)
        take_data(r, full, where.node, scan->call);
}

static void path_of(const struct recording *r, int node, char path[PATH_ROOM])
{
    path[0] = '\0';
    while (node != ROOT) {
        char rest[PATH_ROOM];
        size_t i = 0;
        while (i < r->live.n && r->live.edge[i].node != node)
            i++;
        if (i == r->live.n)
            give_up("a node without a name");
        path_make(rest, "%s%s%s", r->live.edge[i].name, *path ? "/" : "", path);
        strcpy(path, rest);
        node = r->live.edge[i].dir;
    }
}

/* Names that are gone: whoever took them away was not seen doing it. */
static void scan_gone(struct recording *r, const char *call)
{
    for (size_t i = r->live.n; i-- > 0;) {
        struct edge edge = r->live.edge[i];
        char path[PATH_ROOM], full[PATH_ROOM];
        struct stat st;
        path_of(r, edge.node, path);
        if (lstat(path_make(full, "%s/%s", r->root, path), &st) < 0)
            op_names(r, call, &edge, -1);
    }
}

/* Brings the record to what is there. */
static void scan(struct recording *r, const char *call)
{
    char home[PATH_ROOM];
    struct edge where;
    struct stat st;
    path_make(home, "%s/h", r->root);
    if (stat(home, &st) < 0)
        return;
    path_find(r, "h", &where);
    if (where.node < 0)
        op_names(r, call, &where, node_new(r, NODE_DIR, st.st_mode, ""));
    tree_walk(home, scan_one, &(struct scan){r, call});
    scan_gone(r, call);
}

/* ---- calls ---- */

/* Where a path of a call is in the record; false when it is none of the home's. */
static bool locate(struct recording *r, const char *path, const char *call, struct edge *where)
{
    const char *sub = beneath(r, path);
    if (sub == NULL)
        return false;
    if (!path_find(r, sub, where)) {
        scan(r, "a child");
        if (!path_find(r, sub, where))
            give_up("%s of '%s', which nobody made", call, path);
    }
    return true;
}

static bool locate_fd(struct recording *r, const struct call *call, int fd, char path[PATH_ROOM],
                      struct edge *where)
{
    return call_fd_path(call, fd, path, PATH_ROOM) && strstr(path, " (deleted)") == NULL &&
           locate(r, path, call_name(call), where);
}

static void took_open(struct recording *r, const struct call *call)
{
    char path[PATH_ROOM];
    struct edge where;
    int flags = call_open_flags(call);
    if (!call_changes(call) || !locate_fd(r, call, (int)call->result, path, &where))
        return;
    if ((flags & O_TMPFILE) == O_TMPFILE)
        give_up("the recorder knows no O_TMPFILE");
    if (where.node < 0) {
        int node = node_new(r, NODE_FILE, 0600, "");
        version_add(&r->node[node], "", 0);
        op_names(r, call_name(call), &where, node);
    } else if ((flags & O_TRUNC) != 0) {
        take_data(r, beneath(r, path), where.node, call_name(call));
    }
}

static void took_new(struct recording *r, const struct call *call, enum node_type type)
{
    char path[PATH_ROOM], target[PATH_ROOM] = "";
    struct edge where;
    if (!call_path(call, 0, path, sizeof path) || !locate(r, path, call_name(call), &where))
        return;
    if (type == NODE_LINK && !call_text(call, 0, target, sizeof target))
        give_up("cannot read a link's target");
    op_names(r, call_name(call), &where, node_new(r, type, 0700, target));
}

static void took_rename(struct recording *r, const struct call *call, bool link)
{
    char from[PATH_ROOM], to[PATH_ROOM];
    struct edge a, b;
    unsigned flags = call->number == SYS_renameat2 ? (unsigned)call->arg[4] : 0;
    if (!call_path(call, 0, from, sizeof from) || !call_path(call, 1, to, sizeof to) ||
        (beneath(r, from) == NULL && beneath(r, to) == NULL))
        return;
    if (!locate(r, from, call_name(call), &a) || !locate(r, to, call_name(call), &b))
        give_up("a rename from '%s' to '%s'", from, to);
    int moved = a.node, other = b.node;
    if (moved < 0)
        give_up("%s of '%s', which nobody made", call_name(call), from);
    struct op *op = op_new(r, OP_NAMES, call_name(call));
    if (!link)
        op_half(r, op, &a, (flags & RENAME_EXCHANGE) ? other : -1);
    op_half(r, op, &b, moved);
}

static void took_unlink(struct recording *r, const struct call *call)
{
    char path[PATH_ROOM];
    struct edge where;
    if (call_path(call, 0, path, sizeof path) && locate(r, path, call_name(call), &where))
        op_names(r, call_name(call), &where, -1);
}

static void took_fd(struct recording *r, const struct call *call, int fd, enum op_kind kind)
{
    char path[PATH_ROOM];
    struct edge where;
    struct stat st;
    if (!locate_fd(r, call, fd, path, &where) || where.node < 0)
        return;
    struct node *node = &r->node[where.node];
    if (lstat(path, &st) == 0)
        node->mode = st.st_mode & 07777;
    if (node->type == NODE_FILE) /* a child may have written to it, too */
        take_data(r, beneath(r, path), where.node, call_name(call));
    if (kind == OP_SYNC)
        op_new(r, OP_SYNC, call_name(call))->node = where.node;
}

/* A file that is changed through memory is changed without a call. */
static void took_mmap(struct recording *r, const struct call *call)
{
    char path[PATH_ROOM];
    struct edge where;
    if ((call->arg[3] & MAP_SHARED) && (call->arg[2] & PROT_WRITE) && (int)call->arg[4] >= 0 &&
        locate_fd(r, call, (int)call->arg[4], path, &where))
        give_up("the recorder knows no shared mapping of '%s'", path);
}

static void leave(const struct call *call, void *arg)
{
    struct recording *r = arg;
    const char *name = call_name(call);
    if (call->result < 0)
        return;
    if ((call->info->does & CALL_OPENS) != 0)
        took_open(r, call);
    else if (strncmp(name, "mkdir", 5) == 0)
        took_new(r, call, NODE_DIR);
    else if (strncmp(name, "symlink", 7) == 0)
        took_new(r, call, NODE_LINK);
    else if (strncmp(name, "rename", 6) == 0 || strncmp(name, "link", 4) == 0)
        took_rename(r, call, *name == 'l');
    else if (strncmp(name, "unlink", 6) == 0 || strcmp(name, "rmdir") == 0)
        took_unlink(r, call);
    else if (strcmp(name, "fsync") == 0 || strcmp(name, "fdatasync") == 0)
        took_fd(r, call, (int)call->arg[0], OP_SYNC);
    else if (strncmp(name, "sync", 4) == 0)
        op_new(r, OP_SYNC_ALL, name);
    else if (strncmp(name, "wait", 4) == 0)
        scan(r, "a child");
    else if (strcmp(name, "mmap") == 0)
        took_mmap(r, call);
    else if (strcmp(name, "copy_file_range") == 0)
        took_fd(r, call, (int)call->arg[2], OP_DATA);
    else if (call_changes(call) && call->info->on == ON_FD)
        took_fd(r, call, (int)call->arg[0], OP_DATA);
}

/* ---- the whole ---- */

struct until {
    struct recording *r;
    int n, kill_at;
};

static enum trace_act enter(const struct call *call, int *error, void *arg)
{
    struct until *u = arg;
    return call_changes(call) && ++u->n == u->kill_at ? TRACE_KILL : TRACE_GO;
}

static void leave_until(const struct call *call, void *arg)
{
    leave(call, ((struct until *)arg)->r);
}

void record_begin(struct recording *r, const struct rig *rig, const char *world)
{
    *r = (struct recording){.n_nodes = 0};
    path_make(r->root, "%s/%s", rig->base, world);
    node_new(r, NODE_DIR, 0700, "");
    scan(r, "before");
    edges_copy(&r->base, &r->live);
    for (int i = 0; i < r->n_nodes; i++)
        if (r->node[i].n_versions > 1) { /* the first one was empty, and never seen */
            free(r->node[i].version[0].data);
            r->node[i].version[0] = r->node[i].version[1];
            r->node[i].n_versions = 1;
        }
    r->n_ops = 0;
}

void record_run(struct recording *r, const struct rig *rig, const char *line, int kill_at,
                struct ended *ended)
{
    struct words words;
    struct until until = {r, 0, kill_at};
    const struct tracer tracer = {.enter = enter, .leave = leave_until, .arg = &until};
    int left;
    rig_words(rig, line, strlen(line), &words);
    trace_run(words.argv, &tracer, ended, &left);
    int n = r->n_ops;
    scan(r, "nobody");
    if (r->n_ops != n)
        give_up("'%s': a change that no call was seen to make", line);
}

void record_free(struct recording *r)
{
    for (int i = 0; i < r->n_nodes; i++) {
        for (int v = 0; v < r->node[i].n_versions; v++)
            free(r->node[i].version[v].data);
        free(r->node[i].version);
        free(r->node[i].target);
    }
    free(r->node);
    free(r->op);
    free(r->base.edge);
    free(r->live.edge);
}
