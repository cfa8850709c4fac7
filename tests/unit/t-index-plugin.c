/* Goal of this test: a plugin's file is read as it was written, and nothing else is one. */
#include "index/plugin.h"

#include "fixture.h"

#define ID  "0123456789012345678901234567890123456789"
#define SUM "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define VERSION(v)                                                                                 \
    "{\"version\":\"" v "\",\"tag\":\"v" v "\",\"commit\":\"" ID "\",\"tree\":\"" ID               \
    "\",\"source\":\"" SUM "\",\"published\":\"2026-11-26T15:00:00Z\""
#define HEAD                                                                                       \
    "{\"name\":\"math\",\"description\":\"Adds.\",\"license\":\"MIT\",\"git\":\"https://example."  \
    "org/math.git\",\"path\":\"\",\"versions\":[\n"
#define GOOD                                                                                       \
    HEAD VERSION("1.0.0") ",\"retired\":{\"reason\":\"security\",\"message\":\"It adds "           \
                          "wrong.\",\"date\":\"2026-11-27T00:00:00Z\"}}\n," VERSION(               \
                              "1.1.0") "}\n"                                                       \
                                       "]}\n"

static int read_text(struct arena *a, const char *text, struct index_plugin *ret,
                     struct ml_error *err)
{
    *err = (struct ml_error)ML_ERROR_INIT;
    return index_plugin_read(a, "math.json", text, strlen(text), ret, err) == 0 ? 0 : err->status;
}

static void reads_and_writes(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO out = BUF_INIT;
    struct index_plugin p;
    struct ml_error err;
    assert_int_equal(read_text(&a, GOOD, &p, &err), 0);
    assert_string_equal(p.name, "math");
    assert_string_equal(p.git, "https://example.org/math.git");
    assert_int_equal(p.n, 2);
    assert_int_equal(p.versions[0].retired, INDEX_SECURITY);
    assert_string_equal(p.versions[0].message, "It adds wrong.");
    assert_string_equal(p.versions[1].message, "");
    assert_string_equal(p.versions[1].source, SUM);
    assert_int_equal(index_plugin_write("math.json", &p, &out, &err), 0);
    assert_string_equal(buf_text(&out), GOOD);
}

/* One place of the good file after the other is made wrong. */
static void refused(void **state)
{
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        {"\"math\"", "\"../math\"", "'name'"},
        {"\"math\"", "7", "'name'"},
        {"Adds.", "", "'description'"},
        {"Adds.", "\\u001b[2J", "'description'"},
        {"Adds.", "a\\nb", "'description'"},
        {"Adds.",
         "\302\233"
         "2J",
         "'description'"},
        {"Adds.", "a\342\200\256b", "'description'"},
        {"\"MIT\"", "null", "'license'"},
        {"https://example.org/math.git", "http://example.org/math.git", "'git'"},
        {"https://example.org/math.git", "ext::sh -c x", "'git'"},
        {"https://example.org/math.git", "--upload-pack=x", "'git'"},
        {"https://example.org/math.git", "/etc", "'git'"},
        {"https://example.org/math.git", "https://EXAMPLE.org/math.git", "'git'"},
        {"https://example.org/math.git", "https://me:secret@example.org/math.git", "'git'"},
        {"https://example.org/math.git", "https://example.org/math.git@main", "'git'"},
        {"\"path\":\"\"", "\"path\":\"../x\"", "'path'"},
        {"\"path\":\"\"", "\"path\":\"/x\"", "'path'"},
        {"\"path\":\"\",", "", "'path'"},
        {"\"path\":\"\"", "\"path\":\"\",\"more\":1", "not known"},
        {"\"path\":\"\"", "\"path\":\"\",\"path\":\"\"", "twice"},
        {"\"1.1.0\"", "\"1.1\"", "'version'"},
        {"\"1.1.0\"", "\"1.0.0\"", "ascend"},
        {"\"1.1.0\"", "\"1.0.0+b\"", "ascend"},
        {"\"1.1.0\"", "\"0.9.0\"", "ascend"},
        {"v1.1.0", "^1", "'tag'"},
        {"v1.1.0", "-x", "'tag'"},
        {"\"commit\":\"0", "\"commit\":\"x", "'commit'"},
        {"\"tree\":\"0", "\"tree\":\"", "'tree'"},
        {"h1:A", "h2:A", "'source'"},
        {"=\"", "\"", "'source'"},
        {"2026-11-26T15", "2026-11-26 15", "'published'"},
        {"security", "whim", "'reason'"},
        {"It adds wrong.", "\\u0007", "'message'"},
        {"\"retired\":{", "\"retired\":1,\"x\":{", "not known"},
        {"]}\n", "]} x", "not JSON"},
        {"[\n", "", "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        BUF_AUTO text = BUF_INIT;
        struct index_plugin p;
        struct ml_error err;
        const char *at = strstr(GOOD, cases[i].from);
        assert_non_null(at);
        buf_add(&text, GOOD, (size_t)(at - GOOD));
        buf_str(&text, cases[i].to);
        buf_str(&text, at + strlen(cases[i].from));
        case_int(cases[i].to, read_text(&a, buf_text(&text), &p, &err), ML_DATA);
        case_text(cases[i].to, err.code, "bad_index");
        if (strstr(err.message, cases[i].why) == NULL)
            fail_msg("case '%s': %s", cases[i].to, err.message);
    }
}

