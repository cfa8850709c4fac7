/* Goal of this test: file names survive the compiler's dependency lists, whatever is in them. */
#include "build/inputs.h"

#include <sys/stat.h>

#include "built.h"

static void lists(void **state)
{
    static const struct {
        const char *text, *names; /* with | behind each */
    } cases[] = {
        {"x: a.c", "a.c|"},
        {"x: a.c \\\n b.h \\\n  c.h\n", "a.c|b.h|c.h|"},
        {"x: a\\ b.c c.h\n", "a b.c|c.h|"},
        {"x: a\\#b.c\n", "a#b.c|"},
        {"x: a$$b.c\n", "a$b.c|"},
        {"x: a\\b.c\n", "a\\b.c|"},
        {"x: a\\\\\\ b.c\n", "a\\ b.c|"},
        {"x: a\\\\ b.c\n", "a\\|b.c|"},
        {"x: a:b.c\n", "a:b.c|"},
        {"x:\n", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct strv names = {0};
        char joined[256] = "";
        inputs_parse(&a, cases[i].text, &names);
        for (size_t k = 0; k < names.n; k++)
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s|",
                     names.items[k]);
        case_text(cases[i].text, joined, cases[i].names);
    }
}

/* The compiler writes the list itself: names that need each kind of escape. */
static void real_names(void **state)
{
    struct place *place = *state;
    static const char *const names[] = {"a b.h",   "a#b.h", "a$b.h", "a\\b.h",
                                        "a\\ b.h", "a:b.h", "'.h"};
    char text[1024] = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "src/%s", names[i]);
        built_write(place, path, "/* */\n");
        snprintf(text + strlen(text), sizeof text - strlen(text), "#include \"%s\"\n", names[i]);
    }
    strcat(text, "int one(void) { return 1; }\n");
    built_write(place, "src/one.c", text);
    BUILT_AUTO built;
    built_path(place, place_path(place, "src/one.c"), &built);
    assert_string_equal(built.err.message, "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "source/%s", names[i]);
        case_text(names[i], built_read(built_file(place, &built, path)), "/* */\n");
    }
}

/* What lies outside of the sources and is not the system's is kept: without it the bundle could not
 * be built again. */
static void kept(void **state)
{
    struct place *place = *state;
    struct ml_build_request request = built_request();
    char paths[3][512];
    const char *source = paths[0], *includes[] = {paths[1], paths[2]};
    built_write(place, "p/src/a.c",
                "#include <stdlib.h>\n#include <modload/plugin.h>\n#include <k.h>\n#include "
                "\"../n.h\"\n#include \"own.h\"\nint f(void) { return 1; }\n");
    built_write(place, "p/src/own.h", "/* own */\n");
    built_write(place, "p/n.h", "/* n */\n");
    built_write(place, "p/inc/k.h", "/* k */\n");
    built_write(place, "p/inc/unused.h", "\n");
    snprintf(paths[0], sizeof paths[0], "%s", place_path(place, "p/src/a.c"));
    snprintf(paths[1], sizeof paths[1], "%s", place_path(place, "p/inc"));
    snprintf(paths[2], sizeof paths[2], "%s", place_path(place, "p"));
    request.sources = &source;
    request.includes = includes;
    request.n_sources = 1;
    request.n_includes = 2;
    BUILT_AUTO built;
    built_run(place, &request, &built);
    assert_string_equal(built.err.message, "");
    assert_string_equal(built_read(built_file(place, &built, "source/own.h")), "/* own */\n");
    assert_string_equal(built_read(built_file(place, &built, "outside/1/n.h")), "/* n */\n");
    assert_string_equal(built_read(built_file(place, &built, "outside/1/inc/k.h")), "/* k */\n");
    char dir[128];
    snprintf(dir, sizeof dir, "home/bundles/%s/outside", built.info->bundle);
    assert_int_equal(built_count(place, dir), 4); /* "1", "inc" and the two */
}

/* A source that writes to itself while it is compiled: by a compiler that does that. */
static void changed_source(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *compiler;
    } cases[] = {
        {"source", "#!/bin/sh\ncase \"$*\" in *-MF*) echo >>\"$(dirname \"$0\")/one.c\";; "
                   "esac\nexec cc \"$@\"\n"},
        {"header", "#!/bin/sh\ncase \"$*\" in *-MF*) echo >>\"$(dirname \"$0\")/one.h\";; "
                   "esac\nexec cc \"$@\"\n"},
        {"gone", "#!/bin/sh\ncc \"$@\" || exit\ncase \"$*\" in *-MF*) rm \"$(dirname "
                 "\"$0\")/one.h\";; esac\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUILT_AUTO built;
        built_write(place, "one.c", "#include \"one.h\"\nint one(void) { return 1; }\n");
        built_write(place, "one.h", "\n");
        built_write(place, "cc", cases[i].compiler);
        assert_int_equal(chmod(place_path(place, "cc"), 0700), 0);
        setenv("CC", place_path(place, "cc"), 1);
        setenv("MODLOAD_BUILD_DIRS", place->path, 1);
        built_path(place, place_path(place, "one.c"), &built);
        unsetenv("CC");
        unsetenv("MODLOAD_BUILD_DIRS");
        case_int(cases[i].name, built.status, ML_BUSY);
        case_text(cases[i].name, built.err.code, "source_changed");
        case_int(cases[i].name, built_count(place, "home/bundles") + built_count(place, "home/tmp"),
                 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        place_test(real_names),
        place_test(kept),
        place_test(changed_source),
    };
    UNIT_RUN("build/inputs", tests);
}
