/* Goal of this test: every type that can be carried gets its word, every other function its reason,
 * and what a stub does with a value is what C does with it. */
#include "build/dwarf.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>

#include "built.h"

static const char prelude[] = "#include <complex.h>\n#include <stdarg.h>\n#include <stdbool.h>\n"
                              "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n"
                              "struct point { int x, y; };\ntypedef struct { int a; } anon;\n"
                              "enum color { RED, GREEN = 200, BLUE = -3 };\n"
                              "typedef enum { OFF, ON } toggle;\n"
                              "typedef enum wide { ALL = 0xffffffffffffffffULL } wide;\n";

static void carried(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *code, *signature;
    } cases[] = {
        {"b", "bool b(bool x) { return x; }", "b(x: bool) -> bool"},
        {"c", "char c(char x) { return x; }", "c(x: char) -> char"},
        {"sc", "signed char sc(signed char x) { return x; }", "sc(x: int8) -> int8"},
        {"uc", "unsigned char uc(unsigned char x) { return x; }", "uc(x: uint8) -> uint8"},
        {"s", "short s(unsigned short x) { return x; }", "s(x: uint16) -> int16"},
        {"i", "int i(unsigned x) { return x; }", "i(x: uint32) -> int32"},
        {"l", "long l(unsigned long x) { return x; }", "l(x: uint64) -> int64"},
        {"ll", "long long ll(unsigned long long x) { return x; }", "ll(x: uint64) -> int64"},
        {"i8", "int8_t i8(uint8_t x) { return x; }", "i8(x: uint8) -> int8"},
        {"i64", "int64_t i64(uint64_t x) { return x; }", "i64(x: uint64) -> int64"},
        {"z", "size_t z(ptrdiff_t x) { return x; }", "z(x: int64) -> uint64"},
        {"f", "float f(float x) { return x; }", "f(x: float) -> float"},
        {"d", "double d(double x) { return x; }", "d(x: double) -> double"},
        {"e1", "enum color e1(enum color x) { return x; }", "e1(x: enum color) -> enum color"},
        {"e2", "toggle e2(const toggle x) { return x; }", "e2(x: toggle) -> toggle"},
        {"e3", "wide e3(wide x) { return x; }", "e3(x: enum wide) -> enum wide"},
        {"t1", "const char *t1(const char *x) { return x; }", "t1(x: string) -> string"},
        {"t2", "char *t2(char *restrict x) { return x; }", "t2(x: string) -> string"},
        {"t3", "int t3(const char x[]) { return *x; }", "t3(x: string) -> int32"},
        {"p1", "int p1(const void *p, size_t n) { return n; }", "p1(p: bytes) -> int32"},
        {"p2", "int p2(const uint8_t *p, const size_t n, int k) { return n; }",
         "p2(p: bytes, k: int32) -> int32"},
        {"p3", "int p3(const unsigned char *p) { return *p; }", "p3(p: bytes) -> int32"},
        {"p4", "int p4(const void *p, unsigned long n) { return n; }",
         "p4(p: bytes, n: uint64) -> int32"},
        {"p5", "int p5(int k, const void *p, size_t n, const void *q, size_t m) { return 0; }",
         "p5(k: int32, p: bytes, q: bytes) -> int32"},
        {"r1", "const void *r1(int x, size_t *n) { *n = 0; return \"\"; }",
         "r1(x: int32) -> bytes"},
        {"r2", "uint8_t *r2(size_t *n) { *n = 0; return 0; }", "r2() -> bytes"},
        {"v1", "void v1(void) {}", "v1() -> void"},
        {"v2", "void v2() {}", "v2() -> void"},
        {"q", "volatile int q(const volatile int x) { return x; }", "q(x: int32) -> int32"},
        {"u", "int u(int, double);\nint u(int a, double b) { return 0; }",
         "u(a: int32, b: double) -> int32"},
        {"in", "inline int in(int x) { return x; }\nextern inline int in(int x);",
         "in(x: int32) -> int32"},
        {"user", "int user(int x) { return in(x) + in(x); }", "user(x: int32) -> int32"},
        {"same", "long same(unsigned long x) { return x; }", "same(x: uint64) -> int64"},
        {"al", "int al(int x) __attribute__((alias(\"user\")));", "al(x: int32) -> int32"},
        {"we", "__attribute__((weak)) int we(void) { return 0; }", "we() -> int32"},
        {"re", "int re(int x) __asm__(\"another\");\nint re(int x) { return x; }",
         "re(x: int32) -> int32"},
        {"gr\303\274n", "int gr\303\274n(void) { return 1; }", "gr\303\274n() -> int32"},
    };
    char text[16384];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", prelude);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\n", cases[i].code);
    BUILT_AUTO built;
    built_text(place, text, &built);
    assert_string_equal(built.err.message, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ml_built_function *fn = built_function(&built, cases[i].name);
        case_true(cases[i].name, fn != NULL);
        case_text(cases[i].name, fn->signature, cases[i].signature);
    }
    assert_int_equal(built.info->n_functions, sizeof cases / sizeof *cases);
    assert_int_equal(built.info->n_skipped, 0);
}

