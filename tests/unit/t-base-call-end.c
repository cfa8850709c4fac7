/* Goal of this test: whatever ended a call, and whatever the call says of it, it has ended in one
 * of the ways that the manual tells of, with the exit code that is there. */
#include "fixture.h"

#include <signal.h>

#include "base/buf.h"
#include "base/call-end.h"
#include "base/fs.h"
#include "base/scope.h"
#include <fcntl.h>

#define SAYS(status_, outcome_, code_)                                                             \
    {                                                                                              \
        .status = (status_), .outcome = (outcome_), .code = (code_)                                \
    }
#define ENDS(code_, status_)                                                                       \
    {                                                                                              \
        .si_code = (code_), .si_status = (status_)                                                 \
    }

/* Whatever ended it, if it was ended from outside, that is how it ended: also where it had left a
 * report by then, or died of a signal. */
static void test_from_outside(void **state)
{
    static const struct {
        enum ending ending;
        enum call_end end;
    } cases[] = {
        {ENDED_TIMEOUT, CALL_LATE},
        {ENDED_CANCELLED, CALL_CANCELLED},
        {ENDED_RELEASED, CALL_WORKER_GONE},
        {ENDED_LIMIT, CALL_OVER_LIMIT},
    };
    static const struct ml_error good = SAYS(0, "", ""), bad = SAYS(1, "plugin_error", "no");
    static const siginfo_t ends[] = {
        {0}, ENDS(CLD_KILLED, SIGKILL), ENDS(CLD_DUMPED, SIGSEGV), ENDS(CLD_EXITED, 0)};
    static const struct ml_error *const reports[] = {NULL, &good, &bad};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t e = 0; e < sizeof ends / sizeof *ends; e++)
            for (size_t r = 0; r < 3; r++) {
                struct call_facts facts = {cases[i].ending, false, reports[r], &ends[e]};
                assert_int_equal(call_classify(&facts), cases[i].end);
                facts.never_began = true;
                assert_int_equal(call_classify(&facts), CALL_NOT_LOADED);
            }
}

