/* What crosses the border is decided by the type alone, seen through typedefs and qualifiers. Names
 * count in two places: plain char is told from signed and unsigned char by its name, which is the
 * only difference in DWARF, and a length is told from any other unsigned long by the typedef
 * size_t. */
#include "build/dwarf-type.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

/* Debug information of an object that somebody else built may go round in circles. */
enum { PEEL_MAX = 64, NAME_DEPTH_MAX = 8, ENUMERATORS_MAX = 65536 };

/* False for void, which is the absence of a type. */
static bool type_of(Dwarf_Die *owner, Dwarf_Die *ret)
{
    Dwarf_Attribute attr;
    return dwarf_attr_integrate(owner, DW_AT_type, &attr) != NULL &&
           dwarf_formref_die(&attr, ret) != NULL;
}

static void peel_typedef(Dwarf_Die *die, struct peeled *ret)
{
    const char *name = dwarf_diename(die);
    if (name == NULL)
        return;
    if (ret->alias == NULL)
        ret->alias = name;
    ret->is_size = ret->is_size || strcmp(name, "size_t") == 0;
}

/* Notes one layer; false when it is none. */
static bool peel_layer(Dwarf_Die *die, struct peeled *ret)
{
    switch (dwarf_tag(die)) {
    case DW_TAG_typedef:
        peel_typedef(die, ret);
        return true;
    case DW_TAG_const_type:
        ret->is_const = true;
        return true;
    case DW_TAG_atomic_type:
        ret->is_atomic = true;
        return true;
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
        return true;
    default:
        return false;
    }
}

void dwarf_peel(Dwarf_Die *owner, struct peeled *ret)
{
    *ret = (struct peeled){0};
    Dwarf_Die at = *owner;
    for (int i = 0; i < PEEL_MAX; i++) {
        Dwarf_Die next;
        if (!type_of(&at, &next)) {
            ret->is_void = true;
            return;
        }
        at = next;
        if (!peel_layer(&at, ret)) {
            ret->die = at;
            ret->tag = dwarf_tag(&at);
            return;
        }
    }
    ret->tag = DW_TAG_unspecified_type;
}

/* ---- names of types, for people ---- */

static const char *type_name(struct arena *a, Dwarf_Die *owner, int depth);

static const char *tagged_name(struct arena *a, const char *word, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);
    return name ? arena_fmt(a, "%s %s", word, name) : arena_fmt(a, "%s without a name", word);
}

static const char *die_name(struct arena *a, Dwarf_Die *die, int depth)
{
    const char *name = dwarf_diename(die);
    switch (dwarf_tag(die)) {
    case DW_TAG_const_type:
        return arena_fmt(a, "const %s", type_name(a, die, depth));
    case DW_TAG_volatile_type:
        return arena_fmt(a, "volatile %s", type_name(a, die, depth));
    case DW_TAG_atomic_type:
        return arena_fmt(a, "_Atomic %s", type_name(a, die, depth));
    case DW_TAG_restrict_type:
        return type_name(a, die, depth);
    case DW_TAG_pointer_type:
        return arena_fmt(a, "pointer to %s", type_name(a, die, depth));
    case DW_TAG_array_type:
        return arena_fmt(a, "array of %s", type_name(a, die, depth));
    case DW_TAG_subroutine_type:
        return "function";
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return tagged_name(a, "struct", die);
    case DW_TAG_union_type:
        return tagged_name(a, "union", die);
    case DW_TAG_enumeration_type:
        return tagged_name(a, "enum", die);
    default:
        return name ? name : "type without a name";
    }
}

static const char *type_name(struct arena *a, Dwarf_Die *owner, int depth)
{
    Dwarf_Die die;
    if (!type_of(owner, &die))
        return "void";
    return depth >= NAME_DEPTH_MAX ? "..." : die_name(a, &die, depth + 1);
}

/* "a pointer to struct point, which cannot be carried" */
static const char *not_carried(struct arena *a, Dwarf_Die *owner)
{
    const char *name = fn_text(a, type_name(a, owner, 0));
    const char *article = "";
    if (strncmp(name, "pointer ", 8) == 0 || strncmp(name, "function", 8) == 0)
        article = "a ";
    else if (strncmp(name, "array ", 6) == 0)
        article = "an ";
    return arena_fmt(a, "%s%s, which cannot be carried", article, name);
}

