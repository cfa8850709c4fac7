/* Goal of this test: of what a tar may hold, plain files and directories are taken, and one thing
 * that is neither spoils all. */
#include "archive/parse.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>

#include "packed.h"

enum { ENTRIES = 4 };

struct tar_case {
    const char *name;
    struct tar_file files[ENTRIES];
    const char *out; /* what is there then; null: refused */
    const char *why;
};

static void tar_make(const struct tar_file *files, struct buf *out)
{
    for (int i = 0; i < ENTRIES && files[i].name != NULL; i++)
        tar_add(out, &files[i]);
    tar_end(out);
}

static void cases_run(const struct place *place, const struct tar_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct tar_case *c = &cases[i];
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO tar = BUF_INIT;
        tar_make(c->files, &tar);
        int status = packed_unpack(place, &tar, NULL, &err);
        if (c->out != NULL) {
            case_text(c->name, err.message, "");
            case_text(c->name, packed_out(place), c->out);
            continue;
        }
        case_int(c->name, status, ML_REFUSED);
        case_text(c->name, err.code, "hostile_archive");
        if (strstr(err.message, c->why) == NULL)
            fail_msg("case '%s': '%s' says nothing of '%s'", c->name, err.message, c->why);
        case_true(c->name, strncmp(err.message, "cannot unpack 'x.tar': ", 23) == 0);
        case_true(c->name, *err.hint != '\0');
    }
}

static void taken(void **state)
{
    static const struct tar_case cases[] = {
        {"a file", {{.name = "a", .content = "x"}}, "a=x ", NULL},
        {"a directory",
         {{.name = "d/", .type = '5', .mode = 0755}, {.name = "d/a", .content = "x"}},
         "d/ d/a=x ",
         NULL},
        {"no entry for its directory",
         {{.name = "d/e/a", .content = "x"}},
         "d/ d/e/ d/e/a=x ",
         NULL},
        {"a directory behind its file",
         {{.name = "d/a", .content = "x"}, {.name = "d/", .type = '5'}},
         "d/ d/a=x ",
         NULL},
        {"no slash behind a directory", {{.name = "d", .type = '5'}}, "d/ ", NULL},
        {"as tar writes the directory it stands in",
         {{.name = "./", .type = '5'},
          {.name = "./a", .content = "x"},
          {.name = "./d/", .type = '5'}},
         "a=x d/ ",
         NULL},
        {"a dot alone", {{.name = ".", .type = '5'}, {.name = "./a"}}, "a= ", NULL},
        {"no rights at all", {{.name = "a", .content = "x", .mode = 01}}, "a=x ", NULL},
        {"all rights", {{.name = "a", .content = "x", .mode = 0777}}, "a=x ", NULL},
        {"the regular file of old tars",
         {{.name = "a", .type = '7', .content = "x"}},
         "a=x ",
         NULL},
        {"a directory of old tars", {{.name = "d/", .content = NULL}}, "d/ ", NULL},
        {"a GNU long name",
         {{.name = "././@LongLink", .type = 'L', .content = "long/er"},
          {.name = "x", .content = "y"}},
         "long/ long/er=y ",
         NULL},
        {"not ASCII", {{.name = "\303\274", .content = "x"}}, "\303\274=x ", NULL},
        {"decomposed", {{.name = "u\314\210", .content = "x"}}, "u\314\210=x ", NULL},
    };
    cases_run(*state, cases, sizeof cases / sizeof *cases);
}

static void kinds(void **state)
{
    static const struct tar_case cases[] = {
        {"symbolic link",
         {{.name = "a", .type = '2', .link = "b"}},
         NULL,
         "'a' is a symbolic link"},
        {"behind a good file",
         {{.name = "b", .content = "x"}, {.name = "a", .type = '2', .link = "b"}},
         NULL,
         "'a' is a symbolic link"},
        {"a link and a file through it",
         {{.name = "a", .type = '2', .link = "/tmp"}, {.name = "a/b", .content = "x"}},
         NULL,
         "'a' is a symbolic link"},
        {"hard link",
         {{.name = "b", .content = "x"}, {.name = "a", .type = '1', .link = "b"}},
         NULL,
         "'a' is a hard link"},
        {"hard link to outside",
         {{.name = "a", .type = '1', .link = "/etc/passwd"}},
         NULL,
         "'a' is a hard link"},
        {"character device", {{.name = "a", .type = '3'}}, NULL, "'a' is a device"},
        {"block device", {{.name = "a", .type = '4'}}, NULL, "'a' is a device"},
        {"FIFO", {{.name = "a", .type = '6'}}, NULL, "'a' is a FIFO"},
        {"set-uid", {{.name = "a", .mode = 04755}}, NULL, "'a' has a set-id or sticky bit"},
        {"set-gid", {{.name = "a", .mode = 02644}}, NULL, "'a' has a set-id or sticky bit"},
        {"sticky", {{.name = "a", .mode = 01644}}, NULL, "'a' has a set-id or sticky bit"},
        {"set-gid directory",
         {{.name = "a", .type = '5', .mode = 02755}},
         NULL,
         "'a' has a set-id or sticky bit"},
        {"the root with a bit",
         {{.name = "./", .type = '5', .mode = 01777}},
         NULL,
         "'./' has a set-id or sticky bit"},
    };
    cases_run(*state, cases, sizeof cases / sizeof *cases);
}

