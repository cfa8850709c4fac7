/* Handlers of the signals by which a program crashes. They are set once in the worker, and every
 * call has them by fork: what a call that does not crash pays is nothing. In the handler nothing is
 * trusted. The heap may be in ruins, locks may be held, the stack pointer may point anywhere; so it
 * makes system calls, writes to the shared record, and dies of the very signal that came. All
 * signals are blocked meanwhile: a fault in the handler itself is then death by the kernel, not
 * another round. */
#include "worker/crash.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/error.h"
#include "worker/limits.h"

enum {
    PAGE = 4096,           /* the smallest there is: of larger ones each part is asked for */
    HANDLER_STACK = 32768, /* beside what the kernel puts there */
    SKIP_MAX = 2 << 20,    /* how far beneath the stack an overflow may have moved its pointer */
    OTHER_THREAD_S = 1,    /* what the first thread to crash has for its record */
};

static struct crash_record *record; /* null but in a call */
static pid_t owner;

/* ---- the machine ---- */

#if defined(__x86_64__)

enum { MACHINE = EM_X86_64, PAGE_FAULT = 14, ERROR_WRITE = 2, ERROR_FETCH = 16 };

/* Registers in the order of their DWARF numbers (System V ABI for x86-64, figure 3.36). */
static void take_registers(const ucontext_t *context, struct wire_crash *head)
{
    static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};
    const greg_t *reg = context->uc_mcontext.gregs;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        head->reg[i] = (uint64_t)reg[order[i]];
    head->pc = (uint64_t)reg[REG_RIP];
    head->stack_at = (uint64_t)reg[REG_RSP];
}

/* The error code that the processor pushed for a page fault. */
static enum wire_access access_of(const ucontext_t *context)
{
    const greg_t *reg = context->uc_mcontext.gregs;
    if (reg[REG_TRAPNO] != PAGE_FAULT)
        return WIRE_ACCESS_ANY;
    return reg[REG_ERR] & ERROR_FETCH   ? WIRE_ACCESS_EXECUTE
           : reg[REG_ERR] & ERROR_WRITE ? WIRE_ACCESS_WRITE
                                        : WIRE_ACCESS_READ;
}

#elif defined(__aarch64__)

#include <asm/sigcontext.h>

/* Exception classes of ESR_EL1, and the bit that says "write" (Arm ARM, D19.2). */
enum {
    MACHINE = EM_AARCH64,
    FETCH_LOWER = 0x20,
    FETCH_SAME = 0x21,
    DATA_LOWER = 0x24,
    DATA_SAME = 0x25,
    WRITE_BIT = 6
};

static void take_registers(const ucontext_t *context, struct wire_crash *head)
{
    const mcontext_t *m = &context->uc_mcontext;
    for (size_t i = 0; i < 31; i++)
        head->reg[i] = m->regs[i];
    head->reg[31] = m->sp;
    head->pc = m->pc;
    head->stack_at = m->sp;
}

/* The syndrome is one of the records behind the registers; it ends at one without a magic. */
static enum wire_access access_of(const ucontext_t *context)
{
    const char *at = (const char *)context->uc_mcontext.__reserved;
    const char *end = at + sizeof context->uc_mcontext.__reserved;
    struct esr_context esr;
    for (; at + sizeof esr <= end; at += esr.head.size) {
        memcpy(&esr, at, sizeof esr);
        if (esr.head.magic == 0 || esr.head.size == 0)
            break;
        unsigned class = (unsigned)(esr.esr >> 26) & 0x3f;
        if (esr.head.magic != ESR_MAGIC)
            continue;
        if (class == FETCH_LOWER || class == FETCH_SAME)
            return WIRE_ACCESS_EXECUTE;
        if (class == DATA_LOWER || class == DATA_SAME)
            return esr.esr >> WRITE_BIT & 1 ? WIRE_ACCESS_WRITE : WIRE_ACCESS_READ;
    }
    return WIRE_ACCESS_ANY;
}

#else
#error "modload knows x86-64 and aarch64"
#endif

/* ---- in the handler ---- */

/* Whether 8 bytes can be read there, without reading them: the kernel copies the set before it
 * finds that there is no such `how`. Unlike process_vm_readv(2), no sandbox forbids it; unlike a
 * pipe, it needs no descriptor, of which a plugin may have left none. */
static bool readable(const char *at)
{
    return syscall(SYS_rt_sigprocmask, ~0, at, NULL, sizeof(uint64_t)) < 0 && errno == EINVAL;
}

/* Words, each by itself: a memcpy(3) would be looked at by AddressSanitizer, and there is more on a
 * stack than variables. `at` and `size` are multiples of 8. */
