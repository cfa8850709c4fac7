/* A record may come from anywhere: nothing of it becomes a path or a word for the compiler before
 * it was looked at as if a stranger had typed it. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/error.h"
#include "build/bundle.h"
#include "build/place.h"
#include "build/record.h"
#include "build/strict-json.h"
#include "build/sums.h"
#include "build/word.h"

/* ---- values ---- */

struct reader {
    struct arena *a;
    struct ml_error *err;
};

static int bad(struct reader *r, const char *key, const char *must)
{
    return ml_error_set(r->err, ML_REFUSED, "damaged", "key '%s' must %s", key, must);
}

/* Texts that are not UTF-8 are written as {"base64":"..."}. */
static const char *base64_get(struct reader *r, const cJSON *value)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(value, "base64");
    const char *in = cJSON_GetStringValue(text);
    size_t n = in ? strlen(in) : 0;
    unsigned char *out = n % 4 == 0 ? arena_alloc(r->a, n / 4 * 3 + 1, 1) : NULL;
    if (n == 0 || n > RECORD_SIZE_MAX || out == NULL ||
        EVP_DecodeBlock(out, (const unsigned char *)in, (int)n) < 0)
        return NULL;
    return (const char *)out; /* padding became NULs */
}

static const char *text_get(struct reader *r, const cJSON *value)
{
    if (cJSON_IsString(value))
        return arena_str(r->a, value->valuestring);
    return cJSON_IsObject(value) ? base64_get(r, value) : NULL;
}

static int text_read(struct reader *r, const cJSON *object, const char *key, const char **ret)
{
    *ret = text_get(r, cJSON_GetObjectItemCaseSensitive(object, key));
    return *ret ? 0 : bad(r, key, "be a text");
}

/* A list of texts, each of which `good` accepts; null accepts all. */
static int list_read(struct reader *r, const cJSON *object, const char *key,
                     bool (*good)(const char *), struct strv *ret)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, key), *item;
    if (!cJSON_IsArray(list))
        return bad(r, key, "be a list of texts");
    cJSON_ArrayForEach (item, list) {
        const char *text = text_get(r, item);
        if (text == NULL || (good != NULL && !good(text)))
            return bad(r, key, "be a list of texts of its kind");
        strv_add(r->a, ret, text);
    }
    return 0;
}

static int digest_read(struct reader *r, const cJSON *object, const char *key, char *ret)
{
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    if (hex == NULL || !sums_digest_valid(hex))
        return bad(r, key, "be a SHA-256 digest");
    strcpy(ret, hex);
    return 0;
}

/* ---- inputs ---- */

static bool place_valid(const char *text)
{
    int up;
    size_t include;
    return sums_path_valid(text) && place_parse(text, &up, &include) != NULL;
}

/* An own file's name is a path in source/; any other's is for people, and never opened. */
static int input_read(struct reader *r, const cJSON *item, bool own, struct input *ret)
{
    if (digest_read(r, item, "sha256", ret->sha256) < 0 ||
        text_read(r, item, own ? "path" : "name", &ret->path) < 0)
        return -1;
    if (own && !sums_path_valid(ret->path))
        return bad(r, "path", "be a path inside the sources");
    ret->rel = own ? ret->path : NULL;
    const cJSON *kept = cJSON_GetObjectItemCaseSensitive(item, "kept");
    ret->kept = kept ? text_get(r, kept) : NULL;
    if (kept != NULL && (own || ret->kept == NULL || !place_valid(ret->kept)))
        return bad(r, "kept", "be a place outside the sources");
    if (cJSON_GetObjectItemCaseSensitive(item, "at") == NULL)
        return 0;
    return list_read(r, item, "at", place_valid, &ret->at);
}

static int inputs_read(struct reader *r, const cJSON *tree, const char *key, bool own,
                       struct build *b)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tree, key), *item;
    if (!cJSON_IsArray(list))
        return bad(r, key, "be a list of files");
    cJSON_ArrayForEach (item, list) {
        struct input *inputs = arena_grow(r->a, b->inputs, b->n_inputs, sizeof *inputs);
        if (inputs == NULL)
            return ml_error_memory(r->err);
        b->inputs = inputs;
        inputs[b->n_inputs] = (struct input){.path = ""};
        if (input_read(r, item, own, &inputs[b->n_inputs++]) < 0)
            return -1;
    }
    return 0;
}

