/* Goal of this test: a line of history gives back what was put into it, whatever that was; a line
 * with any damage is none; and damage in one line takes nothing else along. */
#include "registry.h"

#include <fcntl.h>
#include <inttypes.h>

#include "base/fs.h"
#include "base/hash.h"
#include "registry_store/internal.h"

static const char uuid[] = "8c000000-0000-4000-8000-000000000001";

static struct store_record record(enum store_op op)
{
    bool has_bundle = op == STORE_REGISTER || op == STORE_ROLLBACK;
    return (struct store_record){.uuid = uuid,
                                 .generation = 3,
                                 .time = "2026-01-02T03:04:05Z",
                                 .op = op,
                                 .bundle = has_bundle ? registry_id('a') : "",
                                 .name = "",
                                 .plugin = "",
                                 .origin = ""};
}

static void check_equal(const char *what, const struct store_record *got,
                        const struct store_record *want)
{
    case_text(what, got->uuid, want->uuid);
    case_int(what, got->generation, want->generation);
    case_text(what, got->time, want->time);
    case_int(what, got->op, want->op);
    case_int(what, got->of, want->of);
    case_text(what, got->bundle, want->bundle);
    case_text(what, got->name, want->name);
    case_text(what, got->plugin, want->plugin);
    case_text(what, got->origin, want->origin);
}

/* Takes apart a copy that ends where the line ends: a byte too far is seen by ASan. */
static bool parse(const char *line, size_t n, struct store_record *ret, char **copy)
{
    *copy = malloc(n + 1);
    assert_non_null(*copy);
    memcpy(*copy, line, n);
    (*copy)[n] = '\n';
    return store_record_parse(*copy, n, ret);
}

static bool is_record(const char *line, size_t n)
{
    struct store_record r;
    char *copy;
    bool good = parse(line, n, &r, &copy);
    free(copy);
    return good;
}

/* ---- round trips ---- */

static void check_round_trip(const char *what, const struct store_record *r)
{
    BUF_AUTO line = BUF_INIT;
    struct store_record back;
    char *copy;
    int blanks = 0;
    store_record_write(&line, r);
    case_int(what, line.data[line.len - 1], '\n');
    for (size_t i = 0; i + 1 < line.len; i++) {
        case_true(what, (unsigned char)line.data[i] >= ' ' && line.data[i] != 0x7f);
        blanks += line.data[i] == ' ';
    }
    case_int(what, blanks, 9); /* cut(1) and awk count on it */
    case_true(what, parse(line.data, line.len - 1, &back, &copy));
    check_equal(what, &back, r);
    free(copy);
}

static void test_round_trip(void **state)
{
    static const char *const texts[] = {
        "",     "-",    "--",          "- ",       " ",    " -",          "%",
        "%%",   "%2d",  "100%",        "a%41b",    "%4",   "\n",          "a b\tc",
        "\r\n", "/a/b", "gr\xc3\xbcn", "\xff\xfe", "\x7f", "x\ny\nend 0", "trailing ",
    };
    char every[256], name[65], plugin[STORE_PLUGIN_SIZE];
    for (unsigned op = STORE_REGISTER; op <= STORE_UNPIN; op++) {
        struct store_record r = record((enum store_op)op);
        check_round_trip(store_op_word((enum store_op)op), &r);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            r.origin = texts[i];
            check_round_trip(texts[i], &r);
        }
    }
    struct store_record r = record(STORE_ROLLBACK);
    for (int byte = 1; byte < 256; byte++) {
        char one[2] = {(char)byte, '\0'};
        every[byte - 1] = (char)byte;
        r.origin = one;
        check_round_trip("one byte", &r);
    }
    every[255] = '\0';
    memset(name, 'n', 64);
    name[64] = '\0';
    memset(plugin, 'p', sizeof plugin - 1);
    plugin[sizeof plugin - 1] = '\0';
    r.origin = every;
    r.name = name;
    r.plugin = plugin;
    r.of = 999999999999999999;
    r.generation = 999999999999999999;
    check_round_trip("all that fits", &r);
    char *path = malloc(100001);
    memset(path, '\n', 100000);
    path[100000] = '\0';
    r.origin = path;
    check_round_trip("a long origin", &r);
    free(path);
    r = record(STORE_REGISTER);
    r.name = r.plugin = r.origin = NULL;
    BUF_AUTO line = BUF_INIT;
    store_record_write(&line, &r); /* a null text is none */
    assert_true(is_record(line.data, line.len - 1));
}

