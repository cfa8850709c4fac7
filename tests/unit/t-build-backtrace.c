/* Goal of this test: a crash is traced back to function, file and line by what it left and what
 * lies in the registry, and by nothing else; no record, and no file, makes that hang or fail
 * otherwise. */
#include "built.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "client/wire-crash.h"
#include "client/wire.h"
#include "worker/crash.h"
#include "worker/object.h"

/* The lines are counted in the tests below. */
static const char source[] =
    "#include <stdlib.h>\n"                                          /* 1 */
    "__attribute__((noinline)) static int inner(volatile int *at)\n" /* 2 */
    "{\n"                                                            /* 3 */
    "    return *at + 1;\n"                                          /* 4 */
    "}\n"                                                            /* 5 */
    "static inline int copied(volatile int *at)\n"                   /* 6 */
    "{\n"                                                            /* 7 */
    "    return inner(at) + 1;\n"                                    /* 8 */
    "}\n"                                                            /* 9 */
    "int outer(long at)\n"                                           /* 10 */
    "{\n"                                                            /* 11 */
    "    return copied((int *)at) + 1;\n"                            /* 12 */
    "}\n"                                                            /* 13 */
    "static int compare(const void *a, const void *b)\n"             /* 14 */
    "{\n"                                                            /* 15 */
    "    return inner(*(int **)a) - 1;\n"                            /* 16 */
    "}\n"                                                            /* 17 */
    "int sorts(long at)\n"                                           /* 18 */
    "{\n"                                                            /* 19 */
    "    int *list[2] = {(int *)at, (int *)at};\n"                   /* 20 */
    "    qsort(list, 2, sizeof *list, compare);\n"                   /* 21 */
    "    return list[0] == 0;\n"                                     /* 22 */
    "}\n"                                                            /* 23 */
    "int calls(long at)\n"                                           /* 24 */
    "{\n"                                                            /* 25 */
    "    return ((int (*)(void))at)() + 1;\n"                        /* 26 */
    "}\n"                                                            /* 27 */
    "int recurses(long n)\n"                                         /* 28 */
    "{\n"                                                            /* 29 */
    "    volatile char room[500];\n"                                 /* 30 */
    "    room[0] = 1;\n"                                             /* 31 */
    "    return n < 0 ? 0 : recurses(n + 1) + room[0];\n"            /* 32 */
    "}\n";

/* ---- making a crash, as worker, supervisor and call do ---- */

struct crashing {
    const struct place *place;
    const struct built *built;
    const char *function;
    long argument;
};

static int call(const struct object *object, struct crash_record *record,
                const struct crashing *what)
{
    const struct ml_function *function = object_find(object, what->function);
    union ml_slot argument = {.i = what->argument}, result[2];
    CHILD_CHECK(function != NULL);
    crash_record_in(record);
    function->stub(object_address(object, function), &argument, result);
    return 1;
}

static int crash_and_tell(void *arg)
{
    const struct crashing *what = arg;
    struct object object;
    struct ml_error err = ML_ERROR_INIT;
    struct buf payload = BUF_INIT;
    siginfo_t end;
    int bundle = open(built_file(what->place, what->built, ""), O_RDONLY | O_DIRECTORY);
    struct crash_record *record =
        mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHILD_CHECK(bundle >= 0 && record != MAP_FAILED && crash_watch(NULL) == 0);
    CHILD_CHECK(object_map(bundle, &object, NULL) == 0);
    crash_note_objects(what->built->info->bundle);
    pid_t pid = fork();
    if (pid == 0)
        _exit(call(&object, record, what));
    CHILD_CHECK(waitid(P_PID, (id_t)pid, &end, WEXITED) == 0 && end.si_code != CLD_EXITED);
    err.status = ML_SIGNAL + end.si_status;
    wire_put_error(&payload, &err);
    crash_put(record, &end, &payload);
    return fs_write_new(what->place->fd, "payload", payload.data, payload.len, 0600);
}

