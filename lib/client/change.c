/* Changes of the registry: what the public functions take, made into what the store takes. What can
 * be refused without the lock is refused here; the store looks at the rest under it. */
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limit.h"
#include "base/scope.h"
#include "client/context.h"

static void result_take(const struct store_change *c, struct ml_register_result *ret)
{
    const char *at = strchr(c->plugin_now, '@');
    *ret = (struct ml_register_result){
        .changed = c->changed, .name_taken = c->name_taken, .generation = c->generation_now};
    snprintf(ret->name, sizeof ret->name, "%s", c->name_now);
    snprintf(ret->bundle, sizeof ret->bundle, "%s", c->bundle_now);
    snprintf(ret->plugin, sizeof ret->plugin, "%.*s", (int)strcspn(c->plugin_now, "@"),
             c->plugin_now);
    snprintf(ret->version, sizeof ret->version, "%s", at ? at + 1 : "");
}

/* ---- registering ---- */

/* What a bundle calls itself: asked for once, however many entries get it; and it is held until
 * they have it, where nobody does already. */
struct plugin {
    int hold;
    char bundle[ML_BUNDLE_ID_SIZE], name[ML_NAME_SIZE], text[STORE_PLUGIN_SIZE];
};

struct batch {
    struct ml_ctx *ctx;
    struct store *store;
    struct store_change *change;
    char (*uuid)[ML_UUID_SIZE];
    size_t n;
    void *plugins; /* tsearch(3), by bundle */
};

static int plugin_compare(const void *a, const void *b)
{
    return strcmp(((const struct plugin *)a)->bundle, ((const struct plugin *)b)->bundle);
}

static void plugin_free(void *p)
{
    struct plugin *plugin = p;
    scope_close(&plugin->hold);
    free(plugin);
}

static void plugin_cleanup(struct plugin **plugin)
{
    if (*plugin != NULL)
        plugin_free(*plugin);
}

static int plugin_hold(struct batch *batch, struct plugin *p, struct ml_error *err)
{
    if (ctx_keeps(batch->ctx, p->bundle))
        return 0;
    p->hold = store_bundle_open(batch->store, p->bundle, err);
    return p->hold < 0 ? -1 : 0;
}

static int plugin_find(struct batch *batch, const char *bundle, const struct plugin **ret,
                       struct ml_error *err)
{
    char version[ML_VERSION_SIZE];
    __attribute__((cleanup(plugin_cleanup))) struct plugin *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ml_error_memory(err);
    p->hold = -1;
    snprintf(p->bundle, sizeof p->bundle, "%s", bundle);
    struct plugin **found = tfind(p, &batch->plugins, plugin_compare);
    if (found == NULL) {
        if (plugin_hold(batch, p, err) < 0 ||
            store_bundle_name(batch->store, bundle, p->name, version, err) < 0)
            return -1;
        snprintf(p->text, sizeof p->text, "%s@%s", p->name, version);
        found = tsearch(p, &batch->plugins, plugin_compare);
        if (found == NULL)
            return ml_error_memory(err);
        steal_ptr(p);
    }
    *ret = *found;
    return 0;
}

static int name_check(const char *name, struct ml_error *err)
{
    if (name == NULL || *name == '\0' || ml_name_valid(name))
        return 0;
    ml_error_set(err, ML_DATA, "bad_name", "'%s' cannot be a name", name);
    return ml_error_hint(
        err, "a name is 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, and no key");
}

static int batch_add(struct batch *batch, const struct ml_registration *r, struct ml_error *err)
{
    const struct plugin *plugin = NULL;
    if (!store_bundle_valid(r->bundle))
        return ml_error_set(err, ML_DATA, "bad_bundle", "'%s' is not a bundle id", r->bundle);
    if (name_check(r->name, err) < 0 || plugin_find(batch, r->bundle, &plugin, err) < 0)
        return -1;
    ml_key_to_uuid(&r->key, batch->uuid[batch->n]);
    batch->change[batch->n] = (struct store_change){
        .uuid = batch->uuid[batch->n],
        .op = STORE_REGISTER,
        .bundle = r->bundle,
        .plugin = plugin->text,
        .name = r->name,
        .own_name = ml_name_valid(plugin->name) ? plugin->name : NULL,
        .origin = r->origin,
        .seen = r->seen,
        .origin_counts = r->origin != NULL && strncmp(r->origin, "git+", 4) == 0,
    };
    batch->n++;
    return 0;
}

/* Places in the caller's list, by key; of one key the last comes first. */
static int place_compare(const void *a, const void *b, void *list)
{
    const struct ml_registration *all = list;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    int order = memcmp(&all[x].key, &all[y].key, sizeof all[x].key);
    return order != 0 ? order : (x < y) - (x > y);
}

static bool same_key(const struct ml_registration *list, size_t a, size_t b)
{
    return memcmp(&list[a].key, &list[b].key, sizeof list[a].key) == 0;
}

/* Every place is looked at, also those that do not count: a list with a mistake in it is not taken.
 */
static int batch_fill(struct batch *batch, const struct ml_registration *list, size_t n,
                      const size_t *place, size_t *kept, size_t *failed, struct ml_error *err)
{
    for (size_t i = 0; i < n; i++) {
        *failed = i;
        if (batch_add(batch, &list[i], err) < 0)
            return -1;
        batch->n--;
    }
    for (size_t i = 0; i < n; i++) {
        *failed = place[i];
        if (i > 0 && same_key(list, place[i], place[i - 1]))
            continue;
        kept[batch->n] = place[i];
        if (batch_add(batch, &list[place[i]], err) < 0)
            return -1;
    }
    *failed = n;
    return 0;
}

