/* Goal of this test: what a plugin is called comes from one place, and contradictions are told. */
#include "built.h"

#define PLUGIN(name, version)                                                                      \
    "#include <modload/plugin.h>\nML_PLUGIN(\"" name "\", \"" version "\")\n"
#define ONE "int one(void) { return 1; }\n"

static void texts(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *text, *name, *version, *message;
    } cases[] = {
        {PLUGIN("counter", "1.2.0") ONE, "counter", "1.2.0", ""},
        {PLUGIN("c", "1.0.0-rc.1+b") ONE, "c", "1.0.0-rc.1+b", ""},
        {ONE, "plugin", "0.0.0", ""},
        {PLUGIN("no/name", "1.2.0") ONE, NULL, NULL,
         "ML_PLUGIN: 'no/name@1.2.0': a name is 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit "
         "first"},
        {PLUGIN("x", "1.2") ONE, NULL, NULL,
         "ML_PLUGIN: 'x@1.2': not a version such as 1.2.0 (SemVer 2.0.0)"},
        {PLUGIN("", "1.2.0") ONE, NULL, NULL,
         "ML_PLUGIN: '@1.2.0': a name is 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first"},
        {PLUGIN("a\\033[31m", "1.2.0") ONE, NULL, NULL,
         "ML_PLUGIN: 'a?[31m@1.2.0': a name is 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit "
         "first"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUILT_AUTO built;
        built_text(place, cases[i].text, &built);
        case_text(cases[i].text, built.err.message, cases[i].message);
        case_int(cases[i].text, built.status, cases[i].name ? 0 : ML_CONFIG);
        if (cases[i].name != NULL) {
            case_text(cases[i].text, built.info->name, cases[i].name);
            case_text(cases[i].text, built.info->version, cases[i].version);
        }
    }
}

static void with_a_manifest(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *manifest, *a, *b, *name, *version, *message;
    } cases[] = {
        {"{\"name\":\"m\",\"version\":\"2.0.0\"}", ONE, "", "m", "2.0.0", ""},
        {"{\"name\":\"m\",\"version\":\"2.0.0\"}", PLUGIN("m", "2.0.0") ONE, "", "m", "2.0.0", ""},
        {"{\"description\":\"d\"}", PLUGIN("m", "2.0.0") ONE, PLUGIN("m", "2.0.0"), "m", "2.0.0",
         ""},
        {"{}", ONE, "", "d", "0.0.0", ""},
        {"{\"name\":\"m\"}", PLUGIN("n", "2.0.0") ONE, "", NULL, NULL,
         "key 'name' is 'm', and ML_PLUGIN says 'n'"},
        {"{\"version\":\"1.0.0\"}", PLUGIN("n", "2.0.0") ONE, "", NULL, NULL,
         "key 'version' is '1.0.0', and ML_PLUGIN says '2.0.0'"},
        {"{}", PLUGIN("n", "2.0.0") ONE, PLUGIN("m", "2.0.0"), NULL, NULL,
         "the plugin has two identities: ML_PLUGIN says 'n@2.0.0' and 'm@2.0.0'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUILT_AUTO built;
        built_write(place, "d/modload.json", cases[i].manifest);
        built_write(place, "d/a.c", cases[i].a);
        built_write(place, "d/b.c", cases[i].b);
        built_path(place, place_path(place, "d"), &built);
        case_true(cases[i].message, strstr(built.err.message, cases[i].message) != NULL);
        case_int(cases[i].message, built.status, cases[i].name ? 0 : ML_CONFIG);
        if (cases[i].name != NULL) {
            case_text(cases[i].manifest, built.info->name, cases[i].name);
            case_text(cases[i].manifest, built.info->version, cases[i].version);
        }
    }
}

static void of_the_request(void **state)
{
    struct place *place = *state;
    struct ml_build_request request = built_request();
    BUILT_AUTO named, bad;
    request.text = PLUGIN("counter", "1.2.0") ONE;
    request.text_size = strlen(request.text);
    request.name = "mine";
    built_run(place, &request, &named);
    assert_string_equal(named.info->name, "mine");
    assert_string_equal(named.info->version, "1.2.0");
    assert_string_equal(built_read(built_file(place, &named, "name")), "mine@1.2.0\n");
    request.name = "../evil";
    built_run(place, &request, &bad);
    assert_int_equal(bad.status, ML_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(texts),
        place_test(with_a_manifest),
        place_test(of_the_request),
    };
    UNIT_RUN("build/identity", tests);
}
