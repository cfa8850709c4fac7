/* Goal of this test: a text becomes exactly the value that the function asks for, or the caller is
 * told which argument is wrong and how it is called right; a result becomes what it says. */
#include "fixture.h"

#include <float.h>
#include <math.h>

#include "client/wire.h"
#include "worker/convert.h"

static const struct ml_enumerator colors[] = {{"RED", 0}, {"GREEN", 5}, {"BLUE", -7}, {"LIME", 5}};
static const struct ml_enumeration color = {"color", colors, 4};
static const struct ml_enumeration empty_enum = {"", NULL, 0};

#define T(k)                                                                                       \
    {                                                                                              \
        .kind = ML_KIND_##k                                                                        \
    }
#define TB(k, b)                                                                                   \
    {                                                                                              \
        .kind = ML_KIND_##k, .bits = b                                                             \
    }
#define ENUM(b, neg)                                                                               \
    {                                                                                              \
        .kind = ML_KIND_ENUM, .bits = b, .is_signed = neg, .enumeration = &color                   \
    }

static struct ml_function function_of(const struct ml_param *params, uint32_t n)
{
    return (struct ml_function){
        .name = "f", .signature = "f(a: anything) -> void", .params = params, .n_params = n};
}

/* A table of arguments of one parameter each. */
static void check_refusal(const char *name, const struct ml_error *err, const char *says)
{
    case_int(name, err->status, ML_DATA);
    case_text(name, err->code, "bad_argument");
    case_text(name, err->outcome, "bad_argument");
    case_true(name, strstr(err->hint, "f(a: anything) -> void") != NULL);
    if (strstr(err->message, says) == NULL)
        fail_msg("case '%s': '%s' does not say '%s'", name, err->message, says);
}

