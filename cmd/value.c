/* How a result is shown: to people, and in JSON. */
#include "base/json.h"
#include "base/number.h"
#include "cmd/command.h"

/* Floats as floats: 0.1f is "0.1", not the 17 digits of the double next to it. Text and JSON have
 * the same digits, so that either can be compared with the other. */
static void number_text(const struct ml_value *value, char text[NUMBER_TEXT_SIZE])
{
    if (value->type == ML_VALUE_FLOAT)
        number_format_float(value->real32, text);
    else
        number_format_double(value->real, text);
}

/* A line behind every result but bytes, whose end is the caller's own: a picture must arrive as it
 * is. Strings raw, NUL and all. */
void value_text(struct buf *out, const struct ml_value *value)
{
    char text[NUMBER_TEXT_SIZE];
    switch (value->type) {
    case ML_VALUE_NONE:
        return; /* a function that returns nothing has no line either */
    case ML_VALUE_NULL:
        buf_str(out, "null");
        break;
    case ML_VALUE_BOOL:
        buf_str(out, value->boolean ? "true" : "false");
        break;
    case ML_VALUE_INT:
        buf_fmt(out, "%lld", (long long)value->integer);
        break;
    case ML_VALUE_UINT:
        buf_fmt(out, "%llu", (unsigned long long)value->uinteger);
        break;
    case ML_VALUE_FLOAT:
    case ML_VALUE_DOUBLE:
        number_text(value, text);
        buf_str(out, text);
        break;
    case ML_VALUE_STRING:
    case ML_VALUE_BYTES:
        buf_add(out, value->data, value->size);
        break;
    }
    if (value->type != ML_VALUE_BYTES)
        buf_char(out, '\n');
}

/* What is not UTF-8 becomes base64 instead of something else. */
void value_json(struct json *out, const struct ml_value *value)
{
    char text[NUMBER_TEXT_SIZE];
    switch (value->type) {
    case ML_VALUE_NONE:
    case ML_VALUE_NULL:
        json_null(out);
        break;
    case ML_VALUE_BOOL:
        json_bool(out, value->boolean);
        break;
    case ML_VALUE_INT:
        json_int(out, value->integer);
        break;
    case ML_VALUE_UINT:
        json_uint(out, value->uinteger);
        break;
    case ML_VALUE_FLOAT:
    case ML_VALUE_DOUBLE:
        number_text(value, text);
        json_number(out, text);
        break;
    case ML_VALUE_STRING:
        json_text(out, value->data, value->size);
        break;
    case ML_VALUE_BYTES:
        json_bytes(out, value->data, value->size);
        break;
    }
}