/* The form is a promise to other programs, and to later versions. */
static void test_form(void **state)
{
    static const char *const lines[] = {
        "8c000000-0000-4000-8000-000000000001 3 2026-01-02T03:04:05Z rollback 1 "
        "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa math math@1.2.0 /src/a%20b%25%0a 1954ee5350e4e4f2",
        "8c000000-0000-4000-8000-000000000001 4 2026-01-02T03:04:05Z unregister - - - - - "
        "b61a2b1db55d42bf",
        "8c000000-0000-4000-8000-000000000001 3 2026-01-02T03:04:05Z pin - - - - %2d "
        "d9a20370b7d4ba1b",
    };
    struct store_record r[3] = {record(STORE_ROLLBACK), record(STORE_UNREGISTER),
                                record(STORE_PIN)};
    r[0].of = 1;
    r[0].name = "math";
    r[0].plugin = "math@1.2.0";
    r[0].origin = "/src/a b%\n";
    r[1].generation = 4;
    r[2].origin = "-";
    for (size_t i = 0; i < 3; i++) {
        BUF_AUTO line = BUF_INIT;
        store_record_write(&line, &r[i]);
        line.data[line.len - 1] = '\0';
        assert_string_equal(line.data, lines[i]);
        struct store_record back;
        assert_true(store_record_parse(line.data, line.len - 1, &back));
        check_equal(lines[i], &back, &r[i]);
    }
}

/* ---- damage ---- */

static void line_of(enum store_op op, struct buf *line)
{
    struct store_record r = record(op);
    r.name = r.bundle[0] ? "math" : "";
    r.plugin = r.bundle[0] ? "math@1.2.0" : "";
    r.of = op == STORE_ROLLBACK ? 12 : 0;
    r.origin = "/src/a b-\xff";
    store_record_write(line, &r);
    line->data[--line->len] = '\0';
}