static void test_integers(void **state)
{
    static const struct {
        const char *text;
        struct ml_type type;
        int64_t want;
        const char *says; /* null: fine */
    } cases[] = {
        {"127", TB(INT, 8), 127, NULL},
        {"-128", TB(INT, 8), -128, NULL},
        {"128", TB(INT, 8), 0, "out of range: -128 to 127"},
        {"-129", TB(INT, 8), 0, "out of range: -128 to 127"},
        {"-32768", TB(INT, 16), -32768, NULL},
        {"32768", TB(INT, 16), 0, "-32768 to 32767"},
        {"2147483647", TB(INT, 32), INT32_MAX, NULL},
        {"2147483648", TB(INT, 32), 0, "-2147483648 to 2147483647"},
        {"-9223372036854775808", TB(INT, 64), INT64_MIN, NULL},
        {"9223372036854775808", TB(INT, 64), 0, "-9223372036854775808 to 9223372036854775807"},
        {"0x10", TB(INT, 32), 16, NULL},
        {"1.5", TB(INT, 32), 0, "is not an integer"},
        {"", TB(INT, 32), 0, "is not an integer"},
        {"abc", TB(INT, 32), 0, "is not an integer"},
        {"255", TB(UINT, 8), 255, NULL},
        {"256", TB(UINT, 8), 0, "out of range: 0 to 255"},
        {"-1", TB(UINT, 8), 0, "out of range: 0 to 255"},
        {"65536", TB(UINT, 16), 0, "0 to 65535"},
        {"4294967296", TB(UINT, 32), 0, "0 to 4294967295"},
        {"18446744073709551615", TB(UINT, 64), -1, NULL},
        {"18446744073709551616", TB(UINT, 64), 0, "0 to 18446744073709551615"},
        {"true", TB(UINT, 8), 0, "is not an integer"},
        {"true", T(BOOL), 1, NULL},
        {"false", T(BOOL), 0, NULL},
        {"1", T(BOOL), 1, NULL},
        {"0", T(BOOL), 0, NULL},
        {"2", T(BOOL), 0, "is not a bool"},
        {"True", T(BOOL), 0, "is not a bool"},
        {"yes", T(BOOL), 0, "is not a bool"},
        {"", T(BOOL), 0, "is not a bool"},
        {"truefalse", T(BOOL), 0, "is not a bool"},
        {"A", T(CHAR), 'A', NULL},
        {" ", T(CHAR), ' ', NULL},
        {"\n", T(CHAR), '\n', NULL},
        {"7", T(CHAR), '7', NULL},
        {"\xe9", T(CHAR), (char)0xe9, NULL},
        {"", T(CHAR), 0, "single character"},
        {"ab", T(CHAR), 0, "single character"},
        {"\xc3\xa9", T(CHAR), 0, "single character"},
        {"RED", ENUM(32, 1), 0, NULL},
        {"GREEN", ENUM(32, 1), 5, NULL},
        {"BLUE", ENUM(32, 1), -7, NULL},
        {"LIME", ENUM(32, 1), 5, NULL},
        {"5", ENUM(32, 1), 5, NULL},
        {"-7", ENUM(32, 1), -7, NULL},
        {"99", ENUM(32, 1), 99, NULL}, /* flags add up to numbers that have no name */
        {"128", ENUM(8, 1), 0, "RED, GREEN, BLUE, LIME"},
        {"255", ENUM(8, 0), 255, NULL},
        {"-1", ENUM(8, 0), 0, "RED, GREEN"},
        {"red", ENUM(32, 1), 0, "is none of RED, GREEN, BLUE, LIME"},
        {"RED ", ENUM(32, 1), 0, "is none of RED"},
        {"", ENUM(32, 1), 0, "is none of RED"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_param param = {"size", cases[i].type};
        struct ml_function f = function_of(&param, 1);
        union ml_slot slots[CONVERT_SLOTS];
        struct ml_error err = ML_ERROR_INIT;
        char name[64];
        char *texts[] = {(char *)(uintptr_t)cases[i].text};
        snprintf(name, sizeof name, "%d '%s' of kind %u, %u bits", (int)i, cases[i].text,
                 cases[i].type.kind, cases[i].type.bits);
        int status = convert_args(&f, texts, 1, slots, &err);
        case_int(name, status, cases[i].says ? -1 : 0);
        case_int(name, convert_args(&f, texts, 1, slots, NULL), status);
        if (cases[i].says == NULL) {
            case_int(name, slots[0].i, cases[i].want);
            continue;
        }
        check_refusal(name, &err, cases[i].says);
        case_true(name, strstr(err.message, "f: argument 1 (size): '") != NULL);
    }
}

static void test_reals(void **state)
{
    static const struct {
        const char *text;
        double want;
        const char *as_float, *as_double; /* what is said against it; null: fine */
    } cases[] = {
        {"1.5", 1.5, NULL, NULL},
        {"-0x1p-3", -0.125, NULL, NULL},
        {"1e38", 1e38, NULL, NULL},
        {"1e39", 1e39, "out of range", NULL},
        {"1e309", 0, "out of range", "out of range"},
        {"inf", INFINITY, NULL, NULL},
        {"1,5", 0, "is not a number", "is not a number"},
        {"", 0, "is not a number", "is not a number"},
        {"one", 0, "is not a number", "is not a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int single = 0; single < 2; single++) {
            struct ml_param param = {"", {.kind = single ? ML_KIND_FLOAT : ML_KIND_DOUBLE}};
            struct ml_function f = function_of(&param, 1);
            const char *says = single ? cases[i].as_float : cases[i].as_double;
            const char *name = cases[i].text;
            union ml_slot slots[CONVERT_SLOTS];
            struct ml_error err = ML_ERROR_INIT;
            char *texts[] = {(char *)(uintptr_t)name};
            case_int(name, convert_args(&f, texts, 1, slots, &err), says ? -1 : 0);
            if (says == NULL)
                case_true(name, single ? slots[0].f == (float)cases[i].want
                                       : slots[0].d == cases[i].want);
            else
                check_refusal(name, &err, says);
            if (says != NULL) /* a parameter without a name is told by its place alone */
                case_true(name, strstr(err.message, "f: argument 1: '") != NULL);
        }
    }
}

static void test_texts(void **state)
{
    static const struct ml_param params[] = {{"s", T(STRING)}, {"b", T(BYTES)}};
    struct ml_function f = function_of(params, 2);
    union ml_slot slots[CONVERT_SLOTS];
    char first[] = "", second[] = "any \xff bytes";
    char *texts[] = {first, second};
    assert_int_equal(convert_args(&f, texts, 2, slots, NULL), 0);
    assert_ptr_equal(slots[0].p, first); /* the caller's own, not a copy */
    assert_ptr_equal(slots[1].p, second);
}

/* ---- how many ---- */

static void test_counts(void **state)
{
    static const struct ml_param params[] = {
        {"a", TB(INT, 32)}, {"b", {.kind = ML_KIND_BYTES, .sized = 1}}, {"c", TB(INT, 32)}};
    static const struct {
        uint32_t n_params;
        size_t n;
        const char *says; /* null: fine */
    } cases[] = {
        {0, 0, NULL},       {0, 1, "too many"}, {1, 0, "too few"}, {1, 1, NULL},
        {1, 2, "too many"}, {3, 2, "too few"},  {3, 3, NULL},      {3, 4, NULL},
        {3, 5, "too many"}, {2, 2, NULL},       {2, 3, NULL},      {2, 4, "too many"},
    };
    static char one[] = "1";
    char *texts[] = {one, one, one, one, one};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_function f = function_of(params, cases[i].n_params);
        union ml_slot slots[CONVERT_SLOTS];
        struct ml_error err = ML_ERROR_INIT;
        char name[48], numbers[48];
        snprintf(name, sizeof name, "%u parameters, %zu arguments", cases[i].n_params, cases[i].n);
        int status = convert_args(&f, texts, cases[i].n, slots, &err);
        case_int(name, status, cases[i].says ? -1 : 0);
        if (cases[i].says == NULL)
            continue;
        check_refusal(name, &err, cases[i].says);
        snprintf(numbers, sizeof numbers, "takes %u, and got %zu", cases[i].n_params, cases[i].n);
        case_true(name, strstr(err.message, numbers) != NULL);
    }
}

