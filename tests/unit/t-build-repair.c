/* Goal of this test: a damaged bundle is mended to the last byte, whatever was damaged and whatever
 * it was built from; and where that cannot be, the bundle stays as it is and the reason is told. */
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#include "mend.h"

static const char *bundle_of_all;

static void given_files(const struct place *place)
{
    built_write(
        place, "proj/src/a.c",
        "#include <k.h>\n#include \"../near/n.h\"\n#include \"own.h\"\n/** A. */\nint a(int x) "
        "{ return x * K + N + OWN + (int)sizeof __FILE__; }\n");
    built_write(place, "proj/src/own.h", "#define OWN 1\n");
    built_write(place, "proj/near/n.h", "#define N 2\n");
    built_write(place, "proj/inc/k.h", "#include \"k2.h\"\n");
    built_write(place, "proj/inc/k2.h",
                "#define K 3\nstatic inline const char *k(void) { return __FILE__; }\n");
    built_write(place, "deep/er/and/so/on/far.h", "#define FAR 4\n");
}

/* The bundle is damaged where it can only be built again, mended, and compared. */
static void mends(const char *name, const struct place *place, struct ml_build_request *request)
{
    struct ml_repair_result result;
    struct ml_error err;
    const char *id = mend_build_request(place, request);
    char *before = strdup(mend_snapshot(place, id));
    mend_damage(place, id, "echo >>plugin.so; rm -f entry.so; echo >>manifest.json");
    case_true(name, *mend_check(place, id) != '\0');
    int status = mend_repair(place, id, false, &result, &err);
    /* Of an object that was not built here, only what was made for it. */
    if (strstr(before, "entry.so") != NULL) {
        case_text(name, err.code, "sources_damaged");
        mend_damage(place, id, "truncate -s -1 plugin.so");
        status = mend_repair(place, id, false, &result, &err);
    }
    case_text(name, err.message, "");
    case_int(name, status, 1);
    case_true(name, result.rebuilt && result.identical && result.problems >= 2);
    case_text(name, mend_check(place, id), "");
    case_text(name, mend_snapshot(place, id), before);
    case_int(name, mend_repair(place, id, true, &result, &err), 0);
    case_true(name, result.rebuilt && result.identical && result.problems == 0);
    case_int(name, built_count(place, "home/tmp"), 0);
    free(before);
}

/* Paths are as a user would write them who stands in the place's directory `from`. */
struct kind {
    const char *name, *from, *sources[3], *includes[3], *text, *define, *cc;
};

static void kind_run(const struct place *place, const struct kind *kind)
{
    struct ml_build_request request = built_request();
    static const char *const libraries[] = {"m"};
    request.sources = kind->sources;
    while (request.n_sources < 3 && kind->sources[request.n_sources] != NULL)
        request.n_sources++;
    request.includes = kind->includes;
    while (request.n_includes < 3 && kind->includes[request.n_includes] != NULL)
        request.n_includes++;
    request.text = kind->text;
    request.text_size = kind->text ? strlen(kind->text) : 0;
    if (kind->define != NULL) {
        request.defines = &kind->define;
        request.libraries = libraries;
        request.n_defines = request.n_libraries = 1;
        request.standard = "gnu17";
        request.name = "other";
    }
    if (kind->cc != NULL)
        setenv("CC", kind->cc, 1);
    assert_int_equal(chdir(place_path(place, kind->from)), 0);
    mends(kind->name, place, &request);
    unsetenv("CC");
}

