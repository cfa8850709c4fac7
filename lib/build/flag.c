/* Lists and grammars, in the one order that is safe: what they do not name is not allowed. */
#include "build/flag.h"

#include <string.h>

#include "build/word.h"

/* ---- words ---- */

static bool only(const char *text, const char *bytes)
{
    return *text != '\0' && text[strspn(text, bytes)] == '\0';
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* What follows `prefix`, or null. */
static const char *behind(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

/* ---- kinds ---- */

static bool is_plain(const char *flag)
{
    static const char *const plain[] = {
        "-O",        "-O0",
        "-O1",       "-O2",
        "-O3",       "-Os",
        "-Oz",       "-Og",
        "-Ofast",    "-g",
        "-g2",       "-g3",
        "-ggdb",     "-ggdb2",
        "-ggdb3",    "-gdwarf-3",
        "-gdwarf-4", "-gdwarf-5",
        "-w",        "-ansi",
        "-pedantic", "-pedantic-errors",
        "-pthread",  "-pipe",
        "-fPIC",     "-fpic",
        NULL,
    };
    return is_one_of(flag, plain);
}

/* A comma is what hands words on to the linker, the assembler, the preprocessor. */
static bool is_warning(const char *flag)
{
    const char *name = behind(flag, "-W");
    return name != NULL && strchr(LETTERS, *name) != NULL && only(name, LETTERS DIGITS "-+=");
}

/* Behind -f and -fno-; the second with a value. */
static const char *const code_names[] = {
    "associative-math",
    "asynchronous-unwind-tables",
    "builtin",
    "common",
    "data-sections",
    "delete-null-pointer-checks",
    "exceptions",
    "fast-math",
    "finite-math-only",
    "freestanding",
    "function-sections",
    "gcse",
    "gnu89-inline",
    "hosted",
    "inline",
    "inline-functions",
    "math-errno",
    "merge-constants",
    "ms-extensions",
    "omit-frame-pointer",
    "openmp-simd",
    "plt",
    "reciprocal-math",
    "rounding-math",
    "semantic-interposition",
    "short-enums",
    "short-wchar",
    "signaling-nans",
    "signed-char",
    "signed-zeros",
    "slp-vectorize",
    "stack-clash-protection",
    "stack-protector",
    "stack-protector-all",
    "stack-protector-strong",
    "strict-aliasing",
    "strict-overflow",
    "trapping-math",
    "trapv",
    "tree-slp-vectorize",
    "tree-vectorize",
    "unroll-loops",
    "unsafe-math-optimizations",
    "unsigned-char",
    "unwind-tables",
    "vectorize",
    "wrapv",
    NULL,
};
static const char *const code_valued[] = {
    "cf-protection=", "excess-precision=", "fp-contract=",         "strict-flex-arrays=",
    "tls-model=",     "visibility=",       "zero-call-used-regs=",
};

static bool is_code_generation(const char *flag)
{
    const char *name = behind(flag, "-fno-");
    if (name == NULL)
        name = behind(flag, "-f");
    if (name == NULL)
        return false;
    for (size_t i = 0; i < sizeof code_valued / sizeof *code_valued; i++) {
        const char *value = behind(name, code_valued[i]);
        if (value != NULL)
            return only(value, LETTERS DIGITS "-");
    }
    return is_one_of(name, code_names);
}

/* "native" makes code of the same name that another machine of the same kind cannot run. */
static bool is_machine(const char *flag)
{
    static const char *const names[] = {
        "3dnow",      "abm",
        "adx",        "aes",
        "avx",        "avx2",
        "bmi",        "bmi2",
        "crc32",      "cx16",
        "f16c",       "fma",
        "fxsr",       "gfni",
        "lzcnt",      "mmx",
        "movbe",      "pclmul",
        "popcnt",     "rdrnd",
        "rdseed",     "sha",
        "sse",        "sse2",
        "sse3",       "sse4",
        "sse4.1",     "sse4.2",
        "ssse3",      "vaes",
        "xsave",      "avx512f",
        "avx512bw",   "avx512cd",
        "avx512dq",   "avx512vl",
        "vpclmulqdq", "outline-atomics",
        NULL,
    };
    static const char *const valued[] = {"arch=", "tune=", "cpu=", "branch-protection="};
    const char *name = behind(flag, "-m");
    if (name == NULL)
        return false;
    for (size_t i = 0; i < sizeof valued / sizeof *valued; i++) {
        const char *value = behind(name, valued[i]);
        if (value != NULL)
            return only(value, LETTERS DIGITS "-+._") && strncmp(value, "native", 6) != 0;
    }
    const char *off = behind(name, "no-");
    return is_one_of(off ? off : name, names);
}

bool flag_allowed(const char *flag)
{
    const char *rest;
    if ((rest = behind(flag, "-D")) != NULL)
        return word_define(rest);
    if ((rest = behind(flag, "-U")) != NULL)
        return word_define(rest) && strchr(rest, '=') == NULL;
    if ((rest = behind(flag, "-std=")) != NULL)
        return word_standard(rest);
    return is_plain(flag) || is_warning(flag) || is_code_generation(flag) || is_machine(flag);
}

/* ---- what to do ---- */

const char *flag_hint(const char *flag)
{
    static const struct {
        const char *prefix, *hint;
    } hints[] = {
        {"-I", "directories of headers stand in the key 'include'"},
        {"-i", "headers are included by the sources, and their directories stand in the key "
               "'include'"},
        {"-l", "libraries stand in the key 'link'"},
        {"-L", "libraries are found by pkg-config (the key 'pkg_config') or LIBRARY_PATH"},
        {"-fsanitize", "the worker that loads a plugin has no sanitizers in it; leave it out"},
        {"-flto", "signatures are read off the objects, which have none with it; leave it out"},
        {"-march=native", "name the machine that is meant: a bundle is the same everywhere"},
        {"-g", "debug information goes into the object, where signatures are read off; leave it "
               "out"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (behind(flag, hints[i].prefix) != NULL)
            return hints[i].hint;
    return "leave it out: taken are -D, -U, -O, -g, -std=, -W, -pthread, and of -f and -m those "
           "that only say what code is made";
}
