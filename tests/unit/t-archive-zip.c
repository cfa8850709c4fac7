/* Goal of this test: a zip is the same by its directory and by the headers in front of its files,
 * or it is refused. */
#include "archive/zip.h"

#include "packed.h"

enum { FILES = 3 };

struct zip_case {
    const char *name;
    struct zip_file files[FILES];
    const char *out; /* what is there then; null: an error */
    int status;
    const char *why;
};

static void zip_make(const struct zip_file *files, const char *comment, struct buf *out)
{
    ZIP_AUTO zip = {.n = 0};
    for (int i = 0; i < FILES && files[i].name != NULL; i++)
        zip_add(&zip, &files[i]);
    zip_end(&zip, comment, out);
}

static void cases_run(const struct place *place, const struct zip_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct zip_case *c = &cases[i];
        struct ml_error err = ML_ERROR_INIT;
        BUF_AUTO zip = BUF_INIT;
        zip_make(c->files, "", &zip);
        int status = packed_unpack(place, &zip, NULL, &err);
        if (c->out != NULL) {
            case_text(c->name, err.message, "");
            case_text(c->name, packed_out(place), c->out);
            continue;
        }
        case_int(c->name, status, c->status);
        if (strstr(err.message, c->why) == NULL)
            fail_msg("case '%s': '%s' says nothing of '%s'", c->name, err.message, c->why);
    }
}

static void taken(void **state)
{
    static const struct zip_case cases[] = {
        {"two files",
         {{.name = "a", .content = "x"}, {.name = "d/b", .content = "yy"}},
         "a=x d/ d/b=yy ",
         0,
         NULL},
        {"nothing", {{.name = NULL}}, "", 0, NULL},
        {"a directory", {{.name = "d/", .mode = 040755}, {.name = "d/a"}}, "d/ d/a= ", 0, NULL},
        {"a directory without a mode", {{.name = "d/", .mode = 1}}, "d/ ", 0, NULL},
        {"a file without a mode", {{.name = "a", .mode = 1, .content = "x"}}, "a=x ", 0, NULL},
        {"lengths behind the data",
         {{.name = "a", .content = "x", .flags = 8, .descriptor = 16},
          {.name = "b", .content = "y", .flags = 8, .descriptor = 12}},
         "a=x b=y ",
         0,
         NULL},
        {"a marked name",
         {{.name = "\303\274", .content = "x", .flags = 0x800}},
         "\303\274=x ",
         0,
         NULL},
        {"a name that is not marked",
         {{.name = "\303\274", .content = "x"}},
         "\303\274=x ",
         0,
         NULL},
    };
    cases_run(*state, cases, sizeof cases / sizeof *cases);
}

static void refused(void **state)
{
    static const struct zip_case cases[] = {
        {"symbolic link",
         {{.name = "a", .content = "b", .mode = 0120777}},
         NULL,
         ML_REFUSED,
         "'a' is a symbolic link"},
        {"FIFO", {{.name = "a", .mode = 010644}}, NULL, ML_REFUSED, "'a' is a device or the like"},
        {"device",
         {{.name = "a", .mode = 020644}},
         NULL,
         ML_REFUSED,
         "'a' is a device or the like"},
        {"socket",
         {{.name = "a", .mode = 0140644}},
         NULL,
         ML_REFUSED,
         "'a' is a device or the like"},
        {"set-uid", {{.name = "a", .mode = 0104755}}, NULL, ML_REFUSED, "'a' has a set-id"},
        {"encrypted",
         {{.name = "a", .content = "x", .flags = 1}},
         NULL,
         ML_REFUSED,
         "'a' is encrypted"},
        {"strongly",
         {{.name = "a", .content = "x", .flags = 0x40}},
         NULL,
         ML_REFUSED,
         "'a' is encrypted"},
        {"its directory",
         {{.name = "a", .content = "x", .flags = 0x2000}},
         NULL,
         ML_REFUSED,
         "'a' is encrypted"},
        {"backslash", {{.name = "a\\b", .content = "x"}}, NULL, ML_REFUSED, "has a backslash"},
        {"up by a backslash",
         {{.name = "..\\a", .content = "x"}},
         NULL,
         ML_REFUSED,
         "has a backslash"},
        {"NUL",
         {{.name = "a\0b", .name_size = 3, .local = "a"}},
         NULL,
         ML_REFUSED,
         "'a' has a NUL in its name"},
        {"no name",
         {{.name = "x", .local = ""}},
         NULL,
         ML_REFUSED,
         "is one thing by its own header"},
        {"up", {{.name = "../a"}}, NULL, ML_REFUSED, "climbs out"},
        {"absolute", {{.name = "/a"}}, NULL, ML_REFUSED, "is an absolute path"},
        {"twice", {{.name = "a"}, {.name = "a"}}, NULL, ML_REFUSED, "'a' is there twice"},
        {"case", {{.name = "a"}, {.name = "A"}}, NULL, ML_REFUSED, "differ in case"},
        {"a file and a directory",
         {{.name = "a"}, {.name = "a/"}},
         NULL,
         ML_REFUSED,
         "is a file and a directory"},
        {"a directory with content",
         {{.name = "a/", .content = "x"}},
         NULL,
         ML_REFUSED,
         "is a directory with something"},
        {"by its mode alone",
         {{.name = "a", .content = "x", .mode = 040755}},
         NULL,
         ML_REFUSED,
         "is a directory with something"},
    };
    cases_run(*state, cases, sizeof cases / sizeof *cases);
}

