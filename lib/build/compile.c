/* Compilers run where the user stands and get the paths that he wrote, so that their words read as
 * if he had called them. All that they write goes to the work directory by absolute path. What they
 * say is kept in a file per source, and told when all is done: compilers that run at once would
 * talk into each other's lines. */
#include "build/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/host.h"
#include "build/refused.h"
#include "build/room.h"
#include "build/unpacked.h"
#include "build/word.h"

enum { JOBS_MAX = 64 };
/* More than anybody reads. Kernels write in pieces, and refuse the one that does not fit: the file
 * is larger by more than a piece. */
enum { SAID_MAX = 1 << 20, LOG_SIZE = 2 << 20 };
#define LINKED_OBJECT "modload.so" /* in the work directory: the linker writes nowhere else */

/* ---- flags ---- */

/* A word that could be read as something else by the compiler is refused, not quoted. */
static int refuse_word(const char *option, const char *text, struct ml_error *err)
{
    return ml_error_set(err, ML_DATA, "bad_option", "'%s' cannot stand behind -%s", text, option);
}

static int request_defines(struct build *b, struct ml_error *err)
{
    const struct ml_build_request *r = b->request;
    for (size_t i = 0; i < r->n_defines; i++) {
        if (!word_define(r->defines[i]))
            return refuse_word("D", r->defines[i], err);
        strv_fmt(b->a, &b->flags, "-D%s", r->defines[i]);
    }
    if (r->standard == NULL)
        return 0;
    if (!word_standard(r->standard))
        return refuse_word("std", r->standard, err);
    strv_fmt(b->a, &b->flags, "-std=%s", r->standard);
    return 0;
}

static int request_paths(struct build *b, struct ml_error *err)
{
    const struct ml_build_request *r = b->request;
    for (size_t i = 0; i < r->n_includes; i++) {
        if (*r->includes[i] == '\0')
            return refuse_word("I", r->includes[i], err);
        strv_fmt(b->a, &b->paths, "-I%s", word_path(b->a, r->includes[i]));
    }
    for (size_t i = 0; i < r->n_libraries; i++) {
        if (!word_library(r->libraries[i]))
            return refuse_word("l", r->libraries[i], err);
        strv_fmt(b->a, &b->libraries, "-l%s", r->libraries[i]);
    }
    return 0;
}

int compile_flags(struct build *b, struct ml_error *err)
{
    static const char *const always[] = {"-g", "-O2", "-fPIC"};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        strv_add(b->a, &b->flags, always[i]);
    /* GCC makes functions of equal code aliases of one, and describes that one alone. */
    if (!b->host.is_clang)
        strv_add(b->a, &b->flags, "-fno-ipa-icf");
    /* The plugin's own come before the caller's, which may overrule them. */
    strv_add_all(b->a, &b->flags, &b->manifest.cflags);
    if (request_defines(b, err) < 0 || request_paths(b, err) < 0)
        return -1;
    for (size_t i = 0; i < b->manifest.link.n; i++)
        strv_fmt(b->a, &b->libraries, "-l%s", b->manifest.link.items[i]);
    return b->a->failed ? ml_error_memory(err) : 0;
}

