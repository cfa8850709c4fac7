#include "project/sync-plan.h"

#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/words.h"
#include "client/context.h"
#include "modload/install.h"
#include "project/field.h"
#include "project/sync.h"

/* ---- what the registry has ---- */

/* A URL and a directory, escaped; what was cut is no origin of git's. */
enum { ORIGIN_MAX = 2 * PATH_MAX };

/* The '@' says that those before it are the path's own: an origin has the URL alone. */
static bool came_from(struct arena *a, const struct ml_origin *origin,
                      const struct lock_plugin *block)
{
    const char *url = arena_fmt(a, "%s@", origin->git);
    return url != NULL && field_git_same(block->git, url) &&
           strcmp(origin->path, block->path ? block->path : "") == 0;
}

/* A UUID says nothing of whose an entry is: whoever writes a lock can guess those of others. */
static int origin_look(struct arena *a, struct ml_ctx *ctx, const struct lock_plugin *block,
                       struct sync_entry *ret, struct ml_error *err)
{
    char text[ORIGIN_MAX];
    struct ml_origin origin;
    if (ml_entry_origin(ctx, &ret->entry.key, text, sizeof text, err) < 0)
        return -1;
    ret->origin = arena_str(a, text);
    ret->git = ml_origin_parse(text, &origin, NULL) == 0;
    ret->same_source = ret->git && came_from(a, &origin, block);
    ret->same_commit =
        ret->same_source && block->commit != NULL && strcmp(origin.commit, block->commit) == 0;
    ml_origin_done(&origin);
    return ret->origin ? 0 : ml_error_memory(err);
}

static int entry_look(struct arena *a, struct ml_ctx *ctx, const struct ml_key *key,
                      const struct lock_plugin *block, struct sync_entry *ret, struct ml_error *err)
{
    struct ml_error problem = ML_ERROR_INIT;
    *ret = (struct sync_entry){.origin = ""};
    if (ml_entry_read(ctx, key, &ret->entry, &problem) == 0) {
        ret->there = true;
        return origin_look(a, ctx, block, ret, err);
    }
    if (problem.status == ML_NO_INPUT)
        return 0;
    if (err != NULL)
        *err = problem;
    return -1;
}

static bool has_bundle(const struct lock_plugin *block, const char *bundle)
{
    for (size_t i = 0; i < block->n_bundles; i++)
        if (strcmp(block->bundles[i].id, bundle) == 0)
            return true;
    return false;
}

/* A platform is told by what a bundle has of it, and no compiler is asked. A bundle that cannot be
 * read is got again, and whatever it has is told then. */
static bool is_unlisted(struct arena *a, struct ml_ctx *ctx, const struct lock_plugin *block,
                        const char *bundle)
{
    const char *platform = platform_of(a, ctx, bundle, NULL);
    return platform != NULL && lock_bundle(block, platform) == NULL;
}

/* What an entry leads to and is gone is got again. 1, 0, or -1 and the error. */
static int is_filed(struct ml_ctx *ctx, const char *bundle, struct ml_error *err)
{
    struct store *store;
    return ctx_store(ctx, false, &store, err) < 0 ? -1 : store_bundle_filed(store, bundle, err);
}

int sync_item_registered(struct arena *a, struct ml_ctx *ctx, struct sync_item *item, bool frozen,
                         struct ml_error *err)
{
    struct sync_entry *now = &item->entry;
    if (entry_look(a, ctx, &item->key, &item->block, now, err) < 0)
        return -1;
    item->other = now->there && !now->same_source;
    if (!now->there || strcmp(now->entry.name, item->asked->name) != 0)
        return 0;
    if (now->same_source && !now->same_commit) /* the same files in another commit: see update */
        return 0;
    if (!has_bundle(&item->block, now->entry.bundle) &&
        !(frozen && now->same_commit && is_unlisted(a, ctx, &item->block, now->entry.bundle)))
        return 0;
    int filed = is_filed(ctx, now->entry.bundle, err);
    if (filed <= 0)
        return filed;
    item->other = false;
    strcpy(item->bundle, now->entry.bundle);
    return 1;
}

/* ---- one plugin ---- */

