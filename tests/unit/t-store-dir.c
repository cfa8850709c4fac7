/* Goal of this test: names come all and sorted, or not at all; a set of bundles holds what was put
 * into it, however often that was. */
#include "registry.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "registry_store/internal.h"

static void test_names(void **state)
{
    const struct place *place = *state;
    struct names names;
    int fds = count_fds();
    assert_int_equal(names_read(place->fd, "missing", &names), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mkdirat(place->fd, "d", 0700), 0);
    assert_int_equal(names_read(place->fd, "d", &names), 0);
    assert_int_equal(names.n, 0);
    names_free(&names);
    for (int i = 0; i < 100; i++) { /* more than are kept room for at first */
        char path[16];
        snprintf(path, sizeof path, "d/%02d", i * 37 % 100);
        assert_int_equal(fs_write_new(place->fd, path, "", 0, 0600), 0);
    }
    assert_int_equal(mkdirat(place->fd, "d/.hidden", 0700), 0);
    assert_int_equal(names_read(place->fd, "d", &names), 0);
    assert_int_equal(names.n, 101);
    assert_string_equal(names.item[0], ".hidden");
    for (int i = 0; i < 100; i++)
        assert_int_equal(atoi(names.item[i + 1]), i);
    names_free(&names);
    names_free(&names);
    assert_int_equal(names_read(place->fd, "d/00", &names), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(count_fds(), fds);
}

static void test_links(void **state)
{
    const struct place *place = *state;
    static const struct {
        const char *target, *leaf;
    } cases[] = {
        {"../../bundles/b-x", "b-x"},
        {"plain", "plain"},
        {"/a/b", "b"},
        {"a/", ""},
    };
    struct store *store = registry_open(place);
    char target[LINK_SIZE], far[LINK_SIZE + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unlinkat(place->fd, "home/names/l", 0);
        assert_int_equal(symlinkat(cases[i].target, place->fd, "home/names/l"), 0);
        case_text(cases[i].target, link_leaf(store, "names/l", target), cases[i].leaf);
    }
    unlinkat(place->fd, "home/names/l", 0);
    memset(far, 'x', LINK_SIZE);
    far[LINK_SIZE] = '\0';
    assert_int_equal(symlinkat(far, place->fd, "home/names/l"), 0);
    assert_null(link_leaf(store, "names/l", target));
    assert_int_equal(errno, ENAMETOOLONG);
    assert_null(link_leaf(store, "names/none", target));
    assert_int_equal(errno, ENOENT);
    store_close(store);
}

static void test_ids(void **state)
{
    enum { MANY = 5000 };
    struct ids ids = {.n = 0};
    assert_false(ids_have(&ids, registry_id('a')));
    for (unsigned turn = 0; turn < 3; turn++)
        for (unsigned i = 0; i < MANY; i++)
            assert_int_equal(ids_add(&ids, registry_id_number(i * 7919 % MANY * 2)), 0);
    assert_true(ids.cap < 4 * MANY); /* what is there already takes no room */
    for (unsigned i = 0; i < 2 * MANY; i++)
        assert_int_equal(ids_have(&ids, registry_id_number(i)), i % 2 == 0);
    assert_int_equal(ids.n, MANY);
    assert_int_equal(ids_add(&ids, registry_id('z')), 0); /* and after it was looked into */
    assert_true(ids_have(&ids, registry_id('z')));
    ids_free(&ids);
    assert_false(ids_have(&ids, registry_id('z')));
    ids_free(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_names),
        place_test(test_links),
        cmocka_unit_test(test_ids),
    };
    UNIT_RUN("store-dir", tests);
}
