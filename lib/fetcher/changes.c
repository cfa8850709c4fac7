/* What differs between two commits, by walking their trees side by side: what has one id on both
 * sides is not looked at, so that a change costs what it is, however large the repository. A
 * million files become one, since a file of its own for each would cost a minute and 4 GiB. Only
 * what lies where an index has its plugins is of interest: names of 1 or 2 bytes lead there.
 * Whether a path is one is for the reader of the records to say. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/beneath.h"
#include "archive/paths.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "fetch/records.h"
#include "fetcher/fetcher.h"

enum { FLUSH_BYTES = 1 << 20, SHARD_MAX = 2, DEPTH_MAX = 2 };

struct changes {
    git_repository *repo;
    int fd;
    struct buf out;
    struct budget budget;
    uint64_t seen; /* entries that were looked at */
};

/* ---- writing ---- */

static int flush(struct changes *c, size_t least, struct ml_error *err)
{
    if (c->out.failed)
        return ml_error_memory(err);
    if (c->out.len < least)
        return 0;
    if (fs_write_all(c->fd, c->out.data, c->out.len) < 0)
        return path_write_failed(FETCH_RECORDS_FILE, err);
    buf_reset(&c->out);
    return 0;
}

static int record(struct changes *c, enum fetch_record_kind kind, const char *path,
                  const void *data, size_t n, struct ml_error *err)
{
    const struct fetch_record_head head = {
        .kind = kind, .path = (uint32_t)strlen(path), .size = (uint32_t)n};
    buf_add(&c->out, &head, sizeof head);
    buf_str(&c->out, path);
    buf_add(&c->out, data, n);
    fetcher_counts.files++;
    return flush(c, FLUSH_BYTES, err);
}

static int file_record(struct changes *c, const git_oid *id, const char *path, struct ml_error *err)
{
    git_blob *blob;
    if (object_size_check(c->repo, &c->budget, id, path, err) < 0)
        return -1;
    if (git_blob_lookup(&blob, c->repo, id) < 0)
        return object_unreadable(err, path);
    size_t n = (size_t)git_blob_rawsize(blob);
    int status = budget_bytes(&c->budget, path, 0, n, err);
    if (status == 0)
        status = record(c, FETCH_RECORD_FILE, path, git_blob_rawcontent(blob), n, err);
    git_blob_free(blob);
    return status;
}

/* ---- one entry ---- */

/* At the top there is what people put there: a README, .github. */
static bool is_of_interest(const git_tree_entry *entry, int depth)
{
    const char *name = git_tree_entry_name(entry);
    if (depth > 0)
        return true;
    return git_tree_entry_type(entry) == GIT_OBJECT_TREE ? strlen(name) <= SHARD_MAX
                                                         : strcmp(name, FETCH_RECORDS_TOP) == 0;
}

static const char *entry_fault(const git_tree_entry *entry, int depth)
{
    int mode = (int)git_tree_entry_filemode_raw(entry);
    if (S_ISLNK(mode))
        return "is a symbolic link";
    if (!S_ISREG(mode) && !S_ISDIR(mode))
        return "is neither a file nor a directory";
    if (git_tree_entry_type(entry) != (S_ISDIR(mode) ? GIT_OBJECT_TREE : GIT_OBJECT_BLOB))
        return "is not what its mode says";
    if (S_ISDIR(mode) && depth >= DEPTH_MAX)
        return "is a directory, deeper than an index has any";
    return NULL;
}

static bool same(const git_tree_entry *a, const git_tree_entry *b)
{
    return a != NULL && b != NULL && git_tree_entry_type(a) == git_tree_entry_type(b) &&
           git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b));
}

static const git_oid *tree_of(const git_tree_entry *entry)
{
    return entry != NULL && git_tree_entry_type(entry) == GIT_OBJECT_TREE ? git_tree_entry_id(entry)
                                                                          : NULL;
}

static bool is_file(const git_tree_entry *entry)
{
    return entry != NULL && git_tree_entry_type(entry) == GIT_OBJECT_BLOB;
}

static int trees_compare(struct changes *c, const git_oid *before, const git_oid *now,
                         const char *at, int depth, struct ml_error *err);

