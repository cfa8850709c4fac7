#include "project/lock.h"

#include <string.h>

#include "base/json.h"
#include "base/semver.h"
#include "project/field.h"

/* ---- blocks ---- */

/* Where a block of that name is, or would be. */
static size_t place_of(const struct lock *lock, const char *name, bool *found)
{
    size_t low = 0, high = lock->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lock->plugins[middle].name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

struct lock_plugin *lock_find(const struct lock *lock, const char *name)
{
    bool found;
    size_t i = place_of(lock, name, &found);
    return found ? &lock->plugins[i] : NULL;
}

void lock_put(struct arena *a, struct lock *lock, const struct lock_plugin *plugin)
{
    bool found;
    struct lock_plugin copy = *plugin; /* it may be one of those that move */
    size_t i = place_of(lock, copy.name, &found);
    if (!found) {
        struct lock_plugin *plugins = arena_grow(a, lock->plugins, lock->n, sizeof *plugins);
        if (plugins == NULL)
            return;
        memmove(plugins + i + 1, plugins + i, (lock->n - i) * sizeof *plugins);
        lock->plugins = plugins;
        lock->n++;
    }
    lock->plugins[i] = copy;
}

bool lock_remove(struct lock *lock, const char *name)
{
    bool found;
    size_t i = place_of(lock, name, &found);
    if (found) {
        lock->n--;
        memmove(lock->plugins + i, lock->plugins + i + 1, (lock->n - i) * sizeof *lock->plugins);
    }
    return found;
}

/* ---- bundles ---- */

const char *lock_bundle(const struct lock_plugin *plugin, const char *platform)
{
    for (size_t i = 0; i < plugin->n_bundles; i++)
        if (strcmp(plugin->bundles[i].platform, platform) == 0)
            return plugin->bundles[i].id;
    return NULL;
}

/* Into a new array: the block may be a copy of one that is to stay as it is. */
void lock_set_bundle(struct arena *a, struct lock_plugin *plugin, const char *platform,
                     const char *id)
{
    struct lock_bundle *bundles = arena_alloc(a, plugin->n_bundles + 1, sizeof *bundles);
    struct lock_bundle added = {arena_str(a, platform), arena_str(a, id)};
    size_t n = 0, i = 0;
    if (bundles == NULL)
        return;
    while (i < plugin->n_bundles && strcmp(plugin->bundles[i].platform, platform) < 0)
        bundles[n++] = plugin->bundles[i++];
    bundles[n++] = added;
    i += i < plugin->n_bundles && strcmp(plugin->bundles[i].platform, platform) == 0;
    while (i < plugin->n_bundles)
        bundles[n++] = plugin->bundles[i++];
    plugin->bundles = bundles;
    plugin->n_bundles = n;
}

/* ---- what the project asks ---- */

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool release_fits(const struct lock_plugin *plugin, const char *version)
{
    struct semver release;
    struct semver_range range;
    return plugin->release != NULL && semver_parse(plugin->release, &release) &&
           semver_range_parse(version, &range) && semver_range_has(&range, &release);
}

/* What was locked without submodules has none, so that asking for them changes nothing. A branch
 * that was asked for by its name goes on, and its commit still answers to it: update is
 * what moves it. */
bool lock_answers(const struct lock_plugin *plugin, const struct project_plugin *asked)
{
    if (!field_git_same(plugin->git, asked->git) || !same(plugin->path, asked->path) ||
        (plugin->submodules && !asked->submodules))
        return false;
    if (asked->version != NULL)
        return plugin->tag != NULL && release_fits(plugin, asked->version);
    return plugin->version == NULL && same(plugin->ref, asked->ref);
}

bool lock_repeats(const struct lock_plugin *plugin, const struct project_plugin *asked)
{
    return same(plugin->git, asked->git) && same(plugin->path, asked->path) &&
           same(plugin->version, asked->version) && same(plugin->ref, asked->ref) &&
           plugin->submodules == asked->submodules &&
           (asked->uuid == NULL || same(plugin->uuid, asked->uuid));
}

struct lock_plugin lock_restate(const struct lock_plugin *plugin,
                                const struct project_plugin *asked)
{
    struct lock_plugin ret = *plugin;
    ret.git = asked->git;
    ret.path = asked->path;
    ret.version = asked->version;
    ret.ref = asked->ref;
    ret.submodules = asked->submodules;
    if (asked->uuid != NULL)
        ret.uuid = asked->uuid;
    return ret;
}

/* ---- writing ---- */

static void text_write(struct json *j, const char *text)
{
    j->comma = false; /* commas stand at the ends of lines, and are written by hand */
    json_string(j, text);
}

static void indent(struct json *j, unsigned depth)
{
    buf_char(&j->out, '\n');
    while (depth-- > 0)
        buf_str(&j->out, "  ");
}

static void key_write(struct json *j, const char *key)
{
    indent(j, 3);
    text_write(j, key);
    buf_str(&j->out, ": ");
}

static void pair_write(struct json *j, const char *key, const char *text)
{
    if (text == NULL)
        return;
    key_write(j, key);
    text_write(j, text);
    buf_char(&j->out, ',');
}

static void capabilities_write(struct json *j, const struct strv *list)
{
    key_write(j, "capabilities");
    buf_char(&j->out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_str(&j->out, i > 0 ? "," : "");
        indent(j, 4);
        text_write(j, list->items[i]);
    }
    if (list->n > 0)
        indent(j, 3);
    buf_str(&j->out, "],");
}

static void bundles_write(struct json *j, const struct lock_plugin *plugin)
{
    key_write(j, "bundles");
    buf_char(&j->out, '{');
    for (size_t i = 0; i < plugin->n_bundles; i++) {
        buf_str(&j->out, i > 0 ? "," : "");
        indent(j, 4);
        text_write(j, plugin->bundles[i].platform);
        buf_str(&j->out, ": ");
        text_write(j, plugin->bundles[i].id);
    }
    if (plugin->n_bundles > 0)
        indent(j, 3);
    buf_char(&j->out, '}');
}

static void plugin_write(struct json *j, const struct lock_plugin *plugin)
{
    indent(j, 2);
    text_write(j, plugin->name);
    buf_str(&j->out, ": {");
    pair_write(j, "uuid", plugin->uuid);
    pair_write(j, "git", plugin->git);
    pair_write(j, "path", plugin->path);
    pair_write(j, "version", plugin->version);
    pair_write(j, "ref", plugin->ref);
    if (plugin->submodules) {
        key_write(j, "submodules");
        buf_str(&j->out, "true,");
    }
    pair_write(j, "tag", plugin->tag);
    pair_write(j, "release", plugin->release);
    pair_write(j, "commit", plugin->commit);
    pair_write(j, "tree", plugin->tree);
    pair_write(j, "source", plugin->source);
    capabilities_write(j, &plugin->capabilities);
    bundles_write(j, plugin);
    indent(j, 2);
    buf_char(&j->out, '}');
}

void lock_write(struct buf *out, const struct lock *lock)
{
    JSON_AUTO j = {0};
    buf_fmt(&j.out, "{\n  \"version\": %d,\n  \"plugins\": {", LOCK_VERSION);
    for (size_t i = 0; i < lock->n; i++) {
        buf_str(&j.out, i > 0 ? "," : "");
        plugin_write(&j, &lock->plugins[i]);
    }
    buf_str(&j.out, lock->n > 0 ? "\n  }\n}\n" : "}\n}\n");
    buf_add(out, buf_text(&j.out), j.out.len);
    out->failed = out->failed || j.out.failed;
}
