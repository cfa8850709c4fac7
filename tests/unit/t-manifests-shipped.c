/* Goal of this test: the plugins that ship are built without a word from the compiler, and do in C
 * what their manifests promise. */
#include <dlfcn.h>

#include "modload/abi.h"

#include "built.h"

/* Builds manifests/<name>, which lie in the installation's share/modload. */
static const struct ml_descriptor *shipped(const struct place *place, const char *name,
                                           struct built *built, void **handle)
{
    const char *root = getenv("MODLOAD_MANIFESTS");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root ? root : "manifests", name);
    built_path(place, path, built);
    assert_string_equal(built->err.message, "");
    assert_string_equal(built->words, "");
    assert_string_equal(built->info->name, name);
    assert_int_equal(built->info->n_skipped, 0);
    for (size_t i = 0; i < built->info->n_functions; i++)
        case_true(built->info->functions[i].name, *built->info->functions[i].doc != '\0');
    *handle = dlopen(built_file(place, built, "plugin.so"), RTLD_NOW | RTLD_LOCAL);
    assert_non_null(*handle);
    return dlsym(*handle, ML_DESCRIPTOR_SYMBOL);
}

static void call(const struct ml_descriptor *d, const char *name, const union ml_slot *args,
                 union ml_slot *result)
{
    for (uint32_t i = 0; i < d->n_functions; i++)
        if (strcmp(d->functions[i].name, name) == 0) {
            d->functions[i].stub(d->functions[i].address, args, result);
            return;
        }
    fail_msg("no function '%s'", name);
}

static void math(void **state)
{
    static const struct {
        const char *name;
        double a, b, result;
    } cases[] = {
        {"add", 2, 3, 5},
        {"subtract", 2, 3, -1},
        {"multiply", 4, 2.5, 10},
        {"divide", 5, 2, 2.5},
    };
    BUILT_AUTO built;
    void *handle;
    const struct ml_descriptor *d = shipped(*state, "math", &built, &handle);
    assert_int_equal(d->n_functions, 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        union ml_slot result, args[2] = {{.d = cases[i].a}, {.d = cases[i].b}};
        call(d, cases[i].name, args, &result);
        case_true(cases[i].name, result.d == cases[i].result);
    }
    dlclose(handle);
}

static void text(void **state)
{
    static const struct {
        const char *name, *text, *result;
    } cases[] = {
        {"upcase", "õäß", "ÕÄSS"},
        {"upcase", "", ""},
        {"upcase", "ŉ", "ʼN"},
        {"downcase", "ÕÄÖÜ", "õäöü"},
        {"downcase", "ΟΔΟΣ", "οδος"},
        {"downcase", "İ", "i\u0307"},
        {"reverse", "", ""},
        {"reverse", "abc", "cba"},
        {"reverse", "xe\u0308z", "ze\u0308x"},
        {"reverse", "🇩🇪🇫🇷", "🇫🇷🇩🇪"},
        {"reverse", "a\r\nb", "b\r\na"},
        {"trim", " \t\n\u00a0a\u2003b\u2003\u3000", "a\u2003b"},
        {"trim", " \u2028", ""},
        {"trim", "", ""},
        {"trim", "\u200ba", "\u200ba"}, /* has no White_Space property */
    };
    static const struct {
        const char *text;
        uint64_t length;
    } lengths[] = {
        {"", 0},     {"õäöü€", 5},    {"e\u0301", 1}, {"👨‍👩‍👧é", 2},
        {"🇩🇪🇫🇷", 2}, {"👍🏽", 1}, {"\r\n", 1},
    };
    BUILT_AUTO built;
    void *handle;
    union ml_slot result;
    const struct ml_descriptor *d = shipped(*state, "text", &built, &handle);
    assert_int_equal(d->n_functions, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        call(d, cases[i].name, &(union ml_slot){.p = cases[i].text}, &result);
        case_text(cases[i].text, result.p, cases[i].result);
        free((void *)(uintptr_t)result.p);
    }
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        call(d, "length", &(union ml_slot){.p = lengths[i].text}, &result);
        case_int(lengths[i].text, result.u, lengths[i].length);
    }
    dlclose(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {place_test(math), place_test(text)};
    UNIT_RUN("manifests", tests);
}