static void kinds(void **state)
{
    struct place *place = *state;
    char absolute[3][512], before[4096];
    snprintf(absolute[0], sizeof absolute[0], "%s/proj/src/a.c", place->path);
    snprintf(absolute[1], sizeof absolute[1], "%s/proj/inc", place->path);
    snprintf(absolute[2], sizeof absolute[2], "%s/proj/near", place->path);
    const struct kind cases[] = {
        {"-I beside", "proj", {"src/a.c"}, {"inc", "near"}, NULL, NULL, NULL},
        {"-I above", "proj/src", {"a.c"}, {"../inc/", "../near"}, NULL, NULL, NULL},
        {"-I absolute", ".", {absolute[0]}, {absolute[1], absolute[2]}, NULL, NULL, NULL},
        {"-I far away", "proj/src/in", {"far.c"}, {"../../../deep/er/and/so/on"}, NULL, NULL, NULL},
        {"-I with a dash", "dash", {"-a.c"}, {"-inc"}, NULL, NULL, NULL},
        {"directories", "proj", {"x/x.c", "y/y.c"}, {"z"}, NULL, NULL, NULL},
        {"directories the other way", "proj", {"y/y.c", "x/x.c"}, {"z"}, NULL, NULL, NULL},
        {"a header", "proj", {"hdr/h.h"}, {NULL}, NULL, NULL, NULL},
        {"a text", "proj", {NULL}, {NULL}, "int t(void) { return 1; }\n", NULL, NULL},
        {"a text with headers",
         "proj",
         {NULL},
         {"inc", "../deep/er/and/so/on"},
         "#include \"near/n.h\"\n#include <k.h>\n#include \"../deep/er/and/so/on/far.h\"\nint "
         "t(void) "
         "{ return K + N + FAR; }\n",
         NULL,
         NULL},
        {"options", "proj", {"opt.c"}, {NULL}, NULL, "V=\"x \\\"y\\\" \303\274 \374\"", NULL},
        {"links", "links", {"l.c"}, {"../elsewhere"}, NULL, NULL, NULL},
        {"out and in again", "proj/src", {"again.c"}, {NULL}, NULL, NULL, NULL},
        {"an included source", "proj", {"unity/a.c"}, {NULL}, NULL, NULL, NULL},
        {"a directory", "proj", {"dir"}, {NULL}, NULL, NULL, NULL},
        {"a directory where one stands", "proj/dir", {"."}, {NULL}, NULL, NULL, NULL},
        {"a directory with a manifest", "proj", {"man"}, {NULL}, NULL, NULL, NULL},
        {"CC with options", "proj", {"hdr/h.h"}, {NULL}, NULL, NULL, "cc -fno-common"},
        {"clang", "proj", {"src/a.c"}, {"inc", "near"}, NULL, NULL, "clang"},
        {"an object", "proj", {"o.so"}, {NULL}, NULL, NULL, NULL},
        {"an object in a directory", "proj", {"odir"}, {NULL}, NULL, NULL, NULL},
    };
    given_files(place);
    built_write(place, "proj/src/in/far.c", "#include <far.h>\nint f(void) { return FAR; }\n");
    built_write(place, "dash/-a.c", "#include <d.h>\nint d(void) { return D; }\n");
    built_write(place, "dash/-inc/d.h", "#define D 1\n");
    built_write(place, "proj/x/x.c", "#include \"../z/z.h\"\nint xx(void) { return Z; }\n");
    built_write(place, "proj/y/y.c",
                "#include <z.h>\n#include \"h y.h\"\nint yy(void) { return Z + Y; "
                "}\n");
    built_write(place, "proj/y/h y.h", "#define Y 1\n");
    built_write(place, "proj/z/z.h", "#define Z 1\n");
    built_write(place, "proj/hdr/h.h", "#include \"sub.h\"\nint h(void) { return SUB; }\n");
    built_write(place, "proj/hdr/sub.h", "#define SUB 1\n");
    built_write(place, "proj/opt.c",
                "#include <modload/plugin.h>\nML_PLUGIN(\"p\", \"2.0.0\")\n"
                "const char *o(void) { return V; }\n");
    built_write(place, "links/l.c",
                "#include \"link/h.h\"\n#include \"lh.h\"\nint l(void) { return L "
                "+ M; }\n");
    built_write(place, "links/real/h.h", "#define L 1\n");
    built_write(place, "elsewhere/m.h", "#define M 1\n");
    assert_int_equal(symlink("real", place_path(place, "links/link")), 0);
    assert_int_equal(symlink("../elsewhere/m.h", place_path(place, "links/lh.h")), 0);
    built_write(place, "proj/src/again.c",
                "#include \"../src/own.h\"\nint g(void) { return OWN; }\n");
    built_write(place, "proj/unity/a.c", "#include \"b.c\"\nint u(void) { return b(); }\n");
    built_write(place, "proj/unity/b.c", "static int b(void) { return 1; }\n");
    built_write(place, "proj/dir/src/2.c",
                "#include <i.h>\n#include \"../p.h\"\nint two(void) { "
                "return I + P; }\n");
    built_write(place, "proj/dir/src/1.c", "int one(void) { return 1; }\n");
    built_write(place, "proj/dir/include/i.h", "#define I 1\n");
    built_write(place, "proj/dir/p.h", "#define P 1\n");
    built_write(
        place, "proj/man/modload.json",
        "{\"name\":\"m\",\"version\":\"1.0.0\",\"sources\":[\"c/*.c\",\"b/1.c\"],\"include\":["
        "\"-i\"],\"link\":[\"m\"],\"pkg_config\":[\"zlib\"]}");
    built_write(place, "proj/man/b/1.c",
                "#include <zlib.h>\nint one(void) { return "
                "(int)zlibCompileFlags(); }\n");
    built_write(place, "proj/man/c/1.c", "#include <i.h>\nint two(void) { return I; }\n");
    built_write(place, "proj/man/-i/i.h", "#define I 1\n");
    built_write(place, "proj/odir/modload.json",
                "{\"sources\":[\"o.so\"],\"functions\":[\"int f(int a)\"]}");
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(place_path(place, "proj")), 0);
    assert_int_equal(system("echo 'int f(int a) { return a; }' >o.c && cc -g -shared -fPIC -o o.so "
                            "o.c && cc -shared -fPIC -o odir/o.so o.c"),
                     0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        kind_run(place, &cases[i]);
    assert_int_equal(chdir(before), 0);
}