static void test_most_params(void **state)
{
    static struct ml_param params[ML_PARAMS_MAX + 1];
    static char *texts[2 * (ML_PARAMS_MAX + 1)];
    static char text[] = "text", size[] = "3";
    struct {
        union ml_slot slots[CONVERT_SLOTS];
        uint64_t guard;
    } all = {.guard = 0x5a5a5a5a};
    for (size_t i = 0; i <= ML_PARAMS_MAX; i++) {
        params[i] = (struct ml_param){"b", {.kind = ML_KIND_BYTES, .sized = 1}};
        texts[2 * i] = text;
        texts[2 * i + 1] = size;
    }
    struct ml_function f = function_of(params, ML_PARAMS_MAX);
    assert_int_equal(convert_args(&f, texts, (size_t)2 * ML_PARAMS_MAX, all.slots, NULL), 0);
    for (size_t i = 0; i < ML_PARAMS_MAX; i++) {
        assert_ptr_equal(all.slots[2 * i].p, text);
        assert_int_equal(all.slots[2 * i + 1].u, 3);
    }
    assert_int_equal(all.guard, 0x5a5a5a5a);
    f.n_params++; /* a descriptor that lies is not followed past the slots */
    assert_int_equal(convert_args(&f, texts, (size_t)2 * f.n_params, all.slots, NULL), -1);
    assert_int_equal(all.guard, 0x5a5a5a5a);
}

/* ---- bytes with their size ---- */