static void test_by_itself(void **state)
{
    static const struct {
        const char *name;
        bool reports;
        struct ml_error report;
        siginfo_t end;
        enum call_end is;
    } cases[] = {
        {"returned", true, SAYS(0, "", ""), {0}, CALL_OK},
        {"failed", true, SAYS(1, "plugin_error", "no"), {0}, CALL_FAILED},
        {"any word", true, SAYS(1, "plugin_error", "exited"), {0}, CALL_FAILED},
        {"too large", true, SAYS(71, "plugin_error", "limit"), {0}, CALL_OVER_LIMIT},
        {"no such function", true, SAYS(127, "undefined_function", ""), {0}, CALL_UNDEFINED},
        {"argument", true, SAYS(65, "bad_argument", ""), {0}, CALL_BAD_ARGUMENT},
        {"exit(0)", false, {0}, ENDS(CLD_EXITED, 0), CALL_EXITED},
        {"exit(7)", false, {0}, ENDS(CLD_EXITED, 7), CALL_EXITED},
        {"killed", false, {0}, ENDS(CLD_KILLED, SIGKILL), CALL_CRASHED},
        {"crashed", false, {0}, ENDS(CLD_DUMPED, SIGSEGV), CALL_CRASHED},
        {"no report", false, {0}, {0}, CALL_BAD_REPORT},
        /* What is not for it to say. */
        {"late, it says", true, SAYS(124, "timeout", ""), {0}, CALL_BAD_REPORT},
        {"cancelled, it says", true, SAYS(130, "cancelled", ""), {0}, CALL_BAD_REPORT},
        {"not begun, it says", true, SAYS(69, "not_loaded", "not_loaded"), {0}, CALL_BAD_REPORT},
        {"gone, it says", true, SAYS(69, "not_loaded", "worker_gone"), {0}, CALL_BAD_REPORT},
        {"crashed, it says", true, SAYS(139, "plugin_error", ""), {0}, CALL_BAD_REPORT},
        {"other status", true, SAYS(0, "timeout", ""), {0}, CALL_BAD_REPORT},
        {"other outcome", true, SAYS(1, "bad_argument", ""), {0}, CALL_BAD_REPORT},
        {"busy", true, SAYS(75, "", "busy"), {0}, CALL_BAD_REPORT},
        {"late, and exited", true, SAYS(124, "timeout", ""), ENDS(CLD_EXITED, 0), CALL_EXITED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ml_error *report = cases[i].reports ? &cases[i].report : NULL;
        struct call_facts facts = {.report = report, .end = &cases[i].end};
        case_int(cases[i].name, call_classify(&facts), cases[i].is);
    }
    assert_int_equal(call_classify(&(struct call_facts){0}), CALL_BAD_REPORT);
}

/* What one side puts into an error, the other takes out. Two are told apart by their word alone. */
static void test_there_and_back(void **state)
{
    for (enum call_end end = CALL_OK; end < N_CALL_ENDS; end++) {
        struct ml_error err = ML_ERROR_INIT;
        enum call_end as = end == CALL_EXITED || end == CALL_BAD_REPORT ? CALL_FAILED
                           : end == CALL_WORKER_GONE                    ? CALL_NOT_LOADED
                                                                        : end;
        int signal = end == CALL_CRASHED ? SIGBUS : 0;
        assert_int_equal(call_error_set(&err, end, signal, "%s %d", "it ended", 7), -1);
        assert_int_equal(call_end_of(&err), as);
        assert_string_equal(err.message, "it ended 7");
        assert_string_equal(err.code, call_classes[end].code);
        assert_int_equal(err.status, call_classes[end].status + signal);
        assert_int_equal(call_error_set(NULL, end, 0, "%s", ""), -1);
    }
    struct ml_error err = ML_ERROR_INIT;
    char *long_text = calloc(2 * ML_ERROR_MESSAGE_MAX, 1);
    memset(long_text, 'x', 2 * ML_ERROR_MESSAGE_MAX - 1);
    call_error_set(&err, CALL_LATE, 0, "%s", long_text);
    free(long_text);
    assert_int_equal(strlen(err.message), ML_ERROR_MESSAGE_MAX - 1);
    assert_string_equal(err.message + ML_ERROR_MESSAGE_MAX - 5, "x...");
    ml_error_set(&err, ML_BUSY, NULL, "busy");
    assert_int_equal(call_end_of(&err), N_CALL_ENDS);
}

/* A row for each outcome and exit code, which has the words that programs can rely on. */
static void test_manual(void **state)
{
    const char *manifests = getenv("MODLOAD_MANIFESTS");
    char path[512], row[128];
    BUF_AUTO text = BUF_INIT;
    snprintf(path, sizeof path, "%s/../README.md", manifests ? manifests : "manifests");
    assert_int_equal(fs_read_file(AT_FDCWD, path, &text, 1 << 20), 0);
    for (enum call_end end = CALL_FAILED; end < N_CALL_ENDS; end++) {
        const struct call_class *class = &call_classes[end];
        snprintf(row, sizeof row, end == CALL_CRASHED ? "\n| `%s` | %d+n |" : "\n| `%s` | %d |",
                 class->outcome, class->status);
        const char *found = strstr(buf_text(&text), row);
        case_true(row, found != NULL);
        if (end == CALL_OVER_LIMIT || end == CALL_EXITED || end == CALL_BAD_REPORT ||
            class->status == ML_NOT_LOADED) {
            snprintf(row, sizeof row, "`%s`", class->code);
            const char *word = strstr(found + 1, row);
            case_true(row, word != NULL && word < strchr(found + 1, '\n'));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_outside),
        cmocka_unit_test(test_by_itself),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_manual),
    };
    UNIT_RUN("call-end", tests);
}
