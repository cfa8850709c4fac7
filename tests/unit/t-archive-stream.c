/* Goal of this test: a compression gives back what went in, all of it and nothing more; what is
 * cut, damaged or has something behind its end is told, and leaves nothing. */
#include "archive/stream.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "archive/parse.h"
#include "base/fs.h"
#include "base/scope.h"
#include "packed.h"

static const char *const filters[] = {"none", "gzip", "xz", "zstd"};
enum { FILTERS = sizeof filters / sizeof *filters };
static const char expected[] = "a=x d/ d/b=yy ";

/* A tar of two files, in one of the compressions. */
static void pack(const char *filter, struct buf *out)
{
    BUF_AUTO tar = BUF_INIT;
    tar_add(&tar, &(struct tar_file){.name = "a", .content = "x"});
    tar_small(&tar, "d/b", "yy");
    packed_compress(&tar, filter, out);
}

static void every_compression(void **state)
{
    for (int i = 0; i < FILTERS; i++) {
        BUF_AUTO packed = BUF_INIT;
        pack(filters[i], &packed);
        case_int(filters[i], packed_unpack(*state, &packed, NULL, NULL), 0);
        case_text(filters[i], packed_out(*state), expected);
    }
}

/* More than a block of each layer, so that reading has to go on. */
static void large_content(void **state)
{
    struct place *place = *state;
    uint64_t seed = 1;
    BUF_AUTO content = BUF_INIT, tar = BUF_INIT;
    for (int i = 0; i < 400000; i++)
        buf_fmt(&content, "%d", (int)(next_random(&seed) % 10));
    tar_small(&tar, "a", buf_text(&content));
    for (int i = 0; i < FILTERS; i++) {
        BUF_AUTO packed = BUF_INIT, back = BUF_INIT;
        packed_compress(&tar, filters[i], &packed);
        case_int(filters[i], packed_unpack(place, &packed, NULL, NULL), 0);
        case_int(filters[i], fs_read_file(place->fd, "out/a", &back, 1 << 20), 0);
        case_int(filters[i], back.len, content.len);
        case_int(filters[i], memcmp(back.data, content.data, back.len), 0);
    }
}

/* Cut after each byte (of a tar, after some of each block): never a file, always the same error. */
static void cut_anywhere(void **state)
{
    for (int i = 0; i < FILTERS; i++) {
        BUF_AUTO packed = BUF_INIT;
        pack(filters[i], &packed);
        size_t step = strcmp(filters[i], "none") == 0 ? 37 : SANITIZED ? 5 : 1;
        for (size_t n = 0; n < packed.len; n += step) {
            BUF_AUTO cut = BUF_INIT;
            buf_add(&cut, packed.data, n);
            case_int(filters[i], packed_unpack(*state, &cut, NULL, NULL), ML_DATA);
        }
        packed.len--;
        case_int(filters[i], packed_unpack(*state, &packed, NULL, NULL), ML_DATA);
    }
}

/* Cut between two entries, libarchive is content. */
static void no_end(void **state)
{
    struct ml_error err;
    BUF_AUTO tar = BUF_INIT;
    tar_add(&tar, &(struct tar_file){.name = "a", .content = "x"});
    assert_int_equal(packed_unpack(*state, &tar, NULL, &err), ML_DATA);
    assert_string_equal(err.message, "cannot unpack 'x.tar': it is cut short: it has no end");
    buf_add(&tar, (char[512]){0}, 512);
    assert_int_equal(packed_unpack(*state, &tar, NULL, NULL), ML_DATA);
    buf_add(&tar, (char[512]){0}, 512);
    assert_int_equal(packed_unpack(*state, &tar, NULL, NULL), 0);
}

/* Each bit flipped, by a process that must neither die nor take anything else for the content: of
 * all of these, zstd alone has no checksum. */
