/* The tests that a plugin brings along, run in a worker of their own. The manifest's JSON is read
 * by base/json-scan.h, as calls are: a test of a 64-bit number is one of all its digits. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json-scan.h"
#include "base/json.h"
#include "base/number.h"
#include "base/scope.h"
#include "client/context.h"
#include "modload/install.h"

/* The worker of somebody who was killed goes by itself: its session has ended with him, and until
 * he has opened that it takes some milliseconds. */
enum { MANIFEST_MAX = 64 << 20, IDLE_MS = 5000, CUT = 400 };

/* How many times as long as one of them all tests of a plugin may take: a manifest has room for a
 * thousand that hang. */
enum { ALL_TESTS = 6 };

/* One test, as it stands in the manifest; what is missing has the type JSON_BAD. */
struct test {
    struct json_slice call, args, expect, error;
};

/* ---- reading ---- */

static int damaged(const char *bundle, struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "damaged",
                 "bundle '%s' is damaged: its manifest.json cannot be read", bundle);
    return ml_error_hint(err, "run: modload verify --repair");
}

/* The next member of an object, or element of an array (`key` null); `first` is true before the
 * first. 1; 0 at the end; -1. */
static int next(struct json_scan *scan, bool *first, struct json_slice *key,
                struct json_slice *value)
{
    if (json_scan_end(scan))
        return 0;
    if (!*first && !json_scan_mark(scan, ','))
        return -1;
    *first = false;
    if (key != NULL && (json_scan_value(scan, key) != JSON_STRING || !json_scan_mark(scan, ':')))
        return -1;
    return json_scan_raw(scan, value) == JSON_BAD ? -1 : 1;
}

/* What is between an object's or an array's brackets. */
static struct json_scan inside(const struct json_slice *whole)
{
    return (struct json_scan){.p = whole->text + 1, .end = whole->text + whole->size - 1};
}

static bool is_key(const struct json_slice *key, const char *word)
{
    return key->size == strlen(word) && memcmp(key->text, word, key->size) == 0;
}

/* Finds the manifest's tests: a JSON_BAD one where there are none. 0; -1: it is no object. */
static int tests_find(struct buf *text, struct json_slice *ret)
{
    struct json_slice whole, key, value;
    struct json_scan all = {.p = text->data, .end = text->data + text->len};
    bool first = true;
    int more;
    *ret = (struct json_slice){.type = JSON_BAD};
    if (text->data == NULL || json_scan_raw(&all, &whole) != JSON_OBJECT)
        return -1;
    struct json_scan scan = inside(&whole);
    while ((more = next(&scan, &first, &key, &value)) > 0)
        if (is_key(&key, "tests"))
            *ret = value;
    return more < 0 || (ret->type != JSON_BAD && ret->type != JSON_ARRAY) ? -1 : 0;
}

static int test_read(const struct json_slice *whole, struct test *ret)
{
    struct json_slice key, value;
    struct json_scan scan = inside(whole);
    bool first = true;
    int more;
    *ret = (struct test){.call.type = JSON_BAD};
    if (whole->type != JSON_OBJECT)
        return -1;
    while ((more = next(&scan, &first, &key, &value)) > 0)
        *(is_key(&key, "call")     ? &ret->call
          : is_key(&key, "args")   ? &ret->args
          : is_key(&key, "expect") ? &ret->expect
                                   : &ret->error) = value;
    return more < 0 || ret->call.type != JSON_STRING ? -1 : 0;
}

/* ---- comparing ---- */

/* A number of JSON is one of the machine's, digit by digit where both are whole. */
static bool number_is(const struct ml_value *value, const struct json_slice *expect)
{
    char text[64], is[NUMBER_TEXT_SIZE];
    if (expect->type != JSON_NUMBER || expect->size >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)expect->size, expect->text);
    bool whole = strpbrk(text, ".eE") == NULL;
    if (whole && value->type == ML_VALUE_INT)
        snprintf(is, sizeof is, "%lld", (long long)value->integer);
    else if (whole && value->type == ML_VALUE_UINT)
        snprintf(is, sizeof is, "%llu", (unsigned long long)value->uinteger);
    else
        return value->type == ML_VALUE_FLOAT    ? strtof(text, NULL) == value->real32
               : value->type == ML_VALUE_DOUBLE ? strtod(text, NULL) == value->real
               : value->type == ML_VALUE_INT    ? strtod(text, NULL) == (double)value->integer
                                                : strtod(text, NULL) == (double)value->uinteger;
    return strcmp(text, is) == 0;
}