#define NOT ", which cannot be carried"

static void skipped(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *code, *reason;
    } cases[] = {
        {"s1", "int s1(struct point p) { return 0; }", "parameter 'p' is struct point" NOT},
        {"s2", "int s2(struct point *p) { return 0; }",
         "parameter 'p' is a pointer to struct point" NOT},
        {"s3", "int s3(const anon *p) { return 0; }",
         "parameter 'p' is a pointer to const anon" NOT},
        {"s4", "struct point s4(void) { struct point p = {0, 0}; return p; }",
         "the result is struct point" NOT},
        {"s5", "int s5(struct { int a; } *p) { return 0; }",
         "parameter 'p' is a pointer to struct without a name" NOT},
        {"n1", "int n1(union { int a; } u) { return 0; }",
         "parameter 'u' is union without a name" NOT},
        {"p1", "int p1(void *p) { return 0; }",
         "parameter 'p' is a pointer to void that may be written through; only const bytes can be "
         "carried"},
        {"p2", "int p2(uint8_t *p, size_t n) { return 0; }",
         "parameter 'p' is a pointer to uint8_t that may be written through; only const bytes can "
         "be carried"},
        {"p3", "int p3(int *p) { return 0; }", "parameter 'p' is a pointer to int" NOT},
        {"p4", "int p4(const char **p) { return 0; }",
         "parameter 'p' is a pointer to pointer to const char" NOT},
        {"p5", "int p5(const signed char *p) { return 0; }",
         "parameter 'p' is a pointer to const signed char" NOT},
        {"p6", "int p6(const bool *p) { return 0; }",
         "parameter 'p' is a pointer to const _Bool" NOT},
        {"p7", "int p7(FILE *p) { return 0; }", "parameter 'p' is a pointer to FILE" NOT},
        {"a1", "int a1(int a[4]) { return 0; }", "parameter 'a' is a pointer to int" NOT},
        {"a2", "int a2(int a[4][3]) { return 0; }",
         "parameter 'a' is a pointer to array of int" NOT},
        {"c1", "int c1(int (*cb)(int)) { return 0; }",
         "parameter 'cb' is a pointer to function" NOT},
        {"l1", "long double l1(void) { return 0; }", "the result is long double" NOT},
        {"l2", "int l2(int a, long double x) { return 0; }", "parameter 'x' is long double" NOT},
        {"i1", "__int128 i1(void) { return 0; }", "the result is __int128" NOT},
        {"t1", "int t1(_Atomic int x) { return 0; }", "parameter 'x' is _Atomic int" NOT},
        {"v1", "int v1(const char *f, ...) { return 0; }",
         "it takes a variable number of arguments"},
        {"k1", "int k1(a) float a; { return 0; }",
         "it is defined in the old style, without a prototype"},
        {"h1", "__attribute__((visibility(\"hidden\"))) int h1(void) { return 0; }",
         "hidden visibility"},
        {"r1", "void *r1(void) { return 0; }",
         "the result is bytes of no known size: that takes a last parameter of type size_t *"},
        {"r2", "const void *r2(int x, unsigned long *n) { return 0; }",
         "the result is bytes of no known size: that takes a last parameter of type size_t *"},
        {"r3", "int *r3(void) { return 0; }", "the result is a pointer to int" NOT},
        {"m1",
         "int m1(int a1, int a2, int a3, int a4, int a5, int a6, int a7, int a8, int a9, int a10,"
         "int a11, int a12, int a13, int a14, int a15, int a16, int a17, int a18, int a19, int a20,"
         "int a21, int a22, int a23, int a24, int a25, int a26, int a27, int a28, int a29, int a30,"
         "int a31, int a32, int a33) { return 0; }",
         "it has too many parameters"},
    };
    char text[16384];
    size_t n = (size_t)snprintf(text, sizeof text,
                                "%sint ok(void) { return 1; }\nstatic int no(void) { return 1; }\n"
                                "int ml_mine(void) { return no(); }\n",
                                prelude);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\n", cases[i].code);
    BUILT_AUTO built;
    built_text(place, text, &built);
    assert_string_equal(built.err.message, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *reason = built_skipped(&built, cases[i].name);
        case_true(cases[i].name, reason != NULL);
        case_text(cases[i].name, reason, cases[i].reason);
    }
    assert_int_equal(built.info->n_skipped, sizeof cases / sizeof *cases);
    assert_int_equal(built.info->n_functions, 1);
}

