/* The file of one plugin in an index, which strangers write: what is taken can go to a terminal,
 * names one place, and is the same when it is written and read again. */
#include "index/plugin.h"

#include <stdlib.h>
#include <string.h>

#include "fetch/source.h"
#include "fuzz.h"
#include "index/name.h"

static void check_plain(const char *text, size_t max)
{
    CHECK(strlen(text) <= max);
    for (const char *p = text; *p != '\0'; p++)
        CHECK((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void check_version(const struct index_version *v)
{
    check_plain(v->version, 64);
    check_plain(v->tag, SOURCE_REF_MAX - 1);
    check_plain(v->message, INDEX_MESSAGE_MAX);
    CHECK(strlen(v->commit) == 40 && strlen(v->tree) == 40 && *v->tag != '-');
    CHECK((v->retired == INDEX_NOT_RETIRED) == (*v->message == '\0'));
}

static void check_place(const char *name)
{
    char key[INDEX_NAME_SIZE], path[INDEX_PATH_SIZE], back[INDEX_NAME_SIZE];
    index_name_key(name, key);
    index_name_path(key, path);
    CHECK(index_path_key(path, strlen(path), back) && strcmp(key, back) == 0);
    CHECK(*path != '/' && strstr(path, "..") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO out = BUF_INIT, twice = BUF_INIT;
    struct index_plugin p, again;
    struct source source;
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_bytes(data, size);
    if (index_plugin_read(&a, "x.json", text, size, &p, &err) < 0) {
        fuzz_refused(&err);
        free(text);
        return 0;
    }
    check_place(p.name);
    check_plain(p.description, INDEX_DESCRIPTION_MAX);
    check_plain(p.license, INDEX_LICENSE_MAX);
    CHECK(source_parse(p.git, &source, NULL) == 0 && source.ref_kind == SOURCE_REF_NONE);
    for (size_t i = 0; i < p.n; i++)
        check_version(&p.versions[i]);
    CHECK(index_plugin_write("x.json", &p, &out, NULL) == 0);
    CHECK(index_plugin_read(&a, "x.json", out.data, out.len, &again, NULL) == 0);
    CHECK(index_plugin_write("x.json", &again, &twice, NULL) == 0);
    CHECK(out.len == twice.len && memcmp(out.data, twice.data, out.len) == 0);
    CHECK(index_plugin_rewritten(&p, &again) == NULL);
    free(text);
    return 0;
}
