/* From texts to values, by a signature, and back. The first line is the signature, a word per
 * parameter, the other lines are the texts:
 *     b bool   c char   i1 i2 i4 i8 u1 u2 u4 u8 integers of so many bytes   f float   d double
 *     e1 e2 e4 e8 E1 E2 E4 E8 enums, signed and not   s string   p bytes   P bytes with their size
 * What is taken is in the range of its type, and its own text converts to the same value. */
#include "worker/convert.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "client/wire.h"
#include "fuzz.h"

enum { TEXTS_MAX = 80, TEXT_SIZE = 40 };

static const struct ml_enumerator members[] = {
    {"RED", 0}, {"GREEN", 5}, {"BLUE", -7}, {"LIME", 5}, {"", 9}};
static const struct ml_enumeration color = {"enum color", members, 5};

/* ---- signatures ---- */

static bool read_type(const char *word, struct ml_type *ret)
{
    static const char letters[] = "bciufdeEspP";
    static const uint8_t kinds[] = {ML_KIND_BOOL,   ML_KIND_CHAR,   ML_KIND_INT,  ML_KIND_UINT,
                                    ML_KIND_FLOAT,  ML_KIND_DOUBLE, ML_KIND_ENUM, ML_KIND_ENUM,
                                    ML_KIND_STRING, ML_KIND_BYTES,  ML_KIND_BYTES};
    const char *letter = *word ? strchr(letters, *word) : NULL;
    if (letter == NULL)
        return false;
    *ret = (struct ml_type){.kind = kinds[letter - letters], .sized = *word == 'P'};
    if (strchr("iueE", *word) == NULL)
        return word[1] == '\0';
    if (word[1] == '\0' || strchr("1248", word[1]) == NULL || word[2] != '\0')
        return false;
    ret->bits = (uint8_t)(8 * (word[1] - '0'));
    ret->is_signed = *word == 'e';
    ret->enumeration = ret->kind == ML_KIND_ENUM ? &color : NULL;
    return true;
}

static uint32_t read_signature(char *line, struct ml_param params[ML_PARAMS_MAX])
{
    uint32_t n = 0;
    char *rest = line;
    for (char *word; n < ML_PARAMS_MAX && (word = strsep(&rest, " ")) != NULL;)
        if (read_type(word, &params[n].type)) {
            params[n].name = n % 2 ? "" : "x";
            n++;
        }
    return n;
}

/* ---- values ---- */

static void check_range(const struct ml_type *type, const union ml_slot *slot)
{
    unsigned unused = 64u - type->bits;
    if (type->kind == ML_KIND_BOOL)
        CHECK(slot->u <= 1);
    if (type->kind == ML_KIND_CHAR)
        CHECK(slot->i == (char)slot->i && slot->i != 0);
    if (type->kind == ML_KIND_INT)
        CHECK(INT64_MIN >> unused <= slot->i && slot->i <= INT64_MAX >> unused);
    if (type->kind == ML_KIND_UINT)
        CHECK(slot->u <= UINT64_MAX >> unused);
}

/* The text of a value, as people would write it. */
static void write_text(const struct ml_type *type, const union ml_slot *slot, char text[TEXT_SIZE])
{
    switch ((enum ml_kind)type->kind) {
    case ML_KIND_BOOL:
        strcpy(text, slot->u ? "true" : "false");
        break;
    case ML_KIND_CHAR:
        snprintf(text, TEXT_SIZE, "%c", (char)slot->i);
        break;
    case ML_KIND_FLOAT:
        number_format_float(slot->f, text);
        break;
    case ML_KIND_DOUBLE:
        number_format_double(slot->d, text);
        break;
    case ML_KIND_UINT:
        snprintf(text, TEXT_SIZE, "%" PRIu64, slot->u);
        break;
    default:
        snprintf(text, TEXT_SIZE, "%" PRId64, slot->i);
        break;
    }
}

