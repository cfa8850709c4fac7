/* Goal of this test: the same content gives the same bytes, whatever the disk makes of it, and
 * comes back as it was; what could not come back is not packed. */
#include "archive/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "archive/unpack.h"
#include "base/fs.h"
#include "packed.h"

struct packed_file {
    const char *path, *content;
    unsigned mode;
};

/* Files that need each form of header: short, longer than ustar has room for, not ASCII. */
static const struct packed_file tree[] = {
    {"a", "x", 0600},
    {"b.c", "int b;\n", 0644},
    {"b/c", "y", 0755},
    {"b/deep/er/d", "", 0400},
    {"u\314\210", "not composed", 0600},
    {"\303\266", "composed", 0600},
    {"l/"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaa",
     "long", 0600},
};
enum { TREE = sizeof tree / sizeof *tree };

static void file_write(int dirfd, const struct packed_file *file)
{
    char dir[1024];
    for (const char *slash = file->path; (slash = strchr(slash, '/')) != NULL; slash++) {
        snprintf(dir, sizeof dir, "%.*s", (int)(slash - file->path), file->path);
        mkdirat(dirfd, dir, 0700);
    }
    int fd = openat(dirfd, file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file->content, strlen(file->content)), strlen(file->content));
    assert_int_equal(fchmod(fd, file->mode), 0);
    close(fd);
}

/* The tree in a directory of its own, its files made in this order or in the other. */
static int tree_make(const struct place *place, const char *name, bool backwards)
{
    assert_int_equal(mkdirat(place->fd, name, 0700), 0);
    int fd = openat(place->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int i = 0; i < TREE; i++)
        file_write(fd, &tree[backwards ? TREE - 1 - i : i]);
    return fd;
}