/* What JSON has no number for is a text there, as in modload's own answers. */
static bool text_is(const struct ml_value *value, const struct json_slice *given)
{
    char number[NUMBER_TEXT_SIZE];
    struct json_slice expect;
    AUTO_FREE char *copy = strndup(given->text, given->size); /* a text is unescaped in place */
    struct json_scan scan = {.p = copy, .end = copy ? copy + given->size : NULL};
    if (copy == NULL || json_scan_value(&scan, &expect) != JSON_STRING)
        return false;
    if (value->type == ML_VALUE_STRING || value->type == ML_VALUE_BYTES)
        return value->size == expect.size && memcmp(value->data, expect.text, expect.size) == 0;
    if (value->type == ML_VALUE_FLOAT)
        number_format_float(value->real32, number);
    else if (value->type == ML_VALUE_DOUBLE)
        number_format_double(value->real, number);
    else
        return false;
    return is_key(&expect, number);
}

/* {"base64": "..."} */
static bool bytes_are(const struct ml_value *value, const struct json_slice *expect)
{
    struct json_slice key, member;
    struct json_scan scan = inside(expect);
    bool first = true, same;
    JSON_AUTO is = {.depth = 0};
    if (expect->type != JSON_OBJECT || value->data == NULL ||
        next(&scan, &first, &key, &member) != 1 || !is_key(&key, "base64"))
        return false;
    json_bytes(&is, value->data, value->size);
    /* {"base64":"..."} ends in the value, its quotes and a bracket */
    const char *text = buf_text(&is.out);
    same = is.out.len > member.size + 1 &&
           memcmp(text + is.out.len - 1 - member.size, member.text, member.size) == 0 &&
           is.out.len == strlen("{\"base64\":}") + member.size;
    return same;
}

static bool value_is(const struct ml_value *value, const struct json_slice *expect)
{
    switch (value->type) {
    case ML_VALUE_NONE:
    case ML_VALUE_NULL:
        return expect->type == JSON_NULL;
    case ML_VALUE_BOOL:
        return expect->type == (value->boolean ? JSON_TRUE : JSON_FALSE);
    case ML_VALUE_STRING:
    case ML_VALUE_BYTES:
        return text_is(value, expect) || bytes_are(value, expect);
    default:
        return number_is(value, expect) || text_is(value, expect);
    }
}

/* ---- saying it ---- */

static void put_value(struct buf *out, const struct ml_value *value)
{
    char number[NUMBER_TEXT_SIZE];
    JSON_AUTO text = {.depth = 0};
    switch (value->type) {
    case ML_VALUE_NONE:
    case ML_VALUE_NULL:
        buf_str(out, "null");
        return;
    case ML_VALUE_BOOL:
        buf_str(out, value->boolean ? "true" : "false");
        return;
    case ML_VALUE_INT:
        buf_fmt(out, "%lld", (long long)value->integer);
        return;
    case ML_VALUE_UINT:
        buf_fmt(out, "%llu", (unsigned long long)value->uinteger);
        return;
    case ML_VALUE_FLOAT:
        number_format_float(value->real32, number);
        buf_str(out, number);
        return;
    case ML_VALUE_DOUBLE:
        number_format_double(value->real, number);
        buf_str(out, number);
        return;
    case ML_VALUE_STRING:
    case ML_VALUE_BYTES:
        json_text(&text, value->data, value->size < CUT ? value->size : CUT);
        buf_str(out, buf_text(&text.out));
        return;
    }
}