static void key_choose(struct arena *a, struct sync_item *item)
{
    char uuid[ML_UUID_SIZE];
    const char *given = item->asked->uuid      ? item->asked->uuid
                        : item->locked != NULL ? item->locked->uuid
                                               : NULL;
    if (given == NULL || ml_key_from_uuid(given, &item->key, NULL) < 0)
        ml_key_generate(&item->key);
    ml_key_to_uuid(&item->key, uuid);
    item->block.uuid = arena_str(a, uuid);
}

static bool is_renewed(const struct sync_input *input, const char *name)
{
    for (size_t i = 0; i < input->n_renew; i++)
        if (strcmp(input->renew[i], "*") == 0 || strcmp(input->renew[i], name) == 0)
            return true;
    return false;
}

static int item_make(struct arena *a, struct ml_ctx *ctx, const struct sync_input *input,
                     const struct project_plugin *asked, struct sync_item *ret,
                     struct ml_error *err)
{
    static const struct lock_plugin none;
    *ret = (struct sync_item){.asked = asked, .locked = lock_find(&input->lock, asked->name)};
    bool answers =
        ret->locked != NULL && lock_answers(ret->locked, asked) && !is_renewed(input, asked->name);
    ret->need = answers ? SYNC_LOCKED : SYNC_NEW;
    ret->block = lock_restate(answers ? ret->locked : &none, asked);
    ret->block.name = asked->name;
    key_choose(a, ret);
    int registered =
        sync_item_registered(a, ctx, ret, input->frozen, err); /* what is new has no bundle yet */
    if (registered > 0)
        ret->need = SYNC_NOTHING;
    return registered < 0 ? -1 : 0;
}

/* ---- all of them ---- */

static int uuids_check(struct arena *a, const char *label, const struct sync_plan *plan,
                       struct ml_error *err)
{
    struct field_uuid *list = arena_alloc(a, plan->n, sizeof *list);
    if (list == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < plan->n; i++)
        list[i] = (struct field_uuid){plan->items[i].block.uuid, plan->items[i].asked->name};
    return field_uuids_check(label, list, plan->n, err);
}

/* By UUID: a plugin that only changes its name is no other one, and its entry stays. */
static bool is_named(const struct sync_plan *plan, const char *uuid)
{
    for (size_t i = 0; i < plan->n; i++)
        if (strcmp(plan->items[i].block.uuid, uuid) == 0)
            return true;
    return false;
}

/* Of what came from no repository its bundle tells. */
static int gone_make(struct arena *a, struct ml_ctx *ctx, const struct lock_plugin *block,
                     struct sync_gone *ret, struct ml_error *err)
{
    struct ml_key key;
    const struct sync_entry *now = &ret->entry;
    *ret = (struct sync_gone){.block = block};
    if (ml_key_from_uuid(block->uuid, &key, err) < 0 ||
        entry_look(a, ctx, &key, block, &ret->entry, err) < 0)
        return -1;
    ret->other =
        now->there && !now->same_source && (now->git || !has_bundle(block, now->entry.bundle));
    return 0;
}

static int gone_find(struct arena *a, struct ml_ctx *ctx, const struct lock *lock,
                     struct sync_plan *plan, struct ml_error *err)
{
    plan->gone = arena_alloc(a, lock->n, sizeof *plan->gone);
    if (plan->gone == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < lock->n; i++)
        if (!is_named(plan, lock->plugins[i].uuid) &&
            gone_make(a, ctx, &lock->plugins[i], &plan->gone[plan->n_gone++], err) < 0)
            return -1;
    return 0;
}

static int renew_check(const struct sync_input *input, struct ml_error *err)
{
    for (size_t i = 0; i < input->n_renew; i++) {
        struct words_nearest best = {0};
        bool found = strcmp(input->renew[i], "*") == 0;
        for (size_t k = 0; k < input->project.n && !found; k++) {
            found = strcmp(input->project.plugins[k].name, input->renew[i]) == 0;
            words_consider(&best, input->renew[i], input->project.plugins[k].name);
        }
        if (found)
            continue;
        ml_error_set(err, ML_NO_INPUT, "no_plugin", "%s: there is no plugin '%s'", input->label,
                     input->renew[i]);
        return best.word ? ml_error_hint(err, "did you mean '%s'?", best.word) : -1;
    }
    return 0;
}

