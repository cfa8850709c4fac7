/* An export that somebody made up. The archive is read in this process; what would keep most
 * changes out is put right: the checksums of tar's headers in the input, and the hashes of the
 * history when it was unpacked. Refused, it leaves the registry as it was. Taken, the registry is
 * in order and every bundle that came is what it says it is; taken again, it changes nothing. */
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
#include "transfer/import.c"

#include "home.h"
#include "registry_store/internal.h"

const unsigned fuzz_runs = 300;

/* ---- what is put right ---- */

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

/* A tar that ends within a block is nothing new to the target that reads archives. */
static bool is_torn(const uint8_t *data, size_t size)
{
    return size > 512 && size % 512 != 0 && memcmp(data + 257, "ustar", 5) == 0;
}

/* The last 17 bytes of a line are its hash, with the blank before it. */
static void history_seal(int dirfd)
{
    BUF_AUTO text = BUF_INIT, sealed = BUF_INIT;
    if (fs_read_file(dirfd, FORM_HISTORY, &text, 1 << 20) < 0)
        return; /* there is none */
    const uint8_t *data = (const uint8_t *)buf_text(&text);
    size_t size = text.len;
    for (char *line; (line = fuzz_line(&data, &size)) != NULL; free(line)) {
        size_t n = strlen(line);
        line[n > 17 ? n - 17 : 0] = '\0';
        line_seal(&sealed, line);
    }
    CHECK(!sealed.failed);
    fuzz_replace(dirfd, FORM_HISTORY, (const uint8_t *)buf_text(&sealed), sealed.len);
}

static int unpack_here(int fd, const char *label, int dirfd, const struct archive_limits *limits,
                       int64_t deadline_ms, int cancel_fd, struct ml_error *err)
{
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    if (archive_parse(fd, dirfd, limits, err) < 0)
        return ml_error_wrap(err, "cannot unpack '%s'", label);
    history_seal(dirfd);
    return 0;
}

/* ---- what is promised ---- */

static void check_status(const struct ml_error *err)
{
    fuzz_refused(err);
    CHECK(err->status == ML_DATA || err->status == ML_REFUSED || err->status == ML_LIMIT ||
          (err->status == ML_CONFIG && strcmp(err->code, "newer_format") == 0));
}

static int check_filed(int home, const char *id)
{
    ARENA_AUTO arena = ARENA_INIT;
    struct check check;
    char path[64];
    snprintf(path, sizeof path, "bundles/%s", id);
    AUTO_CLOSE int dir = openat(home, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CHECK(dir >= 0 && check_bundle(&arena, dir, id, &check, NULL) == 0);
    return check.n_problems == 0;
}

/* All but the two that were there before, of which there is no more than a name. */
static void check_bundles(void)
{
    struct names names;
    AUTO_CLOSE int home = open(home_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(home >= 0 && names_read(home, "bundles", &names) == 0);
    for (size_t i = 0; i < names.n; i++)
        if (strcmp(names.item[i], FUZZ_BUNDLE) != 0 && strcmp(names.item[i], FUZZ_BUNDLE2) != 0)
            CHECK(check_filed(home, names.item[i]));
    names_free(&names);
}

/* Nothing of a stage is left, and nothing lies beside the registry. */
static void check_leftovers(void)
{
    struct names names;
    struct stat place;
    AUTO_CLOSE int home = open(home_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(home >= 0 && names_read(home, "tmp", &names) == 0);
    CHECK(names.n == 0);
    names_free(&names);
    CHECK(fstat(fuzz_place_fd(), &place) == 0 && place.st_nlink == 3);
}

static void check_taken(struct ml_ctx *ctx, int fd)
{
    size_t problems;
    struct ml_transfer_result again;
    BUF_AUTO before = BUF_INIT, after = BUF_INIT;
    struct store *store;
    CHECK(ctx_store(ctx, false, &store, NULL) == 0);
    CHECK(home_check(store, false, &problems, NULL) == 0 && problems == 0);
    check_bundles();
    home_show(&before);
    CHECK(ml_import(ctx, fd, "input", -1, &again, NULL) == 0);
    CHECK(again.changed == 0 && again.bundles == 0 && again.replaced == 0);
    CHECK(again.n_names_taken == 0);
    ml_transfer_result_done(&again);
    home_show(&after);
    CHECK(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
}

/* ---- */

/* As it is before a run: made anew where the last one has changed it. */
static struct buf untouched = BUF_INIT;

static void home_ready(void)
{
    if (untouched.len > 0)
        return;
    store_close(home_make());
    home_show(&untouched);
}

static void check_refused(const struct ml_error *err)
{
    BUF_AUTO after = BUF_INIT;
    check_status(err);
    home_show(&after);
    CHECK(after.len == untouched.len && memcmp(after.data, untouched.data, after.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_ctx *ctx;
    struct ml_error err = ML_ERROR_INIT;
    struct ml_ctx_options options = {.home = home_path()};
    if (is_torn(data, size))
        return 0;
    home_ready();
    char *sealed = fuzz_bytes(data, size);
    headers_seal((uint8_t *)sealed, size);
    AUTO_CLOSE int fd = fuzz_file((const uint8_t *)sealed, size);
    free(sealed);
    CHECK(ml_ctx_new(&options, &ctx, NULL) == 0);
    if (ml_import(ctx, fd, "input", -1, NULL, &err) < 0) {
        check_refused(&err);
    } else {
        check_taken(ctx, fd);
        buf_free(&untouched);
        untouched = (struct buf)BUF_INIT;
    }
    ml_ctx_free(ctx);
    check_leftovers();
    return 0;
}
