/* The table of the zoo, and nothing else: who reads it is drive.c. Outcomes and exit codes are
 * those of the manual. */
#include "rows.h"

#include <signal.h>

const char *const counter_names[N_COUNTERS] = {
    [OKS] = "ok",
    [ERRORS] = "errors",
    [CRASHES] = "crashes",
    [TIMEOUTS] = "timeouts",
    [CANCELLED] = "cancelled",
    [REJECTED] = "rejected",
    [CALLS] = "calls",
};

/* What can come of a call. A time limit that is to be hit is short; every other is so long that
 * hitting it is a failure. */
#define RETURNS(value) .data = (value), .counter = OKS
#define CRASHES_BY(n)                                                                              \
    .code = 128 + (n), .error = "plugin_error", .outcome = "plugin_error", .counter = CRASHES
#define EXITS       .code = 1, .error = "exited", .outcome = "plugin_error", .counter = ERRORS
#define FAILS(word) .code = 1, .error = (word), .outcome = "plugin_error", .counter = ERRORS
#define TIMES_OUT                                                                                  \
    .options = "-t 250ms", .code = 124, .error = "timeout", .outcome = "timeout",                  \
    .counter = TIMEOUTS
#define LIMITED(given, word)                                                                       \
    .options = "-t 60s " given, .code = 71, .error = "limit_" word, .outcome = "plugin_error",     \
    .counter = ERRORS
#define LOSES_SUPERVISOR                                                                           \
    .code = 69, .error = "worker_gone", .outcome = "not_loaded", .counter = CANCELLED
#define LOSES_WORKER                                                                               \
    .kind = ROW_LIFE, .code = 69, .error = "worker_gone", .outcome = "not_loaded", .end = 69

/* A JSON answer of modload's, in one word. */
#define FORGED                                                                                     \
    "{\"modload\":1,\"command\":\"exec\",\"status\":\"ok\",\"exit_code\":0,\"data\":42,"           \
    "\"errors\":[]}"

