/* Goal of this test: what a bundle says about itself is read back, or the bundle is called damaged.
 */
#include <sys/stat.h>

#include "built.h"

static int read_info(const struct place *place, const char *id, struct ml_error *err)
{
    struct ml_ctx_options options = {.home = place_path(place, "home"),
                                     .runtime_dir = place_path(place, "run")};
    struct ml_ctx *ctx;
    struct ml_bundle_info *info = NULL;
    *err = (struct ml_error)ML_ERROR_INIT;
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    int status = ml_bundle_info_read(ctx, id, &info, err);
    ml_bundle_info_free(info);
    ml_ctx_free(ctx);
    return status == 0 ? 0 : err->status;
}

static void not_there(void **state)
{
    struct place *place = *state;
    static const char *const ids[] = {"",
                                      "x",
                                      "../..",
                                      "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
                                      "B-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct ml_error err;
        case_int(ids[i], read_info(place, ids[i], &err), ML_NO_INPUT);
    }
}

static void damaged(void **state)
{
    struct place *place = *state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"functions\":[],\"skipped\":[]}",
        "{\"name\":1,\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[]}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"limits\":[]}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"limits\":{\"memory\":1}}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"limits\":{\"swap\":\"1M\"}}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[1],"
        "\"skipped\":[]}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"capabilities\":{}}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"capabilities\":[1]}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"capabilities\":[\"nte\"]}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"capabilities\":[\"net\",\"env=A\"]}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"capabilities\":[\"net\",\"net\"]}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[],\"capabilities\":[\"net\",\"net=tcp:1\"]}",
        "{\"name\":\"n\",\"version\":\"1\",\"description\":\"\",\"license\":\"\",\"functions\":[],"
        "\"skipped\":[{\"name\":\"x\"}]}",
    };
    BUILT_AUTO built;
    struct ml_error err;
    built_text(place, "int one(void) { return 1; }\n", &built);
    assert_int_equal(read_info(place, built.info->bundle, &err), 0);
    assert_int_equal(chmod(built_file(place, &built, ""), 0700), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *path = built_file(place, &built, "manifest.json") + strlen(place->path) + 1;
        assert_int_equal(unlink(built_file(place, &built, "manifest.json")), 0);
        built_write(place, path, texts[i]);
        case_int(texts[i], read_info(place, built.info->bundle, &err), ML_REFUSED);
        case_text(texts[i], err.code, "damaged");
    }
    assert_int_equal(unlink(built_file(place, &built, "manifest.json")), 0);
    assert_int_equal(read_info(place, built.info->bundle, &err), ML_REFUSED);
}

static void nothing_to_free(void **state)
{
    ml_bundle_info_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(not_there),
        place_test(damaged),
        cmocka_unit_test(nothing_to_free),
    };
    UNIT_RUN("build/info", tests);
}
