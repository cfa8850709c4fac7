/* A stub turns slots into arguments by a call through a pointer of the function's own type, so that
 * the compiler that knows the calling convention writes the code. Types are spelled by width: to
 * the convention, an enum is its integer and every pointer is the same. */
#include "build/stubs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "build/limits.h"

void stubs_literal(struct buf *out, const char *text)
{
    buf_char(out, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < ' ' || *p >= 0x7f || strchr("\"\\?", *p))
            buf_fmt(out, "\\%03o", *p); /* three digits: what follows cannot join in */
        else
            buf_char(out, (char)*p);
    }
    buf_char(out, '"');
}

/* ---- types in C ---- */

static const char *integer_type(const struct fn_type *type)
{
    bool is_signed = type->kind == ML_KIND_INT || (type->kind == ML_KIND_ENUM && type->is_signed);
    switch (type->bits) {
    case 8:
        return is_signed ? "int8_t" : "uint8_t";
    case 16:
        return is_signed ? "int16_t" : "uint16_t";
    case 32:
        return is_signed ? "int32_t" : "uint32_t";
    default:
        return is_signed ? "int64_t" : "uint64_t";
    }
}

/* The C type by which the calling convention passes it: an enum is its integer, a pointer is a
 * pointer. */
static const char *c_type(const struct fn_type *type)
{
    switch (type->kind) {
    case ML_KIND_VOID:
        return "void";
    case ML_KIND_BOOL:
        return "_Bool";
    case ML_KIND_CHAR:
        return "char";
    case ML_KIND_FLOAT:
        return "float";
    case ML_KIND_DOUBLE:
        return "double";
    case ML_KIND_STRING:
    case ML_KIND_BYTES:
        return "const void *";
    default:
        return integer_type(type);
    }
}

/* Where a value travels; see enum ml_kind in modload/abi.h. */
static const char *slot_member(const struct fn_type *type)
{
    switch (type->kind) {
    case ML_KIND_BOOL:
    case ML_KIND_UINT:
        return "u";
    case ML_KIND_FLOAT:
        return "f";
    case ML_KIND_DOUBLE:
        return "d";
    case ML_KIND_STRING:
    case ML_KIND_BYTES:
        return "p";
    default:
        return "i";
    }
}

/* ---- stubs ---- */

/* The C types of a function, and with it the shape of its stub: "double (double, double)". */
static void shape_write(struct buf *out, const struct fn *fn)
{
    const char *comma = "";
    buf_fmt(out, "%s (", c_type(&fn->result));
    for (size_t i = 0; i < fn->n_params; i++, comma = ", ")
        buf_fmt(out, "%s%s%s", comma, c_type(&fn->params[i].type),
                fn->params[i].type.sized ? ", size_t" : "");
    if (fn->result.sized)
        buf_fmt(out, "%ssize_t *", comma);
    else if (fn->n_params == 0)
        buf_str(out, "void");
    buf_char(out, ')');
}

static void arguments_write(struct buf *out, const struct fn *fn)
{
    int slot = 0;
    const char *comma = "";
    for (size_t i = 0; i < fn->n_params; i++, comma = ", ") {
        const struct fn_type *type = &fn->params[i].type;
        if (type->kind == ML_KIND_BOOL)
            buf_fmt(out, "%sa[%d].u != 0", comma, slot++);
        else
            buf_fmt(out, "%s(%s)a[%d].%s", comma, c_type(type), slot, slot_member(type));
        if (type->kind != ML_KIND_BOOL)
            slot++;
        if (type->sized)
            buf_fmt(out, ", (size_t)a[%d].u", slot++);
    }
    if (fn->result.sized)
        buf_fmt(out, "%s&size", comma);
}

/* "to" is the function cast to its type. */
static void stub_write(struct buf *out, size_t number, const char *shape, const struct fn *fn)
{
    const struct fn_type *result = &fn->result;
    const char *params = strchr(shape, '(');
    buf_fmt(out,
            "static void ml_s%zu(const void *f, const union ml_slot *a, union ml_slot *r)\n{\n",
            number);
    buf_fmt(out, "    %.*s(*to)%s = (%.*s(*)%s)(uintptr_t)f;\n", (int)(params - shape), shape,
            params, (int)(params - shape), shape, params);
    buf_str(out, "    (void)a;\n    (void)r;\n");
    if (result->sized)
        buf_str(out, "    size_t size = 0;\n");
    buf_str(out, "    ");
    if (result->kind != ML_KIND_VOID)
        buf_fmt(out, "r[0].%s = ", slot_member(result));
    buf_str(out, "to(");
    arguments_write(out, fn);
    buf_str(out, ");\n");
    if (result->sized)
        buf_str(out, "    r[1].u = size;\n");
    buf_str(out, "}\n");
}

