#include "build/room.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/scope.h"

/* As much as one file: what the linker makes of them has that limit. */
enum { OBJECTS_MIB = 256 };

bool room_is_out(const struct build *b, int *errnum)
{
    AUTO_CLOSE int fd = openat(b->work, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    *errnum = fd < 0 ? errno : posix_fallocate(fd, 0, 1 << 20);
    return *errnum == ENOSPC || *errnum == EDQUOT;
}

int room_take(const struct build *b, const char *stem, uint64_t *bytes, struct ml_error *err)
{
    struct stat st;
    const char *object = arena_fmt(b->a, "%s.o", stem);
    if (b->a->failed)
        return ml_error_memory(err);
    if (fstatat(b->work, object, &st, AT_SYMLINK_NOFOLLOW) == 0)
        *bytes += (uint64_t)st.st_size;
    if (*bytes >> 20 < OBJECTS_MIB)
        return 0;
    ml_error_set(err, ML_LIMIT, "too_large", "what is compiled has %d MiB and more", OBJECTS_MIB);
    return ml_error_hint(err, "make large tables smaller, or read them from a file at run time");
}