/* Of a name that both, or one of them, have. What was there before was looked at then. */
static int entry_compare(struct changes *c, const git_tree_entry *before, const git_tree_entry *now,
                         const char *at, int depth, struct ml_error *err)
{
    char path[FETCH_RECORD_PATH_MAX + 1];
    const char *name = git_tree_entry_name(now != NULL ? now : before), *fault;
    if (same(before, now))
        return 0;
    if (snprintf(path, sizeof path, "%s%s%s", at, *at ? "/" : "", name) >= (int)sizeof path)
        return path_hostile(err, at, "has a name in it that is too long for an index");
    if (now != NULL && (fault = entry_fault(now, depth)) != NULL)
        return path_hostile(err, path, "%s", fault);
    if (is_file(before) && !is_file(now) && record(c, FETCH_RECORD_REMOVED, path, NULL, 0, err) < 0)
        return -1;
    if (is_file(now) && file_record(c, git_tree_entry_id(now), path, err) < 0)
        return -1;
    if (tree_of(before) == NULL && tree_of(now) == NULL)
        return 0;
    return trees_compare(c, tree_of(before), tree_of(now), path, depth + 1, err);
}

/* ---- all of them ---- */

static int tree_open(git_repository *repo, const git_oid *id, git_tree **ret, const char *at,
                     struct ml_error *err)
{
    *ret = NULL;
    if (id != NULL && git_tree_lookup(ret, repo, id) < 0)
        return object_unreadable(err, *at ? at : "/");
    return 0;
}

static const git_tree_entry *entry_named(const git_tree *tree, const git_tree_entry *like)
{
    return tree != NULL ? git_tree_entry_byname(tree, git_tree_entry_name(like)) : NULL;
}

static int each_entry(struct changes *c, const git_tree *before, const git_tree *now,
                      const char *at, int depth, struct ml_error *err)
{
    size_t n = now != NULL ? git_tree_entrycount(now) : 0;
    size_t m = before != NULL ? git_tree_entrycount(before) : 0;
    c->seen += n + m;
    int status = budget_entries(&c->budget, c->seen, err);
    for (size_t i = 0; status == 0 && i < n; i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(now, i);
        if (is_of_interest(entry, depth))
            status = entry_compare(c, entry_named(before, entry), entry, at, depth, err);
    }
    for (size_t i = 0; status == 0 && i < m; i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(before, i);
        if (is_of_interest(entry, depth) && entry_named(now, entry) == NULL)
            status = entry_compare(c, entry, NULL, at, depth, err);
    }
    return status;
}

static int trees_compare(struct changes *c, const git_oid *before, const git_oid *now,
                         const char *at, int depth, struct ml_error *err)
{
    git_tree *old_tree = NULL, *new_tree = NULL;
    int status = tree_open(c->repo, before, &old_tree, at, err);
    if (status == 0)
        status = tree_open(c->repo, now, &new_tree, at, err);
    if (status == 0)
        status = each_entry(c, old_tree, new_tree, at, depth, err);
    git_tree_free(old_tree);
    git_tree_free(new_tree);
    return status;
}

/* ---- where it begins ---- */

/* Whether the commit that was there before still is. */
static bool base_find(git_repository *repo, const char *base, git_oid *ret)
{
    struct ml_error ignored;
    return *base != '\0' && object_commit_tree(repo, base, ret, &ignored) == 0;
}

static int compare(struct changes *c, const struct fetch_order *order, struct fetch_result *ret,
                   struct ml_error *err)
{
    git_oid before, now;
    if (object_commit_tree(c->repo, order->commit, &now, err) < 0)
        return -1;
    bool has_base = base_find(c->repo, order->base, &before);
    const struct fetch_records_head head = {.mark = FETCH_RECORDS_MARK, .whole = !has_base};
    buf_add(&c->out, &head, sizeof head);
    if (trees_compare(c, has_base ? &before : NULL, &now, "", 0, err) < 0 || flush(c, 1, err) < 0)
        return -1;
    strcpy(ret->commit, order->commit);
    git_oid_tostr(ret->tree, sizeof ret->tree, &now);
    ret->files = fetcher_counts.files;
    ret->bytes = c->budget.bytes;
    return 0;
}

int fetcher_changes(const struct fetch_order *order, struct fetch_result *ret, struct ml_error *err)
{
    struct changes c = {.budget.limits = order->limits.tree};
    c.budget.limits.ratio = 0; /* how well git has packed it says nothing */
    AUTO_CLOSE int dirfd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int fd = dirfd < 0 ? -1 : beneath_create(dirfd, FETCH_RECORDS_FILE);
    if (fd < 0)
        return path_write_failed(FETCH_RECORDS_FILE, err);
    if (git_repository_open_bare(&c.repo, order->cache) < 0)
        return object_unreadable(err, order->cache);
    c.fd = fd;
    int status = compare(&c, order, ret, err);
    if (status < 0)
        object_rename_code(err);
    buf_free(&c.out);
    git_repository_free(c.repo);
    return status;
}