/* ---- how it was asked for ---- */

/* Whether the file went in, and is no unit yet. */
static bool can_be_unit(const struct build *b, const char *rel)
{
    bool found = false;
    for (size_t i = 0; i < b->n_inputs && !found; i++)
        found = b->inputs[i].rel != NULL && strcmp(b->inputs[i].rel, rel) == 0;
    for (size_t i = 0; i < b->n_sources && found; i++)
        found = strcmp(b->sources[i].rel, rel) != 0;
    return found;
}

/* Only what went in can have been compiled; twice it cannot. */
static int units_read(struct reader *r, const cJSON *given, struct build *b)
{
    struct strv units = {0};
    if (list_read(r, given, "units", sums_path_valid, &units) < 0)
        return -1;
    if (units.n > SOURCES_MAX || (units.n == 0) != (b->kind == BUILD_OBJECT))
        return bad(r, "units", "be as many as can be compiled");
    b->sources = arena_alloc(r->a, units.n + 1, sizeof *b->sources);
    if (b->sources == NULL)
        return ml_error_memory(r->err);
    for (; b->n_sources < units.n; b->n_sources++) {
        const char *rel = units.items[b->n_sources];
        if (!can_be_unit(b, rel))
            return bad(r, "units", "be different sources");
        b->sources[b->n_sources] = (struct unit){.path = "", .rel = rel, .root = "", .stem = ""};
    }
    return 0;
}

/* Null stands for a directory that was no neighbour of the sources. */
static int includes_read(struct reader *r, const cJSON *given, struct ml_build_request *request)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(given, "includes"), *item;
    struct strv dirs = {0};
    if (!cJSON_IsArray(list))
        return bad(r, "includes", "be a list of directories");
    cJSON_ArrayForEach (item, list) {
        const char *dir = cJSON_IsNull(item) ? NULL : text_get(r, item);
        if (!cJSON_IsNull(item) && (dir == NULL || !place_neighbour_valid(dir)))
            return bad(r, "includes", "be a list of directories");
        strv_add(r->a, &dirs, dir);
    }
    request->includes = dirs.items;
    request->n_includes = dirs.n;
    return 0;
}

static int kind_read(struct reader *r, const cJSON *given, struct build *b)
{
    const char *name;
    if (text_read(r, given, "kind", &name) < 0)
        return -1;
    for (enum build_kind kind = BUILD_FILES; kind <= BUILD_OBJECT; kind++)
        if (strcmp(record_kind(kind), name) == 0) {
            b->kind = kind;
            return (b->kind == BUILD_OBJECT) == (b->object != NULL)
                       ? 0
                       : bad(r, "kind", "agree with the key 'object'");
        }
    return bad(r, "kind", "be one that this modload knows");
}

static int manifest_read(struct reader *r, const cJSON *given, struct record *ret)
{
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(given, "manifest")))
        return 0;
    ret->build.has_manifest = true;
    return digest_read(r, given, "manifest", ret->manifest_sha256);
}

static int standard_read(struct reader *r, const cJSON *given, struct ml_build_request *request)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(given, "standard");
    if (cJSON_IsNull(value))
        return 0;
    request->standard = text_get(r, value);
    if (request->standard == NULL || !word_standard(request->standard))
        return bad(r, "standard", "be a C standard");
    return 0;
}

static int given_read(struct reader *r, const cJSON *given, struct record *ret)
{
    struct strv defines = {0}, libraries = {0};
    if (!cJSON_IsObject(given))
        return bad(r, "given", "be an object");
    if (kind_read(r, given, &ret->build) < 0 || units_read(r, given, &ret->build) < 0 ||
        manifest_read(r, given, ret) < 0 || standard_read(r, given, &ret->request) < 0 ||
        list_read(r, given, "defines", word_define, &defines) < 0 ||
        list_read(r, given, "libraries", word_library, &libraries) < 0 ||
        includes_read(r, given, &ret->request) < 0)
        return -1;
    ret->request.defines = defines.items;
    ret->request.n_defines = defines.n;
    ret->request.libraries = libraries.items;
    ret->request.n_libraries = libraries.n;
    ret->given = true;
    return 0;
}

/* ---- all of it ---- */

