/* System calls that the C libraries which modload is built with do not all have a function for:
 * glibc has them, and musl, of which the front is made, does not. Each is its system call and
 * nothing else. */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <errno.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As linux/fs.h has them, which cannot be included beside sys/mount.h. */
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE  (1 << 1)
#endif

#ifndef TEMP_FAILURE_RETRY
#define TEMP_FAILURE_RETRY(call)                                                                   \
    ({                                                                                             \
        __typeof__(call) result_;                                                                  \
        do                                                                                         \
            result_ = (call);                                                                      \
        while (result_ == -1 && errno == EINTR);                                                   \
        result_;                                                                                   \
    })
#endif

/* renameat2(2). */
static inline int sys_renameat2(int from_dir, const char *from, int to_dir, const char *to,
                                unsigned flags)
{
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

/* close_range(2). */
static inline int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}

#endif
