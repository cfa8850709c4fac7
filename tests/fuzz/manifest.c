/* modload.json. What is taken holds nothing that could be anything but what it is on a compiler's
 * command line, and says the same when it is written and read again. */
#include "build/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "build/strict-json.h"
#include "build/word.h"
#include "client/capability.h"
#include "fuzz.h"
#include "modload/build.h"
#include "modload/modload.h"

/* ---- written again ---- */

static void text_write(struct json *j, const char *key, const char *text)
{
    if (text != NULL)
        json_pair(j, key, text);
}

static void list_write(struct json *j, const char *key, const struct strv *list)
{
    if (list->n == 0)
        return;
    json_key(j, key);
    json_open(j, '[');
    for (size_t i = 0; i < list->n; i++)
        json_string(j, list->items[i]);
    json_close(j, ']');
}

static void manifest_write(struct json *j, const struct manifest *m)
{
    json_open(j, '{');
    text_write(j, "name", m->name);
    text_write(j, "version", m->version);
    text_write(j, "description", m->description);
    text_write(j, "license", m->license);
    list_write(j, "sources", &m->sources);
    list_write(j, "include", &m->include);
    list_write(j, "link", &m->link);
    list_write(j, "pkg_config", &m->pkg_config);
    list_write(j, "functions", &m->functions);
    for (size_t i = 0; i < m->n_parts; i++) {
        json_key(j, m->parts[i].key);
        buf_str(&j->out, m->parts[i].json);
        j->comma = true;
    }
    json_close(j, '}');
}

/* ---- what is promised ---- */

static void same_text(const char *a, const char *b)
{
    CHECK((a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0));
}

static void same_list(const struct strv *a, const struct strv *b)
{
    CHECK(a->n == b->n);
    for (size_t i = 0; i < a->n; i++)
        same_text(a->items[i], b->items[i]);
}

static void check_same(const struct manifest *a, const struct manifest *b)
{
    same_text(a->name, b->name);
    same_text(a->version, b->version);
    same_text(a->description, b->description);
    same_text(a->license, b->license);
    same_list(&a->sources, &b->sources);
    same_list(&a->include, &b->include);
    same_list(&a->link, &b->link);
    same_list(&a->pkg_config, &b->pkg_config);
    same_list(&a->functions, &b->functions);
    same_list(&a->capabilities, &b->capabilities);
    CHECK(a->n_parts == b->n_parts);
    for (size_t i = 0; i < a->n_parts; i++) {
        same_text(a->parts[i].key, b->parts[i].key);
        same_text(a->parts[i].json, b->parts[i].json);
    }
}

/* Beneath the directory: no part of it climbs. */
static void check_paths(const struct strv *paths)
{
    for (size_t i = 0; i < paths->n; i++) {
        const char *path = paths->items[i];
        size_t n = strlen(path);
        CHECK(n > 0 && path[0] != '/' && strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0);
        CHECK(strstr(path, "/../") == NULL && (n < 3 || strcmp(path + n - 3, "/..") != 0));
    }
}

static void check_words(const struct strv *words, bool (*good)(const char *))
{
    for (size_t i = 0; i < words->n; i++)
        CHECK(words->items[i][0] != '-' && good(words->items[i]));
}

/* Each is one, in order, and none has another in it: nothing is said twice. */
static void check_capabilities(const struct strv *list)
{
    const char *rest[CAPABILITY_MAX];
    CHECK(list->n <= CAPABILITY_MAX);
    for (size_t i = 0; i < list->n; i++) {
        CHECK(ml_capability_check(list->items[i], NULL) == 0);
        CHECK(i == 0 || strcmp(list->items[i - 1], list->items[i]) < 0);
        CHECK(ml_capabilities_beyond(&list->items[i], 1, list->items, list->n, rest) ==
              list->n - 1);
    }
}

/* What the bundle's own manifest takes over. */
static size_t count_kept(const char *text)
{
    static const char *const kept[] = {"capabilities", "limits", "requires",
                                       "state",        "tests",  "app"};
    CJSON_AUTO *tree = strict_parse(text, strlen(text), "x", NULL);
    size_t n = 0;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        n += cJSON_GetObjectItemCaseSensitive(tree, kept[i]) != NULL;
    return n;
}

static void check_manifest(const struct manifest *m)
{
    CHECK(m->name == NULL || ml_name_valid(m->name));
    CHECK(m->version == NULL || word_version(m->version));
    check_paths(&m->sources);
    check_paths(&m->include);
    check_words(&m->link, word_library);
    check_words(&m->pkg_config, word_package);
    check_words(&m->functions, word_prototype);
    check_capabilities(&m->capabilities);
    CHECK(m->n_parts == count_kept(m->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    JSON_AUTO j = {0};
    struct manifest m, again;
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_bytes(data, size);
    if (manifest_parse(&a, "modload.json", text, size, &m, &err) < 0) {
        fuzz_refused(&err);
    } else if (!fuzz_odd_blank(text)) {
        check_manifest(&m);
        manifest_write(&j, &m);
        CHECK(manifest_parse(&a, "again", buf_text(&j.out), j.out.len, &again, NULL) == 0);
        check_same(&m, &again);
    }
    free(text);
    return 0;
}
