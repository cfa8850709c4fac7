/* build.json, which may come from anywhere with a bundle. What is taken of it becomes words for a
 * compiler, and paths. */
#include "build/record.h"

#include <stdlib.h>
#include <string.h>

#include "build/sums.h"
#include "build/word.h"
#include "fuzz.h"

static void check_list(const struct strv *list, bool (*good)(const char *))
{
    for (size_t i = 0; i < list->n; i++)
        CHECK(list->items[i] != NULL && (good == NULL || good(list->items[i])));
}

static void check_request(const struct ml_build_request *r)
{
    for (size_t i = 0; i < r->n_defines; i++)
        CHECK(word_define(r->defines[i]));
    for (size_t i = 0; i < r->n_libraries; i++)
        CHECK(word_library(r->libraries[i]));
    CHECK(r->standard == NULL || word_standard(r->standard));
}

static void check_files(const struct build *b)
{
    for (size_t i = 0; i < b->n_inputs; i++) {
        CHECK(sums_digest_valid(b->inputs[i].sha256));
        CHECK(b->inputs[i].rel == NULL || sums_path_valid(b->inputs[i].rel));
    }
    check_list(&b->libraries, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    struct record record = {.given = false};
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_bytes(data, size);
    if (record_read(&a, text, size, &record, &err) < 0) {
        fuzz_refused(&err);
        CHECK(err.status == ML_REFUSED || err.status == ML_LIMIT);
    } else {
        CHECK(!a.failed);
        check_files(&record.build);
        if (record.given)
            check_request(&record.request);
    }
    free(text);
    return 0;
}