/* In one line: what is between the tokens says nothing. */
static void put_slice(struct buf *out, const struct json_slice *slice)
{
    size_t end = out->len + CUT;
    bool text = false;
    for (size_t i = 0; i < slice->size && out->len < end; i++) {
        char c = slice->text[i];
        if (text && c == '\\' && i + 1 < slice->size)
            buf_char(out, slice->text[i++]);
        else if (c == '"')
            text = !text;
        if (text || strchr(" \t\r\n", c) == NULL)
            buf_char(out, slice->text[i]);
    }
    if (out->len >= end)
        buf_str(out, "...");
}

/* Whether it went as it should; why not, if it did not. */
static bool judge(const struct test *t, int status, const struct ml_value *value,
                  const struct ml_error *failure, struct buf *why)
{
    struct json_slice code = t->error;
    struct json_scan scan = {.p = code.text, .end = code.text + code.size};
    if (code.type == JSON_STRING) {
        if (json_scan_value(&scan, &code) != JSON_STRING)
            code.size = 0;
        if (status < 0 && is_key(&code, failure->code))
            return true;
        buf_fmt(why, "expected the error %.*s, got ", (int)code.size, code.text);
    } else if (t->expect.type != JSON_BAD) {
        if (status == 0 && value_is(value, &t->expect))
            return true;
        buf_str(why, "expected ");
        put_slice(why, &t->expect);
        buf_str(why, ", got ");
    } else if (status == 0) {
        return true;
    }
    if (status < 0)
        buf_fmt(why, "%s", failure->message);
    else
        put_value(why, value);
    return false;
}

/* ---- running ---- */

struct run {
    struct ml_ctx *ctx;
    struct ml_key key;
    struct ml_session *session;
    int64_t timeout_ms;
    int64_t deadline_ms; /* of all of them */
    int null;
};

static int begin(struct run *r, const char *bundle, int cancel_fd, struct ml_error *err)
{
    const struct ml_start how = {
        .timeout_ms = r->timeout_ms, .cancel_fd = cancel_fd, .idle_ms = IDLE_MS, .bundle = bundle};
    const struct ml_session_options options = {
        .stdio = {r->null, r->null, r->null}, .cancel_fd = cancel_fd, .timeout_ms = r->timeout_ms};
    ml_key_generate(&r->key);
    if (ml_load(r->ctx, &r->key, &how, NULL, err) < 0) {
        ml_release(r->ctx, &r->key, ML_RELEASE_NOW, NULL); /* its log */
        return -1;
    }
    if (ml_session_open(r->ctx, &r->key, &options, &r->session, err) == 0)
        return 0;
    ml_release(r->ctx, &r->key, ML_RELEASE_NOW, NULL);
    return -1;
}

static void end(struct run *r)
{
    ml_session_close(r->session);
    ml_release(r->ctx, &r->key, ML_RELEASE_NOW, NULL); /* else it leaves when it has been idle */
}

/* The call as a line, which reading it takes apart. */
static void line_write(const struct test *t, struct buf *line)
{
    buf_str(line, "{\"call\":");
    buf_add(line, t->call.text, t->call.size);
    buf_str(line, ",\"args\":");
    if (t->args.type == JSON_BAD)
        buf_str(line, "[]");
    else
        buf_add(line, t->args.text, t->args.size);
    buf_char(line, '}');
}

/* 1: passed; 0: not; -1: the session is over, or could not be used. */
static int test_run(struct run *r, const struct test *t, struct buf *why, struct ml_error *err)
{
    BUF_AUTO line = BUF_INIT;
    struct ml_error failure = ML_ERROR_INIT;
    struct ml_value value = {.type = ML_VALUE_NONE};
    AUTO_FREE struct ml_call_line *call = calloc(1, sizeof *call);
    line_write(t, &line);
    if (line.failed || call == NULL)
        return ml_error_memory(err);
    int status = ml_call_read(line.data, line.len, call, &failure);
    if (status == 0) {
        int64_t left = r->deadline_ms - clock_ms();
        if (r->timeout_ms > 0 && left <= 0)
            return ml_error_set(err, ML_TIMEOUT, NULL, "its tests take longer than %g s",
                                (double)(r->timeout_ms * ALL_TESTS) / 1000);
        call->call.timeout_ms = r->timeout_ms == 0 || r->timeout_ms < left ? r->timeout_ms : left;
        status = ml_session_call(r->session, &call->call, &value, &failure);
    }
    if (status < 0 && ml_session_over(r->session)) {
        if (err != NULL)
            *err = failure;
        return -1;
    }
    bool passed = judge(t, status, &value, &failure, why);
    ml_value_done(&value);
    return why->failed ? ml_error_memory(err) : passed;
}

