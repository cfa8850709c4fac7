/* The place of a harness. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "report.h"

static struct {
    char path[PLACE_SIZE];
    pid_t owner; /* the children of this process leave it alone */
} place;

static void place_remove(void)
{
    if (place.owner == getpid() && chdir("/") == 0)
        tree_remove(place.path);
}

/* Removes the place when everybody who has the other end of the pipe is gone, however they went. It
 * is nobody's child here: whoever waits for all children does not wait for it. */
static void place_keep(void)
{
    int line[2];
    char byte;
    if (pipe2(line, O_CLOEXEC) < 0)
        give_up("cannot make a pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0 && fork() == 0) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        close(line[1]);
        while (read(line[0], &byte, 1) < 0 && errno == EINTR)
            continue;
        tree_remove(place.path);
        _exit(0);
    }
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    close(line[0]);
}

/* What a home needs of a file system: renames that do not replace or that exchange, locks that two
 * openings of a file do not share, links, and room. */
static bool place_serves(const char *path)
{
    struct statvfs st;
    AUTO_CLOSE int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || mkdirat(dir, "a", 0700) < 0 || symlinkat("a", dir, "b") < 0)
        return false;
    AUTO_CLOSE int one = openat(dir, "a", O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE int two = openat(dir, "a", O_RDONLY | O_CLOEXEC);
    bool locks = flock(one, LOCK_EX) == 0 && flock(two, LOCK_EX | LOCK_NB) < 0;
    bool renames = renameat2(dir, "a", dir, "b", RENAME_NOREPLACE) < 0 && errno == EEXIST &&
                   renameat2(dir, "a", dir, "b", RENAME_EXCHANGE) == 0;
    bool room = statvfs(path, &st) == 0 && (double)st.f_bavail * (double)st.f_frsize > 256e6;
    return locks && renames && room && unlinkat(dir, "a", 0) == 0 &&
           unlinkat(dir, "b", AT_REMOVEDIR) == 0;
}

static bool place_make(const char *parent, const char *name, char path[PLACE_SIZE])
{
    snprintf(path, PLACE_SIZE, "%s/modload-%s.XXXXXX", parent, name);
    if (mkdtemp(path) == NULL)
        return false;
    if (place_serves(path))
        return true;
    tree_remove(path);
    return false;
}

/* tmpfs syncs nothing and needs no time for it: what has to be synced is what the harnesses look
 * at, not what the file system does with it. */
void place_open(const char *name, bool keep, char path[PLACE_SIZE])
{
    const char *tmp = getenv("TMPDIR");
    if (!place_make("/dev/shm", name, path) && !place_make(tmp && *tmp ? tmp : "/tmp", name, path))
        give_up("no place for homes: neither /dev/shm nor $TMPDIR has room and what they need");
    if (keep)
        return;
    place.owner = getpid();
    strcpy(place.path, path);
    place_keep();
    atexit(place_remove);
}

void place_build(const char *build, char path[PATH_ROOM])
{
    char self[PATH_ROOM], real[PATH_MAX];
    if (build == NULL) {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 8);
        self[n > 0 ? n : 0] = '\0';
        strcpy(strrchr(self, '/') ? strrchr(self, '/') : self, "/..");
        build = self;
    }
    if (realpath(build, real) == NULL)
        give_up("there is no build '%s'", build);
    path_make(path, "%s", real);
}

void place_clean_environment(void)
{
    static const char *const names[] = {
        "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",   "XDG_CACHE_HOME", "CC",
        "NO_COLOR",      "LD_PRELOAD",      "MODLOAD_BUILD_DIRS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    setenv("LC_ALL", "C.UTF-8", 1);
}
