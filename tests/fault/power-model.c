/* What may be left of a record when the power goes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/scope.h"
#include "power.h"

enum { NO_DIR = -1, ALL_DIRS = -2, ALL_NODES = -1 };

/* ---- what is durable ---- */

static bool syncs(const struct op *op, int node)
{
    return op->kind == OP_SYNC_ALL || (op->kind == OP_SYNC && op->node == node);
}

/* How many of the first `at` ops had been done when a node was last synced. */
static int synced_at(const struct recording *r, int at, int node)
{
    while (at > 0 && !syncs(&r->op[at - 1], node))
        at--;
    return at > 0 ? at - 1 : 0;
}

/* The newest version that a file had after the first `at` ops. */
static int version_at(const struct recording *r, int at, int node)
{
    for (int i = at; i-- > 0;)
        if (r->op[i].kind == OP_DATA && r->op[i].node == node)
            return r->op[i].version;
    return 0;
}

/* Whether one half of a change of names is there. */
static bool is_kept(const struct recording *r, const struct crash *c, int op, int dir)
{
    if (c->dir == ALL_DIRS)
        return op < synced_at(r, c->at, dir);
    return op < (c->dir == dir ? c->dir_names : c->names);
}

static void names_kept(const struct recording *r, const struct crash *c, struct edges *ret)
{
    edges_copy(ret, &r->base);
    for (int i = 0; i < c->at; i++)
        for (int h = 0; h < r->op[i].n_halves; h++)
            if (is_kept(r, c, i, r->op[i].half[h].dir))
                edges_set(ret, &r->op[i].half[h]);
}

/* ---- data ---- */

static void halve(const struct version *old, const struct version *new, struct buf *out)
{
    bool grows = new->n > old->n &&memcmp(new->data, old->data, old->n) == 0;
    size_t n = grows ? old->n + (new->n - old->n + 1) / 2 : new->n / 2;
    buf_add(out, new->data, n);
}

static void zero(const struct version *old, const struct version *new, struct buf *out)
{
    size_t same = 0;
    while (same < old->n && same < new->n && old->data[same] == new->data[same])
        same++;
    buf_add(out, new->data, same);
    while (same++ < new->n)
        buf_char(out, '\0');
}

/* The versions of a file: that which was synced, and the last one. */
struct span {
    int old, new;
};

static struct span span_of(const struct recording *r, int at, int node)
{
    return (struct span){version_at(r, synced_at(r, at, node), node), version_at(r, at, node)};
}

/* The version that is there as a whole, or -1 when it is none of them: then `out` gets what is
 * there.
 */
static int data_kept(const struct recording *r, const struct crash *c, int node, struct span span,
                     struct buf *out)
{
    const struct version *version = r->node[node].version;
    enum kept kept = c->node == ALL_NODES || c->node == node ? c->kept : KEPT_ALL;
    if (span.new == span.old || kept == KEPT_ALL)
        return span.new;
    if (kept == KEPT_NONE)
        return span.old;
    if (kept == KEPT_BEFORE)
        return span.new - 1;
    buf_reset(out);
    if (kept == KEPT_HALF)
        halve(&version[span.old], &version[span.new], out);
    else
        zero(&version[span.old], &version[span.new], out);
    return -1;
}

/* ---- a state on the disk ---- */

static void build_file(const struct recording *r, const struct crash *c, const struct edge *edge,
                       int fd)
{
    const struct node *node = &r->node[edge->node];
    BUF_AUTO part = BUF_INIT;
    AUTO_CLOSE int file =
        openat(fd, edge->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, node->mode);
    int whole = data_kept(r, c, edge->node, span_of(r, c->at, edge->node), &part);
    const char *data = whole < 0 ? buf_text(&part) : node->version[whole].data;
    size_t n = whole < 0 ? part.len : node->version[whole].n;
    if (file < 0 || fs_write_all(file, data, n) < 0)
        give_up("cannot make '%s': %s", edge->name, strerror(errno));
}

