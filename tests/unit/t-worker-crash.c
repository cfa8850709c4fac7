/* Goal of this test: a process that crashes dies of the signal that came, always; and what it has
 * written down by then is true. */
#include "fixture.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/error.h"
#include "client/wire.h"
#include "worker/crash.h"

/* What a crashing process and the test share. */
struct shared {
    struct crash_record record;
    uint64_t mark; /* the address of something on its stack */
};

static struct shared *shared;

static int shared_setup(void **state)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED;
}

static int shared_teardown(void **state)
{
    return munmap(shared, sizeof *shared);
}

/* Runs `crash` as a call; how it ended. */
static siginfo_t run(void (*crash)(void))
{
    siginfo_t end;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        if (crash_watch(NULL) < 0)
            _exit(99);
        crash_record_in(&shared->record);
        crash();
        _exit(98);
    }
    while (waitid(P_PID, (id_t)pid, &end, WEXITED) < 0)
        assert_int_equal(errno, EINTR);
    return end;
}

static void died_of(const siginfo_t *end, int signo)
{
    assert_int_not_equal(end->si_code, CLD_EXITED);
    assert_int_equal(end->si_status, signo);
}

/* ---- what a record says ---- */

static const char lying[] = "what lies on the stack";

/* Not inlined, and with a local that is where a frame is. The sanitizers would find what is wrong
 * here before the processor does. */
#define UNCHECKED __attribute__((noinline, no_sanitize("address"), no_sanitize("undefined")))

UNCHECKED static void touch(volatile int *at, bool write)
{
    char mark[64] = "";
    memcpy(mark, lying, sizeof lying);
    shared->mark = (uint64_t)(uintptr_t)mark;
    __asm__ volatile("" : : "r"(mark) : "memory");
    if (write)
        *at = 1;
    else
        shared->mark += (uint64_t)*at;
    __asm__ volatile("" : : "r"(mark) : "memory");
}

static void read_null(void)
{
    touch(NULL, false);
}

static void write_low(void)
{
    touch((int *)0x10, true);
}

static void call_low(void)
{
    void (*volatile to)(void) = (void (*)(void))(uintptr_t)0x20;
    to();
}

static void memory_accesses(void **state)
{
    static const struct {
        const char *name;
        void (*crash)(void);
        uint64_t address;
        enum wire_access access;
    } cases[] = {
        {"a read", read_null, 0, WIRE_ACCESS_READ},
        {"a write", write_low, 0x10, WIRE_ACCESS_WRITE},
        {"a call", call_low, 0x20, WIRE_ACCESS_EXECUTE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&shared->record, 0, sizeof shared->record);
        siginfo_t end = run(cases[i].crash);
        const struct wire_crash *head = &shared->record.head;
        case_int(cases[i].name, end.si_status, SIGSEGV);
        case_int(cases[i].name, shared->record.whole, 1);
        case_int(cases[i].name, head->signo, SIGSEGV);
        case_int(cases[i].name, head->address, cases[i].address);
        case_int(cases[i].name, head->access, cases[i].access);
    }
}

/* The program counter is in the function, and the stack above its pointer is there. */
static void registers_and_stack(void **state)
{
    siginfo_t end = run(read_null);
    died_of(&end, SIGSEGV);
    const struct wire_crash *head = &shared->record.head;
    uint64_t start = (uint64_t)(uintptr_t)touch;
    assert_in_range(head->pc, start, start + 4096);
    assert_in_range(shared->mark, head->stack_at, head->stack_at + head->stack_size);
    assert_string_equal(shared->record.stack + (shared->mark - head->stack_at), lying);
    assert_int_equal(head->stack_at % 8, 0);
}

UNCHECKED static void divide(void)
{
    volatile int zero = 0;
#if defined(__x86_64__)
    shared->mark = (uint64_t)(1 / zero);
#endif
    raise(SIGFPE); /* where a division is no trap */
}

static void send_self(void)
{
    raise(SIGSEGV);
}

/* Only memory has an address that is of interest to people; what was sent has none at all. */
static void other_signals(void **state)
{
    siginfo_t end = run(send_self);
    died_of(&end, SIGSEGV);
    assert_int_equal(shared->record.whole, 1);
    assert_int_equal(shared->record.head.access, WIRE_ACCESS_NONE);
    struct ml_error err = ML_ERROR_INIT;
    ml_error_set(&err, ML_FAILED, NULL, "it crashed");
    crash_explain(&shared->record, &end, &err);
    assert_string_equal(err.message, "it crashed");
    shared->record.whole = 0;
    end = run(divide);
    died_of(&end, SIGFPE);
    assert_int_equal(shared->record.whole, 1);
    crash_explain(&shared->record, &end, &err);
    assert_string_equal(err.message, "it crashed");
}

