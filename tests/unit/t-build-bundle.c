/* Goal of this test: the same source is the same bundle, byte for byte, wherever it lies and
 * whoever builds it; anything else is another one; a bundle tells what it is and can be checked
 * with sha256sum. */
#include "build/bundle.h"

#include <pthread.h>
#include <sys/stat.h>

#include "built.h"

static void write_source(const struct place *place, const char *dir, const char *source,
                         const char *header)
{
    char path[128];
    snprintf(path, sizeof path, "%s/math.c", dir);
    built_write(place, path, source);
    snprintf(path, sizeof path, "%s/inc/h.h", dir);
    built_write(place, path, header);
}

static const char source[] =
    "#include \"inc/h.h\"\n#include <stdio.h>\n/** Adds. */\nint add(int a) { return a + ONE; }\n"
    "const char *file(void) { return __FILE__ __DATE__; }\n";
static const char header[] = "#define ONE 1\n";

static void wherever_it_lies(void **state)
{
    struct place *place = *state;
    struct built built[4];
    char before[4096], sums[4][4096];
    assert_non_null(getcwd(before, sizeof before));
    write_source(place, "a", source, header);
    write_source(place, "deep/er/b", source, header);
    for (int i = 0; i < 4; i++) {
        static const char *const dirs[] = {"a", ".", "deep", "a"};
        static const char *const paths[] = {"math.c", "a/math.c", "er/b/math.c", NULL};
        char absolute[512], home[64];
        snprintf(absolute, sizeof absolute, "%s", place_path(place, "deep/er/b/math.c"));
        assert_int_equal(chdir(place_path(place, dirs[i])), 0);
        built_path(place, paths[i] ? paths[i] : absolute, &built[i]);
        case_text(absolute, built[i].err.message, "");
        snprintf(sums[i], sizeof sums[i], "%s",
                 built_read(built_file(place, &built[i], "SHA256SUMS")));
        snprintf(home, sizeof home, "home%d", i); /* the next one finds nothing there */
        assert_int_equal(rename(place_path(place, "home"), place_path(place, home)), 0);
    }
    assert_int_equal(chdir(before), 0);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(built[i].info->bundle, built[0].info->bundle);
        assert_string_equal(sums[i], sums[0]);
    }
    for (int i = 0; i < 4; i++)
        built_done(&built[i]);
}

static void whatever_differs(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *source, *header, *define, *plugin;
    } cases[] = {
        {"as it is", source, header, NULL, NULL},
        {"source", "int add(int a) { return a + 1; }\n", header, NULL, NULL},
        {"header", source, "#define ONE 2\n", NULL, NULL},
        {"comment in a header", source, "#define ONE 1 /* */\n", NULL, NULL},
        {"define", source, header, "X", NULL},
        {"another define", source, header, "X=2", NULL},
        {"name", source, header, NULL, "other"},
    };
    enum { N = sizeof cases / sizeof *cases };
    char ids[N][ML_BUNDLE_ID_SIZE];
    for (int i = 0; i < N; i++) {
        BUILT_AUTO built;
        struct ml_build_request request = built_request();
        write_source(place, "a", cases[i].source, cases[i].header);
        const char *path = place_path(place, "a/math.c");
        request.sources = &path;
        request.n_sources = 1;
        request.defines = &cases[i].define;
        request.n_defines = cases[i].define != NULL;
        request.name = cases[i].plugin;
        built_run(place, &request, &built);
        case_text(cases[i].name, built.err.message, "");
        strcpy(ids[i], built.info->bundle);
        for (int k = 0; k < i; k++)
            case_true(cases[i].name, strcmp(ids[i], ids[k]) != 0);
    }
    assert_int_equal(built_count(place, "home/tmp"), 0);
}

static void what_is_in_it(void **state)
{
    struct place *place = *state;
    char command[512];
    built_write(
        place, "d/modload.json",
        "{\"name\":\"m\",\"version\":\"1.2.3\",\"description\":\"D \\u00e4\",\"license\":\"MIT\","
        "\"tests\":[{\"call\":\"one\",\"args\":[ 9007199254740993 ],\"expect\":1}]}");
    built_write(place, "d/one.c",
                "#include \"h.h\"\n/** One. */\nint one(int a) { return 1; }\nint no(int *p) { "
                "return 0; }\n");
    built_write(place, "d/h.h", "\n");
    BUILT_AUTO built;
    built_path(place, place_path(place, "d"), &built);
    assert_string_equal(built.err.message, "");
    assert_string_equal(built.info->description, "D \303\244");
    assert_string_equal(built.info->license, "MIT");
    assert_string_equal(built_function(&built, "one")->doc, "One.");
    assert_string_equal(built_read(built_file(place, &built, "name")), "m@1.2.3\n");
    assert_string_equal(built_read(built_file(place, &built, "source/h.h")), "\n");
    const char *manifest = built_read(built_file(place, &built, "manifest.json"));
    assert_non_null(strstr(
        manifest, "\"tests\":[{\"call\":\"one\",\"args\":[ 9007199254740993 ],\"expect\":1}]"));
    assert_non_null(strstr(
        manifest, "\"reason\":\"parameter 'p' is a pointer to int, which cannot be carried\""));
    const char *record = built_read(built_file(place, &built, "build.json"));
    assert_non_null(strstr(record, "\"abi\":1,"));
    assert_null(strstr(record, place->path));
    snprintf(command, sizeof command,
             "cd '%s' && sha256sum --quiet --strict -c SHA256SUMS && [ $(find . -type f | wc -l) = "
             "$(($(wc -l <SHA256SUMS) + 1)) ]",
             built_file(place, &built, ""));
    assert_int_equal(system(command), 0);
    assert_int_equal(access(built_file(place, &built, "work"), F_OK), -1);
}

/* The same and different sources at once: all succeed, and nothing is left over. */
struct racer {
    struct place place;
    int number;
    struct built built;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    struct ml_ctx_options options = {.home = NULL};
    char home[512], text[128];
    struct ml_ctx *ctx;
    struct ml_build_request request = built_request();
    snprintf(home, sizeof home, "%s/home", racer->place.path);
    snprintf(text, sizeof text, "int f(void) { return %d; }\n", racer->number % 3);
    options.home = options.runtime_dir = home;
    options.wait_ms = 10000;
    request.text = text;
    request.text_size = strlen(text);
    if (ml_ctx_new(&options, &ctx, &racer->built.err) < 0)
        return NULL;
    if (ml_build(ctx, &request, &racer->built.info, &racer->built.err) < 0)
        racer->built.status = racer->built.err.status;
    ml_ctx_free(ctx);
    return NULL;
}

static void at_once(void **state)
{
    struct place *place = *state;
    enum { N = 12 };
    static struct racer racers[N];
    pthread_t threads[N];
    int fds = count_fds();
    for (int i = 0; i < N; i++) {
        racers[i] = (struct racer){.place = *place, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N; i++) {
        assert_string_equal(racers[i].built.err.message, "");
        assert_string_equal(racers[i].built.info->bundle, racers[i % 3].built.info->bundle);
    }
    for (int i = 0; i < N; i++)
        built_done(&racers[i].built);
    assert_int_equal(built_count(place, "home/tmp"), 0);
    assert_int_equal(count_fds(), fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(wherever_it_lies),
        place_test(whatever_differs),
        place_test(what_is_in_it),
        place_test(at_once),
    };
    UNIT_RUN("build/bundle", tests);
}
