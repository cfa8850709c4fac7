#include "project/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "base/shell-word.h"
#include "project/field.h"

/* ---- beginning and end ---- */

void ml_sync_free(struct ml_sync *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; s->jobs != NULL && i < s->plan.n; i++)
        ml_package_free(s->jobs[i].package);
    if (s->dirfd >= 0)
        close(s->dirfd); /* and its lock */
    buf_free(&s->old);
    arena_free(&s->a);
    free(s);
}

static void sync_cleanup(struct ml_sync **s)
{
    ml_sync_free(*s);
}

bool sync_cancelled(const struct ml_error *err)
{
    return strcmp(err->code, "cancelled") == 0;
}

int sync_failed(struct ml_sync *s, const char *plugin, struct ml_error *why, struct ml_error *err)
{
    ml_error_wrap(why, "%s", plugin);
    if (s->request.failed != NULL)
        s->request.failed(plugin, why, s->request.arg);
    if (err != NULL && !sync_cancelled(err)) /* who was interrupted has failed of that */
        *err = *why;
    return -1;
}

static int directory_open(struct ml_sync *s, struct ml_error *err)
{
    const char *dir = s->request.dir;
    bool here = strcmp(dir, ".") == 0;
    s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0)
        return ml_error_errno(err, 0, errno, "cannot open the directory '%s'", dir);
    s->input.label = here ? PROJECT_FILE : arena_fmt(&s->a, "%s/%s", dir, PROJECT_FILE);
    s->lock_label = here ? LOCK_FILE : arena_fmt(&s->a, "%s/%s", dir, LOCK_FILE);
    BUF_AUTO again = BUF_INIT;
    buf_str(&again, here ? "modload sync" : "modload sync ");
    if (!here)
        shell_word(&again, dir);
    s->again = arena_str(&s->a, buf_text(&again));
    return s->a.failed || again.failed ? ml_error_memory(err) : 0;
}

static int look(struct ml_sync *s, struct ml_error *err)
{
    struct sync_input *input = &s->input;
    buf_reset(&s->old);
    if (project_read(&s->a, s->dirfd, input->label, &input->project, err) < 0)
        return -1;
    int there = lock_read(&s->a, s->dirfd, s->lock_label, &s->old, &input->lock, err);
    if (there < 0)
        return -1;
    s->has_lock = there > 0;
    if (sync_plan_make(&s->a, s->ctx, input, &s->plan, err) < 0)
        return -1;
    return s->request.frozen ? sync_plan_frozen(&s->plan, s->lock_label, s->has_lock, s->again, err)
                             : 0;
}

