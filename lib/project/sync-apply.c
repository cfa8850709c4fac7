/* From packages that were agreed to, to entries. The lock is written before the registry is
 * changed, and put back where that cannot be: a plugin gets its UUID from the lock, so whoever was
 * killed in between finds it there, and does not register the same plugin a second time under a new
 * one. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "client/context.h"
#include "project/sync.h"

struct apply {
    struct ml_sync *s;
    size_t *place; /* which items are built: places in the plan */
    size_t n;
    struct ml_build_job *build; /* beside `place` */
};

static void apply_free(struct apply *a)
{
    for (size_t k = 0; a->build != NULL && k < a->n; k++)
        ml_bundle_info_free(a->build[k].info);
}

/* ---- building ---- */

static int builds_make(struct apply *a, struct ml_error *err)
{
    struct ml_sync *s = a->s;
    a->place = arena_alloc(&s->a, s->plan.n, sizeof *a->place);
    a->build = arena_alloc(&s->a, s->plan.n, sizeof *a->build);
    if (a->place == NULL || a->build == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < s->plan.n; i++) {
        if (s->jobs[i].package == NULL)
            continue;
        a->build[a->n].request = (struct ml_build_request){
            .timeout_ms = s->request.build_ms,
            .diagnostics_fd = s->request.diagnostics_fd,
            .cancel_fd = s->request.how.cancel_fd,
        };
        ml_package_build(s->jobs[i].package, &a->build[a->n].request);
        a->place[a->n++] = i;
    }
    return 0;
}

static int other_bundle(struct ml_sync *s, const struct ml_sync_plugin *told, const char *locked,
                        struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    ml_error_set(&why, ML_REFUSED, "other_bundle",
                 "its source is that of the lock, and became bundle '%s', not '%s'", told->bundle,
                 locked);
    ml_error_hint(&why,
                  "the compiler or the system's headers are others than when it was locked: "
                  "to lock what they make now, run: %s",
                  s->again);
    return sync_failed(s, told->name, &why, err);
}

/* A platform that the lock does not have is a new line in it; the source is what was agreed to. */
static int bundle_take(struct apply *a, size_t k, struct ml_error *err)
{
    struct ml_sync *s = a->s;
    struct sync_item *item = &s->plan.items[a->place[k]];
    struct ml_sync_plugin *told = &s->told[a->place[k]];
    strcpy(told->bundle, a->build[k].info->bundle);
    const char *platform = platform_of(&s->a, s->ctx, told->bundle, err);
    if (platform == NULL)
        return -1;
    const char *locked = lock_bundle(&item->block, platform);
    if (locked != NULL && strcmp(locked, told->bundle) != 0 && s->request.frozen)
        return other_bundle(s, told, locked, err);
    lock_set_bundle(&s->a, &item->block, platform, told->bundle);
    return 0;
}

static int build_all(struct apply *a, struct ml_error *err)
{
    struct ml_sync *s = a->s;
    int status = 0;
    if (builds_make(a, err) < 0)
        return -1;
    if (a->n > 0 && ml_build_all(s->ctx, a->build, a->n, s->request.at_once, err) < 0)
        return -1;
    for (size_t k = 0; k < a->n; k++)
        if (a->build[k].info == NULL)
            status = sync_failed(s, s->told[a->place[k]].name, &a->build[k].err, err);
    for (size_t k = 0; k < a->n && status == 0; k++)
        status = bundle_take(a, k, err);
    return status;
}

/* ---- testing ---- */

#define TELL_AUTHOR "nothing was changed; tell its author, or ask for another version"

/* What became of a plugin's tests: how many there are, and the first that failed. */
struct outcome {
    size_t count;
    char first[512];
};

static int outcome_take(const struct ml_test_result *result, void *arg)
{
    struct outcome *o = arg;
    o->count = result->count;
    if (!result->passed && *o->first == '\0')
        snprintf(o->first, sizeof o->first, "%s: %s", result->call, result->why);
    return 0;
}

/* A constructor has ended the worker: the status is that of its end, and not of ours. */
static void not_mapped(struct ml_error *why)
{
    struct ml_error end = *why;
    ml_error_set(why, ML_DATA, "tests_failed", "it cannot be tested: %s", end.message);
    ml_error_hint(why, TELL_AUTHOR);
}

static int test_one(struct apply *a, size_t k, struct ml_error *err)
{
    struct ml_sync *s = a->s;
    const struct ml_sync_plugin *told = &s->told[a->place[k]];
    struct outcome o = {0};
    struct ml_error why = ML_ERROR_INIT;
    int n = ml_bundle_test(s->ctx, told->bundle, s->request.test_ms, s->request.how.cancel_fd,
                           outcome_take, &o, &why);
    if (n == 0)
        return 0;
    if (n < 0 && strcmp(why.code, "plugin_error") == 0)
        not_mapped(&why);
    if (n > 0) {
        ml_error_set(&why, ML_DATA, "tests_failed", "it fails %d of its own %zu tests, first %s", n,
                     o.count, o.first);
        ml_error_hint(&why, TELL_AUTHOR);
    }
    return sync_failed(s, told->name, &why, err);
}