__attribute__((no_sanitize("address"))) static void copy_words(char *to, const char *at,
                                                               size_t size)
{
    const volatile uint64_t *from = (const volatile uint64_t *)(const void *)at;
    uint64_t *word = (uint64_t *)(void *)to;
    for (size_t i = 0; i < size / sizeof *word; i++)
        word[i] = from[i];
}

size_t crash_copy(char *to, uint64_t at, size_t max)
{
    size_t done = 0;
    while (done < max) {
        size_t n = PAGE - (at + done) % PAGE;
        const char *page = (const char *)(uintptr_t)(at + done);
        if (n > max - done)
            n = max - done;
        if (at + done < at || !readable(page))
            break;
        copy_words(to + done, page, n);
        done += n;
    }
    return done;
}

/* The stack from its pointer on. Where it has overflown, the pointer is beneath what is mapped: the
 * first page that can be read above is where the frames begin. */
static void take_stack(struct crash_record *r)
{
    uint64_t at = r->head.stack_at & ~(uint64_t)7, end = at + SKIP_MAX;
    while (at < end && !readable((const char *)(uintptr_t)at))
        at = (at & ~(uint64_t)(PAGE - 1)) + PAGE;
    if (at >= end)
        return;
    r->head.stack_at = at;
    r->head.stack_size = (uint32_t)crash_copy(r->stack, at, sizeof r->stack);
}

/* SI_KERNEL: the processor refused the access before it was one, and si_addr is 0 for want of an
 * address. What a process sent has none at all (sigaction(2)). */
static void take_address(const siginfo_t *info, const ucontext_t *context, struct wire_crash *head)
{
    bool memory = info->si_signo == SIGSEGV || info->si_signo == SIGBUS;
    bool instruction = info->si_signo == SIGFPE || info->si_signo == SIGILL;
    if (info->si_code <= 0 || info->si_code == SI_KERNEL || (!memory && !instruction))
        return;
    head->address = (uint64_t)(uintptr_t)info->si_addr;
    head->access = (uint16_t)(memory ? access_of(context) : WIRE_ACCESS_ANY);
}

/* The first thread that crashes is the one whose record counts. Another one must not end the
 * process before that is written; nor wait for ever, should the first have been cancelled. ppoll by
 * its number is no point where this one can be. */
static void take_down(const siginfo_t *info, const ucontext_t *context, int errnum)
{
    static atomic_flag taken = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&taken)) {
        struct timespec patience = {.tv_sec = OTHER_THREAD_S};
        syscall(SYS_ppoll, NULL, 0, &patience, NULL, 0);
        return;
    }
    record->head =
        (struct wire_crash){.machine = MACHINE, .signo = info->si_signo, .code = info->si_code};
    record->errnum = errnum;
    record->descriptors_out = limits_descriptors_out();
    take_registers(context, &record->head);
    take_address(info, context, &record->head);
    take_stack(record);
    atomic_store(&record->whole, 1);
}

/* Returning would not do: what was sent, and a breakpoint, are over then, and the program would go
 * on. The last two lines are for the first process of a pid namespace, whom its own signals do not
 * reach (pid_namespaces(7)). */
static _Noreturn void die_of(int signo)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    signal(signo, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signo);
    kill(getpid(), SIGKILL);
    _exit(ML_SIGNAL + signo);
}

/* A child that the plugin has forked has these handlers too, and is nobody's call. */
static void on_crash(int signo, siginfo_t *info, void *context)
{
    if (record != NULL && getpid() == owner)
        take_down(info, context, errno);
    die_of(signo);
}

/* ---- before it ---- */

/* For stacks that have overflown. Growing beyond this one hits a page that nobody may touch. Only
 * the main thread has it: a plugin's other threads are served on their own stacks, and where there
 * is no room left the kernel ends the process, by the same signal. */
static int set_stack(void)
{
    size_t size = HANDLER_STACK + (size_t)sysconf(_SC_MINSIGSTKSZ);
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    size = (size + guard - 1) / guard * guard;
    char *place = mmap(NULL, guard + size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (place == MAP_FAILED || mprotect(place, guard, PROT_NONE) < 0)
        return -1;
    stack_t stack = {.ss_sp = place + guard, .ss_size = size};
    return sigaltstack(&stack, NULL);
}

int crash_watch(struct ml_error *err)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
    struct sigaction act = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&act.sa_mask);
    if (set_stack() < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "the worker cannot watch for crashes");
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], &act, NULL) < 0)
            return ml_error_errno(err, ML_LIMIT, errno, "the worker cannot watch for crashes");
    return 0;
}

void crash_record_in(struct crash_record *r)
{
    owner = getpid();
    record = r;
}
