/* Goal of this test: an origin says where a plugin came from, comes back as it was written, and
 * what somebody has made of it is never taken for one. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "modload/install.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static char empty[] = "";

static void comes_back(void **state)
{
    static char url[] = "https://example.org/a b?c&d#e%f.git", path[] = "plugins/ma th",
                ref[] = "^1.2, <2 #x", tag[] = "v1.2.0", commit[] = COMMIT, index[] = "main",
                name[] = "math";
    struct ml_origin there = {.git = url,
                              .path = path,
                              .ref = ref,
                              .tag = tag,
                              .commit = commit,
                              .index = index,
                              .name = name};
    struct ml_origin back;
    char *text = ml_origin_format(&there);
    assert_non_null(text);
    assert_null(strpbrk(text, " \t\n"));
    /* a range with a mark in it is no ref */
    assert_int_equal(ml_origin_parse(text, &back, NULL), -1);
    free(text);
    there.ref = (char[]){"^1.2"};
    text = ml_origin_format(&there);
    assert_int_equal(ml_origin_parse(text, &back, NULL), 0);
    assert_string_equal(back.git, url);
    assert_string_equal(back.path, path);
    assert_string_equal(back.ref, "^1.2");
    assert_string_equal(back.tag, tag);
    assert_string_equal(back.commit, commit);
    assert_string_equal(back.index, index);
    assert_string_equal(back.name, name);
    assert_false(back.submodules);
    ml_origin_done(&back);
    free(text);
    there.submodules = true;
    text = ml_origin_format(&there);
    assert_int_equal(ml_origin_parse(text, &back, NULL), 0);
    assert_true(back.submodules);
    ml_origin_done(&back);
    assert_null(back.git);
    free(text);
    /* as it was written before it said that */
    assert_int_equal(ml_origin_parse("git+https://e.org/m?ref=^1&tag=v1.0.0#" COMMIT, &back, NULL),
                     0);
    assert_string_equal(back.index, "");
    assert_string_equal(back.name, "");
    ml_origin_done(&back);
}

static void has_one_form(void **state)
{
    static char url[] = "https://example.org/math.git", path[] = "p", ref[] = "main",
                commit[] = COMMIT, index[] = "main", name[] = "math";
    struct ml_origin o = {.git = url, .path = path, .ref = ref, .tag = empty, .commit = commit};
    char *text = ml_origin_format(&o);
    assert_string_equal(text, "git+https://example.org/math.git?path=p&ref=main#" COMMIT);
    free(text);
    o.submodules = true;
    text = ml_origin_format(&o);
    assert_string_equal(text,
                        "git+https://example.org/math.git?path=p&ref=main&submodules=1#" COMMIT);
    free(text);
    o.submodules = false;
    o.index = index;
    o.name = name;
    text = ml_origin_format(&o);
    assert_string_equal(text, "git+https://example.org/math.git?path=p&ref=main&index=main"
                              "&name=math#" COMMIT);
    free(text);
    o.path = o.ref = o.index = o.name = empty;
    text = ml_origin_format(&o);
    assert_string_equal(text, "git+https://example.org/math.git#" COMMIT);
    free(text);
    o = (struct ml_origin){.git = empty, .path = path};
    text = ml_origin_format(&o);
    assert_string_equal(text, "p");
    free(text);
}

static void is_not_taken_for_one(void **state)
{
    static const char *const bad[] = {
        "",
        "/home/me/math",
        "https://example.org/math.git#" COMMIT,
        "git+https://example.org/math.git",
        "git+#" COMMIT,
        "git+https://example.org/m#0123",
        "git+https://example.org/m#0123456789ABCDEF0123456789abcdef01234567",
        "git+https://example.org/m?path=../x#" COMMIT,
        "git+https://example.org/m?path=/x#" COMMIT,
        "git+https://example.org/m?ref=-x#" COMMIT,
        "git+https://example.org/m?ref=a&ref=b#" COMMIT,
        "git+https://example.org/m?other=a#" COMMIT,
        "git+https://example.org/m?ref#" COMMIT,
        "git+https://example.org/m?ref&tag=x#" COMMIT,
        "git+https://example.org/m?#" COMMIT,
        "git+https://example.org/m?ref=^1&index=main#" COMMIT,
        "git+https://example.org/m?ref=^1&name=math#" COMMIT,
        "git+https://example.org/m?index=main&name=math#" COMMIT,
        "git+https://example.org/m?ref=^1&index=../x&name=math#" COMMIT,
        "git+https://example.org/m?submodules=0#" COMMIT,
        "git+https://example.org/m?submodules=1&submodules=1#" COMMIT,
        "git+https://example.org/m%0#" COMMIT,
        "git+https://example.org/m%00#" COMMIT,
        "git+https://example.org/m%zz#" COMMIT,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ml_origin o;
        struct ml_error err = ML_ERROR_INIT;
        if (ml_origin_parse(bad[i], &o, &err) == 0)
            fail_msg("'%s' was taken for an origin", bad[i]);
        assert_int_equal(err.status, ML_NO_INPUT);
        assert_null(o.git);
        ml_origin_done(&o);
    }
}

static void key_is_of_the_place(void **state)
{
    struct ml_key a, b;
    assert_int_equal(
        ml_origin_key("git+https://e.org/m?path=p&ref=^1&tag=v1.0.0#" COMMIT, &a, NULL), 0);
    assert_int_equal(
        ml_origin_key(
            "git+https://e.org/m?path=p&submodules=1#ffffffffffffffffffffffffffffffffffffffff", &b,
            NULL),
        0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(ml_origin_key("git+https://e.org/m?path=q#" COMMIT, &b, NULL), 0);
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_int_equal(a.bytes[6] >> 4, 5);
    assert_int_equal(ml_origin_key("/home/me/math", &a, NULL), 0);
    assert_int_equal(ml_origin_key("/home/me/text", &b, NULL), 0);
    assert_memory_not_equal(&a, &b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(has_one_form),
        cmocka_unit_test(is_not_taken_for_one),
        cmocka_unit_test(key_is_of_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
