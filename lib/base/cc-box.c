/* All is looked up and opened by the parent; what is left for the child is to say yes to it, in
 * three kinds of calls that are safe after a fork among threads. */
#include "base/cc-box.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/landlock.h"
#include "base/scope.h"
#include "base/syscall-filter.h"

#define RUN  (LANDLOCK_READ | LANDLOCK_EXECUTE)
#define FULL (LANDLOCK_READ | LANDLOCK_CHANGE)

#define MEMORY_MAX    (4ULL << 30)
#define FILE_SIZE_MAX (256ULL << 20)
enum { PROCESSES_MORE = 512 };

/* Of a tree that is looked through before it is granted: no plugin has more. What is beyond is
 * granted unseen, and left to the deadline. */
enum { ENTRIES_MAX = 20000, DEPTH_MAX = 32 };

/* ---- one rule ---- */

static int rule_failed(const char *path, struct ml_error *err)
{
    return ml_error_errno(err, 0, errno, "cannot let the compiler use '%s'", path);
}

/* A file that is not there, or not for us, is nothing to be granted. */
static bool is_nothing(int errnum)
{
    static const int none[] = {ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (errnum == none[i])
            return true;
    return false;
}

/* Whatever else went wrong is told now: the compiler would be refused the file, and nobody would
 * know why. */
static int not_granted(const char *path, struct ml_error *err)
{
    return is_nothing(errno) ? 0 : rule_failed(path, err);
}

static int grant(struct cc_box *box, const char *path, uint64_t rights, struct ml_error *err)
{
    if (box->ruleset < 0)
        return 0;
    AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return not_granted(path, err);
    return landlock_allow(box->ruleset, fd, rights) < 0 ? rule_failed(path, err) : 0;
}

static int grant_at(struct cc_box *box, int at, const char *name, struct ml_error *err)
{
    AUTO_CLOSE int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return not_granted(name, err);
    return landlock_allow(box->ruleset, fd, LANDLOCK_READ) < 0 ? rule_failed(name, err) : 0;
}

/* ---- directories that hold more than sources ---- */

static bool is_or_holds(const char *dir, const char *path)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/' || n == 1);
}

/* `real` is a real path. 1, 0; -1 with errno when it cannot be told where the home directory is. */
static int is_wide(const char *real)
{
    static const char *const dirs[] = {"/tmp", "/var/tmp", "/dev/shm", "/root", "/home",
                                       "/etc", "/var",     "/run",     "/proc", "/sys"};
    const char *home = getenv("HOME");
    AUTO_FREE char *home_real = home && *home ? realpath(home, NULL) : NULL;
    if (home_real == NULL && home && *home && !is_nothing(errno))
        return -1;
    if (home_real != NULL && is_or_holds(real, home_real))
        return 1;
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (is_or_holds(real, dirs[i]))
            return 1;
    return 0;
}

/* ---- trees ---- */