/* Each damage to a bundle of one kind. */
static void damages(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *command;
        bool rebuilt;
    } cases[] = {
        {"chmod 644 name plugin.so; chmod 755 source . source/src 2>&-||:", false},
        {"chmod 0 source/src source SHA256SUMS", false},
        {"echo >x; mkdir -p y/z; ln -s / source/w; mkfifo source/src/f", false},
        {"chmod u+w name; echo >name; chmod 400 name; chmod 644 plugin.so", false},
        {"rm name", false},
        {"rm plugin.so", true},
        {"rm name; mkdir name", false},
        {"rm manifest.json; mkfifo manifest.json", true},
        {"rm SHA256SUMS", true},
        {"rm SHA256SUMS name manifest.json plugin.so; echo >x", true},
        {"chmod u+w SHA256SUMS; sed -i '/plugin.so/s/^./x/' SHA256SUMS; chmod 400 SHA256SUMS",
         true},
        {"chmod u+w SHA256SUMS; sed -i '/ name/d' SHA256SUMS; chmod 400 SHA256SUMS", true},
    };
    built_write(place, "d/src/1.c", "int one(void) { return 1; }\n");
    const char *id = mend_build(place, "d");
    char *before = strdup(mend_snapshot(place, id));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_repair_result result;
        struct ml_error err;
        const char *name = cases[i].command;
        mend_damage_modes(place, id, name);
        size_t n = 0;
        for (const char *p = mend_check(place, id); *p != '\0'; p++)
            n += *p == '\n';
        int status = mend_repair(place, id, false, &result, &err);
        case_text(name, err.message, "");
        case_int(name, status, 1);
        case_int(name, result.problems, n);
        case_int(name, result.rebuilt, cases[i].rebuilt);
        case_true(name, result.identical);
        case_text(name, mend_check(place, id), "");
        case_text(name, mend_snapshot(place, id), before);
        case_int(name, built_count(place, "home/tmp"), 0);
    }
    free(before);
}

