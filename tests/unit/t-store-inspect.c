/* Goal of this test: a registry is looked at from outside in whatever state it is, and is the same
 * afterwards. */
#include "registry_store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "registry.h"

static struct store_inspection look(const struct place *place)
{
    struct store_inspection r;
    assert_int_equal(store_inspect(registry_path(place), &r), 0);
    return r;
}

static void shell(const struct place *place, const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd '%s' && { %s; }", place->path, command);
    assert_int_equal(system(line), 0);
}

static void none(void **state)
{
    struct place *place = *state;
    struct store_inspection r = look(place);
    assert_false(r.there);
    assert_true(r.fs_type != 0 && r.size_bytes > 0 && r.free_bytes > 0);
    assert_int_equal(access(registry_path(place), F_OK), -1);
    assert_int_equal(store_inspect(place_path(place, "home/deep/er"), &r), 0);
    assert_false(r.there);
    assert_true(r.size_bytes > 0);
    shell(place, "echo >home");
    assert_int_equal(store_inspect(registry_path(place), &r), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void format(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *text;
        int format;
    } cases[] = {
        {"modload registry 1\n", 1},
        {"modload registry 99\n", 99},
        {"modload registry -3\n", 0},
        {"hello\n", 0},
        {"", 0},
        {"modload registry", 0},
    };
    shell(place, "mkdir home");
    struct store_inspection r = look(place);
    assert_true(r.there && r.readable && r.writable);
    assert_int_equal(r.format, -1);
    assert_int_equal(r.uid, geteuid());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[128];
        snprintf(command, sizeof command, "printf '%s' >home/FORMAT; chmod 75%zu home",
                 cases[i].text, i);
        shell(place, command);
        r = look(place);
        case_int(cases[i].text, r.format, cases[i].format);
        case_int(cases[i].text, r.mode, 0750 + i);
    }
    shell(place, "rm home/FORMAT; mkdir home/FORMAT");
    assert_int_equal(look(place).format, 0);
}

static void of_ours(void **state)
{
    struct place *place = *state;
    struct store *store = registry_open(place);
    int fds = count_fds();
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_bundle(store, registry_id('b'), "b@1.0.0");
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(registry_change(store, registry_uuid(i), registry_id('a'), NULL), 1);
    struct store_inspection r = look(place);
    assert_int_equal(r.format, r.format_known);
    assert_int_equal(r.entries, 20);
    assert_int_equal(r.bundles, 2);
    assert_false(r.many || r.many_bundles || r.lock_held || r.unfinished || r.read_only);
    assert_int_equal(r.litter, 0);
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

/* A million are not counted one by one: of 256 shards with 100 each some are looked at. */
static void many(void **state)
{
    struct place *place = *state;
    store_close(registry_open(place));
    for (int shard = 0; shard < 256; shard++) {
        char path[64];
        snprintf(path, sizeof path, "home/entries/%02x", shard);
        mkdirat(place->fd, path, 0700);
        for (int i = 0; i < 100; i++) {
            snprintf(path, sizeof path, "home/entries/%02x/%d", shard, i);
            assert_int_equal(symlinkat("x", place->fd, path), 0);
        }
    }
    struct store_inspection r = look(place);
    assert_true(r.many);
    assert_int_equal(r.entries, 25600);
}

static int hold(void *arg)
{
    struct store *store = arg;
    struct store_stage stage;
    CHILD_CHECK(store_stage_open(store, &stage, NULL) == 0);
    raise(SIGSTOP); /* the parent looks while it is */
    return 0;
}

static void litter(void **state)
{
    struct place *place = *state;
    struct store *store = registry_open(place);
    int status;
    pid_t pid = child_begin(hold, store);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    shell(place, "mkdir home/tmp/dead; echo >home/tmp/file; ln -s / home/tmp/link");
    assert_int_equal(look(place).litter, 3);
    kill(pid, SIGKILL);
    child_finish(pid);
    assert_int_equal(look(place).litter, 4);
    shell(place, "mkdir home/journal; echo >home/journal/apply");
    assert_true(look(place).unfinished);
    store_close(store);
}

static void lock(void **state)
{
    struct place *place = *state;
    store_close(registry_open(place));
    int fd = open(place_path(place, "home/locks/write"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_true(pwrite(fd, "pid 7 since then\nmore", 21, 0) == 21);
    shell(place, "echo >home/tmp/file");
    struct store_inspection r = look(place);
    assert_true(r.lock_held);
    assert_int_equal(r.lock_pid, getpid());
    assert_string_equal(r.lock_text, "pid 7 since then");
    assert_int_equal(r.litter, 0); /* it may be the writer's */
    flock(fd, LOCK_UN);
    r = look(place);
    assert_false(r.lock_held);
    assert_int_equal(r.litter, 1);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* nobody kept one */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(none), memory_place_test(format), memory_place_test(of_ours),
        memory_place_test(many), memory_place_test(litter), memory_place_test(lock),
    };
    UNIT_RUN("store/inspect", tests);
}