static int test_all(struct apply *a, struct ml_error *err)
{
    struct ml_error problem = ML_ERROR_INIT;
    for (size_t k = 0; k < a->n && !sync_cancelled(&problem); k++)
        test_one(a, k, &problem);
    if (problem.status == 0)
        return 0;
    if (err != NULL)
        *err = problem;
    return -1;
}

/* ---- the lock ---- */

static int lock_change(struct apply *a, struct ml_error *err)
{
    struct ml_sync *s = a->s;
    struct lock next = {0};
    if (s->request.frozen)
        return 0;
    for (size_t i = 0; i < s->plan.n; i++)
        lock_put(&s->a, &next, &s->plan.items[i].block);
    if (s->a.failed)
        return ml_error_memory(err);
    int written =
        lock_save(s->dirfd, s->lock_label, &next, s->has_lock ? buf_text(&s->old) : NULL, err);
    s->wrote_lock = written > 0;
    return written < 0 ? -1 : 0;
}

/* Both errors matter: what the lock now says is not so. */
static int lock_undo(struct ml_sync *s, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    if (!s->wrote_lock)
        return -1;
    s->wrote_lock = false;
    if (lock_put_back(s->dirfd, s->lock_label, s->has_lock ? &s->old : NULL, &why) < 0)
        ml_error_hint(err, "%s: it is ahead of the registry; run %s again", why.message, s->again);
    return -1;
}

/* ---- the registry ---- */

struct changes {
    struct store_change *change;
    const char **plugin; /* what messages call it */
    size_t n;
};

static bool is_pruned(const struct ml_sync *s, size_t gone)
{
    return s->request.prune && !s->plan.gone[gone].other;
}

/* Others use the registry while a plugin is fetched, agreed to and built: what they do then was in
 * nobody's sight when this was. */
static const char *seen_of(const struct sync_entry *entry)
{
    return entry->there ? entry->entry.bundle : "";
}

static void changes_fill(struct apply *a, struct changes *ret)
{
    struct ml_sync *s = a->s;
    for (size_t k = 0; k < a->n; k++) {
        const struct ml_bundle_info *info = a->build[k].info;
        const struct ml_sync_plugin *told = &s->told[a->place[k]];
        ret->plugin[ret->n] = told->name;
        ret->change[ret->n++] = (struct store_change){
            .uuid = told->uuid,
            .op = STORE_REGISTER,
            .bundle = told->bundle,
            .plugin = arena_fmt(&s->a, "%s@%s", info->name, info->version),
            .name = told->name,
            .origin = ml_package_info(told->package)->origin,
            .origin_counts = true,
            .seen = seen_of(&s->plan.items[a->place[k]].entry),
        };
    }
    for (size_t i = 0; i < s->plan.n_gone; i++) {
        const struct lock_plugin *block = s->plan.gone[i].block;
        if (!is_pruned(s, i))
            continue;
        ret->plugin[ret->n] = block->name;
        ret->change[ret->n++] = (struct store_change){
            .uuid = block->uuid, .op = STORE_UNREGISTER, .seen = seen_of(&s->plan.gone[i].entry)};
    }
}

static int not_registered(struct ml_sync *s, const struct changes *c, size_t bad,
                          struct ml_error *why, struct ml_error *err)
{
    if (strcmp(why->code, "name_taken") == 0)
        ml_error_hint(why,
                      "nothing was changed; take that entry out (modload unregister), or "
                      "%sgive the plugin another name in the project",
                      s->plan.n_gone > 0 && !s->request.prune
                          ? arena_fmt(&s->a, "run %s --prune, or ", s->again)
                          : "");
    if (bad < c->n)
        return sync_failed(s, c->plugin[bad], why, err);
    if (err != NULL)
        *err = *why;
    return -1;
}

static int registry_change(struct apply *a, struct ml_error *err)
{
    struct ml_sync *s = a->s;
    struct ml_error why = ML_ERROR_INIT;
    struct store *store;
    size_t room = a->n + s->plan.n_gone, bad = room;
    struct changes c = {arena_alloc(&s->a, room, sizeof *c.change),
                        arena_alloc(&s->a, room, sizeof *c.plugin), 0};
    if (c.change == NULL || c.plugin == NULL)
        return ml_error_memory(err);
    changes_fill(a, &c);
    if (s->a.failed)
        return ml_error_memory(err);
    if (c.n == 0)
        return 0;
    if (ctx_store(s->ctx, true, &store, err) < 0)
        return -1;
    if (store_change(store, c.change, c.n, &bad, &why) < 0)
        return not_registered(s, &c, bad, &why, err);
    for (size_t i = 0, k = a->n; i < s->plan.n_gone; i++)
        if (is_pruned(s, i))
            s->told[s->plan.n + i].unregistered = c.change[k++].changed;
    return 0;
}

int ml_sync_apply(struct ml_sync *s, struct ml_error *err)
{
    __attribute__((cleanup(apply_free))) struct apply a = {.s = s};
    if (build_all(&a, err) < 0 || test_all(&a, err) < 0 || lock_change(&a, err) < 0)
        return -1;
    return registry_change(&a, err) < 0 ? lock_undo(s, err) : 0;
}
