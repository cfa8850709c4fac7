#include "index/find.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/semver.h"
#include "index/list.h"
#include "modload/index.h"

/* ---- the plugin ---- */

struct finder {
    struct arena *a;
    const char *name;
    char key[INDEX_NAME_SIZE];
    struct index_plugin plugin;
    const char *index; /* where it was found; null: nowhere */
    struct ml_error *err;
};

static int ambiguous(struct finder *f, const char *other)
{
    ml_error_set(f->err, ML_DATA, "ambiguous_name", "'%s' is in two indexes: %s and %s", f->name,
                 f->index, other);
    return ml_error_hint(f->err, "say which is meant: --index %s", f->index);
}

static int look(struct finder *f, int dirfd, const struct index_item *item)
{
    COPY_AUTO copy = {.map = NULL};
    struct copy_line line;
    int found = index_item_open(dirfd, item, &copy, f->err);
    if (found > 0)
        found = copy_find(&copy, f->key, &line);
    else if (found < 0)
        return ml_error_wrap(f->err, "index '%s'", item->name);
    if (found < 0)
        return copy_damaged(f->err);
    if (found == 0)
        return 0;
    if (f->index != NULL)
        return ambiguous(f, item->name);
    f->index = item->name;
    return copy_plugin(f->a, &line, &f->plugin, f->err);
}

static int no_plugin(struct finder *f, const struct index_list *list)
{
    if (list->n == 0) {
        ml_error_set(f->err, ML_NO_INPUT, "no_index", "no index is followed to find '%.64s' in",
                     f->name);
        return ml_error_hint(f->err, "follow one: modload index add URL");
    }
    ml_error_set(f->err, ML_NO_INPUT, "no_such_plugin", "no index has a plugin '%.64s'", f->name);
    return ml_error_hint(f->err, "look for it: modload search WORD; it may be new: modload index "
                                 "update");
}

static int plugin_find(struct finder *f, const char *index)
{
    struct index_list list;
    const struct index_item *only = NULL;
    if (index_list_read(f->a, &list, f->err) < 0)
        return -1;
    if (index != NULL && (only = index_list_find(&list, index, f->err)) == NULL)
        return -1;
    if (list.n == 0 || !index_name_good(f->name))
        return no_plugin(f, &list);
    AUTO_CLOSE int dirfd = index_cache_open(f->err);
    if (dirfd < 0)
        return -1;
    index_name_key(f->name, f->key);
    for (size_t i = 0; i < list.n; i++)
        if ((only == NULL || only == &list.items[i]) && look(f, dirfd, &list.items[i]) < 0)
            return -1;
    return f->index != NULL ? 0 : no_plugin(f, &list);
}

/* ---- the version ---- */

/* What is rather taken comes first. */
enum standing { STANDS, RETIRED, INSECURE };

static enum standing standing_of(const struct index_version *v)
{
    return v->retired == INDEX_NOT_RETIRED ? STANDS
           : v->retired == INDEX_SECURITY  ? INSECURE
                                           : RETIRED;
}

static const struct index_version *
newest_in(const struct finder *f, const struct semver_range *range, enum standing standing)
{
    struct semver version;
    for (size_t i = f->plugin.n; i-- > 0;) {
        const struct index_version *v = &f->plugin.versions[i];
        if (standing_of(v) == standing && semver_parse(v->version, &version) &&
            semver_range_has(range, &version))
            return v;
    }
    return NULL;
}

/* Every version is at most as new as the last. */
static int no_version(struct finder *f, const char *range)
{
    const struct index_version *newest = index_plugin_newest(&f->plugin);
    ml_error_set(f->err, ML_NO_INPUT, "no_such_version", "'%s' has no version in '%.64s'",
                 f->plugin.name, range);
    if (newest == NULL)
        return ml_error_hint(f->err, "all its versions are retired");
    return ml_error_hint(f->err, "its newest version is %s", newest->version);
}

static int refused(struct finder *f, const struct index_version *v)
{
    ml_error_set(f->err, ML_REFUSED, "retired", "%s", index_retired_text(f->a, f->plugin.name, v));
    return ml_error_hint(f->err, "take another version; to have this one all the same: "
                                 "--allow-retired");
}

static int version_find(struct finder *f, const char *text, bool allow_retired,
                        const struct index_version **ret)
{
    struct semver_range range;
    const char *wanted = text != NULL && *text != '\0' ? text : "*";
    if (!semver_range_parse(wanted, &range)) {
        ml_error_set(f->err, ML_DATA, "bad_range", "'%.64s' is no range of versions", wanted);
        return ml_error_hint(f->err, "as in ^1.2, ~1.2.3, >=1.2 <2, 1.2.3");
    }
    const struct index_version *v = newest_in(f, &range, STANDS);
    if (v == NULL && text == NULL) /* pre-releases alone */
        v = index_plugin_newest(&f->plugin);
    if (v == NULL)
        v = newest_in(f, &range, RETIRED);
    if (v == NULL)
        v = newest_in(f, &range, INSECURE);
    if (v == NULL)
        return no_version(f, wanted);
    if (v->retired == INDEX_SECURITY && !allow_retired)
        return refused(f, v);
    *ret = v;
    return 0;
}

int index_find(struct arena *a, const char *name, const char *range, const char *index,
               bool allow_retired, struct index_found *ret, struct ml_error *err)
{
    struct finder f = {.a = a, .name = name, .err = err};
    const struct index_version *version = NULL;
    if (plugin_find(&f, index) < 0 || version_find(&f, range, allow_retired, &version) < 0)
        return -1;
    if (a->failed)
        return ml_error_memory(err);
    *ret = (struct index_found){.index = f.index,
                                .name = f.plugin.name,
                                .git = f.plugin.git,
                                .path = f.plugin.path,
                                .license = f.plugin.license,
                                .version = version};
    return 0;
}

const char *index_retired_text(struct arena *a, const char *name, const struct index_version *v)
{
    return arena_fmt(a, "%s@%s is retired (%s): %s", name, v->version,
                     index_reason_word(v->retired), v->message);
}

/* ---- for programs ---- */

/* One allocation would do for the texts; the arena that they are in goes along instead. */
struct found {
    struct ml_index_found public; /* first */
    struct arena a;
};

int ml_index_find(const struct ml_index_query *query, struct ml_index_found **ret,
                  struct ml_error *err)
{
    struct index_found f;
    struct found *found = calloc(1, sizeof *found);
    if (found == NULL)
        return ml_error_memory(err);
    if (index_find(&found->a, query->name, query->range, query->index, query->allow_retired, &f,
                   err) < 0) {
        ml_index_found_free(&found->public);
        return -1;
    }
    const struct index_version *v = f.version;
    const char *reason = index_reason_word(v->retired);
    found->public = (struct ml_index_found){.index = f.index,
                                            .name = f.name,
                                            .version = v->version,
                                            .git = f.git,
                                            .path = f.path,
                                            .tag = v->tag,
                                            .commit = v->commit,
                                            .tree = v->tree,
                                            .source = v->source,
                                            .published = v->published,
                                            .reason = reason ? reason : "",
                                            .message = v->message};
    *ret = &found->public;
    return 0;
}

void ml_index_found_free(struct ml_index_found *found)
{
    struct found *all = (struct found *)found;
    if (all == NULL)
        return;
    arena_free(&all->a);
    free(all);
}