/* What the client gets. */
static void crash(const struct place *place, const struct built *built, const char *function,
                  long argument, struct ml_crash *ret)
{
    struct crashing what = {place, built, function, argument};
    BUF_AUTO payload = BUF_INIT;
    unlinkat(place->fd, "payload", 0);
    assert_int_equal(child_run(crash_and_tell, &what), 0);
    assert_int_equal(fs_read_file(place->fd, "payload", &payload, 1 << 20), 0);
    memset(ret, 0, sizeof *ret);
    wire_get_crash(&payload, ret);
    assert_int_not_equal(ret->signal, 0);
}

static void build(const struct place *place, struct built *ret)
{
    built_write(place, "crashing.c", source);
    built_path(place, place_path(place, "crashing.c"), ret);
    assert_int_equal(ret->status, 0);
}

static int trace(const struct place *place, const void *record, size_t size,
                 struct ml_backtrace *ret, struct ml_error *err)
{
    struct ml_ctx_options options = {.home = place_path(place, "home"),
                                     .runtime_dir = place_path(place, "run")};
    struct ml_ctx *ctx;
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    int status = ml_backtrace(ctx, record, size, ret, err);
    ml_ctx_free(ctx);
    return status;
}

/* "inner:4 copied:8 ": functions and lines of the test's own file; "+" for any other frame with a
 * name, "-" for one without. */
static const char *shown(const struct ml_backtrace *t)
{
    static char text[4096];
    size_t at = 0;
    for (size_t i = 0; i < t->n && at < sizeof text - 100; i++) {
        const struct ml_frame *f = &t->frames[i];
        if (strcmp(f->object, "plugin.so") == 0 && f->line > 0)
            at += (size_t)snprintf(text + at, 100, "%s:%u ", f->function, f->line);
        else
            at += (size_t)snprintf(text + at, 100, "%s ", *f->function ? "+" : "-");
    }
    text[at] = '\0';
    return text;
}

/* ---- traces ---- */

static void function_file_and_line(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    struct ml_crash what;
    struct ml_backtrace t;
    build(place, &built);
    crash(place, &built, "outer", 0, &what);
    assert_int_equal(trace(place, what.record, what.size, &t, NULL), 0);
    assert_string_equal(shown(&t), "inner:4 copied:8 outer:12 ");
    assert_false(t.cut);
    for (size_t i = 0; i < t.n; i++) {
        assert_string_equal(t.frames[i].file, "crashing.c");
        assert_int_equal(t.frames[i].inlined, i == 1);
        assert_true(t.frames[i].offset < 65536);
    }
    assert_int_equal(t.frames[0].offset, what.offset);
    ml_backtrace_done(&t);
    ml_backtrace_done(&t);
    ml_crash_done(&what);
}

/* Through libc, by its own tables: how many frames it has there is its affair. */
static void through_libc(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    struct ml_crash what;
    struct ml_backtrace t;
    build(place, &built);
    crash(place, &built, "sorts", 0, &what);
    assert_int_equal(trace(place, what.record, what.size, &t, NULL), 0);
    const char *text = shown(&t);
    assert_true(strncmp(text, "inner:4 compare:16 ", 19) == 0);
    assert_true(strcmp(text + strlen(text) - 9, "sorts:21 ") == 0);
    assert_true(t.n > 3);
    assert_int_equal(t.frames[2].object[0], '/'); /* a sanitizer's qsort is not in libc */
    assert_false(t.cut);
    ml_backtrace_done(&t);
    ml_crash_done(&what);
}

/* Where there is no code, there are no tables either; who called it is found all the same. */
static void call_of_nothing(void **state)
{
    static const long places[] = {0, 8};
    struct place *place = *state;
    BUILT_AUTO built;
    build(place, &built);
    for (size_t i = 0; i < 2; i++) {
        struct ml_crash what;
        struct ml_backtrace t;
        crash(place, &built, "calls", places[i], &what);
        assert_string_equal(what.object, "");
        assert_int_equal(what.offset, places[i]);
        assert_int_equal(trace(place, what.record, what.size, &t, NULL), 0);
        assert_string_equal(shown(&t), "- calls:26 ");
        assert_int_equal(t.frames[0].offset, places[i]);
        ml_backtrace_done(&t);
        ml_crash_done(&what);
    }
}