static unsigned char type_of(int at, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    return fstatat(at, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? DT_UNKNOWN
                                                                    : IFTODT(st.st_mode);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *dir_open(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && dir == NULL)
        close(fd);
    return dir;
}

/* Whether opening something in it could block, or do more than read. */
static bool is_special(int at, const char *name, unsigned *left, int depth)
{
    AUTO_CLOSEDIR DIR *dir = depth > DEPTH_MAX ? NULL : dir_open(at, name);
    struct dirent *entry;
    while (dir != NULL && *left > 0 && (entry = readdir(dir)) != NULL) {
        unsigned char type = type_of(dirfd(dir), entry);
        if (is_dots(entry->d_name))
            continue;
        --*left;
        if (type == DT_FIFO || type == DT_CHR || type == DT_BLK)
            return true;
        if (type == DT_DIR && is_special(dirfd(dir), entry->d_name, left, depth + 1))
            return true;
    }
    return false;
}

/* The plain files in a directory and, if `deep`, the directories that hold nothing else. */
static int grant_files(struct cc_box *box, int at, const char *name, bool deep, int depth,
                       struct ml_error *err)
{
    AUTO_CLOSEDIR DIR *dir = depth > DEPTH_MAX ? NULL : dir_open(at, name);
    struct dirent *entry;
    int status = 0;
    if (dir == NULL && depth <= DEPTH_MAX)
        return not_granted(name, err);
    for (int n = 0; dir != NULL && n < ENTRIES_MAX && (entry = readdir(dir)) != NULL; n++) {
        unsigned char type = type_of(dirfd(dir), entry);
        unsigned left = ENTRIES_MAX;
        if (is_dots(entry->d_name) || (!deep && *entry->d_name == '.'))
            continue;
        if (type == DT_REG ||
            (type == DT_DIR && deep && !is_special(dirfd(dir), entry->d_name, &left, depth + 1)))
            status = grant_at(box, dirfd(dir), entry->d_name, err);
        else if (type == DT_DIR && deep)
            status = grant_files(box, dirfd(dir), entry->d_name, true, depth + 1, err);
        if (status < 0)
            return -1;
    }
    return 0;
}

int cc_box_read(struct cc_box *box, const char *path, struct ml_error *err)
{
    struct stat st;
    unsigned left = ENTRIES_MAX;
    if (box->ruleset < 0)
        return 0;
    AUTO_FREE char *real = realpath(path, NULL);
    if (real == NULL || stat(real, &st) < 0)
        return not_granted(path, err);
    if (S_ISREG(st.st_mode))
        return grant(box, real, LANDLOCK_READ, err);
    if (!S_ISDIR(st.st_mode))
        return 0;
    int wide = is_wide(real);
    if (wide < 0)
        return rule_failed(path, err);
    if (wide || is_special(AT_FDCWD, real, &left, 0))
        return grant_files(box, AT_FDCWD, real, !wide, 0, err);
    return grant(box, real, LANDLOCK_READ, err);
}

/* ---- the compiler's own directories ---- */

/* A file's directory; of one in a "bin", what lies beside that as well. */
static int grant_program(struct cc_box *box, const char *path, struct ml_error *err)
{
    static const char *const parts[] = {"lib", "lib32", "lib64", "libexec", "include", "share"};
    AUTO_FREE char *dir = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    if (dir == NULL)
        return ml_error_memory(err);
    if (slash == NULL || slash == dir)
        return grant(box, path, RUN, err);
    *slash = '\0';
    int wide = is_wide(dir);
    if (wide != 0)
        return wide < 0 ? rule_failed(path, err) : grant(box, path, RUN, err);
    if (grant(box, dir, RUN, err) < 0)
        return -1;
    slash = strrchr(dir, '/');
    if (strcmp(slash, "/bin") != 0 || slash == dir)
        return 0;
    *slash = '\0';
    wide = is_wide(dir);
    if (wide <= 0)
        return wide < 0 ? rule_failed(path, err) : grant(box, dir, RUN, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        AUTO_FREE char *part = NULL;
        if (asprintf(&part, "%s/%s", dir, parts[i]) < 0)
            return ml_error_memory(err);
        if (grant(box, part, RUN, err) < 0)
            return -1;
    }
    return 0;
}

/* As it is called, and what that is a link to. */
static int grant_place(struct cc_box *box, const char *path, struct ml_error *err)
{
    AUTO_FREE char *real = access(path, X_OK) == 0 ? realpath(path, NULL) : NULL;
    const char *slash = strrchr(path, '/');
    if (real == NULL)
        return not_granted(path, err);
    AUTO_FREE char *dir = slash > path ? strndup(path, (size_t)(slash - path)) : strdup("/");
    AUTO_FREE char *dir_real = dir ? realpath(dir, NULL) : NULL;
    AUTO_FREE char *called = NULL;
    if (dir_real == NULL)
        return not_granted(path, err);
    if (asprintf(&called, "%s%s", dir_real, slash) < 0)
        return ml_error_memory(err);
    return grant_program(box, called, err) < 0 ? -1 : grant_program(box, real, err);
}

/* Every program of that name on PATH: a compiler that is a link to ccache calls the next one. */
static int grant_name(struct cc_box *box, const char *name, size_t n, struct ml_error *err)
{
    const char *dirs = getenv("PATH");
    AUTO_FREE char *path = NULL;
    if (memchr(name, '/', n) != NULL) {
        AUTO_FREE char *here = *name == '/' ? NULL : getcwd(NULL, 0);
        if (*name != '/' && here == NULL)
            return not_granted(".", err);
        if (asprintf(&path, "%s%s%.*s", here ? here : "", here ? "/" : "", (int)n, name) < 0)
            return ml_error_memory(err);
        return grant_place(box, path, err);
    }
    for (const char *dir = dirs ? dirs : ""; *dir != '\0'; dir += *dir == ':') {
        int len = (int)strcspn(dir, ":");
        AUTO_FREE char *found = NULL;
        if (*dir == '/' && asprintf(&found, "%.*s/%.*s", len, dir, (int)n, name) < 0)
            return ml_error_memory(err);
        if (found != NULL && grant_place(box, found, err) < 0)
            return -1;
        dir += len;
    }
    return 0;
}

/* $CC may be "ccache gcc-13 -m64": each word that can be a program. */
static int grant_compiler(struct cc_box *box, struct ml_error *err)
{
    const char *at = cc_text(), *pkg_config = getenv("PKG_CONFIG");
    if (pkg_config != NULL && grant_name(box, pkg_config, strlen(pkg_config), err) < 0)
        return -1;
    for (size_t n; (n = cc_next_word(&at)) > 0; at += n)
        if (*at != '-' && grant_name(box, at, n, err) < 0)
            return -1;
    return 0;
}

/* ---- everybody's ---- */

static int grant_list(struct cc_box *box, const char *name, uint64_t rights, struct ml_error *err)
{
    const char *list = getenv(name);
    for (const char *dir = list ? list : ""; *dir != '\0'; dir += *dir == ':') {
        size_t n = strcspn(dir, ":");
        AUTO_FREE char *path = n > 0 ? strndup(dir, n) : NULL;
        if (n > 0 && path == NULL)
            return ml_error_memory(err);
        if (path != NULL && (rights == LANDLOCK_READ ? cc_box_read(box, path, err)
                                                     : grant(box, path, rights, err)) < 0)
            return -1;
        dir += n;
    }
    return 0;
}

static int grant_environment(struct cc_box *box, struct ml_error *err)
{
    static const char *const lists[] = {"CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH",
                                        "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (grant_list(box, lists[i], LANDLOCK_READ, err) < 0)
            return -1;
    return grant_list(box, "MODLOAD_BUILD_DIRS", FULL | LANDLOCK_EXECUTE, err);
}

static int grant_system(struct cc_box *box, struct ml_error *err)
{
    static const struct {
        const char *path;
        uint64_t rights;
    } system[] = {
        {"/usr", RUN},
        {"/bin", RUN},
        {"/sbin", RUN},
        {"/lib", RUN},
        {"/lib32", RUN},
        {"/lib64", RUN},
        {"/libx32", RUN},
        {"/nix/store", RUN},
        {"/gnu/store", RUN},
        {"/etc/alternatives", LANDLOCK_READ},
        {"/etc/ccache.conf", LANDLOCK_READ},
        {"/etc/ld.so.cache", LANDLOCK_READ},
        {"/etc/ld.so.conf", LANDLOCK_READ},
        {"/etc/ld.so.conf.d", LANDLOCK_READ},
        {"/etc/ld.so.preload", LANDLOCK_READ},
        {"/etc/localtime", LANDLOCK_READ},
        {"/dev/null", LANDLOCK_READ | LANDLOCK_WRITE},
        {"/dev/urandom", LANDLOCK_READ},
    };
    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        if (grant(box, system[i].path, system[i].rights, err) < 0)
            return -1;
    return 0;
}

int cc_box_open(struct cc_box *box, const char *work, struct ml_error *err)
{
    struct sysinfo info;
    box->ruleset = landlock_open();
    if (box->ruleset < 0 && errno_is_shortage(errno))
        return ml_error_errno(err, ML_LIMIT, errno, "cannot confine the compiler");
    box->processes = (sysinfo(&info) == 0 ? info.procs : 0) + PROCESSES_MORE;
    if (grant_system(box, err) == 0 && grant_compiler(box, err) == 0 &&
        grant_environment(box, err) == 0 && grant(box, work, FULL, err) == 0)
        return 0;
    cc_box_close(box);
    return -1;
}

void cc_box_close(struct cc_box *box)
{
    scope_close(&box->ruleset);
    box->ruleset = -1;
}

/* ---- in the child ---- */

/* Never more than what is allowed already. */
static int lower(int resource, rlim_t value)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0)
        return -1;
    now.rlim_max = now.rlim_max < value ? now.rlim_max : value;
    now.rlim_cur = now.rlim_max;
    return setrlimit(resource, &now);
}