static void build_dir(const struct recording *r, const struct crash *c, const struct edges *e,
                      int dir, int fd)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct edge *edge = &e->edge[i];
        const struct node *node = &r->node[edge->node];
        if (edge->dir != dir)
            continue;
        if (node->type == NODE_FILE) {
            build_file(r, c, edge, fd);
            continue;
        }
        bool made = node->type == NODE_LINK ? symlinkat(node->target, fd, edge->name) == 0
                                            : mkdirat(fd, edge->name, node->mode) == 0;
        if (!made)
            give_up("cannot make '%s': %s", edge->name, strerror(errno));
        if (node->type == NODE_LINK)
            continue;
        AUTO_CLOSE int sub = openat(fd, edge->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        build_dir(r, c, e, edge->node, sub);
    }
}

void crash_build(const struct recording *r, const struct crash *c, const char *root)
{
    struct edges e = {.n = 0};
    AUTO_CLOSE int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        give_up("cannot open '%s': %s", root, strerror(errno));
    names_kept(r, c, &e);
    build_dir(r, c, &e, ROOT, fd);
    free(e.edge);
}

/* ---- all of them ---- */

struct search {
    const struct recording *r;
    void (*each)(const struct crash *crash, void *arg);
    void *arg;
    uint64_t *seen; /* hashes, 0 is a free place */
    size_t n_seen, room;
    struct edges edges;
    struct span *span; /* of each node, after as many ops as are looked at */
};

static bool is_seen(struct search *s, uint64_t hash)
{
    size_t i = hash % s->room;
    hash += hash == 0;
    while (s->seen[i] != 0 && s->seen[i] != hash)
        i = (i + 1) % s->room;
    if (s->seen[i] == hash)
        return true;
    s->seen[i] = hash;
    if (++s->n_seen > s->room / 2)
        give_up("more than %zu states", s->room / 2);
    return false;
}

static uint64_t hash_node(const struct search *s, const struct crash *c, int n, uint64_t name);

/* The sum does not depend on the order of the names. */
static uint64_t hash_dir(const struct search *s, const struct crash *c, int dir, uint64_t above)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->edges.n; i++) {
        const struct edge *edge = &s->edges.edge[i];
        if (edge->dir == dir)
            sum += hash_node(s, c, edge->node, fnv(above, edge->name, strlen(edge->name) + 1));
    }
    return sum;
}

static uint64_t hash_node(const struct search *s, const struct crash *c, int n, uint64_t name)
{
    const struct node *node = &s->r->node[n];
    BUF_AUTO part = BUF_INIT;
    if (node->type == NODE_DIR)
        return name + hash_dir(s, c, n, name);
    if (node->type == NODE_LINK)
        return fnv(name, node->target, strlen(node->target));
    int whole = data_kept(s->r, c, n, s->span[n], &part);
    uint64_t data =
        whole < 0 ? fnv(FNV_INIT, buf_text(&part), part.len) : node->version[whole].hash;
    return fnv(name, &data, sizeof data);
}

/* What is said to be done is another state than the same without that. */
static void consider(struct search *s, struct crash c)
{
    const uint64_t parts[] = {hash_dir(s, &c, ROOT, FNV_INIT), c.at == s->r->n_ops};
    c.hash = fnv(FNV_INIT, parts, sizeof parts);
    if (!is_seen(s, c.hash))
        s->each(&c, s->arg);
}

/* For one choice of names: the data of all files, then that of each file that is not synced. */
static void consider_data(struct search *s, struct crash c)
{
    names_kept(s->r, &c, &s->edges);
    c.node = ALL_NODES;
    for (int kept = 0; kept < N_KEPT; kept++) {
        c.kept = (enum kept)kept;
        consider(s, c);
    }
    for (c.node = 0; c.node < s->r->n_nodes; c.node++) {
        if (s->span[c.node].old == s->span[c.node].new)
            continue;
        for (int kept = KEPT_NONE; kept < N_KEPT; kept++) {
            c.kept = (enum kept)kept;
            consider(s, c);
        }
    }
}