static void test_sized(void **state)
{
    static const struct ml_param params[] = {{"a", TB(INT, 32)},
                                             {"data", {.kind = ML_KIND_BYTES, .sized = 1}},
                                             {"b", TB(INT, 32)},
                                             {"more", {.kind = ML_KIND_BYTES, .sized = 1}}};
    static const struct {
        const char *name, *texts[6];
        size_t n;
        uint64_t sizes[2];
        const char *says; /* null: fine */
    } cases[] = {
        {"sizes not said", {"1", "hello", "2", ""}, 4, {5, 0}, NULL},
        {"sizes said", {"1", "hello", "5", "2", "xyz", "3"}, 6, {5, 3}, NULL},
        {"less than there is", {"1", "hello", "2", "2", "xyz", "0"}, 6, {2, 0}, NULL},
        {"hexadecimal", {"1", "hello", "0x5", "2", "xyz", "0x1"}, 6, {5, 1}, NULL},
        {"more than there is",
         {"1", "hello", "6", "2", "xyz", "3"},
         6,
         {0},
         "argument 3 (data): '6'"},
        {"the second too", {"1", "hello", "5", "2", "xyz", "4"}, 6, {0}, "argument 6 (more): '4'"},
        {"negative", {"1", "hello", "-1", "2", "xyz", "3"}, 6, {0}, "is not a size"},
        {"no number", {"1", "hello", "x", "2", "xyz", "3"}, 6, {0}, "is not a size"},
        {"huge", {"1", "hello", "18446744073709551616", "2", "x", "1"}, 6, {0}, "is not a size"},
        {"one of two", {"1", "hello", "5", "2", "xyz"}, 5, {0}, "too many"},
        {"an argument behind a size",
         {"1", "hello", "5", "two", "xyz", "3"},
         6,
         {0},
         "argument 4 (b): 'two'"},
        {"an argument behind bytes", {"1", "hello", "two", "xyz"}, 4, {0}, "argument 3 (b): 'two'"},
    };
    struct ml_function f = function_of(params, 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *texts[6];
        union ml_slot slots[CONVERT_SLOTS];
        struct ml_error err = ML_ERROR_INIT;
        for (size_t t = 0; t < cases[i].n; t++)
            texts[t] = (char *)(uintptr_t)cases[i].texts[t];
        int status = convert_args(&f, texts, cases[i].n, slots, &err);
        case_int(cases[i].name, status, cases[i].says ? -1 : 0);
        if (status < 0) {
            check_refusal(cases[i].name, &err, cases[i].says);
            continue;
        }
        case_int(cases[i].name, slots[0].i, 1);
        case_true(cases[i].name, slots[1].p == texts[1]);
        case_int(cases[i].name, slots[2].u, cases[i].sizes[0]);
        case_int(cases[i].name, slots[3].i, 2);
        case_int(cases[i].name, slots[5].u, cases[i].sizes[1]);
    }
}

/* Long arguments and long lists of names are cut in the message, not in the answer. */
static void test_long_texts(void **state)
{
    static struct ml_enumerator many[300];
    static char names[300][80], text[100000];
    for (size_t i = 0; i < 300; i++) {
        memset(names[i], 'N', 79);
        snprintf(names[i] + 60, 20, "%zu", i);
        many[i] = (struct ml_enumerator){names[i], (int64_t)i};
    }
    struct ml_enumeration e = {"many", many, 300};
    struct ml_param param = {"a",
                             {.kind = ML_KIND_ENUM, .bits = 32, .is_signed = 1, .enumeration = &e}};
    struct ml_function f = function_of(&param, 1);
    union ml_slot slots[CONVERT_SLOTS];
    struct ml_error err = ML_ERROR_INIT;
    char *texts[] = {text};
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(convert_args(&f, texts, 1, slots, &err), -1);
    check_refusal("long", &err, "is none of NNN");
    texts[0] = names[299];
    assert_int_equal(convert_args(&f, texts, 1, slots, NULL), 0);
    assert_int_equal(slots[0].i, 299);
    param.type.enumeration = &empty_enum;
    texts[0] = names[1];
    assert_int_equal(convert_args(&f, texts, 1, slots, &err), -1);
}