static int memory(void)
{
    int fd = memfd_create("packed", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void bytes_of(int fd, struct buf *out)
{
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(fs_read_all(fd, out, 64 << 20), 0);
    close(fd);
}

static void tree_pack(int dirfd, const char *prefix, struct buf *out)
{
    ARCHIVE_WRITER_AUTO *w = NULL;
    struct ml_error err = ML_ERROR_INIT;
    int fd = memory();
    assert_int_equal(archive_writer_open(fd, "out", NULL, &w, NULL), 0);
    archive_writer_add_tree(w, prefix, dirfd, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(archive_writer_close(&w, NULL), 0);
    assert_null(w);
    bytes_of(fd, out);
}

static void same_bytes(void **state)
{
    struct place *place = *state;
    BUF_AUTO first = BUF_INIT, again = BUF_INIT, other = BUF_INIT, moved = BUF_INIT;
    int one = tree_make(place, "one", false), two = tree_make(place, "two", true);
    static const struct timespec old[2] = {{1, 0}, {2, 0}};
    tree_pack(one, "", &first);
    tree_pack(one, "", &again);
    assert_int_equal(futimens(two, old), 0);
    assert_int_equal(utimensat(two, "a", old, 0), 0);
    assert_int_equal(fchmodat(two, "a", 0640, 0), 0); /* no other bit than the owner's x counts */
    mode_t mask = umask(0);
    tree_pack(two, "", &other);
    umask(mask);
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.data, again.data, first.len);
    assert_int_equal(first.len, other.len);
    assert_memory_equal(first.data, other.data, first.len);
    tree_pack(two, "b0", &moved);
    assert_true(moved.len != first.len || memcmp(moved.data, first.data, first.len) != 0);
    close(one);
    close(two);
}

/* Bytes and not the locale's characters: the same archive in each. */
static void same_bytes_in_every_locale(void **state)
{
    struct place *place = *state;
    BUF_AUTO c = BUF_INIT, utf8 = BUF_INIT;
    int one = tree_make(place, "one", false);
    tree_pack(one, "", &c);
    assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
    tree_pack(one, "", &utf8);
    setlocale(LC_ALL, "C");
    assert_int_equal(c.len, utf8.len);
    assert_memory_equal(c.data, utf8.data, c.len);
    close(one);
}

static void there_and_back(void **state)
{
    struct place *place = *state;
    BUF_AUTO packed = BUF_INIT, before = BUF_INIT;
    int one = tree_make(place, "one", false);
    for (int i = 0; i < TREE; i++)
        assert_int_equal(fchmodat(one, tree[i].path, 0600, 0), 0);
    buf_str(&before, packed_list(one));
    tree_pack(one, "", &packed);
    assert_int_equal(packed_unpack(place, &packed, NULL, NULL), 0);
    assert_string_equal(packed_out(place), buf_text(&before));
    close(one);
}

/* What any other tar shows of it. */
static void headers(void **state)
{
    struct place *place = *state;
    BUF_AUTO packed = BUF_INIT;
    struct archive_entry *entry;
    int one = tree_make(place, "one", false), n = 0;
    tree_pack(one, "p", &packed);
    struct archive *a = archive_read_new();
    archive_read_support_filter_zstd(a);
    archive_read_support_format_tar(a);
    assert_int_equal(archive_read_open_memory(a, packed.data, packed.len), ARCHIVE_OK);
    for (; archive_read_next_header(a, &entry) == ARCHIVE_OK; n++) {
        const char *path = archive_entry_pathname(entry);
        case_true(path, strncmp(path, "p/", 2) == 0);
        case_int(path, archive_entry_mtime(entry), 0);
        case_int(path, archive_entry_mtime_nsec(entry), 0);
        case_int(path, archive_entry_atime_is_set(entry), 0);
        case_int(path, archive_entry_uid(entry), 0);
        case_int(path, archive_entry_gid(entry), 0);
        case_true(path, archive_entry_uname(entry) == NULL || *archive_entry_uname(entry) == '\0');
        case_true(path, archive_entry_gname(entry) == NULL || *archive_entry_gname(entry) == '\0');
        case_int(path, archive_entry_xattr_count(entry), 0);
        case_int(path, archive_entry_mode(entry), strcmp(path, "p/b/c") == 0 ? 0100755 : 0100644);
    }
    assert_int_equal(n, TREE);
    assert_int_equal(archive_filter_bytes(a, -1), packed.len); /* nothing behind its end */
    archive_read_free(a);
    close(one);
}

static void data_and_files(void **state)
{
    struct place *place = *state;
    ARCHIVE_WRITER_AUTO *w = NULL;
    BUF_AUTO packed = BUF_INIT, large = BUF_INIT, back = BUF_INIT;
    int fd = memory();
    uint64_t seed = 1;
    for (int i = 0; i < 300000; i++)
        buf_char(&large, (char)next_random(&seed));
    assert_int_equal(fs_write_new(place->fd, "file", large.data, large.len, 0600), 0);
    assert_int_equal(write(fd, "in front", 8), 8);
    assert_int_equal(archive_writer_open(fd, "out", NULL, &w, NULL), 0);
    assert_int_equal(archive_writer_add_data(w, "a", "", 0, false, NULL), 0);
    assert_int_equal(archive_writer_add_data(w, "b", "one\0two", 7, true, NULL), 0);
    assert_int_equal(archive_writer_add_file(w, "c/large", place->fd, "file", NULL), 0);
    assert_int_equal(archive_writer_close(&w, NULL), 0);
    assert_int_equal(pread(fd, (char[8]){0}, 8, 0), 8);
    bytes_of(fd, &packed);
    assert_memory_equal(packed.data, "in front", 8);
    packed.len -= 8;
    memmove(packed.data, packed.data + 8, packed.len);
    assert_int_equal(packed_unpack(place, &packed, NULL, NULL), 0);
    assert_int_equal(fs_read_file(place->fd, "out/c/large", &back, 1 << 20), 0);
    assert_int_equal(back.len, large.len);
    assert_memory_equal(back.data, large.data, large.len);
}

static int add(const struct place *place, const char *first, const char *path, struct ml_error *err)
{
    ARCHIVE_WRITER_AUTO *w = NULL;
    int fd = memory();
    assert_int_equal(archive_writer_open(fd, "out", NULL, &w, NULL), 0);
    if (first != NULL)
        assert_int_equal(archive_writer_add_data(w, first, "x", 1, false, NULL), 0);
    archive_writer_add_data(w, path, "x", 1, false, err);
    close(fd);
    return err->status;
}

static void bad_paths(void **state)
{
    static const struct {
        const char *first, *path;
        int status;
    } cases[] = {
        {NULL, "", ML_REFUSED},     {NULL, "/a", ML_REFUSED},    {NULL, "../a", ML_REFUSED},
        {NULL, "./a", ML_REFUSED},  {NULL, "a//b", ML_REFUSED},  {NULL, ".git/x", ML_REFUSED},
        {NULL, "a\nb", ML_REFUSED}, {NULL, "a\377", ML_REFUSED}, {"a", "a", ML_REFUSED},
        {"A", "a", ML_REFUSED},     {"a", "a/b", ML_REFUSED},    {"b", "a", ML_BUG},
        {"a.c", "a/b", ML_BUG},     {"a/b", "a.c", 0},           {"a", "b", 0},
        {"a/b", "a/b0", 0},         {"a-b", "a/b", ML_BUG},      {"a", "\303\274", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        case_int(cases[i].path, add(*state, cases[i].first, cases[i].path, &err), cases[i].status);
    }
}

/* A tree that could be on any disk of Linux comes back as it was. */
static void any_names(void **state)
{
    struct place *place = *state;
    static const struct packed_file files[] = {{".git/z", "1", 0600},   {"A", "2", 0600},
                                               {"a", "3", 0600},        {"b\\c", "4", 0600},
                                               {"n\nl\033", "5", 0600}, {"\351", "6", 0600}};
    ARCHIVE_WRITER_AUTO *w = NULL;
    BUF_AUTO packed = BUF_INIT, before = BUF_INIT;
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    char deep[ARCHIVE_ANY_PATH_MAX + 1];
    int fd = memory();
    limits.names = ARCHIVE_NAMES_ANY;
    assert_int_equal(mkdirat(place->fd, "any", 0700), 0);
    int dir = openat(place->fd, "any", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        file_write(dir, &files[i]);
    buf_str(&before, packed_list(dir));
    assert_int_equal(archive_writer_open(fd, "out", &limits, &w, NULL), 0);
    assert_int_equal(archive_writer_add_tree(w, "", dir, NULL), 0);
    assert_int_equal(archive_writer_add_data(w, "../x", "", 0, false, NULL), -1);
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = i % 5 == 4 ? '/' : '\377';
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(archive_writer_add_data(w, deep, "", 0, false, NULL), 0);
    assert_int_equal(archive_writer_close(&w, NULL), 0);
    bytes_of(fd, &packed);
    assert_int_equal(packed_unpack(place, &packed, &limits, NULL), 0);
    const char *after = packed_out(place);
    assert_memory_equal(after, buf_text(&before), before.len);
    assert_true(strlen(after) - before.len > sizeof deep);
    assert_int_equal(fs_remove_tree(place->fd, "out"), 0); /* too deep for nftw(3) */
    close(dir);
}

/* What is written can be unpacked by the same limits; how well it packs is nobody's merit. */
static void limits(void **state)
{
    static const struct {
        const char *path;
        size_t size;
        const char *why; /* null: it goes in */
    } steps[] = {
        {"a", 601, "cannot write 'out': 'a' has more than 600 bytes"},
        {"b", 600, NULL},
        {"c", 401, "cannot write 'out': its files have more than 1000 bytes together"},
        {"d", 400, NULL},
        {"e/f", 0, "cannot write 'out': it has more than 3 files and directories"},
        {"g", 0, NULL},
    };
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    limits.total_bytes = 1000;
    limits.file_bytes = 600;
    limits.entries = 3;
    limits.ratio = 1;
    limits.free_bytes = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        ARCHIVE_WRITER_AUTO *w = NULL;
        struct ml_error err = ML_ERROR_INIT;
        int fd = memory();
        static const char zeros[1000];
        assert_int_equal(archive_writer_open(fd, "out", &limits, &w, NULL), 0);
        for (size_t k = 0; k <= i; k++)
            if (k == i || steps[k].why == NULL)
                archive_writer_add_data(w, steps[k].path, zeros, steps[k].size, false, &err);
        case_text(steps[i].path, err.message, steps[i].why ? steps[i].why : "");
        case_text(steps[i].path, err.code, steps[i].why ? "archive_too_large" : "");
        case_int(steps[i].path, err.status, steps[i].why ? ML_LIMIT : 0);
        close(fd);
    }
}

static void bad_files(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *file;
        int status;
    } cases[] = {
        {"missing", ML_NO_INPUT},       {"link", ML_DATA}, {"fifo", ML_DATA}, {"dir", ML_DATA},
        {"/proc/self/status", ML_BUSY}, /* it has more than its size says */
    };
    assert_int_equal(symlinkat("/etc/passwd", place->fd, "link"), 0);
    assert_int_equal(mkfifoat(place->fd, "fifo", 0600), 0);
    assert_int_equal(mkdirat(place->fd, "dir", 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARCHIVE_WRITER_AUTO *w = NULL;
        struct ml_error err = ML_ERROR_INIT;
        int fd = memory();
        assert_int_equal(archive_writer_open(fd, "out", NULL, &w, NULL), 0);
        case_int(cases[i].file, archive_writer_add_file(w, "a", place->fd, cases[i].file, &err),
                 -1);
        case_int(cases[i].file, err.status, cases[i].status);
        close(fd);
    }
}

/* Links in a tree are told, not followed and not left out. */
static void bad_trees(void **state)
{
    struct place *place = *state;
    static const char *const kinds[] = {"link", "link to a directory", "fifo", ".git"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ARCHIVE_WRITER_AUTO *w = NULL;
        struct ml_error err = ML_ERROR_INIT;
        int out = memory();
        assert_int_equal(mkdirat(place->fd, kinds[i], 0700), 0);
        int dir = openat(place->fd, kinds[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(i == 0   ? symlinkat("/etc/passwd", dir, "x")
                         : i == 1 ? symlinkat("/etc", dir, "x")
                         : i == 2 ? mkfifoat(dir, "x", 0600)
                                  : fs_write_new(dir, ".git", "", 0, 0600),
                         0);
        assert_int_equal(archive_writer_open(out, "out", NULL, &w, NULL), 0);
        case_int(kinds[i], archive_writer_add_tree(w, "", dir, &err), -1);
        case_int(kinds[i], err.status, i == 3 ? ML_REFUSED : ML_DATA);
        case_true(kinds[i], strstr(err.message, i == 3 ? "'.git'" : "'x'") != NULL);
        close(dir);
        close(out);
    }
}

/* What was written until then must not pass for an archive of fewer files. */
static void dropped(void **state)
{
    struct archive_writer *w;
    BUF_AUTO packed = BUF_INIT;
    int fd = memory();
    assert_int_equal(archive_writer_open(fd, "out", NULL, &w, NULL), 0);
    assert_int_equal(archive_writer_add_data(w, "a", "x", 1, false, NULL), 0);
    archive_writer_drop(&w);
    assert_null(w);
    archive_writer_drop(&w);
    bytes_of(fd, &packed);
    assert_int_equal(packed_unpack(*state, &packed, NULL, NULL), ML_DATA);
}

static void full_disk(void **state)
{
    ARCHIVE_WRITER_AUTO *w = NULL;
    struct ml_error err = ML_ERROR_INIT;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(archive_writer_open(fd, "out", NULL, &w, NULL), 0);
    assert_int_equal(archive_writer_add_data(w, "a", "x", 1, false, NULL), 0);
    assert_int_equal(archive_writer_close(&w, &err), -1);
    assert_int_equal(err.status, ML_IO);
    assert_string_equal(err.message, "cannot write 'out': No space left on device");
    assert_null(w);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(same_bytes),     place_test(same_bytes_in_every_locale),
        place_test(there_and_back), place_test(headers),
        place_test(data_and_files), place_test(bad_paths),
        place_test(any_names),      cmocka_unit_test(limits),
        place_test(bad_files),      place_test(bad_trees),
        place_test(dropped),        cmocka_unit_test(full_disk),
    };
    UNIT_RUN("archive/pack", tests);
}