/* Colours where a person looks: the compiler itself only sees a file. */
static bool wants_colour(const struct build *b)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return b->request->diagnostics_fd >= 0 && isatty(b->request->diagnostics_fd) &&
           (no_color == NULL || *no_color == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

/* The order matters where options overrule each other: flags, then maps and paths, and modload's
 * own headers last, so that a plugin's own directories come before them. */
static void source_argv(struct build *b, const struct unit *s, struct strv *argv)
{
    strv_add_all(b->a, argv, &b->host.cc);
    strv_add_all(b->a, argv, &b->flags);
    plan_map_options(b, s, argv);
    strv_add_all(b->a, argv, &b->paths);
    strv_fmt(b->a, argv, "-I%s", b->host.include);
    if (wants_colour(b))
        strv_add(b->a, argv, "-fdiagnostics-color=always");
    strv_add(b->a, argv, "-MD");
    strv_add(b->a, argv, "-MT");
    strv_add(b->a, argv, "x");
    strv_add(b->a, argv, "-MF");
    strv_fmt(b->a, argv, "%s/%s.d", b->work_path, s->stem);
    strv_add(b->a, argv, "-c");
    strv_add(b->a, argv, "-o");
    strv_fmt(b->a, argv, "%s/%s.o", b->work_path, s->stem);
    if (s->header || strcmp(s->path, "-") == 0) {
        strv_add(b->a, argv, "-x");
        strv_add(b->a, argv, "c");
    }
    strv_add(b->a, argv, s->path);
}

/* ---- one program ---- */

/* What a program says is kept until it is its turn: in memory, in a file that cannot grow. One that
 * talks without end is told that there is no room, and takes none from anybody. */
static int log_open(struct ml_error *err)
{
    AUTO_CLOSE int fd = memfd_create("modload-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || TEMP_FAILURE_RETRY(ftruncate(fd, LOG_SIZE)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot keep what the compiler says");
    return steal_fd(&fd);
}

/* It has been written as far as the position that all who have it open share. */
static size_t log_length(int log)
{
    off_t at = lseek(log, 0, SEEK_CUR);
    return at > 0 ? (size_t)at : 0;
}

static bool log_is_full(int log)
{
    return log_length(log) > SAID_MAX;
}

static void log_read(int log, struct buf *out)
{
    char block[16384];
    size_t n = log_length(log);
    n = n < SAID_MAX ? n : SAID_MAX;
    for (size_t at = 0; at < n;) {
        ssize_t got = pread(log, block, n - at < sizeof block ? n - at : sizeof block, (off_t)at);
        if (got <= 0)
            return;
        buf_add(out, block, (size_t)got);
        at += (size_t)got;
    }
}

/* Passes on what a program said. That nobody is there to read it is no failure of the build. Texts
 * end at a NUL; what is behind one is another. */
static void log_replay(const struct build *b, int log)
{
    BUF_AUTO said = BUF_INIT;
    BUF_AUTO shown = BUF_INIT;
    if (b->request->diagnostics_fd < 0)
        return;
    log_read(log, &said);
    for (size_t at = 0; b->unpacked != NULL && at < said.len && !said.failed;) {
        const char *text = buf_text(&said) + at;
        unpacked_show(b, text, &shown);
        at += strlen(text) + 1;
    }
    const struct buf *all = b->unpacked ? &shown : &said;
    if (!all->failed)
        fs_write_all(b->request->diagnostics_fd, all->data, all->len);
}

/* No program reads what the user types, and all that it says goes to its log. */
static int start(struct build *b, const struct strv *argv, int cwd_fd, int in, int log,
                 struct child *ret, struct ml_error *err)
{
    struct child_spec spec;
    if (b->a->failed)
        return ml_error_memory(err);
    host_spec(b, argv, &spec);
    spec.cwd_fd = cwd_fd;
    spec.stdio[0] = in;
    spec.stdio[1] = spec.stdio[2] = log;
    return child_start(&spec, ret, err);
}

/* One that has ended all the same has found much that is wrong; one that has not is over a limit.
 */
static int said_too_much(const char *what, bool ended, struct ml_error *err)
{
    ml_error_set(err, ended ? ML_DATA : ML_LIMIT, ended ? "build_failed" : "too_much_output",
                 "%s: the compiler said more than %d MiB", what, SAID_MAX >> 20);
    return ml_error_hint(err, "fix what it says first");
}

/* `dir` is that of the source. */
static int not_built(struct build *b, const char *what, const struct child_end *end, int log,
                     const char *dir, struct ml_error *err)
{
    char text[128];
    int errnum;
    BUF_AUTO said = BUF_INIT;
    if (room_is_out(b, &errnum))
        return ml_error_errno(err, ML_IO, errnum, "%s", what);
    if (log_is_full(log))
        return said_too_much(what, true, err);
    log_read(log, &said);
    if (refused_tell(b, buf_text(&said), dir, what, err))
        return -1;
    if (end->signal != 0)
        return ml_error_set(err, ML_DATA, "build_failed", "%s: the compiler %s", what,
                            child_end_text(end, text, sizeof text));
    return ml_error_set(err, ML_DATA, "build_failed", "%s", what);
}

/* Runs one program in the work directory; `what` says what has not been done when it fails. */
static int run(struct build *b, const struct strv *argv, int in, const char *what,
               struct ml_error *err)
{
    AUTO_CLOSE int log = log_open(err);
    CHILD_AUTO child = CHILD_INIT;
    struct child_end end;
    if (log < 0 || start(b, argv, b->work, in, log, &child, err) < 0)
        return -1;
    struct ml_error why = ML_ERROR_INIT;
    bool waited = child_wait(&child, b->deadline_ms, &end, &why) == 0;
    log_replay(b, log);
    if (!waited && why.status == ML_TIMEOUT)
        return log_is_full(log) ? said_too_much(what, false, err) : host_timeout(b, err);
    if (!waited) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (end.code != 0 || end.signal != 0)
        return not_built(b, what, &end, log, "", err);
    return 0;
}

/* ---- all sources ---- */

struct job {
    struct child child;
    struct child_end end;
    int log;
    bool started, done;
};

struct jobs {
    struct build *b;
    struct job *items;
    size_t n, n_started, n_running;
    uint64_t bytes; /* of the objects so far */
    bool failed;    /* no more are started */
};

static void jobs_end(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n_started; i++) {
        child_kill(&jobs->items[i].child);
        scope_close(&jobs->items[i].log);
    }
}

