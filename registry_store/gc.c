/* gc: forgets generations that nobody asked to keep, and removes bundles that nothing points at.
 * What points: entries, generations, and the locks of those who use a bundle (workers, builds,
 * readers). The write lock keeps new pointers from coming while it looks; a bundle goes by one
 * rename into tmp/, so nobody ever sees half of one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "registry_store/internal.h"

/* A descriptor is held for each, and a process has 1024 of them (getrlimit(2), RLIMIT_NOFILE). */
enum { TRASH_MAX = 256 };

/* A bundle that was taken out of the way, still locked. */
struct trash {
    char name[24]; /* beneath tmp/ */
    int fd;
};

struct collector {
    struct store *store;
    const struct store_gc *policy;
    struct store_gc_result *result;
    char cutoff[STORE_TIME_SIZE];
    struct ids used; /* bundles that something points at */
    struct trash trash[TRASH_MAX];
    size_t n_trash;
    size_t forgettable; /* lines that may go */
    struct ml_error *err;
};

static int collector_errno(struct collector *c, const char *what)
{
    return store_errno(c->err, "cannot %s of '%s'", what, c->store->home);
}

/* ---- which lines stay ---- */

/* The lines of one entry, in the order of the file. */
struct line {
    const struct store_record *record;
    const struct store_record *pin; /* of the generation that it makes or is about; or null */
    bool keep;
};

/* Whether a generation may go by age and rank. What counts is when it was replaced: what was
 * current a minute ago is new, however long it had been current. */
static bool may_forget(const struct collector *c, const char *replaced, size_t rank)
{
    const struct store_gc *p = c->policy;
    if (p->keep_last == 0 && p->older_than_s < 0)
        return false;
    return (p->keep_last == 0 || rank >= p->keep_last) &&
           (p->older_than_s < 0 || strcmp(replaced, c->cutoff) < 0);
}

/* An entry that was taken out stays until then: rollback brings it back. */
static bool forgets_entry(const struct collector *c, const struct line *lines, size_t n)
{
    const struct store_record *newest = NULL;
    for (size_t i = 0; i < n; i++)
        if (record_is_generation(lines[i].record))
            newest = lines[i].record;
    return newest == NULL || (newest->op == STORE_UNREGISTER &&
                              (c->policy->older_than_s < 0 || strcmp(newest->time, c->cutoff) < 0));
}

/* From the newest back. The newest always stays: it says what is, and how far the numbers have
 * come. */
static void choose_generations(const struct collector *c, struct line *lines, size_t n, bool out)
{
    const char *replaced = NULL;
    size_t rank = 0;
    for (size_t i = n; i-- > 0;) {
        const struct store_record *r = lines[i].record;
        if (!record_is_generation(r))
            continue;
        bool pinned = *r->bundle != '\0' && lines[i].pin != NULL;
        lines[i].keep = pinned || (!out && (replaced == NULL || !may_forget(c, replaced, rank)));
        replaced = r->time;
        rank += *r->bundle != '\0';
    }
}

/* A pin that was taken back, or made again, says nothing more. */
static void choose_pins(struct line *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!record_is_generation(lines[i].record))
            lines[i].keep = lines[i].pin == lines[i].record;
}

/* An entry that is out and has a pin keeps its last line too, which says that it is out. */
static void choose_lines(const struct collector *c, struct line *lines, size_t n)
{
    bool out = forgets_entry(c, lines, n);
    choose_generations(c, lines, n, out);
    choose_pins(lines, n);
    bool any = false;
    for (size_t i = 0; i < n; i++)
        any = any || lines[i].keep;
    for (size_t i = n; out && any && i-- > 0;)
        if (record_is_generation(lines[i].record)) {
            lines[i].keep = true;
            break;
        }
}

static int line_compare(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = strcmp(x->record->uuid, y->record->uuid);
    return order != 0 ? order : (x->record < y->record ? -1 : x->record > y->record);
}

static int line_compare_age(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->record < y->record ? -1 : x->record > y->record;
}

/* Entry by entry, and then back in the order of the file. */
static int choose_shard(const struct collector *c, const struct shard_log *log, struct line *lines)
{
    size_t n_pins, n = log->n;
    AUTO_FREE const struct store_record **pins = newest_pins(log, &n_pins);
    if (pins == NULL)
        return ml_error_memory(c->err);
    for (size_t i = 0; i < n; i++)
        lines[i].pin = pin_find(pins, n_pins, lines[i].record->uuid, lines[i].record->generation);
    qsort(lines, n, sizeof *lines, line_compare);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && strcmp(lines[end].record->uuid, lines[i].record->uuid) == 0;
             end++)
            ;
        choose_lines(c, lines + i, end - i);
    }
    qsort(lines, n, sizeof *lines, line_compare_age);
    return 0;
}

