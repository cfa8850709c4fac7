/* Goal of this test: an object that somebody else built is looked at before anything trusts it, and
 * what is wrong with it is told in words. */
#include "build/object.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "built.h"

/* Compiles place/one.c with these options to place/`out`. */
static void make(const struct place *place, const char *out, const char *options)
{
    char command[1024];
    built_write(place, "one.c",
                "/** One. */\nint one(int x) { return x; }\nint main(void) { return 0; }\n");
    snprintf(command, sizeof command, "cd '%s' && cc %s -o %s one.c", place->path, options, out);
    assert_int_equal(system(command), 0);
}

static size_t slurp(const struct place *place, const char *name, char *data, size_t size)
{
    int fd = openat(place->fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, data, size);
    close(fd);
    assert_true(n > 0 && (size_t)n < size);
    return (size_t)n;
}

static int check_bytes(const struct place *place, const char *data, size_t n, struct ml_error *err)
{
    int fd = openat(place->fd, "checked", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, data, n), n);
    *err = (struct ml_error)ML_ERROR_INIT;
    int status = object_check(fd, "x.so", err);
    close(fd);
    return status == 0 ? 0 : err->status;
}

static char data[1 << 20], copy[1 << 20];

static void kinds(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *options, *message;
    } cases[] = {
        {"-shared -fPIC", ""},
        {"-shared -fPIC -s -Wl,--build-id=none", ""},
        {"-c", "'x.so' is a relocatable object, not a shared one"},
        {"-pie -fPIE", "'x.so' is an executable, not a shared object"},
        {"-no-pie", "'x.so' is an executable, not a shared object"},
        {"-E", "'x.so' is not an ELF object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err;
        make(place, "x", cases[i].options);
        size_t n = slurp(place, "x", data, sizeof data);
        case_int(cases[i].options, check_bytes(place, data, n, &err),
                 *cases[i].message ? ML_DATA : 0);
        case_text(cases[i].options, err.message, cases[i].message);
    }
}

static void headers(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name;
        size_t at;
        unsigned char byte;
        const char *message;
    } cases[] = {
        {"magic", 0, 'X', "'x.so' is not an ELF object"},
        {"class", EI_CLASS, ELFCLASS32,
         "'x.so' is an ELF object of 32 bits, and this machine's have 64"},
        {"order", EI_DATA, ELFDATA2MSB, "'x.so' is an ELF object of another byte order or version"},
        {"machine", 18, EM_ARM, "'x.so' is for another machine (ARM)"},
        {"machine", 18, EM_RISCV, "'x.so' is for another machine (RISC-V)"},
        {"type", 16, ET_CORE, "'x.so' is a core dump, not a shared object"},
        {"phentsize", 54, 1, "'x.so' has no usable program headers"},
        {"phoff", 38, 0xff, "'x.so' is cut off in its program headers"},
        {"shoff", 46, 0xff, "'x.so' is cut off in its section headers"},
        {"shentsize", 58, 1, "'x.so' has no usable section headers"},
    };
    make(place, "x", "-shared -fPIC");
    size_t n = slurp(place, "x", data, sizeof data);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err;
        memcpy(copy, data, n);
        copy[cases[i].at] = (char)cases[i].byte;
        case_int(cases[i].name, check_bytes(place, copy, n, &err), ML_DATA);
        case_text(cases[i].name, err.message, cases[i].message);
    }
}

/* Cut at every place near the beginning, and at many later: never accepted, never a crash. */
static void truncated(void **state)
{
    struct place *place = *state;
    make(place, "x", "-shared -fPIC -g");
    size_t n = slurp(place, "x", data, sizeof data);
    for (size_t cut = 0; cut < n; cut += cut < 512 ? 7 : 997) {
        struct ml_error err;
        char name[64];
        snprintf(name, sizeof name, "%zu of %zu", cut, n);
        case_int(name, check_bytes(place, data, cut, &err), ML_DATA);
    }
}

/* Objects with bytes turned over pass or are refused; neither check nor build may crash. */
static void damaged(void **state)
{
    struct place *place = *state;
    uint64_t seed = 1;
    make(place, "x", "-shared -fPIC -g");
    size_t n = slurp(place, "x", data, sizeof data);
    for (int i = 0; i < 60; i++) {
        BUILT_AUTO built;
        struct ml_build_request request = built_request();
        memcpy(copy, data, n);
        for (int k = 0; k < 20; k++)
            copy[next_random(&seed) % n] ^= (char)(1 << next_random(&seed) % 8);
        request.text = copy;
        request.text_size = n;
        request.text_is_object = true;
        built_run(place, &request, &built);
        assert_true(built.status == 0 || built.status == ML_DATA || built.status == ML_CONFIG);
    }
    assert_int_equal(built_count(place, "home/tmp"), 0);
}

static void taken(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built, again;
    make(place, "libone.so.1", "-shared -fPIC -g");
    built_path(place, place_path(place, "libone.so.1"), &built);
    assert_string_equal(built.err.message, "");
    assert_string_equal(built.info->name, "libone");
    assert_string_equal(built_function(&built, "one")->signature, "one(x: int32) -> int32");
    assert_int_equal(access(built_file(place, &built, "entry.so"), R_OK), 0);
    size_t n = slurp(place, "libone.so.1", data, sizeof data);
    assert_int_equal(slurp(place, built_file(place, &built, "plugin.so") + strlen(place->path) + 1,
                           copy, sizeof copy),
                     n);
    assert_memory_equal(data, copy, n);
    struct ml_build_request request = built_request();
    request.text = data;
    request.text_size = n;
    request.text_is_object = true;
    request.name = "libone";
    built_run(place, &request, &again);
    assert_string_equal(again.info->bundle, built.info->bundle);
}

static void without_debug_information(void **state)
{
    struct place *place = *state;
    BUILT_AUTO bare, told, wrong, unknown;
    mkdirat(place->fd, "d", 0700);
    make(place, "d/one.so", "-shared -fPIC -s");
    built_path(place, place_path(place, "d/one.so"), &bare);
    assert_int_equal(bare.status, ML_DATA);
    assert_string_equal(bare.err.code, "no_function");
    assert_string_equal(
        bare.err.message,
        "'one' has no function that can be called: main: its object has no debug information; "
        "one: its object has no debug information");
    built_write(place, "d/modload.json",
                "{\"sources\":[\"one.so\"],\"functions\":[\"int one(int)\"]}");
    built_path(place, place_path(place, "d"), &told);
    assert_string_equal(told.err.message, "");
    assert_int_equal(told.info->n_functions, 1);
    assert_string_equal(told.info->functions[0].signature, "one(int32) -> int32");
    built_write(place, "d/modload.json",
                "{\"sources\":[\"one.so\"],\"functions\":[\"int two(int x)\"]}");
    built_path(place, place_path(place, "d"), &unknown);
    assert_int_equal(unknown.status, ML_CONFIG);
    assert_non_null(
        strstr(unknown.err.message, "'int two(int x)' names no function of the plugin"));
    built_write(place, "d/modload.json",
                "{\"sources\":[\"one.so\"],\"functions\":[\"unknown_t one(int x)\"]}");
    built_path(place, place_path(place, "d"), &wrong);
    assert_int_equal(wrong.status, ML_CONFIG);
    assert_non_null(strstr(wrong.err.message, "key 'functions': the prototypes do not compile"));
    assert_non_null(strstr(wrong.words, "modload.json: functions:1:1: error: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(kinds),   place_test(headers), place_test(truncated),
        place_test(damaged), place_test(taken),   place_test(without_debug_information),
    };
    UNIT_RUN("build/object", tests);
}
