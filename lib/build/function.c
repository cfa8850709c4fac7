/* Functions are few thousands at most: an array that is sorted once, and looked up by halving. */
#include "build/function.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

struct fn *fn_list_add(struct fn_list *list)
{
    struct fn *items = arena_grow(list->arena, list->items, list->n, sizeof *items);
    if (items == NULL)
        return NULL;
    list->items = items;
    struct fn *fn = &items[list->n++];
    *fn = (struct fn){.name = "", .symbol = "", .signature = "", .doc = ""};
    return fn;
}

static int fn_compare(const void *a, const void *b)
{
    return strcmp(((const struct fn *)a)->name, ((const struct fn *)b)->name);
}

void fn_list_sort(struct fn_list *list)
{
    if (list->n > 1)
        qsort(list->items, list->n, sizeof *list->items, fn_compare);
}

struct fn *fn_list_find(const struct fn_list *list, const char *name)
{
    struct fn key = {.name = name};
    return list->n ? bsearch(&key, list->items, list->n, sizeof key, fn_compare) : NULL;
}

size_t fn_list_callable(const struct fn_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += list->items[i].reason == NULL;
    return n;
}

const char *fn_text(struct arena *a, const char *text)
{
    size_t n = strlen(text);
    bool utf8 = json_is_utf8(text, n);
    char *clean = arena_alloc(a, n + 1, 1);
    for (size_t i = 0; clean != NULL && i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        clean[i] = c < ' ' || c == 0x7f || (c >= 0x80 && !utf8) ? '?' : text[i];
    }
    return clean ? clean : "";
}

/* Widths are spelled out: int is not the same everywhere, int32 is. */
const char *fn_type_word(struct arena *a, const struct fn_type *type)
{
    static const char *const words[] = {
        [ML_KIND_VOID] = "void",   [ML_KIND_BOOL] = "bool",     [ML_KIND_CHAR] = "char",
        [ML_KIND_FLOAT] = "float", [ML_KIND_DOUBLE] = "double", [ML_KIND_STRING] = "string",
        [ML_KIND_BYTES] = "bytes",
    };
    if (type->kind == ML_KIND_INT || type->kind == ML_KIND_UINT)
        return arena_fmt(a, "%sint%d", type->kind == ML_KIND_UINT ? "u" : "", type->bits);
    if (type->kind == ML_KIND_ENUM)
        return type->enumeration->name;
    return words[type->kind];
}

const char *fn_signature(struct arena *a, const struct fn *fn)
{
    BUF_AUTO text = BUF_INIT;
    buf_fmt(&text, "%s(", fn->name);
    for (size_t i = 0; i < fn->n_params; i++) {
        const struct fn_param *param = &fn->params[i];
        buf_fmt(&text, "%s%s%s%s", i ? ", " : "", param->name, *param->name ? ": " : "",
                fn_type_word(a, &param->type));
    }
    buf_fmt(&text, ") -> %s", fn_type_word(a, &fn->result));
    if (text.failed)
        a->failed = true;
    return arena_str(a, buf_text(&text));
}
