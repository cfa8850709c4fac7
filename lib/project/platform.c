#include <errno.h>
#include <gnu/libc-version.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/record.h"
#include "client/context.h"
#include "project/sync.h"

/* The lock is read by people and merged by git: no byte that is not plain. */
static const char *plain(struct arena *a, const char *text)
{
    char copy[LOCK_PLATFORM_MAX + 1];
    size_t n = 0;
    for (; text[n] != '\0' && n < LOCK_PLATFORM_MAX; n++)
        copy[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    return arena_mem(a, copy, n);
}

/* What goes into a bundle's id and is not in its source: the compiler and what it makes code for,
 * the headers of the C library, and how bundles are made. */
const char *platform_of(struct arena *a, struct ml_ctx *ctx, const char *bundle,
                        struct ml_error *err)
{
    ARENA_AUTO own = ARENA_INIT;
    BUF_AUTO text = BUF_INIT;
    struct store *store;
    struct record record;
    if (ctx_store(ctx, false, &store, err) < 0)
        return NULL;
    AUTO_CLOSE int fd = store_bundle_open(store, bundle, err);
    if (fd < 0)
        return NULL;
    if (fs_read_file(fd, "build.json", &text, RECORD_SIZE_MAX) < 0) {
        ml_error_errno(err, 0, errno, "bundle '%s': cannot read its 'build.json'", bundle);
        return NULL;
    }
    if (record_read(&own, buf_text(&text), text.len, &record, err) < 0) {
        ml_error_wrap(err, "bundle '%s'", bundle);
        return NULL;
    }
    const char *ret =
        plain(a, arena_fmt(a, "%s, %s, glibc %s, abi %u", record.build.host.target,
                           record.build.host.compiler, gnu_get_libc_version(), record.build.abi));
    if (!a->failed)
        return ret;
    ml_error_memory(err);
    return NULL;
}
