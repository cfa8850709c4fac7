#include "project/project.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "build/manifest.h"
#include "build/strict-json.h"
#include "modload/modload.h"
#include "project/field.h"

static const struct field_row rows[] = {
    {"git", field_git, offsetof(struct project_plugin, git)},
    {"version", field_version, offsetof(struct project_plugin, version)},
    {"ref", field_ref, offsetof(struct project_plugin, ref)},
    {"path", field_path, offsetof(struct project_plugin, path)},
    {"uuid", field_uuid, offsetof(struct project_plugin, uuid)},
    {"submodules", NULL, 0},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* Both forms of a UUID address one entry; one of them is compared. */
static void uuid_settle(struct arena *a, struct project_plugin *plugin)
{
    struct ml_key key;
    char uuid[ML_UUID_SIZE];
    if (plugin->uuid == NULL || ml_key_from_uuid(plugin->uuid, &key, NULL) < 0)
        return;
    ml_key_to_uuid(&key, uuid);
    plugin->uuid = arena_str(a, uuid);
}

static int plugin_check(const struct project_plugin *plugin, const char *label,
                        struct ml_error *err)
{
    if (plugin->git == NULL) {
        ml_error_set(err, ML_CONFIG, NULL, "%s: plugin '%s': key 'git' is missing", label,
                     plugin->name);
        return ml_error_hint(err, "give its repository: \"git\": \"https://...\"");
    }
    if (plugin->version == NULL || plugin->ref == NULL)
        return 0;
    ml_error_set(err, ML_CONFIG, NULL, "%s: plugin '%s': it has both key 'version' and key 'ref'",
                 label, plugin->name);
    return ml_error_hint(err, "leave out one of them");
}

static int plugin_read(struct arena *a, const char *label, const cJSON *value,
                       struct project_plugin *ret, struct ml_error *err)
{
    struct field f = {.label = label, .plugin = value->string, .err = err};
    const cJSON *member;
    if (field_name_check(label, value->string, err) < 0)
        return -1;
    if (!cJSON_IsObject(value))
        return ml_error_set(err, ML_CONFIG, NULL,
                            "%s: plugin '%s': must be an object: {\"git\": \"https://...\"}", label,
                            value->string);
    *ret = (struct project_plugin){.name = arena_str(a, value->string)};
    cJSON_ArrayForEach (member, value) {
        f.key = member->string;
        int i = field_find(&f, rows, N_ROWS);
        if (i < 0)
            return -1;
        int status = rows[i].check != NULL ? field_take(a, &f, &rows[i], member, ret)
                                           : field_bool(&f, member, &ret->submodules);
        if (status < 0)
            return -1;
    }
    uuid_settle(a, ret);
    return plugin_check(ret, label, err);
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(((const struct project_plugin *)a)->name,
                  ((const struct project_plugin *)b)->name);
}

static int uuids_check(struct arena *a, const char *label, const struct project *project,
                       struct ml_error *err)
{
    struct field_uuid *list = arena_alloc(a, project->n, sizeof *list);
    if (list == NULL)
        return ml_error_memory(err);
    for (size_t i = 0; i < project->n; i++)
        list[i] = (struct field_uuid){project->plugins[i].uuid, project->plugins[i].name};
    return field_uuids_check(label, list, project->n, err);
}

static int plugins_read(struct arena *a, const char *label, const cJSON *value, struct project *ret,
                        struct ml_error *err)
{
    const cJSON *child;
    size_t n = (size_t)cJSON_GetArraySize(value);
    *ret = (struct project){.plugins = arena_alloc(a, n, sizeof *ret->plugins)};
    if (ret->plugins == NULL)
        return ml_error_memory(err);
    cJSON_ArrayForEach (child, value)
        if (plugin_read(a, label, child, &ret->plugins[ret->n++], err) < 0)
            return -1;
    if (n > 1)
        qsort(ret->plugins, n, sizeof *ret->plugins, name_compare);
    return uuids_check(a, label, ret, err);
}

/* The manifest's reader goes first: it knows all other keys, and so finds a "plugin". */
int project_parse(struct arena *a, const char *label, const char *text, size_t n,
                  struct project *ret, struct ml_error *err)
{
    struct manifest manifest;
    if (field_conflict_check(label, text, "choose what stays, and remove the marks", err) < 0 ||
        manifest_parse(a, label, text, n, &manifest, err) < 0)
        return -1;
    CJSON_AUTO *tree = strict_parse(text, n, label, err);
    if (tree == NULL)
        return -1;
    const cJSON *plugins = cJSON_GetObjectItemCaseSensitive(tree, "plugins");
    if (plugins == NULL) {
        ml_error_set(err, ML_CONFIG, "no_plugins", "%s: there is no key 'plugins'", label);
        return ml_error_hint(
            err, "name what the project needs: \"plugins\": {\"math\": {\"git\": \"https://...\", "
                 "\"version\": \"^1.2\"}}");
    }
    if (plugins_read(a, label, plugins, ret, err) < 0)
        return -1;
    return a->failed ? ml_error_memory(err) : 0;
}

int project_read(struct arena *a, int dirfd, const char *label, struct project *ret,
                 struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    if (fs_read_file(dirfd, PROJECT_FILE, &text, PROJECT_SIZE_MAX) == 0)
        return project_parse(a, label, buf_text(&text), text.len, ret, err);
    if (errno == EFBIG)
        return ml_error_set(err, ML_CONFIG, NULL, "%s: it is larger than %d KiB", label,
                            PROJECT_SIZE_MAX >> 10);
    if (errno != ENOENT)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", label);
    ml_error_set(err, ML_NO_INPUT, "no_project", "there is no '%s'", label);
    return ml_error_hint(err, "write one: {\"plugins\": {\"math\": {\"git\": \"https://...\", "
                              "\"version\": \"^1.2\"}}}");
}