static void recursion_without_end(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    struct ml_crash what;
    struct ml_backtrace t;
    build(place, &built);
    crash(place, &built, "recurses", 0, &what);
    assert_int_equal(trace(place, what.record, what.size, &t, NULL), 0);
    assert_int_equal(t.n, 64);
    assert_true(t.cut);
    for (size_t i = 0; i < t.n; i++)
        assert_string_equal(t.frames[i].function, "recurses");
    ml_backtrace_done(&t);
    ml_crash_done(&what);
}

/* What there is counts, and that it is not all is told. */
static void stack_is_missing(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    struct ml_crash what;
    struct ml_backtrace t;
    struct wire_crash head;
    build(place, &built);
    crash(place, &built, "sorts", 0, &what);
    memcpy(&head, what.record, sizeof head);
    what.size -= head.stack_size - 16;
    head.stack_size = 16;
    memcpy(what.record, &head, sizeof head);
    assert_int_equal(trace(place, what.record, what.size, &t, NULL), 0);
    assert_true(strncmp(shown(&t), "inner:4 compare:16 ", 19) == 0);
    assert_true(t.cut);
    ml_backtrace_done(&t);
    ml_crash_done(&what);
}

/* ---- files that are not what they were ---- */

static void only_the_place(struct place *place, const struct ml_crash *what)
{
    struct ml_backtrace t;
    assert_int_equal(trace(place, what->record, what->size, &t, NULL), 0);
    assert_true(t.n >= 1);
    assert_string_equal(t.frames[0].function, "");
    assert_string_equal(t.frames[0].object, "plugin.so");
    assert_int_equal(t.frames[0].offset, what->offset);
    assert_int_equal(t.frames[0].line, 0);
    ml_backtrace_done(&t);
}

static void bundle_is_gone(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    struct ml_crash what;
    build(place, &built);
    crash(place, &built, "outer", 0, &what);
    assert_int_equal(unlink(built_file(place, &built, "plugin.so")), 0);
    only_the_place(place, &what);
    assert_int_equal(fs_remove_tree(place->fd, "home"), 0);
    only_the_place(place, &what);
    ml_crash_done(&what);
}

/* The same code by other names in its place: as good as any other object. */
static void another_object(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    BUILT_AUTO other;
    struct ml_crash what;
    build(place, &built);
    crash(place, &built, "outer", 0, &what);
    char text[sizeof source];
    memcpy(text, source, sizeof source);
    for (char *at = text; (at = strstr(at, "inner")) != NULL;)
        memcpy(at, "wrong", 5);
    built_text(place, text, &other);
    assert_int_equal(other.status, 0);
    assert_int_equal(
        rename(built_file(place, &other, "plugin.so"), built_file(place, &built, "plugin.so")), 0);
    only_the_place(place, &what);
    ml_crash_done(&what);
}

static void garbage_in_its_place(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    struct ml_crash what;
    build(place, &built);
    crash(place, &built, "outer", 0, &what);
    char path[512];
    snprintf(path, sizeof path, "%s", built_file(place, &built, "plugin.so"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    only_the_place(place, &what);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/zero", path), 0);
    only_the_place(place, &what);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    only_the_place(place, &what);
    assert_int_equal(rmdir(path), 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)1 << 32), 0);
    close(fd);
    only_the_place(place, &what);
    ml_crash_done(&what);
}

/* ---- records that nobody of ours has written ---- */