static void whole(void **state)
{
    struct place *place = *state;
    struct ml_repair_result result;
    struct ml_error err;
    struct stat first, now;
    built_write(place, "one.c", "int one(void) { return 1; }\n");
    const char *id = mend_build(place, "one.c");
    char leaf[128];
    snprintf(leaf, sizeof leaf, "home/bundles/%s", id);
    assert_int_equal(stat(place_path(place, leaf), &first), 0);
    for (int rebuild = 0; rebuild < 2; rebuild++) {
        assert_int_equal(mend_repair(place, id, rebuild, &result, &err), 0);
        assert_int_equal(result.problems, 0);
        assert_int_equal(result.rebuilt, rebuild);
        assert_true(result.identical);
        assert_int_equal(stat(place_path(place, leaf), &now), 0);
        assert_int_equal(now.st_ino, first.st_ino);
    }
    assert_int_equal(mend_repair(place, "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, &result, &err),
                     -1);
    assert_int_equal(err.status, ML_NO_INPUT);
}

/* An object that did not come out of its sources, in a bundle that is consistent in itself. */
static void replaced_object(void **state)
{
    struct place *place = *state;
    struct ml_repair_result result;
    struct ml_error err;
    built_write(place, "one.c", "int one(void) { return 1; }\n");
    const char *id = mend_build(place, "one.c");
    char *before = strdup(mend_snapshot(place, id));
    mend_damage(
        place, id,
        "old=$(sha256sum plugin.so | head -c 64); echo >>plugin.so; sed -i \"s/$old/$(sha256sum "
        "plugin.so | head -c 64)/\" build.json; sums");
    assert_string_equal(mend_check(place, id), "");
    assert_int_equal(mend_repair(place, id, false, &result, &err), 0);
    assert_int_equal(mend_repair(place, id, true, &result, &err), 1);
    assert_int_equal(result.problems, 0);
    assert_true(result.rebuilt && !result.identical);
    assert_string_equal(mend_snapshot(place, id), before);
    free(before);
}

/* ---- what cannot be mended ---- */

static const char *given_dependent(const struct place *place)
{
    char text[1024];
    snprintf(text, sizeof text,
             "#include \"%s/far.h\"\n#include \"own.h\"\n#include <modload/plugin.h>\n"
             "int f(void) { return FAR; }\n",
             place->path);
    built_write(place, "far.h", "#define FAR 1\n");
    built_write(place, "d/a.c", text);
    built_write(place, "d/own.h", "\n");
    built_write(place, "d/modload.json", "{\"pkg_config\":[\"mine\"]}");
    built_write(place, "mine.pc", "Name: mine\nDescription: x\nVersion: 1\nCflags: -DONE\n");
    setenv("PKG_CONFIG_PATH", place->path, 1);
    return mend_build(place, "d");
}

/* `break_it` is run in the place, `command` in the bundle. */
static void refusals(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *command, *break_it, *cc, *code, *message;
    } cases[] = {
        {"echo >>source/a.c", ":", NULL, "sources_damaged",
         "of what it was built from, damaged is 'source/a.c'"},
        {"rm source/own.h source/modload.json", ":", NULL, "sources_damaged",
         "damaged is 'source/modload.json', 'source/own.h'"},
        {"mv source t; ln -s t source", ":", NULL, "sources_damaged", "'source/a.c'"},
        {"rm build.json", ":", NULL, "sources_damaged", "its build.json is damaged, too"},
        {"sed -i s/-O2/-O3/ build.json", ":", NULL, "sources_damaged",
         "its build.json is damaged, too"},
        {"sed -i s/-O2/-O3/ build.json; sums", ":", NULL, "sources_damaged",
         "what it holds is another bundle's"},
        {"rm plugin.so",
         "printf '#!/bin/sh\\n[ \"$1\" = --version ] && echo cc 99 || exec cc "
         "\"$@\"' >other; chmod +x other",
         "other", "compiler_changed", "', and is 'cc 99' now"},
        {"rm plugin.so",
         "printf '#!/bin/sh\\n[ \"$1\" = -dumpmachine ] && echo pdp11 || exec cc "
         "\"$@\"' >other; chmod +x other",
         "other", "compiler_changed", "', and is 'pdp11' now"},
        {"rm plugin.so", ":", "cc -O3", "compiler_changed",
         "CC had the options '', and has '-O3' now"},
        {"rm plugin.so; sed -i 's/\"abi\":1/\"abi\":9/' build.json", ":", NULL, "sources_damaged",
         "its build.json is damaged, too"},
        {"rm plugin.so", "rm far.h", NULL, "input_changed", "far.h'"},
        {"rm plugin.so", "echo '#define FAR 2' >far.h", NULL, "input_changed",
         "changed or gone is 'far.h'"},
        {"rm plugin.so", "touch new.h; echo '#include \"new.h\"' >>far.h", NULL, "input_changed",
         "changed or gone is 'far.h'"},
        {"rm plugin.so", "sed -i s/ONE/TWO/ mine.pc", NULL, "input_changed",
         "-fno-ipa-icf -DONE' '', and ask for '-g -O2 -fPIC -fno-ipa-icf -DTWO' '' now"},
        {"rm plugin.so", "rm mine.pc", NULL, "bad_manifest", "pkg-config does not know all"},
        {"rm plugin.so",
         "printf '#!/bin/sh\\ncase \"$*\" in *-MF*|*-M*) exit 1;; esac\\nexec cc "
         "\"$@\"' >other; chmod +x other",
         "other", "build_failed", "cannot be built again: 'a.c' does not compile"},
        {"rm plugin.so", ":", "/nowhere/cc", "no_compiler", "there is no C compiler"},
        {"rm plugin.so; sed -i 's|\"given\":{[^}]*},||' build.json; sums", ":", NULL, "no_record",
         "did not write down how"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_repair_result result;
        struct ml_error err;
        char command[1024], name[1024], cc[512];
        const char *id = given_dependent(place);
        snprintf(name, sizeof name, "%s | %s", cases[i].command, cases[i].break_it);
        mend_damage(place, id, cases[i].command);
        snprintf(command, sizeof command, "cd '%s' && { %s; }", place->path, cases[i].break_it);
        assert_int_equal(system(command), 0);
        char *before = strdup(mend_snapshot(place, id));
        bool ours = cases[i].cc != NULL && strcmp(cases[i].cc, "other") == 0;
        snprintf(cc, sizeof cc, "%s%s%s", ours ? place->path : "", ours ? "/" : "",
                 cases[i].cc ? cases[i].cc : "cc");
        setenv("CC", cc, 1);
        case_int(name, mend_repair(place, id, false, &result, &err), -1);
        unsetenv("CC");
        case_text(err.message, err.code, cases[i].code);
        if (strstr(err.message, cases[i].message) == NULL)
            case_text(name, err.message, cases[i].message);
        case_true(err.message, *err.hint != '\0');
        case_text(name, mend_snapshot(place, id), before);
        case_int(name, built_count(place, "home/tmp"), 0);
        free(before);
        snprintf(command, sizeof command, "rm -rf '%s'", place_path(place, "home"));
        assert_int_equal(system(command), 0);
    }
    unsetenv("PKG_CONFIG_PATH");
}

static void damaged_object(void **state)
{
    struct place *place = *state;
    struct ml_repair_result result;
    struct ml_error err;
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && echo 'int f(void) { return 1; }' | cc -g -shared -fPIC -x c -o o.so -",
             place->path);
    assert_int_equal(system(command), 0);
    const char *id = mend_build(place, "o.so");
    mend_damage(place, id, "echo >>plugin.so");
    assert_int_equal(mend_repair(place, id, false, &result, &err), -1);
    assert_string_equal(err.code, "sources_damaged");
    assert_non_null(strstr(err.message,
                           "its object was not built here, so that nothing but entry.so "
                           "can be, and damaged is 'plugin.so'"));
}