/* ---- histories ---- */

static int lines_use(struct collector *c, const struct line *lines, size_t n, bool kept_only)
{
    for (size_t i = 0; i < n; i++)
        if ((lines[i].keep || !kept_only) && *lines[i].record->bundle != '\0' &&
            ids_add(&c->used, lines[i].record->bundle) < 0)
            return ml_error_memory(c->err);
    return 0;
}

static int shard_rewrite(struct collector *c, unsigned shard, const struct line *lines, size_t n)
{
    BUF_AUTO text = BUF_INIT;
    char path[PATH_SIZE];
    shard_path("history", shard, path);
    for (size_t i = 0; i < n; i++)
        if (lines[i].keep)
            store_record_write(&text, lines[i].record);
    if (text.failed)
        return ml_error_memory(c->err);
    if (fs_replace_file(c->store->fd, "tmp", path, buf_text(&text), text.len, 0600) < 0)
        return collector_errno(c, "rewrite the history");
    return 0;
}

/* A shard with a line that cannot be read is left as it is: what it said is not known, so nothing
 * of it may be forgotten. */
static int shard_collect(struct collector *c, unsigned shard, bool rewrite)
{
    LOG_AUTO log = {.n = 0};
    if (log_read(c->store, shard, NULL, &log) < 0)
        return collector_errno(c, "read the history");
    AUTO_FREE struct line *lines = calloc(log.n + 1, sizeof *lines);
    if (lines == NULL)
        return ml_error_memory(c->err);
    for (size_t i = 0; i < log.n; i++)
        lines[i] = (struct line){.record = &log.records[i], .keep = log.damaged > 0};
    if (log.damaged == 0 && log.n > 0 && choose_shard(c, &log, lines) < 0)
        return -1;
    size_t dropped = 0;
    for (size_t i = 0; i < log.n; i++) {
        dropped += !lines[i].keep;
        c->result->generations += !lines[i].keep && record_is_generation(lines[i].record);
    }
    c->forgettable += dropped;
    if (!rewrite)
        return lines_use(c, lines, log.n, c->policy->dry_run);
    if (dropped > 0 && shard_rewrite(c, shard, lines, log.n) < 0)
        return -1;
    return lines_use(c, lines, log.n, true);
}

static int use_entry(const char *uuid, const char *bundle, void *arg)
{
    struct collector *c = arg;
    c->result->entries++;
    return ids_add(&c->used, bundle) < 0 ? ml_error_memory(c->err) : 0;
}

/* What is pointed at: by entries, and by lines, all of them or those that stay. */
static int mark(struct collector *c, bool rewrite)
{
    ids_free(&c->used);
    c->result->entries = c->result->generations = c->forgettable = 0;
    for (unsigned shard = 0; shard < N_SHARDS; shard++)
        if (shard_collect(c, shard, rewrite) < 0)
            return -1;
    return store_each_key(c->store, "", use_entry, c, c->err);
}

/* ---- bundles ---- */

/* Adds what a tree takes on the disk, in bytes (st_blocks is in units of 512: stat(2)). */
static int tree_size(int dirfd, const char *path, uint64_t *size)
{
    struct stat st;
    struct names names;
    if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    *size += (uint64_t)st.st_blocks * 512;
    if (!S_ISDIR(st.st_mode))
        return 0;
    AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || names_read(fd, ".", &names) < 0)
        return -1;
    int status = 0;
    for (size_t i = 0; i < names.n && status == 0; i++)
        status = tree_size(fd, names.item[i], size);
    int saved = errno;
    names_free(&names);
    errno = saved;
    return status;
}

/* The names are gone, for good, before anything is removed: what a crash leaves is litter in tmp/,
 * and never half of a bundle. */