static struct buf hand_made(const struct wire_crash *head, const char *name)
{
    struct buf record = BUF_INIT;
    struct wire_crash crash = *head;
    struct wire_object object = {.start = 0x1000, .end = UINT64_MAX};
    crash.n_objects = 1;
    crash.objects_size = (uint32_t)(sizeof object + strlen(name) + 1);
    crash.stack_size = 64;
    buf_add(&record, &crash, sizeof crash);
    buf_add(&record, &object, sizeof object);
    buf_add(&record, name, strlen(name) + 1);
    for (int i = 0; i < 64; i++)
        buf_char(&record, 'x');
    return record;
}

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64, OTHER_MACHINE = EM_AARCH64 };
#else
enum { MACHINE = EM_AARCH64, OTHER_MACHINE = EM_X86_64 };
#endif

/* What a worker may name that a constructor has taken over: nothing of it is read that is no plain
 * file, and a plain file that is no object has no names. */
static void hostile_names(void **state)
{
    static const char *const names[] = {
        "/dev/zero", "/dev/stdin", "/proc/self/mem",  "/",        "/etc/passwd", "/no/such/file",
        "../../x",   "plugin.so/", "linux-vdso.so.1", "entry.so", "plugin.so",   "/proc/self/exe",
    };
    struct place *place = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wire_crash head = {
            .machine = MACHINE, .signo = SIGSEGV, .pc = 0x2000, .bundle = "../../../../etc"};
        BUF_AUTO record = hand_made(&head, names[i]);
        struct ml_backtrace t;
        case_int(names[i], trace(place, record.data, record.len, &t, NULL), 0);
        case_true(names[i], t.n >= 1);
        case_text(names[i], t.frames[0].object, names[i]);
        case_int(names[i], t.frames[0].offset, 0x2000);
        ml_backtrace_done(&t);
    }
}

static void no_records(void **state)
{
    struct place *place = *state;
    struct wire_crash head = {.machine = OTHER_MACHINE, .signo = SIGSEGV};
    struct ml_error err = ML_ERROR_INIT;
    struct ml_backtrace t;
    BUF_AUTO record = hand_made(&head, "");
    assert_int_equal(trace(place, record.data, record.len, &t, &err), -1);
    assert_int_equal(err.status, ML_DATA);
    assert_int_equal(trace(place, "garbage", 7, &t, &err), -1);
    assert_int_equal(err.status, ML_DATA);
    assert_int_equal(trace(place, "", 0, &t, NULL), -1);
}

/* It has not left modload's own code: that place is all there is. */
static void in_modload_itself(void **state)
{
    struct place *place = *state;
    struct wire_crash head = {.machine = MACHINE, .signo = SIGSEGV, .pc = 0x2000};
    struct ml_backtrace t;
    BUF_AUTO record = hand_made(&head, "");
    assert_int_equal(trace(place, record.data, record.len, &t, NULL), 0);
    assert_int_equal(t.n, 1);
    assert_string_equal(t.frames[0].object, "modload-worker");
    ml_backtrace_done(&t);
}

/* Registers and stack of a true crash, changed at random: the tables of the true files are asked
 * for all that comes of it. */
static void random_changes(void **state)
{
    struct place *place = *state;
    BUILT_AUTO built;
    struct ml_crash what;
    uint64_t seed = 11;
    build(place, &built);
    crash(place, &built, "sorts", 0, &what);
    char *record = what.record;
    for (int round = 0; round < 300 / UNIT_SLOWNESS; round++) {
        struct ml_backtrace t = {0};
        size_t at = next_random(&seed) % what.size;
        char was = record[at];
        record[at] = (char)next_random(&seed);
        if (trace(place, record, what.size, &t, NULL) == 0)
            assert_in_range(t.n, 1, 64);
        ml_backtrace_done(&t);
        if (round % 3 == 0)
            record[at] = was;
    }
    ml_crash_done(&what);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(function_file_and_line), place_test(through_libc),
        place_test(call_of_nothing),        place_test(recursion_without_end),
        place_test(stack_is_missing),       place_test(bundle_is_gone),
        place_test(another_object),         place_test(garbage_in_its_place),
        place_test(hostile_names),          place_test(no_records),
        place_test(in_modload_itself),      place_test(random_changes),
    };
    UNIT_RUN("build/backtrace", tests);
}