static void test_every_bit(void **state)
{
    for (unsigned op = STORE_REGISTER; op <= STORE_UNPIN; op++) {
        BUF_AUTO line = BUF_INIT;
        line_of((enum store_op)op, &line);
        assert_true(is_record(line.data, line.len));
        for (size_t bit = 0; bit < 8 * line.len; bit++) {
            line.data[bit / 8] ^= (char)(1 << bit % 8);
            if (is_record(line.data, line.len))
                fail_msg("bit %zu of '%s' can be flipped", bit, line.data);
            line.data[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
}

/* Cut short, one byte gone, one more, two that changed places. */
static void test_every_byte(void **state)
{
    BUF_AUTO line = BUF_INIT;
    char other[512];
    line_of(STORE_ROLLBACK, &line);
    for (size_t n = 0; n < line.len; n++) {
        case_true("cut short", !is_record(line.data, n));
        memcpy(other, line.data, n);
        memcpy(other + n, line.data + n + 1, line.len - n - 1);
        case_true("one byte gone", !is_record(other, line.len - 1));
        memcpy(other + n + 1, line.data + n, line.len - n);
        other[n] = line.data[n];
        case_true("one byte twice", !is_record(other, line.len + 1));
        memcpy(other, line.data, line.len);
        other[n] = line.data[(n + 1) % line.len];
        other[(n + 1) % line.len] = line.data[n];
        case_true("two changed places",
                  !is_record(other, line.len) || memcmp(other, line.data, line.len) == 0);
    }
}

/* What its hash holds for is looked at all the same: a hash is easily made. */
static void test_well_hashed(void **state)
{
#define U   "8c000000-0000-4000-8000-000000000001"
#define T   "2026-01-02T03:04:05Z"
#define B   "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define P65 "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {U " 1 " T " register - " B " n p@1 o", true},
        {U " 1 " T " register - " B " - - -", true},
        {U " 1 " T " register - " B " - - %01", true},
        {U " 1 " T " register - " B " n p@1", false},
        {U " 1 " T " register - " B " n p@1 o o", false},
        {U "  1 " T " register - " B " n p@1", false},
        {" " U " 1 " T " register - " B " n p@1", false},
        {"8C000000-0000-4000-8000-000000000001 1 " T " register - " B " - - -", false},
        {"../../../etc/passwd 1 " T " register - " B " - - -", false},
        {"- 1 " T " register - " B " - - -", false},
        {U " - " T " register - " B " - - -", false},
        {U " 0 " T " register - " B " - - -", false},
        {U " 01 " T " register - " B " - - -", false},
        {U " +1 " T " register - " B " - - -", false},
        {U " -1 " T " register - " B " - - -", false},
        {U " 1x " T " register - " B " - - -", false},
        {U " 1234567890123456789 " T " register - " B " - - -", false},
        {U " 18446744073709551617 " T " register - " B " - - -", false},
        {U " 1 2026-01-02T03:04:05 register - " B " - - -", false},
        {U " 1 2026-01-02%2003:04:05Z register - " B " - - -", false},
        {U " 1 2026-01-02T03:04:05ZZ register - " B " - - -", false},
        {U " 1 x026-01-02T03:04:05Z register - " B " - - -", false},
        {U " 1 - register - " B " - - -", false},
        {U " 1 " T " Register - " B " - - -", false},
        {U " 1 " T " forget - " B " - - -", false},
        {U " 1 " T " - - " B " - - -", false},
        {U " 1 " T " rollback x " B " - - -", false},
        {U " 1 " T " register - - - - -", false},
        {U " 1 " T " unregister - " B " - - -", false},
        {U " 1 " T " pin - " B " - - -", false},
        {U " 1 " T " register - b-short - - -", false},
        {U " 1 " T " register - ../../x - - -", false},
        {U " 1 " T " register - " B " a/b - -", false},
        {U " 1 " T " register - " B " .. - -", false},
        {U " 1 " T " register - " B " a%2fb - -", false},
        {U " 1 " T " register - " B " - " P65 P65 " -", false},
        {U " 1 " T " register - " B " - - %", false},
        {U " 1 " T " register - " B " - - %4", false},
        {U " 1 " T " register - " B " - - %zz", false},
        {U " 1 " T " register - " B " - - a%00b", false},
        {U " 1 " T " register - " B " - - %2D", false},
        {U " 1 " T " register - " B " - - %+1", false},
        {"", false},
        {"-", false},
        {"         ", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        BUF_AUTO line = BUF_INIT;
        const char *text = cases[i].text;
        buf_fmt(&line, "%s %016" PRIx64, text, hash_fnv1a(HASH_FNV1A_INIT, text, strlen(text)));
        case_int(text, is_record(line.data, line.len), cases[i].good);
    }
}

/* ---- files ---- */

static void history_write(const struct place *place, const char *text, size_t n)
{
    fs_remove_tree(place->fd, "home/history/8c");
    assert_int_equal(fs_write_new(place->fd, "home/history/8c", text, n, 0600), 0);
}

static void test_log(void **state)
{
    struct store *store = registry_open(*state);
    BUF_AUTO text = BUF_INIT;
    struct store_record r = record(STORE_REGISTER), other = record(STORE_PIN);
    LOG_AUTO log = {.n = 77};
    assert_int_equal(log_read(store, 0x8c, NULL, &log), 0); /* none */
    assert_int_equal(log.n + log.size + log.damaged + log.open_end, 0);
    history_write(*state, "", 0);
    assert_int_equal(log_read(store, 0x8c, NULL, &log), 0);
    assert_int_equal(log.n + log.size + log.damaged + log.open_end, 0);
    log_free(&log);

    other.uuid = "8c000000-0000-4000-8000-000000000002";
    buf_str(&text, "\n"); /* an empty line is none */
    store_record_write(&text, &r);
    store_record_write(&text, &other);
    buf_str(&text, "damaged\n\n" U " damaged too\n");
    r.generation = 4;
    store_record_write(&text, &r);
    buf_str(&text, "no end");
    history_write(*state, text.data, text.len);
    assert_int_equal(log_read(store, 0x8c, NULL, &log), 0);
    assert_int_equal(log.n, 3);
    assert_int_equal(log.damaged, 3);
    assert_int_equal(log.size, text.len);
    assert_true(log.open_end);
    check_equal("another's", &log.records[1], &other);
    check_equal("the last", &log.records[2], &r);
    log_free(&log);
    assert_int_equal(log_read(store, 0x8c, uuid, &log), 0); /* of one key */
    assert_int_equal(log.n, 2);
    assert_int_equal(log.size, text.len);
    check_equal("of one key", &log.records[1], &r);
    store_close(store);
}

/* What is left of a line that was torn off anywhere is passed over, and the next line is one of its
 * own. */
static void test_torn(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    BUF_AUTO text = BUF_INIT;
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    assert_int_equal(registry_change(store, uuid, registry_id('a'), "n"), 1);
    assert_int_equal(fs_read_file(place->fd, "home/history/8c", &text, 1000), 0);
    size_t first = text.len;
    assert_int_equal(registry_change(store, uuid, registry_id('b'), NULL), 1);
    buf_reset(&text);
    assert_int_equal(fs_read_file(place->fd, "home/history/8c", &text, 1000), 0);
    for (size_t n = first; n < text.len; n++) {
        bool whole = n + 1 == text.len; /* only its newline is missing */
        history_write(place, text.data, n);
        const char *bundle = registry_id(n % 2 ? 'a' : 'c');
        registry_bundle(store, registry_id('c'), "c@1.0.0");
        struct store_change change = {.uuid = uuid, .bundle = bundle, .plugin = "x@1", .name = "m"};
        assert_int_equal(registry_apply(store, &change), 1);
        assert_int_equal(change.generation_now, whole ? 3 : 2);
        LOG_AUTO log = {.n = 0};
        assert_int_equal(log_read(store, 0x8c, NULL, &log), 0);
        assert_int_equal(log.n, whole ? 3 : 2);
        assert_int_equal(log.damaged, !whole && n > first);
        assert_false(log.open_end);
        assert_string_equal(log.records[0].bundle, registry_id('a'));
        assert_string_equal(log.records[log.n - 1].bundle, bundle);
        assert_int_equal(registry_change(store, uuid, registry_id('b'), NULL), 1);
    }
    store_close(store);
}

/* ---- the rest ---- */

static void test_newest(void **state)
{
    static const struct {
        const char *uuid;
        unsigned long generation;
        enum store_op op;
    } lines[] = {
        {"8c000000-0000-4000-8000-000000000002", 1, STORE_REGISTER},
        {"8c000000-0000-4000-8000-000000000001", 1, STORE_REGISTER},
        {"8c000000-0000-4000-8000-000000000003", 1, STORE_PIN},
        {"8c000000-0000-4000-8000-000000000002", 2, STORE_UNREGISTER},
        {"8c000000-0000-4000-8000-000000000001", 2, STORE_ROLLBACK},
        {"8c000000-0000-4000-8000-000000000001", 1, STORE_PIN},
        {"8c000000-0000-4000-8000-000000000003", 1, STORE_UNPIN},
        {"8c000000-0000-4000-8000-000000000001", 2, STORE_PIN},
    };
    struct store_record records[8];
    struct shard_log log = {.records = records, .n = 8};
    size_t n;
    for (size_t i = 0; i < 8; i++) {
        records[i] = record(lines[i].op);
        records[i].uuid = lines[i].uuid;
        records[i].generation = lines[i].generation;
    }
    const struct store_record **newest = newest_records(&log, &n);
    assert_int_equal(n, 2);
    assert_ptr_equal(newest[0], &records[4]);
    assert_ptr_equal(newest[1], &records[3]);
    free(newest);
    const struct store_record **pins = newest_pins(&log, &n);
    assert_int_equal(n, 3);
    assert_ptr_equal(pin_find(pins, n, lines[1].uuid, 1), &records[5]);
    assert_ptr_equal(pin_find(pins, n, lines[1].uuid, 2), &records[7]);
    assert_null(pin_find(pins, n, lines[1].uuid, 3));
    assert_null(pin_find(pins, n, lines[0].uuid, 1));
    assert_null(pin_find(pins, n, lines[2].uuid, 1)); /* it was taken back */
    free(pins);
    log.n = 0;
    newest = newest_records(&log, &n);
    assert_non_null(newest);
    assert_int_equal(n, 0);
    free(newest);
}

static void test_time(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1767323045, "2026-01-02T03:04:05Z"},
        {4107542400, "2100-03-01T00:00:00Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
        {253402300800, "1970-01-01T00:00:00Z"}, /* a clock that is far off */
        {INT64_MAX, "1970-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[STORE_TIME_SIZE];
        utc_text(text, cases[i].seconds);
        case_text(cases[i].text, text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_form),
        cmocka_unit_test(test_every_bit),   cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_well_hashed), place_test(test_log),
        memory_place_test(test_torn),       cmocka_unit_test(test_newest),
        cmocka_unit_test(test_time),
    };
    UNIT_RUN("store-record", tests);
}