/* Names of an enum may stand for what its integer cannot hold: then only the name is its text. */
static bool has_text(const struct ml_type *type, const union ml_slot *slot)
{
    if (type->kind == ML_KIND_FLOAT)
        return !isnan(slot->f);
    if (type->kind == ML_KIND_DOUBLE)
        return !isnan(slot->d);
    return type->kind != ML_KIND_STRING && type->kind != ML_KIND_BYTES &&
           type->kind != ML_KIND_ENUM;
}

static void check_again(const struct ml_param *param, const union ml_slot *slot)
{
    char text[TEXT_SIZE];
    char *texts[] = {text};
    union ml_slot *again = calloc(CONVERT_SLOTS, sizeof *again);
    struct ml_function one = {.name = "f", .signature = "f(x)", .params = param, .n_params = 1};
    write_text(&param->type, slot, text);
    CHECK(again != NULL && convert_args(&one, texts, 1, again, NULL) == 0);
    if (param->type.kind == ML_KIND_FLOAT)
        CHECK(again->f == slot->f);
    else
        CHECK(again->u == slot->u);
    free(again);
}

/* ---- results ---- */

/* A value of any kind goes over the wire; a bool is one of two, whatever the plugin returned. */
static void check_result(const struct ml_param *param, const union ml_slot slots[2])
{
    struct ml_function f = {.name = "f", .signature = "f()", .result = param->type};
    struct ml_value value, again;
    char scratch[2];
    BUF_AUTO payload = BUF_INIT;
    CHECK(convert_result(&f, slots, scratch, &value, NULL) == 0);
    wire_put_value(&payload, &value);
    CHECK(wire_get_outcome(&payload, &again, NULL) == 0);
    CHECK(again.type == value.type && again.size == value.size);
    if (value.data != NULL)
        CHECK(memcmp(value.data, again.data, value.size) == 0);
    ml_value_done(&again);
}

/* Four spellings and no more. */
static void check_bool(const char *text, const union ml_slot *slot)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    bool no = strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
    CHECK((yes && slot->u == 1) || (no && slot->u == 0));
}

static void check_slots(const struct ml_function *f, const union ml_slot *slots)
{
    for (uint32_t i = 0; i < f->n_params; i++) {
        const struct ml_param *param = &f->params[i];
        check_range(&param->type, slots);
        if (has_text(&param->type, slots))
            check_again(param, slots);
        if (param->type.sized)
            CHECK(slots[1].u <= strlen(slots[0].p));
        if (param->type.kind != ML_KIND_BYTES || param->type.sized)
            check_result(param, slots);
        slots += 1 + param->type.sized;
    }
}

static void check_refusal(const struct ml_error *err)
{
    fuzz_refused(err);
    CHECK(err->status == ML_DATA && strcmp(err->code, "bad_argument") == 0);
    CHECK(strcmp(err->outcome, "bad_argument") == 0 && strncmp(err->hint, "usage: ", 7) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_param params[ML_PARAMS_MAX] = {{0}};
    struct ml_function f = {.name = "f", .signature = "f(...)", .params = params};
    struct ml_error err = ML_ERROR_INIT;
    char *texts[TEXTS_MAX], *signature = fuzz_line(&data, &size);
    size_t n = 0;
    union ml_slot *slots = calloc(CONVERT_SLOTS, sizeof *slots);
    f.n_params = signature ? read_signature(signature, params) : 0;
    while (n < TEXTS_MAX && (texts[n] = fuzz_line(&data, &size)) != NULL)
        n++;
    if (convert_args(&f, texts, n, slots, &err) == 0)
        check_slots(&f, slots);
    else
        check_refusal(&err);
    if (err.status == 0 && f.n_params > 0 && params[0].type.kind == ML_KIND_BOOL)
        check_bool(texts[0], &slots[0]);
    while (n > 0)
        free(texts[--n]);
    free(slots);
    free(signature);
    return 0;
}