static void put_call(struct buf *out, const struct test *t)
{
    buf_add(out, t->call.text + 1, t->call.size - 2);
    buf_char(out, ' ');
    if (t->args.type == JSON_BAD)
        buf_str(out, "[]");
    else
        put_slice(out, &t->args);
}

struct teller {
    int (*each)(const struct ml_test_result *result, void *arg);
    void *arg;
    size_t count;
};

/* How many failed; what `each` returned; -1. */
static int run_all(struct run *r, const struct json_slice *tests, const struct teller *tell,
                   const char *bundle, struct ml_error *err)
{
    struct json_scan scan = inside(tests);
    struct json_slice value;
    struct test test;
    bool first = true;
    int more, failed = 0;
    for (size_t number = 1; (more = next(&scan, &first, NULL, &value)) > 0; number++) {
        BUF_AUTO why = BUF_INIT;
        BUF_AUTO call = BUF_INIT;
        if (test_read(&value, &test) < 0)
            return damaged(bundle, err);
        int passed = test_run(r, &test, &why, err);
        if (passed < 0)
            return -1;
        put_call(&call, &test);
        failed += !passed;
        const struct ml_test_result result = {number, tell->count, buf_text(&call), passed > 0,
                                              buf_text(&why)};
        int stop = tell->each ? tell->each(&result, tell->arg) : 0;
        if (stop != 0)
            return stop;
    }
    return more < 0 ? damaged(bundle, err) : failed;
}

static int tests_count(const struct json_slice *tests, size_t *ret)
{
    struct json_scan scan = inside(tests);
    struct json_slice value;
    bool first = true;
    int more;
    while ((more = next(&scan, &first, NULL, &value)) > 0)
        ++*ret;
    return more;
}

static int manifest_text(struct ml_ctx *ctx, const char *bundle, struct buf *ret,
                         struct ml_error *err)
{
    struct store *store;
    if (ctx_store(ctx, false, &store, err) < 0)
        return -1;
    AUTO_CLOSE int dir = store_bundle_open(store, bundle, err);
    if (dir < 0)
        return -1;
    if (fs_read_file(dir, "manifest.json", ret, MANIFEST_MAX) == 0)
        return 0;
    return errno_is_shortage(errno)
               ? ml_error_errno(err, 0, errno, "cannot read the manifest of bundle '%s'", bundle)
               : damaged(bundle, err);
}

int ml_bundle_test(struct ml_ctx *ctx, const char *bundle, int64_t timeout_ms, int cancel_fd,
                   int (*each)(const struct ml_test_result *result, void *arg), void *arg,
                   struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    struct json_slice tests;
    struct teller tell = {each, arg, 0};
    AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct run run = {.ctx = ctx, .timeout_ms = timeout_ms, .null = null};
    run.deadline_ms = clock_ms() + timeout_ms * ALL_TESTS;
    if (manifest_text(ctx, bundle, &text, err) < 0)
        return -1;
    if (tests_find(&text, &tests) < 0)
        return damaged(bundle, err);
    if (tests.type == JSON_BAD)
        return 0;
    if (tests_count(&tests, &tell.count) < 0)
        return damaged(bundle, err);
    if (tell.count == 0)
        return 0;
    if (null < 0)
        return ml_error_errno(err, 0, errno, "cannot open /dev/null");
    if (begin(&run, bundle, cancel_fd, err) < 0)
        return -1;
    int failed = run_all(&run, &tests, &tell, bundle, err);
    end(&run);
    return failed;
}
