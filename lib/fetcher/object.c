/* Reading objects out of a cache. */
#include <string.h>

#include "base/error.h"
#include "fetcher/fetcher.h"

enum { MODE_KIND = 0170000, MODE_MODULE = 0160000 };

int object_unreadable(struct ml_error *err, const char *path)
{
    const git_error *why = git_error_last();
    if (why != NULL && why->klass == GIT_ERROR_NOMEMORY)
        return ml_error_memory(err);
    return ml_error_set(err, ML_DATA, "bad_cache", "cannot read '%.200s': %s", path,
                        why && why->message ? why->message : "libgit2 gives no reason");
}

int object_size_check(git_repository *repo, const struct budget *budget, const git_oid *id,
                      const char *path, struct ml_error *err)
{
    git_odb *odb;
    git_object_t type;
    size_t size;
    if (git_repository_odb(&odb, repo) < 0)
        return object_unreadable(err, path);
    int status = git_odb_read_header(&size, &type, odb, id);
    git_odb_free(odb);
    if (status < 0)
        return object_unreadable(err, path);
    return budget_file(budget, path, size, err);
}

int object_commit_tree(git_repository *repo, const char *commit, git_oid *ret, struct ml_error *err)
{
    git_oid id;
    git_commit *found;
    if (git_oid_fromstr(&id, commit) < 0 || git_commit_lookup(&found, repo, &id) < 0)
        return object_unreadable(err, commit);
    *ret = *git_commit_tree_id(found);
    git_commit_free(found);
    return 0;
}

static int no_such_path(struct ml_error *err, const char *path, const char *why)
{
    ml_error_set(err, ML_NO_INPUT, "no_such_path", "'%s' %s in this commit", path, why);
    return ml_error_hint(err, "give a directory as it is in the repository: plugins/math");
}

int object_subtree(git_repository *repo, const char *commit, const char *subdir, git_oid *ret,
                   struct ml_error *err)
{
    if (object_commit_tree(repo, commit, ret, err) < 0)
        return -1;
    if (*subdir == '\0')
        return 0;
    git_tree *tree;
    git_tree_entry *entry;
    if (git_tree_lookup(&tree, repo, ret) < 0)
        return object_unreadable(err, "/");
    int status = git_tree_entry_bypath(&entry, tree, subdir);
    git_tree_free(tree);
    if (status == GIT_ENOTFOUND)
        return no_such_path(err, subdir, "is not");
    if (status < 0)
        return object_unreadable(err, subdir);
    bool directory = git_tree_entry_type(entry) == GIT_OBJECT_TREE;
    *ret = *git_tree_entry_id(entry);
    git_tree_entry_free(entry);
    return directory ? 0 : no_such_path(err, subdir, "is no directory");
}

bool object_is_module(const git_tree_entry *entry)
{
    return ((int)git_tree_entry_filemode_raw(entry) & MODE_KIND) == MODE_MODULE;
}

void object_rename_code(struct ml_error *err)
{
    if (err == NULL)
        return;
    if (strcmp(err->code, "hostile_archive") == 0)
        strcpy(err->code, "hostile_repository");
    if (strcmp(err->code, "archive_too_large") == 0)
        strcpy(err->code, "repository_too_large");
}
