/* A key that is misspelt must not pass for one that is absent, and a wish that this version cannot
 * keep must not pass for one that was kept: both are refused. Each key has a row in one table, and
 * a function that checks and takes it. */
#include "build/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/words.h"
#include "build/flag.h"
#include "build/limits.h"
#include "build/strict-json.h"
#include "build/word.h"
#include "client/capability.h"
#include "modload/modload.h"

struct reader {
    struct arena *a;
    struct manifest *m;
    struct ml_error *err;
    const char *instead; /* what is kept of the value that was read; null: what was written */
};

static int bad(struct reader *r, const char *key, const char *must)
{
    return ml_error_set(r->err, ML_CONFIG, NULL, "%s: key '%s' must %s", r->m->label, key, must);
}

/* ---- shapes ---- */

/* Copies a text into the arena: the tree that cJSON made does not live as long. */
static int text_read(struct reader *r, const cJSON *value, const char *key, const char **ret)
{
    if (!cJSON_IsString(value) || strlen(value->valuestring) > 4096)
        return bad(r, key, "be a text of at most 4096 bytes");
    *ret = arena_str(r->a, value->valuestring);
    return 0;
}

/* An array of texts, each of which `good` accepts; `must` says what they are. */
static int list_read(struct reader *r, const cJSON *value, struct strv *ret,
                     bool (*good)(const char *), const char *must)
{
    const cJSON *item;
    if (!cJSON_IsArray(value))
        return bad(r, value->string, must);
    cJSON_ArrayForEach (item, value) {
        if (!cJSON_IsString(item))
            return bad(r, value->string, must);
        if (!good(item->valuestring))
            return ml_error_set(r->err, ML_CONFIG, NULL, "%s: key '%s' must %s: '%s' is none",
                                r->m->label, value->string, must, item->valuestring);
        strv_add(r->a, ret, arena_str(r->a, item->valuestring));
    }
    return 0;
}

static int unknown_key(struct reader *r, const char *where, const char *key, const char *nearest)
{
    ml_error_set(r->err, ML_CONFIG, NULL, "%s: unknown key '%s%s'", r->m->label, where, key);
    if (nearest != NULL)
        ml_error_hint(r->err, "did you mean '%s'?", nearest);
    return -1;
}

/* Whether an object has no keys but these; `known` ends in null. */
static int keys_check(struct reader *r, const cJSON *object, const char *where,
                      const char *const *known)
{
    const cJSON *child;
    cJSON_ArrayForEach (child, object) {
        struct words_nearest best = {0};
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], child->string) != 0)
            words_consider(&best, child->string, known[i++]);
        if (known[i] == NULL)
            return unknown_key(r, where, child->string, best.word);
    }
    return 0;
}

/* ---- one function per key ---- */

static int name_read(struct reader *r, const cJSON *value)
{
    if (!cJSON_IsString(value) || !ml_name_valid(value->valuestring))
        return bad(r, "name", "be 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first");
    return text_read(r, value, "name", &r->m->name);
}

static int version_read(struct reader *r, const cJSON *value)
{
    if (!cJSON_IsString(value) || !word_version(value->valuestring))
        return bad(r, "version", "be a version such as 1.2.0 (SemVer 2.0.0)");
    return text_read(r, value, "version", &r->m->version);
}

static int description_read(struct reader *r, const cJSON *value)
{
    return text_read(r, value, "description", &r->m->description);
}

static int license_read(struct reader *r, const cJSON *value)
{
    return text_read(r, value, "license", &r->m->license);
}

/* Beneath the manifest's directory, going by the text; links are looked at when it is opened. */
static bool is_inner_path(const char *path)
{
    if (*path == '\0' || *path == '/')
        return false;
    for (const char *part = path; *part != '\0';) {
        size_t n = strcspn(part, "/");
        if (n == 2 && strncmp(part, "..", 2) == 0)
            return false;
        part += n + (part[n] == '/');
    }
    return true;
}

static int sources_read(struct reader *r, const cJSON *value)
{
    return list_read(r, value, &r->m->sources, is_inner_path,
                     "be an array of paths inside the directory");
}

static int include_read(struct reader *r, const cJSON *value)
{
    return list_read(r, value, &r->m->include, is_inner_path,
                     "be an array of directories inside the directory");
}

static int link_read(struct reader *r, const cJSON *value)
{
    return list_read(r, value, &r->m->link, word_library,
                     "be an array of library names such as \"m\"");
}

static int pkg_config_read(struct reader *r, const cJSON *value)
{
    return list_read(r, value, &r->m->pkg_config, word_package,
                     "be an array of pkg-config package names");
}

