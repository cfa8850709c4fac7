/* Goal of this test: of what modload-fetch says only what could be true is believed; and without an
 * order it does nothing. */
#include "fetch/message.h"

#include <fcntl.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/prefix.h"

#include "fixture.h"

#define ID "0123456789abcdef0123456789abcdef01234567"

static struct fetch_message result(void)
{
    struct fetch_message m = {.mark = FETCH_MARK, .kind = FETCH_SAYS_RESULT};
    strcpy(m.u.result.commit, ID);
    strcpy(m.u.result.tree, ID);
    strcpy(m.u.result.ref, "refs/tags/v1.0.0");
    strcpy(m.u.result.version, "1.0.0");
    return m;
}

static struct fetch_message error(int status)
{
    struct fetch_message m = {.mark = FETCH_MARK, .kind = FETCH_SAYS_ERROR};
    m.u.error.status = status;
    strcpy(m.u.error.message, "why");
    return m;
}

static struct fetch_message module(void)
{
    struct fetch_message m = {.mark = FETCH_MARK, .kind = FETCH_SAYS_MODULE};
    strcpy(m.u.module.path, "third/lib");
    strcpy(m.u.module.url, "../lib");
    strcpy(m.u.module.commit, ID);
    return m;
}

static void good(void **state)
{
    struct fetch_message m = result();
    assert_true(fetch_message_good(&m));
    m = error(ML_REFUSED);
    assert_true(fetch_message_good(&m));
    m = (struct fetch_message){.mark = FETCH_MARK, .kind = FETCH_SAYS_COUNTS};
    assert_true(fetch_message_good(&m));
    m = module();
    assert_true(fetch_message_good(&m));
}

/* Where it goes is beneath where the rest goes. */
static void modules(void **state)
{
    static const char *const paths[] = {"",     "/lib", "../lib", "a/../../lib",
                                        "lib/", "-lib", "a\nb"};
    struct fetch_message m = module();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        strcpy(m.u.module.path, paths[i]);
        case_true(paths[i], !fetch_message_good(&m));
    }
    m = module();
    memset(m.u.module.path, 'a', sizeof m.u.module.path);
    assert_false(fetch_message_good(&m));
    m = module();
    memset(m.u.module.url, 'a', sizeof m.u.module.url);
    assert_false(fetch_message_good(&m));
    m = module();
    m.u.module.url[2] = '\n';
    assert_false(fetch_message_good(&m));
    m = module();
    m.u.module.commit[0] = 'g';
    assert_false(fetch_message_good(&m));
}

static void results(void **state)
{
    struct fetch_message m = result();
    m.u.result.commit[0] = 'g';
    assert_false(fetch_message_good(&m));
    m = result();
    m.u.result.tree[39] = '\0';
    assert_false(fetch_message_good(&m));
    m = result();
    m.u.result.commit[40] = '0';
    assert_false(fetch_message_good(&m));
    m = result();
    m.u.result.time = -1;
    assert_false(fetch_message_good(&m));
    m.u.result.time = FETCH_TIME_MAX;
    assert_true(fetch_message_good(&m));
    m.u.result.time = FETCH_TIME_MAX + 1;
    assert_false(fetch_message_good(&m));
    m = result();
    m.u.result.ref[4] = '\n';
    assert_false(fetch_message_good(&m));
    m = result();
    memset(m.u.result.ref, 'a', sizeof m.u.result.ref);
    assert_false(fetch_message_good(&m));
    m = result();
    memset(m.u.result.version, '1', sizeof m.u.result.version);
    assert_false(fetch_message_good(&m));
}

static void errors(void **state)
{
    static const int none[] = {0, 1, -1, ML_SIGNAL + 2, ML_USAGE, ML_NOT_LOADED, 1000};
    struct fetch_message m;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        m = error(none[i]);
        assert_false(fetch_message_good(&m));
    }
    m = error(ML_DATA);
    memset(m.u.error.message, 'a', sizeof m.u.error.message);
    assert_false(fetch_message_good(&m));
    m = error(ML_DATA);
    memset(m.u.error.hint, 'a', sizeof m.u.error.hint);
    assert_false(fetch_message_good(&m));
    m = error(ML_DATA);
    strcpy(m.u.error.outcome, "timeout");
    assert_false(fetch_message_good(&m));
}

static void marks(void **state)
{
    struct fetch_message m = result();
    m.mark++;
    assert_false(fetch_message_good(&m));
    m = result();
    m.kind = 0;
    assert_false(fetch_message_good(&m));
    m.kind = FETCH_SAYS_ERROR + 1;
    assert_false(fetch_message_good(&m));
    m = (struct fetch_message){.mark = FETCH_MARK, .kind = FETCH_SAYS_COUNTS};
    m.u.counts.progress.phase = FETCH_EXPORTING + 1;
    assert_false(fetch_message_good(&m));
}

/* It says that it failed, whatever it was given. */
static void no_order(void **state)
{
    char *program = prefix_path("libexec/modload/modload-fetch");
    const char *const argv[] = {program, NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    struct fetch_message last;
    BUF_AUTO out = BUF_INIT;
    spec.argv = argv;
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        spec.stdio[0] = i == 0 ? -1 : zero;
        buf_reset(&out);
        assert_int_equal(child_capture(&spec, clock_ms() + 60000, &out, 1 << 20, &end, NULL), 0);
        assert_int_equal(end.code, 1);
        assert_true(out.len >= sizeof last && out.len % sizeof last == 0);
        memcpy(&last, out.data + out.len - sizeof last, sizeof last);
        assert_true(fetch_message_good(&last) && last.kind == FETCH_SAYS_ERROR);
        assert_int_equal(last.u.error.status, ML_BUG);
    }
    close(zero);
    free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),   cmocka_unit_test(modules), cmocka_unit_test(results),
        cmocka_unit_test(errors), cmocka_unit_test(marks),   cmocka_unit_test(no_order),
    };
    UNIT_RUN("fetch/message", tests);
}