static void names(void **state)
{
    static const struct tar_case cases[] = {
        {"absolute", {{.name = "/a"}}, NULL, "is an absolute path"},
        {"up", {{.name = "../a"}}, NULL, "climbs out"},
        {"up and down", {{.name = "b/../a"}}, NULL, "climbs out"},
        {"up behind a dot", {{.name = "./../a"}}, NULL, "climbs out"},
        {"up alone", {{.name = "..", .type = '5'}}, NULL, "climbs out"},
        {"absolute behind a dot", {{.name = ".//a"}}, NULL, "is an absolute path"},
        {"two dots", {{.name = "././a"}}, NULL, "has '.' for a component"},
        {"a dot for a file", {{.name = "."}}, NULL, "has '.' for a component"},
        {"two slashes", {{.name = "a//b"}}, NULL, "has an empty component"},
        {"two slashes at the end", {{.name = "a//", .type = '5'}}, NULL, "has an empty component"},
        {"one slash", {{.name = "/", .type = '5'}}, NULL, "is an absolute path"},
        {"git", {{.name = "a/.git/hooks/x"}}, NULL, "is git's own"},
        {"newline", {{.name = "a\nb"}}, NULL, "has control characters"},
        {"backslash", {{.name = "a\\b"}}, NULL, "has a backslash"},
        {"not UTF-8", {{.name = "a\377"}}, NULL, "is not UTF-8"},
        {"twice", {{.name = "a"}, {.name = "a"}}, NULL, "'a' is there twice"},
        {"twice, the other way", {{.name = "a"}, {.name = "./a"}}, NULL, "'a' is there twice"},
        {"a directory twice",
         {{.name = "a", .type = '5'}, {.name = "a/", .type = '5'}},
         NULL,
         "'a' is there twice"},
        {"the root twice",
         {{.name = "./", .type = '5'}, {.name = ".", .type = '5'}},
         NULL,
         "'.' is there twice"},
        {"case", {{.name = "a"}, {.name = "A"}}, NULL, "differ in case"},
        {"composition", {{.name = "\303\274"}, {.name = "u\314\210"}}, NULL, "differ in case"},
        {"a file beneath a file", {{.name = "a"}, {.name = "a/b"}}, NULL, "a file and a directory"},
        {"a file for a directory",
         {{.name = "a/b"}, {.name = "a"}},
         NULL,
         "a file and a directory"},
    };
    cases_run(*state, cases, sizeof cases / sizeof *cases);
}

