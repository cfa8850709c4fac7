/* Goal of this test: builds run beside each other, each for itself; what they have built stays
 * until it can be registered, whatever gc does meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "built.h"
#include "registry.h"

enum { JOBS = 8 };

struct pool {
    struct ml_ctx *ctx;
    struct ml_build_job job[JOBS];
    char path[JOBS][512];
    const char *source[JOBS];
};

static void pool_open(const struct place *place, struct pool *pool)
{
    struct ml_ctx_options options = {.home = place_path(place, "home"),
                                     .runtime_dir = place_path(place, "run"),
                                     .wait_ms = 20000};
    memset(pool, 0, sizeof *pool);
    assert_int_equal(ml_ctx_new(&options, &pool->ctx, NULL), 0);
}

static void pool_close(struct pool *pool)
{
    for (int i = 0; i < JOBS; i++)
        ml_bundle_info_free(pool->job[i].info);
    ml_ctx_free(pool->ctx);
}
#define POOL_AUTO __attribute__((cleanup(pool_close))) struct pool

static void job_of(const struct place *place, struct pool *pool, int i, const char *path)
{
    snprintf(pool->path[i], sizeof pool->path[i], "%s", place_path(place, path));
    pool->source[i] = pool->path[i];
    pool->job[i].request = built_request();
    pool->job[i].request.sources = &pool->source[i];
    pool->job[i].request.n_sources = 1;
}

/* A file whose function returns `n`. */
static void source(const struct place *place, const char *path, int n)
{
    char text[64];
    snprintf(text, sizeof text, "int number(void) { return %d; }\n", n);
    built_write(place, path, text);
}

/* A compiler of our own, around the real one, that may write beside itself. */
static void compiler(const struct place *place, const char *text)
{
    built_write(place, "cc", text);
    assert_int_equal(chmod(place_path(place, "cc"), 0700), 0);
    assert_int_equal(setenv("CC", place_path(place, "cc"), 1), 0);
    assert_int_equal(setenv("MODLOAD_BUILD_DIRS", place->path, 1), 0);
}

static int teardown(void **state)
{
    unsetenv("CC");
    unsetenv("MODLOAD_BUILD_DIRS");
    return place_teardown(state);
}
#define pool_test(f) cmocka_unit_test_setup_teardown(f, place_setup, teardown)

/* ---- beside each other ---- */

/* Each of two compilers waits for the other one: one after the other they would wait for ever. */
static void test_two_at_once(void **state)
{
    struct place *place = *state;
    POOL_AUTO pool;
    pool_open(place, &pool);
    compiler(place, "#!/bin/sh\nfifo=$(dirname \"$0\")/fifo\n"
                    "case \"$*\" in\n*-MF*left.c) cat \"$fifo\" ;;\n"
                    "*-MF*right.c) echo >\"$fifo\" ;;\nesac\nexec cc \"$@\"\n");
    assert_int_equal(mkfifoat(place->fd, "fifo", 0600), 0);
    source(place, "left.c", 1);
    source(place, "right.c", 2);
    job_of(place, &pool, 0, "left.c");
    job_of(place, &pool, 1, "right.c");
    pool.job[0].request.timeout_ms = pool.job[1].request.timeout_ms = 20000;
    assert_int_equal(ml_build_all(pool.ctx, pool.job, 2, 2, NULL), 0);
    assert_string_not_equal(pool.job[0].info->bundle, pool.job[1].info->bundle);
}

/* No more of them than was said. */
static void test_one_at_once(void **state)
{
    struct place *place = *state;
    POOL_AUTO pool;
    pool_open(place, &pool);
    compiler(place, "#!/bin/sh\nlog=$(dirname \"$0\")/log\ncase \"$*\" in\n*-MF*)\n"
                    "echo + >>\"$log\"\ncc \"$@\"\nstatus=$?\necho - >>\"$log\"\nexit $status ;;\n"
                    "esac\nexec cc \"$@\"\n");
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d.c", i);
        source(place, name, i);
        job_of(place, &pool, i, name);
    }
    assert_int_equal(ml_build_all(pool.ctx, pool.job, 4, 1, NULL), 0);
    assert_string_equal(built_read(place_path(place, "log")), "+\n-\n+\n-\n+\n-\n+\n-\n");
}

