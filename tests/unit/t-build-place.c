/* Goal of this test: where a header stands is told in the same words wherever the sources lie and
 * however their paths were written. */
#include "build/place.h"

#include <fcntl.h>

#include "fixture.h"

/* Paths as a user writes them who stands in `cwd`; names in the bundle behind the colon. */
struct scene {
    const char *name;
    enum build_kind kind;
    const char *cwd, *sources[3], *includes[3];
    struct {
        const char *path, *place;
    } headers[6];
    const char *neighbours[3];
};

static const struct scene scenes[] = {
    {"one file where one stands",
     BUILD_FILES,
     "/p/src",
     {":a.c"},
     {"../inc", "/p/inc/deep", "/q/r"},
     {{"own.h", "outside/0/own.h"},
      {"../inc/h.h", "outside/1/inc/h.h"},
      {"/p/inc/deep/h.h", "outside/1/inc/deep/h.h"},
      {"/q/r/x/h.h", "outside/2/q/r/x/h.h"},
      {"/usr/include/stdio.h", NULL},
      {"../src/own.h", "outside/1/src/own.h"}},
     {"../inc", "../inc/deep", "../../q/r"}},
    {"one file from above",
     BUILD_FILES,
     "/p",
     {"src/:a.c"},
     {"inc", "./inc//deep/", "/far"},
     {{"src/own.h", "outside/0/own.h"},
      {"src/../inc/h.h", "outside/1/inc/h.h"},
      {"inc/h.h", "outside/1/inc/h.h"},
      {"inc/deep/h.h", "outside/1/inc/deep/h.h"},
      {"inc/../other/h.h", "outside/1/other/h.h"},
      {"elsewhere/h.h", NULL}},
     {"../inc", "../inc/deep", "../../far"}},
    {"one file by its absolute path",
     BUILD_FILES,
     "/x/y",
     {"/home/me/p/src/:a.c"},
     {"/home/me/p/inc", "/home/me/p/src", "/opt/sdk"},
     {{"/home/me/p/src/own.h", "outside/0/own.h"},
      {"/home/me/p/inc/h.h", "outside/1/inc/h.h"},
      {"/opt/sdk/s.h", "outside/include-2/s.h"},
      {"/opt/sdk/../s.h", NULL},
      {"/home/me/p/src/../../../../etc/h.h", "outside/4/etc/h.h"},
      {"own.h", NULL}},
     {"../inc", "", NULL}},
    {"files of two directories",
     BUILD_FILES,
     "/p",
     {"x/:x/a.c", "y/:y/a.c"},
     {"z", "."},
     {{"x/h.h", "outside/0/x/h.h"},
      {"y/../z/h.h", "outside/0/z/h.h"},
      {"z/h.h", "outside/0/z/h.h"},
      {"x/../../h.h", "outside/1/h.h"},
      {"w/h.h", "outside/0/w/h.h"}},
     {"z", ""}},
    {"a directory",
     BUILD_DIRECTORY,
     "/q",
     {"p/:src/a.c", "p/:b.c"},
     {NULL},
     {{"p/src/h.h", "outside/0/src/h.h"},
      {"p/src/../h.h", "outside/0/h.h"},
      {"p/../h.h", "outside/1/h.h"},
      {"h.h", NULL}},
     {NULL}},
    {"a text",
     BUILD_TEXT,
     "/q/r",
     {":stdin.c"},
     {"../../../.."},
     {{"h.h", "outside/0/h.h"}, {"a/../b.h", "outside/0/b.h"}, {"../h.h", "outside/1/h.h"}},
     {"../.."}},
};

static void places(void **state)
{
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        const struct scene *scene = &scenes[i];
        ARENA_AUTO a = ARENA_INIT;
        struct ml_build_request request = {.includes = scene->includes};
        struct unit sources[3];
        struct build b = {.a = &a, .request = &request, .kind = scene->kind, .sources = sources};
        b.cwd_path = scene->cwd;
        for (; b.n_sources < 3 && scene->sources[b.n_sources] != NULL; b.n_sources++) {
            const char *text = scene->sources[b.n_sources], *colon = strchr(text, ':');
            sources[b.n_sources] = (struct unit){.rel = colon + 1};
            sources[b.n_sources].root = arena_mem(&a, text, (size_t)(colon - text));
        }
        while (request.n_includes < 3 && scene->includes[request.n_includes] != NULL)
            request.n_includes++;
        assert_int_equal(place_begin(&b, NULL), 0);
        for (size_t k = 0; k < request.n_includes; k++) {
            const char *seen = place_include(&b, k);
            case_text(scene->includes[k], seen ? seen : "(none)",
                      scene->neighbours[k] ? scene->neighbours[k] : "(none)");
            case_true(scene->includes[k], seen == NULL || place_neighbour_valid(seen));
        }
        for (size_t k = 0; k < 6 && scene->headers[k].path != NULL; k++) {
            const char *place = place_of(&b, scene->headers[k].path);
            const char *want = scene->headers[k].place;
            case_text(scene->headers[k].path, place ? place : "(none)", want ? want : "(none)");
        }
    }
}

static void taken_apart(void **state)
{
    static const struct {
        const char *place, *rest;
        int up;
        size_t include;
    } cases[] = {
        {"outside/0/h.h", "h.h", 0, 0},
        {"outside/16/a/h.h", "a/h.h", 16, 0},
        {"outside/include-3/a/h.h", "a/h.h", -1, 3},
        {"outside/17/h.h", NULL, 0, 0},
        {"outside/-1/h.h", NULL, 0, 0},
        {"outside/+1/h.h", NULL, 0, 0},
        {"outside/ 1/h.h", NULL, 0, 0},
        {"outside/1", NULL, 0, 0},
        {"outside/1/", NULL, 0, 0},
        {"outside/1x/h.h", NULL, 0, 0},
        {"outside/include-/h.h", NULL, 0, 0},
        {"outside/include-99999999999999999999/h.h", NULL, 0, 0},
        {"source/1/h.h", NULL, 0, 0},
        {"", NULL, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int up = 0;
        size_t include = 0;
        const char *rest = place_parse(cases[i].place, &up, &include);
        case_text(cases[i].place, rest ? rest : "(none)", cases[i].rest ? cases[i].rest : "(none)");
        case_int(cases[i].place, up, cases[i].up);
        case_int(cases[i].place, include, cases[i].include);
    }
}

static void neighbours(void **state)
{
    static const char *const good[] = {"", "a", "a/b", "..", "../a", "../..", "../../a", "..a"};
    static const char *const bad[] = {"/",        "/a",         "a/",   "./a",     "a/../b",
                                      "../../..", "../../../a", "a//b", "../a/..", "."};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        case_true(good[i], place_neighbour_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        case_true(bad[i], !place_neighbour_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(taken_apart),
        cmocka_unit_test(neighbours),
    };
    UNIT_RUN("build/place", tests);
}
