/* Between texts and the values of C, by a function's signature. Strict, and the same on every
 * machine: what does not fit is refused with the range, never cut or wrapped. Nothing is allocated:
 * a slot points to the text itself, a value into the plugin's memory. */
#include "worker/convert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/call-end.h"
#include "base/error.h"
#include "base/number.h"
#include "client/wire.h"

/* ---- arguments ---- */

/* One argument on its way, with what its errors have to name. */
struct argument {
    const struct ml_function *function;
    const struct ml_param *param;
    size_t position; /* from 1 */
    const char *text;
};

/* Whatever is wrong with an argument, what helps is the signature. */
static int usage_hint(const struct ml_function *function, struct ml_error *err)
{
    return ml_error_hint(err, "usage: %s", function->signature);
}

/* The text is cut at 100 bytes: a megabyte of it would push the reason out of the message. */
static int bad_argument(const struct argument *a, const char *why, struct ml_error *err)
{
    const char *name = a->param->name;
    call_error_set(err, CALL_BAD_ARGUMENT, 0, "%s: argument %zu%s%s%s: '%.100s' %s",
                   a->function->name, a->position, *name ? " (" : "", name, *name ? ")" : "",
                   a->text, why);
    return usage_hint(a->function, err);
}

/* The range is worked out from the width, so that it is right for every type. Floats have no
 * `bits`. */
static int number_fault(const struct argument *a, enum number_fault fault, const char *noun,
                        struct ml_error *err)
{
    char why[96];
    unsigned bits = a->param->type.bits;
    if (fault == NUMBER_MALFORMED)
        snprintf(why, sizeof why, "is not %s", noun);
    else if (a->param->type.kind == ML_KIND_UINT)
        snprintf(why, sizeof why, "is out of range: 0 to %" PRIu64, UINT64_MAX >> (64 - bits));
    else if (bits != 0)
        snprintf(why, sizeof why, "is out of range: %" PRId64 " to %" PRId64,
                 INT64_MIN >> (64 - bits), INT64_MAX >> (64 - bits));
    else
        snprintf(why, sizeof why, "is out of range");
    return bad_argument(a, why, err);
}

/* Four spellings and no more: "yes" or "on" would be a guess. 0 and 1, since scripts have those. */
static int to_bool(const struct argument *a, union ml_slot *slot, struct ml_error *err)
{
    bool yes = strcmp(a->text, "true") == 0 || strcmp(a->text, "1") == 0;
    if (!yes && strcmp(a->text, "false") != 0 && strcmp(a->text, "0") != 0)
        return bad_argument(a, "is not a bool: true, false, 1 or 0", err);
    slot->u = yes;
    return 1;
}

/* Of UTF-8 only ASCII has one byte: a letter with an accent is refused rather than cut in half. */
static int to_char(const struct argument *a, union ml_slot *slot, struct ml_error *err)
{
    if (strlen(a->text) != 1)
        return bad_argument(a, "is not a single character of one byte", err);
    slot->i = a->text[0];
    return 1;
}

/* A name or, since C lets any value of the integer beneath be passed, a number within its width. Of
 * the names as many are told as the message holds. */
static int to_enum(const struct argument *a, union ml_slot *slot, struct ml_error *err)
{
    const struct ml_type *type = &a->param->type;
    const struct ml_enumeration *e = type->enumeration;
    for (uint32_t i = 0; i < e->n_members; i++) {
        if (strcmp(e->members[i].name, a->text) == 0) {
            slot->i = e->members[i].value;
            return 1;
        }
    }
    enum number_fault fault = type->is_signed ? number_parse_int(a->text, type->bits, &slot->i)
                                              : number_parse_uint(a->text, type->bits, &slot->u);
    if (fault == NUMBER_OK)
        return 1;
    char why[256] = "is none of";
    for (uint32_t i = 0; i < e->n_members && strlen(why) < 180; i++)
        snprintf(why + strlen(why), sizeof why - strlen(why), "%s %.60s", i ? "," : "",
                 e->members[i].name);
    return bad_argument(a, why, err);
}

/* Fills one parameter, and returns how many slots it took: 1, or -1. An unknown kind cannot come
 * from a descriptor of our ABI version; it is refused, not guessed. */
static int to_slot(const struct argument *a, union ml_slot *slot, struct ml_error *err)
{
    const struct ml_type *type = &a->param->type;
    enum number_fault fault;
    switch ((enum ml_kind)type->kind) {
    case ML_KIND_BOOL:
        return to_bool(a, slot, err);
    case ML_KIND_CHAR:
        return to_char(a, slot, err);
    case ML_KIND_ENUM:
        return to_enum(a, slot, err);
    case ML_KIND_INT:
        fault = number_parse_int(a->text, type->bits, &slot->i);
        return fault ? number_fault(a, fault, "an integer", err) : 1;
    case ML_KIND_UINT:
        fault = number_parse_uint(a->text, type->bits, &slot->u);
        return fault ? number_fault(a, fault, "an integer", err) : 1;
    case ML_KIND_FLOAT:
        fault = number_parse_float(a->text, &slot->f);
        return fault ? number_fault(a, fault, "a number", err) : 1;
    case ML_KIND_DOUBLE:
        fault = number_parse_double(a->text, &slot->d);
        return fault ? number_fault(a, fault, "a number", err) : 1;
    case ML_KIND_STRING:
    case ML_KIND_BYTES:
        slot->p = a->text;
        return 1;
    case ML_KIND_VOID:
        break;
    }
    return ml_error_set(err, ML_PROTOCOL, "abi", "%s: argument %zu is of an unknown kind (%u)",
                        a->function->name, a->position, type->kind);
}

