/* Goal of this test: one writer at a time; who waits in vain is told for whom; what a dead writer
 * left does not outlive the next one. */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "registry_store/internal.h"

/* ---- somebody who has the lock ---- */

struct holder {
    const struct place *place;
    const char *command;
    bool stops; /* when it has the lock */
    int ready[2], go[2];
};

static int hold_write_lock(void *arg)
{
    const struct holder *h = arg;
    struct store *store;
    char c;
    close(h->go[1]);
    const struct store_options options = {.cancel_fd = -1, .command = h->command};
    CHILD_CHECK(store_open(registry_path(h->place), &options, &store, NULL) == 0);
    CHILD_CHECK(store_write_lock(store, NULL) >= 0);
    CHILD_CHECK(write(h->ready[1], "x", 1) == 1);
    if (h->stops)
        raise(SIGSTOP);
    CHILD_CHECK(read(h->go[0], &c, 1) == 0);
    return 0;
}

static pid_t holder_begin(struct holder *h)
{
    char c;
    assert_int_equal(pipe2(h->ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(h->go, O_CLOEXEC), 0);
    pid_t pid = child_begin(hold_write_lock, h);
    assert_int_equal(read(h->ready[0], &c, 1), 1);
    return pid;
}

static void holder_end(struct holder *h, pid_t pid)
{
    close(h->go[1]);
    int status = child_finish(pid);
    assert_true(status == 0 || status == 128 + SIGKILL);
    close(h->go[0]);
    close(h->ready[0]);
    close(h->ready[1]);
}

static struct store *open_hasty(const struct place *place, int64_t wait_ms)
{
    struct store *store;
    assert_int_equal(registry_try(registry_path(place), true, wait_ms, &store, NULL), 0);
    return store;
}

static void test_busy(void **state)
{
    static const struct {
        const char *name, *command, *says;
    } cases[] = {
        {"no name", NULL, ", 'modload', since 2"},
        {"a name", "modload register", ", 'modload register', since 2"},
        {"a long name",
         "modload "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaa",
         ", 'modload "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', since 2"},
    };
    struct store *store = registry_open(*state);
    char bundle[STORE_BUNDLE_SIZE], says[128];
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    registry_change(store, registry_uuid(1), registry_id('a'), NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct holder h = {.place = *state, .command = cases[i].command};
        pid_t pid = holder_begin(&h);
        for (int64_t wait = 0; wait <= 20; wait += 20) {
            struct store *hasty = open_hasty(*state, wait);
            struct ml_error err = ML_ERROR_INIT;
            struct store_change change = {.uuid = registry_uuid(1), .op = STORE_UNREGISTER};
            size_t failed = 77;
            case_int(cases[i].name, store_change(hasty, &change, 1, &failed, &err), -1);
            case_int(cases[i].name, err.status, ML_BUSY);
            case_int(cases[i].name, failed, 1); /* none in particular */
            snprintf(says, sizeof says, "(pid %d, '", pid);
            case_true(cases[i].name, strstr(err.message, says) != NULL);
            case_true(cases[i].name, strstr(err.message, cases[i].says) != NULL);
            case_true(cases[i].name, strstr(err.message, "stopped") == NULL);
            case_true(cases[i].name, strstr(err.hint, "--wait") != NULL);
            /* Readers do not care. */
            case_int(cases[i].name, store_lookup(hasty, registry_uuid(1), bundle, NULL), 0);
            store_close(hasty);
        }
        holder_end(&h, pid);
    }
    assert_int_equal(registry_change(store, registry_uuid(1), NULL, NULL), 1);
    store_close(store);
}

/* Waiting longer would not help: it is said what does. */
static void test_stopped_holder(void **state)
{
    struct holder h = {.place = *state, .stops = true};
    char hint[32];
    int status;
    store_close(registry_open(*state));
    pid_t pid = holder_begin(&h);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    struct store *hasty = open_hasty(*state, 0);
    struct ml_error err = ML_ERROR_INIT;
    assert_int_equal(store_write_lock(hasty, &err), -1);
    assert_int_equal(err.status, ML_BUSY);
    assert_non_null(strstr(err.message, ", stopped)"));
    snprintf(hint, sizeof hint, "kill -CONT %d", pid);
    assert_non_null(strstr(err.hint, hint));
    store_close(hasty);
    kill(pid, SIGCONT);
    holder_end(&h, pid);
}

/* The lock of a dead one is free at once; what the file says of him is nobody's business. */
static void test_killed_holder(void **state)
{
    struct holder h = {.place = *state};
    store_close(registry_open(*state));
    pid_t pid = holder_begin(&h);
    struct store *hasty = open_hasty(*state, 0);
    assert_int_equal(store_write_lock(hasty, NULL), -1);
    kill(pid, SIGKILL);
    holder_end(&h, pid);
    int lock = store_write_lock(hasty, NULL);
    assert_true(lock >= 0);
    assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
    close(lock);
    store_close(hasty);
}

/* What the file of the lock says is for the message only, whatever it says. */
static void test_unsigned(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "(unknown)"},
        {"pid", "(pid)"},
        {"pid -1, 'x', since 2\n", "(pid -1, 'x', since 2)"},
        {"pid 99999999999999999999\nmore", "(pid 99999999999999999999)"},
        {"\n", "()"},
    };
    const struct place *place = *state;
    store_close(registry_open(place));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store *hasty = open_hasty(place, 0);
        struct ml_error err = ML_ERROR_INIT;
        int fd = openat(place->fd, "home/locks/write", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(fs_lock(fd, 0, -1), 0);
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_true(pwrite(fd, cases[i].text, strlen(cases[i].text), 0) >= 0);
        case_int(cases[i].text, store_write_lock(hasty, &err), -1);
        case_int(cases[i].text, err.status, ML_BUSY);
        case_true(cases[i].text, strstr(err.message, cases[i].says) != NULL);
        close(fd);
        store_close(hasty);
    }
}