static int number_read(struct reader *r, const cJSON *tree, const char *key, unsigned *ret)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(tree, key);
    if (!cJSON_IsNumber(value) || value->valuedouble < 0 || value->valuedouble > 1e6)
        return bad(r, key, "be a number");
    *ret = (unsigned)value->valuedouble;
    return 0;
}

static int format_check(struct reader *r, const cJSON *tree)
{
    unsigned format;
    if (number_read(r, tree, "format", &format) < 0)
        return -1;
    if (format == BUNDLE_FORMAT)
        return 0;
    return ml_error_set(r->err, ML_REFUSED, "newer_format",
                        "it has format %u; this modload knows format %d", format, BUNDLE_FORMAT);
}

/* Flags are only digested and compared: those of a new build are made anew from what was asked. */
static int compiler_read(struct reader *r, const cJSON *tree, struct build *b)
{
    strv_add(r->a, &b->host.cc, "cc"); /* what it was called is not part of it */
    if (cJSON_GetObjectItemCaseSensitive(tree, "compiler_words") != NULL &&
        list_read(r, tree, "compiler_words", NULL, &b->host.cc) < 0)
        return -1;
    if (text_read(r, tree, "compiler", &b->host.compiler) < 0 ||
        text_read(r, tree, "target", &b->host.target) < 0 ||
        list_read(r, tree, "flags", NULL, &b->flags) < 0)
        return -1;
    return list_read(r, tree, "libraries", NULL, &b->libraries);
}

static int object_read(struct reader *r, const cJSON *tree, struct build *b)
{
    const char *kind;
    b->files = arena_alloc(r->a, 1, sizeof *b->files);
    if (b->files == NULL)
        return ml_error_memory(r->err);
    b->files[b->n_files++] = (struct bundle_file){.path = "plugin.so"};
    if (text_read(r, tree, "object", &kind) < 0)
        return -1;
    if (strcmp(kind, "prebuilt") == 0) {
        b->object = "plugin.so";
        b->kind = BUILD_OBJECT;
    } else if (strcmp(kind, "packed") == 0) {
        b->packed = true;
    } else if (strcmp(kind, "built") != 0) {
        return bad(r, "object", "be 'built', 'packed' or 'prebuilt'");
    }
    return digest_read(r, tree, "object_sha256", b->files[0].sha256);
}

/* Missing in records of before; the bundle's other files have them then. */
static int identity_read(struct reader *r, const cJSON *tree, struct build *b)
{
    if (cJSON_GetObjectItemCaseSensitive(tree, "name") == NULL)
        return 0;
    if (text_read(r, tree, "name", &b->name) < 0 || text_read(r, tree, "version", &b->version) < 0)
        return -1;
    if (!ml_name_valid(b->name))
        return bad(r, "name", "be a plugin's name");
    return word_version(b->version) ? 0 : bad(r, "version", "be a version");
}

static int tree_read(struct reader *r, const cJSON *tree, struct record *ret)
{
    struct build *b = &ret->build;
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(tree, "given");
    if (!cJSON_IsObject(tree))
        return ml_error_set(r->err, ML_REFUSED, "damaged", "not a JSON object");
    if (format_check(r, tree) < 0 || number_read(r, tree, "abi", &b->abi) < 0 ||
        identity_read(r, tree, b) < 0 || compiler_read(r, tree, b) < 0 ||
        object_read(r, tree, b) < 0 || inputs_read(r, tree, "sources", true, b) < 0 ||
        inputs_read(r, tree, "dependencies", false, b) < 0)
        return -1;
    return given ? given_read(r, given, ret) : 0;
}

int record_read(struct arena *a, const char *text, size_t n, struct record *ret,
                struct ml_error *err)
{
    struct reader r = {a, err};
    *ret = (struct record){.build = {.a = a, .work = -1, .cwd_fd = AT_FDCWD}};
    ret->request.diagnostics_fd = ret->request.cancel_fd = -1;
    ret->build.request = &ret->request;
    CJSON_AUTO *tree = strict_parse(text, n, "build.json", err);
    if (tree == NULL) {
        if (err != NULL && err->status == ML_CONFIG)
            err->status = ML_REFUSED;
        return -1;
    }
    if (tree_read(&r, tree, ret) < 0)
        return -1;
    return a->failed ? ml_error_memory(err) : 0;
}
