/* A pack that somebody made up. The archive is read in this process, and the checksums of its
 * headers are put right. Nothing is compiled: what is refused leaves the registry as it was, and
 * what is filed as it is, is the bundle that it says it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/parse.h"

static int unpack_here(int fd, const char *label, int dirfd, const struct archive_limits *limits,
                       int64_t deadline_ms, int cancel_fd, struct ml_error *err);
#define archive_unpack unpack_here
#include "transfer/unpack.c"

#include "home.h"
#include "registry_store/internal.h"

const unsigned fuzz_runs = 300;

/* ustar (POSIX pax): the sum of the header's bytes, its own eight taken for blanks. */
static void header_seal(uint8_t *header)
{
    unsigned sum = 0;
    char text[9];
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += header[i];
    snprintf(text, sizeof text, "%06o", sum);
    memcpy(header + 148, text, 7);
}

static void headers_seal(uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 512 <= size; at += 512)
        if (memcmp(data + at + 257, "ustar", 5) == 0)
            header_seal(data + at);
}

static int unpack_here(int fd, const char *label, int dirfd, const struct archive_limits *limits,
                       int64_t deadline_ms, int cancel_fd, struct ml_error *err)
{
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return archive_parse(fd, dirfd, limits, err) < 0
               ? ml_error_wrap(err, "cannot unpack '%s'", label)
               : 0;
}

/* ---- what is promised ---- */

static void check_status(const struct ml_error *err)
{
    fuzz_refused(err);
    CHECK(err->status == ML_DATA || err->status == ML_REFUSED || err->status == ML_LIMIT ||
          (err->status == ML_CONFIG && strcmp(err->code, "newer_format") == 0));
}

static void check_info(const struct ml_pack *pack)
{
    const struct ml_pack_info *info = ml_pack_info(pack);
    CHECK(store_bundle_valid(info->bundle) && ml_name_valid(info->name));
    CHECK(strcmp(info->name, pack->check.record.build.name) == 0);
    CHECK(info->says != NULL && strcmp(info->says->name, info->name) == 0);
    CHECK(!info->fits || (info->binary && *info->machine != '\0'));
    CHECK(info->files > 0);
}

static bool is_filed(const char *id)
{
    ARENA_AUTO arena = ARENA_INIT;
    struct check check;
    char path[64];
    AUTO_CLOSE int home = open(home_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(path, sizeof path, "bundles/%s", id);
    AUTO_CLOSE int dir = openat(home, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CHECK(dir >= 0 && check_bundle(&arena, dir, id, &check, NULL) == 0);
    return check.n_problems == 0;
}

/* As it is before a run: made anew where the last one has changed it. */
static struct buf untouched = BUF_INIT;

static void home_ready(void)
{
    if (untouched.len > 0)
        return;
    store_close(home_make());
    home_show(&untouched);
}

static void check_untouched(void)
{
    BUF_AUTO after = BUF_INIT;
    home_show(&after);
    CHECK(after.len == untouched.len && memcmp(after.data, untouched.data, after.len) == 0);
}

static void check_leftovers(void)
{
    struct names names;
    AUTO_CLOSE int home = open(home_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(home >= 0 && names_read(home, "tmp", &names) == 0);
    CHECK(names.n == 0);
    names_free(&names);
}

static void file(struct ml_pack *pack)
{
    static const struct ml_pack_build how = {10000, -1, -1};
    struct ml_bundle_info *info = NULL;
    struct ml_error err = ML_ERROR_INIT;
    char id[ML_BUNDLE_ID_SIZE];
    strcpy(id, ml_pack_info(pack)->bundle);
    if (ml_pack_file(pack, &how, &info, &err) < 0) {
        check_status(&err);
        check_untouched();
        return;
    }
    CHECK(strcmp(info->bundle, id) == 0 && is_filed(id));
    ml_bundle_info_free(info);
    buf_free(&untouched);
    untouched = (struct buf)BUF_INIT;
}

static void run(struct ml_ctx *ctx, int fd)
{
    struct ml_pack *pack;
    struct ml_error err = ML_ERROR_INIT;
    if (ml_pack_open(ctx, fd, "input", -1, &pack, &err) < 0) {
        check_status(&err);
        check_untouched();
        return;
    }
    check_info(pack);
    if (ml_pack_info(pack)->fits)
        file(pack);
    ml_pack_close(pack);
}

/* A tar that ends within a block is nothing new to the target that reads archives. */
static bool is_torn(const uint8_t *data, size_t size)
{
    return size > 512 && size % 512 != 0 && memcmp(data + 257, "ustar", 5) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_ctx *ctx;
    struct ml_ctx_options options = {.home = home_path()};
    if (is_torn(data, size))
        return 0;
    home_ready();
    char *sealed = fuzz_bytes(data, size);
    headers_seal((uint8_t *)sealed, size);
    AUTO_CLOSE int fd = fuzz_file((const uint8_t *)sealed, size);
    free(sealed);
    CHECK(ml_ctx_new(&options, &ctx, NULL) == 0);
    run(ctx, fd);
    ml_ctx_free(ctx);
    check_leftovers();
    return 0;
}
