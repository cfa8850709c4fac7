#include "repo.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/scope.h"

enum { GIT_MS = 60000, OUTPUT_MAX = 1 << 20 };

static int homes_make(const struct place *place)
{
    mkdirat(place->fd, "home", 0700);
    setenv("HOME", place_path(place, "home"), 1);
    setenv("XDG_CACHE_HOME", place_path(place, "cache"), 1);
    return 0;
}

int repo_setup(void **state)
{
    return place_setup(state) < 0 ? -1 : homes_make(*state);
}

int repo_setup_memory(void **state)
{
    return place_setup_memory(state) < 0 ? -1 : homes_make(*state);
}

int repo_teardown(void **state)
{
    static const char *const names[] = {"SSL_CERT_FILE", "MODLOAD_TOKEN_FILE", "SSH_AUTH_SOCK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    return place_teardown(state);
}

static int memory_file(const void *data, size_t n)
{
    int fd = memfd_create("in", MFD_CLOEXEC);
    assert_true(fd >= 0 && fs_write_all(fd, data, n) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* Nothing of the user's own git, and one time for all commits. */
static const char *const environment[] = {
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "GIT_CONFIG_NOSYSTEM=1",
    "GIT_CONFIG_GLOBAL=/dev/null",
    "GIT_AUTHOR_NAME=A",
    "GIT_AUTHOR_EMAIL=a@example.org",
    "GIT_AUTHOR_DATE=1700000000 +0000",
    "GIT_COMMITTER_NAME=A",
    "GIT_COMMITTER_EMAIL=a@example.org",
    "GIT_COMMITTER_DATE=1700000000 +0000",
    "LC_ALL=C",
    NULL,
};

const char *repo_git_in(const struct place *place, const char *dir, const void *in, size_t n,
                        const char *const *args)
{
    static char outputs[4][4096];
    static unsigned turn;
    const char *argv[32] = {"git"};
    char *output = outputs[turn++ % 4];
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; args[i] != NULL; i++)
        argv[i + 1] = args[i];
    AUTO_CLOSE int cwd = openat(place->fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int stdin_fd = in ? memory_file(in, n) : -1;
    assert_true(cwd >= 0);
    spec.argv = argv;
    spec.env = environment;
    spec.cwd_fd = cwd;
    spec.stdio[0] = stdin_fd;
    spec.stdio[2] = STDERR_FILENO;
    if (child_capture(&spec, clock_ms() + GIT_MS, &text, OUTPUT_MAX, &end, &err) < 0)
        fail_msg("git %s: %s", args[0], err.message);
    if (end.code != 0 || end.signal != 0)
        fail_msg("git %s failed", args[0]);
    snprintf(output, sizeof outputs[0], "%s", buf_text(&text));
    output[strcspn(output, "\n")] = '\0';
    return output;
}

void repo_make(const struct place *place, const char *dir)
{
    assert_true(fs_mkdir(place->fd, dir, 0700) >= 0);
    repo_git(place, dir, "init", "-q", "-b", "main");
}

static void write_file(const struct place *place, const char *dir, const char *path,
                       const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s/%s", place->path, dir, path);
    for (char *slash = whole; (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = '\0';
        fs_mkdir(AT_FDCWD, whole, 0700);
        *slash = '/';
    }
    int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0 && fs_write_all(fd, text, strlen(text)) == 0 && close(fd) == 0);
}

const char *repo_commit(const struct place *place, const char *dir, const char *path,
                        const char *text)
{
    write_file(place, dir, path, text);
    repo_git(place, dir, "add", "-A");
    repo_git(place, dir, "commit", "-q", "-m", text);
    return repo_git(place, dir, "rev-parse", "HEAD");
}

const char *repo_tree(const struct place *place, const char *dir, const struct repo_entry *entries,
                      size_t n)
{
    char blob[64];
    static const char *const hash[] = {"hash-object", "-w",      "-t", "tree",
                                       "--literally", "--stdin", NULL};
    BUF_AUTO raw = BUF_INIT;
    snprintf(blob, sizeof blob, "%s",
             repo_git_in(place, dir, "x\n", 2,
                         (const char *const[]){"hash-object", "-w", "--stdin", NULL}));
    for (size_t i = 0; i < n; i++) {
        const char *id = entries[i].id ? entries[i].id : blob;
        buf_fmt(&raw, "%s %s", entries[i].mode, entries[i].name);
        buf_char(&raw, '\0');
        for (int byte = 0; byte < 20; byte++) {
            char two[3] = {id[2 * byte], id[2 * byte + 1], '\0'};
            buf_char(&raw, (char)strtol(two, NULL, 16));
        }
    }
    return repo_git_in(place, dir, raw.data, raw.len, hash);
}

const char *repo_commit_tree(const struct place *place, const char *dir, const char *tree)
{
    const char *commit = repo_git(place, dir, "commit-tree", "-m", "made", tree);
    repo_git(place, dir, "update-ref", "refs/heads/main", commit);
    return commit;
}

static void on_progress(const struct fetch_progress *progress, void *arg)
{
    struct fetched *fetched = arg;
    fetched->told++;
    fetched->last = *progress;
    if (progress->objects > 0 && fetched->cancel_end > 0) {
        close(fetched->cancel_end);
        fetched->cancel_end = 0;
    }
}

void repo_fetch_until(const struct place *place, const char *text, struct fetch_request *request,
                      int cancel_end, struct fetched *ret)
{
    char path[512];
    struct fetch_request usual = FETCH_REQUEST_INIT;
    struct source source;
    struct fetch_request *used = request ? request : &usual;
    memset(ret, 0, sizeof *ret);
    ret->cancel_end = cancel_end;
    bool whole = strstr(text, "://") != NULL || *text == '/';
    snprintf(path, sizeof path, "%s%s%s", whole ? "" : place->path, whole ? "" : "/", text);
    assert_int_equal(source_parse(path, &source, &ret->err), 0);
    used->source = &source;
    used->progress = on_progress;
    used->arg = ret;
    fs_remove_tree(place->fd, "out");
    assert_true(mkdirat(place->fd, "out", 0700) == 0);
    AUTO_CLOSE int out = openat(place->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fds = count_fds();
    if (fetch_source(used, out, &ret->result, &ret->err) < 0) {
        assert_true(ret->err.status != 0 && *ret->err.message != '\0');
        assert_true(repo_out_empty(place));
    }
    assert_int_equal(count_fds() + (cancel_end != ret->cancel_end), fds);
    ret->status = ret->err.status;
    used->source = NULL;
}

void repo_fetch_with(const struct place *place, const char *text, struct fetch_request *request,
                     struct fetched *ret)
{
    repo_fetch_until(place, text, request, 0, ret);
}

void repo_fetch(const struct place *place, const char *text, struct fetched *ret)
{
    repo_fetch_with(place, text, NULL, ret);
}

bool repo_out_empty(const struct place *place)
{
    struct stat st;
    DIR *dir = opendir(place_path(place, "out"));
    int n = 0;
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return fstatat(place->fd, "out", &st, 0) == 0 && n == 2;
}

const char *repo_read(const struct place *place, const char *path)
{
    static char texts[2][4096];
    static unsigned turn;
    char *text = texts[turn++ % 2];
    BUF_AUTO content = BUF_INIT;
    *text = '\0';
    if (fs_read_file(place->fd, path, &content, sizeof texts[0] - 1) == 0)
        snprintf(text, sizeof texts[0], "%s", buf_text(&content));
    return text;
}
