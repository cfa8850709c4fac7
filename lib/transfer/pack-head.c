/* pack.json, which anybody may have written: nothing but what we write is taken. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/json.h"
#include "build/strict-json.h"
#include "build/word.h"
#include "registry_store/store.h"
#include "transfer/pack.h"

/* ---- origins ---- */

/* People read it, so that it is one line of text. */
static bool is_line(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if (*p < ' ' || *p == 0x7f)
            return false;
    return json_is_utf8(text, strlen(text));
}

/* That of a repository has "git+" before its URL, or its path (modload/install.h). */
static bool is_of_this_machine(const char *origin)
{
    if (strncmp(origin, "git+", 4) == 0)
        origin += 4;
    return *origin == '/' || strncmp(origin, "file:", 5) == 0;
}

bool pack_origin_travels(const char *origin)
{
    return *origin != '\0' && !is_of_this_machine(origin) && strlen(origin) < PACK_ORIGIN_SIZE &&
           is_line(origin);
}

/* ---- its other JSON ---- */

const char *pack_json_large(int dir)
{
    static const char *const names[] = {"build.json", "manifest.json"};
    struct stat st;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > PACK_JSON_MAX)
            return names[i];
    return NULL;
}

/* ---- writing ---- */

void pack_head_write(struct buf *out, const struct pack_head *head)
{
    struct json j = {.out = *out};
    json_open(&j, '{');
    json_key(&j, "bundles");
    json_open(&j, '[');
    json_open(&j, '{');
    json_pair(&j, "bundle", head->bundle);
    json_pair(&j, "name", head->name);
    json_pair(&j, "version", head->version);
    json_key(&j, "binary");
    json_bool(&j, head->binary);
    json_close(&j, '}');
    json_close(&j, ']');
    if (*head->origin != '\0')
        json_pair(&j, "origin", head->origin);
    json_close(&j, '}');
    buf_char(&j.out, '\n');
    *out = j.out;
}

/* ---- reading ---- */

struct reader {
    const char *label;
    struct ml_error *err;
};

static int bad(const struct reader *r, const char *key, const char *must)
{
    return ml_error_set(r->err, ML_REFUSED, "damaged", "'%s': its " PACK_HEAD ": '%s' must %s",
                        r->label, key, must);
}

static int text_read(const struct reader *r, const cJSON *object, const char *key,
                     bool (*good)(const char *), const char *must, char *ret, size_t size)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    if (text == NULL || strlen(text) >= size || !good(text))
        return bad(r, key, must);
    strcpy(ret, text);
    return 0;
}

/* A key that is not known may change what the others mean. */
static int keys_check(const struct reader *r, const cJSON *object, const char *const *known)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, object) {
        const char *const *key = known;
        while (*key != NULL && strcmp(*key, item->string) != 0)
            key++;
        if (*key == NULL)
            return ml_error_set(r->err, ML_REFUSED, "damaged",
                                "'%s': its " PACK_HEAD " says something that this modload does "
                                "not know",
                                r->label);
    }
    return 0;
}

static int bundle_read(const struct reader *r, const cJSON *object, struct pack_head *ret)
{
    static const char *const known[] = {"bundle", "name", "version", "binary", NULL};
    const cJSON *binary = cJSON_GetObjectItemCaseSensitive(object, "binary");
    if (!cJSON_IsObject(object))
        return bad(r, "bundles", "be a list of bundles");
    if (keys_check(r, object, known) < 0 ||
        text_read(r, object, "bundle", store_bundle_valid, "be the id of a bundle", ret->bundle,
                  sizeof ret->bundle) < 0 ||
        text_read(r, object, "name", ml_name_valid, "be a plugin's name", ret->name,
                  sizeof ret->name) < 0 ||
        text_read(r, object, "version", word_version, "be a version", ret->version,
                  sizeof ret->version) < 0)
        return -1;
    if (!cJSON_IsBool(binary))
        return bad(r, "binary", "be true or false");
    ret->binary = cJSON_IsTrue(binary);
    return 0;
}

static int bundles_read(const struct reader *r, const cJSON *tree, struct pack_head *ret)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tree, "bundles");
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (n == 0)
        return bad(r, "bundles", "be a list of bundles");
    if (n == 1)
        return bundle_read(r, list->child, ret);
    ml_error_set(r->err, ML_CONFIG, "newer_format",
                 "'%s' has %d bundles: the plugin with what it requires; this modload takes one",
                 r->label, n);
    return ml_error_hint(r->err, "use the modload that wrote it, or a newer one");
}

static int tree_read(const struct reader *r, const cJSON *tree, struct pack_head *ret)
{
    static const char *const known[] = {"bundles", "origin", NULL};
    if (!cJSON_IsObject(tree))
        return ml_error_set(r->err, ML_REFUSED, "damaged", "'%s': its " PACK_HEAD " is no object",
                            r->label);
    if (keys_check(r, tree, known) < 0 || bundles_read(r, tree, ret) < 0)
        return -1;
    if (cJSON_GetObjectItemCaseSensitive(tree, "origin") == NULL)
        return 0;
    return text_read(r, tree, "origin", pack_origin_travels, "be a place that others can reach",
                     ret->origin, sizeof ret->origin);
}

int pack_head_read(const char *text, size_t n, const char *label, struct pack_head *ret,
                   struct ml_error *err)
{
    const struct reader r = {label, err};
    struct ml_error why = ML_ERROR_INIT;
    *ret = (struct pack_head){.binary = false};
    CJSON_AUTO *tree = strict_parse(text, n, PACK_HEAD, &why);
    if (tree != NULL)
        return tree_read(&r, tree, ret);
    if (why.status != ML_CONFIG)
        return ml_error_memory(err);
    return ml_error_set(err, ML_REFUSED, "damaged", "'%s': %s", label, why.message);
}
