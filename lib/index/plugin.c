/* Each key has a row in a table, with what its text must be: the reader and the writer go by the
 * same rows. */
#include "index/plugin.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/semver.h"
#include "build/strict-json.h"
#include "fetch/source.h"
#include "index/name.h"

/* ---- what texts may be ---- */

static const char *const reasons[] = {NULL,       "renamed", "deprecated",
                                      "security", "invalid", "other"};
enum { REASONS = sizeof reasons / sizeof *reasons };

const char *index_reason_word(enum index_reason reason)
{
    return reasons[reason];
}

enum index_reason index_reason_read(const char *word)
{
    for (int i = 1; i < REASONS; i++)
        if (strcmp(reasons[i], word) == 0)
            return (enum index_reason)i;
    return INDEX_NOT_RETIRED;
}

/* Of U+0080 to U+009F a terminal takes some for the beginning of a command; U+2028 and U+2029 end
 * lines; U+061C, U+200E, U+200F, U+202A to U+202E and U+2066 to U+2069 let a text be read as
 * another (CVE-2021-42574). */
static bool is_odd(const unsigned char *p)
{
    if (p[0] == 0xc2)
        return p[1] < 0xa0;
    if (p[0] == 0xd8)
        return p[1] == 0x9c;
    if (p[0] != 0xe2)
        return false;
    if (p[1] == 0x80)
        return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae);
    return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

bool index_text_good(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);
    if (n > max || !json_is_utf8(text, n))
        return false;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if (*p < ' ' || *p == 0x7f || is_odd(p))
            return false;
    return true;
}

static bool description_good(const char *text)
{
    return *text != '\0' && index_text_good(text, INDEX_DESCRIPTION_MAX);
}

static bool license_good(const char *text)
{
    return *text != '\0' && index_text_good(text, INDEX_LICENSE_MAX);
}

static bool message_good(const char *text)
{
    return *text != '\0' && index_text_good(text, INDEX_MESSAGE_MAX);
}

bool index_git_good(const char *text)
{
    struct source source;
    return index_text_good(text, SOURCE_URL_MAX - 1) && source_parse(text, &source, NULL) == 0 &&
           source.ref_kind == SOURCE_REF_NONE && source.kind != SOURCE_PATH &&
           (source.kind == SOURCE_FILE ? strncmp(text, "file:///", 8) == 0
                                       : strcmp(source.url, text) == 0);
}

static bool path_good(const char *text)
{
    return *text == '\0' ||
           (index_text_good(text, SOURCE_URL_MAX - 1) && source_subdir_check(text, NULL) == 0);
}

static bool version_good(const char *text)
{
    struct semver version;
    return semver_parse(text, &version);
}

/* Nothing that would be taken for a range or another source. */
static bool tag_good(const char *text)
{
    struct source source;
    return *text != '\0' && index_text_good(text, SOURCE_REF_MAX - 1) &&
           source_ref_parse(text, &source, NULL) == 0 && source.ref_kind == SOURCE_REF_NAME;
}