/* Sources that are whole are where the hint says. */
static void hint(void **state)
{
    struct place *place = *state;
    struct ml_repair_result result;
    struct ml_error err;
    char where[512];
    const char *id = given_dependent(place);
    mend_damage(place, id, "rm plugin.so");
    setenv("CC", "cc -O3", 1);
    assert_int_equal(mend_repair(place, id, false, &result, &err), -1);
    unsetenv("CC");
    unsetenv("PKG_CONFIG_PATH");
    snprintf(where, sizeof where, "'%s/home/bundles/%s/source'", place->path, id);
    assert_non_null(strstr(err.hint, where));
    assert_int_equal(err.status, ML_REFUSED);
}

/* ---- at the same time ---- */

/* Each mends the same bundle with a context of its own. */
static void *mend_too(void *arg)
{
    struct ml_ctx_options options = {.home = arg, .runtime_dir = arg, .wait_ms = 20000};
    struct ml_repair_request request = {.timeout_ms = 60000, .diagnostics_fd = -1, .cancel_fd = -1};
    struct ml_ctx *ctx;
    struct ml_error err = ML_ERROR_INIT;
    if (ml_ctx_new(&options, &ctx, &err) == 0 &&
        ml_bundle_repair(ctx, bundle_of_all, &request, NULL, &err) >= 0)
        err.status = 0;
    ml_ctx_free(ctx);
    return err.status == 0 ? arg : NULL;
}

