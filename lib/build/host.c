/* What a build has to know about the compiler before it can use it: where it is, who it is, and
 * what of the caller's environment it sees. */
#include "build/host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cc.h"
#include "base/child.h"
#include "base/error.h"
#include "base/prefix.h"
#include "base/scope.h"
#include "build/word.h"

/* A ccache's own cache is in the home directory and shared with all that its owner builds: who
 * wants builds to use it says so (base/cc-box.h). Where it is not theirs, its place is of no use to
 * them. */
static bool is_of_use(const char *name)
{
    const char *dirs = getenv("MODLOAD_BUILD_DIRS");
    return strcmp(name, "CCACHE_DIR") != 0 || (dirs != NULL && *dirs != '\0');
}

static void env_make(struct build *b)
{
    for (const char *const *name = cc_environment; *name != NULL; name++) {
        const char *value = getenv(*name);
        if (value != NULL && is_of_use(*name))
            strv_fmt(b->a, &b->host.env, "%s=%s", *name, value);
    }
    strv_fmt(b->a, &b->host.env, "TMPDIR=%s", b->work_path);
    strv_fmt(b->a, &b->host.env, "HOME=%s", b->work_path);
    strv_add(b->a, &b->host.env, "SOURCE_DATE_EPOCH=0"); /* __DATE__ is no input */
    strv_add(b->a, &b->host.env, "PWD=/proc/self/cwd");
}

/* Sources that were unpacked, or laid out anew, lie in the work directory. Of a text, what stands
 * for its directory is where the user stands. */
static int box_make(struct build *b, struct ml_error *err)
{
    const struct ml_build_request *r = b->request;
    int status = cc_box_open(&b->box, b->work_path, err);
    if (status == 0)
        status = cc_box_read(&b->box, b->host.include, err);
    if (b->root == NULL) /* nothing is planned yet: a bundle, which is laid out in there */
        return status;
    if (status == 0 && b->kind == BUILD_TEXT)
        status = cc_box_read(&b->box, ".", err);
    for (size_t i = 0; i < b->own_dirs.n && status == 0; i++)
        status = cc_box_read(&b->box, b->own_dirs.items[i], err);
    for (size_t i = 0; i < b->n_sources && b->kind == BUILD_FILES && status == 0; i++)
        status = cc_box_read(&b->box, b->sources[i].path, err);
    for (size_t i = 0; i < r->n_includes && status == 0; i++)
        status = cc_box_read(&b->box, r->includes[i], err);
    return status;
}

void host_spec(struct build *b, const struct strv *argv, struct child_spec *ret)
{
    *ret = (struct child_spec)CHILD_SPEC_INIT;
    ret->argv = argv->items;
    ret->env = b->host.env.items;
    ret->before = cc_box_enter;
    ret->before_arg = &b->box;
    ret->cancel_fd = b->request->cancel_fd;
}

bool host_cancelled(const struct build *b)
{
    struct pollfd p = {.fd = b->request->cancel_fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

int host_timeout(const struct build *b, struct ml_error *err)
{
    if (host_cancelled(b))
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "the build was cancelled");
    ml_error_set(err, ML_TIMEOUT, NULL, "the build did not end within %g s",
                 (double)b->request->timeout_ms / 1000);
    return ml_error_hint(err, "give it more time with --build-timeout");
}

/* The first line that the compiler prints when asked with `option`. */
static const char *ask(struct build *b, const char *option, struct ml_error *err)
{
    struct strv argv = {0}, env = {0};
    BUF_AUTO out = BUF_INIT;
    strv_add_all(b->a, &argv, &b->host.cc);
    strv_add(b->a, &argv, option);
    for (size_t i = 0; i < b->host.env.n; i++) /* the same words in every language */
        if (strncmp(b->host.env.items[i], "LC_", 3) != 0 &&
            strncmp(b->host.env.items[i], "LANG", 4) != 0)
            strv_add(b->a, &env, b->host.env.items[i]);
    struct child_spec spec;
    struct child_end end;
    host_spec(b, &argv, &spec);
    spec.env = env.items;
    if (child_capture(&spec, b->deadline_ms, &out, 65536, &end, err) < 0) {
        if (err != NULL && err->status == ML_TIMEOUT)
            host_timeout(b, err);
        return NULL;
    }
    const char *line = arena_mem(b->a, buf_text(&out), strcspn(buf_text(&out), "\n"));
    if (end.code == 0 && end.signal == 0 && *line != '\0')
        return line;
    ml_error_set(err, ML_DATA, "no_compiler", "'%s' does not answer to %s as a C compiler does",
                 b->host.cc.items[0], option);
    return NULL;
}

/* Called as cc and as gcc, a compiler is the same one: its line may begin with what it was called.
 */
static const char *with_common_name(struct arena *a, const char *line, const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *base = slash ? slash + 1 : program;
    size_t n = strlen(base);
    if (strncmp(line, base, n) == 0 && line[n] == ' ')
        return arena_fmt(a, "cc%s", line + n);
    return line;
}

static int no_compiler(struct build *b, struct ml_error *err)
{
    ml_error_set(err, ML_NO_INPUT, "no_compiler", "there is no C compiler: '%s' cannot be run",
                 b->host.cc.items[0]);
    return ml_error_hint(err, "apt install gcc libc6-dev, or name another compiler in CC");
}

/* Without abi.h no descriptor can be compiled: better to say so now than in the compiler's words.
 * */
static int headers_find(struct build *b, struct ml_error *err)
{
    AUTO_FREE char *include = prefix_path("include");
    if (include == NULL)
        return ml_error_memory(err);
    b->host.include = arena_str(b->a, include);
    if (access(arena_fmt(b->a, "%s/modload/abi.h", include), R_OK) == 0)
        return 0;
    if (b->a->failed || errno == ENOMEM)
        return ml_error_memory(err);
    ml_error_set(err, ML_NO_INPUT, "no_headers", "modload's own headers are not in '%s'", include);
    return ml_error_hint(err, "set MODLOAD_PREFIX to where modload is installed");
}

/* Two short runs of the compiler per build, for its version and target: both are part of the
 * bundle's identity, and neither can be had from its path alone. */
int host_open(struct build *b, struct ml_error *err)
{
    char path[4096];
    word_split(b->a, cc_text(), &b->host.cc);
    env_make(b);
    if (b->a->failed)
        return ml_error_memory(err);
    if (child_find_program(b->host.cc.items[0], path, sizeof path) < 0 || access(path, X_OK) < 0)
        return no_compiler(b, err);
    if (headers_find(b, err) < 0 || box_make(b, err) < 0)
        return -1;
    const char *version = ask(b, "--version", err);
    b->host.target = version ? ask(b, "-dumpmachine", err) : NULL;
    if (b->host.target == NULL)
        return -1;
    b->host.is_clang = strstr(version, "clang") != NULL;
    b->host.compiler = with_common_name(b->a, version, b->host.cc.items[0]);
    return 0;
}
