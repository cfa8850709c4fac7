/* Goal of this test: the list of digests is what sha256sum writes and reads, and nothing else is
 * taken for one. */
#include "build/sums.h"

#include "fixture.h"

#define D  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define D2 "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b"

static void lists(void **state)
{
    static const struct {
        const char *text, *names; /* with | behind each; null: refused */
    } cases[] = {
        {"", ""},
        {D "  a\n", "a|"},
        {D "  b\n" D2 "  a\n", "a|b|"},
        {D "  source/a b.c\n", "source/a b.c|"},
        {"\\" D "  a\\nb\\\\c\\rd\n", "a\nb\\c\rd|"},
        {D "  a\\nb\n", "a\\nb|"}, /* not marked: a backslash is a backslash */
        {D "  a..b\n", "a..b|"},
        {D "  ..a/b..\n", "..a/b..|"},
        {D "   a\n", " a|"},
        {D "  a", NULL},
        {D "  \n", NULL},
        {D " *a\n", NULL},
        {D " a\n", NULL},
        {D "a\n", NULL},
        {"x" D "  a\n", NULL},
        {"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855  a\n", NULL},
        {"e3b0  a\n", NULL},
        {"\n", NULL},
        {D "  a\n\n", NULL},
        {D "  /a\n", NULL},
        {D "  a/\n", NULL},
        {D "  a//b\n", NULL},
        {D "  ./a\n", NULL},
        {D "  ../a\n", NULL},
        {D "  a/../b\n", NULL},
        {D "  a/..\n", NULL},
        {D "  .\n", NULL},
        {D "  SHA256SUMS\n", NULL},
        {D "  a\n" D2 "  a\n", NULL},
        {"\\" D "  a\\\n", NULL},
        {"\\" D "  a\\x\n", NULL},
        {"\\" D "  ..\\\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct bundle_file *files;
        size_t n;
        char names[256] = "";
        int status = sums_parse(&a, cases[i].text, &files, &n);
        case_int(cases[i].text, status, cases[i].names ? 0 : -1);
        for (size_t k = 0; status == 0 && k < n; k++)
            sprintf(names + strlen(names), "%s|", files[k].path);
        if (status == 0)
            case_text(cases[i].text, names, cases[i].names);
    }
}

static void there_and_back(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO text = BUF_INIT;
    struct bundle_file files[] = {{.path = "b\\"}, {.path = "a\nx"}, {.path = "a"}, {.path = "\r"}};
    struct bundle_file *again;
    size_t n;
    for (size_t i = 0; i < 4; i++)
        strcpy(files[i].sha256, i % 2 ? D : D2);
    sums_write(&text, files, 4);
    assert_string_equal(buf_text(&text),
                        "\\" D "  \\r\n" D2 "  a\n\\" D "  a\\nx\n\\" D2 "  b\\\\\n");
    assert_int_equal(sums_parse(&a, buf_text(&text), &again, &n), 0);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(again[i].path, files[i].path);
        assert_string_equal(again[i].sha256, files[i].sha256);
    }
    assert_string_equal(sums_find(again, n, "a")->sha256, D2);
    assert_null(sums_find(again, n, "c"));
    assert_null(sums_find(NULL, 0, "c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(there_and_back),
    };
    UNIT_RUN("build/sums", tests);
}