/* The filter comes last: what is before it needs no more than it allows, and it says no to the rest
 * of us as well. */
int cc_box_enter(void *arg)
{
    const struct cc_box *box = arg;
    if (lower(RLIMIT_CORE, 0) < 0 || lower(RLIMIT_AS, MEMORY_MAX) < 0 ||
        lower(RLIMIT_FSIZE, FILE_SIZE_MAX) < 0 || lower(RLIMIT_NPROC, box->processes) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    if (box->ruleset >= 0 && landlock_enter(box->ruleset) < 0)
        return -1;
    return syscall_filter_enter();
}

/* ---- what was refused ---- */

/* In the box, with the three descriptors: the directory is where it stands. */
static int look_body(void *arg)
{
    int fd = open(arg, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd < 0 && errno == EACCES;
}

bool cc_box_refuses(struct cc_box *box, int dirfd, const char *path)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    CHILD_AUTO child = CHILD_INIT;
    if (box->ruleset < 0 || faccessat(dirfd, path, R_OK, AT_EACCESS) < 0)
        return false;
    spec.body = look_body;
    spec.body_arg = (void *)(uintptr_t)path;
    spec.before = cc_box_enter;
    spec.before_arg = box;
    spec.cwd_fd = dirfd;
    if (child_start(&spec, &child, NULL) < 0 ||
        child_wait(&child, clock_ms() + 1000, &end, NULL) < 0)
        return false;
    return end.signal == 0 && end.code == 1;
}