/* ---- calls ---- */

static const struct ml_descriptor *descriptor(const struct place *place, const struct built *built,
                                              void **handle)
{
    *handle = dlopen(built_file(place, built, "plugin.so"), RTLD_NOW | RTLD_LOCAL);
    assert_non_null(*handle);
    const struct ml_descriptor *d = dlsym(*handle, ML_DESCRIPTOR_SYMBOL);
    assert_non_null(d);
    assert_int_equal(d->magic, ML_ABI_MAGIC);
    assert_int_equal(d->version, ML_ABI_VERSION);
    return d;
}

static const struct ml_function *function(const struct ml_descriptor *d, const char *name)
{
    for (uint32_t i = 0; i < d->n_functions; i++)
        if (strcmp(d->functions[i].name, name) == 0)
            return &d->functions[i];
    fail_msg("no function '%s'", name);
    return NULL;
}

static void call(const struct ml_descriptor *d, const char *name, const union ml_slot *args,
                 union ml_slot *result)
{
    const struct ml_function *fn = function(d, name);
    fn->stub(fn->address, args, result);
}

/* Each integer type at its limits, there and back. */
static void integers(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *type;
        bool is_signed;
        int64_t values[4];
    } cases[] = {
        {"c", "char", true, {'a', 0, 127, CHAR_MIN}},
        {"s8", "int8_t", true, {INT8_MIN, INT8_MAX, -1, 0}},
        {"s16", "int16_t", true, {INT16_MIN, INT16_MAX, -1, 0}},
        {"s32", "int32_t", true, {INT32_MIN, INT32_MAX, -1, 0}},
        {"s64", "int64_t", true, {INT64_MIN, INT64_MAX, -1, 9007199254740993}},
        {"u8", "uint8_t", false, {UINT8_MAX, 0, 128, 1}},
        {"u16", "uint16_t", false, {UINT16_MAX, 0, 32768, 1}},
        {"u32", "uint32_t", false, {UINT32_MAX, 0, 1U << 31, 1}},
        {"u64", "uint64_t", false, {-1, INT64_MIN, 9007199254740993, 1}},
        {"b", "bool", false, {0, 1, 1, 0}},
        {"e", "enum color", true, {0, 200, -3, INT32_MIN}},
        {"w", "wide", true, {-1, 0, INT64_MIN, 1}},
    };
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", prelude);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        n += (size_t)snprintf(
            text + n, sizeof text - n,
            "%s %s(int before, %s x, int behind) { return before == 1 && behind == 2 ? x : 0; }\n",
            cases[i].type, cases[i].name, cases[i].type);
    BUILT_AUTO built;
    void *handle;
    built_text(place, text, &built);
    assert_string_equal(built.err.message, "");
    const struct ml_descriptor *d = descriptor(place, &built, &handle);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int k = 0; k < 4; k++) {
            union ml_slot args[3] = {{.i = 1}, {.i = cases[i].values[k]}, {.i = 2}},
                          result = {.i = 0x5555};
            call(d, cases[i].name, args, &result);
            case_int(cases[i].name, result.i, cases[i].values[k]);
        }
    dlclose(handle);
}

