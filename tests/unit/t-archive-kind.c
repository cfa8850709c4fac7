/* Goal of this test: an archive is told by its bytes, and nothing else is taken for one. */
#include <fcntl.h>
#include <sys/stat.h>

#include "archive/kind.h"
#include "archive/unpack.h"
#include "packed.h"

static enum kind kind_of_bytes(const void *data, size_t n)
{
    BUF_AUTO in = BUF_INIT;
    buf_add(&in, data, n);
    int fd = packed_fd(&in);
    enum kind kind = kind_of(fd);
    assert_int_equal(archive_is(fd), kind != KIND_NONE);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), n); /* where it was */
    close(fd);
    return kind;
}

static void by_their_bytes(void **state)
{
    static const struct {
        const char *name;
        enum kind kind;
    } cases[] = {
        {"gzip", KIND_GZIP},
        {"xz", KIND_XZ},
        {"zstd", KIND_ZSTD},
        {"bzip2", KIND_NONE},
    };
    BUF_AUTO tar = BUF_INIT, zip = BUF_INIT, empty = BUF_INIT;
    ZIP_AUTO maker = {.n = 0}, none = {.n = 0};
    tar_small(&tar, "a", "b");
    assert_int_equal(kind_of_bytes(tar.data, tar.len), KIND_TAR);
    zip_add(&maker, &(struct zip_file){.name = "a", .content = "b"});
    zip_end(&maker, "", &zip);
    assert_int_equal(kind_of_bytes(zip.data, zip.len), KIND_ZIP);
    zip_end(&none, "", &empty);
    assert_int_equal(kind_of_bytes(empty.data, empty.len), KIND_ZIP);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO packed = BUF_INIT;
        packed_compress(&tar, cases[i].name, &packed);
        case_int(cases[i].name, kind_of_bytes(packed.data, packed.len), cases[i].kind);
    }
}

static void others(void **state)
{
    char text[1024];
    memset(text, ' ', sizeof text);
    memcpy(text + 257, "ustar", 5); /* a text about tar is none */
    assert_int_equal(kind_of_bytes(text, sizeof text), KIND_NONE);
    assert_int_equal(kind_of_bytes("", 0), KIND_NONE);
    assert_int_equal(kind_of_bytes("\x1f", 1), KIND_NONE);
    assert_int_equal(kind_of_bytes("PK\3", 3), KIND_NONE);
    assert_int_equal(kind_of_bytes("\177ELF", 4), KIND_NONE);
    assert_int_equal(kind_of_bytes("int x;\n", 7), KIND_NONE);
}

/* A cut header has no room for the magic, and a wrong checksum is a text's. */
static void tar_headers(void **state)
{
    BUF_AUTO tar = BUF_INIT;
    tar_small(&tar, "a", "b");
    assert_int_equal(kind_of_bytes(tar.data, 512), KIND_TAR);
    assert_int_equal(kind_of_bytes(tar.data, 511), KIND_NONE);
    tar.data[0]++;
    assert_int_equal(kind_of_bytes(tar.data, tar.len), KIND_NONE);
}

static void no_regular_file(void **state)
{
    struct place *place = *state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "\x1f\x8b\x08\x00", 4), 4);
    assert_false(archive_is(pipes[0]));
    char bytes[4];
    assert_int_equal(read(pipes[0], bytes, 4), 4); /* not eaten */
    assert_false(archive_is(place->fd));
    assert_false(archive_is(-1));
    int fd = openat(place->fd, "x", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "\x1f\x8b\x08\x00", 4), 4);
    assert_false(archive_is(fd)); /* it cannot be read */
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_their_bytes),
        cmocka_unit_test(others),
        cmocka_unit_test(tar_headers),
        place_test(no_regular_file),
    };
    UNIT_RUN("archive/kind", tests);
}