static void too_long(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO text = BUF_INIT;
    struct index_plugin p;
    struct ml_error err;
    buf_str(&text, GOOD);
    while (text.len <= INDEX_FILE_MAX)
        buf_str(&text, "                                                                ");
    assert_int_equal(read_text(&a, buf_text(&text), &p, &err), ML_DATA);
    assert_non_null(strstr(err.message, "1024 KiB"));
    assert_int_equal(read_text(&a, HEAD "]}", &p, &err), ML_DATA); /* no version */
}

static void writes_nothing_bad(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO out = BUF_INIT;
    struct index_plugin p;
    struct ml_error err;
    assert_int_equal(read_text(&a, GOOD, &p, &err), 0);
    p.description = "a\nb";
    assert_int_equal(index_plugin_write("math.json", &p, &out, &err), -1);
    assert_int_equal(out.len, 0);
}

static void newest(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_plugin p;
    struct ml_error err;
    assert_int_equal(
        read_text(&a, HEAD VERSION("1.0.0") "}," VERSION("1.1.0") "}," VERSION("2.0.0-rc.1") "}]}",
                  &p, &err),
        0);
    assert_string_equal(index_plugin_newest(&p)->version, "1.1.0");
    p.versions[1].retired = INDEX_OTHER;
    assert_string_equal(index_plugin_newest(&p)->version, "1.0.0");
    p.versions[0].retired = INDEX_OTHER;
    assert_string_equal(index_plugin_newest(&p)->version, "2.0.0-rc.1");
    p.versions[2].retired = INDEX_OTHER;
    assert_null(index_plugin_newest(&p));
}

/* Only what is retired may change, and more may come. */
static void rewritten(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct index_plugin before, now;
    struct ml_error err;
    assert_int_equal(read_text(&a, GOOD, &before, &err), 0);
    assert_int_equal(read_text(&a, GOOD, &now, &err), 0);
    now.versions[0].retired = INDEX_NOT_RETIRED;
    now.git = now.description = "x";
    assert_null(index_plugin_rewritten(&before, &now));
    const char **texts[] = {&now.versions[1].tag, &now.versions[1].commit, &now.versions[1].tree,
                            &now.versions[1].source, &now.versions[1].published};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *was = *texts[i];
        *texts[i] = "x";
        assert_ptr_equal(index_plugin_rewritten(&before, &now), &before.versions[1]);
        *texts[i] = was;
    }
    now.n = 1;
    assert_ptr_equal(index_plugin_rewritten(&before, &now), &before.versions[1]);
    before.n = 1;
    assert_null(index_plugin_rewritten(&before, &now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes), cmocka_unit_test(refused),
        cmocka_unit_test(too_long),         cmocka_unit_test(writes_nothing_bad),
        cmocka_unit_test(newest),           cmocka_unit_test(rewritten),
    };
    UNIT_RUN("index/plugin", tests);
}
