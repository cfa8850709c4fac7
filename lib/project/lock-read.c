/* The lock decides which code comes into the registry, and merges and editors have been at it: what
 * is not exactly a lock is none. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/semver.h"
#include "build/strict-json.h"
#include "client/capability.h"
#include "modload/modload.h"
#include "project/field.h"
#include "project/lock.h"

struct reader {
    struct arena *a;
    const char *label;
    struct ml_error *err;
};

/* ---- forms ---- */

static bool all_of(const char *text, size_t n, const char *set)
{
    return strlen(text) == n && strspn(text, set) == n;
}

static bool is_printable(const char *text, size_t max)
{
    size_t n = strlen(text);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if (*p < ' ' || *p == 0x7f)
            return false;
    return n > 0 && n <= max;
}

static int uuid_check(const struct field *f, const char *text)
{
    struct ml_key key;
    char uuid[ML_UUID_SIZE] = "";
    if (ml_key_from_uuid(text, &key, NULL) == 0)
        ml_key_to_uuid(&key, uuid);
    return strcmp(uuid, text) == 0 ? 0 : field_bad(f, "be a UUID in lower case");
}

static int release_check(const struct field *f, const char *text)
{
    struct semver version;
    return semver_parse(text, &version) ? 0 : field_bad(f, "be a version (SemVer 2.0.0)");
}

static int id_check(const struct field *f, const char *text)
{
    return all_of(text, 40, "0123456789abcdef")
               ? 0
               : field_bad(f, "be one of git's ids: 40 digits of 0-9a-f");
}

/* 256 bits in base64: 43 digits, the last of which stands for 4 bits, and one to fill up. */
static int source_check(const struct field *f, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bool good = strlen(text) == 47 && strncmp(text, "h1:", 3) == 0 &&
                strspn(text + 3, digits) == 43 && text[46] == '=' &&
                strchr("AEIMQUYcgkosw048", text[45]) != NULL;
    return good ? 0 : field_bad(f, "be a digest: \"h1:\" and 44 characters of base64");
}

/* ---- a block ---- */

static const struct field_row rows[] = {
    {"uuid", uuid_check, offsetof(struct lock_plugin, uuid)},
    {"git", field_git, offsetof(struct lock_plugin, git)},
    {"path", field_path, offsetof(struct lock_plugin, path)},
    {"version", field_version, offsetof(struct lock_plugin, version)},
    {"ref", field_ref, offsetof(struct lock_plugin, ref)},
    {"tag", field_ref, offsetof(struct lock_plugin, tag)},
    {"release", release_check, offsetof(struct lock_plugin, release)},
    {"commit", id_check, offsetof(struct lock_plugin, commit)},
    {"tree", id_check, offsetof(struct lock_plugin, tree)},
    {"source", source_check, offsetof(struct lock_plugin, source)},
    {"submodules", NULL, 0},
    {"capabilities", NULL, 0},
    {"bundles", NULL, 0},
};
enum { N_ROWS = sizeof rows / sizeof *rows, ROW_SUBMODULES = N_ROWS - 3, ROW_CAPABILITIES };

static int capabilities_read(struct reader *r, const struct field *f, const cJSON *value,
                             struct lock_plugin *ret)
{
    const cJSON *item;
    struct capability ignored;
    struct strv *list = &ret->capabilities;
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > CAPABILITY_MAX)
        return field_bad(f, "be an array of at most 64 texts");
    cJSON_ArrayForEach (item, value) {
        if (!cJSON_IsString(item))
            return field_bad(f, "be an array of at most 64 texts");
        if (capability_read(item->valuestring, &ignored) != NULL)
            return field_bad(f, "have capabilities that this version knows");
        strv_add(r->a, list, arena_str(r->a, item->valuestring));
    }
    if (r->a->failed)
        return ml_error_memory(r->err);
    size_t n = capabilities_normalise(list->items, list->n);
    return n == list->n ? 0 : field_bad(f, "not have one twice, or one that another covers");
}