/* ---- what is told ---- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void item_tell(const struct sync_item *item, struct ml_sync_plugin *ret)
{
    static const enum ml_sync_state states[] = {
        [SYNC_NOTHING] = ML_SYNC_SAME, [SYNC_LOCKED] = ML_SYNC_LOCKED, [SYNC_NEW] = ML_SYNC_ADDED};
    bool changed = item->need == SYNC_NEW && item->locked != NULL;
    *ret = (struct ml_sync_plugin){
        .state = changed ? ML_SYNC_CHANGED : states[item->need],
        .name = item->asked->name,
        .uuid = item->block.uuid,
        .git = item->asked->git,
        .release = or_empty(item->block.release),
        .tag = or_empty(item->block.tag),
        .commit = or_empty(item->block.commit),
        .release_before = or_empty(item->locked ? item->locked->release : NULL),
        .commit_before = item->locked ? item->locked->commit : "",
        .asks = item->need == SYNC_NEW || item->other,
        .other = item->other ? &item->entry.entry : NULL,
        .other_origin = item->other ? item->entry.origin : "",
    };
    strcpy(ret->bundle, item->bundle);
    ret->capabilities = item->block.capabilities.items;
    ret->n_capabilities = item->block.capabilities.n;
    if (item->locked == NULL)
        return;
    ret->capabilities_before = item->locked->capabilities.items;
    ret->n_capabilities_before = item->locked->capabilities.n;
}

static void gone_tell(const struct sync_gone *gone, struct ml_sync_plugin *ret)
{
    const struct lock_plugin *block = gone->block;
    *ret = (struct ml_sync_plugin){
        .state = ML_SYNC_GONE,
        .name = block->name,
        .uuid = block->uuid,
        .git = block->git,
        .release = "",
        .tag = "",
        .commit = "",
        .release_before = or_empty(block->release),
        .commit_before = block->commit,
        .capabilities_before = block->capabilities.items,
        .n_capabilities_before = block->capabilities.n,
        .other = gone->other ? &gone->entry.entry : NULL,
        .other_origin = gone->other ? gone->entry.origin : "",
    };
}

static int tell_all(struct ml_sync *s, struct ml_error *err)
{
    s->told = arena_alloc(&s->a, s->plan.n + s->plan.n_gone, sizeof *s->told);
    s->jobs = arena_alloc(&s->a, s->plan.n, sizeof *s->jobs);
    if (s->told == NULL || s->jobs == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < s->plan.n; i++)
        item_tell(&s->plan.items[i], &s->told[i]);
    for (size_t i = 0; i < s->plan.n_gone; i++)
        gone_tell(&s->plan.gone[i], &s->told[s->plan.n + i]);
    return 0;
}

const struct ml_sync_plugin *ml_sync_plugin(const struct ml_sync *s, size_t i)
{
    return i < s->plan.n + s->plan.n_gone ? &s->told[i] : NULL;
}

bool ml_sync_is_done(const struct ml_sync *s)
{
    return sync_plan_is_done(&s->plan);
}

bool ml_sync_wrote_lock(const struct ml_sync *s)
{
    return s->wrote_lock;
}

/* ---- opening ---- */

/* Who finds nothing to do has waited for nobody. Who does not looks again when it is his turn:
 * somebody else may have done it meanwhile. */
static int open_with(struct ml_sync *s, struct ml_error *err)
{
    const struct ml_sync_request *r = &s->request;
    if (directory_open(s, err) < 0 || look(s, err) < 0)
        return -1;
    if (!r->frozen && !r->look_only && !ml_sync_is_done(s) &&
        (lock_hold(s->dirfd, s->lock_label, r->wait_ms, r->how.cancel_fd, err) < 0 ||
         look(s, err) < 0))
        return -1;
    return tell_all(s, err);
}

int ml_sync_open(struct ml_ctx *ctx, const struct ml_sync_request *request, struct ml_sync **ret,
                 struct ml_error *err)
{
    __attribute__((cleanup(sync_cleanup))) struct ml_sync *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ml_error_memory(err);
    s->ctx = ctx;
    s->dirfd = -1;
    s->request = *request;
    s->input.frozen = request->frozen;
    s->input.renew = request->renew;
    s->input.n_renew = request->n_renew;
    if (open_with(s, err) < 0)
        return -1;
    *ret = s;
    s = NULL;
    return 0;
}

/* ---- fetching ---- */

/* "1.2.3" alone is the name of a tag for a fetch, and a range here. */
static const char *ref_of(struct ml_sync *s, const struct project_plugin *asked)
{
    if (asked->version == NULL)
        return asked->ref ? asked->ref : "";
    const char *range = asked->version + strspn(asked->version, " ,");
    return *range >= '0' && *range <= '9' ? arena_fmt(&s->a, "=%s", range) : range;
}

/* An '@' at its end only says that those before it are the path's own. */
static const char *source_of(struct ml_sync *s, const char *git)
{
    size_t n = strlen(git);
    return n > 0 && git[n - 1] == '@' ? arena_mem(&s->a, git, n - 1) : git;
}

