/* Variables that make modload do what nobody expects, and who is asking. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/scope.h"
#include "client/doctor.h"

#define NAME "environment"

static void odd(struct doctor *d, const char *variable, const char *what)
{
    doctor_tell(d, ML_HEALTH_WARNING, NAME, "%s%s%s %s", variable, *variable ? "=" : "",
                getenv(variable) ? getenv(variable) : "", what);
}

/* The loader's own variables decide what code runs in programs that are not static. */
static size_t loader_look(struct doctor *d)
{
    static const char *const names[] = {"LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value == NULL || *value == '\0')
            continue;
        odd(d, names[i], "has other code run in modload");
        doctor_hint(d, "workers and compilers do not see it; for the rest: unset %s", names[i]);
        n++;
    }
    return n;
}

/* A relative path means another place in each directory. The XDG ones and HOME are ignored then
 * (context.c), modload's own are not. */
static size_t paths_look(struct doctor *d)
{
    static const struct {
        const char *name;
        bool ignored;
    } paths[] = {
        {"MODLOAD_HOME", false}, {"MODLOAD_RUNTIME_DIR", false}, {"MODLOAD_PREFIX", true},
        {"XDG_DATA_HOME", true}, {"XDG_RUNTIME_DIR", true},      {"HOME", true},
        {"TMPDIR", true},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *value = getenv(paths[i].name);
        if (value == NULL || *value == '\0' || *value == '/')
            continue;
        odd(d, paths[i].name,
            paths[i].ignored ? "is relative, and ignored"
                             : "is relative: another place in each directory");
        doctor_hint(d, "give it an absolute path");
        n++;
    }
    return n;
}

static size_t places_look(struct doctor *d)
{
    const char *home = getenv("HOME"), *tmpdir = getenv("TMPDIR"),
               *prefix = getenv("MODLOAD_PREFIX");
    size_t n = 0;
    if (home == NULL || *home == '\0') {
        doctor_tell(d, ML_HEALTH_WARNING, NAME, "HOME is not set");
        doctor_hint(d, "set it, or MODLOAD_HOME");
        n++;
    }
    if (tmpdir != NULL && *tmpdir == '/' && access(tmpdir, W_OK | X_OK) < 0) {
        odd(d, "TMPDIR", "cannot be written to");
        doctor_hint(d, "unset it, or set it to a directory that you can write to");
        n++;
    }
    if (prefix != NULL && *prefix == '/') {
        odd(d, "MODLOAD_PREFIX", "says where modload's programs and headers are");
        doctor_hint(d, "only programs that link libmodload need it: unset it");
        n++;
    }
    return n;
}

/* umask(2) would have to set it to tell it, for all threads of the program. */
static unsigned umask_read(void)
{
    BUF_AUTO status = BUF_INIT;
    unsigned mask = 0;
    if (fs_read_file(AT_FDCWD, "/proc/self/status", &status, 65536) < 0)
        return 0;
    const char *line = strstr(buf_text(&status), "\nUmask:");
    return line != NULL && sscanf(line, "\nUmask: %o", &mask) == 1 ? mask : 0;
}

static size_t umask_look(struct doctor *d)
{
    unsigned mask = umask_read();
    if ((mask & 0700) == 0)
        return 0;
    doctor_tell(d, ML_HEALTH_PROBLEM, NAME, "umask %04o takes rights from yourself", mask);
    doctor_hint(d, "what modload makes could not be read again: umask 077");
    return 1;
}

/* A root caller's plugins are root: there is no sandbox yet that would make them less. */
static void user_look(struct doctor *d)
{
    if (geteuid() != 0) {
        doctor_tell(d, ML_HEALTH_OK, "user", "uid %u", geteuid());
        return;
    }
    doctor_tell(d, ML_HEALTH_WARNING, "user", "root: plugins run with all of root's rights");
    doctor_hint(d, "use modload as a user who can do less");
}

void doctor_environment(struct doctor *d)
{
    size_t n = loader_look(d);
    n += paths_look(d);
    n += places_look(d);
    n += umask_look(d);
    if (n == 0)
        doctor_tell(d, ML_HEALTH_OK, NAME, "nothing unusual");
    user_look(d);
}
