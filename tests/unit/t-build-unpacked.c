/* Goal of this test: an archive is a source like any other: the same bundle as its directory, the
 * same ends, nothing left; and nobody is told where it was unpacked. */
#include "build/unpacked.h"

#include <signal.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "built.h"
#include "packed.h"

static const char one[] = "#include \"one.h\"\nint one(void) { return ONE; }\n";

/* "place/calc.tar" and, with the same in it, "place/calc". */
static void given(const struct place *place, const char *source)
{
    BUF_AUTO tar = BUF_INIT;
    tar_add(&tar, &(struct tar_file){.name = "calc/one.c", .content = source});
    tar_add(&tar, &(struct tar_file){.name = "calc/include/one.h", .content = "#define ONE 1\n"});
    tar_end(&tar);
    assert_int_equal(fs_write_new(place->fd, "calc.tar", tar.data, tar.len, 0600), 0);
    built_write(place, "calc/one.c", source);
    built_write(place, "calc/include/one.h", "#define ONE 1\n");
}

static int left(const struct place *place)
{
    return built_count(place, "home/bundles") + built_count(place, "home/tmp");
}

static void the_same_bundle(void **state)
{
    struct place *place = *state;
    BUILT_AUTO directory, archive;
    given(place, one);
    built_path(place, place_path(place, "calc"), &directory);
    built_path(place, place_path(place, "calc.tar"), &archive);
    assert_string_equal(archive.err.message, "");
    assert_string_equal(archive.info->bundle, directory.info->bundle);
    assert_string_equal(archive.info->name, "calc");
    assert_string_equal(built_read(built_file(place, &archive, "source/one.c")), one);
    assert_string_equal(built_read(built_file(place, &archive, "source/include/one.h")),
                        "#define ONE 1\n");
    assert_int_equal(built_count(place, "home/tmp"), 0);
}

static void errors_name_the_archive(void **state)
{
    struct place *place = *state;
    char want[1024];
    BUILT_AUTO built;
    given(place, "#include \"one.h\"\nint one(void { return 1; }\n");
    built_path(place, place_path(place, "calc.tar"), &built);
    assert_int_equal(built.status, ML_DATA);
    snprintf(want, sizeof want, "'%s/calc.tar/calc/one.c' does not compile", place->path);
    assert_string_equal(built.err.message, want);
    snprintf(want, sizeof want, "%s/calc.tar/calc/one.c:2:", place->path);
    assert_non_null(strstr(built.words, want));
    assert_null(strstr(built.words, "/work/"));
    assert_int_equal(left(place), 0);
}

/* A text may name the place more than once, or not at all. */
static void texts(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"", ""},
        {"/w/tree", "x.tgz"},
        {"in '/w/tree'", "in 'x.tgz'"},
        {"/w/tree/", "x.tgz/"},
        {"a /w/tree/b:1 and /w/tree/c.", "a x.tgz/b:1 and x.tgz/c."},
        {"/w/tree//w/tree/", "x.tgz/x.tgz/"},
    };
    const struct build b = {.label = "x.tgz", .unpacked = "/w/tree/"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO out = BUF_INIT;
        struct ml_error err = ML_ERROR_INIT;
        unpacked_show(&b, cases[i].text, &out);
        case_text(cases[i].text, buf_text(&out), cases[i].shown);
        snprintf(err.message, sizeof err.message, "%s", cases[i].text);
        unpacked_show_error(&b, &err);
        case_text(cases[i].text, err.message, cases[i].shown);
    }
    unpacked_show_error(&b, NULL);
    unpacked_show_error(&(struct build){.archive = "x.tgz"}, &(struct ml_error)ML_ERROR_INIT);
}

static void called_off(void **state)
{
    struct place *place = *state;
    char where[512];
    const char *path = where;
    struct ml_build_request request = built_request();
    BUILT_AUTO late, cancelled;
    int pipes[2];
    snprintf(where, sizeof where, "%s/calc.tar", place->path);
    given(place, one);
    request.sources = &path;
    request.n_sources = 1;
    request.timeout_ms = 1;
    built_run(place, &request, &late);
    assert_int_equal(late.status, ML_TIMEOUT);
    assert_int_equal(left(place), 0);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "", 1), 1);
    request.timeout_ms = 0;
    request.cancel_fd = pipes[0];
    built_run(place, &request, &cancelled);
    assert_int_equal(cancelled.status, ML_SIGNAL + SIGINT);
    assert_int_equal(left(place), 0);
    close(pipes[0]);
    close(pipes[1]);
}

/* Time that is up while it is unpacked is the build's, as it is for a compiler. 15000 files take
 * longer than that; a machine that is slower before is late with the same words. */
static void late_while_unpacking(void **state)
{
    struct place *place = *state;
    char where[512];
    const char *path = where;
    struct ml_build_request request = built_request();
    BUILT_AUTO built;
    BUF_AUTO tar = BUF_INIT;
    for (int i = 0; i < 15000; i++) {
        char name[32];
        snprintf(name, sizeof name, "calc/%d.c", i);
        tar_add(&tar, &(struct tar_file){.name = name, .content = one});
    }
    tar_end(&tar);
    assert_int_equal(fs_write_new(place->fd, "calc.tar", tar.data, tar.len, 0600), 0);
    snprintf(where, sizeof where, "%s/calc.tar", place->path);
    request.sources = &path;
    request.n_sources = 1;
    request.timeout_ms = 150;
    built_run(place, &request, &built);
    assert_int_equal(built.status, ML_TIMEOUT);
    assert_string_equal(built.err.message, "the build did not end within 0.15 s");
    assert_int_equal(left(place), 0);
}

static void hostile(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    BUF_AUTO tar = BUF_INIT;
    tar_add(&tar, &(struct tar_file){.name = "calc/one.c", .content = one});
    tar_add(&tar, &(struct tar_file){.name = "calc/two.c", .type = '2', .link = "/etc/passwd"});
    tar_end(&tar);
    assert_int_equal(fs_write_new(place->fd, "calc.tar", tar.data, tar.len, 0600), 0);
    built_path(place, place_path(place, "calc.tar"), &built);
    assert_int_equal(built.status, ML_REFUSED);
    assert_string_equal(built.err.code, "hostile_archive");
    assert_int_equal(left(place), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(the_same_bundle), place_test(errors_name_the_archive),
        cmocka_unit_test(texts),     place_test(called_off),
        place_test(hostile),         place_test(late_while_unpacking),
    };
    UNIT_RUN("build/unpacked", tests);
}
