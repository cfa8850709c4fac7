/* Goal of this test: what a record says is read back as it was written, byte for byte; and what a
 * stranger wrote into one becomes neither a path nor a word for the compiler. */
#include "build/record.h"

#include <fcntl.h>

#include "build/bundle.h"
#include "modload/abi.h"

#include "fixture.h"

#define D "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void there_and_back(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    JSON_AUTO j = {0};
    const char *defines[] = {"A=\374\"\\", "B"}, *libraries[] = {"m"};
    const char *includes[] = {"/home/me/inc", "/far"}, *cc[] = {"gcc", "-m64", "-x\377"};
    const char *flags[] = {"-g", "-DA=\374\"\\"}, *ats[] = {"outside/0/l/\374.h"};
    struct ml_build_request request = {.defines = defines,
                                       .n_defines = 2,
                                       .libraries = libraries,
                                       .n_libraries = 1,
                                       .includes = includes,
                                       .n_includes = 2,
                                       .standard = "gnu17"};
    struct unit source = {.rel = "\374 .c", .root = "/home/me/p/src/"};
    struct input inputs[] = {
        {.path = "/home/me/p/src/\374 .c", .rel = "\374 .c", .at = {ats, 1}, .sha256 = D},
        {.path = "/home/me/p/inc/k.h", .kept = "outside/1/inc/k.h", .sha256 = D},
        {.path = "/usr/include/stdio.h", .sha256 = D},
    };
    struct bundle_file file = {.path = "plugin.so", .sha256 = D};
    struct build b = {.a = &a, .request = &request, .kind = BUILD_FILES, .abi = ML_ABI_VERSION};
    b.cwd_path = "/";
    b.sources = &source;
    b.inputs = inputs;
    b.files = &file;
    b.n_sources = b.n_files = 1;
    b.n_inputs = 3;
    b.name = "n";
    b.version = "1.0.0";
    b.host = (struct host){.cc = {cc, 3}, .compiler = "gcc \374", .target = "t"};
    b.flags = (struct strv){flags, 2};
    record_write(&j, &b);
    assert_false(j.out.failed);
    assert_null(strstr(buf_text(&j.out), "/home"));
    assert_null(strstr(buf_text(&j.out), "/usr"));

    struct record r;
    struct ml_error err = ML_ERROR_INIT;
    char before[ML_BUNDLE_ID_SIZE], after[ML_BUNDLE_ID_SIZE];
    if (record_read(&a, buf_text(&j.out), j.out.len, &r, &err) < 0)
        fail_msg("%s", err.message);
    assert_true(r.given);
    assert_int_equal(r.build.kind, BUILD_FILES);
    assert_string_equal(r.request.defines[0], defines[0]);
    assert_int_equal(r.request.n_defines, 2);
    assert_string_equal(r.request.includes[0], "../../inc");
    assert_null(r.request.includes[1]);
    assert_string_equal(r.request.libraries[0], "m");
    assert_string_equal(r.request.standard, "gnu17");
    assert_string_equal(r.build.host.cc.items[2], "-x\377");
    assert_string_equal(r.build.flags.items[1], flags[1]);
    assert_string_equal(r.build.inputs[0].rel, "\374 .c");
    assert_string_equal(r.build.inputs[0].at.items[0], ats[0]);
    assert_string_equal(r.build.inputs[1].kept, "outside/1/inc/k.h");
    assert_string_equal(r.build.inputs[2].path, "stdio.h");
    assert_string_equal(r.build.sources[0].rel, "\374 .c");
    assert_int_equal(bundle_identify(&b, before, NULL), 0);
    assert_int_equal(bundle_identify(&r.build, after, NULL), 0);
    assert_string_equal(before, after);
}

#define HEAD                                                                                       \
    "{\"format\":1,\"abi\":1,\"name\":\"n\",\"version\":\"1.0.0\",\"compiler\":\"c\","             \
    "\"compiler_words\":[],\"target\":\"t\",\"flags\":[],\"libraries\":[],"
#define BUILT "\"object\":\"built\",\"object_sha256\":\"" D "\","
#define GIVEN                                                                                      \
    "\"given\":{\"kind\":\"files\",\"units\":[\"a.c\"],\"manifest\":null,\"defines\":[],"          \
    "\"standard\":null,\"libraries\":[],\"includes\":[]},"
#define SOURCES "\"sources\":[{\"path\":\"a.c\",\"sha256\":\"" D "\"}],"
#define DEPS    "\"dependencies\":[]}"

