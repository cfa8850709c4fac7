/* Goal of this test: any text is a right C literal, and functions of one shape share one stub. */
#include "build/stubs.h"

#include "built.h"

static void literals(void **state)
{
    static const struct {
        const char *text, *literal;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c", "\"a\\042b\\134c\""},
        {"?\?/", "\"\\077\\077/\""},
        {"\n\0011", "\"\\012\\0011\""},
        {"\303\2741", "\"\\303\\2741\""},
        {"\377", "\"\\377\""},
        {"%s%n", "\"%s%n\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO out = BUF_INIT;
        stubs_literal(&out, cases[i].text);
        case_text(cases[i].text, buf_text(&out), cases[i].literal);
    }
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        n++;
    return n;
}

static void add(struct fn_list *list, const char *name, uint8_t result, uint8_t param)
{
    struct fn *fn = fn_list_add(list);
    fn->name = fn->symbol = name;
    fn->signature = name;
    fn->result = (struct fn_type){.kind = result, .bits = result == ML_KIND_INT ? 32 : 0};
    if (param == ML_KIND_VOID)
        return;
    fn->params = arena_alloc(list->arena, 1, sizeof *fn->params);
    fn->params[0] = (struct fn_param){.name = "p", .type = {.kind = param}};
    fn->n_params = 1;
}

static void shapes(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO out = BUF_INIT;
    struct fn_list list = {.arena = &a};
    add(&list, "d", ML_KIND_DOUBLE, ML_KIND_DOUBLE);
    add(&list, "e", ML_KIND_DOUBLE, ML_KIND_DOUBLE);
    add(&list, "f", ML_KIND_FLOAT, ML_KIND_DOUBLE);
    add(&list, "g", ML_KIND_INT, ML_KIND_STRING);
    add(&list, "h", ML_KIND_INT, ML_KIND_BYTES); /* both are one pointer */
    add(&list, "i", ML_KIND_INT, ML_KIND_VOID);
    add(&list, "j", ML_KIND_INT, ML_KIND_VOID);
    list.items[6].reason = "skipped";
    stubs_write(&out, &(struct stubs_plugin){"n", "1.0.0", &list, false, NULL});
    assert_int_equal(count(buf_text(&out), "static void ml_s"), 4);
    assert_int_equal(count(buf_text(&out), "extern const char ml_f"), 6);
    assert_int_equal(count(buf_text(&out), "\"j\""), 0);
    buf_reset(&out);
    stubs_write(&out, &(struct stubs_plugin){"n", "1.0.0", &list, true, NULL});
    assert_int_equal(count(buf_text(&out), "extern"), 0);
}

/* A bundle without limits has an object as it has always been. */
static void limits(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO out = BUF_INIT;
    struct fn_list list = {.arena = &a};
    struct ml_plugin_limits l = {0};
    stubs_write(&out, &(struct stubs_plugin){"n", "1.0.0", &list, false, &l});
    assert_int_equal(count(buf_text(&out), "limits"), 0);
    l.memory = UINT64_C(1) << 40;
    l.processes = 8;
    stubs_write(&out, &(struct stubs_plugin){"n", "1.0.0", &list, false, &l});
    assert_non_null(strstr(buf_text(&out),
                           "const struct ml_plugin_limits ml_plugin_limits = {\n"
                           "    ML_LIMITS_VERSION, 0, UINT64_C(0), UINT64_C(0), "
                           "UINT64_C(1099511627776), UINT64_C(0), UINT64_C(0), UINT64_C(8)};\n"));
}

static void none(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO out = BUF_INIT;
    struct fn_list list = {.arena = &a};
    stubs_write(&out, &(struct stubs_plugin){"n", "1.0.0", &list, false, NULL});
    assert_false(out.failed);
}

/* 2 000 functions of a few shapes: each is described, none is mixed up with another. */
static void many(void **state)
{
    struct place *place = *state;
    BUF_AUTO text = BUF_INIT;
    static const char *const types[] = {"int", "double", "const char *"};
    for (int i = 0; i < 2000; i++)
        buf_fmt(&text, "/** Number %d. */\nint fn_%04d(%s p%d) { return %d; }\n", i, i,
                types[i % 3], i, i);
    BUILT_AUTO built;
    built_text(place, buf_text(&text), &built);
    assert_string_equal(built.err.message, "");
    assert_int_equal(built.info->n_functions, 2000);
    for (int i = 0; i < 2000; i++) {
        static const char *const words[] = {"int32", "double", "string"};
        char want[64];
        snprintf(want, sizeof want, "fn_%04d(p%d: %s) -> int32", i, i, words[i % 3]);
        assert_string_equal(built.info->functions[i].signature, want);
        snprintf(want, sizeof want, "Number %d.", i);
        assert_string_equal(built.info->functions[i].doc, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals), cmocka_unit_test(shapes), cmocka_unit_test(none),
        cmocka_unit_test(limits),   place_test(many),
    };
    UNIT_RUN("build/stubs", tests);
}