static bool id_good(const char *text)
{
    return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

/* 32 bytes are 43 letters and one '='. */
static bool source_good(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return strncmp(text, "h1:", 3) == 0 && strspn(text + 3, letters) == 43 &&
           strcmp(text + 3 + 43, "=") == 0;
}

static bool date_good(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    if (strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i] != '\0'; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    return true;
}

static bool reason_good(const char *text)
{
    return index_reason_read(text) != INDEX_NOT_RETIRED;
}

struct field {
    const char *key;
    bool (*good)(const char *text);
    const char *must;
};

/* In the order in which they are written. */
enum { NAME, DESCRIPTION, LICENSE, GIT, PATH, PLUGIN_FIELDS };
static const struct field plugin_fields[PLUGIN_FIELDS] = {
    {"name", index_name_good, "be 1 to 64 of A-Z a-z 0-9 _ -, a letter or digit first"},
    {"description", description_good, "be a line of 1 to 512 bytes without control characters"},
    {"license", license_good, "be a line of 1 to 128 bytes without control characters"},
    {"git", index_git_good,
     "be the URL of a git repository, without a ref: https, ssh, git or file"},
    {"path", path_good, "be a directory of the repository, or empty"},
};
enum { VERSION, TAG, COMMIT, TREE, SOURCE, PUBLISHED, VERSION_FIELDS };
static const struct field version_fields[VERSION_FIELDS] = {
    {"version", version_good, "be a version such as 1.2.0 (SemVer 2.0.0)"},
    {"tag", tag_good, "be the name of a tag"},
    {"commit", id_good, "be 40 hex digits"},
    {"tree", id_good, "be 40 hex digits"},
    {"source", source_good, "be h1: and 32 bytes in base64"},
    {"published", date_good, "be a time such as 2026-11-26T15:00:00Z"},
};
enum { REASON, MESSAGE, DATE, RETIRED_FIELDS };
static const struct field retired_fields[RETIRED_FIELDS] = {
    {"reason", reason_good, "be renamed, deprecated, security, invalid or other"},
    {"message", message_good, "be a line of 1 to 512 bytes without control characters"},
    {"date", date_good, "be a time such as 2026-11-26T15:00:00Z"},
};

/* ---- reading ---- */

struct reader {
    struct arena *a;
    const char *label;
    struct ml_error *err;
};

static int bad(const struct reader *r, const char *key, const char *must)
{
    return ml_error_set(r->err, ML_DATA, "bad_index", "%s: key '%s' must %s", r->label, key, must);
}

/* All fields of an object, which has no key but these, and perhaps `more`. */
static int fields_read(const struct reader *r, const cJSON *object, const char *what,
                       const struct field *fields, size_t n, const char *more, const char **ret)
{
    const cJSON *child;
    size_t known = 0;
    if (!cJSON_IsObject(object))
        return ml_error_set(r->err, ML_DATA, "bad_index", "%s: %s must be an object", r->label,
                            what);
    for (size_t i = 0; i < n; i++) {
        child = cJSON_GetObjectItemCaseSensitive(object, fields[i].key);
        if (!cJSON_IsString(child) || !fields[i].good(child->valuestring))
            return bad(r, fields[i].key, fields[i].must);
        ret[i] = arena_str(r->a, child->valuestring);
        known++;
    }
    if (more != NULL && cJSON_GetObjectItemCaseSensitive(object, more) != NULL)
        known++;
    if ((size_t)cJSON_GetArraySize(object) == known)
        return 0;
    return ml_error_set(r->err, ML_DATA, "bad_index", "%s: %s has a key that is not known",
                        r->label, what);
}

static int retired_read(const struct reader *r, const cJSON *object, struct index_version *v)
{
    const char *texts[RETIRED_FIELDS];
    if (object == NULL)
        return v->message = v->date = "", 0;
    if (fields_read(r, object, "what is retired", retired_fields, RETIRED_FIELDS, NULL, texts) < 0)
        return -1;
    v->retired = index_reason_read(texts[REASON]);
    v->message = texts[MESSAGE];
    v->date = texts[DATE];
    return 0;
}

static int version_read(const struct reader *r, const cJSON *object, struct index_version *v)
{
    const char *texts[VERSION_FIELDS];
    if (fields_read(r, object, "a version", version_fields, VERSION_FIELDS, "retired", texts) < 0)
        return -1;
    *v = (struct index_version){.version = texts[VERSION],
                                .tag = texts[TAG],
                                .commit = texts[COMMIT],
                                .tree = texts[TREE],
                                .source = texts[SOURCE],
                                .published = texts[PUBLISHED]};
    return retired_read(r, cJSON_GetObjectItemCaseSensitive(object, "retired"), v);
}

static int version_compare(const char *a, const char *b)
{
    struct semver x, y;
    return semver_parse(a, &x) && semver_parse(b, &y) ? semver_compare(&x, &y) : 0;
}

static int versions_read(const struct reader *r, const cJSON *array, struct index_plugin *p)
{
    const cJSON *item;
    if (!cJSON_IsArray(array) || array->child == NULL)
        return bad(r, "versions", "be an array of at least one version");
    p->versions = arena_alloc(r->a, (size_t)cJSON_GetArraySize(array), sizeof *p->versions);
    if (p->versions == NULL)
        return ml_error_memory(r->err);
    cJSON_ArrayForEach (item, array) {
        struct index_version *v = &p->versions[p->n++];
        if (version_read(r, item, v) < 0)
            return -1;
        if (p->n > 1 && version_compare(v[-1].version, v->version) >= 0)
            return ml_error_set(r->err, ML_DATA, "bad_index",
                                "%s: version %s stands behind %s: they must ascend", r->label,
                                v->version, v[-1].version);
    }
    return 0;
}

static int plugin_read(const struct reader *r, const cJSON *tree, struct index_plugin *p)
{
    const char *texts[PLUGIN_FIELDS];
    if (fields_read(r, tree, "it", plugin_fields, PLUGIN_FIELDS, "versions", texts) < 0)
        return -1;
    *p = (struct index_plugin){.name = texts[NAME],
                               .description = texts[DESCRIPTION],
                               .license = texts[LICENSE],
                               .git = texts[GIT],
                               .path = texts[PATH]};
    if (versions_read(r, cJSON_GetObjectItemCaseSensitive(tree, "versions"), p) < 0)
        return -1;
    return r->a->failed ? ml_error_memory(r->err) : 0;
}

int index_plugin_read(struct arena *a, const char *label, const char *text, size_t n,
                      struct index_plugin *ret, struct ml_error *err)
{
    struct reader r = {.a = a, .label = label, .err = err};
    struct index_plugin plugin;
    if (n > INDEX_FILE_MAX)
        return ml_error_set(err, ML_DATA, "bad_index", "%s: it has more than %d KiB", label,
                            INDEX_FILE_MAX >> 10);
    CJSON_AUTO *tree = strict_parse(text, n, label, err);
    if (tree == NULL && err != NULL && err->status == ML_CONFIG) {
        err->status = ML_DATA; /* it is no configuration of ours */
        strcpy(err->code, "bad_index");
    }
    if (tree == NULL || plugin_read(&r, tree, &plugin) < 0)
        return -1;
    *ret = plugin;
    return 0;
}

/* ---- writing ---- */

static void fields_write(struct json *j, const struct field *fields, size_t n,
                         const char *const *texts)
{
    for (size_t i = 0; i < n; i++)
        json_pair(j, fields[i].key, texts[i]);
}

static void version_write(struct json *j, const struct index_version *v)
{
    const char *texts[VERSION_FIELDS] = {
        [VERSION] = v->version, [TAG] = v->tag,       [COMMIT] = v->commit,
        [TREE] = v->tree,       [SOURCE] = v->source, [PUBLISHED] = v->published};
    json_open(j, '{');
    fields_write(j, version_fields, VERSION_FIELDS, texts);
    if (v->retired != INDEX_NOT_RETIRED) {
        const char *why[RETIRED_FIELDS] = {
            [REASON] = reasons[v->retired], [MESSAGE] = v->message, [DATE] = v->date};
        json_key(j, "retired");
        json_open(j, '{');
        fields_write(j, retired_fields, RETIRED_FIELDS, why);
        json_close(j, '}');
    }
    json_close(j, '}');
}

/* The comma stands before a version, so that another one behind it changes no line. */
static void plugin_write(const struct index_plugin *p, struct buf *out)
{
    JSON_AUTO head = {0};
    const char *texts[PLUGIN_FIELDS] = {[NAME] = p->name,
                                        [DESCRIPTION] = p->description,
                                        [LICENSE] = p->license,
                                        [GIT] = p->git,
                                        [PATH] = p->path};
    json_open(&head, '{');
    fields_write(&head, plugin_fields, PLUGIN_FIELDS, texts);
    json_key(&head, "versions");
    json_open(&head, '[');
    buf_add(out, head.out.data, head.out.len);
    buf_char(out, '\n');
    for (size_t i = 0; i < p->n; i++) {
        JSON_AUTO line = {0};
        version_write(&line, &p->versions[i]);
        buf_str(out, i > 0 ? "," : "");
        buf_add(out, line.out.data, line.out.len);
        buf_char(out, '\n');
        out->failed = out->failed || line.out.failed;
    }
    buf_str(out, "]}\n");
    out->failed = out->failed || head.out.failed;
}

int index_plugin_write(const char *label, const struct index_plugin *plugin, struct buf *out,
                       struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO text = BUF_INIT;
    struct index_plugin again;
    plugin_write(plugin, &text);
    if (text.failed)
        return ml_error_memory(err);
    if (index_plugin_read(&a, label, text.data, text.len, &again, err) < 0)
        return -1;
    buf_add(out, text.data, text.len);
    return out->failed ? ml_error_memory(err) : 0;
}

/* ---- looking ---- */

const struct index_version *index_plugin_newest(const struct index_plugin *plugin)
{
    const struct index_version *before = NULL;
    for (size_t i = plugin->n; i-- > 0;) {
        const struct index_version *v = &plugin->versions[i];
        struct semver version;
        if (v->retired != INDEX_NOT_RETIRED)
            continue;
        if (semver_parse(v->version, &version) && version.pre.n == 0)
            return v;
        if (before == NULL)
            before = v;
    }
    return before;
}

struct index_version *index_plugin_find(const struct index_plugin *plugin, const char *version)
{
    for (size_t i = 0; i < plugin->n; i++)
        if (strcmp(plugin->versions[i].version, version) == 0)
            return &plugin->versions[i];
    return NULL;
}

static bool version_same(const struct index_version *a, const struct index_version *b)
{
    return strcmp(a->tag, b->tag) == 0 && strcmp(a->commit, b->commit) == 0 &&
           strcmp(a->tree, b->tree) == 0 && strcmp(a->source, b->source) == 0 &&
           strcmp(a->published, b->published) == 0;
}

const struct index_version *index_plugin_rewritten(const struct index_plugin *before,
                                                   const struct index_plugin *now)
{
    for (size_t i = 0; i < before->n; i++) {
        const struct index_version *v = &before->versions[i];
        const struct index_version *same = index_plugin_find(now, v->version);
        if (same == NULL || !version_same(v, same))
            return v;
    }
    return NULL;
}
