/* Goal of this test: the doctor tells everything once and in order, stops when he is asked to, and
 * works without anything. What he finds wrong is in tests/cli/doctor.bats. */
#include "client/doctor.h"

#include <signal.h>

#include "fixture.h"

struct told {
    char names[1024]; /* with | behind each */
    int stop_at, n, bad_hints;
};

static int note(const struct ml_finding *finding, void *arg)
{
    struct told *told = arg;
    sprintf(told->names + strlen(told->names), "%s|", finding->name);
    assert_true(*finding->detail != '\0');
    told->bad_hints += (finding->health == ML_HEALTH_OK) != (*finding->hint == '\0');
    return ++told->n == told->stop_at ? 7 : 0;
}

static void in_order(void **state)
{
    struct place *place = *state;
    struct told told = {.stop_at = 0};
    int fds = count_fds();
    struct ml_ctx_options options = {.home = place_path(place, "home"),
                                     .runtime_dir = place_path(place, "run")};
    assert_int_equal(ml_doctor(&options, -1, note, &told, NULL), 0);
    assert_string_equal(
        told.names,
        "front|core|worker|fetch|compiler|builds|headers|registry|file system|space|runtime|"
        "sockets|kernel|system calls|landlock|seccomp|namespaces|/proc|limits|"
        "environment|user|");
    assert_int_equal(told.bad_hints, 0);
    assert_int_equal(access(place_path(place, "home"), F_OK), -1);
    assert_int_equal(access(place_path(place, "run"), F_OK), -1);
    assert_int_equal(count_fds(), fds);
}

static void stopped(void **state)
{
    struct told told = {.stop_at = 2};
    assert_int_equal(ml_doctor(NULL, -1, note, &told, NULL), 7);
    assert_string_equal(told.names, "front|core|");
}

static void cancelled(void **state)
{
    struct told told = {.stop_at = 0};
    struct ml_error err = ML_ERROR_INIT;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(ml_doctor(NULL, fds[0], note, &told, &err), -1);
    assert_int_equal(err.status, ML_SIGNAL + SIGINT);
    close(fds[0]);
    close(fds[1]);
}

static void without_anything(void **state)
{
    static const char *const names[] = {
        "HOME", "MODLOAD_HOME", "XDG_DATA_HOME",   "PATH",
        "CC",   "TMPDIR",       "XDG_RUNTIME_DIR", "MODLOAD_RUNTIME_DIR"};
    char *values[8];
    struct told told = {.stop_at = 0};
    for (size_t i = 0; i < 8; i++) {
        values[i] = getenv(names[i]) ? strdup(getenv(names[i])) : NULL;
        unsetenv(names[i]);
    }
    assert_int_equal(ml_doctor(NULL, -1, note, &told, NULL), 0);
    assert_non_null(strstr(told.names, "|registry|kernel|"));
    for (size_t i = 0; i < 8; i++) {
        if (values[i] != NULL)
            setenv(names[i], values[i], 1);
        free(values[i]);
    }
}

static void nearest(void **state)
{
    struct place *place = *state;
    static const char *const missing[] = {"none", "none/at/all", "."};
    for (size_t i = 0; i < 3; i++) {
        char *near = doctor_nearest(place_path(place, missing[i]));
        case_true(missing[i], strncmp(near, place->path, strlen(place->path)) == 0);
        case_int(missing[i], access(near, F_OK), 0);
        free(near);
    }
    char *near = doctor_nearest("/nowhere");
    assert_string_equal(near, "/");
    free(near);
}

static void file_systems(void **state)
{
    assert_string_equal(doctor_fs_find(0xef53)->name, "ext4");
    assert_true(doctor_fs_find(0xef53)->renames && doctor_fs_find(0xef53)->lasting);
    assert_false(doctor_fs_find(0x6969)->local);
    assert_false(doctor_fs_find(0x01021994)->lasting);
    assert_null(doctor_fs_find(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(in_order),        cmocka_unit_test(stopped),
        cmocka_unit_test(cancelled), cmocka_unit_test(without_anything),
        place_test(nearest),         cmocka_unit_test(file_systems),
    };
    UNIT_RUN("client/doctor", tests);
}
