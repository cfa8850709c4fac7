/* Goal of this test: limits hold, whatever the archive says of itself; the directory is empty or
 * whole; and unpacking can be called off. */
#include "archive/unpack.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/scope.h"
#include "packed.h"

enum { MIB = 1 << 20 };

/* A tar of `n` files of `size` bytes each: zeros, or what no compression makes smaller. */
static void many(int n, size_t size, bool zeros, struct buf *out)
{
    uint64_t seed = 1;
    AUTO_FREE char *content = calloc(1, size + 1);
    for (size_t i = 0; !zeros && i < size; i++)
        content[i] = (char)('!' + next_random(&seed) % 90);
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%d", i);
        tar_add(out, &(struct tar_file){
                         .name = name, .content = content, .size = zeros ? (long long)size : 0});
        if (zeros && size > 0) {
            buf_add(out, content, size);
            buf_add(out, (char[512]){0}, (512 - size % 512) % 512);
        }
    }
    tar_end(out);
}

struct limit_case {
    const char *name;
    int n;
    size_t size;
    bool zeros;
    const char *filter;
    int status;
    const char *why;
};

/* 100 KB in files of 20 KB, 10 entries, 20 times the size beyond 4 KiB. */
static struct archive_limits small_limits(void)
{
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    limits.total_bytes = 100000;
    limits.file_bytes = 20000;
    limits.entries = 10;
    limits.ratio = 20;
    limits.free_bytes = 4096;
    return limits;
}

static void bombs_and_large_ones(void **state)
{
    static const struct limit_case cases[] = {
        {"all that is allowed", 5, 20000, false, "zstd", 0, ""},
        {"one file too large", 1, 20001, false, "none", ML_LIMIT, "'f0' has more than 20000 bytes"},
        {"the same, packed", 1, 20001, false, "gzip", ML_LIMIT, "'f0' has more than 20000 bytes"},
        {"too many bytes", 6, 20000, false, "xz", ML_LIMIT, "more than 100000 bytes together"},
        {"ten entries", 10, 1, false, "none", 0, ""},
        {"eleven", 11, 1, false, "none", ML_LIMIT, "more than 10 files and directories"},
        {"a bomb of one size", 1, 20000, true, "zstd", ML_REFUSED, "20 times its own size"},
        {"in gzip", 1, 20000, true, "gzip", ML_REFUSED, "20 times its own size"},
        {"in xz", 1, 20000, true, "xz", ML_REFUSED, "20 times its own size"},
        {"larger than any limit", 1, 64 * MIB, true, "zstd", ML_REFUSED, "20 times its own size"},
        {"many files, a few too many", 10000, 0, true, "zstd", ML_LIMIT, "10 files"},
    };
    const struct archive_limits limits = small_limits();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct limit_case *c = &cases[i];
        struct ml_error err;
        BUF_AUTO tar = BUF_INIT, packed = BUF_INIT;
        many(c->n, c->size, c->zeros, &tar);
        packed_compress(&tar, c->filter, &packed);
        case_int(c->name, packed_unpack(*state, &packed, &limits, &err), c->status);
        case_true(c->name, strstr(err.message, c->why) != NULL);
        case_text(c->name, err.code,
                  c->status == 0            ? ""
                  : c->status == ML_REFUSED ? "hostile_archive"
                                            : "archive_too_large");
    }
}

/* Empty files are something too: each has a place on the disk. */
static void a_bomb_of_many_files(void **state)
{
    struct archive_limits limits = small_limits();
    struct ml_error err;
    BUF_AUTO tar = BUF_INIT, packed = BUF_INIT;
    limits.entries = 100000;
    many(10000, 0, true, &tar);
    packed_compress(&tar, "xz", &packed);
    assert_int_equal(packed_unpack(*state, &packed, &limits, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "20 times its own size"));
}

/* The limits that are used when none are given. */
static void usual_limits(void **state)
{
    struct ml_error err;
    BUF_AUTO bomb = BUF_INIT, packed = BUF_INIT, entries = BUF_INIT, most = BUF_INIT;
    many(1, 64 * MIB, true, &bomb);
    packed_compress(&bomb, "zstd", &packed);
    assert_int_equal(packed_unpack(*state, &packed, NULL, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "200 times its own size"));
    assert_int_equal(packed_unpack(*state, &bomb, NULL, NULL), 0); /* not out of proportion */
    many(20001, 0, true, &entries);
    assert_int_equal(packed_unpack(*state, &entries, NULL, &err), ML_LIMIT);
    assert_non_null(strstr(err.message, "20000 files and directories"));
}