/* The commit of a branch that is followed again; null: it is a tag's, or of another branch. */
static const char *since_of(const struct sync_item *item)
{
    const struct lock_plugin *locked = item->locked;
    const struct project_plugin *asked = item->asked;
    bool followed = item->need == SYNC_NEW && locked != NULL && locked->tag == NULL &&
                    locked->version == NULL && asked->version == NULL &&
                    field_git_same(locked->git, asked->git) &&
                    strcmp(or_empty(locked->ref), or_empty(asked->ref)) == 0;
    return followed ? locked->commit : NULL;
}

static void request_make(struct ml_sync *s, const struct sync_item *item,
                         struct ml_package_request *ret)
{
    bool locked = item->need == SYNC_LOCKED;
    *ret = s->request.how;
    ret->source = source_of(s, item->asked->git);
    ret->ref = ref_of(s, item->asked);
    ret->path = item->asked->path;
    ret->since = since_of(item);
    ret->submodules = item->asked->submodules;
    ret->commit = locked ? item->block.commit : NULL;
    ret->tag = locked ? item->block.tag : NULL;
    ret->tree = locked ? item->block.tree : NULL;
    ret->digest = locked ? item->block.source : NULL;
}

/* Which of a package's capabilities were not agreed to. */
static int more_find(struct ml_sync *s, const struct ml_package_info *info,
                     struct ml_sync_plugin *told, struct ml_error *err)
{
    const char **more = arena_alloc(&s->a, info->n_capabilities, sizeof *more);
    if (more == NULL)
        return ml_error_memory(err);
    told->capabilities = info->capabilities;
    told->n_capabilities = info->n_capabilities;
    told->n_more = ml_capabilities_beyond(told->capabilities_before, told->n_capabilities_before,
                                          info->capabilities, info->n_capabilities, more);
    told->more = more;
    told->asks = told->asks || told->n_more > 0;
    return 0;
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

/* What the lock is going to have. Of a commit that was got by its id, no tag is known but that of
 * the lock. */
static void block_fill(struct ml_sync *s, const struct ml_package_info *info,
                       struct sync_item *item)
{
    struct lock_plugin *block = &item->block;
    block->capabilities = (struct strv){0};
    for (size_t i = 0; i < info->n_capabilities; i++)
        strv_add(&s->a, &block->capabilities, info->capabilities[i]);
    if (item->need == SYNC_LOCKED)
        return;
    block->tag = or_null(info->tag);
    block->release = block->tag ? or_null(info->release) : NULL;
    block->commit = info->commit;
    block->tree = info->tree;
    block->source = info->digest;
    block->bundles = NULL;
    block->n_bundles = 0;
}

static int not_agreed(struct ml_sync *s, const struct ml_sync_plugin *told, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    ml_error_set(&why, ML_REFUSED, "not_agreed", "it asks for '%s', which '%s' does not agree to",
                 told->more[0], s->lock_label);
    ml_error_hint(&why, "look at it, and agree to it: %s", s->again);
    return sync_failed(s, told->name, &why, err);
}

/* A lock is of commits. */
static int no_repository(struct ml_sync *s, const struct sync_item *item, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    ml_error_set(&why, ML_CONFIG, "no_repository", "'%s' is no git repository", item->asked->git);
    ml_error_hint(&why, "\"git\" of a project names repositories; what is none is for: modload "
                        "install");
    return sync_failed(s, item->asked->name, &why, err);
}

/* A block that is gone is no obstacle, and the UUID that it had keeps the entry. */
static void anew_hint(const struct ml_sync *s, const struct sync_item *item, struct ml_error *err)
{
    bool given = item->asked->uuid != NULL;
    ml_error_hint(
        err,
        "ask its author; to take what is there now: %s%s%sremove its block from '%s', and "
        "run %s",
        given ? "" : "give it \"uuid\": \"", given ? "" : item->block.uuid,
        given ? "" : "\" in the project, ", s->lock_label, s->again);
}

static int moved(struct ml_sync *s, const struct sync_item *item,
                 const struct ml_package_info *info, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    ml_error_set(&why, ML_REFUSED, "moved_tag",
                 "the tag '%s' was moved: it was %.12s, as '%s' says, and now is %.12s", info->tag,
                 item->locked->commit, s->lock_label, info->commit);
    anew_hint(s, item, &why);
    return sync_failed(s, item->asked->name, &why, err);
}

/* What was looked for anew, and is what the lock has: then the lock has been right all along. 0 or
 * -1. */
static int found_again(struct ml_sync *s, size_t i, struct ml_error *err)
{
    struct sync_item *item = &s->plan.items[i];
    struct lock_plugin fresh = item->block;
    item->block = lock_restate(item->locked, item->asked);
    item->block.uuid = fresh.uuid;
    item->need = SYNC_LOCKED;
    int registered = sync_item_registered(&s->a, s->ctx, item, s->request.frozen, err);
    if (registered > 0) {
        item->need = SYNC_NOTHING;
        ml_package_free(s->jobs[i].package);
        s->jobs[i].package = NULL;
    }
    item_tell(item, &s->told[i]);
    return registered < 0 ? -1 : 0;
}

static int fetched_take(struct ml_sync *s, size_t i, struct ml_error *err)
{
    struct sync_item *item = &s->plan.items[i];
    struct ml_sync_plugin *told = &s->told[i];
    const struct ml_package_info *info = ml_package_info(s->jobs[i].package);
    const struct lock_plugin *locked =
        item->locked && field_git_same(item->locked->git, item->asked->git) ? item->locked : NULL;
    if (!info->git)
        return no_repository(s, item, err);
    if (locked && *info->tag && locked->tag && strcmp(locked->tag, info->tag) == 0 &&
        strcmp(locked->commit, info->commit) != 0)
        return moved(s, item, info, err);
    if (item->need == SYNC_NEW && locked && lock_answers(locked, item->asked) &&
        strcmp(locked->commit, info->commit) == 0 && strcmp(locked->source, info->digest) == 0 &&
        found_again(s, i, err) < 0)
        return -1;
    if (item->need == SYNC_NOTHING)
        return 0;
    told->package = s->jobs[i].package;
    if (more_find(s, info, told, err) < 0)
        return -1;
    if (told->n_more > 0 && s->request.frozen)
        return not_agreed(s, told, err);
    block_fill(s, info, item);
    told->release = or_empty(item->block.release);
    told->tag = or_empty(item->block.tag);
    told->commit = item->block.commit;
    return 0;
}

static int not_fetched(struct ml_sync *s, size_t i, struct ml_error *err)
{
    struct ml_error *why = &s->jobs[i].err;
    if (strcmp(why->code, "rewritten") == 0 || strcmp(why->code, "moved_tag") == 0)
        anew_hint(s, &s->plan.items[i], why);
    return sync_failed(s, s->told[i].name, why, err);
}

/* The jobs stand side by side, since they are done at once; each goes back to its place then. */
int ml_sync_fetch(struct ml_sync *s, struct ml_error *err)
{
    size_t n = 0;
    int status = 0;
    size_t *place = arena_alloc(&s->a, s->plan.n, sizeof *place);
    struct ml_package_job *jobs = arena_alloc(&s->a, s->plan.n, sizeof *jobs);
    if (place == NULL || jobs == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < s->plan.n; i++) {
        if (s->plan.items[i].need == SYNC_NOTHING)
            continue;
        request_make(s, &s->plan.items[i], &jobs[n].request);
        place[n++] = i;
    }
    if (s->a.failed)
        return ml_error_memory(err);
    if (ml_package_fetch_all(s->ctx, jobs, n, s->request.at_once, err) < 0)
        return -1;
    for (size_t k = 0; k < n; k++) {
        s->jobs[place[k]] = jobs[k];
        if (jobs[k].package == NULL)
            status = not_fetched(s, place[k], err);
        else if (fetched_take(s, place[k], err) < 0)
            status = -1;
    }
    return status == 0 && s->a.failed ? ml_error_memory(err) : status;
}