static void two_truths(void **state)
{
    static const struct zip_case cases[] = {
        {"another name",
         {{.name = "a", .local = "b"}},
         NULL,
         ML_REFUSED,
         "is one thing by its own header"},
        {"a longer name",
         {{.name = "a", .local = "ab"}},
         NULL,
         ML_REFUSED,
         "is one thing by its own header"},
        {"another size",
         {{.name = "a", .content = "x", .local_bytes = 1}},
         NULL,
         ML_REFUSED,
         "is one thing by its own header"},
        {"in front", {{.name = "a", .before = "MZ"}}, NULL, ML_DATA, "neither a tar"},
        {"a whole header in front",
         {{.name = "a", .before = "PK\3\4and more of it, as a header would have"}},
         NULL,
         ML_REFUSED,
         "belong to no file"},
        {"between",
         {{.name = "a"}, {.name = "b", .before = "PK"}},
         NULL,
         ML_REFUSED,
         "belong to no file"},
        {"one that the directory does not have",
         {{.name = "a"}, {.name = "b", .before = "PK\3\4and more of it, as a header would have"}},
         NULL,
         ML_REFUSED,
         "belong to no file"},
        {"behind the data",
         {{.name = "a", .content = "x", .flags = 8, .descriptor = 20}},
         NULL,
         ML_REFUSED,
         "belong to no file"},
        {"no flag for what is behind",
         {{.name = "a", .content = "x", .descriptor = 16}},
         NULL,
         ML_REFUSED,
         "belong to no file"},
        {"the same bytes twice",
         {{.name = "a", .content = "x"}, {.name = "a", .content = "x", .again = true}},
         NULL,
         ML_REFUSED,
         "shares bytes"},
        {"a wrong checksum",
         {{.name = "a", .content = "x", .bad_crc = 1}},
         NULL,
         ML_DATA,
         "damaged"},
        {"bzip2", {{.name = "a", .content = "x", .method = 12}}, NULL, ML_DATA, "zip's method 12"},
        {"no deflate", {{.name = "a", .content = "xyz", .method = 8}}, NULL, ML_DATA, "damaged"},
    };
    cases_run(*state, cases, sizeof cases / sizeof *cases);
}

static int unpack_bytes(const struct place *place, const struct buf *zip, struct ml_error *err)
{
    *err = (struct ml_error)ML_ERROR_INIT;
    return packed_unpack(place, zip, NULL, err);
}

static void comments_and_ends(void **state)
{
    static const struct zip_file files[FILES] = {{.name = "a", .content = "x"}};
    struct ml_error err;
    BUF_AUTO comment = BUF_INIT, behind = BUF_INIT, second = BUF_INIT, hidden = BUF_INIT;
    zip_make(files, "the id of a commit", &comment);
    assert_int_equal(unpack_bytes(*state, &comment, &err), 0);
    assert_string_equal(packed_out(*state), "a=x ");

    zip_make(files, "", &behind);
    buf_str(&behind, "?");
    assert_int_equal(unpack_bytes(*state, &behind, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "something behind its end"));

    zip_make(files, "", &second);
    zip_make((struct zip_file[FILES]){{.name = "b", .content = "y"}}, "", &second);
    assert_int_equal(unpack_bytes(*state, &second, &err), ML_REFUSED);

    /* A comment that is the end of another zip: of one that fits, and of one that does not. */
    zip_make(files, "PK\5\6++++++++++++++++++", &hidden);
    assert_int_equal(unpack_bytes(*state, &hidden, &err), ML_DATA);
    memset(hidden.data + hidden.len - 18, 0, 18);
    assert_int_equal(unpack_bytes(*state, &hidden, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "belong to no file"));
}

