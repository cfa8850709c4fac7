/* Goal of this test: digests are those of FIPS 180-4, ids those of RFC 4648, lists have one
 * encoding. */
#include "build/digest.h"

#include <sys/mman.h>

#include "fixture.h"

static void known(void **state)
{
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(digest_data("abc", 3, hex), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(digest_data("", 0, hex), 0);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void of_a_file(void **state)
{
    char hex[DIGEST_HEX_SIZE];
    int fd = memfd_create("digest", MFD_CLOEXEC);
    assert_int_equal(write(fd, "abc", 3), 3);
    assert_int_equal(digest_fd(fd, hex), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    close(fd);
    assert_int_equal(digest_fd(fd, hex), -1);
}

static void bundle_ids(void **state)
{
    uint8_t digest[DIGEST_SIZE] = "foobarfoobarfoobarfo";
    char id[35];
    digest_to_bundle_id(digest, id);
    assert_int_equal(strlen(id), 34);
    assert_memory_equal(id, "b-mzxw6ytbojtg633c", 18);
    memset(digest, 0xff, sizeof digest);
    digest_to_bundle_id(digest, id);
    assert_string_equal(id, "b-77777777777777777777777777777777");
}

static void fields_do_not_run_together(void **state)
{
    uint8_t one[DIGEST_SIZE], two[DIGEST_SIZE];
    DIGEST_AUTO a, b;
    digest_begin(&a);
    digest_text(&a, "ab");
    digest_text(&a, "c");
    digest_begin(&b);
    digest_text(&b, "a");
    digest_text(&b, "bc");
    assert_int_equal(digest_end(&a, one), 0);
    assert_int_equal(digest_end(&b, two), 0);
    assert_memory_not_equal(one, two, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known),
        cmocka_unit_test(of_a_file),
        cmocka_unit_test(bundle_ids),
        cmocka_unit_test(fields_do_not_run_together),
    };
    UNIT_RUN("build/digest", tests);
}