static bool is_bundle_id(const char *text)
{
    return strncmp(text, "b-", 2) == 0 && all_of(text + 2, 32, "abcdefghijklmnopqrstuvwxyz234567");
}

static int bundle_compare(const void *a, const void *b)
{
    return strcmp(((const struct lock_bundle *)a)->platform,
                  ((const struct lock_bundle *)b)->platform);
}

static int bundles_read(struct reader *r, const struct field *f, const cJSON *value,
                        struct lock_plugin *ret)
{
    const cJSON *item;
    if (!cJSON_IsObject(value))
        return field_bad(f, "be an object of platforms and bundles");
    ret->bundles = arena_alloc(r->a, (size_t)cJSON_GetArraySize(value), sizeof *ret->bundles);
    if (ret->bundles == NULL)
        return ml_error_memory(r->err);
    cJSON_ArrayForEach (item, value) {
        if (!is_printable(item->string, LOCK_PLATFORM_MAX))
            return field_bad(f, "name platforms by 1 to 255 characters");
        if (!cJSON_IsString(item) || !is_bundle_id(item->valuestring))
            return field_bad(f, "have the id of a bundle for each platform");
        ret->bundles[ret->n_bundles++] =
            (struct lock_bundle){arena_str(r->a, item->string), arena_str(r->a, item->valuestring)};
    }
    if (ret->n_bundles > 1)
        qsort(ret->bundles, ret->n_bundles, sizeof *ret->bundles, bundle_compare);
    return 0;
}

static int incomplete(struct reader *r, const char *plugin, const char *what)
{
    return ml_error_set(r->err, ML_CONFIG, NULL, "%s: plugin '%s': %s", r->label, plugin, what);
}