/* ---- dying ---- */

static void break_point(void)
{
    raise(SIGTRAP);
}

static void each_signal(void **state)
{
    static const struct {
        int signo;
        void (*crash)(void);
    } cases[] = {{SIGABRT, abort}, {SIGTRAP, break_point}, {SIGSEGV, read_null}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        shared->record.whole = 0;
        siginfo_t end = run(cases[i].crash);
        died_of(&end, cases[i].signo);
        assert_int_equal(shared->record.whole, 1);
    }
}

UNCHECKED static int overflow(int n)
{
    volatile char room[2000];
    room[n % 2000] = (char)n;
    return n < 0 ? 0 : overflow(n + 1) + room[n % 1000];
}

static void overflow_stack(void)
{
    overflow(0);
}

static void stack_overflow(void **state)
{
    siginfo_t end = run(overflow_stack);
    died_of(&end, SIGSEGV);
    assert_int_equal(shared->record.whole, 1);
    assert_int_equal(shared->record.head.stack_size, WIRE_STACK_MAX);
}

/* With `to` as the stack pointer, whatever it is, the handler must not go astray. */
#if defined(__x86_64__)
#define CRASH_AT(to) __asm__ volatile("mov %0, %%rsp\n\tud2" : : "r"((uint64_t)(to)) : "memory")
#else
#define CRASH_AT(to) __asm__ volatile("mov sp, %0\n\tudf #0" : : "r"((uint64_t)(to)) : "memory")
#endif

static uint64_t stack_pointer;

static void crash_there(void)
{
    CRASH_AT(stack_pointer);
}

