/* Goal of this test: every fault in a modload.json is told with its key, and nothing is ignored. */
#include "build/manifest.h"

#include "client/capability.h"
#include "fixture.h"

static void refused(void **state)
{
    static const struct {
        const char *text, *message, *hint;
    } cases[] = {
        {"[]", "m: not a JSON object", ""},
        {"{\"source\":[]}", "m: unknown key 'source'", "did you mean 'sources'?"},
        {"{\"zzz\":1}", "m: unknown key 'zzz'", ""},
        {"{\"Name\":\"x\"}", "m: unknown key 'Name'", "did you mean 'name'?"},
        {"{\"name\":1}",
         "m: key 'name' must be 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first", ""},
        {"{\"name\":\"../x\"}",
         "m: key 'name' must be 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first", ""},
        {"{\"name\":\"8c2f3b1e-0000-4000-8000-000000000000\"}",
         "m: key 'name' must be 1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first", ""},
        {"{\"version\":\"1.0\"}", "m: key 'version' must be a version such as 1.2.0 (SemVer 2.0.0)",
         ""},
        {"{\"version\":1.0}", "m: key 'version' must be a version such as 1.2.0 (SemVer 2.0.0)",
         ""},
        {"{\"description\":[]}", "m: key 'description' must be a text of at most 4096 bytes", ""},
        {"{\"license\":0}", "m: key 'license' must be a text of at most 4096 bytes", ""},
        {"{\"sources\":\"a.c\"}", "m: key 'sources' must be an array of paths inside the directory",
         ""},
        {"{\"sources\":[1]}", "m: key 'sources' must be an array of paths inside the directory",
         ""},
        {"{\"sources\":[\"/a.c\"]}",
         "m: key 'sources' must be an array of paths inside the directory: '/a.c' is none", ""},
        {"{\"sources\":[\"a/../../b.c\"]}",
         "m: key 'sources' must be an array of paths inside the directory: 'a/../../b.c' is none",
         ""},
        {"{\"include\":[\"..\"]}",
         "m: key 'include' must be an array of directories inside the directory: '..' is none", ""},
        {"{\"link\":[\"m -Wl,x\"]}",
         "m: key 'link' must be an array of library names such as \"m\": 'm -Wl,x' is none", ""},
        {"{\"link\":[\"-fplugin=x\"]}",
         "m: key 'link' must be an array of library names such as \"m\": '-fplugin=x' is none", ""},
        {"{\"pkg_config\":[\"--variable=x\"]}",
         "m: key 'pkg_config' must be an array of pkg-config package names: '--variable=x' is none",
         ""},
        {"{\"functions\":[\"int f(void) {}\"]}",
         "m: key 'functions' must be an array of C prototypes such as \"double cos(double x)\": "
         "'int f(void) {}' is none",
         ""},
        {"{\"capabilities\":[\"net\",\"nte\"]}", "m: key 'capabilities': 'nte' is no capability",
         "did you mean 'net'?"},
        {"{\"capabilities\":[\"fs:read=/dev/sda\"]}",
         "m: key 'capabilities': 'fs:read=/dev/sda' would open a place that no plugin is let into: "
         "/proc, /sys, /dev",
         ""},
        {"{\"capabilities\":{}}", "m: key 'capabilities' must be an array of at most 64 texts", ""},
        {"{\"capabilities\":[1]}", "m: key 'capabilities' must be an array of at most 64 texts",
         ""},
        {"{\"limits\":[]}", "m: key 'limits' must be an object", ""},
        {"{\"limits\":{\"timeout\":5}}",
         "m: key 'limits.timeout' must be a duration such as \"500ms\" or \"5s\"", ""},
        {"{\"limits\":{\"timeout\":\"0\"}}",
         "m: key 'limits.timeout' must be a duration such as \"500ms\" or \"5s\"", ""},
        {"{\"limits\":{\"cpu\":\"fast\"}}",
         "m: key 'limits.cpu' must be a duration such as \"500ms\" or \"5s\"", ""},
        {"{\"limits\":{\"memory\":256}}",
         "m: key 'limits.memory' must be a size such as \"512K\" or \"256M\"", ""},
        {"{\"limits\":{\"output\":\"1MB\"}}",
         "m: key 'limits.output' must be a size such as \"512K\" or \"256M\"", ""},
        {"{\"limits\":{\"memory\":\"0\"}}",
         "m: key 'limits.memory' must be a size such as \"512K\" or \"256M\"", ""},
        {"{\"limits\":{\"files\":\"64\"}}",
         "m: key 'limits.files' must be a whole number from 1 to 1000000", ""},
        {"{\"limits\":{\"files\":1.5}}",
         "m: key 'limits.files' must be a whole number from 1 to 1000000", ""},
        {"{\"limits\":{\"processes\":0}}",
         "m: key 'limits.processes' must be a whole number from 1 to 1000000", ""},
        {"{\"limits\":{\"processes\":1e300}}",
         "m: key 'limits.processes' must be a whole number from 1 to 1000000", ""},
        {"{\"limits\":{\"tmeout\":1}}", "m: unknown key 'limits.tmeout'",
         "did you mean 'timeout'?"},
        {"{\"requires\":{\"text\":\"^1.0\"}}",
         "m: key 'requires' names 'text', which this version cannot provide", ""},
        {"{\"state\":{\"durable\":true}}",
         "m: key 'state.durable' is true, which this version cannot keep", ""},
        {"{\"state\":{\"durable\":1}}", "m: key 'state.durable' must be true or false", ""},
        {"{\"tests\":{}}", "m: key 'tests' must be an array of objects", ""},
        {"{\"tests\":[{\"args\":[]}]}", "m: key 'tests.call' must be the name of a function", ""},
        {"{\"tests\":[{\"call\":\"f\",\"arg\":[]}]}", "m: unknown key 'tests.arg'",
         "did you mean 'args'?"},
        {"{\"tests\":[{\"call\":\"f\",\"expect\":1,\"error\":\"x\"}]}",
         "m: key 'tests' must have either 'expect' or 'error' in each test", ""},
        {"{\"app\":{\"title\":1}}", "m: key 'app' must be an object of texts", ""},
        {"{\"app\":{\"titel\":\"x\"}}", "m: unknown key 'app.titel'", "did you mean 'title'?"},
        {"{\"$schema\":1}", "m: key '$schema' must be a text", ""},
        {"{\"plugins\":[]}", "m: key 'plugins' must be an object of names and sources", ""},
        {"{\"plugin\":{}}", "m: unknown key 'plugin'", "did you mean 'plugins'?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct ml_error err = ML_ERROR_INIT;
        struct manifest m;
        case_int(cases[i].text,
                 manifest_parse(&a, "m", cases[i].text, strlen(cases[i].text), &m, &err), -1);
        case_int(cases[i].text, err.status, ML_CONFIG);
        case_text(cases[i].text, err.message, cases[i].message);
        case_text(cases[i].text, err.hint, cases[i].hint);
    }
}

static void everything(void **state)
{
    static const char text[] =
        "{\"$schema\":\"x\",\"name\":\"math\",\"version\":\"1.0.0\",\"description\":\"d\","
        "\"license\":\"MIT\",\"sources\":[\"src/*.c\",\"a.c\"],\"include\":[\"include\"],"
        "\"link\":[\"m\"],\"pkg_config\":[\"zlib\"],\"functions\":[\"double cos(double x)\"],"
        "\"cflags\":[\"-O3\",\"-DX=1\"],\"capabilities\":[],\"limits\":{\"timeout\":\"5s\",\"cpu\":"
        "\"250ms\",\"memory\":\"256M\","
        "\"output\":\"1K\",\"files\":64,\"processes\":1000000},\"requires\":{},\"state\":{"
        "\"durable\":false},"
        "\"tests\":[{\"call\":\"add\",\"args\":[9007199254740993],\"expect\":5}],"
        "\"app\":{\"title\":\"t\",\"route\":\"/r\",\"url_template\":\"u\"},"
        "\"plugins\":{\"other\":{\"git\":\"https://h/o\"}}}";
    ARENA_AUTO a = ARENA_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct manifest m;
    assert_int_equal(manifest_parse(&a, "m", text, sizeof text - 1, &m, &err), 0);
    assert_string_equal(m.name, "math");
    assert_string_equal(m.version, "1.0.0");
    assert_int_equal(m.sources.n, 2);
    assert_string_equal(m.sources.items[1], "a.c");
    assert_string_equal(m.functions.items[0], "double cos(double x)");
    assert_int_equal(m.cflags.n, 2);
    assert_string_equal(m.cflags.items[1], "-DX=1");
    assert_int_equal(m.limits.timeout_ms, 5000);
    assert_int_equal(m.limits.cpu_ms, 250);
    assert_int_equal(m.limits.memory, 256 << 20);
    assert_int_equal(m.limits.output, 1024);
    assert_int_equal(m.limits.descriptors, 64);
    assert_int_equal(m.limits.processes, 1000000);
    assert_int_equal(m.n_parts, 6);
    assert_string_equal(m.parts[4].key, "tests");
    assert_string_equal(m.parts[4].json,
                        "[{\"call\":\"add\",\"args\":[9007199254740993],\"expect\":5}]");
}

/* What is agreed to has one form; an empty list is as it was written, since bundles have it so. */
static void capabilities(void **state)
{
    static const struct {
        const char *text, *kept;
        size_t n;
    } cases[] = {
        {"{\"capabilities\":[ ]}", "[ ]", 0},
        {"{\"capabilities\":[ \"net\" ]}", "[\"net\"]", 1},
        {"{\"capabilities\":[\"net=tcp:443\",\"env=B\",\"net\",\"env=A\",\"net\"]}",
         "[\"env=A\",\"env=B\",\"net\"]", 3},
        {"{\"capabilities\":[\"fs:read=/a\\\"\"]}", "[\"fs:read=/a\\\"\"]", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct manifest m;
        const char *text = cases[i].text;
        case_int(text, manifest_parse(&a, "m", text, strlen(text), &m, NULL), 0);
        case_int(text, m.capabilities.n, cases[i].n);
        case_int(text, m.n_parts, 1);
        case_text(text, m.parts[0].json, cases[i].kept);
    }
}

static void many_capabilities(void **state)
{
    char text[4096];
    for (size_t n = CAPABILITY_MAX; n <= CAPABILITY_MAX + 1; n++) {
        ARENA_AUTO a = ARENA_INIT;
        struct manifest m;
        size_t at = (size_t)sprintf(text, "{\"capabilities\":[\"net\"");
        for (size_t i = 1; i < n; i++)
            at += (size_t)sprintf(text + at, ",\"net=tcp:%zu\"", i);
        at += (size_t)sprintf(text + at, "]}");
        assert_int_equal(manifest_parse(&a, "m", text, at, &m, NULL), n > CAPABILITY_MAX ? -1 : 0);
    }
}

static void nothing(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct manifest m;
    assert_int_equal(manifest_parse(&a, "m", "{}", 2, &m, NULL), 0);
    assert_null(m.name);
    assert_int_equal(m.sources.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),      cmocka_unit_test(everything),
        cmocka_unit_test(capabilities), cmocka_unit_test(many_capabilities),
        cmocka_unit_test(nothing),
    };
    UNIT_RUN("build/manifest", tests);
}