/* Directories that only paths name are made, so they count. */
static void deep_paths_count(void **state)
{
    const struct archive_limits limits = small_limits();
    BUF_AUTO tar = BUF_INIT, more = BUF_INIT;
    tar_small(&tar, "a/b/c/d/e/f/g/h/i/j", "x");
    assert_int_equal(packed_unpack(*state, &tar, &limits, NULL), 0);
    tar_small(&more, "a/b/c/d/e/f/g/h/i/j/k", "x");
    assert_int_equal(packed_unpack(*state, &more, &limits, NULL), ML_LIMIT);
}

/* A zip has no stream to count: what comes out of each file is. */
static void zip_bombs(void **state)
{
    const struct archive_limits limits = small_limits();
    struct ml_error err;
    ZIP_AUTO large = {.n = 0}, many_files = {.n = 0};
    BUF_AUTO content = BUF_INIT, zip = BUF_INIT, zip_many = BUF_INIT;
    for (int i = 0; i < 20001; i++)
        buf_char(&content, 'x');
    zip_add(&large, &(struct zip_file){.name = "a", .content = content.data});
    zip_end(&large, "", &zip);
    assert_int_equal(packed_unpack(*state, &zip, &limits, &err), ML_LIMIT);
    for (int i = 0; i < 11; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        zip_add(&many_files, &(struct zip_file){.name = name});
    }
    zip_end(&many_files, "", &zip_many);
    assert_int_equal(packed_unpack(*state, &zip_many, &limits, &err), ML_LIMIT);
}

/* An xz says how large a dictionary its reader has to keep (The .xz File Format 1.2.1, sections 3.1
 * and 5.3.1): this one says 768 MiB. AddressSanitizer's own memory knows no limit. */
static void memory(void **state)
{
    if (SANITIZED)
        skip();
    enum { HEADER = 12, DICTIONARY = HEADER + 4, SUM = HEADER + 8 };
    struct ml_error err;
    BUF_AUTO tar = BUF_INIT, packed = BUF_INIT;
    tar_small(&tar, "a", "x");
    packed_compress(&tar, "xz", &packed);
    assert_int_equal(packed_unpack(*state, &packed, NULL, NULL), 0);
    assert_memory_equal(packed.data + HEADER, "\2\0\x21\1", 4); /* 12 bytes, LZMA2 */
    packed.data[DICTIONARY] = 35;
    uint32_t sum = packed_crc(packed.data + HEADER, 8);
    memcpy(packed.data + SUM, &sum, 4);
    assert_int_equal(packed_unpack(*state, &packed, NULL, &err), ML_LIMIT);
    assert_non_null(strstr(err.message, "memory"));
    struct archive_limits more = ARCHIVE_LIMITS_INIT;
    more.memory_bytes = 1ull << 30;
    assert_int_equal(packed_unpack(*state, &packed, &more, NULL), 0);
}

static int unpack_with(const struct place *place, int fd, int64_t deadline_ms, int cancel_fd,
                       struct ml_error *err)
{
    *err = (struct ml_error)ML_ERROR_INIT;
    return archive_unpack(fd, "x.tar", place->fd, NULL, deadline_ms, cancel_fd, err);
}

