/* The functions of an object that somebody else built. Of what the check lets through, every
 * function has a name that can be typed, and a signature that can be called or a reason why not; C
 * that is generated from them is plain text. */
#include "build/dwarf.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "build/object.h"
#include "build/stubs.h"
#include "fuzz.h"

const unsigned fuzz_runs = 300;

static void check_text(const char *text)
{
    CHECK(json_is_utf8(text, strlen(text)));
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        CHECK(*p >= ' ' && *p != 0x7f);
}

static void check_type(const struct fn_type *type)
{
    bool integer = type->kind == ML_KIND_INT || type->kind == ML_KIND_UINT;
    CHECK(type->kind <= ML_KIND_BYTES && type->sized <= 1 && type->is_signed <= 1);
    CHECK((type->kind == ML_KIND_ENUM) == (type->enumeration != NULL));
    if (integer || type->enumeration != NULL)
        CHECK(type->bits == 8 || type->bits == 16 || type->bits == 32 || type->bits == 64);
    for (size_t i = 0; type->enumeration != NULL && i < type->enumeration->n; i++)
        check_text(type->enumeration->members[i].name);
}

static void check_callable(struct arena *a, struct fn *fn)
{
    CHECK(fn->n_params <= ML_PARAMS_MAX);
    check_type(&fn->result);
    for (size_t i = 0; i < fn->n_params; i++) {
        check_type(&fn->params[i].type);
        check_text(fn->params[i].name);
    }
    fn->signature = fn_signature(a, fn);
    check_text(fn->signature);
}

static void check_functions(struct fn_list *list)
{
    fn_list_sort(list);
    for (size_t i = 0; i < list->n; i++) {
        struct fn *fn = &list->items[i];
        CHECK(fn->name[0] != '\0' && strncmp(fn->name, "ml_", 3) != 0);
        check_text(fn->name);
        if (fn->reason != NULL)
            check_text(fn->reason);
        else
            check_callable(list->arena, fn);
    }
}

static void check_stubs(const struct fn_list *list)
{
    BUF_AUTO out = BUF_INIT;
    struct ml_plugin_limits limits = {.version = ML_LIMITS_VERSION, .memory = UINT64_MAX};
    struct stubs_plugin plugin = {"x", "1.0.0", list, true, &limits};
    stubs_write(&out, &plugin);
    CHECK(!out.failed && strlen(buf_text(&out)) == out.len);
    for (size_t i = 0; i < out.len; i++)
        CHECK(out.data[i] == '\n' || (out.data[i] >= ' ' && out.data[i] < 0x7f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    struct fn_list list = {.arena = &a};
    struct ml_error err = ML_ERROR_INIT;
    int fd = fuzz_file(data, size);
    if (object_check(fd, "x.so", &err) < 0 || dwarf_read(fd, "x.so", &list, &err) < 0) {
        fuzz_refused(&err);
    } else {
        check_functions(&list);
        check_stubs(&list);
    }
    close(fd);
    return 0;
}