static bool touches(const struct op *op, int dir)
{
    for (int h = 0; h < op->n_halves; h++)
        if (op->half[h].dir == dir)
            return true;
    return false;
}

/* The first op that the file system may have lost: all before the last durable one are there. */
static int first_loss(const struct recording *r, int at)
{
    for (int i = at; i-- > 0;)
        for (int h = 0; h < r->op[i].n_halves; h++)
            if (i < synced_at(r, at, r->op[i].half[h].dir))
                return i + 1;
    return 0;
}

/* All file systems that keep the order of names, then those that lose the end of one directory,
 * then one that has only what was synced. */
static void consider_names(struct search *s, int at)
{
    const struct recording *r = s->r;
    struct crash c = {.at = at, .dir = NO_DIR};
    for (int n = 0; n < r->n_nodes; n++)
        s->span[n] = span_of(r, at, n);
    for (c.names = first_loss(r, at); c.names <= at; c.names++)
        if (c.names == at || r->op[c.names].kind == OP_NAMES)
            consider_data(s, c);
    c.names = at;
    for (c.dir = 0; c.dir < r->n_nodes; c.dir++)
        for (c.dir_names = synced_at(r, at, c.dir); c.dir_names < at; c.dir_names++)
            if (touches(&r->op[c.dir_names], c.dir))
                consider_data(s, c);
    c.dir = ALL_DIRS;
    consider_data(s, c);
}

void crash_each(const struct recording *r, int from,
                void (*each)(const struct crash *crash, void *arg), void *arg)
{
    struct search s = {.r = r, .each = each, .arg = arg, .room = 1 << 20};
    s.seen = calloc(s.room, sizeof *s.seen);
    s.span = calloc((size_t)r->n_nodes, sizeof *s.span);
    if (s.seen == NULL || s.span == NULL)
        give_up("out of memory");
    for (int at = from; at <= r->n_ops; at++)
        consider_names(&s, at);
    free(s.seen);
    free(s.span);
    free(s.edges.edge);
}

/* ---- in words ---- */

static void op_text(const struct recording *r, const struct op *op, struct buf *out)
{
    buf_fmt(out, "%s", op->call);
    for (int h = 0; h < op->n_halves; h++)
        buf_fmt(out, " %s%s", op->half[h].name, op->half[h].node < 0 ? " (goes)" : "");
    for (size_t i = 0; op->n_halves == 0 && i < r->live.n; i++)
        if (r->live.edge[i].node == op->node)
            buf_fmt(out, " %s", r->live.edge[i].name);
}

void crash_text(const struct recording *r, const struct crash *c, struct buf *out)
{
    static const char *const kept[] = {"all", "none", "half", "zeros", "what was before"};
    buf_fmt(out, "the power goes after op %d of %d (", c->at, r->n_ops);
    if (c->at > 0)
        op_text(r, &r->op[c->at - 1], out);
    buf_str(out, ")\n");
    if (c->dir == ALL_DIRS)
        buf_str(out, "kept are the names that were synced\n");
    else if (c->dir >= 0)
        buf_fmt(out, "of one directory the names are kept before op %d (", c->dir_names + 1);
    else if (c->names < c->at)
        buf_fmt(out, "names are kept before op %d (", c->names + 1);
    if (c->dir != ALL_DIRS && (c->dir >= 0 || c->names < c->at)) {
        op_text(r, &r->op[c->dir >= 0 ? c->dir_names : c->names], out);
        buf_str(out, ")\n");
    }
    if (c->kept != KEPT_ALL)
        buf_fmt(out, "of the data of %s that were not synced: %s\n",
                c->node == ALL_NODES ? "files" : "a file", kept[c->kept]);
}