/* Fields of the end record, by where they are in it. */
static void end_records(void **state)
{
    static const struct {
        const char *name;
        int at, byte, status;
        const char *why;
    } cases[] = {
        {"a part of several", 4, 1, ML_DATA, "it is a part of several"},
        {"its directory is in another", 6, 1, ML_DATA, "it is a part of several"},
        {"fewer here than there", 8, 0, ML_DATA, "it is a part of several"},
        {"a directory that is larger", 12, 100, ML_DATA, "its directory is cut"},
        {"a directory that begins later", 16, 100, ML_DATA, "its directory is cut"},
        {"a directory that begins earlier", 16, 1, ML_REFUSED, "belong to no file"},
        {"a longer comment", 20, 1, ML_DATA, "its comment is cut"},
    };
    static const struct zip_file files[FILES] = {{.name = "a", .content = "x"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ml_error err;
        BUF_AUTO zip = BUF_INIT;
        zip_make(files, "", &zip);
        zip.data[zip.len - 22 + (size_t)cases[i].at] = (char)cases[i].byte;
        case_int(cases[i].name, unpack_bytes(*state, &zip, &err), cases[i].status);
        case_true(cases[i].name, strstr(err.message, cases[i].why) != NULL);
    }
}

/* Bytes that are wrong in a zip of one file: the header in front is at 0, its name behind 30 bytes,
 * the directory 69 bytes before the end. */
static void patched(void **state)
{
    static const struct zip_file plain[FILES] = {{.name = "a", .content = "x"}};
    static const struct zip_file behind[FILES] = {
        {.name = "a", .content = "x", .flags = 8, .descriptor = 12}};
    struct ml_error err;
    BUF_AUTO sizes = BUF_INIT, descriptor = BUF_INIT, more = BUF_INIT;
    zip_make(plain, "", &sizes);
    sizes.data[22] = sizes.data[sizes.len - 69 + 24] = 2; /* unpacked, where nothing is packed */
    assert_int_equal(unpack_bytes(*state, &sizes, &err), ML_DATA);
    assert_non_null(strstr(err.message, "two sizes of a file"));

    zip_make(behind, "", &descriptor);
    assert_int_equal(unpack_bytes(*state, &descriptor, &err), 0);
    descriptor.data[30 + 2] ^= 1; /* its checksum */
    assert_int_equal(unpack_bytes(*state, &descriptor, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "belong to no file"));

    zip_make(plain, "", &more); /* between the directory and the end, and counted in */
    buf_str(&more, "more");
    memmove(more.data + more.len - 22, more.data + more.len - 26, 22);
    memcpy(more.data + more.len - 26, "more", 4);
    more.data[more.len - 22 + 12] += 4;
    assert_int_equal(unpack_bytes(*state, &more, &err), ML_REFUSED);
    assert_non_null(strstr(err.message, "belong to no file"));
}

/* A number of all ones says that the real one is in a zip64 field. */
static void zip64(void **state)
{
    static const struct zip_file files[FILES] = {{.name = "a", .content = "x"}};
    static const size_t from_end[] = {22 - 12, 22 - 16, 22 + 47 - 20, 22 + 47 - 24, 22 + 47 - 42};
    for (size_t i = 0; i < sizeof from_end / sizeof *from_end; i++) {
        struct ml_error err;
        BUF_AUTO zip = BUF_INIT;
        zip_make(files, "", &zip);
        memset(zip.data + zip.len - from_end[i], 0xff, 4);
        assert_int_equal(unpack_bytes(*state, &zip, &err), ML_DATA);
        assert_non_null(strstr(err.message, "it is a zip64"));
    }
}

/* The count is believed by nobody: more or less than there is are both told. */
static void counts(void **state)
{
    static const struct zip_file files[FILES] = {{.name = "a", .content = "x"}, {.name = "b"}};
    for (int n = 0; n < 4; n++) {
        struct ml_error err;
        BUF_AUTO zip = BUF_INIT;
        zip_make(files, "", &zip);
        zip.data[zip.len - 22 + 8] = zip.data[zip.len - 22 + 10] = (char)n;
        int status = unpack_bytes(*state, &zip, &err);
        assert_int_equal(status, n == 2 ? 0 : n < 2 ? ML_REFUSED : ML_DATA);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(taken),       place_test(refused), place_test(two_truths),
        place_test(end_records), place_test(zip64),   place_test(comments_and_ends),
        place_test(counts),      place_test(patched),
    };
    UNIT_RUN("archive/zip", tests);
}