static bool is_optional(const char *key)
{
    static const char *const keys[] = {"path", "version", "ref", "tag", "release", "submodules"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

/* As a fetch reads a version off a tag: project/sync.c writes what that says. */
static bool is_release_of(const char *release, const char *tag)
{
    return strcmp(tag + (*tag == 'v' || *tag == 'V'), release) == 0;
}

static int block_check(struct reader *r, const struct lock_plugin *p, const bool seen[N_ROWS])
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (!seen[i] && !is_optional(rows[i].key))
            return ml_error_set(r->err, ML_CONFIG, NULL, "%s: plugin '%s': key '%s' is missing",
                                r->label, p->name, rows[i].key);
    if (p->version != NULL && p->ref != NULL)
        return incomplete(r, p->name, "it has both key 'version' and key 'ref'");
    if (p->version != NULL && (p->tag == NULL || p->release == NULL))
        return incomplete(r, p->name, "it has key 'version' without keys 'tag' and 'release'");
    if (p->release != NULL && p->tag == NULL)
        return incomplete(r, p->name, "it has key 'release' without key 'tag'");
    if (p->release != NULL && !is_release_of(p->release, p->tag))
        return incomplete(r, p->name, "keys 'tag' and 'release' are of two versions");
    return 0;
}

static int block_read(struct reader *r, const cJSON *value, struct lock_plugin *ret)
{
    struct field f = {.label = r->label, .plugin = value->string, .err = r->err};
    bool seen[N_ROWS] = {0};
    const cJSON *member;
    if (field_name_check(r->label, value->string, r->err) < 0)
        return -1;
    if (!cJSON_IsObject(value))
        return incomplete(r, value->string, "must be an object");
    *ret = (struct lock_plugin){.name = arena_str(r->a, value->string)};
    cJSON_ArrayForEach (member, value) {
        f.key = member->string;
        int i = field_find(&f, rows, N_ROWS);
        if (i < 0)
            return -1;
        seen[i] = true;
        int status = rows[i].check != NULL   ? field_take(r->a, &f, &rows[i], member, ret)
                     : i == ROW_SUBMODULES   ? field_bool(&f, member, &ret->submodules)
                     : i == ROW_CAPABILITIES ? capabilities_read(r, &f, member, ret)
                                             : bundles_read(r, &f, member, ret);
        if (status < 0)
            return -1;
    }
    return block_check(r, ret, seen);
}

/* ---- all of it ---- */

static int name_compare(const void *a, const void *b)
{
    return strcmp(((const struct lock_plugin *)a)->name, ((const struct lock_plugin *)b)->name);
}

static int blocks_read(struct reader *r, const cJSON *value, struct lock *ret)
{
    const cJSON *child;
    if (!cJSON_IsObject(value))
        return ml_error_set(r->err, ML_CONFIG, NULL, "%s: key 'plugins' must be an object",
                            r->label);
    struct field_uuid *uuids = arena_alloc(r->a, (size_t)cJSON_GetArraySize(value), sizeof *uuids);
    if (uuids == NULL)
        return ml_error_memory(r->err);
    *ret = (struct lock){0};
    cJSON_ArrayForEach (child, value) {
        struct lock_plugin *plugins = arena_grow(r->a, ret->plugins, ret->n, sizeof *plugins);
        if (plugins == NULL)
            return ml_error_memory(r->err);
        ret->plugins = plugins;
        if (block_read(r, child, &plugins[ret->n]) < 0)
            return -1;
        uuids[ret->n] = (struct field_uuid){plugins[ret->n].uuid, plugins[ret->n].name};
        ret->n++;
    }
    if (ret->n > 1)
        qsort(ret->plugins, ret->n, sizeof *ret->plugins, name_compare);
    return field_uuids_check(r->label, uuids, ret->n, r->err);
}

/* Before anything else is looked at: a later form may have other keys. */
static int version_check(struct reader *r, const cJSON *tree)
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(tree, "version");
    if (version == NULL)
        return ml_error_set(r->err, ML_CONFIG, NULL, "%s: key 'version' is missing", r->label);
    double number = cJSON_IsNumber(version) ? version->valuedouble : 0;
    if (number == LOCK_VERSION)
        return 0;
    if (!(number > LOCK_VERSION && number < 1e6) || number != (double)(int)number)
        return ml_error_set(r->err, ML_CONFIG, NULL, "%s: key 'version' must be %d", r->label,
                            LOCK_VERSION);
    ml_error_set(r->err, ML_CONFIG, "newer_lock",
                 "%s: a later modload has written it: it has version %d, and this one knows %d",
                 r->label, (int)number, LOCK_VERSION);
    return ml_error_hint(r->err, "use that modload, or a later one");
}

static int keys_check(struct reader *r, const cJSON *tree)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, tree)
        if (strcmp(child->string, "version") != 0 && strcmp(child->string, "plugins") != 0)
            return ml_error_set(r->err, ML_CONFIG, NULL, "%s: unknown key '%s'", r->label,
                                child->string);
    return 0;
}

static int tree_read(struct reader *r, const char *text, size_t n, struct lock *ret)
{
    CJSON_AUTO *tree = strict_parse(text, n, r->label, r->err);
    if (tree == NULL)
        return -1;
    if (!cJSON_IsObject(tree))
        return ml_error_set(r->err, ML_CONFIG, NULL, "%s: not a JSON object", r->label);
    if (version_check(r, tree) < 0 || keys_check(r, tree) < 0)
        return -1;
    return blocks_read(r, cJSON_GetObjectItemCaseSensitive(tree, "plugins"), ret);
}

int lock_parse(struct arena *a, const char *label, const char *text, size_t n, struct lock *ret,
               struct ml_error *err)
{
    struct reader r = {a, label, err};
    if (field_conflict_check(
            label, text,
            "take either side whole (git checkout --ours, or --theirs), then run: modload sync",
            err) < 0)
        return -1;
    if (tree_read(&r, text, n, ret) == 0)
        return a->failed ? ml_error_memory(err) : 0;
    if (err != NULL && *err->hint == '\0' && err->status == ML_CONFIG)
        ml_error_hint(err, "it is not for editing: have it as it was (git checkout), or take the "
                           "plugin's block out and run: modload sync");
    return -1;
}