/* An extended header overrules the name in the header that follows. */
static void pax_names(void **state)
{
    static const struct {
        const char *path, *out, *why;
    } cases[] = {
        {"b/c", "b/ b/c=x ", NULL},
        {"\303\274", "\303\274=x ", NULL},
        {"u\314\210", "\303\274=x ", NULL}, /* known to be Unicode, so composed */
        {"../b", NULL, "climbs out"},
        {"/b", NULL, "is an absolute path"},
        {"b\nc", NULL, "has control characters"},
        {"b\\c", NULL, "has a backslash"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO tar = BUF_INIT;
        char record[64];
        snprintf(record, sizeof record, "path=%s", cases[i].path);
        tar_pax(&tar, record, NULL);
        tar_small(&tar, "a", "x");
        case_int(cases[i].path, packed_unpack(*state, &tar, NULL, &err),
                 cases[i].out ? 0 : ML_REFUSED);
        if (cases[i].out != NULL)
            case_text(cases[i].path, packed_out(*state), cases[i].out);
        else
            case_true(cases[i].path, strstr(err.message, cases[i].why) != NULL);
    }
}

static void pax_links_and_holes(void **state)
{
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO link = BUF_INIT, sparse = BUF_INIT, old = BUF_INIT, bytes = BUF_INIT;
    tar_pax(&link, "linkpath=/etc/passwd", NULL);
    tar_add(&link, &(struct tar_file){.name = "a", .type = '1', .link = "b"});
    tar_end(&link);
    assert_int_equal(packed_unpack(*state, &link, NULL, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "is a hard link"));

    tar_pax(&sparse, "GNU.sparse.size=1000000", "GNU.sparse.offset=999999", "GNU.sparse.numbytes=1",
            NULL);
    tar_small(&sparse, "a", "x");
    assert_int_equal(packed_unpack(*state, &sparse, NULL, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "is sparse"));

    tar_pax(&old, "GNU.sparse.map=4096,1", "GNU.sparse.size=4097", NULL);
    tar_small(&old, "a", "x");
    assert_int_equal(packed_unpack(*state, &old, NULL, &err), ML_REFUSED);

    tar_pax(&bytes, "hdrcharset=BINARY", "path=a\377", NULL);
    tar_small(&bytes, "a", "x");
    assert_int_equal(packed_unpack(*state, &bytes, NULL, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "is not UTF-8"));
}

/* The first block of GNU's own form has four pieces of the map behind the header's fields. */
static void gnu_sparse(void **state)
{
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO tar = BUF_INIT;
    tar_add(&tar, &(struct tar_file){.name = "a", .type = 'S', .content = "x"});
    tar_end(&tar);
    memcpy(tar.data + 257, "ustar  ", 8);
    memcpy(tar.data + 386, "00000010000\00000000000001\0", 24); /* one byte at 4096 */
    memcpy(tar.data + 483, "00000010001\0", 12);                /* of 4097 */
    unsigned sum = 0;
    memset(tar.data + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)tar.data[i];
    snprintf(tar.data + 148, 7, "%06o", sum);
    assert_int_equal(packed_unpack(*state, &tar, NULL, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "is sparse"));
}

static void damaged(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        char byte;
    } cases[] = {
        {"a checksum", 1024 + 150, '7'},
        {"a size that goes beyond the end", 124, '1'},
        {"a type that changes the checksum", 1024 + 156, '5'},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO tar = BUF_INIT;
        tar_add(&tar, &(struct tar_file){.name = "a", .content = "x"});
        tar_small(&tar, "b", "y");
        tar.data[cases[i].at] = cases[i].byte;
        case_int(cases[i].name, packed_unpack(*state, &tar, NULL, &err), ML_DATA);
    }
}

/* What the header says of the size counts before anything is written. */
static void sizes(void **state)
{
    static const struct {
        long long size;
        int status;
    } cases[] = {{2, ML_DATA}, {64 << 20, ML_REFUSED}, {077777777777, ML_REFUSED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO tar = BUF_INIT;
        tar_add(&tar, &(struct tar_file){.name = "a", .size = cases[i].size});
        case_int("size", packed_unpack(*state, &tar, NULL, &err), cases[i].status);
    }
}

/* In the caller's own process: what fuzzers call. It leaves what was made, and nothing of its own.
 */
static void in_process(void **state)
{
    struct place *place = *state;
    struct ml_error err = ML_ERROR_INIT;
    BUF_AUTO tar = BUF_INIT;
    tar_add(&tar, &(struct tar_file){.name = "a", .content = "x"});
    tar_add(&tar, &(struct tar_file){.name = "b", .type = '2', .link = "x"});
    int fd = packed_fd(&tar);
    locale_t before = uselocale((locale_t)0);
    assert_int_equal(archive_parse(fd, place->fd, NULL, &err), -1); /* loads the library */
    assert_int_equal(unlinkat(place->fd, "a", 0), 0);
    int fds = count_fds();
    assert_int_equal(archive_parse(fd, place->fd, NULL, &err), -1);
    assert_string_equal(err.message, "'b' is a symbolic link");
    assert_string_equal(packed_list(place->fd), "a=x ");
    assert_int_equal(count_fds(), fds);
    assert_true(uselocale((locale_t)0) == before);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(taken),     place_test(kinds),      place_test(names),
        place_test(pax_names), place_test(gnu_sparse), place_test(pax_links_and_holes),
        place_test(damaged),   place_test(sizes),      place_test(in_process),
    };
    UNIT_RUN("archive/parse", tests);
}