static void at_once(void **state)
{
    struct place *place = *state;
    pthread_t threads[4];
    char home[512];
    int fds = count_fds();
    snprintf(home, sizeof home, "%s", place_path(place, "home"));
    built_write(place, "one.c", "int one(void) { return 1; }\n");
    bundle_of_all = mend_build(place, "one.c");
    char *before = strdup(mend_snapshot(place, bundle_of_all));
    mend_damage(place, bundle_of_all, "rm plugin.so; echo >x");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mend_too, home), 0);
    for (size_t i = 0; i < 4; i++) {
        void *done;
        pthread_join(threads[i], &done);
        assert_non_null(done);
    }
    assert_string_equal(mend_snapshot(place, bundle_of_all), before);
    assert_int_equal(built_count(place, "home/tmp"), 0);
    assert_int_equal(count_fds(), fds);
    free(before);
}

static void cancelled(void **state)
{
    struct place *place = *state;
    struct ml_error err = ML_ERROR_INIT;
    struct ml_ctx *ctx;
    int pipes[2];
    built_write(place, "one.c", "int one(void) { return 1; }\n");
    const char *id = mend_build(place, "one.c");
    mend_damage(place, id, "rm plugin.so");
    char *before = strdup(mend_snapshot(place, id));
    struct ml_ctx_options options = {.home = place_path(place, "home"),
                                     .runtime_dir = place_path(place, "run")};
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    struct ml_repair_request request = {.diagnostics_fd = -1, .cancel_fd = pipes[0]};
    assert_int_equal(ml_bundle_repair(ctx, id, &request, NULL, &err), -1);
    assert_int_equal(err.status, ML_SIGNAL + SIGINT);
    request = (struct ml_repair_request){.diagnostics_fd = -1, .cancel_fd = -1, .timeout_ms = 1};
    assert_int_equal(ml_bundle_repair(ctx, id, &request, NULL, &err), -1);
    assert_int_equal(err.status, ML_TIMEOUT);
    ml_ctx_free(ctx);
    close(pipes[0]);
    close(pipes[1]);
    assert_string_equal(mend_snapshot(place, id), before);
    assert_int_equal(built_count(place, "home/tmp"), 0);
    free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(kinds),     memory_place_test(damages),
        memory_place_test(whole),     memory_place_test(replaced_object),
        memory_place_test(refusals),  memory_place_test(damaged_object),
        memory_place_test(hint),      memory_place_test(at_once),
        memory_place_test(cancelled),
    };
    UNIT_RUN("build/repair", tests);
}
