/* A commit of one file. What was committed before is what the caller has seen, or nothing is done;
 * and whatever else the user has staged or changed is left alone. The work tree comes first: who is
 * killed in between finds a change that git tells of. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "archive/beneath.h"
#include "archive/paths.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "fetch/commit.h"
#include "fetcher/fetcher.h"

struct commit {
    struct fetch_commit what;
    struct buf bytes; /* all that was behind the order */
    const char *old, *now;
    git_repository *repo;
    git_index *index;
    git_commit *head;
    git_tree *tree;
    git_oid blob;
};

static void commit_free(struct commit *c)
{
    git_tree_free(c->tree);
    git_commit_free(c->head);
    git_index_free(c->index);
    git_repository_free(c->repo);
    buf_free(&c->bytes);
}

static int order_take(struct commit *c, struct ml_error *err)
{
    struct fetch_commit *w = &c->what;
    size_t most = sizeof *w + 2 * FETCH_COMMIT_FILE_MAX;
    if (fs_read_all(STDIN_FILENO, &c->bytes, most) < 0 || c->bytes.len < sizeof *w)
        return ml_error_set(err, ML_BUG, NULL, "modload-fetch is for modload alone");
    memcpy(w, c->bytes.data, sizeof *w);
    if (c->bytes.len != sizeof *w + (size_t)w->old_n + w->now_n)
        return ml_error_set(err, ML_BUG, NULL, "modload-fetch is for modload alone");
    w->path[sizeof w->path - 1] = w->name[sizeof w->name - 1] = w->mail[sizeof w->mail - 1] =
        w->message[sizeof w->message - 1] = '\0';
    c->old = c->bytes.data + sizeof *w;
    c->now = c->old + w->old_n;
    return 0;
}

/* ---- what there is ---- */

static int no_clone(struct ml_error *err, const char *why)
{
    ml_error_set(err, ML_NO_INPUT, "no_repository", "it is no clone to commit to: %s", why);
    return ml_error_hint(err, "make one: git clone URL DIR; it needs a branch with a commit");
}

static int repo_open(struct commit *c, struct ml_error *err)
{
    git_oid head;
    if (git_repository_open_ext(&c->repo, ".", GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) < 0)
        return no_clone(err, git_error_last() ? git_error_last()->message : "not a repository");
    if (git_repository_is_bare(c->repo))
        return no_clone(err, "it is bare");
    if (git_repository_head_detached(c->repo) == 1)
        return no_clone(err, "it is on no branch");
    if (git_repository_state(c->repo) != GIT_REPOSITORY_STATE_NONE)
        return no_clone(err, "a merge or a rebase is going on in it");
    if (git_reference_name_to_id(&head, c->repo, "HEAD") < 0 ||
        git_commit_lookup(&c->head, c->repo, &head) < 0 || git_commit_tree(&c->tree, c->head) < 0)
        return no_clone(err, "its branch has no commit");
    if (git_repository_index(&c->index, c->repo) < 0)
        return no_clone(err, "its index cannot be read");
    return 0;
}

static int dirty(const struct commit *c, struct ml_error *err)
{
    ml_error_set(err, ML_DATA, "dirty_clone", "'%s' has changes that are not committed",
                 c->what.path);
    return ml_error_hint(
        err, "commit them, or take them back in the clone: git restore --staged --worktree %s",
        c->what.path);
}

static bool blob_is(git_repository *repo, const git_oid *id, const char *text, size_t n)
{
    git_blob *blob;
    if (git_blob_lookup(&blob, repo, id) < 0)
        return false;
    bool same = (size_t)git_blob_rawsize(blob) == n &&
                (n == 0 || memcmp(git_blob_rawcontent(blob), text, n) == 0);
    git_blob_free(blob);
    return same;
}

