/* Goal of this test: of a compiler's flags, those that only say what code is made are let through;
 * each other one is refused, with what to do instead. */
#include "build/flag.h"

#include "built.h"

static void allowed(void **state)
{
    static const char *const flags[] = {
        "-DX",
        "-DX=1",
        "-DX=a b\"c",
        "-UX",
        "-O0",
        "-O3",
        "-Os",
        "-Ofast",
        "-g",
        "-g3",
        "-gdwarf-5",
        "-std=c99",
        "-std=gnu17",
        "-Wall",
        "-Wextra",
        "-Wno-unused",
        "-Werror=format",
        "-Wframe-larger-than=100",
        "-Wc++-compat",
        "-w",
        "-pedantic",
        "-pthread",
        "-pipe",
        "-fwrapv",
        "-fno-strict-aliasing",
        "-fno-common",
        "-ffast-math",
        "-fPIC",
        "-fvisibility=hidden",
        "-ftls-model=initial-exec",
        "-fcf-protection=full",
        "-mavx2",
        "-mno-sse4.2",
        "-march=x86-64-v3",
        "-mtune=generic",
        "-mcpu=cortex-a72",
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        case_true(flags[i], flag_allowed(flags[i]));
}

static void refused(void **state)
{
    static const struct {
        const char *flag, *hint;
    } cases[] = {
        /* programs */
        {"-fplugin=x.so", "leave it out"},
        {"-fplugin-arg-x-y=z", "leave it out"},
        {"-fno-plugin", ""},
        {"-B/x", ""},
        {"-B", ""},
        {"-wrapper", ""},
        {"-wrapper,x", ""},
        {"-specs=x", ""},
        {"--specs=x", ""},
        {"@file", ""},
        {"-Xlinker", ""},
        {"-Xclang", ""},
        {"-Xassembler", ""},
        {"-Xpreprocessor", ""},
        {"-load", ""},
        {"-fpass-plugin=x", ""},
        {"-fuse-ld=x", ""},
        {"-fuse-ld=/x/ld", ""},
        {"--ld-path=/x", ""},
        {"-no-integrated-cpp", ""},
        {"-T", ""},
        {"-Tx", ""},
        {"-Wl,-rpath,/x", ""},
        {"-Wl,-z,execstack", ""},
        {"-Wa,-I/x", ""},
        {"-Wp,-MD,/x", ""},
        {"-Wno-x,y", ""},
        /* files */
        {"-I/x", "'include'"},
        {"-I..", "'include'"},
        {"-include", "'include'"},
        {"-imacros", "'include'"},
        {"-isystem", "'include'"},
        {"-iquote/x", "'include'"},
        {"-isysroot", "'include'"},
        {"--sysroot=/x", ""},
        {"-L/x", "'pkg_config'"},
        {"-lm", "'link'"},
        {"-o", ""},
        {"-ox", ""},
        {"-x", ""},
        {"-xc++", ""},
        {"-MD", ""},
        {"-MF/x", ""},
        {"-M", ""},
        {"-E", ""},
        {"-S", ""},
        {"-c", ""},
        {"-save-temps", ""},
        {"-save-temps=obj", ""},
        {"-dumpdir", ""},
        {"-dD", ""},
        {"-gsplit-dwarf", "debug information"},
        {"-g0", "debug information"},
        {"-g1", "debug information"},
        {"-fdump-tree-all", ""},
        {"-fdump-tree-all=/x", ""},
        {"-fprofile-generate", ""},
        {"-fprofile-use=/x", ""},
        {"-fprofile-arcs", ""},
        {"-ftest-coverage", ""},
        {"--coverage", ""},
        {"-fcompare-debug=x", ""},
        {"-fdiagnostics-format=sarif-file", ""},
        {"-fopt-info-all=/x", ""},
        {"-fcallgraph-info", ""},
        {"-fstack-usage", ""},
        {"-fmodules", ""},
        {"-fmodule-mapper=|x", ""},
        {"-fdebug-prefix-map=a=b", ""},
        {"-fsave-optimization-record", ""},
        {"-ftime-trace", ""},
        {"-frandom-seed=x", ""},
        {"-fembed-bitcode", ""},
        {"-mllvm", ""},
        {"-mrelax-cmpxchg-loop=x", ""},
        {"-m32", ""},
        /* what would not work */
        {"-fsanitize=address", "no sanitizers"},
        {"-flto", "signatures"},
        {"-march=native", "name the machine"},
        {"-mtune=native+x", ""},
        {"-fno-PIC", ""},
        {"-fno-pic", ""},
        {"-fno-fPIC", ""},
        {"-shared", ""},
        {"-static", ""},
        {"-nostdlib", ""},
        /* no flags */
        {"", ""},
        {"-", ""},
        {"--", ""},
        {"-D", ""},
        {"-D1=2", ""},
        {"-DX\n", ""},
        {"-UX=1", ""},
        {"-U", ""},
        {"-f", ""},
        {"-fno-", ""},
        {"-W", ""},
        {"-m", ""},
        {"-std=", ""},
        {"-std=c99 -x", ""},
        {"-O2 -x", ""},
        {"-march=", ""},
        {"-march=x/y", ""},
        {"-fvisibility=", ""},
        {"-fvisibility=a,b", ""},
        {"x.c", ""},
        {"/x.o", ""},
        {"-Wall\n", ""},
        {"-W\303\244", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        case_true(cases[i].flag, !flag_allowed(cases[i].flag));
        case_true(cases[i].flag, *flag_hint(cases[i].flag) != '\0');
        case_true(cases[i].flag, strstr(flag_hint(cases[i].flag), cases[i].hint) != NULL);
    }
}

/* From a manifest to the compiler, and into what the bundle is named by. */
static void taken(void **state)
{
    struct place *place = *state;
    BUILT_AUTO plain, other, bad;
    built_write(place, "d/a.c",
                "#ifdef N\nint n(void) { return N; }\n#endif\n#ifdef __FAST_MATH__\n"
                "int fast(void) { return 1; }\n#endif\nint a(void) { return 0; }\n");
    built_write(place, "d/modload.json", "{\"name\":\"d\"}");
    built_path(place, place_path(place, "d"), &plain);
    assert_string_equal(plain.err.message, "");
    built_write(place, "d/modload.json",
                "{\"name\":\"d\",\"cflags\":[\"-DN=3\",\"-ffast-math\",\"-std=gnu99\"]}");
    built_path(place, place_path(place, "d"), &other);
    assert_string_equal(other.err.message, "");
    assert_int_equal(plain.info->n_functions, 1);
    assert_int_equal(other.info->n_functions, 3);
    assert_string_not_equal(plain.info->bundle, other.info->bundle);
    built_write(place, "d/modload.json", "{\"name\":\"d\",\"cflags\":[\"-fplugin=x.so\"]}");
    built_path(place, place_path(place, "d"), &bad);
    assert_int_equal(bad.status, ML_CONFIG);
    assert_non_null(strstr(bad.err.message, "key 'cflags': '-fplugin=x.so' is not allowed"));
    assert_true(*bad.err.hint != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed),
        cmocka_unit_test(refused),
        place_test(taken),
    };
    UNIT_RUN("build/flag", tests);
}
