/* What a project's lock names, for who wants to have it at hand before it is needed. */
#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/scope.h"
#include "modload/sync.h"
#include "project/lock.h"

int ml_project_locked(const char *dir, int (*each)(const struct ml_locked *locked, void *arg),
                      void *arg, struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO text = BUF_INIT;
    struct lock lock;
    AUTO_CLOSE int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ml_error_errno(err, errno == ENOENT ? ML_NO_INPUT : 0, errno, "cannot open '%s'",
                              dir);
    const char *label = arena_fmt(&a, "%s/" LOCK_FILE, dir);
    int there = a.failed ? ml_error_memory(err) : lock_read(&a, dirfd, label, &text, &lock, err);
    if (there < 0)
        return -1;
    if (there == 0) {
        ml_error_set(err, ML_NO_INPUT, "no_lock", "there is no '%s'", label);
        return ml_error_hint(err, "make it: modload sync %s", dir);
    }
    for (size_t i = 0; i < lock.n; i++) {
        const struct lock_plugin *p = &lock.plugins[i];
        const struct ml_locked locked = {.name = p->name,
                                         .git = p->git,
                                         .commit = p->commit,
                                         .path = p->path ? p->path : "",
                                         .submodules = p->submodules};
        int status = each(&locked, arg);
        if (status != 0)
            return status;
    }
    return 0;
}