/* Each case puts one text in the place of another in a good record. */
static void strangers(void **state)
{
    static const struct {
        const char *old, *new, *message; /* null: taken */
    } cases[] = {
        {"", "", NULL},
        {"\"abi\":1,", "\"abi\":1,\"more\":{},", NULL},
        {"\"name\":\"n\",\"version\":\"1.0.0\",", "", NULL},
        {GIVEN, "", NULL},
        {"{\"format\":1", "[1]", "build.json:1:4: not JSON"},
        {"\"abi\":1", "\"abi\":1,\"abi\":1", "build.json: key 'abi' is there twice"},
        {"\"format\":1", "\"format\":\"1\"", "key 'format' must be a number"},
        {"\"format\":1", "\"format\":2", "it has format 2; this modload knows format 1"},
        {"\"abi\":1", "\"abi\":-1", "key 'abi' must be a number"},
        {"\"name\":\"n\"", "\"name\":\"../x\"", "key 'name' must be a plugin's name"},
        {"\"1.0.0\"", "\"1\"", "key 'version' must be a version"},
        {"\"compiler\":\"c\"", "\"compiler\":1", "key 'compiler' must be a text"},
        {"\"target\":\"t\"", "\"target\":{\"base64\":\"!!!!\"}", "key 'target' must be a text"},
        {"\"target\":\"t\"", "\"target\":{\"base64\":\"abc\"}", "key 'target' must be a text"},
        {"\"flags\":[]", "\"flags\":[1]", "key 'flags' must be a list of texts of its kind"},
        {"\"flags\":[]", "\"flags\":\"-g\"", "key 'flags' must be a list of texts"},
        {"\"object\":\"built\"", "\"object\":\"x\"",
         "key 'object' must be 'built', 'packed' or 'prebuilt'"},
        {"\"object\":\"built\"", "\"object\":\"packed\"", NULL},
        {"\"object_sha256\":\"e", "\"object_sha256\":\"E",
         "key 'object_sha256' must be a SHA-256 digest"},
        {"\"object\":\"built\"", "\"object\":\"prebuilt\"",
         "key 'kind' must agree with the key 'object'"},
        {"\"kind\":\"files\"", "\"kind\":\"magic\"",
         "key 'kind' must be one that this modload knows"},
        {"\"units\":[\"a.c\"]", "\"units\":[\"b.c\"]", "key 'units' must be different sources"},
        {"\"units\":[\"a.c\"]", "\"units\":[\"a.c\",\"a.c\"]",
         "key 'units' must be different sources"},
        {"\"units\":[\"a.c\"]", "\"units\":[]", "key 'units' must be as many as can be compiled"},
        {"\"manifest\":null", "\"manifest\":true", "key 'manifest' must be a SHA-256 digest"},
        {"\"defines\":[]", "\"defines\":[\"X -fplugin=x\"]",
         "key 'defines' must be a list of texts of its kind"},
        {"\"standard\":null", "\"standard\":\"c11 -x\"", "key 'standard' must be a C standard"},
        {"\"libraries\":[],\"includes\"", "\"libraries\":[\"../x\"],\"includes\"",
         "key 'libraries' must be a list of texts of its kind"},
        {"\"includes\":[]", "\"includes\":[\"/etc\"]",
         "key 'includes' must be a list of directories"},
        {"\"includes\":[]", "\"includes\":[\"../../../x\"]",
         "key 'includes' must be a list of directories"},
        {"\"includes\":[]", "\"includes\":[null,\"../x\",\"\"]", NULL},
        {"\"path\":\"a.c\"", "\"path\":\"../a.c\"", "key 'path' must be a path inside the sources"},
        {"\"path\":\"a.c\"", "\"path\":\"/a.c\"", "key 'path' must be a path inside the sources"},
        {"\"dependencies\":[]",
         "\"dependencies\":[{\"name\":\"x\",\"sha256\":\"" D "\",\"kept\":\"outside/0/../../x\"}]",
         "key 'kept' must be a place outside the sources"},
        {"\"dependencies\":[]",
         "\"dependencies\":[{\"name\":\"x\",\"sha256\":\"" D "\",\"kept\":\"plugin.so\"}]",
         "key 'kept' must be a place outside the sources"},
        {"\"path\":\"a.c\"", "\"path\":\"a.c\",\"kept\":\"outside/0/x\"",
         "key 'kept' must be a place outside the sources"},
        {"\"path\":\"a.c\"", "\"path\":\"a.c\",\"at\":[\"/etc/x\"]",
         "key 'at' must be a list of texts of its kind"},
        {"\"path\":\"a.c\"", "\"path\":\"a.c\",\"at\":[\"outside/2/x\"]", NULL},
    };
    static const char good[] = HEAD BUILT GIVEN SOURCES DEPS;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct record r;
        struct ml_error err = ML_ERROR_INIT;
        const char *at = strstr(good, cases[i].old);
        case_true(cases[i].old, at != NULL);
        const char *text = arena_fmt(&a, "%.*s%s%s", (int)(at - good), good, cases[i].new,
                                     at + strlen(cases[i].old));
        int status = record_read(&a, text, strlen(text), &r, &err);
        case_text(cases[i].new, err.message, cases[i].message ? cases[i].message : "");
        case_int(cases[i].new, status, cases[i].message ? -1 : 0);
        case_int(cases[i].new, err.status, cases[i].message ? ML_REFUSED : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(strangers),
    };
    UNIT_RUN("build/record", tests);
}