/* The size of bytes: how many there are, or what the caller said, if there are as many. A text
 * cannot hold a NUL, so strlen is the size. A smaller one is let through: it reads less than there
 * is. A larger one would have the function read beyond our memory. */
static int to_size(const struct argument *bytes, const char *said, union ml_slot *slot,
                   struct ml_error *err)
{
    slot->u = strlen(bytes->text);
    if (said == NULL)
        return 1;
    struct argument size = *bytes;
    uint64_t value;
    size.position++;
    size.text = said;
    if (number_parse_uint(said, 64, &value) != NUMBER_OK || value > slot->u)
        return bad_argument(&size, "is not a size within the bytes before it", err);
    slot->u = value;
    return 1;
}

static size_t count_sized(const struct ml_function *f)
{
    size_t n = 0;
    for (uint32_t i = 0; i < f->n_params; i++)
        n += f->params[i].type.sized;
    return n;
}

/* Counts as the signature shows them, without the sizes that may be given as well. */
static int wrong_count(const struct ml_function *f, size_t n, struct ml_error *err)
{
    call_error_set(err, CALL_BAD_ARGUMENT, 0, "%s: too %s arguments: it takes %u, and got %zu",
                   f->name, n < f->n_params ? "few" : "many", f->n_params, n);
    return usage_hint(f, err);
}

/* With sizes, n is larger by one for each sized parameter: either all are said or none, or it could
 * not be told which text is which. n_params is checked although the builder does: `slots` ends
 * there. */
int convert_args(const struct ml_function *f, char *const *texts, size_t n,
                 union ml_slot slots[CONVERT_SLOTS], struct ml_error *err)
{
    size_t sized = count_sized(f);
    bool sizes_said = sized > 0 && n == f->n_params + sized;
    if ((n != f->n_params && !sizes_said) || f->n_params > ML_PARAMS_MAX)
        return wrong_count(f, n, err);
    size_t at = 0;
    for (uint32_t i = 0; i < f->n_params; i++) {
        struct argument a = {f, &f->params[i], at + 1, texts[at]};
        if (to_slot(&a, slots++, err) < 0)
            return -1;
        at++;
        if (!a.param->type.sized)
            continue;
        if (to_size(&a, sizes_said ? texts[at++] : NULL, slots++, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- results ---- */

/* A NUL becomes "", since a string is what a char prints as. */
static void from_char(int64_t c, char scratch[2], struct ml_value *value)
{
    scratch[0] = (char)c;
    scratch[1] = '\0';
    *value = (struct ml_value){.type = ML_VALUE_STRING, .data = scratch, .size = strlen(scratch)};
}

/* The number where no name fits: a sum of flags is a usual thing for an enum. */
static void from_enum(const struct ml_type *type, int64_t number, struct ml_value *value)
{
    const struct ml_enumeration *e = type->enumeration;
    *value = (struct ml_value){.type = type->is_signed ? ML_VALUE_INT : ML_VALUE_UINT,
                               .integer = number};
    for (uint32_t i = 0; i < e->n_members; i++) {
        if (e->members[i].value != number)
            continue;
        char *name = (char *)(uintptr_t)e->members[i].name;
        *value = (struct ml_value){.type = ML_VALUE_STRING, .data = name, .size = strlen(name)};
        return;
    }
}

/* Null is a value of its own, whatever the size says. */
static int from_data(const struct ml_function *f, enum ml_value_type type, const void *data,
                     size_t size, struct ml_value *value, struct ml_error *err)
{
    *value = (struct ml_value){.type = data ? type : ML_VALUE_NULL};
    if (data == NULL)
        return 0;
    if (size > WIRE_DATA_MAX) {
        return call_error_set(err, CALL_OVER_LIMIT, 0, "the result is larger than %d MiB",
                              WIRE_DATA_MAX >> 20);
    }
    value->data = (char *)(uintptr_t)data;
    value->size = size;
    return 0;
}

/* strnlen, so that a string without an end is read for no more than the limit; where that leads out
 * of the plugin's memory the call crashes, and that is the truth about it. */
int convert_result(const struct ml_function *f, const union ml_slot result[2], char scratch[2],
                   struct ml_value *value, struct ml_error *err)
{
    *value = (struct ml_value){.type = ML_VALUE_NONE};
    switch ((enum ml_kind)f->result.kind) {
    case ML_KIND_VOID:
        break;
    case ML_KIND_BOOL:
        *value = (struct ml_value){.type = ML_VALUE_BOOL, .boolean = result->u != 0};
        break;
    case ML_KIND_CHAR:
        from_char(result->i, scratch, value);
        break;
    case ML_KIND_INT:
        *value = (struct ml_value){.type = ML_VALUE_INT, .integer = result->i};
        break;
    case ML_KIND_UINT:
        *value = (struct ml_value){.type = ML_VALUE_UINT, .uinteger = result->u};
        break;
    case ML_KIND_FLOAT:
        *value = (struct ml_value){.type = ML_VALUE_FLOAT, .real32 = result->f};
        break;
    case ML_KIND_DOUBLE:
        *value = (struct ml_value){.type = ML_VALUE_DOUBLE, .real = result->d};
        break;
    case ML_KIND_ENUM:
        from_enum(&f->result, result->i, value);
        break;
    case ML_KIND_STRING:
        return from_data(f, ML_VALUE_STRING, result->p,
                         result->p ? strnlen(result->p, (size_t)WIRE_DATA_MAX + 1) : 0, value, err);
    case ML_KIND_BYTES:
        return from_data(f, ML_VALUE_BYTES, result->p, result[1].u, value, err);
    }
    return 0;
}
