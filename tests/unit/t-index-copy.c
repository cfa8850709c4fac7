/* Goal of this test: a copy holds what was fetched, each plugin is found in it, an update takes
 * what is new and refuses what rewrites the past, and a damaged copy is told. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/scope.h"
#include "fetch/records.h"
#include "index/copy.h"

#include "fixture.h"

#define ID  "0123456789012345678901234567890123456789"
#define SUM "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* ---- what is fetched ---- */

static void records_begin(struct buf *out, bool whole)
{
    const struct fetch_records_head head = {FETCH_RECORDS_MARK, whole};
    buf_reset(out);
    buf_add(out, &head, sizeof head);
}

static void records_add(struct buf *out, const char *path, const char *text)
{
    const struct fetch_record_head head = {text ? FETCH_RECORD_FILE : FETCH_RECORD_REMOVED,
                                           (uint32_t)strlen(path),
                                           text ? (uint32_t)strlen(text) : 0};
    buf_add(out, &head, sizeof head);
    buf_str(out, path);
    buf_str(out, text ? text : "");
}

/* A plugin with the versions 1.0.0 to 1.N.0, the first of them retired when `retired` says why. */
static void plugin_add(struct buf *out, const char *name, int n, const char *retired,
                       const char *commit)
{
    BUF_AUTO text = BUF_INIT;
    char key[INDEX_NAME_SIZE], path[INDEX_PATH_SIZE];
    buf_fmt(&text,
            "{\"name\":\"%s\",\"description\":\"Does %s.\",\"license\":\"MIT\",\"git\":"
            "\"https://example.org/%s\",\"path\":\"\",\"versions\":[\n",
            name, name, name);
    for (int i = 0; i < n; i++) {
        buf_fmt(&text,
                "%s{\"version\":\"1.%d.0\",\"tag\":\"v1.%d.0\",\"commit\":\"%s\",\"tree\":\"" ID
                "\",\"source\":\"" SUM "\",\"published\":\"2026-11-26T15:00:00Z\"",
                i > 0 ? "," : "", i, i, commit);
        if (i == 0 && retired != NULL)
            buf_fmt(&text,
                    ",\"retired\":{\"reason\":\"%s\",\"message\":\"m\",\"date\":"
                    "\"2026-11-26T15:00:00Z\"}",
                    retired);
        buf_str(&text, "}\n");
    }
    buf_str(&text, "]}\n");
    index_name_key(name, key);
    index_name_path(key, path);
    records_add(out, path, buf_text(&text));
}

static const char top[] = "{\"format\":1,\"name\":\"main\"}";

/* ---- copies ---- */

static int make_until(const struct place *place, const char *file, const struct copy *before,
                      const struct buf *records, int cancel_fd, struct copy_changes *done,
                      struct ml_error *err)
{
    static const struct copy none = {.map = NULL};
    struct copy_head *head = calloc(1, sizeof *head);
    int fd = openat(place->fd, file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(head != NULL && fd >= 0);
    *err = (struct ml_error)ML_ERROR_INIT;
    strcpy(head->commit, ID);
    strcpy(head->url, "https://example.org/index");
    int status = copy_make(before != NULL ? before : &none, records->data, records->len, head, fd,
                           cancel_fd, done, err);
    close(fd);
    free(head);
    return status == 0 ? 0 : err->status;
}

static int make(const struct place *place, const char *file, const struct copy *before,
                const struct buf *records, struct copy_changes *done, struct ml_error *err)
{
    return make_until(place, file, before, records, -1, done, err);
}

static void opened(const struct place *place, const char *file, struct copy *ret)
{
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(copy_open(place->fd, file, ret, &err), 1);
}

static void check_has(const struct copy *copy, const char *key, const char *version)
{
    ARENA_AUTO a = ARENA_INIT;
    struct copy_line line;
    struct index_plugin plugin;
    case_int(key, copy_find(copy, key, &line), 1);
    case_true(key, line.version.n == strlen(version) &&
                       memcmp(line.version.at, version, line.version.n) == 0);
    case_int(key, copy_plugin(&a, &line, &plugin, NULL), 0);
}

static void finds(void **state)
{
    const struct place *place = *state;
    BUF_AUTO records = BUF_INIT;
    COPY_AUTO copy = {.map = NULL};
    struct copy_changes done;
    struct copy_line line;
    struct ml_error err;
    char name[16];
    records_begin(&records, true);
    for (int i = 999; i >= 0; i -= 3) {
        snprintf(name, sizeof name, "P_%d", i);
        plugin_add(&records, name, 2, NULL, ID);
    }
    records_add(&records, "index.json", top);
    assert_int_equal(make(*state, "c", NULL, &records, &done, &err), 0);
    assert_int_equal(done.added, 334);
    opened(place, "c", &copy);
    assert_int_equal(copy.head->plugins, 334);
    assert_string_equal(copy.head->name, "main");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "p-%d", i);
        if (i % 3 == 0)
            check_has(&copy, name, "1.1.0");
        else
            case_int(name, copy_find(&copy, name, &line), 0);
    }
    assert_int_equal(copy_find(&copy, "", &line), 0);
    assert_int_equal(copy_find(&copy, "zzz", &line), 0);
}

