/* JSON of people and strangers. What is taken is JSON, says the same when it is written and read
 * again, and each value of the top object stands alone as it was written. */
#include "build/strict-json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static cJSON *parse(const char *text)
{
    return strict_parse(text, strlen(text), "x.json", NULL);
}

/* A number beyond what a double holds is JSON, and is kept as text; cJSON would write null. */
static bool all_finite(const cJSON *tree)
{
    const cJSON *child;
    if (cJSON_IsNumber(tree) && !isfinite(tree->valuedouble))
        return false;
    cJSON_ArrayForEach (child, tree)
        if (!all_finite(child))
            return false;
    return true;
}

static void check_written(const cJSON *tree)
{
    char *text = cJSON_PrintUnformatted(tree);
    CHECK(text != NULL);
    CJSON_AUTO *again = parse(text);
    CHECK(again != NULL && cJSON_Compare(tree, again, true));
    free(text);
}

/* What a bundle's manifest takes over as it was written must be the value that was checked. */
static void check_values(const cJSON *tree, const char *text)
{
    ARENA_AUTO a = ARENA_INIT;
    struct strv values = {0};
    const cJSON *child;
    size_t i = 0;
    strict_values(&a, text, &values);
    cJSON_ArrayForEach (child, tree) {
        CHECK(i < values.n);
        CJSON_AUTO *alone = parse(values.items[i++]);
        CHECK(alone != NULL);
        CHECK(!all_finite(child) || cJSON_Compare(child, alone, true));
    }
    CHECK(i == values.n);
}

/* An escaped NUL would end a text early. In JSON a backslash stands in texts only. */
static bool has_nul(const char *text)
{
    for (const char *p = strchr(text, '\\'); p != NULL && *p != '\0'; p = strchr(p + 2, '\\'))
        if (strncmp(p, "\\u0000", 6) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_bytes(data, size);
    CJSON_AUTO *tree = strict_parse(text, size, "x.json", &err);
    CHECK(tree == NULL || !has_nul(text));
    if (tree == NULL)
        fuzz_refused(&err);
    else if (all_finite(tree))
        check_written(tree);
    if (cJSON_IsObject(tree) && !fuzz_odd_blank(text))
        check_values(tree, text);
    free(text);
    return 0;
}