/* ---- waiting ---- */

/* A wait of more milliseconds than an int holds is a long one. */
static int change_patiently(void *arg)
{
    struct store *store;
    CHILD_CHECK(registry_try(registry_path(arg), true, (int64_t)1 << 32, &store, NULL) == 0);
    CHILD_CHECK(registry_change(store, registry_uuid(1), registry_id('a'), NULL) == 1);
    return 0;
}

static void test_long_wait(void **state)
{
    struct holder h = {.place = *state};
    struct store *store = registry_open(*state);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    store_close(store);
    pid_t holder = holder_begin(&h), waiter = fork();
    assert_true(waiter >= 0);
    if (waiter == 0) {
        close(h.go[1]);
        _exit(change_patiently(*state));
    }
    /* It has no event to tell that it is waiting; that it has not given up by now is enough. */
    siginfo_t info = {.si_pid = 0};
    int pidfd = (int)syscall(SYS_pidfd_open, waiter, 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60), 0);
    assert_int_equal(waitid(P_PID, (id_t)waiter, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    close(pidfd);
    holder_end(&h, holder);
    assert_int_equal(child_finish(waiter), 0);
}

/* Who waits can be called off: by the descriptor that the registry was opened with, and by one
 * that was named later. */
static void test_cancelled(void **state)
{
    struct holder h = {.place = *state};
    int cancel[2];
    store_close(registry_open(*state));
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    pid_t pid = holder_begin(&h);
    for (int later = 0; later < 2; later++) {
        struct store *store;
        struct ml_error err = ML_ERROR_INIT;
        const struct store_options options = {.wait_ms = 3600000,
                                              .cancel_fd = later ? -1 : cancel[0]};
        assert_int_equal(store_open(registry_path(*state), &options, &store, NULL), 0);
        if (later)
            store_cancel_on(store, cancel[0]);
        assert_int_equal(store_write_lock(store, &err), -1);
        assert_int_equal(err.status, ML_SIGNAL + SIGINT);
        assert_string_equal(err.code, "cancelled");
        store_close(store);
    }
    holder_end(&h, pid);
    close(cancel[0]);
    close(cancel[1]);
}

/* ---- the lock's file, and litter ---- */

static void test_no_lock(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct ml_error err = ML_ERROR_INIT;
    int fds = count_fds();
    assert_int_equal(fs_write_new(place->fd, "elsewhere", "x", 1, 0600), 0);
    unlinkat(place->fd, "home/locks/write", 0);
    assert_int_equal(symlinkat("../../elsewhere", place->fd, "home/locks/write"), 0);
    assert_int_equal(store_write_lock(store, &err), -1); /* no link is followed */
    assert_int_equal(err.status, ML_CANT_CREATE);
    assert_non_null(strstr(err.message, "locks/write"));
    BUF_AUTO text = BUF_INIT;
    assert_int_equal(fs_read_file(place->fd, "elsewhere", &text, 100), 0);
    assert_string_equal(buf_text(&text), "x");
    assert_int_equal(count_fds(), fds);
    store_close(store);
}

/* Files in tmp/ are swept by the next writer, who holds the lock that their makers must have. */
static void test_sweep_files(void **state)
{
    const struct place *place = *state;
    struct store *store = registry_open(place);
    struct store_stage stage;
    char path[64];
    assert_int_equal(store_stage_open(store, &stage, NULL), 0);
    assert_int_equal(fs_write_new(stage.fd, "mine", "x", 1, 0600), 0);
    registry_bundle(store, registry_id('a'), "a@1.0.0");
    fs_write_new(place->fd, "home/tmp/fedcba9876543210", "half", 4, 0600);
    assert_int_equal(symlinkat("x", place->fd, "home/tmp/fedcba9876543211"), 0);
    store_close(registry_open(place)); /* no writer yet */
    assert_int_equal(faccessat(place->fd, "home/tmp/fedcba9876543210", F_OK, 0), 0);
    assert_int_equal(registry_change(store, registry_uuid(1), registry_id('a'), NULL), 1);
    assert_int_equal(faccessat(place->fd, "home/tmp/fedcba9876543210", F_OK, 0), -1);
    struct stat st;
    assert_int_equal(fstatat(place->fd, "home/tmp/fedcba9876543211", &st, AT_SYMLINK_NOFOLLOW), -1);
    snprintf(path, sizeof path, "home/tmp/%s/mine", stage.name);
    assert_int_equal(faccessat(place->fd, path, F_OK, 0), 0);
    store_stage_drop(&stage);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_busy),     place_test(test_stopped_holder), place_test(test_killed_holder),
        place_test(test_unsigned), place_test(test_long_wait),      place_test(test_cancelled),
        place_test(test_no_lock),  place_test(test_sweep_files),
    };
    UNIT_RUN("store-lock", tests);
}
