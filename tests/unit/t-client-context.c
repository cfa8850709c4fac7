/* Goal of this test: the registry and the sockets are where the environment says, and never in a
 * directory that others could have prepared. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "client/context.h"

static const char *const variables[] = {"MODLOAD_HOME",        "XDG_DATA_HOME",   "HOME",
                                        "MODLOAD_RUNTIME_DIR", "XDG_RUNTIME_DIR", "TMPDIR"};
enum { N_VARIABLES = sizeof variables / sizeof *variables };

/* A clean environment around each test; what was there comes back. */
static char *saved[N_VARIABLES];

static int setup(void **state)
{
    int status = place_setup(state);
    for (size_t i = 0; i < N_VARIABLES; i++) {
        const char *value = getenv(variables[i]);
        saved[i] = value ? strdup(value) : NULL;
        unsetenv(variables[i]);
    }
    return status;
}

static int teardown(void **state)
{
    for (size_t i = 0; i < N_VARIABLES; i++) {
        if (saved[i] != NULL)
            setenv(variables[i], saved[i], 1);
        else
            unsetenv(variables[i]);
        free(saved[i]);
    }
    return place_teardown(state);
}

static void test_home(void **state)
{
    static const struct {
        const char *name, *option, *modload_home, *xdg, *home, *want; /* ".": here */
    } cases[] = {
        {"nothing but HOME", NULL, NULL, NULL, "/h", "/h/.local/share/modload"},
        {"XDG", NULL, NULL, "/x", "/h", "/x/modload"},
        {"XDG without HOME", NULL, NULL, "/x", NULL, "/x/modload"},
        {"a relative XDG is ignored", NULL, NULL, "x/y", "/h", "/h/.local/share/modload"},
        {"another", NULL, NULL, "./x", "/h", "/h/.local/share/modload"},
        {"an empty XDG is none", NULL, NULL, "", "/h", "/h/.local/share/modload"},
        {"ours", NULL, "/m", "/x", "/h", "/m"},
        {"ours without HOME", NULL, "/m", NULL, NULL, "/m"},
        {"an empty one of ours is none", NULL, "", "/x", "/h", "/x/modload"},
        {"a relative one of ours is one here", NULL, "m/n", "/x", "/h", "./m/n"},
        {"the option", "/o", "/m", "/x", "/h", "/o"},
        {"a relative option", "o", "/m", "/x", "/h", "./o"},
        {"the option without HOME", "/o", NULL, NULL, NULL, "/o"},
        {"nothing", NULL, NULL, NULL, NULL, NULL},
        {"all empty", NULL, "", "", "", NULL},
        {"a relative HOME", NULL, NULL, NULL, "h", NULL},
        {"a relative XDG alone", NULL, NULL, "x", NULL, NULL},
    };
    char here[PATH_MAX], want[2 * PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *values[] = {cases[i].modload_home, cases[i].xdg, cases[i].home};
        for (size_t v = 0; v < 3; v++) {
            unsetenv(variables[v]);
            if (values[v] != NULL)
                setenv(variables[v], values[v], 1);
        }
        struct ml_ctx_options options = {.home = cases[i].option, .wait_ms = 5};
        struct ml_ctx *ctx = NULL;
        struct ml_error err = ML_ERROR_INIT;
        int status = ml_ctx_new(&options, &ctx, &err);
        struct store *store;
        if (status == 0 && cases[i].want == NULL) { /* told as late as when it is asked for */
            status = ctx_store(ctx, false, &store, &err);
            ml_ctx_free(ctx);
        }
        case_int(cases[i].name, status, cases[i].want ? 0 : -1);
        if (cases[i].want == NULL) {
            case_int(cases[i].name, err.status, ML_CONFIG);
            case_text(cases[i].name, err.code, "no_home");
            case_true(cases[i].name, err.hint[0] != '\0');
            continue;
        }
        bool relative = cases[i].want[0] == '.';
        snprintf(want, sizeof want, "%s%s", relative ? here : "", cases[i].want + relative);
        case_text(cases[i].name, ctx->home, want);
        case_int(cases[i].name, ctx->wait_ms, 5);
        ml_ctx_free(ctx);
        if (cases[i].option == NULL) {
            case_int(cases[i].name, ml_ctx_new(NULL, &ctx, NULL), 0);
            case_text(cases[i].name, ctx->home, want);
            ml_ctx_free(ctx);
        }
    }
    ml_ctx_free(NULL);
}