/* Last commit, index and, as the caller has read it, work tree are one. */
static int clean_check(struct commit *c, struct ml_error *err)
{
    git_tree_entry *entry = NULL;
    const git_index_entry *staged = git_index_get_bypath(c->index, c->what.path, 0);
    int found = git_tree_entry_bypath(&entry, c->tree, c->what.path);
    if (found < 0 && found != GIT_ENOTFOUND)
        return git_failed(err, found, "cannot read the last commit");
    bool committed = found == 0, same;
    if (!committed)
        same = c->what.is_new && staged == NULL;
    else
        same = !c->what.is_new && staged != NULL &&
               git_oid_equal(&staged->id, git_tree_entry_id(entry)) &&
               blob_is(c->repo, git_tree_entry_id(entry), c->old, c->what.old_n);
    git_tree_entry_free(entry);
    return same && !git_index_has_conflicts(c->index) ? 0 : dirty(c, err);
}

/* ---- what there shall be ---- */

static int file_write(struct commit *c, struct ml_error *err)
{
    AUTO_CLOSE int dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *slash = strrchr(c->what.path, '/');
    if (dirfd < 0)
        return ml_error_errno(err, 0, errno, "cannot open the clone");
    if (slash != NULL) {
        *slash = '\0';
        int made = beneath_mkdir(dirfd, c->what.path);
        *slash = '/';
        if (made < 0)
            return path_write_failed(c->what.path, err);
    }
    if (fs_replace_file(dirfd, ".git", c->what.path, c->now, c->what.now_n, 0644) < 0)
        return path_write_failed(c->what.path, err);
    return 0;
}

static int stage(struct commit *c, struct ml_error *err)
{
    const git_index_entry entry = {.mode = GIT_FILEMODE_BLOB, .id = c->blob, .path = c->what.path};
    int status = git_index_add(c->index, &entry);
    if (status == 0)
        status = git_index_write(c->index);
    return status < 0 ? git_failed(err, status, "cannot stage it") : 0;
}

static int commit_make(struct commit *c, git_signature *who, struct fetch_result *ret,
                       struct ml_error *err)
{
    git_oid tree_id, id;
    git_tree *tree;
    const git_commit *parents[] = {c->head};
    const git_tree_update update = {.action = GIT_TREE_UPDATE_UPSERT,
                                    .id = c->blob,
                                    .filemode = GIT_FILEMODE_BLOB,
                                    .path = c->what.path};
    int status = git_tree_create_updated(&tree_id, c->repo, c->tree, 1, &update);
    if (status < 0 || (status = git_tree_lookup(&tree, c->repo, &tree_id)) < 0)
        return git_failed(err, status, "cannot write the tree");
    status = git_commit_create(&id, c->repo, "HEAD", who, who, "UTF-8", c->what.message, tree, 1,
                               parents);
    git_tree_free(tree);
    if (status < 0)
        return git_failed(err, status, "cannot write the commit");
    git_oid_tostr(ret->commit, sizeof ret->commit, &id);
    git_oid_tostr(ret->tree, sizeof ret->tree, &tree_id);
    return 0;
}

static int commit_all(struct commit *c, struct fetch_result *ret, struct ml_error *err)
{
    git_signature *who;
    if (order_take(c, err) < 0 || repo_open(c, err) < 0 || clean_check(c, err) < 0)
        return -1;
    int status = git_signature_new(&who, c->what.name, c->what.mail, c->what.time, 0);
    if (status < 0)
        return git_failed(err, status, "the author is none");
    status = git_blob_create_from_buffer(&c->blob, c->repo, c->now, c->what.now_n);
    if (status < 0)
        git_failed(err, status, "cannot write the file");
    else if (file_write(c, err) < 0 || stage(c, err) < 0 || commit_make(c, who, ret, err) < 0)
        status = -1;
    git_signature_free(who);
    return status < 0 ? -1 : 0;
}

int fetcher_commit(struct fetch_result *ret, struct ml_error *err)
{
    struct commit c = {.repo = NULL};
    int status = commit_all(&c, ret, err);
    commit_free(&c);
    return status;
}
