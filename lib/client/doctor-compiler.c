/* The compiler is tried, not only found: that it can make a shared object takes an assembler, a
 * linker and the C library's own parts, which come in packages of their own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cc-box.h"
#include "base/cc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/prefix.h"
#include "base/scope.h"
#include "base/syscall-filter.h"
#include "client/doctor.h"

enum { WORDS_MAX = 64, COMPILE_MS = 20000, GCC_OLDEST = 11, CLANG_OLDEST = 14 };

#define NAME    "compiler"
#define PROGRAM "int modload_doctor(int a) { return a + 1; }\n"

struct compiler {
    char *words; /* of $CC, each with its NUL */
    const char *argv[WORDS_MAX];
    size_t n; /* of the words of $CC in argv */
    char *env[WORDS_MAX];
    size_t n_env;
    char dir[512];     /* for what it writes; "" when there is none */
    struct cc_box box; /* as builds have it: what cannot work in there must be told here */
    struct buf said;
    int cancel_fd;
};

static void compiler_close(struct compiler *c)
{
    if (c->dir[0] != '\0')
        fs_remove_tree(AT_FDCWD, c->dir);
    for (size_t i = 0; i < c->n_env; i++)
        free(c->env[i]);
    free(c->words);
    cc_box_close(&c->box);
    buf_free(&c->said);
}

/* As builds have it (build/host.c): the same words and variables. */
static bool compiler_open(struct compiler *c)
{
    c->words = strdup(cc_text());
    if (c->words == NULL)
        return false;
    const char *at = c->words;
    for (size_t n; (n = cc_next_word(&at)) > 0 && c->n < WORDS_MAX / 2;) {
        char *word = (char *)(uintptr_t)at;
        at += n + (at[n] != '\0');
        word[n] = '\0';
        c->argv[c->n++] = word;
    }
    for (size_t i = 0; cc_environment[i] != NULL; i++) {
        const char *value = getenv(cc_environment[i]);
        if (value != NULL && asprintf(&c->env[c->n_env], "%s=%s", cc_environment[i], value) >= 0)
            c->n_env++;
    }
    return true;
}

/* Not in the registry, which may be missing, full or somebody else's. */
static void dir_make(struct compiler *c)
{
    const char *tmpdir = getenv("TMPDIR");
    const char *const places[] = {tmpdir && *tmpdir == '/' ? tmpdir : "/tmp", "/tmp"};
    char name[48];
    for (size_t i = 0; i < 2 && c->dir[0] == '\0'; i++) {
        fs_random_name(name, sizeof name, "modload-doctor-");
        int n = snprintf(c->dir, sizeof c->dir, "%s/%s", places[i], name);
        if (n >= (int)sizeof c->dir || mkdir(c->dir, 0700) < 0)
            c->dir[0] = '\0';
    }
    if (c->dir[0] != '\0' && asprintf(&c->env[c->n_env], "TMPDIR=%s", c->dir) >= 0)
        c->n_env++;
    if (c->dir[0] != '\0' && asprintf(&c->env[c->n_env], "HOME=%s", c->dir) >= 0)
        c->n_env++;
}

/* Runs the compiler with more words, which end in null. What it says on either output is in `said`,
 * as far as it goes. 0 when it ended well. */
static int run(struct compiler *c, const char *const *more, struct ml_error *err)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    char text[128];
    size_t n = c->n;
    for (; *more != NULL && n < WORDS_MAX - 1; more++)
        c->argv[n++] = *more;
    c->argv[n] = NULL;
    c->env[c->n_env] = NULL;
    buf_reset(&c->said);
    spec.argv = c->argv;
    spec.env = (const char *const *)c->env;
    spec.cancel_fd = c->cancel_fd;
    spec.before = cc_box_enter;
    spec.before_arg = &c->box;
    AUTO_CLOSE int log = -1;
    if (c->dir[0] != '\0') {
        AUTO_FREE char *path = NULL;
        if (asprintf(&path, "%s/log", c->dir) < 0)
            return ml_error_memory(err);
        log = spec.stdio[2] = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (child_capture(&spec, clock_ms() + COMPILE_MS, &c->said, 65536, &end, err) < 0)
        return -1;
    if (end.code == 0 && end.signal == 0)
        return 0;
    buf_reset(&c->said);
    if (log >= 0 && lseek(log, 0, SEEK_SET) == 0)
        fs_read_all(log, &c->said, 65536);
    return ml_error_set(err, ML_FAILED, NULL, "it %s", child_end_text(&end, text, sizeof text));
}

/* A line of what it said: the first, or the first that tells of an error. Compilers say much, and
 * the rest can be had by asking them oneself. */
static void line_of(const struct compiler *c, bool error, char *line, size_t size)
{
    const char *text = buf_text(&c->said);
    const char *found = error ? strstr(text, "error:") : NULL;
    while (found != NULL && found > text && found[-1] != '\n')
        found--;
    found = found ? found : text;
    snprintf(line, size, "%.*s", (int)strcspn(found, "\n"), found);
}

static void no_compiler(struct doctor *d, const struct compiler *c, const char *why)
{
    doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "'%s' %s", c->argv[0], why);
    doctor_hint(d,
                "what is filed already can be run; to compile: apt install gcc libc6-dev, or name "
                "another compiler in CC");
}

/* The number that it has: of GCC the last word of the line, of Clang that behind "version". */
static void version_find(const char *line, bool clang, char *version, size_t size)
{
    const char *at = clang ? strstr(line, "version ") : strrchr(line, ' ');
    at = at ? at + (clang ? 8 : 1) : line;
    snprintf(version, size, "%.*s", (int)strcspn(at, " "), at);
}

