/* Which submodules a commit has, beneath the directory that is asked for: its tree says where and
 * at which commit, and .gitmodules at its top where they come from. Nothing is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/paths.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/scope.h"
#include "fetch/gitmodules.h"
#include "fetcher/fetcher.h"

struct search {
    git_repository *repo;
    const struct fetch_order *order;
    struct budget budget;
    struct paths paths; /* of submodules alone: the rest is looked at when it is exported */
    uint64_t seen;      /* entries that were looked at */
    size_t n;
    struct buf text; /* of .gitmodules */
    bool has_text;
};

/* ---- .gitmodules ---- */

static int blob_read(struct search *s, const git_oid *id, struct ml_error *err)
{
    git_blob *blob;
    if (git_blob_lookup(&blob, s->repo, id) < 0)
        return object_unreadable(err, GITMODULES_FILE);
    buf_add(&s->text, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    git_blob_free(blob);
    return s->text.failed ? ml_error_memory(err) : 0;
}

/* One that is no plain file says nothing (CVE-2018-11235 was a link). */
static int entry_read(struct search *s, const git_tree_entry *entry, struct ml_error *err)
{
    struct budget small = {.limits = s->budget.limits};
    if (entry == NULL)
        return 0;
    if (!S_ISREG((int)git_tree_entry_filemode_raw(entry)))
        return path_hostile(err, GITMODULES_FILE, "is no plain file");
    small.limits.file_bytes = GITMODULES_SIZE_MAX;
    if (object_size_check(s->repo, &small, git_tree_entry_id(entry), GITMODULES_FILE, err) < 0)
        return -1;
    return blob_read(s, git_tree_entry_id(entry), err);
}

static int text_read(struct search *s, struct ml_error *err)
{
    git_oid top;
    git_tree *tree;
    if (s->has_text)
        return 0;
    if (object_commit_tree(s->repo, s->order->commit, &top, err) < 0)
        return -1;
    if (git_tree_lookup(&tree, s->repo, &top) < 0)
        return object_unreadable(err, "/");
    int status = entry_read(s, git_tree_entry_byname(tree, GITMODULES_FILE), err);
    git_tree_free(tree);
    s->has_text = status == 0;
    return status;
}

/* ---- the tree ---- */

/* In .gitmodules paths count from the top of the repository. */
static int module_tell(struct search *s, const git_oid *id, const char *path, struct ml_error *err)
{
    struct fetch_module module = {.path = ""};
    const char *at = s->order->subdir;
    AUTO_FREE char *whole = NULL;
    if (s->n++ == FETCH_MODULES_MAX)
        return ml_error_set(err, ML_LIMIT, "too_many_submodules", "it has more than %d submodules",
                            FETCH_MODULES_MAX);
    if (asprintf(&whole, "%s%s%s", at, *at ? "/" : "", path) < 0) {
        whole = NULL;
        return ml_error_memory(err);
    }
    if (text_read(s, err) < 0)
        return -1;
    if (gitmodules_find(buf_text(&s->text), s->text.len, whole, module.url, err) < 0)
        return ml_error_wrap(err, "submodule '%.200s'", whole);
    snprintf(module.path, sizeof module.path, "%s", path); /* paths_add() knows its length */
    git_oid_tostr(module.commit, sizeof module.commit, id);
    fetcher_tell_module(&module);
    return 0;
}

static int module_take(struct search *s, const git_oid *id, const char *path, struct ml_error *err)
{
    AUTO_FREE char *whole = NULL;
    const char *at = s->order->at;
    if (asprintf(&whole, "%s%s%s", at, *at ? "/" : "", path) < 0) {
        whole = NULL;
        return ml_error_memory(err);
    }
    if (paths_add(&s->paths, whole, true, err) < 0)
        return -1;
    return module_tell(s, id, path, err);
}

static int tree_search(struct search *s, const git_oid *id, const char *path, int depth,
                       struct ml_error *err);

static int entry_search(struct search *s, const git_tree_entry *entry, const char *at, int depth,
                        struct ml_error *err)
{
    AUTO_FREE char *path = NULL;
    bool module = object_is_module(entry);
    if (!module && git_tree_entry_type(entry) != GIT_OBJECT_TREE)
        return 0;
    if (asprintf(&path, "%s%s%s", at, *at ? "/" : "", git_tree_entry_name(entry)) < 0) {
        path = NULL;
        return ml_error_memory(err);
    }
    return module ? module_take(s, git_tree_entry_id(entry), path, err)
                  : tree_search(s, git_tree_entry_id(entry), path, depth + 1, err);
}

static int tree_search(struct search *s, const git_oid *id, const char *path, int depth,
                       struct ml_error *err)
{
    git_tree *tree;
    if (depth > ARCHIVE_DEPTH_MAX)
        return path_hostile(err, path, "is deeper than %d directories", ARCHIVE_DEPTH_MAX);
    if (git_tree_lookup(&tree, s->repo, id) < 0)
        return object_unreadable(err, *path ? path : "/");
    s->seen += git_tree_entrycount(tree);
    int status = budget_entries(&s->budget, s->order->used.files + s->seen, err);
    for (size_t i = 0; status == 0 && i < git_tree_entrycount(tree); i++)
        status = entry_search(s, git_tree_entry_byindex(tree, i), path, depth, err);
    git_tree_free(tree);
    return status;
}

static int search(git_repository *repo, const struct fetch_order *order, struct ml_error *err)
{
    git_oid tree;
    struct search s = {.repo = repo, .order = order, .budget.limits = order->limits.tree};
    s.budget.limits.ratio = 0;
    s.paths.names = ARCHIVE_NAMES_PORTABLE;
    s.paths.lib = lib_load(err);
    if (s.paths.lib == NULL || object_subtree(repo, order->commit, order->subdir, &tree, err) < 0)
        return -1;
    int status = tree_search(&s, &tree, "", 0, err);
    paths_free(&s.paths);
    buf_free(&s.text);
    return status;
}

int fetcher_modules(const struct fetch_order *order, struct fetch_result *ret, struct ml_error *err)
{
    git_repository *repo;
    if (git_repository_open_bare(&repo, ".") < 0)
        return object_unreadable(err, ".");
    int status = search(repo, order, err);
    if (status < 0)
        object_rename_code(err);
    git_repository_free(repo);
    strcpy(ret->commit, order->commit);
    strcpy(ret->tree, order->commit); /* an id, as an answer has one: nobody asks for it */
    return status;
}