const struct row rows[] = {
    /* ---- signals ---- */
    {"writes to nowhere", "zoo/signals", "writes_to 0", CRASHES_BY(SIGSEGV)},
    {"writes to the kernel", "zoo/signals", "writes_to -4096", CRASHES_BY(SIGSEGV)},
    {"goes to nowhere", "zoo/signals", "calls_at 0", CRASHES_BY(SIGSEGV)},
    {"reads behind a file's end", "zoo/signals", "bus", CRASHES_BY(SIGBUS)},
    {"divides by zero", "zoo/signals", "divides 1 0", CRASHES_BY(SIGFPE)},
    {"is no instruction", "zoo/signals", "illegal", CRASHES_BY(SIGILL)},
    {"aborts", "zoo/signals", "aborts", CRASHES_BY(SIGABRT)},
    {"hangs itself up", "zoo/signals", "raises 1", CRASHES_BY(SIGHUP)},
    {"interrupts itself", "zoo/signals", "raises 2", CRASHES_BY(SIGINT)},
    {"kills itself", "zoo/signals", "raises 9", CRASHES_BY(SIGKILL)},
    {"terminates itself", "zoo/signals", "raises 15", CRASHES_BY(SIGTERM)},
    {"dies of a real-time signal", "zoo/signals", "raises 64", CRASHES_BY(64)},

    /* ---- the end of a process ---- */
    {"exit(0)", "zoo/ends", "exits 0", EXITS},
    {"exit(7)", "zoo/ends", "exits 7", EXITS},
    {"exit(0), with a result", "zoo/ends", "exits_with_a_result 42", EXITS, .out = "42\n"},
    {"_exit(0)", "zoo/ends", "exits_at_once 0", EXITS},
    {"_exit(255)", "zoo/ends", "exits_at_once 255", EXITS},
    {"quick_exit(0)", "zoo/ends", "quick 0", EXITS},
    {"quick_exit(3)", "zoo/ends", "quick 3", EXITS},
    {"ends its only thread", "zoo/ends", "leaves_its_thread", EXITS},
    {"ends its only thread, without libc", "zoo/ends", "leaves_by_itself 5", EXITS},
    {"exits, with a handler that hangs", "zoo/ends", "exits_slowly", TIMES_OUT},
    {"quick_exit, with a handler that hangs", "zoo/ends", "quick_but_slow", TIMES_OUT},
    {"becomes another program", "zoo/ends", "becomes echo gone", EXITS, .out = "gone\n"},
    {"becomes a program that hangs", "zoo/ends", "becomes sleep 1000", TIMES_OUT},

    /* ---- jumps and stacks ---- */
    {"longjmp to nowhere", "zoo/jumps", "nowhere", CRASHES_BY(SIGSEGV)},
    {"siglongjmp out of a crash", "zoo/jumps", "out_of_a_crash", RETURNS("11")},
    {"siglongjmp out of a crash into another", "zoo/jumps", "out_of_a_crash_into_another 0",
     CRASHES_BY(SIGSEGV)},
    {"siglongjmp out of an alarm", "zoo/jumps", "out_of_an_alarm", RETURNS("14")},
    {"overflows its stack", "zoo/stack", "recurses 1", CRASHES_BY(SIGSEGV)},
    {"takes away its stack", "zoo/stack", "saws", CRASHES_BY(SIGSEGV)},
    {"ignores its crash", "zoo/stack", "ignores_its_crash 0", TIMES_OUT},
    {"sits in its crash", "zoo/stack", "sits_in_its_crash 1", TIMES_OUT},

    /* ---- the heap ---- */
    {"frees twice", "zoo/heap", "frees_twice", CRASHES_BY(SIGABRT), .err = "*"},
    {"writes before its memory", "zoo/heap", "underruns 255", CRASHES_BY(SIGABRT), .err = "*"},
    {"ruins its heap, and says nothing", "zoo/heap", "ruins 5", RETURNS("5")},
    {"ruins stdio", "zoo/heap", "ruins_stdio 5", CRASHES_BY(SIGSEGV), .err = "*"},
    /* without a limit */
    {"leaks 50 MB", "zoo/memory", "leaks 50", RETURNS("50")},
    {"takes 200 MB", "zoo/memory", "grabs 200", RETURNS("200")},

    {"takes memory without bound", "zoo/memory", "hoards", LIMITED("--memory 32M", "memory")},
    {"takes memory without bound, in children", "zoo/memory", "hoards_with_children 4 20",
     LIMITED("--memory 64M", "memory")},
    {"takes more than there is, and does not look", "zoo/memory", "trusts 512",
     LIMITED("--memory 32M", "memory")},
    {"takes more than there is, and says so", "zoo/memory", "complains 512",
     LIMITED("--memory 32M", "memory")},
    {"shares its memory with its children", "zoo/memory", "shares 4 20",
     .options = "-t 250ms --memory 64M", .code = 124, .error = "timeout", .outcome = "timeout",
     .counter = TIMEOUTS},
    {"takes what it may", "zoo/memory", "leaks 20", RETURNS("20"),
     .options = "-t 60s --memory 64M"},

    /* ---- does not come back ---- */
    {"loops, within its time of processors", "zoo/hangs", "loops", LIMITED("--cpu 100ms", "cpu")},
    {"has its children loop", "zoo/hangs", "burns_with_children 2", LIMITED("--cpu 200ms", "cpu")},
    {"loops", "zoo/hangs", "loops", TIMES_OUT},
    {"sleeps", "zoo/hangs", "sleeps", TIMES_OUT},
    {"waits for itself", "zoo/hangs", "waits_for_itself", TIMES_OUT},
    {"ignores SIGTERM", "zoo/hangs", "ignores_sigterm", TIMES_OUT},
    {"blocks and ignores all signals", "zoo/hangs", "hears_nothing", TIMES_OUT},
    {"stops itself", "zoo/hangs", "stops 19", TIMES_OUT},
    {"stops itself as a terminal would", "zoo/hangs", "stops 20", TIMES_OUT},
    {"pushes: SCHED_FIFO and sched_yield", "zoo/hangs", "pushes", TIMES_OUT},

    /* ---- descriptors ---- */
    {"closes every descriptor", "zoo/descriptors", "closes_all 5", RETURNS("5")},
    {"closes 0", "zoo/descriptors", "closes 0", RETURNS("0")},
    {"closes 1", "zoo/descriptors", "closes 1", RETURNS("0")},
    {"closes 2", "zoo/descriptors", "closes 2", RETURNS("0")},
    {"replaces 0, 1 and 2", "zoo/descriptors", "replaces 5", RETURNS("5")},
    {"writes to what is not its own", "zoo/descriptors", "writes_to_all junk", RETURNS("0")},
    {"shuts down every socket", "zoo/descriptors", "shuts_all 5", RETURNS("5")},
    {"makes every descriptor non-blocking", "zoo/descriptors", "unblocks_all 5", RETURNS("5")},
    {"opens descriptors without bound", "zoo/descriptors", "opens 100000", RETURNS("100000")},

    {"opens descriptors without bound, but for its own", "zoo/descriptors", "opens_and_stays",
     LIMITED("--files 64", "files")},
    {"opens descriptors, and fails for want of more", "zoo/descriptors", "opens_or_fails 1000",
     LIMITED("--files 64", "files")},

    /* ---- input and output ---- */
    {"prints a gigabyte, of which a part may be", "zoo/prints", "megabytes 1 1024",
     LIMITED("--output 1M", "output"), .sink = SINK_NULL},
    {"prints what it may", "zoo/prints", "before 5", RETURNS("5"), .out = "before 5\n",
     .err = "on the side\n", .options = "-t 60s --output 1K"},
    {"prints a gigabyte", "zoo/prints", "megabytes 1 1024", RETURNS("1024"), .sink = SINK_NULL},
    {"prints for ever, which nobody reads", "zoo/prints", "forever", TIMES_OUT, .sink = SINK_FULL},
    {"prints a gigabyte, and the reader goes", "zoo/prints", "megabytes 1 1024",
     CRASHES_BY(SIGPIPE), .sink = SINK_CLOSED},
    {"prints for ever", "zoo/prints", "forever", TIMES_OUT, .sink = SINK_NULL},
    {"prints before it returns", "zoo/prints", "before 5", RETURNS("5"), .out = "before 5\n",
     .err = "on the side\n"},
    {"prints a forged answer", "zoo/prints", "forged " FORGED, RETURNS("7"), .out = FORGED "\n7\n"},
    {"prints a forged frame", "zoo/prints", "forged_frame 1", RETURNS("7"), .out = "*7\n"},
    {"prints a forged frame on stderr", "zoo/prints", "forged_frame 2", RETURNS("7"), .err = "*"},
    {"reads its input to the end", "zoo/input", "to_the_end", RETURNS("11"),
     .input = "some words\n"},
    {"reads an input without end", "zoo/input", "to_the_end", TIMES_OUT, .input = "@zero"},
    {"reads an input that never comes", "zoo/input", "to_the_end", TIMES_OUT, .input = "@pipe"},
    {"reads a byte of its input", "zoo/input", "a_byte", RETURNS("115"), .input = "some words\n"},
    {"reads nothing of its input", "zoo/input", "nothing 5", RETURNS("5"), .input = "@pipe"},

    /* ---- habits ---- */
    {"chdir", "zoo/habits", "goes /tmp", RETURNS("0")},
    {"umask", "zoo/habits", "masks 0", RETURNS("0")},
    {"setenv", "zoo/habits", "sets LD_PRELOAD /nowhere.so", RETURNS("0")},
    {"clearenv", "zoo/habits", "unsets_all", RETURNS("0")},
    {"setlocale", "zoo/habits", "speaks C.UTF-8", RETURNS("2.5")},
    {"fesetround", "zoo/habits", "rounds 3", RETURNS("0.33333333333333337")},
    {"ignores signals from now on", "zoo/habits", "ignores_signals 5", RETURNS("5")},
    {"leaves alarms that are set", "zoo/habits", "winds 5", RETURNS("5")},
    {"is woken by an alarm", "zoo/habits", "is_woken", CRASHES_BY(SIGALRM)},
    {"setrlimit", "zoo/habits", "limits 5", RETURNS("5")},
    {"has another name", "zoo/habits", "pretends modload", RETURNS("0")},

    /* ---- processes and threads ---- */
    {"leaves a child", "zoo/forks", "child 5", RETURNS("5")},
    {"leaves a demon: two forks and setsid", "zoo/forks", "demon 5", RETURNS("5")},
    {"leaves dead children", "zoo/forks", "corpses 50", RETURNS("50")},
    {"crashes, with a child", "zoo/forks", "child_and_crash 5", CRASHES_BY(SIGSEGV)},
    {"a fork bomb", "zoo/forks", "bomb 150", TIMES_OUT},
    {"a fork bomb, of which a part may be", "zoo/forks", "bomb 150",
     LIMITED("--processes 8", "processes")},
    {"runs away by forking", "zoo/forks", "runs_away 5", RETURNS("5")},
    {"vfork", "zoo/forks", "vforks 5", RETURNS("5")},
    {"vfork, and the child stays", "zoo/forks", "vforks_and_waits", TIMES_OUT},
    {"leaves a twin: clone with its memory", "zoo/forks", "twin 5", RETURNS("5")},
    {"a thread that outlives the call", "zoo/threads", "outlived 5", RETURNS("5")},
    {"a hundred threads", "zoo/threads", "crowd 100", RETURNS("100")},
    {"a thread that crashes", "zoo/threads", "crashes", CRASHES_BY(SIGSEGV)},
    {"a thread that fails", "zoo/threads", "fails", FAILS("from_thread")},
    {"its first thread ends, another stays", "zoo/threads", "headless", TIMES_OUT},
    {"a thread holds stdout's lock", "zoo/threads", "holds_stdout 5", TIMES_OUT},

    /* ---- those who watch it ---- */
    {"kills its supervisor", "zoo/parent", "signals_parent 9", LOSES_SUPERVISOR},
    {"interrupts its supervisor", "zoo/parent", "signals_parent 2", TIMES_OUT},
    {"stops its supervisor", "zoo/parent", "signals_parent 19", LOSES_SUPERVISOR},
    {"kills its supervisor, and stays", "zoo/parent", "orphans_itself 9", LOSES_SUPERVISOR},
    {"kills its process group", "zoo/parent", "signals_group 9", CRASHES_BY(SIGKILL)},
    {"traces its supervisor", "zoo/parent", "traces_parent", TIMES_OUT},
    {"kills its worker", "zoo/parent", "signals_grandparent 9", LOSES_WORKER},
    {"terminates its worker", "zoo/parent", "signals_grandparent 15", LOSES_WORKER},
    {"fills its report, and returns", "zoo/report", "fills 255", RETURNS("255")},
    {"empties its report, and returns", "zoo/report", "fills 0", RETURNS("0")},
    {"says that it is through, and hangs", "zoo/report", "fills_and_hangs 1", TIMES_OUT},
    {"fills its report, and hangs", "zoo/report", "fills_and_hangs 255", TIMES_OUT},
    {"fills its report, and exits", "zoo/report", "fills_and_exits 1", EXITS},
    {"fills its report, and crashes", "zoo/report", "fills_and_crashes 255", CRASHES_BY(SIGABRT)},

    /* ---- modload itself ---- */
    {"removes what it can reach", "zoo/unlinks", "unlinks %V", RETURNS("5")},
    {"removes its worker's sockets and lock", "zoo/cuts", "cuts %C", .kind = ROW_LIFE, RETURNS("3"),
     .end = 69},
    {"calls its own worker", "zoo/itself", "calls %M %H %R %K", RETURNS("0"), .out = "5\n0\n",
     .inner = 1},
    {"calls itself, three deep", "zoo/itself", "nests %M %H %R %K 3", RETURNS("0"),
     .out = "5\n0\n0\n0\n", .inner = 3},
    {"loads itself", "zoo/itself", "does %M %H %R load %K", RETURNS("0")},
    {"releases itself", "zoo/itself", "does %M %H %R release %K", LOSES_WORKER},
    {"sends noise to the control socket", "zoo/sockets", "noise %C", RETURNS("0")},
    {"sends noise to the call socket", "zoo/sockets", "noise %L", RETURNS("0")},
    {"crowds the control socket", "zoo/sockets", "crowds %C 100", RETURNS("100")},
    {"crowds the call socket", "zoo/sockets", "crowds %L 40", RETURNS("40")},

    /* ---- constructors and destructors ---- */
    {"a constructor that crashes", "constructor_crash", .kind = ROW_LOAD, .code = 128 + SIGSEGV,
     .error = "plugin_error"},
    {"a constructor that exits", "constructor_exit", .kind = ROW_LOAD, .code = 1,
     .error = "plugin_error"},
    {"a constructor that hangs", "constructor_hang", .kind = ROW_LOAD, .options = "-t 250ms",
     .code = 124, .error = "timeout"},
    {"a constructor that hangs, and is deaf", "zoo/constructor_deaf", .kind = ROW_LOAD,
     .options = "-t 250ms", .code = 124, .error = "timeout"},
    {"a constructor that closes everything", "zoo/constructor_closes", .kind = ROW_LOAD,
     .code = 128 + SIGKILL, .error = "plugin_error"},
    {"a constructor that prints", "constructor_print", "one", .kind = ROW_LIFE, RETURNS("1")},
    {"a constructor that forks", "constructor_fork", "child", .kind = ROW_LIFE, RETURNS("*")},
    {"a constructor that starts a thread", "zoo/constructor_thread", "nap 20", RETURNS("20")},
    {"a constructor that ignores its children", "zoo/constructor_children", "nap 20",
     RETURNS("20")},
    {"... and a crash", "zoo/constructor_children", "crashes 20", CRASHES_BY(SIGABRT)},
    {"... and a child", "zoo/constructor_children", "leaves_none", RETURNS("-1")},
    /* Its worker dies with its starter: a caller may come before or behind. */
    {"a constructor that forges its end", "zoo/constructor_forges", "add 2 3", .kind = ROW_LIFE,
     .code = 69, .error = "not_loaded|worker_gone", .outcome = "not_loaded", .end = 69},
    {"a constructor that usurps its worker", "zoo/constructor_usurps", "add 2 3", .kind = ROW_LIFE,
     .options = "-t 250ms", .code = 124, .error = "timeout", .outcome = "timeout", .end = 69},
    {"a destructor that would hang", "zoo/destructor", "add 2 3", .kind = ROW_LIFE, RETURNS("5")},
    {"exit, and a destructor that hangs", "zoo/destructor", "exits hang", TIMES_OUT},
    {"exit, and a destructor that crashes", "zoo/destructor", "exits crash", CRASHES_BY(SIGSEGV)},
    {"exit, and a destructor that exits", "zoo/destructor", "exits exit", EXITS},
    {"exit, and a destructor that prints", "zoo/destructor", "exits print", EXITS,
     .out = "from the destructor\n"},
};
const size_t n_rows = sizeof rows / sizeof *rows;