static void flipped_bits(void **state)
{
    struct place *place = *state;
    for (int i = 1; i < FILTERS; i++) {
        BUF_AUTO packed = BUF_INIT;
        pack(filters[i], &packed);
        for (size_t bit = 0; bit < packed.len * 8; bit++) {
            struct ml_error err = ML_ERROR_INIT;
            packed.data[bit / 8] ^= (char)(1 << bit % 8);
            int fd = packed_fd(&packed);
            assert_int_equal(fs_remove_tree(place->fd, "out"), 0);
            assert_int_equal(mkdirat(place->fd, "out", 0700), 0);
            int out = openat(place->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (archive_parse(fd, out, NULL, &err) == 0 && strcmp(filters[i], "zstd") != 0)
                case_text(filters[i], packed_list(out), expected);
            case_true(filters[i], err.status == 0 || err.status == ML_DATA ||
                                      err.status == ML_REFUSED || err.status == ML_LIMIT);
            close(out);
            close(fd);
            packed.data[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
}

/* gzip's reader does not look; those of the others do, and find no more of their own. */
static void behind_the_compression(void **state)
{
    for (int i = 1; i < FILTERS; i++) {
        struct ml_error err;
        BUF_AUTO packed = BUF_INIT;
        bool gzip = strcmp(filters[i], "gzip") == 0;
        pack(filters[i], &packed);
        buf_str(&packed, "more");
        case_int(filters[i], packed_unpack(*state, &packed, NULL, &err),
                 gzip ? ML_REFUSED : ML_DATA);
        case_true(filters[i], strstr(err.message, gzip ? "behind the end of its compression"
                                                       : "it is damaged") != NULL);
    }
}

/* What is no content of a file counts too: here, a comment in an extended header. */
static void bombs_between_the_files(void **state)
{
    BUF_AUTO comment = BUF_INIT, tar = BUF_INIT;
    buf_str(&comment, "comment=");
    for (int i = 0; i < 500000; i++)
        buf_char(&comment, 'x');
    for (int i = 0; i < 4; i++) {
        char name[] = {(char)('a' + i), '\0'};
        tar_pax(&tar, comment.data, NULL);
        tar_add(&tar, &(struct tar_file){.name = name});
    }
    tar_end(&tar);
    for (int i = 0; i < FILTERS; i++) {
        struct ml_error err;
        BUF_AUTO packed = BUF_INIT;
        packed_compress(&tar, filters[i], &packed);
        case_int(filters[i], packed_unpack(*state, &packed, NULL, &err), i > 0 ? ML_REFUSED : 0);
        case_true(filters[i], i == 0 || strstr(err.message, "as bombs do") != NULL);
    }
}

/* Two of a kind, one behind the other, unpack to two tars, of which the second is never looked at.
 */
static void two_archives(void **state)
{
    for (int i = 0; i < FILTERS; i++) {
        struct ml_error err;
        BUF_AUTO packed = BUF_INIT;
        pack(filters[i], &packed);
        pack(filters[i], &packed);
        case_int(filters[i], packed_unpack(*state, &packed, NULL, &err), ML_REFUSED);
        case_true(filters[i], strstr(err.message, "something behind its end") != NULL);
    }
}

/* One tar in two pieces of a compression is one stream to some programs and half of one to others.
 */
static void pieces(void **state)
{
    struct ml_error err;
    BUF_AUTO tar = BUF_INIT, half = BUF_INIT, rest = BUF_INIT, packed = BUF_INIT;
    tar_small(&tar, "a", "x");
    buf_add(&half, tar.data, 700);
    buf_add(&rest, tar.data + 700, tar.len - 700);
    packed_compress(&half, "gzip", &packed);
    packed_compress(&rest, "gzip", &packed);
    assert_int_equal(packed_unpack(*state, &packed, NULL, &err), ML_DATA);
    assert_non_null(strstr(err.message, "or is several gzip files"));
}

/* Zeros behind the end are how tapes and tar's own blocks are filled; a MiB of them. */
static void padding(void **state)
{
    static const struct {
        size_t n;
        int status;
    } cases[] = {{512, 0}, {10240, 0}, {1 << 20, 0}, {(1 << 20) + 65536 * 2, ML_REFUSED}};
    AUTO_FREE char *zeros = calloc(1, 2 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO tar = BUF_INIT;
        tar_small(&tar, "a", "x");
        buf_add(&tar, zeros, cases[i].n);
        case_int("zeros", packed_unpack(*state, &tar, NULL, &err), cases[i].status);
        buf_str(&tar, "!");
        case_int("and a byte", packed_unpack(*state, &tar, NULL, NULL), ML_REFUSED);
    }
}

static void compressed_twice(void **state)
{
    static const char *const again[] = {"gzip", "xz", "zstd"};
    for (int i = 1; i < FILTERS; i++)
        for (int k = 0; k < 3; k++) {
            struct ml_error err;
            BUF_AUTO once = BUF_INIT, twice = BUF_INIT;
            pack(filters[i], &once);
            packed_compress(&once, again[k], &twice);
            int status = packed_unpack(*state, &twice, NULL, &err);
            case_int(again[k], status, strcmp(filters[i], again[k]) == 0 ? ML_REFUSED : ML_DATA);
        }
}

static void no_tar(void **state)
{
    for (int i = 1; i < FILTERS; i++) {
        struct ml_error err;
        BUF_AUTO text = BUF_INIT, packed = BUF_INIT, empty = BUF_INIT, nothing = BUF_INIT;
        buf_str(&text, "int one(void) { return 1; }\n");
        packed_compress(&text, filters[i], &packed);
        case_int(filters[i], packed_unpack(*state, &packed, NULL, &err), ML_DATA);
        case_text(filters[i], err.code, "not_an_archive");
        packed_compress(&empty, filters[i], &nothing);
        case_int(filters[i], packed_unpack(*state, &nothing, NULL, &err), ML_DATA);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(every_compression),
        place_test(large_content),
        memory_place_test(cut_anywhere),
        place_test(no_end),
        memory_place_test(flipped_bits),
        place_test(behind_the_compression),
        place_test(two_archives),
        place_test(pieces),
        place_test(padding),
        place_test(compressed_twice),
        place_test(no_tar),
        place_test(bombs_between_the_files),
    };
    UNIT_RUN("archive/stream", tests);
}