static void any_stack_pointer(void **state)
{
    long page = sysconf(_SC_PAGESIZE);
    char *place =
        mmap(NULL, (size_t)(3 * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(place != MAP_FAILED);
    assert_int_equal(mprotect(place + 2 * page, (size_t)page, PROT_NONE), 0);
    uint64_t at = (uint64_t)(uintptr_t)place;
    const struct {
        const char *name;
        uint64_t to;
        uint32_t size; /* that can be copied; 1: any */
    } cases[] = {
        {"null", 0, 0},
        {"nearly null", 0x10, 0},
        {"the end of all", UINT64_MAX - 15, 0},
        {"no address", 0x0123456789abcdf0, 0},
        {"the last words before a hole", at + (uint64_t)(2 * page) - 16, 16},
        {"a page before a hole", at + (uint64_t)page, (uint32_t)page},
        {"beneath a page", at + 16, (uint32_t)(2 * page - 16)},
        {"code", (uint64_t)(uintptr_t)overflow & ~UINT64_C(15), 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&shared->record.head, 0, sizeof shared->record.head);
        stack_pointer = cases[i].to;
        siginfo_t end = run(crash_there);
        case_int(cases[i].name, end.si_status, SIGILL);
        case_int(cases[i].name, shared->record.whole, 1);
        if (cases[i].size != 1)
            case_int(cases[i].name, shared->record.head.stack_size, cases[i].size);
    }
    munmap(place, (size_t)(3 * page));
}

static void *read_null_in_thread(void *arg)
{
    read_null();
    return NULL;
}

static void crash_in_threads(void)
{
    pthread_t t;
    for (int i = 0; i < 8; i++)
        pthread_create(&t, NULL, read_null_in_thread, NULL);
    pthread_join(t, NULL);
}

/* Whichever is first writes its record, and the others leave it the time. */
static void threads(void **state)
{
    for (int i = 0; i < 50; i++) {
        shared->record.whole = 0;
        siginfo_t end = run(crash_in_threads);
        died_of(&end, SIGSEGV);
        assert_int_equal(shared->record.whole, 1);
    }
}

/* ---- who is no call ---- */

static void fork_and_crash(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        read_null();
    waitpid(pid, &status, 0);
    _exit(WIFSIGNALED(status) ? WTERMSIG(status) : 97);
}

/* Its end is nobody's crash: there is nothing in the record. */
static void child_of_a_call(void **state)
{
    siginfo_t end = run(fork_and_crash);
    assert_int_equal(end.si_code, CLD_EXITED);
    assert_int_equal(end.si_status, SIGSEGV);
    assert_int_equal(shared->record.whole, 0);
}

static int crash_in_worker(void *arg)
{
    CHILD_CHECK(crash_watch(NULL) == 0);
    read_null();
    return 0;
}

static void worker_itself(void **state)
{
    assert_int_equal(child_run(crash_in_worker, NULL), 128 + SIGSEGV);
    assert_int_equal(shared->record.whole, 0);
}

/* ---- telling ---- */

/* A record as a call leaves it, and its end. */
static struct crash_record *sample(siginfo_t *end)
{
    struct crash_record *r = calloc(1, sizeof *r);
    assert_non_null(r);
    memset(end, 0, sizeof *end);
    end->si_code = CLD_KILLED;
    end->si_status = SIGSEGV;
    r->whole = 1;
    r->head = (struct wire_crash){
        .signo = SIGSEGV, .access = WIRE_ACCESS_READ, .stack_size = 16, .address = 0x1234};
    return r;
}

static void words(void **state)
{
    static const struct {
        enum wire_access access;
        int signo;
        const char *message;
    } cases[] = {
        {WIRE_ACCESS_NONE, SIGSEGV, "it crashed"},
        {WIRE_ACCESS_ANY, SIGSEGV, "it crashed at address 0x1234"},
        {WIRE_ACCESS_READ, SIGBUS, "it crashed reading address 0x1234"},
        {WIRE_ACCESS_WRITE, SIGSEGV, "it crashed writing to address 0x1234"},
        {WIRE_ACCESS_EXECUTE, SIGSEGV, "it crashed executing address 0x1234"},
        {WIRE_ACCESS_ANY, SIGILL, "it crashed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        siginfo_t end;
        struct crash_record *r = sample(&end);
        struct ml_error err = ML_ERROR_INIT;
        r->head.access = (uint16_t)cases[i].access;
        r->head.signo = end.si_status = cases[i].signo;
        ml_error_set(&err, ML_FAILED, NULL, "it crashed");
        crash_explain(r, &end, &err);
        case_text(cases[i].message, err.message, cases[i].message);
        free(r);
    }
}

/* Whether it gets behind a failure, and the client finds it there. */
static bool told(const struct crash_record *r, const siginfo_t *end)
{
    BUF_AUTO payload = BUF_INIT;
    struct ml_error err = {.status = ML_SIGNAL + end->si_status};
    struct ml_value value = {0};
    struct ml_crash crash = {0};
    wire_put_error(&payload, &err);
    crash_put(r, end, &payload);
    assert_int_equal(wire_get_outcome(&payload, &value, &err), -1);
    assert_int_not_equal(err.status, ML_PROTOCOL);
    wire_get_crash(&payload, &crash);
    bool known = crash.signal == end->si_status;
    ml_crash_done(&crash);
    return known;
}

/* What a plugin may have put there: then the end is told without it. */
static void forged(void **state)
{
    siginfo_t end;
    struct crash_record *r = sample(&end);
    assert_true(told(r, &end));
    r->whole = 0;
    assert_false(told(r, &end));
    r->whole = 77;
    assert_true(told(r, &end));
    end.si_status = SIGKILL;
    assert_false(told(r, &end));
    end.si_status = SIGSEGV;
    end.si_code = CLD_EXITED;
    assert_false(told(r, &end));
    end.si_code = CLD_KILLED;
    r->head.stack_size = WIRE_STACK_MAX + 1;
    assert_false(told(r, &end));
    r->head.stack_size = UINT32_MAX;
    assert_false(told(r, &end));
    r->head.stack_size = WIRE_STACK_MAX;
    assert_true(told(r, &end));
    r->head.stack_at = UINT64_MAX;
    assert_false(told(r, &end));
    r->head.stack_at = 0;
    r->head.access = WIRE_ACCESS_EXECUTE + 1;
    assert_false(told(r, &end));
    r->head.access = WIRE_ACCESS_ANY;
    r->head.n_objects = r->head.objects_size = UINT32_MAX;
    memset(r->head.bundle, 'x', sizeof r->head.bundle);
    assert_true(told(r, &end));
    free(r);
}

#define crash_test(f) cmocka_unit_test_setup_teardown(f, shared_setup, shared_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        crash_test(memory_accesses), crash_test(registers_and_stack), crash_test(other_signals),
        crash_test(each_signal),     crash_test(stack_overflow),      crash_test(any_stack_pointer),
        crash_test(threads),         crash_test(child_of_a_call),     crash_test(worker_itself),
        cmocka_unit_test(words),     cmocka_unit_test(forged),
    };
    UNIT_RUN("worker/crash", tests);
}
