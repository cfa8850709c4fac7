/* Goal of this test: an archive is told by its first entry, whatever it is compressed with; what is
 * something else, or damaged up to there, is not taken for it. */
#include <sys/wait.h>

#include "archive/unpack.h"
#include "packed.h"

static bool begins(const struct buf *in, const char *path)
{
    int fd = packed_fd(in);
    struct ml_error err = ML_ERROR_INIT;
    int first = archive_begins_with(fd, "x", path, &err);
    close(fd);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_true(first >= 0);
    assert_int_equal(err.status, 0);
    return first;
}

static void whatever_it_is_compressed_with(void **state)
{
    static const char *const filters[] = {"none", "gzip", "xz", "zstd"};
    BUF_AUTO tar = BUF_INIT;
    tar_add(&tar, &(struct tar_file){.name = "one", .content = "1"});
    tar_add(&tar, &(struct tar_file){.name = "two", .content = "2"});
    tar_end(&tar);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        BUF_AUTO packed = BUF_INIT;
        packed_compress(&tar, filters[i], &packed);
        case_true(filters[i], begins(&packed, "one"));
        case_true(filters[i], !begins(&packed, "two"));
        case_true(filters[i], !begins(&packed, "on"));
        case_true(filters[i], !begins(&packed, ""));
    }
}

static void what_comes_behind_does_not_count(void **state)
{
    BUF_AUTO tar = BUF_INIT;
    tar_add(&tar, &(struct tar_file){.name = "one", .content = "1"});
    buf_str(&tar, "this is no header");
    assert_true(begins(&tar, "one"));
}

static void others(void **state)
{
    static const struct tar_file first[] = {
        {.name = "one", .type = '5'},     {.name = "one", .type = '2', .link = "two"},
        {.name = "one", .type = '6'},     {.name = "./one", .content = "1"},
        {.name = "/one", .content = "1"}, {.name = "one", .content = "1", .mode = 04644},
    };
    BUF_AUTO empty = BUF_INIT, text = BUF_INIT, nothing = BUF_INIT, zipped = BUF_INIT;
    ZIP_AUTO zip = {.n = 0};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        BUF_AUTO tar = BUF_INIT;
        tar_add(&tar, &first[i]);
        tar_end(&tar);
        case_true(first[i].name, !begins(&tar, "one"));
    }
    tar_end(&empty);
    assert_false(begins(&empty, "one"));
    buf_str(&text, "one");
    assert_false(begins(&text, "one"));
    assert_false(begins(&nothing, "one"));
    zip_add(&zip, &(struct zip_file){.name = "one", .content = "1"});
    zip_end(&zip, "", &zipped);
    assert_false(begins(&zipped, "one"));
    assert_int_equal(archive_begins_with(-1, "x", "one", NULL), 0);
}

static void cut_short(void **state)
{
    BUF_AUTO tar = BUF_INIT, packed = BUF_INIT;
    tar_small(&tar, "one", "1");
    packed_compress(&tar, "zstd", &packed);
    for (size_t n = 0; n < packed.len; n += 5) {
        struct buf part = {.data = packed.data, .len = n};
        assert_false(n < 20 && begins(&part, "one"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_it_is_compressed_with),
        cmocka_unit_test(what_comes_behind_does_not_count),
        cmocka_unit_test(others),
        cmocka_unit_test(cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