/* The functions that can be called, each with its stub. */
struct shaped {
    const struct fn *fn;
    char *shape;
    size_t stub, place; /* the stub's number; the function's own, in the order of names */
};

static int shape_compare(const void *a, const void *b)
{
    return strcmp(((const struct shaped *)a)->shape, ((const struct shaped *)b)->shape);
}

static int place_compare(const void *a, const void *b)
{
    size_t x = ((const struct shaped *)a)->place, y = ((const struct shaped *)b)->place;
    return (x > y) - (x < y);
}

/* The text of the C type is the key: equal texts, equal stubs. */
static size_t shapes_collect(struct arena *a, const struct fn_list *list, struct shaped *items)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct fn *fn = &list->items[i];
        if (fn->reason != NULL)
            continue;
        BUF_AUTO shape = BUF_INIT;
        shape_write(&shape, fn);
        a->failed = a->failed || shape.failed;
        items[n] = (struct shaped){.fn = fn, .place = n};
        items[n++].shape = (char *)arena_str(a, buf_text(&shape));
    }
    return n;
}

/* Thousands of functions share a few shapes. */
static void stubs_write_all(struct buf *out, struct shaped *items, size_t n)
{
    size_t stub = 0;
    if (n == 0)
        return;
    qsort(items, n, sizeof *items, shape_compare);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(items[i].shape, items[i - 1].shape) != 0)
            stub++;
        items[i].stub = stub;
        if (i == 0 || items[i - 1].stub != stub)
            stub_write(out, stub, items[i].shape, items[i].fn);
    }
    qsort(items, n, sizeof *items, place_compare);
}

/* ---- enumerations ---- */

static bool enum_equal(const struct fn_enum *a, const struct fn_enum *b)
{
    if (a->n != b->n || strcmp(a->name, b->name) != 0)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->members[i].value != b->members[i].value ||
            strcmp(a->members[i].name, b->members[i].name) != 0)
            return false;
    return true;
}

struct enums {
    struct arena *a;
    const struct fn_enum **items;
    size_t n;
};

/* The same enum comes once per object that uses it; equal ones are written once. */
static size_t enum_number(struct enums *enums, const struct fn_enum *e)
{
    for (size_t i = 0; i < enums->n; i++)
        if (enums->items[i] == e || enum_equal(enums->items[i], e))
            return i;
    const struct fn_enum **items =
        arena_grow(enums->a, enums->items, enums->n, sizeof *enums->items);
    if (items == NULL)
        return 0;
    enums->items = items;
    items[enums->n] = e;
    return enums->n++;
}

static void enum_write(struct buf *out, size_t number, const struct fn_enum *e)
{
    buf_fmt(out, "static const struct ml_enumerator ml_m%zu[] = {\n", number);
    for (size_t i = 0; i < e->n; i++) {
        buf_str(out, "    {");
        stubs_literal(out, e->members[i].name);
        /* INT64_MIN has no literal of its own. */
        if (e->members[i].value == INT64_MIN)
            buf_str(out, ", INT64_MIN},\n");
        else
            buf_fmt(out, ", INT64_C(%" PRId64 ")},\n", e->members[i].value);
    }
    buf_fmt(out, "    {\"\", 0}\n};\nstatic const struct ml_enumeration ml_e%zu = {", number);
    stubs_literal(out, e->name);
    buf_fmt(out, ", ml_m%zu, %zu};\n", number, e->n);
}

static void enums_collect(struct enums *enums, const struct shaped *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct fn *fn = items[i].fn;
        if (fn->result.enumeration != NULL)
            enum_number(enums, fn->result.enumeration);
        for (size_t k = 0; k < fn->n_params; k++)
            if (fn->params[k].type.enumeration != NULL)
                enum_number(enums, fn->params[k].type.enumeration);
    }
}

/* ---- the tables ---- */