static void other_types(void **state)
{
    struct place *place = *state;
    static const char text[] =
        "#include <stddef.h>\n#include <stdint.h>\n#include <stdlib.h>\n"
        "float half(float x) { return x / 2; }\n"
        "double neg(double x) { return -x; }\n"
        "const char *next(const char *s) { return s + 1; }\n"
        "uint64_t sum(const void *p, size_t n, const uint8_t *q, size_t m) { uint64_t s = 0;\n"
        "    for (size_t i = 0; i < n; i++) s += ((const uint8_t *)p)[i];\n"
        "    for (size_t i = 0; i < m; i++) s += 1000 * q[i];\n    return s; }\n"
        "const void *tail(const void *p, size_t n, int skip, size_t *left) {\n"
        "    *left = n - skip; return (const char *)p + skip; }\n"
        "int calls;\nvoid tick(void) { calls++; }\nint ticks(void) { return calls; }\n";
    BUILT_AUTO built;
    void *handle;
    built_text(place, text, &built);
    assert_string_equal(built.err.message, "");
    const struct ml_descriptor *d = descriptor(place, &built, &handle);
    union ml_slot r[2] = {{0}};
    call(d, "half", &(union ml_slot){.f = 3.0F}, r);
    assert_true(r[0].f == 1.5F);
    call(d, "neg", &(union ml_slot){.d = 0.0}, r);
    assert_true(r[0].d == 0 && signbit(r[0].d));
    call(d, "next", &(union ml_slot){.p = "abc"}, r);
    assert_string_equal(r[0].p, "bc");
    call(d, "sum", (union ml_slot[]){{.p = "\1\2"}, {.u = 2}, {.p = "\3"}, {.u = 1}}, r);
    assert_int_equal(r[0].u, 3003);
    call(d, "tail", (union ml_slot[]){{.p = "abcdef"}, {.u = 6}, {.i = 2}}, r);
    assert_int_equal(r[1].u, 4);
    assert_memory_equal(r[0].p, "cdef", 4);
    call(d, "tick", NULL, r);
    call(d, "tick", NULL, r);
    call(d, "ticks", NULL, r);
    assert_int_equal(r[0].i, 2);
    dlclose(handle);
}

static void descriptor_tells_all(void **state)
{
    struct place *place = *state;
    static const char text[] = "enum color { RED, GREEN = 200, BLUE = -3 };\n"
                               "enum color mix(enum color x, const char *with) { return x; }\n"
                               "unsigned char z(void) { return 0; }\nint a(void) { return 0; }\n";
    BUILT_AUTO built;
    void *handle;
    built_text(place, text, &built);
    assert_string_equal(built.err.message, "");
    const struct ml_descriptor *d = descriptor(place, &built, &handle);
    assert_string_equal(d->name, "plugin");
    assert_string_equal(d->plugin_version, "0.0.0");
    assert_int_equal(d->n_functions, 3);
    assert_string_equal(d->functions[0].name, "a");
    assert_string_equal(d->functions[2].name, "z");
    const struct ml_function *mix = &d->functions[1];
    assert_string_equal(mix->signature, "mix(x: enum color, with: string) -> enum color");
    assert_int_equal(mix->n_params, 2);
    assert_string_equal(mix->params[1].name, "with");
    assert_int_equal(mix->params[1].type.kind, ML_KIND_STRING);
    assert_int_equal(mix->result.kind, ML_KIND_ENUM);
    assert_int_equal(mix->result.bits, 32);
    assert_int_equal(mix->result.is_signed, 1);
    assert_ptr_equal(mix->result.enumeration, mix->params[0].type.enumeration);
    assert_string_equal(mix->result.enumeration->name, "enum color");
    assert_int_equal(mix->result.enumeration->n_members, 3);
    assert_string_equal(mix->result.enumeration->members[1].name, "GREEN");
    assert_int_equal(mix->result.enumeration->members[1].value, 200);
    assert_int_equal(mix->result.enumeration->members[2].value, -3);
    assert_int_equal(d->functions[2].result.kind, ML_KIND_UINT);
    assert_int_equal(d->functions[2].result.bits, 8);
    dlclose(handle);
}

static void no_object(void **state)
{
    struct place *place = *state;
    ARENA_AUTO a = ARENA_INIT;
    struct fn_list list = {.arena = &a};
    struct ml_error err = ML_ERROR_INIT;
    built_write(place, "x", "no object at all");
    int fd = openat(place->fd, "x", O_RDONLY | O_CLOEXEC);
    assert_int_equal(dwarf_read(fd, "x", &list, &err), -1);
    assert_int_equal(err.status, ML_DATA);
    assert_int_equal(list.n, 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(carried),
        place_test(skipped),
        place_test(integers),
        place_test(other_types),
        place_test(descriptor_tells_all),
        place_test(no_object),
    };
    UNIT_RUN("build/dwarf", tests);
}
