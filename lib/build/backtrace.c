/* Backtraces of processes that are no more: registers and stack come from a record, code and tables
 * from files. libdwfl does the unwinding; what it asks for is answered from the record alone. */
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "build/arena.h"
#include "build/frame.h"
#include "build/object.h"
#include "client/context.h"
#include "client/wire-crash.h"
#include "modload/build.h"

enum { THREAD = 1 }; /* the one that crashed; libdwfl wants a number */

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64, REGISTERS = 16, DWARF_PC = 16 };
#else
enum { MACHINE = EM_AARCH64, REGISTERS = 32, DWARF_LINK = 30 };
#endif

struct trace {
    struct arena *a;
    struct wire_crash_view crash;
    struct frames frames;
    Dwfl *dwfl;
    uint64_t pc, reg[WIRE_REGS]; /* where it begins */
    bool missed;                 /* a part of the stack that is not in the record was asked for */
};

/* ---- files ---- */

/* Nothing is searched for, least of all on the network. */
static int no_debuginfo(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base,
                        const char *file, const char *link, GElf_Word crc, char **path)
{
    return -1;
}

static int no_elf(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, char **path,
                  Elf **elf)
{
    return -1;
}

static const Dwfl_Callbacks file_callbacks = {.find_elf = no_elf, .find_debuginfo = no_debuginfo};

/* A plain file of a size that an object can have. It is opened in such a way that neither a FIFO
 * nor a terminal can do harm. The names are a stranger's. */
static int open_object(int bundle_fd, const char *name)
{
    struct stat st;
    bool own = strcmp(name, "plugin.so") == 0 || strcmp(name, "entry.so") == 0;
    if (!own && *name != '/')
        return -1;
    AUTO_CLOSE int fd = openat(bundle_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > OBJECT_SIZE_MAX)
        return -1;
    return steal_fd(&fd);
}

/* Whether the file is the one that was mapped. libc may have been replaced since, and a bundle
 * mended: addresses in one mean nothing in the other. */
static bool same_object(int fd, const struct wire_object *object)
{
    const void *id = NULL;
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    ssize_t n = elf ? dwelf_elf_gnu_build_id(elf, &id) : -1;
    bool same = elf != NULL && (n > 0 ? (size_t)n == object->id_size &&
                                            memcmp(id, object->id, object->id_size) == 0
                                      : object->id_size == 0);
    elf_end(elf);
    return same;
}

/* A file that cannot be used is left out: what is in it then has no name. */
static void report_object(struct trace *t, int bundle_fd, const struct wire_object *object,
                          const char *name)
{
    AUTO_CLOSE int fd = open_object(bundle_fd, name);
    if (fd >= 0 && same_object(fd, object) &&
        dwfl_report_elf(t->dwfl, name, name, fd, object->bias, true) != NULL)
        steal_fd(&fd); /* libdwfl closes it from here on */
}

/* The bundle as it lies in the registry, whichever worker had mapped it. -1 when it is gone. */
static int open_bundle(struct ml_ctx *ctx, const char *bundle)
{
    struct store *store;
    if (!store_bundle_valid(bundle) || ctx_store(ctx, false, &store, NULL) < 0)
        return -1;
    return store_bundle_open(store, bundle, NULL);
}

static void report_objects(struct trace *t, struct ml_ctx *ctx)
{
    const char *at = t->crash.objects, *name;
    struct wire_object object;
    AUTO_CLOSE int bundle_fd = open_bundle(ctx, t->crash.head.bundle);
    elf_version(EV_CURRENT);
    dwfl_report_begin(t->dwfl);
    while (wire_crash_next(&t->crash, &at, &object, &name))
        report_object(t, bundle_fd, &object, name);
    dwfl_report_end(t->dwfl, NULL, NULL);
}

/* ---- the record, as libdwfl asks for it ---- */