/* Words, each of which is one flag: "-D", "X" would be two. */
static int cflags_read(struct reader *r, const cJSON *value)
{
    const cJSON *item;
    if (!cJSON_IsArray(value))
        return bad(r, "cflags", "be an array of flags such as \"-O3\"");
    cJSON_ArrayForEach (item, value) {
        if (!cJSON_IsString(item))
            return bad(r, "cflags", "be an array of flags such as \"-O3\"");
        if (!flag_allowed(item->valuestring)) {
            ml_error_set(r->err, ML_CONFIG, NULL, "%s: key 'cflags': '%s' is not allowed",
                         r->m->label, item->valuestring);
            return ml_error_hint(r->err, "%s", flag_hint(item->valuestring));
        }
        strv_add(r->a, &r->m->cflags, arena_str(r->a, item->valuestring));
    }
    return 0;
}

static int functions_read(struct reader *r, const cJSON *value)
{
    return list_read(r, value, &r->m->functions, word_prototype,
                     "be an array of C prototypes such as \"double cos(double x)\"");
}

static int capability_add(struct reader *r, const char *text)
{
    struct capability ignored;
    const char *wrong = capability_read(text, &ignored);
    if (wrong != NULL) {
        ml_error_set(r->err, ML_CONFIG, NULL, "%s: key 'capabilities': '%s' %s", r->m->label, text,
                     wrong);
        return capability_hint(text, r->err);
    }
    strv_add(r->a, &r->m->capabilities, arena_str(r->a, text));
    return 0;
}

/* What people agree to, and what is compared, says each thing once and in one order. */
static int capabilities_keep(struct reader *r)
{
    struct strv *list = &r->m->capabilities;
    JSON_AUTO j = {0};
    if (r->a->failed)
        return ml_error_memory(r->err);
    list->n = capabilities_normalise(list->items, list->n);
    json_open(&j, '[');
    for (size_t i = 0; i < list->n; i++)
        json_string(&j, list->items[i]);
    json_close(&j, ']');
    if (j.out.failed)
        return ml_error_memory(r->err);
    r->instead = arena_str(r->a, buf_text(&j.out));
    return 0;
}

/* An empty list stays as it is: bundles of before have it so. */
static int capabilities_read(struct reader *r, const cJSON *value)
{
    const cJSON *item;
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > CAPABILITY_MAX)
        return bad(r, "capabilities", "be an array of at most 64 texts");
    cJSON_ArrayForEach (item, value) {
        if (!cJSON_IsString(item))
            return bad(r, "capabilities", "be an array of at most 64 texts");
        if (capability_add(r, item->valuestring) < 0)
            return -1;
    }
    return r->m->capabilities.n > 0 ? capabilities_keep(r) : 0;
}

static int limits_read(struct reader *r, const cJSON *value)
{
    const cJSON *child;
    if (!cJSON_IsObject(value))
        return bad(r, "limits", "be an object");
    if (keys_check(r, value, "limits.", limits_keys) < 0)
        return -1;
    cJSON_ArrayForEach (child, value) {
        const char *must = limits_take(child, &r->m->limits);
        if (must != NULL)
            return ml_error_set(r->err, ML_CONFIG, NULL, "%s: key 'limits.%s' must %s", r->m->label,
                                child->string, must);
    }
    return 0;
}

static int requires_read(struct reader *r, const cJSON *value)
{
    if (!cJSON_IsObject(value) || (value->child != NULL && !cJSON_IsString(value->child)))
        return bad(r, "requires", "be an object of names and versions");
    if (value->child == NULL)
        return 0;
    return ml_error_set(r->err, ML_CONFIG, NULL,
                        "%s: key 'requires' names '%s', which this version cannot provide",
                        r->m->label, value->child->string);
}

static int state_read(struct reader *r, const cJSON *value)
{
    static const char *const known[] = {"durable", NULL};
    if (!cJSON_IsObject(value))
        return bad(r, "state", "be an object");
    if (keys_check(r, value, "state.", known) < 0)
        return -1;
    if (value->child != NULL && !cJSON_IsBool(value->child))
        return bad(r, "state.durable", "be true or false");
    if (!cJSON_IsTrue(value->child))
        return 0;
    return ml_error_set(r->err, ML_CONFIG, NULL,
                        "%s: key 'state.durable' is true, which this version cannot keep",
                        r->m->label);
}

/* Only the shape: whether the function exists and takes these arguments is for those who run the
 * tests. */
static int test_check(struct reader *r, const cJSON *test)
{
    static const char *const known[] = {"call", "args", "expect", "error", NULL};
    if (!cJSON_IsObject(test))
        return bad(r, "tests", "be an array of objects");
    if (keys_check(r, test, "tests.", known) < 0)
        return -1;
    const cJSON *call = cJSON_GetObjectItemCaseSensitive(test, "call");
    const cJSON *args = cJSON_GetObjectItemCaseSensitive(test, "args");
    const cJSON *expect = cJSON_GetObjectItemCaseSensitive(test, "expect");
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(test, "error");
    if (!cJSON_IsString(call))
        return bad(r, "tests.call", "be the name of a function");
    if (args != NULL && !cJSON_IsArray(args))
        return bad(r, "tests.args", "be an array");
    if (error != NULL && !cJSON_IsString(error))
        return bad(r, "tests.error", "be an error code");
    if (expect != NULL && error != NULL)
        return bad(r, "tests", "have either 'expect' or 'error' in each test");
    return 0;
}