static void test_unknown_kind(void **state)
{
    static char one[] = "1";
    static const uint8_t kinds[] = {ML_KIND_VOID, ML_KIND_BYTES + 1, 255};
    for (size_t i = 0; i < sizeof kinds; i++) {
        struct ml_param param = {"a", {.kind = kinds[i]}};
        struct ml_function f = function_of(&param, 1);
        union ml_slot slots[CONVERT_SLOTS];
        struct ml_error err = ML_ERROR_INIT;
        char *texts[] = {one};
        assert_int_equal(convert_args(&f, texts, 1, slots, &err), -1);
        assert_int_equal(err.status, ML_PROTOCOL);
    }
}

/* ---- results ---- */

static struct ml_value result_of(const char *name, struct ml_type type, union ml_slot first,
                                 uint64_t second, char scratch[2])
{
    struct ml_function f = {.name = "f", .signature = "f()", .result = type};
    union ml_slot slots[2] = {first, {.u = second}};
    struct ml_value value;
    struct ml_error err = ML_ERROR_INIT;
    memset(&value, 0x5a, sizeof value);
    case_int(name, convert_result(&f, slots, scratch, &value, &err), 0);
    case_int(name, err.status, 0);
    return value;
}

static void test_results(void **state)
{
    static const struct {
        const char *name;
        struct ml_type type;
        union ml_slot slot;
        struct ml_value want;
    } cases[] = {
        {"void", T(VOID), {.i = 9}, {.type = ML_VALUE_NONE}},
        {"true", T(BOOL), {.u = 1}, {.type = ML_VALUE_BOOL, .boolean = true}},
        {"false", T(BOOL), {.u = 0}, {.type = ML_VALUE_BOOL, .boolean = false}},
        {"int", TB(INT, 64), {.i = INT64_MIN}, {.type = ML_VALUE_INT, .integer = INT64_MIN}},
        {"small int", TB(INT, 8), {.i = -1}, {.type = ML_VALUE_INT, .integer = -1}},
        {"uint", TB(UINT, 64), {.u = UINT64_MAX}, {.type = ML_VALUE_UINT, .uinteger = UINT64_MAX}},
        {"double", T(DOUBLE), {.d = 1e-300}, {.type = ML_VALUE_DOUBLE, .real = 1e-300}},
        {"unnamed", ENUM(32, 1), {.i = -99}, {.type = ML_VALUE_INT, .integer = -99}},
        {"unnamed, unsigned", ENUM(32, 0), {.i = 99}, {.type = ML_VALUE_UINT, .uinteger = 99}},
        {"no string", T(STRING), {.p = NULL}, {.type = ML_VALUE_NULL}},
        {"no bytes", {.kind = ML_KIND_BYTES, .sized = 1}, {.p = NULL}, {.type = ML_VALUE_NULL}},
    };
    char scratch[2];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_value got = result_of(cases[i].name, cases[i].type, cases[i].slot, 7, scratch);
        case_int(cases[i].name, got.type, cases[i].want.type);
        if (got.type == ML_VALUE_BOOL)
            case_int(cases[i].name, got.boolean, cases[i].want.boolean);
        else if (got.type > ML_VALUE_BOOL)
            case_true(cases[i].name, got.uinteger == cases[i].want.uinteger);
        case_true(cases[i].name, got.data == NULL && got.size == 0);
    }
    struct ml_value f =
        result_of("float", (struct ml_type)T(FLOAT), (union ml_slot){.f = 1.5f}, 0, scratch);
    assert_int_equal(f.type, ML_VALUE_FLOAT);
    assert_true(f.real32 == 1.5f);
}