static int empty_trash(struct collector *c)
{
    AUTO_CLOSE int tmp = openat(c->store->fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = c->n_trash > 0 ? fs_sync_dir(c->store->fd, "bundles") : 0;
    if (status < 0)
        collector_errno(c, "sync the bundles");
    for (size_t i = 0; i < c->n_trash; i++) {
        if (tmp >= 0 && status == 0)
            fs_remove_tree(tmp, c->trash[i].name); /* what cannot be removed now is swept later */
        close(c->trash[i].fd);
    }
    c->n_trash = 0;
    return status;
}

/* 1 when it was taken out of the way; 0 when somebody uses it. In tmp/ our lock says that it is not
 * litter yet; if we die, it is. */
static int bundle_take(struct collector *c, const char *id)
{
    char path[PATH_SIZE], temp[32], name[24];
    bundle_path(id, NULL, path);
    if (c->n_trash == TRASH_MAX && empty_trash(c) < 0)
        return -1;
    AUTO_CLOSE int fd = openat(c->store->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return collector_errno(c, "open a bundle");
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 0 : collector_errno(c, "lock a bundle");
    if (c->policy->dry_run)
        return 1;
    fs_random_name(name, sizeof name, "");
    snprintf(temp, sizeof temp, "tmp/%s", name);
    if (renameat(c->store->fd, path, c->store->fd, temp) < 0)
        return collector_errno(c, "remove a bundle");
    c->trash[c->n_trash].fd = steal_fd(&fd);
    strcpy(c->trash[c->n_trash++].name, name);
    return 1;
}

/* 1, 0; -1: it cannot be told, and nothing is taken for old on a guess. */
static int is_young(struct collector *c, const char *id)
{
    char path[PATH_SIZE], time[STORE_TIME_SIZE];
    struct stat st;
    bundle_path(id, NULL, path);
    if (c->policy->older_than_s < 0)
        return 0;
    if (fstatat(c->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : collector_errno(c, "look at a bundle");
    utc_text(time, st.st_ctime); /* when it was filed */
    return strcmp(time, c->cutoff) >= 0;
}

static int collect_bundle(const char *id, void *arg)
{
    struct collector *c = arg;
    char path[PATH_SIZE];
    uint64_t size = 0;
    int young = ids_have(&c->used, id) ? 1 : is_young(c, id);
    if (young != 0)
        return young < 0 ? -1 : 0;
    bundle_path(id, NULL, path);
    if (tree_size(c->store->fd, path, &size) < 0)
        return collector_errno(c, "look at a bundle");
    int taken = bundle_take(c, id);
    if (taken <= 0) {
        c->result->in_use += taken == 0;
        return taken;
    }
    c->result->bundles++;
    c->result->bytes += size;
    return c->policy->freed ? c->policy->freed(id, size, c->policy->arg) : 0;
}

/* ---- all of it ---- */

/* First what not even a line that goes points at: that needs no room, which a full disk does not
 * have. Then the lines; then what only they had pointed at. A history is never ahead of what it
 * names: the check takes what a line names and is not there for lost (check-entry.c). */
static int collect(struct collector *c)
{
    /* a change that was finished must be seen to be gone before the histories are rewritten under
     * it */
    if (!c->policy->dry_run && fs_sync_dir(c->store->fd, "journal") < 0)
        return collector_errno(c, "sync the journal");
    if (mark(c, false) < 0 || store_each_bundle(c->store, collect_bundle, c, c->err) != 0)
        return -1;
    if (c->policy->dry_run || c->forgettable == 0)
        return 0;
    c->result->in_use = 0; /* they are counted again */
    return mark(c, true) < 0 || store_each_bundle(c->store, collect_bundle, c, c->err) != 0 ? -1
                                                                                            : 0;
}

int store_gc(struct store *store, const struct store_gc *policy, struct store_gc_result *ret,
             struct ml_error *err)
{
    struct collector c = {.store = store, .policy = policy, .result = ret, .err = err};
    *ret = (struct store_gc_result){.bundles = 0};
    if (store->fd < 0)
        return 0;
    /* who only looks needs no lock where he can have none, and sweeps nothing */
    AUTO_CLOSE int lock =
        policy->dry_run ? lock_take(store, store->wait_ms) : store_write_lock(store, err);
    if (lock < 0 && !policy->dry_run)
        return -1;
    if (lock < 0 && (errno == EWOULDBLOCK || errno == ECANCELED))
        return lock_failed(store, err);
    if (policy->older_than_s >= 0) /* times are whole seconds; none is older than 0 without this */
        utc_text(c.cutoff, utc_now() - policy->older_than_s + (policy->older_than_s == 0));
    int status = collect(&c);
    if (lock >= 0)
        close(steal_fd(&lock)); /* others need not wait for what nobody sees any more */
    if (empty_trash(&c) < 0)
        status = -1;
    ids_free(&c.used);
    return status;
}