static void updates(void **state)
{
    const struct place *place = *state;
    BUF_AUTO records = BUF_INIT;
    COPY_AUTO first = {.map = NULL};
    COPY_AUTO second = {.map = NULL};
    struct copy_changes done;
    struct ml_error err;
    records_begin(&records, true);
    records_add(&records, "index.json", top);
    plugin_add(&records, "bb", 1, "security", ID);
    plugin_add(&records, "dd", 1, NULL, ID);
    assert_int_equal(make(place, "1", NULL, &records, &done, &err), 0);
    opened(place, "1", &first);
    check_has(&first, "bb", "-");
    records_begin(&records, false);
    plugin_add(&records, "ee", 1, NULL, ID);
    plugin_add(&records, "aa", 1, "renamed", ID);
    plugin_add(&records, "dd", 3, NULL, ID);
    plugin_add(&records, "cc", 1, NULL, ID);
    records_add(&records, "no-such/place", NULL);
    assert_int_equal(make(place, "2", &first, &records, &done, &err), ML_DATA);
    records.len -= sizeof(struct fetch_record_head) + strlen("no-such/place");
    assert_int_equal(make(place, "2", &first, &records, &done, &err), 0);
    assert_int_equal(done.added, 3);
    assert_int_equal(done.changed, 1);
    opened(place, "2", &second);
    assert_int_equal(second.head->plugins, 5);
    check_has(&second, "aa", "-");
    check_has(&second, "bb", "-");
    check_has(&second, "cc", "1.0.0");
    check_has(&second, "dd", "1.2.0");
    check_has(&second, "ee", "1.0.0");
    static const char retired[] = "aa@1.0.0\trenamed\thttps://example.org/aa\t" ID "\tm\n"
                                  "bb@1.0.0\tsecurity\thttps://example.org/bb\t" ID "\tm\n";
    assert_int_equal(second.head->retired, sizeof retired - 1);
    assert_memory_equal(second.retired, retired, sizeof retired - 1);
}

/* What was published is there for ever, however it was taken away. */
static void rewritten(void **state)
{
    const struct place *place = *state;
    BUF_AUTO records = BUF_INIT;
    COPY_AUTO copy = {.map = NULL};
    struct copy_changes done;
    struct ml_error err;
    records_begin(&records, true);
    records_add(&records, "index.json", top);
    plugin_add(&records, "one", 2, NULL, ID);
    plugin_add(&records, "two", 1, NULL, ID);
    assert_int_equal(make(place, "c", NULL, &records, &done, &err), 0);
    opened(place, "c", &copy);
    for (int i = 0; i < 5; i++) {
        static const char *const told[] = {"one@1.1.0", "one@1.0.0", "one@1.0.0", "one@1.0.0",
                                           "one@1.0.0, two@1.0.0"};
        records_begin(&records, i >= 3);
        records_add(&records, "index.json", top);
        if (i < 2) /* a version has gone; a version is another commit */
            plugin_add(&records, "one", 2 - (i == 0), NULL,
                       i == 1 ? "ffffffffffffffffffffffffffffffffffffffff" : ID);
        if (i == 2) /* the plugin has gone */
            records_add(&records, "3/o/one.json", NULL);
        if (i == 3) /* and so from a repository that has nothing in common with what was */
            plugin_add(&records, "two", 1, NULL, ID);
        case_int(told[i], make(place, "d", &copy, &records, &done, &err), ML_REFUSED);
        case_text(told[i], err.code, "rewritten_index");
        case_true(told[i], strstr(err.message, told[i]) != NULL);
    }
    records_begin(&records, true); /* retired, and one more: nobody minds */
    records_add(&records, "index.json", top);
    plugin_add(&records, "one", 3, "invalid", ID);
    plugin_add(&records, "two", 1, NULL, ID);
    assert_int_equal(make(place, "d", &copy, &records, &done, &err), 0);
}