static void test_text_results(void **state)
{
    static const struct {
        const char *name;
        struct ml_type type;
        union ml_slot slot;
        uint64_t size;
        enum ml_value_type want_type;
        const char *want;
        size_t want_size;
    } cases[] = {
        {"a string", T(STRING), {.p = "text"}, 0, ML_VALUE_STRING, "text", 4},
        {"an empty string", T(STRING), {.p = ""}, 99, ML_VALUE_STRING, "", 0},
        {"bytes", {.kind = ML_KIND_BYTES, .sized = 1}, {.p = "b\0y"}, 3, ML_VALUE_BYTES, "b\0y", 3},
        {"no bytes", {.kind = ML_KIND_BYTES, .sized = 1}, {.p = "x"}, 0, ML_VALUE_BYTES, "", 0},
        {"a char", T(CHAR), {.i = 'A'}, 0, ML_VALUE_STRING, "A", 1},
        {"char 0", T(CHAR), {.i = 0}, 0, ML_VALUE_STRING, "", 0},
        {"a char over 127", T(CHAR), {.i = (signed char)0xe9}, 0, ML_VALUE_STRING, "\xe9", 1},
        {"an unsigned one", T(CHAR), {.i = 0xe9}, 0, ML_VALUE_STRING, "\xe9", 1},
        {"a name", ENUM(32, 1), {.i = -7}, 0, ML_VALUE_STRING, "BLUE", 4},
        {"the first of two names", ENUM(32, 1), {.i = 5}, 0, ML_VALUE_STRING, "GREEN", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char scratch[2] = {'?', '?'};
        struct ml_value got =
            result_of(cases[i].name, cases[i].type, cases[i].slot, cases[i].size, scratch);
        case_int(cases[i].name, got.type, cases[i].want_type);
        case_int(cases[i].name, got.size, cases[i].want_size);
        case_true(cases[i].name, memcmp(got.data, cases[i].want, got.size) == 0);
        if (got.type == ML_VALUE_STRING)
            case_int(cases[i].name, got.data[got.size], '\0');
    }
}

static void test_result_limit(void **state)
{
    static const struct {
        const char *name;
        uint64_t size;
        bool fine;
    } cases[] = {
        {"as much as there may be", WIRE_DATA_MAX, true},
        {"a byte more", (uint64_t)WIRE_DATA_MAX + 1, false},
        {"nonsense", UINT64_MAX, false},
    };
    struct ml_function f = {.name = "f", .result = {.kind = ML_KIND_BYTES, .sized = 1}};
    char scratch[2];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        union ml_slot slots[2] = {{.p = "not looked at"}, {.u = cases[i].size}};
        struct ml_value value;
        struct ml_error err = ML_ERROR_INIT;
        int status = convert_result(&f, slots, scratch, &value, &err);
        case_int(cases[i].name, status, cases[i].fine ? 0 : -1);
        case_int(cases[i].name, convert_result(&f, slots, scratch, &value, NULL), status);
        if (status == 0)
            continue;
        case_int(cases[i].name, err.status, ML_LIMIT);
        case_text(cases[i].name, err.outcome, "plugin_error");
        case_true(cases[i].name, strstr(err.message, "64 MiB") != NULL);
    }
    /* A string without an end in sight. */
    size_t size = (size_t)WIRE_DATA_MAX + 1;
    char *endless = malloc(size);
    assert_non_null(endless);
    memset(endless, 'x', size);
    struct ml_error err = ML_ERROR_INIT;
    struct ml_value value;
    union ml_slot slots[2] = {{.p = endless}};
    f.result = (struct ml_type)T(STRING);
    assert_int_equal(convert_result(&f, slots, scratch, &value, &err), -1);
    assert_int_equal(err.status, ML_LIMIT);
    endless[WIRE_DATA_MAX] = '\0';
    assert_int_equal(convert_result(&f, slots, scratch, &value, &err), 0);
    assert_int_equal(value.size, WIRE_DATA_MAX);
    free(endless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),     cmocka_unit_test(test_reals),
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_most_params),  cmocka_unit_test(test_sized),
        cmocka_unit_test(test_long_texts),   cmocka_unit_test(test_unknown_kind),
        cmocka_unit_test(test_results),      cmocka_unit_test(test_text_results),
        cmocka_unit_test(test_result_limit),
    };
    UNIT_RUN("worker-convert", tests);
}
