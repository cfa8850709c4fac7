/* Goal of this test: an error says what it was told, never half a text without saying so, and a
 * caller who wants none is no special case. */
#include "fixture.h"

#include <errno.h>

#include "base/error.h"

static char *filled(char *text, size_t n, char c)
{
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

/* `text` is `whole`, or as much of it as there was room for and "...". */
static void check_cut(const char *what, const char *text, const char *whole, size_t size)
{
    if (strlen(whole) < size) {
        case_text(what, text, whole);
        return;
    }
    case_int(what, strlen(text), size - 1);
    case_text(what, text + size - 4, "...");
    case_true(what, memcmp(text, whole, size - 4) == 0);
}

static void test_set(void **state)
{
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(ml_error_set(&err, ML_DATA, "bad_key", "'%s' is %d", "x", 7), -1);
    assert_int_equal(err.status, ML_DATA);
    assert_string_equal(err.code, "bad_key");
    assert_string_equal(err.message, "'x' is 7");
    assert_string_equal(err.hint, "");
    assert_string_equal(err.outcome, "");
}

static void test_set_overwrites(void **state)
{
    struct ml_error err;
    memset(&err, 'x', sizeof err);
    ml_error_set(&err, ML_IO, NULL, "new");
    assert_int_equal(err.status, ML_IO);
    assert_string_equal(err.message, "new");
    assert_string_equal(err.hint, "");
    assert_string_equal(err.outcome, "");
}

static void test_status_words(void **state)
{
    static const struct {
        int status;
        const char *word;
    } cases[] = {
        {ML_OK, "ok"},
        {ML_FAILED, "failed"},
        {ML_USAGE, "usage"},
        {ML_DATA, "bad_input"},
        {ML_NO_INPUT, "not_found"},
        {ML_NOT_LOADED, "not_loaded"},
        {ML_BUG, "internal"},
        {ML_LIMIT, "limit"},
        {ML_CANT_CREATE, "cannot_create"},
        {ML_IO, "io_error"},
        {ML_BUSY, "busy"},
        {ML_PROTOCOL, "protocol"},
        {ML_REFUSED, "refused"},
        {ML_CONFIG, "bad_manifest"},
        {ML_TIMEOUT, "timeout"},
        {ML_UNDEFINED, "undefined_function"},
        {ML_SIGNAL + 11, "plugin_error"},
        {99, "error"},
        {-1, "error"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        case_text(cases[i].word, ml_status_code(cases[i].status), cases[i].word);
        ml_error_set(&err, cases[i].status, NULL, "x");
        case_text(cases[i].word, err.code, cases[i].word);
        case_int(cases[i].word, err.status, cases[i].status);
    }
}

static void test_cut(void **state)
{
    static const size_t lengths[] = {0, 1, 508, 511, 512, 513, 1020, 1023, 1024, 1025, 5000};
    static char whole[6000];
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct ml_error err = ML_ERROR_INIT;
        filled(whole, lengths[i], 'm');
        ml_error_set(&err, ML_DATA, NULL, "%s", whole);
        check_cut("message", err.message, whole, sizeof err.message);
        ml_error_hint(&err, "%s", whole);
        check_cut("hint", err.hint, whole, sizeof err.hint);
    }
}

static void test_errno(void **state)
{
    static const struct {
        const char *name;
        int errnum, status, want;
    } cases[] = {
        {"ENOENT", ENOENT, 0, ML_NO_INPUT},
        {"ENOTDIR", ENOTDIR, 0, ML_NO_INPUT},
        {"EACCES", EACCES, 0, ML_REFUSED},
        {"EPERM", EPERM, 0, ML_REFUSED},
        {"ELOOP", ELOOP, 0, ML_REFUSED},
        {"EROFS", EROFS, 0, ML_CANT_CREATE},
        {"ENOMEM", ENOMEM, 0, ML_LIMIT},
        {"EMFILE", EMFILE, 0, ML_LIMIT},
        {"ENOSPC", ENOSPC, 0, ML_IO},
        {"EIO", EIO, 0, ML_IO},
        {"the caller knows better", ENOENT, ML_CONFIG, ML_CONFIG},
        {"the caller cannot know", ENOMEM, ML_CANT_CREATE, ML_LIMIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        char want[256];
        const char *name = cases[i].name;
        case_int(name, ml_error_errno(&err, cases[i].status, cases[i].errnum, "cannot %s", "go"),
                 -1);
        snprintf(want, sizeof want, "cannot go: %s", strerror(cases[i].errnum));
        case_int(name, err.status, cases[i].want);
        case_text(name, err.message, want);
        case_text(name, err.code,
                  cases[i].errnum == ENOMEM ? "out_of_memory" : ml_status_code(cases[i].want));
        case_int(name, err.hint[0] != '\0', cases[i].errnum == ENOSPC);
    }
}

static void test_errno_cut(void **state)
{
    static char text[1200], whole[1400];
    for (size_t n = 980; n < 1040; n++) {
        struct ml_error err = ML_ERROR_INIT;
        char name[32];
        snprintf(name, sizeof name, "a message of %zu", n);
        ml_error_errno(&err, 0, EACCES, "%s", filled(text, n, 'm'));
        snprintf(whole, sizeof whole, "%s: %s", text, strerror(EACCES));
        check_cut(name, err.message, whole, sizeof err.message);
    }
}

static void test_wrap(void **state)
{
    struct ml_error err = ML_ERROR_INIT;
    ml_error_set(&err, ML_DATA, "inner_code", "inner");
    ml_error_hint(&err, "a hint");
    assert_int_equal(ml_error_wrap(&err, "%s %d", "outer", 1), -1);
    assert_string_equal(err.message, "outer 1: inner");
    assert_int_equal(err.status, ML_DATA);
    assert_string_equal(err.code, "inner_code");
    assert_string_equal(err.hint, "a hint");
    ml_error_wrap(&err, "outermost");
    assert_string_equal(err.message, "outermost: outer 1: inner");
}

static void test_wrap_cut(void **state)
{
    static const size_t lengths[][2] = {{10, 1011}, {10, 1012}, {10, 1023}, {1000, 21}, {1000, 22},
                                        {1020, 1},  {1020, 2},  {1021, 0},  {1021, 1},  {1022, 1},
                                        {1023, 1},  {1024, 1},  {2000, 10}};
    static char outer[2100], inner[1100], whole[3300];
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct ml_error err = ML_ERROR_INIT;
        char name[48];
        filled(outer, lengths[i][0], 'o');
        filled(inner, lengths[i][1], 'i');
        snprintf(name, sizeof name, "%zu and %zu", lengths[i][0], lengths[i][1]);
        snprintf(whole, sizeof whole, "%s: %s", outer, inner);
        ml_error_set(&err, ML_DATA, NULL, "%s", inner);
        ml_error_wrap(&err, "%s", outer);
        check_cut(name, err.message, whole, sizeof err.message);
    }
}

static void test_memory(void **state)
{
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(ml_error_memory(&err), -1);
    assert_int_equal(err.status, ML_LIMIT);
    assert_string_equal(err.code, "out_of_memory");
}

static void test_null(void **state)
{
    assert_int_equal(ml_error_set(NULL, ML_DATA, "x", "%s", "x"), -1);
    assert_int_equal(ml_error_errno(NULL, 0, ENOSPC, "%s", "x"), -1);
    assert_int_equal(ml_error_memory(NULL), -1);
    assert_int_equal(ml_error_wrap(NULL, "%s", "x"), -1);
    assert_int_equal(ml_error_hint(NULL, "%s", "x"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),    cmocka_unit_test(test_set_overwrites),
        cmocka_unit_test(test_cut),    cmocka_unit_test(test_status_words),
        cmocka_unit_test(test_errno),  cmocka_unit_test(test_errno_cut),
        cmocka_unit_test(test_wrap),   cmocka_unit_test(test_wrap_cut),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_null),
    };
    UNIT_RUN("base-error", tests);
}
