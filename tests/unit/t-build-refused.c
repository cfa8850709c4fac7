/* Goal of this test: in what compilers say, in whatever language and colour, the file is found that
 * they were kept from. */
#include "build/refused.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/landlock.h"
#include "built.h"

static void found(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *said, *message; /* null: nothing was refused */
    } cases[] = {
        {"a.c:1:10: fatal error: out/secret: Permission denied\n", "'out/secret'"},
        {"a.c:1:10: schwerer Fehler: out/secret: Keine Berechtigung\n", "'out/secret'"},
        {"a.c:1: fatal error: cannot open file 'out/secret': Permission denied", "'out/secret'"},
        {"\033[01m\033[Ka.c:1:\033[m \033[31merror: \033[m\033[Kout/secret\033[m: x",
         "'out/secret'"},
        {"x.s:7: Error: file not found: out/secret", "'out/secret'"},
        {"(\"out/secret\")", "'out/secret'"},
        {"a.c:1: error: beside: no", NULL},
        {"a.c:1: error: ../out/secret: no", "'in/../out/secret'"},
        {"a.c:1: error: in/own.h is wrong", NULL},
        {"a.c:1: error: in/nothing.h: no such file", NULL},
        {"a.c:1: error: out: it is a directory", NULL},
        {"/usr/include/stdio.h:1: error", NULL},
        {"", NULL},
        {"::: :: '' \033[ \033", NULL},
        {"out/secretX out/secre", NULL},
    };
    if (landlock_abi() < 1)
        skip();
    built_write(place, "in/own.h", "");
    built_write(place, "out/secret", "x");
    assert_int_equal(mkdirat(place->fd, "work", 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct ml_error err = ML_ERROR_INIT;
        struct build b = {.a = &a, .cwd_fd = place->fd, .cwd_path = place->path};
        b.box = (struct cc_box)CC_BOX_INIT;
        assert_int_equal(cc_box_open(&b.box, place_path(place, "work"), NULL), 0);
        assert_int_equal(cc_box_read(&b.box, place_path(place, "in"), NULL), 0);
        bool is = refused_tell(&b, cases[i].said, "in/", "it failed", &err);
        cc_box_close(&b.box);
        case_int(cases[i].said, is, cases[i].message != NULL);
        if (cases[i].message == NULL)
            continue;
        case_int(cases[i].said, err.status, ML_REFUSED);
        case_text(cases[i].said, err.code, "outside_source");
        case_true(err.message, strstr(err.message, cases[i].message) != NULL);
        case_true(cases[i].said, *err.hint != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(found),
    };
    UNIT_RUN("build/refused", tests);
}