static size_t processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > JOBS_MAX ? JOBS_MAX : (size_t)n;
}

/* The text of a request goes in by standard input, so that the compiler calls it <stdin>. */
static int source_input(struct build *b, const struct unit *s, struct ml_error *err)
{
    if (strcmp(s->path, "-") != 0)
        return -1;
    int fd = openat(b->work, "stdin.c", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fs_write_all(fd, b->request->text, b->request->text_size) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0)
        ml_error_errno(err, ML_CANT_CREATE, errno, "cannot write '%s/stdin.c'", b->work_path);
    return fd;
}

/* Starts the next source. On failure the job is as one that was never started; jobs_end() closes
 * its log. */
static int job_start(struct jobs *jobs, struct ml_error *err)
{
    struct build *b = jobs->b;
    const struct unit *s = &b->sources[jobs->n_started];
    struct job *job = &jobs->items[jobs->n_started++];
    struct strv argv = {0};
    *job = (struct job){.child = CHILD_INIT, .log = log_open(err)};
    if (job->log < 0)
        return -1;
    struct ml_error problem = ML_ERROR_INIT;
    AUTO_CLOSE int in = source_input(b, s, &problem);
    if (problem.status != 0) {
        if (err != NULL)
            *err = problem;
        return -1;
    }
    source_argv(b, s, &argv);
    if (start(b, &argv, b->cwd_fd, in, job->log, &job->child, err) < 0)
        return -1;
    job->started = true;
    jobs->n_running++;
    return 0;
}

/* Waits until some child has ended, or the deadline is here. */
static int jobs_poll(const struct jobs *jobs, struct ml_error *err)
{
    struct pollfd ended[JOBS_MAX + 1] = {{.fd = jobs->b->request->cancel_fd, .events = POLLIN}};
    nfds_t n = 1;
    for (size_t i = 0; i < jobs->n_started; i++)
        if (jobs->items[i].started && !jobs->items[i].done)
            ended[n++] = (struct pollfd){.fd = jobs->items[i].child.pidfd, .events = POLLIN};
    if (poll(ended, n, clock_poll_timeout(jobs->b->deadline_ms)) < 0 && errno != EINTR)
        return ml_error_errno(err, 0, errno, "cannot wait for the compiler");
    return 0;
}

static bool has_ended(const struct child *child)
{
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    return poll(&ended, 1, 0) > 0;
}

/* Takes in the children that have ended. After a failure those that run are waited for, since they
 * were started and their words belong to the answer; no new one is. */
static int jobs_collect(struct jobs *jobs, struct ml_error *err)
{
    if (jobs_poll(jobs, err) < 0)
        return -1;
    for (size_t i = 0; i < jobs->n_started; i++) {
        struct job *job = &jobs->items[i];
        if (!job->started || job->done || !has_ended(&job->child))
            continue;
        if (child_wait(&job->child, -1, &job->end, err) < 0)
            return -1;
        job->done = true;
        jobs->n_running--;
        jobs->failed = jobs->failed || job->end.code != 0 || job->end.signal != 0;
        if (room_take(jobs->b, jobs->b->sources[i].stem, &jobs->bytes, err) < 0)
            return -1;
    }
    if (jobs->n_running > 0 &&
        (host_cancelled(jobs->b) || clock_poll_timeout(jobs->b->deadline_ms) == 0))
        return host_timeout(jobs->b, err);
    return 0;
}

static int jobs_run(struct jobs *jobs, struct ml_error *err)
{
    size_t most = processors();
    while (jobs->n_running > 0 || (jobs->n_started < jobs->n && !jobs->failed)) {
        while (jobs->n_running < most && jobs->n_started < jobs->n && !jobs->failed)
            if (job_start(jobs, err) < 0)
                return -1;
        if (jobs_collect(jobs, err) < 0)
            return -1;
    }
    return 0;
}

/* The first source that failed, in the order of the user's words, gives the error: not the first in
 * time. */
