/* Goal of this test: a bundle whose list of digests is right and which yet is not what was filed is
 * found out, by its own record and by its id. */
#include "build/agree.h"

#include "mend.h"

static const char *given_bundle(const struct place *place, const char *cc)
{
    built_write(place, "d/modload.json", "{\"name\":\"m\",\"version\":\"1.2.3\"}");
    built_write(place, "d/one.c", "#include <k.h>\nint one(void) { return K; }\n");
    built_write(place, "inc/k.h", "#define K 1\n");
    struct ml_build_request request = built_request();
    const char *source = place_path(place, "d"), *include = place_path(place, "inc");
    request.sources = &source;
    request.n_sources = request.n_includes = 1;
    request.includes = &include;
    if (cc != NULL)
        setenv("CC", cc, 1);
    const char *id = mend_build_request(place, &request);
    unsetenv("CC");
    return id;
}

/* In each command $(s FILE) is a file's digest; r OLD NEW puts a text in the place of another in
 * build.json. */
#define TOOLS                                                                                      \
    "s() { sha256sum \"$1\" | head -c 64; }; r() { grep -q -e \"$1\" build.json && "               \
    "sed -i \"s|$1|$2|g\" build.json; }; "

static void replaced(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *command, *said;
    } cases[] = {
        {"the list alone", "sums", ""},
        {"a source", "echo >>source/one.c; sums",
         "source/one.c: is not what build.json says went into the bundle\n"},
        {"a source, and in the record",
         "old=$(s source/one.c); echo >>source/one.c; r $old $(s source/one.c); sums",
         ".: its content is that of bundle b-"},
        {"a header that was kept", "echo >>outside/1/inc/k.h; sums",
         "outside/1/inc/k.h: is not what build.json says went into the bundle\n"},
        {"a header that was kept, and in the record",
         "old=$(s outside/1/inc/k.h); echo >>outside/1/inc/k.h; r $old $(s outside/1/inc/k.h); "
         "sums",
         ".: its content is that of bundle b-"},
        {"the manifest", "echo >>source/modload.json; sums", ".: its content is that of bundle b-"},
        {"the manifest, and in the record",
         "old=$(s source/modload.json); echo >>source/modload.json; r $old $(s "
         "source/modload.json); sums",
         ".: its content is that of bundle b-"},
        {"the object", "echo >>plugin.so; sums",
         "plugin.so: is not what build.json says went into the bundle\n"},
        {"a flag", "r -O2 -O3; sums", ".: its content is that of bundle b-"},
        {"the compiler", "r '\"compiler\":\"' '\"compiler\":\"x'; sums",
         ".: its content is that of bundle b-"},
        {"the compiler's words", "r '\"compiler_words\":\\[' '&\"-O3\"'; sums",
         ".: its content is that of bundle b-"},
        {"the target", "r '\"target\":\"' '\"target\":\"x'; sums",
         ".: its content is that of bundle b-"},
        {"the ABI", "r '\"abi\":1' '\"abi\":2'; sums", ".: its content is that of bundle b-"},
        {"the units", "r '\"units\":\\[' '&\"one.c\",'; sums",
         "build.json: cannot be understood: key 'units' must be different sources\n"},
        {"the name", "echo n@1.2.3 >name; sums",
         "build.json: says that the plugin is m@1.2.3, and 'name' says n@1.2.3\n"
         "manifest.json: says that the plugin is m@1.2.3, and 'name' says n@1.2.3\n"},
        {"the name everywhere",
         "echo n@1.2.3 >name; r '\"name\":\"m\"' '\"name\":\"n\"'; sed -i "
         "'s|\"name\":\"m\"|\"name\":\"n\"|' manifest.json; sums",
         ".: its content is that of bundle b-"},
        {"no name", "echo m >name; sums", "name: holds no name and version\n"},
        {"a manifest that is none", "echo {} >manifest.json; sums",
         "manifest.json: is no manifest\n"},
        {"a record that is none", "echo '{' >build.json; sums",
         "build.json: cannot be understood: "},
        {"a record of another time", "r '\"format\":1' '\"format\":2'; sums",
         "build.json: cannot be understood: it has format 2; this modload knows format 1\n"},
    };
    char command[1024];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *id = given_bundle(place, NULL);
        snprintf(command, sizeof command, TOOLS "%s", cases[i].command);
        mend_damage(place, id, command);
        const char *said = mend_check(place, id);
        if (*cases[i].said != '\0' && cases[i].said[strlen(cases[i].said) - 1] != '\n')
            case_true(cases[i].name, strncmp(said, cases[i].said, strlen(cases[i].said)) == 0);
        else
            case_text(cases[i].name, said, cases[i].said);
        snprintf(command, sizeof command, "rm -rf '%s'", place_path(place, "home"));
        assert_int_equal(system(command), 0);
    }
}

