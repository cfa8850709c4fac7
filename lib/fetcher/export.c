/* A commit's tree becomes files by walking it: no work tree, so no filter, no attribute and no link
 * has a say. Names, kinds and sizes are looked at, and files made, by what does so for archives. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/beneath.h"
#include "archive/budget.h"
#include "archive/paths.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "fetcher/fetcher.h"

enum { MODE_SPECIAL = 07000 };

struct walk {
    git_repository *repo;
    int dirfd;
    struct budget budget;
    struct paths paths;
    const char *at; /* of a submodule: where it is; names are looked at as parts of the whole */
    size_t ours;    /* where in a path that of this repository begins */
    size_t before;  /* how many of `paths` are not its own */
    struct fetch_used used;
    bool modules; /* they are fetched: here is where they go */
};

/* ---- one entry ---- */

/* Its name is one part of a path: git's format does not say so, and libgit2 does not look. */
static const char *entry_fault(const git_tree_entry *entry)
{
    int mode = (int)git_tree_entry_filemode_raw(entry);
    if (strchr(git_tree_entry_name(entry), '/') != NULL)
        return "has a slash in its name";
    if (object_is_module(entry))
        return NULL;
    if (S_ISLNK(mode))
        return "is a symbolic link";
    if (!S_ISREG(mode) && !S_ISDIR(mode))
        return "is neither a file nor a directory";
    if (mode & MODE_SPECIAL)
        return "has a set-id or sticky bit";
    if (git_tree_entry_type(entry) != (S_ISDIR(mode) ? GIT_OBJECT_TREE : GIT_OBJECT_BLOB))
        return "is not what its mode says";
    return NULL;
}

static int blob_write(struct walk *w, git_blob *blob, const char *path, struct ml_error *err)
{
    size_t n = (size_t)git_blob_rawsize(blob);
    if (budget_bytes(&w->budget, path, 0, n, err) < 0)
        return -1;
    AUTO_CLOSE int fd = beneath_create(w->dirfd, path + w->ours);
    if (fd < 0 || fs_write_all(fd, git_blob_rawcontent(blob), n) < 0 || fs_close(steal_fd(&fd)) < 0)
        return path_write_failed(path, err);
    return 0;
}

static int file_take(struct walk *w, const git_tree_entry *entry, const char *path,
                     struct ml_error *err)
{
    git_blob *blob;
    const git_oid *id = git_tree_entry_id(entry);
    if (object_size_check(w->repo, &w->budget, id, path, err) < 0)
        return -1;
    if (git_blob_lookup(&blob, w->repo, id) < 0)
        return object_unreadable(err, path);
    int status = blob_write(w, blob, path, err);
    git_blob_free(blob);
    return status;
}

/* ---- all of them ---- */

static int tree_take(struct walk *w, const git_oid *id, const char *at, struct ml_error *err);

static uint64_t entries(const struct walk *w)
{
    return w->paths.n - w->before;
}

static int not_asked(struct ml_error *err, const char *path)
{
    path_hostile(err, path, "is a submodule, and nobody has asked for these");
    if (err != NULL)
        strcpy(err->code, "has_submodule");
    return -1;
}

/* A path that is too deep is refused by paths_add(), so that this ends. */
static int entry_take(struct walk *w, const git_tree_entry *entry, const char *at,
                      struct ml_error *err)
{
    AUTO_FREE char *path = NULL;
    const char *name = git_tree_entry_name(entry), *fault = entry_fault(entry);
    if (asprintf(&path, "%s%s%s", at, *at ? "/" : "", name) < 0) {
        path = NULL;
        return ml_error_memory(err);
    }
    if (fault != NULL)
        return path_hostile(err, path, "%s", fault);
    bool module = object_is_module(entry);
    if (module && !w->modules)
        return not_asked(err, path);
    bool directory = module || git_tree_entry_type(entry) == GIT_OBJECT_TREE;
    if (paths_add(&w->paths, path, directory, err) < 0 ||
        budget_entries(&w->budget, w->used.files + entries(w), err) < 0)
        return -1;
    fetcher_counts.files = (uint32_t)entries(w);
    if (!directory)
        return file_take(w, entry, path, err);
    if (beneath_mkdir(w->dirfd, path + w->ours) < 0)
        return path_write_failed(path, err);
    return module ? 0 : tree_take(w, git_tree_entry_id(entry), path, err);
}

static int tree_take(struct walk *w, const git_oid *id, const char *at, struct ml_error *err)
{
    git_tree *tree;
    int status = 0;
    if (git_tree_lookup(&tree, w->repo, id) < 0)
        return object_unreadable(err, *at ? at : "/");
    for (size_t i = 0; status == 0 && i < git_tree_entrycount(tree); i++)
        status = entry_take(w, git_tree_entry_byindex(tree, i), at, err);
    git_tree_free(tree);
    return status;
}

/* ---- where it begins ---- */

/* A submodule's own place was looked at in the repository that it is in. */
static int place_take(struct walk *w, struct ml_error *err)
{
    if (*w->at != '\0' && paths_add(&w->paths, w->at, true, err) < 0)
        return -1;
    w->before = w->paths.n;
    w->ours = *w->at ? strlen(w->at) + 1 : 0;
    return 0;
}

static int walk(git_repository *repo, const struct fetch_order *order, int dirfd,
                struct fetch_result *ret, struct ml_error *err)
{
    git_oid tree;
    struct walk w = {.repo = repo,
                     .dirfd = dirfd,
                     .budget = {.limits = order->limits.tree, .bytes = order->used.bytes},
                     .at = order->at,
                     .used = order->used,
                     .modules = order->modules};
    w.budget.limits.ratio = 0; /* how well git has packed it says nothing */
    w.paths.names = ARCHIVE_NAMES_PORTABLE;
    w.paths.lib = lib_load(err);
    if (w.paths.lib == NULL || object_subtree(repo, order->commit, order->subdir, &tree, err) < 0)
        return -1;
    int status = place_take(&w, err);
    if (status == 0)
        status = tree_take(&w, &tree, w.at, err);
    strcpy(ret->commit, order->commit);
    git_oid_tostr(ret->tree, sizeof ret->tree, &tree);
    ret->files = (uint32_t)entries(&w);
    ret->bytes = w.budget.bytes - w.used.bytes;
    paths_free(&w.paths);
    return status;
}

int fetcher_export(const struct fetch_order *order, struct fetch_result *ret, struct ml_error *err)
{
    git_repository *repo;
    AUTO_CLOSE int dirfd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ml_error_errno(err, 0, errno, "cannot open the directory");
    if (git_repository_open_bare(&repo, order->cache) < 0)
        return object_unreadable(err, order->cache);
    int status = walk(repo, order, dirfd, ret, err);
    if (status < 0)
        object_rename_code(err);
    git_repository_free(repo);
    return status;
}