static int tests_read(struct reader *r, const cJSON *value)
{
    const cJSON *test;
    if (!cJSON_IsArray(value))
        return bad(r, "tests", "be an array of objects");
    cJSON_ArrayForEach (test, value) {
        if (test_check(r, test) < 0)
            return -1;
    }
    return 0;
}

static int app_read(struct reader *r, const cJSON *value)
{
    static const char *const known[] = {"title", "route", "url_template", NULL};
    const cJSON *child;
    if (!cJSON_IsObject(value))
        return bad(r, "app", "be an object");
    cJSON_ArrayForEach (child, value) {
        if (!cJSON_IsString(child))
            return bad(r, "app", "be an object of texts");
    }
    return keys_check(r, value, "app.", known);
}

/* What a project needs is no matter of its own bundle: project/project.h reads it. */
static int plugins_read(struct reader *r, const cJSON *value)
{
    return cJSON_IsObject(value) ? 0 : bad(r, "plugins", "be an object of names and sources");
}

static int schema_read(struct reader *r, const cJSON *value)
{
    return cJSON_IsString(value) ? 0 : bad(r, "$schema", "be a text");
}

/* ---- the table ---- */

static const struct {
    const char *key;
    int (*read)(struct reader *r, const cJSON *value);
    bool kept; /* the bundle's own manifest has it */
} keys[] = {
    {"name", name_read, false},
    {"version", version_read, false},
    {"description", description_read, false},
    {"license", license_read, false},
    {"sources", sources_read, false},
    {"include", include_read, false},
    {"link", link_read, false},
    {"pkg_config", pkg_config_read, false},
    {"cflags", cflags_read, false},
    {"functions", functions_read, false},
    {"capabilities", capabilities_read, true},
    {"limits", limits_read, true},
    {"requires", requires_read, true},
    {"state", state_read, true},
    {"tests", tests_read, true},
    {"app", app_read, true},
    {"plugins", plugins_read, false},
    {"$schema", schema_read, false},
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static int key_number(struct reader *r, const char *key)
{
    struct words_nearest best = {0};
    for (int i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].key, key) == 0)
            return i;
        words_consider(&best, key, keys[i].key);
    }
    return unknown_key(r, "", key, best.word);
}

/* Raw values and parsed ones come in the same order, which is how they are matched. */
static int object_read(struct reader *r, const cJSON *tree, const struct strv *values)
{
    const cJSON *child;
    size_t at = 0;
    cJSON_ArrayForEach (child, tree) {
        int i = key_number(r, child->string);
        r->instead = NULL;
        if (i < 0 || keys[i].read(r, child) < 0)
            return -1;
        if (keys[i].kept && at < values->n)
            r->m->parts[r->m->n_parts++] =
                (struct manifest_part){keys[i].key, r->instead ? r->instead : values->items[at]};
        at++;
    }
    return 0;
}

int manifest_parse(struct arena *a, const char *label, const char *text, size_t n,
                   struct manifest *ret, struct ml_error *err)
{
    struct reader r = {.a = a, .m = ret, .err = err};
    *ret = (struct manifest){.label = label, .text = text};
    CJSON_AUTO *tree = strict_parse(text, n, label, err);
    if (tree == NULL)
        return -1;
    if (!cJSON_IsObject(tree))
        return ml_error_set(err, ML_CONFIG, NULL, "%s: not a JSON object", label);
    struct strv values = {0};
    strict_values(a, text, &values);
    if (object_read(&r, tree, &values) < 0)
        return -1;
    return a->failed ? ml_error_memory(err) : 0;
}

int manifest_load(struct arena *a, int dirfd, const char *label, struct manifest *ret,
                  struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    if (fs_read_file(dirfd, "modload.json", &text, MANIFEST_SIZE_MAX) < 0) {
        if (errno == ENOENT)
            return 0;
        if (errno == EFBIG)
            return ml_error_set(err, ML_CONFIG, NULL, "%s: larger than %d KiB", label,
                                MANIFEST_SIZE_MAX >> 10);
        return ml_error_errno(err, 0, errno, "cannot read '%s'", label);
    }
    const char *kept = arena_mem(a, buf_text(&text), text.len);
    if (a->failed)
        return ml_error_memory(err);
    return manifest_parse(a, label, kept, text.len, ret, err) < 0 ? -1 : 1;
}
