/* Goal of this test: a build that finds its bundle filed already hands out no damaged one; and who
 * looks at a bundle neither disturbs the others that do, nor waits for the one who removes it. */
#include "build/sound.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "mend.h"

static struct store *open_home(const struct place *place)
{
    struct store *store;
    const struct store_options options = {.cancel_fd = -1};
    assert_int_equal(store_open(place_path(place, "home"), &options, &store, NULL), 0);
    return store;
}

static void told(void **state)
{
    struct place *place = *state;
    built_write(place, "one.c", "int one(void) { return 1; }\n");
    const char *id = mend_build(place, "one.c");
    struct store *store = open_home(place);
    assert_true(bundle_is_sound(store, id));
    mend_damage_modes(place, id, "chmod 600 name");
    assert_false(bundle_is_sound(store, id));
    mend_damage(place, id, ":");
    assert_true(bundle_is_sound(store, id));
    assert_false(bundle_is_sound(store, "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    store_close(store);
}

static void built_anew(void **state)
{
    struct place *place = *state;
    static const char *const damages[] = {"rm plugin.so", "echo >>source/one.c; sums", "echo >x",
                                          "chmod 777 source", "rm SHA256SUMS"};
    built_write(place, "one.c", "int one(void) { return 1; }\n");
    const char *id = mend_build(place, "one.c");
    char *before = strdup(mend_snapshot(place, id));
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        mend_damage(place, id, damages[i]);
        if (strncmp(damages[i], "chmod", 5) == 0)
            mend_damage_modes(place, id, damages[i]);
        case_text(damages[i], mend_build(place, "one.c"), id);
        case_text(damages[i], mend_snapshot(place, id), before);
    }
    free(before);
}

static void locks(void **state)
{
    struct place *place = *state;
    char leaf[128];
    struct ml_error err = ML_ERROR_INIT;
    built_write(place, "one.c", "int one(void) { return 1; }\n");
    const char *id = mend_build(place, "one.c");
    struct store *store = open_home(place);
    snprintf(leaf, sizeof leaf, "home/bundles/%s", id);
    int other = open(place_path(place, leaf), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(other, LOCK_SH | LOCK_NB), 0);
    int dir = store_bundle_open(store, id, &err);
    assert_true(dir >= 0);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1); /* in use */
    close(dir);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(store_bundle_open(store, id, &err), -1);
    assert_int_equal(err.status, ML_BUSY);
    close(other);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(told),
        memory_place_test(built_anew),
        memory_place_test(locks),
    };
    UNIT_RUN("build/sound", tests);
}
