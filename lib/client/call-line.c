/* Reading calls. Strict: a misspelt key is an error, not a call without arguments, and a key that
 * stands twice has no meaning. */
#include <string.h>

#include "base/error.h"
#include "base/json-scan.h"
#include "modload/abi.h"
#include "modload/modload.h"

_Static_assert(ML_CALL_ARGS == 2 * ML_PARAMS_MAX, "a parameter, and a size for it");

struct reader {
    struct json_scan scan;
    struct ml_call_line *ret;
    struct ml_error *err;
    bool has_call, has_args;
};

static int bad_line(struct reader *r, const char *why)
{
    ml_error_set(r->err, ML_DATA, "bad_line", "%s", why);
    return ml_error_hint(r->err, "a line is {\"call\": \"add\", \"args\": [2, 3]}; \"id\" may be "
                                 "anything");
}

static int not_json(struct reader *r)
{
    return bad_line(r, r->scan.fault ? r->scan.fault : "that is not JSON");
}

static int bad_argument(struct reader *r, size_t position, const char *why)
{
    return ml_error_set(r->err, ML_DATA, "bad_argument", "argument %zu %s", position, why);
}

/* ---- bytes ---- */

static int base64_digit(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* In place (RFC 4648 section 4, with its padding). The size, or -1. */
static ptrdiff_t base64_decode(char *text, size_t size)
{
    char *to = text;
    size_t n = size;
    while (n > 0 && text[n - 1] == '=' && size - n < 2)
        n--;
    if (size % 4 != 0 || n % 4 == 1)
        return -1;
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            *to++ = (char)(bits >> (6 - i % 4 * 2));
    }
    return to - text;
}

/* {"base64": "..."}: its text becomes the bytes. */
static bool take_bytes(struct json_slice *object)
{
    struct json_scan inner = {.p = object->text, .end = object->text + object->size};
    struct json_slice key, value;
    if (!json_scan_mark(&inner, '{') || json_scan_value(&inner, &key) != JSON_STRING ||
        key.size != 6 || memcmp(key.text, "base64", 6) != 0 || !json_scan_mark(&inner, ':') ||
        json_scan_value(&inner, &value) != JSON_STRING || !json_scan_mark(&inner, '}'))
        return false;
    ptrdiff_t size = base64_decode(value.text, value.size);
    if (size < 0)
        return false;
    object->text = value.text;
    object->size = (size_t)size;
    return true;
}

/* ---- arguments ---- */

/* As the command line would have it: a text without a NUL in it. */
static int check_argument(struct reader *r, size_t position, struct json_slice *value)
{
    switch (value->type) {
    case JSON_BAD:
        return not_json(r);
    case JSON_NULL:
        return bad_argument(r, position, "is null, which no parameter can be");
    case JSON_ARRAY:
        return bad_argument(r, position, "is an array, which no parameter can be");
    case JSON_OBJECT:
        if (!take_bytes(value))
            return bad_argument(r, position, "is an object, and not {\"base64\": \"...\"}");
        break;
    case JSON_STRING:
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        break;
    }
    if (memchr(value->text, '\0', value->size) != NULL)
        return bad_argument(r, position, "holds a NUL, which no text of C can");
    return 0;
}

/* The NUL behind a text is written once what stands there has been read. */
static int take_args(struct reader *r)
{
    struct ml_call *call = &r->ret->call;
    struct json_slice value;
    bool last = false;
    if (!json_scan_mark(&r->scan, '['))
        return bad_line(r, "\"args\" is no array");
    if (json_scan_mark(&r->scan, ']'))
        return 0;
    for (; !last; call->n_args++) {
        json_scan_value(&r->scan, &value);
        if (check_argument(r, call->n_args + 1, &value) < 0)
            return -1;
        if (call->n_args == ML_CALL_ARGS)
            return bad_argument(r, call->n_args + 1, "is more than any function takes");
        last = json_scan_mark(&r->scan, ']');
        if (!last && !json_scan_mark(&r->scan, ','))
            return not_json(r);
        value.text[value.size] = '\0';
        r->ret->args[call->n_args] = value.text;
    }
    return 0;
}

/* ---- the line ---- */

static int take_name(struct reader *r)
{
    struct json_slice name;
    enum json_type type = json_scan_value(&r->scan, &name);
    if (type == JSON_BAD)
        return not_json(r);
    if (type != JSON_STRING || name.size == 0 || memchr(name.text, '\0', name.size) != NULL)
        return bad_line(r, "\"call\" is no name of a function");
    name.text[name.size] = '\0'; /* over its quote, or before it */
    r->ret->call.function = name.text;
    return 0;
}

static int once(struct reader *r, bool *seen, const char *what)
{
    if (*seen)
        return bad_line(r, what);
    *seen = true;
    return 0;
}

static bool is(const struct json_slice *key, const char *name)
{
    return key->size == strlen(name) && memcmp(key->text, name, key->size) == 0;
}

static int take_id(struct reader *r)
{
    struct json_slice id;
    if (r->ret->id != NULL)
        return bad_line(r, "\"id\" stands twice");
    if (json_scan_raw(&r->scan, &id) == JSON_BAD)
        return not_json(r);
    r->ret->id = id.text;
    r->ret->id_size = id.size;
    return 0;
}

static int take_member(struct reader *r)
{
    struct json_slice key;
    if (json_scan_value(&r->scan, &key) != JSON_STRING || !json_scan_mark(&r->scan, ':'))
        return not_json(r);
    if (is(&key, "call"))
        return once(r, &r->has_call, "\"call\" stands twice") < 0 ? -1 : take_name(r);
    if (is(&key, "args"))
        return once(r, &r->has_args, "\"args\" stands twice") < 0 ? -1 : take_args(r);
    if (!is(&key, "id"))
        return bad_line(r, "a key is none of \"call\", \"args\" and \"id\"");
    return take_id(r);
}

int ml_call_read(char *line, size_t size, struct ml_call_line *ret, struct ml_error *err)
{
    struct reader r = {.scan = {.p = line, .end = line + size}, .ret = ret, .err = err};
    ret->call = (struct ml_call){.args = ret->args};
    ret->id = NULL;
    ret->id_size = 0;
    if (!json_scan_mark(&r.scan, '{'))
        return bad_line(&r, "it is no JSON object");
    do
        if (take_member(&r) < 0)
            return -1;
    while (json_scan_mark(&r.scan, ','));
    if (!json_scan_mark(&r.scan, '}') || !json_scan_end(&r.scan))
        return not_json(&r);
    return r.has_call ? 0 : bad_line(&r, "it has no \"call\"");
}
