/* Reading objects out of a cache. */
#include <string.h>

#include "base/error.h"
#include "fetcher/fetcher.h"

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

void object_rename_code(struct ml_error *err)
{
    if (err == NULL)
        return;
    if (strcmp(err->code, "hostile_archive") == 0)
        strcpy(err->code, "hostile_repository");
    if (strcmp(err->code, "archive_too_large") == 0)
        strcpy(err->code, "repository_too_large");
}