static int jobs_report(const struct jobs *jobs, struct ml_error *err)
{
    for (size_t i = 0; i < jobs->n_started; i++)
        log_replay(jobs->b, jobs->items[i].log);
    for (size_t i = 0; i < jobs->n_started; i++) {
        const struct job *job = &jobs->items[i];
        const struct unit *source = &jobs->b->sources[i];
        bool silent = job->done || !log_is_full(job->log);
        if (silent && (!job->done || (job->end.code == 0 && job->end.signal == 0)))
            continue;
        const char *what = arena_fmt(jobs->b->a, "'%s' does not compile",
                                     strcmp(source->path, "-") == 0 ? "<stdin>" : source->path);
        if (!job->done)
            return said_too_much(what, false, err);
        return not_built(jobs->b, what, &job->end, job->log, source->root, err);
    }
    return 0;
}

int compile_sources(struct build *b, struct ml_error *err)
{
    __attribute__((cleanup(jobs_end))) struct jobs jobs = {.b = b, .n = b->n_sources};
    jobs.items = arena_alloc(b->a, b->n_sources, sizeof *jobs.items);
    if (jobs.items == NULL)
        return ml_error_memory(err);
    if (jobs_run(&jobs, err) < 0) {
        struct ml_error why =
            ML_ERROR_INIT; /* what was said until then, and the first error stays */
        jobs_report(&jobs, &why);
        if (err != NULL && err->status == ML_TIMEOUT && why.status == ML_LIMIT)
            *err = why;
        return -1;
    }
    return jobs_report(&jobs, err);
}

/* ---- linking ---- */

/* The objects and the descriptor become one object that needs nothing but its libraries: undefined
 * symbols are an error now and not at some call (-z defs), its own names bind to itself
 * (-Bsymbolic), nothing in it is bound late (-z now) or can be rewritten (-z relro). It runs in the
 * work directory, so that the linker's words name objects without the path of the stage. */
int compile_link(struct build *b, struct ml_error *err)
{
    static const char *const flags[] = {
        "-shared",
        "-O1",
        "-w",
        "-fPIC",
        "-fvisibility=hidden",
        "-x",
        "c",
        "entry.c",
        "-x",
        "none",
        "-Wl,-Bsymbolic",
        "-Wl,-z,defs",
        "-Wl,-z,relro",
        "-Wl,-z,now",
        "-Wl,-z,noexecstack",
        "-Wl,--build-id=sha1",
    };
    struct strv argv = {0};
    strv_add_all(b->a, &argv, &b->host.cc);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        strv_add(b->a, &argv, flags[i]);
    strv_fmt(b->a, &argv, "-Wl,--dependency-file=%s", LINK_DEPENDENCIES);
    strv_fmt(b->a, &argv, "-I%s", b->host.include);
    strv_add(b->a, &argv, "-o");
    strv_add(b->a, &argv, LINKED_OBJECT);
    for (size_t i = 0; i < b->n_sources; i++)
        strv_fmt(b->a, &argv, "./%s.o", b->sources[i].stem);
    if (b->object == NULL) {
        strv_add_all(b->a, &argv, &b->link_paths);
        strv_add_all(b->a, &argv, &b->libraries);
        strv_add(b->a, &argv, "-lm");
    }
    if (run(b, &argv, -1, "the plugin does not link", err) < 0)
        return -1;
    const char *file = b->object ? "entry.so" : "plugin.so";
    if (renameat(b->work, LINKED_OBJECT, b->stage->fd, file) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot create the bundle's '%s'", file);
    return 0;
}

/* ---- prototypes ---- */

/* A body makes a prototype a definition, which debug information describes in full, names of
 * parameters included. The object is never linked. word_prototype() saw to it that a prototype
 * cannot end its line or open a body. */
int compile_prototypes(struct build *b, struct ml_error *err)
{
    struct strv argv = {0};
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n");
    for (size_t i = 0; i < b->manifest.functions.n; i++)
        buf_fmt(&text, "#line %zu \"modload.json: functions\"\n%s { for (;;) {} }\n", i + 1,
                b->manifest.functions.items[i]);
    AUTO_CLOSE int in =
        openat(b->work, "modload.prototypes.c", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (in < 0 || text.failed || fs_write_all(in, buf_text(&text), text.len) < 0 ||
        lseek(in, 0, SEEK_SET) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot write '%s/modload.prototypes.c'",
                              b->work_path);
    strv_add_all(b->a, &argv, &b->host.cc);
    static const char *const flags[] = {
        "-g", "-O0", "-w", "-fPIC", "-fno-builtin", "-c", "-o", PROTOTYPES_OBJECT, "-x", "c", "-"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        strv_add(b->a, &argv, flags[i]);
    if (run(b, &argv, in, "the prototypes do not compile", err) == 0)
        return 0;
    if (err != NULL && err->status == ML_DATA) {
        err->status = ML_CONFIG;
        ml_error_wrap(err, "%s: key 'functions'", b->manifest.label);
    }
    return -1;
}
