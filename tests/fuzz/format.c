/* The file that says which format a registry has. Ours is taken, an older one may be brought up to
 * date, and what is neither is refused and stays as it was. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "registry.h"

const unsigned fuzz_runs = 200;

static int home_fd(void)
{
    static int fd = -1;
    if (fd < 0)
        fd = open(fuzz_registry_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void format_read(struct buf *ret)
{
    CHECK(fs_read_file(home_fd(), "FORMAT", ret, 1 << 20) == 0);
}

static bool format_is(const void *data, size_t size)
{
    BUF_AUTO now = BUF_INIT;
    format_read(&now);
    return now.len == size && (size == 0 || memcmp(now.data, data, size) == 0);
}

/* The number in it; 0 when it has none. */
static int version_of(const char *text)
{
    int version = 0;
    return sscanf(text, "modload registry %6d", &version) == 1 ? version : 0;
}

/* Whether it is of ours, or was until it was brought up to date. */
static bool is_known(const struct buf *ours)
{
    BUF_AUTO now = BUF_INIT;
    format_read(&now);
    int version = version_of(buf_text(&now));
    return version > 0 && version <= version_of(ours->data);
}

/* A context of its own, since one that has opened a registry has looked at FORMAT before. */
static struct ml_ctx *context(void)
{
    struct ml_ctx_options options = {.home = fuzz_registry_path()};
    struct ml_ctx *ctx;
    CHECK(ml_ctx_new(&options, &ctx, NULL) == 0);
    return ctx;
}

/* By who reads, and by who would write: what he wants is there already. */
static bool is_taken(bool write)
{
    struct ml_key key;
    char bundle[ML_BUNDLE_ID_SIZE];
    struct ml_error err = ML_ERROR_INIT;
    struct ml_ctx *ctx = context();
    CHECK(ml_key_from_uuid(FUZZ_UUID, &key, NULL) == 0);
    int status = write ? ml_register(ctx, &key, FUZZ_BUNDLE, NULL, NULL, NULL, &err)
                       : ml_lookup(ctx, &key, bundle, &err);
    if (status < 0)
        fuzz_refused(&err);
    ml_ctx_free(ctx);
    return status == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buf ours;
    size = size > 0 ? strnlen((const char *)data, size) : 0;
    fuzz_registry();
    if (ours.data == NULL)
        format_read(&ours);
    fuzz_replace(home_fd(), "FORMAT", data, size);
    bool good = format_is(ours.data, ours.len);
    for (int write = 0; write <= 1; write++)
        if (is_taken(write))
            CHECK(is_known(&ours));
        else
            CHECK(!good && format_is(data, size));
    return 0;
}