/* ---- each for itself ---- */

static void test_some_fail(void **state)
{
    struct place *place = *state;
    POOL_AUTO pool;
    pool_open(place, &pool);
    source(place, "good.c", 1);
    source(place, "other.c", 2);
    built_write(place, "bad.c", "int f(void) { return x; }\n");
    static const struct {
        const char *path;
        int status;
        const char *says;
    } jobs[] = {
        {"bad.c", ML_DATA, "bad.c"}, {"good.c", 0, ""}, {"missing.c", ML_NO_INPUT, "missing.c"},
        {"other.c", 0, ""},          {"good.c", 0, ""}, {"bad.c", ML_DATA, "bad.c"},
    };
    for (int i = 0; i < 6; i++)
        job_of(place, &pool, i, jobs[i].path);
    assert_int_equal(ml_build_all(pool.ctx, pool.job, 6, 3, NULL), 3);
    for (int i = 0; i < 6; i++) {
        case_int(jobs[i].path, pool.job[i].err.status, jobs[i].status);
        case_int(jobs[i].path, pool.job[i].info != NULL, jobs[i].status == 0);
        case_true(jobs[i].path, strstr(pool.job[i].err.message, jobs[i].says) != NULL);
    }
    assert_string_equal(pool.job[1].info->bundle, pool.job[4].info->bundle);
    assert_string_not_equal(pool.job[1].info->bundle, pool.job[3].info->bundle);
    assert_int_equal(built_count(place, "home/tmp"), 0);
}

static void test_called_off(void **state)
{
    struct place *place = *state;
    POOL_AUTO pool;
    int cancel[2];
    pool_open(place, &pool);
    source(place, "s.c", 1);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    for (int i = 0; i < 3; i++) {
        job_of(place, &pool, i, "s.c");
        pool.job[i].request.cancel_fd = cancel[0];
    }
    assert_int_equal(ml_build_all(pool.ctx, pool.job, 3, 2, NULL), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pool.job[i].err.status, 130);
    close(cancel[0]);
    close(cancel[1]);
}

static void test_none(void **state)
{
    struct place *place = *state;
    POOL_AUTO pool;
    pool_open(place, &pool);
    assert_int_equal(ml_build_all(pool.ctx, NULL, 0, 4, NULL), 0);
    assert_int_equal(access(place_path(place, "home"), F_OK), -1);
}

/* ---- what was built stays ---- */

static size_t collect(const struct place *place)
{
    struct store_gc_result result;
    const struct store_gc policy = {.keep_last = 1, .older_than_s = -1};
    struct store *store = registry_open(place);
    assert_int_equal(store_gc(store, &policy, &result, NULL), 0);
    store_close(store);
    return result.bundles;
}

/* Also what had been built before, and by a context that is gone; also twice. */
static void test_held(void **state)
{
    struct place *place = *state;
    struct pool before, pool;
    int fds = count_fds();
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d.c", i);
        source(place, name, i);
    }
    pool_open(place, &before);
    job_of(place, &before, 0, "s0.c");
    assert_int_equal(ml_build_all(before.ctx, before.job, 1, 0, NULL), 0);
    pool_open(place, &pool);
    for (int i = 0; i < 4; i++)
        job_of(place, &pool, i, i == 1 ? "s1.c" : i == 2 ? "s2.c" : "s0.c");
    assert_int_equal(ml_build_all(pool.ctx, pool.job, 4, 2, NULL), 0);
    pool_close(&before);
    assert_int_equal(collect(place), 0);
    assert_int_equal(built_count(place, "home/bundles") > 0, 1);
    struct ml_key key;
    ml_key_generate(&key);
    assert_int_equal(ml_register(pool.ctx, &key, pool.job[0].info->bundle, NULL, NULL, NULL, NULL),
                     0);
    pool_close(&pool);
    assert_int_equal(collect(place), 2); /* s1 and s2: nobody wanted them in the end */
    assert_int_equal(count_fds(), fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        pool_test(test_two_at_once), pool_test(test_one_at_once), pool_test(test_some_fail),
        pool_test(test_called_off),  pool_test(test_none),        pool_test(test_held),
    };
    UNIT_RUN("build-pool", tests);
}