int sync_plan_make(struct arena *a, struct ml_ctx *ctx, const struct sync_input *input,
                   struct sync_plan *ret, struct ml_error *err)
{
    size_t n = input->project.n;
    *ret = (struct sync_plan){.items = arena_alloc(a, n, sizeof *ret->items)};
    if (ret->items == NULL)
        return ml_error_memory(err);
    if (renew_check(input, err) < 0)
        return -1;
    for (; ret->n < n; ret->n++)
        if (item_make(a, ctx, input, &input->project.plugins[ret->n], &ret->items[ret->n], err) < 0)
            return -1;
    if (uuids_check(a, input->label, ret, err) < 0 || gone_find(a, ctx, &input->lock, ret, err) < 0)
        return -1;
    return a->failed ? ml_error_memory(err) : 0;
}

/* ---- what differs ---- */

/* The first word of the project's that the block does not repeat; null: it repeats all. */
static const char *difference(const struct sync_item *item)
{
    const struct project_plugin *asked = item->asked;
    const struct lock_plugin *locked = item->locked;
    const struct {
        const char *key, *asked, *locked;
    } words[] = {
        {"git", asked->git, locked->git},
        {"path", asked->path, locked->path},
        {"version", asked->version, locked->version},
        {"ref", asked->ref, locked->ref},
        {"uuid", asked->uuid, asked->uuid ? locked->uuid : NULL},
        {"submodules", asked->submodules ? "" : NULL, locked->submodules ? "" : NULL},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *one = words[i].asked, *other = words[i].locked;
        if (one == NULL || other == NULL ? one != other : strcmp(one, other) != 0)
            return words[i].key;
    }
    return item->need == SYNC_NEW ? "release" : NULL;
}

static bool is_in_project(const struct sync_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n; i++)
        if (strcmp(plan->items[i].asked->name, name) == 0)
            return true;
    return false;
}

/* Adds what differs to a text, for the first few. */
struct telling {
    struct buf *text;
    size_t n;
};
enum { TELL_MAX = 4 };

__attribute__((format(printf, 3, 4))) static void tell(struct telling *t, const char *plugin,
                                                       const char *fmt, ...)
{
    va_list ap;
    if (t->n++ >= TELL_MAX)
        return;
    buf_fmt(t->text, "%s'%s' ", t->n > 1 ? ", " : "", plugin);
    va_start(ap, fmt);
    buf_vfmt(t->text, fmt, ap);
    va_end(ap);
}

static size_t differences(const struct sync_plan *plan, struct buf *text)
{
    struct telling t = {.text = text};
    for (size_t i = 0; i < plan->n; i++) {
        const struct sync_item *item = &plan->items[i];
        const char *key = item->locked != NULL ? difference(item) : NULL;
        if (item->locked == NULL)
            tell(&t, item->asked->name, "is not in it");
        else if (key != NULL)
            tell(&t, item->asked->name, "has another '%s'", key);
    }
    for (size_t i = 0; i < plan->n_gone; i++)
        if (!is_in_project(plan, plan->gone[i].block->name))
            tell(&t, plan->gone[i].block->name, "is in it and not in the project");
    if (t.n > TELL_MAX)
        buf_fmt(text, " and %zu more", t.n - TELL_MAX);
    return t.n;
}

bool sync_plan_is_done(const struct sync_plan *plan)
{
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; i < plan->n; i++)
        if (plan->items[i].need != SYNC_NOTHING)
            return false;
    return differences(plan, &text) == 0;
}

int sync_plan_frozen(const struct sync_plan *plan, const char *label, bool has_lock,
                     const char *again, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    if (!has_lock && plan->n > 0) {
        ml_error_set(err, ML_CONFIG, "no_lock", "there is no '%s'", label);
        return ml_error_hint(err, "make it, and keep it with the project: %s", again);
    }
    if (differences(plan, &text) == 0)
        return 0;
    ml_error_set(err, ML_CONFIG, "lock_differs", "%s: the project asks for something else: %s",
                 label, buf_text(&text));
    return ml_error_hint(err, "bring it up to date, and keep it with the project: %s", again);
}