static int batch_run(struct batch *batch, struct ml_registration *list, size_t n, size_t *failed,
                     struct ml_error *err)
{
    AUTO_FREE size_t *place = calloc(n + 1, sizeof *place);
    AUTO_FREE size_t *kept = calloc(n + 1, sizeof *kept);
    size_t bad = 0;
    if (batch->change == NULL || batch->uuid == NULL || place == NULL || kept == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < n; i++)
        place[i] = i;
    qsort_r(place, n, sizeof *place, place_compare, list);
    if (batch_fill(batch, list, n, place, kept, failed, err) < 0)
        return -1;
    if (store_change(batch->store, batch->change, batch->n, &bad, err) < 0) {
        *failed = bad < batch->n ? kept[bad] : n;
        return -1;
    }
    for (size_t i = 0, k = 0; i < n; i++) {
        k += i > 0 && !same_key(list, place[i], place[i - 1]);
        result_take(&batch->change[k], &list[place[i]].result);
    }
    return 0;
}

int ml_register_all(struct ml_ctx *ctx, struct ml_registration *list, size_t n, size_t *failed,
                    struct ml_error *err)
{
    struct batch batch = {.ctx = ctx};
    size_t ignored;
    failed = failed ? failed : &ignored;
    *failed = n;
    if (n == 0)
        return 0;
    if (ctx_store(ctx, true, &batch.store, err) < 0)
        return -1;
    AUTO_FREE struct store_change *change = batch.change = calloc(n, sizeof *batch.change);
    AUTO_FREE char(*uuid)[ML_UUID_SIZE] = batch.uuid = calloc(n, sizeof *batch.uuid);
    if (n > 1)
        limit_files_raise();
    int status = batch_run(&batch, list, n, failed, err);
    tdestroy(batch.plugins, plugin_free);
    return status;
}

int ml_register(struct ml_ctx *ctx, const struct ml_key *key, const char *bundle, const char *name,
                const char *origin, struct ml_register_result *ret, struct ml_error *err)
{
    struct ml_registration r = {.key = *key, .bundle = bundle, .name = name, .origin = origin};
    if (ml_register_all(ctx, &r, 1, NULL, err) < 0)
        return -1;
    if (ret != NULL)
        *ret = r.result;
    return 0;
}

/* ---- other changes ---- */

static int change_one(struct ml_ctx *ctx, const struct ml_key *key, struct store_change *change,
                      struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE];
    ml_key_to_uuid(key, uuid);
    change->uuid = uuid;
    if (ctx_store(ctx, true, &store, err) < 0)
        return -1;
    return store_change(store, change, 1, NULL, err);
}

int ml_unregister(struct ml_ctx *ctx, const struct ml_key *key, struct ml_error *err)
{
    struct store *store;
    struct store_change change = {.op = STORE_UNREGISTER};
    char uuid[ML_UUID_SIZE], bundle[STORE_BUNDLE_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    ml_key_to_uuid(key, uuid);
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    if (store_lookup(store, uuid, bundle, &why) < 0 && why.status == ML_NO_INPUT)
        return 0; /* nothing to do, so a registry is not made for it either */
    return change_one(ctx, key, &change, err) < 0 ? -1 : change.changed;
}

/* Nothing that was never registered can be gone back to, and no registry is made for finding out.
 */
static int has_registry(struct ml_ctx *ctx, const struct ml_key *key, struct ml_error *err)
{
    struct store *store;
    char uuid[ML_UUID_SIZE];
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    if (store_present(store))
        return 0;
    ml_key_to_uuid(key, uuid);
    return ml_error_set(err, ML_NO_INPUT, "not_registered", "key %s is not registered", uuid);
}

int ml_rollback(struct ml_ctx *ctx, const struct ml_key *key, unsigned long generation,
                struct ml_register_result *ret, struct ml_error *err)
{
    struct store_change change = {.op = STORE_ROLLBACK, .generation = generation};
    if (has_registry(ctx, key, err) < 0 || change_one(ctx, key, &change, err) < 0)
        return -1;
    if (ret != NULL)
        result_take(&change, ret);
    return 0;
}

int ml_pin(struct ml_ctx *ctx, const struct ml_key *key, unsigned long generation, bool pin,
           unsigned long *ret, struct ml_error *err)
{
    struct store_change change = {.op = pin ? STORE_PIN : STORE_UNPIN, .generation = generation};
    if (has_registry(ctx, key, err) < 0 || change_one(ctx, key, &change, err) < 0)
        return -1;
    if (ret != NULL)
        *ret = change.generation_now;
    return change.changed;
}

int ml_gc(struct ml_ctx *ctx, const struct ml_gc_policy *policy, struct ml_gc_result *ret,
          struct ml_error *err)
{
    struct store *store;
    struct store_gc_result done = {.bundles = 0};
    const struct store_gc gc = {
        .keep_last = policy->keep_last,
        .older_than_s = policy->by_age ? (policy->older_than_ms + 999) / 1000 : -1,
        .dry_run = policy->dry_run,
        .freed = policy->freed,
        .arg = policy->arg,
    };
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    int status = store_present(store) && !policy->dry_run && ctx_store(ctx, true, &store, err) < 0
                     ? -1
                     : store_gc(store, &gc, &done, err);
    *ret = (struct ml_gc_result){done.bundles, done.generations, done.entries, done.bytes,
                                 done.in_use};
    return status;
}