/* ---- what can be carried ---- */

static uint8_t byte_size(Dwarf_Die *die)
{
    int size = dwarf_bytesize(die);
    return size > 0 && size <= 64 ? (uint8_t)size : 0;
}

static unsigned encoding_of(Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    Dwarf_Word encoding = 0;
    if (dwarf_attr_integrate(die, DW_AT_encoding, &attr) == NULL ||
        dwarf_formudata(&attr, &encoding) != 0)
        return 0;
    return (unsigned)encoding;
}

static bool is_plain_char(Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);
    return dwarf_tag(die) == DW_TAG_base_type && byte_size(die) == 1 && name != NULL &&
           strcmp(name, "char") == 0;
}

static bool is_integer_size(uint8_t size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

/* The kind of a base type, or ML_KIND_VOID for one that cannot be carried. */
static enum ml_kind base_kind(Dwarf_Die *die)
{
    uint8_t size = byte_size(die);
    switch (encoding_of(die)) {
    case DW_ATE_boolean:
        return size == 1 ? ML_KIND_BOOL : ML_KIND_VOID;
    case DW_ATE_float:
        return size == 4 ? ML_KIND_FLOAT : size == 8 ? ML_KIND_DOUBLE : ML_KIND_VOID;
    case DW_ATE_signed_char:
    case DW_ATE_signed:
        return is_integer_size(size) ? ML_KIND_INT : ML_KIND_VOID;
    case DW_ATE_unsigned_char:
    case DW_ATE_unsigned:
        return is_integer_size(size) ? ML_KIND_UINT : ML_KIND_VOID;
    default:
        return ML_KIND_VOID;
    }
}

/* Encoding and size decide, not the name: uint32_t, unsigned and DWORD are one. */
static bool carry_base(Dwarf_Die *die, struct fn_type *ret)
{
    ret->kind = is_plain_char(die) ? ML_KIND_CHAR : (uint8_t)base_kind(die);
    if (ret->kind == ML_KIND_INT || ret->kind == ML_KIND_UINT)
        ret->bits = (uint8_t)(8 * byte_size(die));
    return ret->kind != ML_KIND_VOID;
}

/* GCC and Clang write a negative constant in a signed form, and any other in either. The fixed-size
 * forms are unsigned: dwarf_formsdata() would extend the sign of the value 200 in one byte. */
static bool enumerator_value(Dwarf_Die *die, int64_t *ret)
{
    Dwarf_Attribute attr;
    if (dwarf_attr(die, DW_AT_const_value, &attr) == NULL)
        return false;
    Dwarf_Sword value;
    Dwarf_Word word;
    unsigned form = dwarf_whatform(&attr);
    if (form == DW_FORM_sdata || form == DW_FORM_implicit_const) {
        if (dwarf_formsdata(&attr, &value) != 0)
            return false;
        *ret = value;
        return true;
    }
    if (dwarf_formudata(&attr, &word) != 0)
        return false;
    *ret = (int64_t)word;
    return true;
}

/* Duplicate values are kept: both names are good as arguments. */
static struct fn_enumerator *enum_members(struct arena *a, Dwarf_Die *die, size_t *n)
{
    struct fn_enumerator *members = NULL;
    Dwarf_Die child;
    *n = 0;
    if (dwarf_child(die, &child) != 0)
        return NULL;
    do {
        int64_t value;
        const char *name = dwarf_diename(&child);
        if (dwarf_tag(&child) != DW_TAG_enumerator || name == NULL ||
            !enumerator_value(&child, &value))
            continue;
        members = arena_grow(a, members, *n, sizeof *members);
        if (members == NULL)
            return NULL;
        members[(*n)++] = (struct fn_enumerator){fn_text(a, name), value};
    } while (*n < ENUMERATORS_MAX && dwarf_siblingof(&child, &child) == 0);
    return members;
}

/* The underlying type says whether it is signed; old debug information leaves it to the values. */
static bool enum_signed(Dwarf_Die *die, const struct fn_enumerator *members, size_t n)
{
    Dwarf_Die base;
    unsigned encoding = type_of(die, &base) ? encoding_of(&base) : encoding_of(die);
    if (encoding != 0)
        return encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
    for (size_t i = 0; i < n; i++)
        if (members[i].value < 0)
            return true;
    return false;
}

/* Carried as the integer that it is; the names go along for people. A tag is shown as C spells it,
 * an enum without one by its typedef. */
static bool carry_enum(struct arena *a, struct peeled *type, struct fn_type *ret)
{
    struct fn_enum *e = arena_alloc(a, 1, sizeof *e);
    uint8_t size = byte_size(&type->die);
    if (e == NULL || !is_integer_size(size))
        return false;
    const char *tag = dwarf_diename(&type->die);
    struct fn_enumerator *members = enum_members(a, &type->die, &e->n);
    e->members = members;
    if (tag != NULL)
        e->name = fn_text(a, arena_fmt(a, "enum %s", tag));
    else
        e->name = type->alias ? fn_text(a, type->alias) : "enum";
    ret->kind = ML_KIND_ENUM;
    ret->bits = (uint8_t)(8 * size);
    ret->is_signed = enum_signed(&type->die, members, e->n);
    ret->enumeration = e;
    return true;
}

static bool is_byte(const struct peeled *type)
{
    Dwarf_Die die = type->die;
    if (type->is_void)
        return true;
    return type->tag == DW_TAG_base_type && byte_size(&die) == 1 && !is_plain_char(&die) &&
           encoding_of(&die) == DW_ATE_unsigned_char;
}

/* Const says which way the bytes go: a pointer that may be written through is an output, and needs
 * a size that its type does not tell. Strings end by themselves; char * is as good as const char *,
 * since the callee gets a copy. */
static const char *carry_pointer(struct arena *a, Dwarf_Die *owner, Dwarf_Die *pointer,
                                 struct fn_type *ret)
{
    struct peeled to;
    dwarf_peel(pointer, &to);
    if (!to.is_atomic && is_byte(&to)) {
        if (!to.is_const)
            return arena_fmt(a, "a %s that may be written through; only const bytes can be carried",
                             fn_text(a, type_name(a, owner, 0)));
        ret->kind = ML_KIND_BYTES;
        return NULL;
    }
    if (to.is_atomic || to.is_void || !is_plain_char(&to.die))
        return not_carried(a, owner);
    ret->kind = ML_KIND_STRING;
    return NULL;
}

const char *dwarf_carry(struct arena *a, Dwarf_Die *owner, struct fn_type *ret)
{
    struct peeled type;
    *ret = (struct fn_type){.kind = ML_KIND_VOID};
    dwarf_peel(owner, &type);
    if (type.is_void)
        return NULL;
    bool carried = false;
    if (type.is_atomic)
        carried = false;
    else if (type.tag == DW_TAG_pointer_type)
        return carry_pointer(a, owner, &type.die, ret);
    else if (type.tag == DW_TAG_base_type)
        carried = carry_base(&type.die, ret);
    else if (type.tag == DW_TAG_enumeration_type)
        carried = carry_enum(a, &type, ret);
    return carried ? NULL : not_carried(a, owner);
}

bool dwarf_is_size(Dwarf_Die *owner)
{
    struct peeled type;
    dwarf_peel(owner, &type);
    return type.is_size && type.tag == DW_TAG_base_type && !type.is_atomic;
}

bool dwarf_is_size_pointer(Dwarf_Die *owner)
{
    struct peeled type, to;
    dwarf_peel(owner, &type);
    if (type.is_void || type.is_atomic || type.tag != DW_TAG_pointer_type)
        return false;
    dwarf_peel(&type.die, &to);
    return dwarf_is_size(&type.die) && !to.is_const;
}

bool dwarf_is_byte_pointer(Dwarf_Die *owner)
{
    struct peeled type, to;
    dwarf_peel(owner, &type);
    if (type.is_void || type.is_atomic || type.tag != DW_TAG_pointer_type)
        return false;
    dwarf_peel(&type.die, &to);
    return !to.is_atomic && is_byte(&to);
}