/* ---- the runtime directory ---- */

static struct ml_ctx *new_ctx(const char *home, const char *runtime)
{
    struct ml_ctx_options options = {.home = home, .runtime_dir = runtime};
    struct ml_ctx *ctx;
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    return ctx;
}

static void test_runtime(void **state)
{
    const struct place *place = *state;
    char user[32];
    snprintf(user, sizeof user, "tmp/modload-%u", geteuid());
    const struct {
        const char *name, *option, *ours, *xdg, *tmp, *want; /* beneath the place, but "=..." */
    } cases[] = {
        {"the option", "o", "m", "x", "tmp", "o"},
        {"ours", NULL, "m", "x", "tmp", "m"},
        {"XDG", NULL, NULL, "x", "tmp", "x/modload"},
        {"a relative XDG is ignored", NULL, NULL, "=x/y", "tmp", user},
        {"an empty XDG is none", NULL, NULL, "=", "tmp", user},
        {"an empty one of ours is none", NULL, "=", "x", "tmp", "x/modload"},
        {"TMPDIR", NULL, NULL, NULL, "tmp", user},
        {"parents are made", NULL, "deep/er/m", NULL, NULL, "deep/er/m"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *values[] = {cases[i].ours, cases[i].xdg, cases[i].tmp};
        for (size_t v = 0; v < 3; v++) {
            unsetenv(variables[3 + v]);
            if (values[v] != NULL)
                setenv(variables[3 + v],
                       *values[v] == '=' ? values[v] + 1 : place_path(place, values[v]), 1);
        }
        struct stat st;
        char want[512];
        struct ml_ctx *ctx = new_ctx(place_path(place, "home"),
                                     cases[i].option ? place_path(place, cases[i].option) : NULL);
        fs_remove_tree(place->fd, cases[i].want);
        case_int(cases[i].name, ctx_runtime(ctx, false, NULL), 0); /* none yet, and none made */
        case_int(cases[i].name, faccessat(place->fd, cases[i].want, F_OK, 0), -1);
        case_int(cases[i].name, ctx_runtime(ctx, true, NULL), 1);
        case_int(cases[i].name, ctx_runtime(ctx, false, NULL), 1);
        snprintf(want, sizeof want, "%s/", place_path(place, cases[i].want));
        case_true(cases[i].name, strncmp(ctx->run_path, want, strlen(want)) == 0);
        case_int(cases[i].name, strspn(ctx->run_path + strlen(want), "0123456789abcdef"), 16);
        case_int(cases[i].name, stat(ctx->run_path, &st), 0);
        case_int(cases[i].name, st.st_mode, S_IFDIR | 0700);
        case_true(cases[i].name, fcntl(ctx->run_fd, F_GETFD) & FD_CLOEXEC);
        ml_ctx_free(ctx);
        ctx = new_ctx(place_path(place, "home"),
                      cases[i].option ? place_path(place, cases[i].option) : NULL);
        case_int(cases[i].name, ctx_runtime(ctx, false, NULL), 1); /* there now */
        ml_ctx_free(ctx);
    }
}

/* Two registries share a runtime directory and do not meet there; one has one place. */
static void test_runtime_of_registries(void **state)
{
    const struct place *place = *state;
    char run[512];
    snprintf(run, sizeof run, "%s", place_path(place, "run"));
    assert_int_equal(mkdirat(place->fd, "one", 0700), 0);
    assert_int_equal(mkdirat(place->fd, "two", 0700), 0);
    assert_int_equal(symlinkat("one", place->fd, "link"), 0);
    static const char *const homes[] = {"one", "two", "one/", "link", "two/../one", "./one"};
    char *paths[6];
    for (size_t i = 0; i < 6; i++) {
        struct ml_ctx *ctx = new_ctx(place_path(place, homes[i]), run);
        case_int(homes[i], ctx_runtime(ctx, true, NULL), 1);
        paths[i] = strdup(ctx->run_path);
        ml_ctx_free(ctx);
    }
    assert_string_not_equal(paths[0], paths[1]);
    for (size_t i = 2; i < 6; i++)
        case_text(homes[i], paths[i], paths[0]);
    for (size_t i = 0; i < 6; i++)
        free(paths[i]);
}

static void check_refused(const char *name, const struct place *place, const char *run)
{
    for (int create = 0; create < 2; create++) {
        struct ml_ctx *ctx = new_ctx(place_path(place, "home"), place_path(place, run));
        struct ml_error err = ML_ERROR_INIT;
        case_int(name, ctx_runtime(ctx, create, &err), -1);
        case_true(name, err.status != 0 && strstr(err.message, run) != NULL);
        case_int(name, ctx->run_fd, -1);
        ml_ctx_free(ctx);
    }
}

static void test_private(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
        bool fine;
    } cases[] = {
        {"0700", 0700, true},  {"0755", 0755, true},  {"0711", 0711, true},  {"0770", 0770, false},
        {"0702", 0702, false}, {"0777", 0777, false}, {"0722", 0722, false}, {"1777", 01777, false},
    };
    const struct place *place = *state;
    int fds = count_fds();
    assert_int_equal(mkdirat(place->fd, "run", 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(fchmodat(place->fd, "run", cases[i].mode, 0), 0);
        if (!cases[i].fine) {
            check_refused(cases[i].name, place, "run");
            continue;
        }
        struct ml_ctx *ctx = new_ctx(place_path(place, "home"), place_path(place, "run"));
        case_int(cases[i].name, ctx_runtime(ctx, true, NULL), 1);
        ml_ctx_free(ctx);
    }
    /* The registry's own place in it is looked at as well. */
    assert_int_equal(fchmodat(place->fd, "run", 0700, 0), 0);
    struct ml_ctx *ctx = new_ctx(place_path(place, "home"), place_path(place, "run"));
    struct ml_error err = ML_ERROR_INIT;
    char inner[512];
    assert_int_equal(ctx_runtime(ctx, true, NULL), 1);
    snprintf(inner, sizeof inner, "%s", ctx->run_path);
    ml_ctx_free(ctx);
    assert_int_equal(chmod(inner, 0777), 0);
    ctx = new_ctx(place_path(place, "home"), place_path(place, "run"));
    assert_int_equal(ctx_runtime(ctx, true, &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
    assert_non_null(strstr(err.hint, "MODLOAD_RUNTIME_DIR"));
    ml_ctx_free(ctx);
    /* And it is no link to somewhere else. */
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(symlink("/", inner), 0);
    ctx = new_ctx(place_path(place, "home"), place_path(place, "run"));
    assert_int_equal(ctx_runtime(ctx, true, &err), -1);
    ml_ctx_free(ctx);
    assert_int_equal(count_fds(), fds);
}

static void test_not_ours(void **state)
{
    const struct place *place = *state;
    assert_int_equal(fs_write_new(place->fd, "file", "x", 1, 0600), 0);
    assert_int_equal(mkdirat(place->fd, "dir", 0700), 0);
    assert_int_equal(symlinkat("dir", place->fd, "link"), 0);
    assert_int_equal(symlinkat("missing", place->fd, "dangling"), 0);
    check_refused("a file", place, "file");
    check_refused("a link", place, "link");
    struct ml_ctx *ctx = new_ctx(place_path(place, "home"), place_path(place, "dangling"));
    assert_int_equal(ctx_runtime(ctx, true, NULL), -1);
    ml_ctx_free(ctx);
    assert_int_equal(faccessat(place->fd, "missing", F_OK, 0), -1);
    if (geteuid() != 0)
        return;
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(fchownat(place->fd, "dir", 4711, 4711, 0), 0);
    ctx = new_ctx(place_path(place, "home"), place_path(place, "dir"));
    assert_int_equal(ctx_runtime(ctx, true, &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
    assert_non_null(strstr(err.message, "4711"));
    ml_ctx_free(ctx);
}

/* ---- addresses ---- */

static void test_file_names(void **state)
{
    static const char uuid[] = "01234567-89ab-cdef-fedc-ba9876543210";
    static const struct {
        enum run_file file;
        const char *want;
    } cases[] = {
        {RUN_LOCK, "01234567-89ab-cdef-fedc-ba9876543210.lock"},
        {RUN_CONTROL, "01234567-89ab-cdef-fedc-ba9876543210.control"},
        {RUN_CALL, "01234567-89ab-cdef-fedc-ba9876543210.call"},
        {RUN_LOG, "01234567-89ab-cdef-fedc-ba9876543210.log"},
        {RUN_LOG_OLD, "01234567-89ab-cdef-fedc-ba9876543210.log.old"},
        {RUN_KEEPER, "01234567-89ab-cdef-fedc-ba9876543210.keeper"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[RUN_NAME_SIZE];
        run_file_name(uuid, cases[i].file, name);
        case_text(cases[i].want, name, cases[i].want);
    }
}

/* However long the directory's path is, a socket can be bound and connected to there. */
static void test_addresses(void **state)
{
    static const char uuid[] = "01234567-89ab-cdef-fedc-ba9876543210";
    const struct place *place = *state;
    int fds = count_fds();
    for (size_t length = 1; length <= 250; length += length < 110 ? 1 : 70) {
        char name[300], what[32];
        memset(name, 'd', length);
        name[length] = '\0';
        snprintf(what, sizeof what, "a name of %zu", length);
        struct ml_ctx *ctx = new_ctx(place_path(place, "home"), place_path(place, name));
        struct sockaddr_un addr;
        case_int(what, ctx_runtime(ctx, true, NULL), 1);
        case_int(what, run_connect(ctx, uuid, RUN_CALL), -1);
        case_int(what, errno, ENOENT);
        run_address(ctx, uuid, RUN_CALL, &addr);
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        case_int(what, bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
        case_int(what, listen(listener, 1), 0);
        int fd = run_connect(ctx, uuid, RUN_CALL);
        case_true(what, fd >= 0);
        case_true(what, fcntl(fd, F_GETFD) & FD_CLOEXEC);
        char file[RUN_NAME_SIZE];
        run_file_name(uuid, RUN_CALL, file);
        case_int(what, faccessat(ctx->run_fd, file, F_OK, 0), 0);
        close(fd);
        close(listener);
        case_int(what, run_connect(ctx, uuid, RUN_CALL), -1);
        case_int(what, errno, ECONNREFUSED);
        ml_ctx_free(ctx);
    }
    assert_int_equal(count_fds(), fds);
}

/* A socket of somebody else in our directory: nothing is said to it. The uid that counts is that of
 * whoever listens. */
static void test_foreign_socket(void **state)
{
    static const char uuid[] = "01234567-89ab-cdef-fedc-ba9876543210";
    const struct place *place = *state;
    struct sockaddr_un addr;
    if (geteuid() != 0)
        skip();
    struct ml_ctx *ctx = new_ctx(place_path(place, "home"), place_path(place, "run"));
    assert_int_equal(ctx_runtime(ctx, true, NULL), 1);
    run_address(ctx, uuid, RUN_CONTROL, &addr);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(seteuid(4711), 0);
    assert_int_equal(listen(listener, 9), 0);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(run_connect(ctx, uuid, RUN_CONTROL), -1);
    assert_int_equal(errno, EACCES);
    struct ml_key key;
    struct ml_worker_status status;
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(ml_key_from_uuid(uuid, &key, NULL), 0);
    assert_int_equal(ml_worker_query(ctx, &key, &status, &err), -1);
    assert_int_equal(err.status, ML_REFUSED);
    assert_int_equal(listen(listener, 9), 0); /* and now it is ours */
    int fd = run_connect(ctx, uuid, RUN_CONTROL);
    assert_true(fd >= 0);
    close(fd);
    close(listener);
    ml_ctx_free(ctx);
}

#define context_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        context_test(test_home),           context_test(test_runtime),
        context_test(test_private),        context_test(test_runtime_of_registries),
        context_test(test_not_ours),       context_test(test_addresses),
        context_test(test_foreign_socket), cmocka_unit_test(test_file_names),
    };
    UNIT_RUN("client-context", tests);
}