static void refused(void **state)
{
    const struct place *place = *state;
    BUF_AUTO records = BUF_INIT;
    struct copy_changes done;
    struct ml_error err;
    static const struct {
        const char *path, *text, *code;
    } cases[] = {
        {"index.json", "{\"format\":2,\"name\":\"main\"}", "newer_format"},
        {"index.json", "{\"format\":1,\"name\":\"a/b\"}", "not_an_index"},
        {"index.json", "{\"name\":\"main\"}", "not_an_index"},
        {"index.json", "[", "not_an_index"},
        {"index.json", NULL, "not_an_index"},
        {"3/o/one.json", "{}", "bad_index"},
        {"3/o/ONE.json", "{}", "bad_index"},
        {"../../one.json", "{}", "bad_index"},
        {"ab/run.sh", "{}", "bad_index"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        records_begin(&records, true);
        if (strcmp(cases[i].path, "index.json") != 0)
            records_add(&records, "index.json", top);
        records_add(&records, cases[i].path, cases[i].text);
        case_true(cases[i].path, make(place, "c", NULL, &records, &done, &err) > 0);
        case_text(cases[i].path, err.code, cases[i].code);
    }
    records_begin(&records, true);
    assert_int_equal(make(place, "c", NULL, &records, &done, &err), ML_DATA);
    assert_string_equal(err.code, "not_an_index");
    records_add(&records, "index.json", top);
    plugin_add(&records, "one", 1, NULL, ID);
    plugin_add(&records, "one", 1, NULL, ID);
    assert_int_equal(make(place, "c", NULL, &records, &done, &err), ML_DATA);
    assert_string_equal(err.message, "'one' is there twice");
}

/* The file of another plugin, in a place that is not its own. */
static void misplaced(void **state)
{
    BUF_AUTO records = BUF_INIT;
    BUF_AUTO other = BUF_INIT;
    struct copy_changes done;
    struct ml_error err;
    struct fetch_records read;
    struct fetch_record record;
    records_begin(&other, true);
    plugin_add(&other, "two", 1, NULL, ID);
    assert_true(fetch_records_begin(other.data, other.len, &read) &&
                fetch_records_next(&read, &record) == 1);
    char *text = strndup(record.data, record.n);
    records_begin(&records, true);
    records_add(&records, "index.json", top);
    records_add(&records, "3/o/one.json", text);
    free(text);
    assert_int_equal(make(*state, "c", NULL, &records, &done, &err), ML_DATA);
    assert_string_equal(err.message, "3/o/one.json: it is the file of 'two'");
}

static void damaged(void **state)
{
    const struct place *place = *state;
    BUF_AUTO records = BUF_INIT;
    BUF_AUTO bytes = BUF_INIT;
    struct copy_changes done;
    struct ml_error err;
    COPY_AUTO copy = {.map = NULL};
    assert_int_equal(copy_open(place->fd, "c", &copy, &err), 0);
    records_begin(&records, true);
    records_add(&records, "index.json", top);
    plugin_add(&records, "one", 1, NULL, ID);
    assert_int_equal(make(place, "c", NULL, &records, &done, &err), 0);
    assert_int_equal(fs_read_file(place->fd, "c", &bytes, 1 << 20), 0);
    for (size_t cut = 0; cut < bytes.len; cut += 97) {
        unlinkat(place->fd, "d", 0);
        assert_int_equal(fs_write_new(place->fd, "d", bytes.data, cut, 0600), 0);
        assert_int_equal(copy_open(place->fd, "d", &copy, &err), -1);
        assert_string_equal(err.code, "bad_copy");
    }
    assert_int_equal(fchmodat(place->fd, "c", 0620, 0), 0);
    assert_int_equal(copy_open(place->fd, "c", &copy, &err), -1);
    assert_string_equal(err.code, "refused_cache");
}

static size_t size_of(const struct place *place, const char *file)
{
    struct stat st;
    assert_int_equal(fstatat(place->fd, file, &st, 0), 0);
    return (size_t)st.st_size;
}

/* At once, wherever it is by then: what is read, or what is taken along. */
static void cancelled(void **state)
{
    const struct place *place = *state;
    BUF_AUTO records = BUF_INIT;
    COPY_AUTO copy = {.map = NULL};
    struct copy_changes done;
    struct ml_error err;
    int pipe[2];
    assert_int_equal(pipe2(pipe, O_CLOEXEC), 0);
    records_begin(&records, true);
    records_add(&records, "index.json", top);
    plugin_add(&records, "one", 1, NULL, ID);
    assert_int_equal(make_until(place, "c", NULL, &records, pipe[0], &done, &err), 0);
    assert_int_equal(write(pipe[1], "", 1), 1);
    assert_int_equal(make_until(place, "d", NULL, &records, pipe[0], &done, &err), 130);
    assert_string_equal(err.code, "cancelled");
    assert_int_equal(size_of(place, "d"), 0);
    opened(place, "c", &copy);
    records_begin(&records, false);
    assert_int_equal(make_until(place, "d", &copy, &records, pipe[0], &done, &err), 130);
    assert_int_equal(size_of(place, "d"), sizeof(struct copy_head));
    close(pipe[0]);
    close(pipe[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(finds),     memory_place_test(updates),   memory_place_test(rewritten),
        memory_place_test(refused),   memory_place_test(misplaced), memory_place_test(damaged),
        memory_place_test(cancelled),
    };
    UNIT_RUN("index/copy", tests);
}