/* Time that is up before anything begins, and a signal that came before. */
static void called_off(void **state)
{
    struct place *place = *state;
    struct ml_error err;
    BUF_AUTO tar = BUF_INIT;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    many(2000, 100, false, &tar);
    int fd = packed_fd(&tar);
    assert_int_equal(unpack_with(place, fd, clock_ms(), -1, &err), -1);
    assert_int_equal(err.status, ML_TIMEOUT);
    assert_string_equal(packed_list(place->fd), "");
    assert_int_equal(write(pipes[1], "", 1), 1);
    assert_int_equal(unpack_with(place, fd, -1, pipes[0], &err), -1);
    assert_int_equal(err.status, ML_SIGNAL + SIGINT);
    assert_string_equal(err.code, "cancelled");
    assert_string_equal(packed_list(place->fd), "");
    assert_int_equal(unpack_with(place, fd, clock_ms() + 60000, -1, &err), 0);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

/* What was there before is somebody else's. */
static void directory_with_something(void **state)
{
    struct place *place = *state;
    struct ml_error err;
    BUF_AUTO tar = BUF_INIT;
    tar_small(&tar, "a", "x");
    int fd = packed_fd(&tar);
    assert_int_equal(fs_write_new(place->fd, "mine", "m", 1, 0600), 0);
    assert_int_equal(unpack_with(place, fd, -1, -1, &err), -1);
    assert_int_equal(err.status, ML_CANT_CREATE);
    assert_string_equal(err.message, "cannot unpack 'x.tar': the directory for it is not empty");
    assert_string_equal(packed_list(place->fd), "mine=m ");
    close(fd);
}

static void no_archive(void **state)
{
    struct place *place = *state;
    struct ml_error err;
    BUF_AUTO text = BUF_INIT, bzip2 = BUF_INIT, nothing = BUF_INIT;
    buf_str(&text, "int x;\n");
    assert_int_equal(packed_unpack(place, &text, NULL, &err), ML_DATA);
    assert_string_equal(err.code, "not_an_archive");
    packed_compress(&text, "bzip2", &bzip2);
    assert_int_equal(packed_unpack(place, &bzip2, NULL, &err), ML_DATA);
    assert_string_equal(err.code, "not_an_archive");
    assert_int_equal(packed_unpack(place, &nothing, NULL, &err), ML_DATA);
    assert_int_equal(archive_unpack(-1, "none", place->fd, NULL, -1, -1, &err), -1);
}

/* The caller's umask, working directory, descriptors and children are as they were. */
static void nothing_of_the_caller_changes(void **state)
{
    struct place *place = *state;
    char before[4096], after[4096];
    BUF_AUTO tar = BUF_INIT;
    tar_small(&tar, "a", "x");
    assert_int_equal(packed_unpack(place, &tar, NULL, NULL), 0);
    mode_t mask = umask(0);
    int fds = count_fds();
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(packed_unpack(place, &tar, NULL, NULL), 0);
    assert_string_equal(packed_out(place), "a=x ");
    assert_string_equal(getcwd(after, sizeof after), before);
    assert_int_equal(count_fds(), fds);
    assert_int_equal(umask(mask), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* As libmodload is used: from several threads, each with an archive of its own. The children use
 * memory and execute nothing, which is safe after glibc's fork(3); AddressSanitizer of GCC 12 may
 * leave its locks to them as another thread had them. */
static void *unpack_many_times(void *arg)
{
    const struct place *place = arg;
    for (int i = 0; i < 20; i++) {
        BUF_AUTO tar = BUF_INIT;
        char name[32];
        snprintf(name, sizeof name, "t%lx", (unsigned long)pthread_self());
        tar_small(&tar, "a", "x");
        int fd = packed_fd(&tar);
        mkdirat(place->fd, name, 0700);
        int dir = openat(place->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int status = archive_unpack(fd, "x", dir, NULL, clock_ms() + 60000, -1, NULL);
        close(dir);
        close(fd);
        if (status < 0 || fs_remove_tree(place->fd, name) < 0)
            return arg;
    }
    return NULL;
}

static void threads(void **state)
{
    pthread_t thread[4];
    if (SANITIZED)
        skip();
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, unpack_many_times, *state), 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(thread[i], &result), 0);
        assert_null(result);
    }
}

/* ---- names that only a disk knows ---- */

static void names_of_any_kind(void **state)
{
    static const char *const names[] = {"A", "a", ".git/z", "b\\c", "\351", "n\nl"};
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    BUF_AUTO tar = BUF_INIT;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        tar_add(&tar, &(struct tar_file){.name = names[i], .content = "x"});
    tar_end(&tar);
    assert_int_equal(packed_unpack(*state, &tar, &limits, NULL), ML_REFUSED);
    limits.names = ARCHIVE_NAMES_ANY;
    assert_int_equal(packed_unpack(*state, &tar, &limits, NULL), 0);
    assert_string_equal(packed_out(*state), ".git/ .git/z=x A=x a=x b\\c=x n\nl=x \351=x ");
}

/* What else makes an archive hostile is as it was. */
static void hostile_of_any_names(void **state)
{
    static const struct tar_file cases[] = {
        {.name = "../x"},
        {.name = "/x"},
        {.name = "d/../../x"},
        {.name = "x", .type = '1', .link = "f"},
        {.name = "x", .type = '2', .link = "/etc"},
        {.name = "x", .type = '3'},
        {.name = "x", .type = '4'},
        {.name = "x", .type = '6'},
        {.name = "x", .mode = 04755},
        {.name = "x", .mode = 02755},
        {.name = "f", .content = "again"},
        {.name = "f", .type = '5'},
        {.name = "f/x", .content = "beneath a file"},
        {.name = "d", .content = "a directory before"},
    };
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    limits.names = ARCHIVE_NAMES_ANY;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err;
        BUF_AUTO tar = BUF_INIT;
        tar_add(&tar, &(struct tar_file){.name = "f", .content = "x"});
        tar_add(&tar, &(struct tar_file){.name = "d/e", .content = "x"});
        tar_add(&tar, &cases[i]);
        tar_end(&tar);
        case_int(cases[i].name, packed_unpack(*state, &tar, &limits, &err), ML_REFUSED);
        case_text(cases[i].name, err.code, "hostile_archive");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(bombs_and_large_ones),
        memory_place_test(a_bomb_of_many_files),
        memory_place_test(usual_limits),
        place_test(deep_paths_count),
        place_test(zip_bombs),
        memory_place_test(memory),
        place_test(called_off),
        place_test(directory_with_something),
        place_test(no_archive),
        place_test(nothing_of_the_caller_changes),
        place_test(threads),
        place_test(names_of_any_kind),
        place_test(hostile_of_any_names),
    };
    UNIT_RUN("archive/unpack", tests);
}