static bool stack_word(const struct trace *t, uint64_t address, uint64_t *word)
{
    const struct wire_crash *head = &t->crash.head;
    uint64_t at = address - head->stack_at;
    if (address < head->stack_at || head->stack_size < sizeof *word ||
        at > head->stack_size - sizeof *word)
        return false;
    memcpy(word, t->crash.stack + at, sizeof *word);
    return true;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *arg)
{
    struct trace *t = arg;
    bool there = stack_word(t, address, word);
    t->missed = t->missed || !there;
    return there;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
    if (*thread_arg != NULL)
        return 0;
    *thread_arg = arg;
    return THREAD;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
    const struct trace *t = arg;
#if defined(__x86_64__)
    return dwfl_thread_state_registers(thread, 0, REGISTERS, t->reg) &&
           dwfl_thread_state_registers(thread, DWARF_PC, 1, &t->pc);
#else
    dwfl_thread_state_register_pc(thread, t->pc);
    return dwfl_thread_state_registers(thread, 0, REGISTERS, t->reg);
#endif
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
    .next_thread = next_thread,
    .memory_read = read_memory,
    .set_initial_registers = set_registers,
};

/* ---- unwinding ---- */

/* A call of what is no function, a null pointer mostly, has no tables to unwind it by; but it has
 * done nothing yet either, so who called it is where every call leaves it. The address that it
 * would return to may be in the next function; the one before is in the call. */
static void step_back(struct trace *t)
{
#if defined(__x86_64__)
    enum { STACK_POINTER = 7 };
    uint64_t back;
    if (!stack_word(t, t->reg[STACK_POINTER], &back))
        return;
    t->reg[STACK_POINTER] += sizeof back;
    t->pc = back - 1;
#else
    t->pc = t->reg[DWARF_LINK] - 1;
#endif
}

static int each_frame(Dwfl_Frame *state, void *arg)
{
    struct trace *t = arg;
    Dwarf_Addr pc;
    bool exact;
    if (!dwfl_frame_pc(state, &pc, &exact))
        return DWARF_CB_ABORT;
    return frames_add(&t->frames, exact ? pc : pc - 1) ? DWARF_CB_OK : DWARF_CB_ABORT;
}

/* The end of a stack is that of another thread; the one of the call begins in modload. A word that
 * cannot be read looks like an end to libdwfl. */
static void unwind(struct trace *t)
{
    t->pc = t->crash.head.pc;
    memcpy(t->reg, t->crash.head.reg, sizeof t->reg);
    if (!frames_known(&t->frames, t->pc)) {
        if (!frames_add(&t->frames, t->pc))
            return;
        step_back(t);
    }
    if (dwfl_attach_state(t->dwfl, NULL, THREAD, &thread_callbacks, t) &&
        dwfl_getthread_frames(t->dwfl, THREAD, each_frame, t) == 0)
        t->frames.whole = !t->missed;
    if (t->frames.n == 0)
        frames_add(&t->frames, t->pc);
}

static void dwfl_release(Dwfl **dwfl)
{
    dwfl_end(*dwfl);
}

static int trace_make(struct trace *t, struct ml_ctx *ctx, struct ml_error *err)
{
    __attribute__((cleanup(dwfl_release))) Dwfl *dwfl = dwfl_begin(&file_callbacks);
    if (dwfl == NULL)
        return ml_error_memory(err);
    t->dwfl = dwfl;
    report_objects(t, ctx);
    t->frames = (struct frames){.a = t->a, .dwfl = dwfl, .crash = &t->crash};
    unwind(t);
    return t->a->failed ? ml_error_memory(err) : 0;
}

int ml_backtrace(struct ml_ctx *ctx, const void *record, size_t size, struct ml_backtrace *ret,
                 struct ml_error *err)
{
    struct trace t = {0};
    if (wire_crash_parse(record, size, &t.crash) < 0 || t.crash.head.machine != MACHINE)
        return ml_error_set(err, ML_DATA, "bad_record", "the record of the crash cannot be read");
    struct arena *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ml_error_memory(err);
    t.a = a;
    if (trace_make(&t, ctx, err) < 0) {
        arena_free(a);
        free(a);
        return -1;
    }
    *ret = (struct ml_backtrace){t.frames.items, t.frames.n, !t.frames.whole, a};
    return 0;
}

void ml_backtrace_done(struct ml_backtrace *trace)
{
    if (trace->memory != NULL)
        arena_free(trace->memory);
    free(trace->memory);
    *trace = (struct ml_backtrace){0};
}
