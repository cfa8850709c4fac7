/* Only the compiler knows where an archive was unpacked; whoever reads its words knows the archive.
 */
#include "build/unpacked.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/unpack.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "build/host.h"

/* Beneath "work", where all other names have a dot in them. */
#define TREE "tree"

const char *unpacked_top(struct arena *a, int dirfd)
{
    AUTO_CLOSEDIR DIR *dir = fdopendir(dirfd);
    const char *only = "";
    int n = 0;
    if (dir == NULL) {
        close(dirfd);
        return "";
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        n++;
        only = arena_str(a, entry->d_name);
    }
    struct stat st;
    bool directory =
        n == 1 && fstatat(dirfd, only, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    return directory ? only : "";
}

/* The archive's own limit on time is told as such; the build's, and a signal, as for a compiler. */
static int unpack(struct build *b, int dirfd, struct ml_error *err)
{
    AUTO_CLOSE int fd = open(b->archive, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", b->archive);
    if (archive_unpack(fd, b->archive, dirfd, NULL, b->deadline_ms, b->request->cancel_fd, err) ==
        0)
        return 0;
    if (host_cancelled(b) || clock_poll_timeout(b->deadline_ms) == 0)
        return host_timeout(b, err);
    return -1;
}

/* What is unpacked is as new as the build: only what changes from here on has changed. */
int unpacked_plan(struct build *b, struct ml_error *err)
{
    const char *stem = b->stem;
    AUTO_CLOSE int tree = -1;
    if (mkdirat(b->work, TREE, 0700) < 0 ||
        (tree = openat(b->work, TREE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot create '%s/" TREE "'",
                              b->work_path);
    if (unpack(b, tree, err) < 0)
        return -1;
    clock_gettime(CLOCK_REALTIME, &b->started);
    const char *top = unpacked_top(b->a, steal_fd(&tree));
    b->unpacked = arena_fmt(b->a, "%s/" TREE "/", b->work_path);
    b->label = b->archive;
    if (plan_directory(b, arena_fmt(b->a, "%s%s", b->unpacked, top), err) < 0)
        return -1;
    if (*top == '\0')
        b->stem = stem;
    return b->a->failed ? ml_error_memory(err) : 0;
}

/* By text, not by path: compilers quote, colour and cut what they say. The slash stays where it is.
 */
void unpacked_show(const struct build *b, const char *text, struct buf *out)
{
    const char *at;
    AUTO_FREE char *place = strndup(b->unpacked, strlen(b->unpacked) - 1);
    if (place == NULL) {
        out->failed = true;
        return;
    }
    for (; (at = strstr(text, place)) != NULL; text = at + strlen(place)) {
        buf_add(out, text, (size_t)(at - text));
        buf_str(out, b->label);
    }
    buf_str(out, text);
}

void unpacked_show_error(const struct build *b, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    if (err == NULL || b->unpacked == NULL)
        return;
    unpacked_show(b, err->message, &text);
    if (!text.failed)
        snprintf(err->message, sizeof err->message, "%s", buf_text(&text));
}