/* A damaged list is told of once, and takes nobody else down: the record confirms the rest. */
static void without_a_list(void **state)
{
    struct place *place = *state;
    const char *id = given_bundle(place, NULL);
    mend_damage(place, id, "rm SHA256SUMS; echo >>source/one.c");
    assert_string_equal(mend_check(place, id),
                        "SHA256SUMS: is missing\n"
                        "source/one.c: is not what build.json says went into the bundle\n");
}

static void under_another_name(void **state)
{
    struct place *place = *state;
    char said[256];
    const char *id = given_bundle(place, NULL), *other = "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    mend_damage_modes(place, id,
                      "mv ../$(basename \"$PWD\") ../b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    snprintf(said, sizeof said, ".: its content is that of bundle %s\n", id);
    assert_string_equal(mend_check(place, other), said);
}

/* Ids of bundles with options in $CC, of prebuilt objects, and of sources that are not what their
 * names say. */
static void ids(void **state)
{
    struct place *place = *state;
    const char *id = given_bundle(place, "cc -fno-common");
    assert_string_equal(mend_check(place, id), "");
    mend_damage(place, id, TOOLS "r -fno-common -fcommon; sums");
    assert_non_null(strstr(mend_check(place, id), ".: its content is that of bundle b-"));
    char command[1024];
    snprintf(command, sizeof command,
             "echo 'int f(void){return 1;}' | cc -g -shared -fPIC -x c -o '%s' -",
             place_path(place, "o.so"));
    assert_int_equal(system(command), 0);
    id = mend_build(place, "o.so");
    assert_string_equal(mend_check(place, id), "");
    mend_damage(place, id,
                TOOLS "old=$(s plugin.so); echo >>plugin.so; r $old $(s plugin.so); sums");
    assert_non_null(strstr(mend_check(place, id), ".: its content is that of bundle b-"));
    mend_damage(place, id, "rm entry.so; sums");
    assert_non_null(strstr(mend_check(place, id), "entry.so: is missing\n"));
}

/* What is compiled and what is only included make two plugins, though the files are the same. */
static void units(void **state)
{
    struct place *place = *state;
    char both[ML_BUNDLE_ID_SIZE], one[ML_BUNDLE_ID_SIZE];
    built_write(place, "a.c", "#define IN_A\n#include \"b.h\"\nint a(void) { return 1; }\n");
    built_write(place, "b.h", "#ifndef IN_A\nint b(void) { return 2; }\n#endif\n");
    struct ml_build_request request = built_request();
    char paths[2][512];
    snprintf(paths[0], sizeof paths[0], "%s/a.c", place->path);
    snprintf(paths[1], sizeof paths[1], "%s/b.h", place->path);
    const char *const sources[] = {paths[0], paths[1]};
    request.sources = sources;
    request.name = "n";
    request.n_sources = 1;
    strcpy(one, mend_build_request(place, &request));
    request.n_sources = 2;
    strcpy(both, mend_build_request(place, &request));
    assert_string_not_equal(one, both);
    assert_string_equal(mend_check(place, one), "");
    assert_string_equal(mend_check(place, both), "");
    mend_damage(place, one, TOOLS "r '\"units\":\\[' '&\"b.h\",'; sums");
    assert_non_null(strstr(mend_check(place, one), ".: its content is that of bundle b-"));
}

/* A modload of before wrote neither the name nor how it was asked; its ids are as they are now. */
static void of_before(void **state)
{
    struct place *place = *state;
    static const char before[] =
        "sed -i 's|\"name\":\"m\",\"version\":\"1.2.3\",||; s|\"compiler_words\":\\[[^]]*\\],||; "
        "s|\"given\":{[^}]*},||; s|,\"kept\":\"[^\"]*\"||' build.json; ";
    char command[1024];
    snprintf(command, sizeof command, "%srm -r outside; sums", before);
    const char *id = given_bundle(place, NULL);
    mend_damage(place, id, command);
    assert_string_equal(mend_check(place, id), "");
    mend_damage(place, id, TOOLS "r -O2 -O3; sums");
    assert_non_null(strstr(mend_check(place, id), ".: its id cannot be confirmed"));
    id = given_bundle(place, "cc -fno-common");
    mend_damage(place, id, command);
    assert_non_null(strstr(mend_check(place, id), ".: its id cannot be confirmed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(replaced),
        memory_place_test(without_a_list),
        memory_place_test(under_another_name),
        memory_place_test(ids),
        memory_place_test(units),
        memory_place_test(of_before),
    };
    UNIT_RUN("build/agree", tests);
}
