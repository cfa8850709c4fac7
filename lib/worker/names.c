/* The names that lead to a worker: its lock file and its two sockets. Who cleans up in a temporary
 * directory, or a plugin, may take one away, and then the key is of no use: callers do not find the
 * worker, or another one is started beside it. So it looks whether they are still its own, when it
 * is asked something and otherwise now and then, and leaves when one is not. No inotify: a user has
 * 128 of them for all his programs (inotify(7), max_user_instances). */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "client/context.h"
#include "worker/state.h"

enum { LOOK_MS = 2000 };

static bool look(const struct worker *w, size_t file, struct stat *ret)
{
    char name[RUN_NAME_SIZE];
    run_file_name(w->setup->uuid, (enum run_file)file, name);
    return fstatat(w->setup->run_dir, name, ret, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The lock's by its descriptor: of a socket that does not tell which file it is. */
void names_note(struct worker *w)
{
    for (size_t i = 0; i < NAMES; i++) {
        struct stat st = {.st_ino = 0};
        if (i == RUN_LOCK ? fstat(w->lock, &st) < 0 : !look(w, i, &st))
            st.st_ino = 0;
        w->name[i] = st.st_ino;
    }
    w->look = clock_ms() + LOOK_MS;
}

bool names_lost(struct worker *w)
{
    w->look = clock_ms() + LOOK_MS;
    for (size_t i = 0; i < NAMES; i++) {
        struct stat st;
        bool there = look(w, i, &st);
        /* Where it cannot be told for now, for want of memory or of a disk, the next look tells. */
        if (there ? st.st_ino != w->name[i] : errno == ENOENT || errno == ENOTDIR)
            return true;
    }
    return false;
}