/* Who it is: "gcc 12.2.0 (/usr/bin/cc)", and whether modload knows its like; -1 when it does not
 * say. */
static int who(struct compiler *c, const char *path, char *is, size_t size, bool *fit,
               struct ml_error *err)
{
    static const char *const ask[] = {"--version", NULL};
    char line[256], version[64];
    if (run(c, ask, err) < 0)
        return -1;
    line_of(c, false, line, sizeof line);
    bool clang = strstr(line, "clang") != NULL;
    bool gcc = !clang && strstr(buf_text(&c->said), "Free Software Foundation") != NULL;
    version_find(line, clang, version, sizeof version);
    *fit = (clang && atoi(version) >= CLANG_OLDEST) || (gcc && atoi(version) >= GCC_OLDEST);
    if (clang || gcc)
        snprintf(is, size, "%s %s (%s)", clang ? "clang" : "gcc", version, path);
    else
        snprintf(is, size, "%s (%s)", line, path);
    return 0;
}

/* Writes the program, compiles it, and looks whether there is an object. */
static int try_out(struct compiler *c, struct ml_error *err)
{
    struct stat st;
    AUTO_FREE char *source = NULL;
    AUTO_FREE char *object = NULL;
    if (asprintf(&source, "%s/x.c", c->dir) < 0 || asprintf(&object, "%s/x.so", c->dir) < 0)
        return ml_error_memory(err);
    if (fs_write_new(AT_FDCWD, source, PROGRAM, strlen(PROGRAM), 0600) < 0)
        return ml_error_errno(err, 0, errno, "cannot write '%s'", source);
    const char *const words[] = {"-g", "-O2", "-fPIC", "-shared", "-o", object, source, NULL};
    if (run(c, words, err) < 0)
        return -1;
    if (stat(object, &st) == 0 && st.st_size > 0)
        return 0;
    return ml_error_set(err, ML_FAILED, NULL, "it wrote no object");
}

static void not_working(struct doctor *d, const struct compiler *c, const char *is,
                        const struct ml_error *why)
{
    char line[512];
    line_of(c, true, line, sizeof line);
    doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "%s cannot make a shared object: %s%s%s", is,
                why->message, *line ? ": " : "", line);
    doctor_hint(d, "apt install gcc libc6-dev, or name another compiler in CC");
}

static void compiler_look(struct doctor *d, struct compiler *c, const char *path)
{
    struct ml_error why = ML_ERROR_INIT;
    char is[4608];
    bool fit = false;
    if (who(c, path, is, sizeof is, &fit, &why) < 0) {
        no_compiler(d, c, why.message);
    } else if (c->dir[0] == '\0') {
        doctor_tell(d, ML_HEALTH_WARNING, NAME,
                    "%s was not tried: there is no room for it in $TMPDIR or /tmp", is);
        doctor_hint(d, "set TMPDIR to a directory that you can write to");
    } else if (try_out(c, &why) < 0) {
        not_working(d, c, is, &why);
    } else {
        doctor_tell(d, fit ? ML_HEALTH_OK : ML_HEALTH_WARNING, NAME, "%s", is);
        if (!fit)
            doctor_hint(d, "modload is tested with GCC >= %d and Clang >= %d", GCC_OLDEST,
                        CLANG_OLDEST);
    }
}

/* Without these no plugin can be linked, and none can include <modload/plugin.h>. */
static void headers_look(struct doctor *d)
{
    static const char *const headers[] = {"include/modload/abi.h", "include/modload/plugin.h"};
    AUTO_FREE char *dir = prefix_path("include/modload");
    for (size_t i = 0; i < 2; i++) {
        AUTO_FREE char *path = prefix_path(headers[i]);
        if (path != NULL && access(path, R_OK) == 0)
            continue;
        doctor_tell(d, ML_HEALTH_PROBLEM, "headers", "'%s' cannot be read",
                    path ? path : headers[i]);
        doctor_hint(d, "install modload as a whole, or set MODLOAD_PREFIX to where it is");
        return;
    }
    doctor_tell(d, ML_HEALTH_OK, "headers", "%s", dir ? dir : "");
}

/* Tried as well: a file that everybody may read, and that no build may. */
static void box_look(struct doctor *d, struct compiler *c)
{
    bool filter = syscall_filter_available();
    if (filter && cc_box_refuses(&c->box, AT_FDCWD, "/etc/passwd")) {
        doctor_tell(d, ML_HEALTH_OK, "builds",
                    "confined: no network, no files but sources and the system's");
        return;
    }
    doctor_tell(d, ML_HEALTH_WARNING, "builds", "%s",
                filter ? "are not confined to files: the kernel has no Landlock; they have no "
                         "network"
                       : "are not confined: the kernel has no filters of system calls");
    doctor_hint(d, "build what you trust, or boot a kernel that has both (lsm=landlock,...)");
}

void doctor_compiler(struct doctor *d)
{
    __attribute__((cleanup(compiler_close))) struct compiler c = {.cancel_fd = d->cancel_fd,
                                                                  .box = CC_BOX_INIT};
    struct ml_error why = ML_ERROR_INIT;
    char path[4096];
    if (!compiler_open(&c)) {
        d->failed = true;
        return;
    }
    if (child_find_program(c.argv[0], path, sizeof path) < 0 || access(path, X_OK) < 0) {
        no_compiler(d, &c, "cannot be found");
    } else {
        dir_make(&c);
        if (cc_box_open(&c.box, c.dir, &why) < 0) {
            no_compiler(d, &c, why.message);
        } else {
            compiler_look(d, &c, path);
            box_look(d, &c);
        }
    }
    headers_look(d);
}
