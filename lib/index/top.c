#include "index/top.h"

#include <string.h>

#include "base/error.h"
#include "build/strict-json.h"

enum { INDEX_FORMAT = 1, TOP_MAX = 64 << 10 };

int index_none(struct ml_error *err, const char *why)
{
    ml_error_set(err, ML_DATA, "not_an_index", "it is no index of plugins: %s", why);
    return ml_error_hint(err, "an index has " INDEX_TOP
                              " at its top: {\"format\": 1, \"name\": \"...\"}");
}

int index_top_read(const struct buf *text, char name[INDEX_NAME_SIZE], struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    if (text->failed)
        return ml_error_memory(err);
    if (text->len > TOP_MAX)
        return index_none(err, INDEX_TOP " is too large");
    CJSON_AUTO *tree = strict_parse(buf_text(text), text->len, INDEX_TOP, &why);
    if (tree == NULL)
        return why.status == ML_LIMIT ? ml_error_memory(err)
                                      : index_none(err, INDEX_TOP " is not JSON");
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(tree, "format");
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(tree, "name");
    if (!cJSON_IsNumber(format))
        return index_none(err, INDEX_TOP " says no format");
    if (format->valuedouble != INDEX_FORMAT) {
        ml_error_set(err, ML_CONFIG, "newer_format",
                     "the index is of another format; this modload knows format %d", INDEX_FORMAT);
        return ml_error_hint(err, "a newer modload may know it");
    }
    if (!cJSON_IsString(given) || !index_name_good(given->valuestring))
        return index_none(err, INDEX_TOP " gives it no name");
    strcpy(name, given->valuestring);
    return 0;
}