static void type_write(struct buf *out, struct enums *enums, const struct fn_type *type)
{
    buf_fmt(out, "{%d, %d, %d, %d, ", type->kind, type->bits, type->sized, type->is_signed);
    if (type->enumeration != NULL)
        buf_fmt(out, "&ml_e%zu}", enum_number(enums, type->enumeration));
    else
        buf_str(out, "0}");
}

static void params_write(struct buf *out, struct enums *enums, const struct shaped *item)
{
    if (item->fn->n_params == 0)
        return;
    buf_fmt(out, "static const struct ml_param ml_p%zu[] = {", item->place);
    for (size_t i = 0; i < item->fn->n_params; i++) {
        buf_str(out, i ? ", {" : "{");
        stubs_literal(out, item->fn->params[i].name);
        buf_str(out, ", ");
        type_write(out, enums, &item->fn->params[i].type);
        buf_char(out, '}');
    }
    buf_str(out, "};\n");
}

/* The address is that of an array: no header's own declaration of the name can contradict it. */
static void address_write(struct buf *out, const struct shaped *item)
{
    buf_fmt(out, "extern const char ml_f%zu[] __asm__(", item->place);
    stubs_literal(out, item->fn->symbol);
    buf_str(out, ");\n");
}

/* The order is that of the list, which is sorted: workers look names up by halving. */
static void function_write(struct buf *out, struct enums *enums, const struct shaped *item,
                           bool by_name)
{
    buf_str(out, "    {");
    stubs_literal(out, item->fn->name);
    if (by_name)
        buf_str(out, ", 0");
    else
        buf_fmt(out, ", ml_f%zu", item->place);
    buf_fmt(out, ", ml_s%zu, ", item->stub);
    stubs_literal(out, item->fn->signature);
    buf_str(out, ", ");
    type_write(out, enums, &item->fn->result);
    if (item->fn->n_params > 0)
        buf_fmt(out, ", ml_p%zu, %zu},\n", item->place, item->fn->n_params);
    else
        buf_str(out, ", 0, 0},\n");
}

static void tables_write(struct buf *out, struct enums *enums, const struct shaped *items, size_t n,
                         bool by_name)
{
    enums_collect(enums, items, n);
    for (size_t i = 0; i < enums->n; i++)
        enum_write(out, i, enums->items[i]);
    for (size_t i = 0; i < n; i++) {
        params_write(out, enums, &items[i]);
        if (!by_name)
            address_write(out, &items[i]);
    }
    buf_str(out, "static const struct ml_function ml_functions[] = {\n");
    for (size_t i = 0; i < n; i++)
        function_write(out, enums, &items[i], by_name);
    buf_str(out, "};\n");
}

/* Only where there are some: the object of a bundle without stays what it has always been. */
static void limits_write(struct buf *out, const struct ml_plugin_limits *l)
{
    if (l == NULL || !limits_any(l))
        return;
    const uint64_t values[] = {l->timeout_ms, l->cpu_ms,      l->memory,
                               l->output,     l->descriptors, l->processes};
    buf_str(out, "__attribute__((visibility(\"default\")))\n"
                 "const struct ml_plugin_limits ml_plugin_limits = {\n    ML_LIMITS_VERSION, 0");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        buf_fmt(out, ", UINT64_C(%" PRIu64 ")", values[i]);
    buf_str(out, "};\n");
}

void stubs_write(struct buf *out, const struct stubs_plugin *plugin)
{
    ARENA_AUTO arena = ARENA_INIT;
    struct shaped *items = arena_alloc(&arena, plugin->functions->n, sizeof *items);
    size_t n = items ? shapes_collect(&arena, plugin->functions, items) : 0;
    struct enums enums = {.a = &arena};
    buf_str(out, "#include <modload/abi.h>\n");
    stubs_write_all(out, items, n);
    tables_write(out, &enums, items, n, plugin->by_name);
    buf_str(out, "__attribute__((visibility(\"default\")))\n"
                 "const struct ml_descriptor ml_plugin_descriptor = {\n"
                 "    ML_ABI_MAGIC, ML_ABI_VERSION, ");
    stubs_literal(out, plugin->name);
    buf_str(out, ", ");
    stubs_literal(out, plugin->version);
    buf_fmt(out, ", ml_functions, %zu};\n", n);
    limits_write(out, plugin->limits);
    if (arena.failed)
        out->failed = true;
}
