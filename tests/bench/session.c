/* session UUID CALLS: calls add(2, 3) of a loaded entry in one session, first one by one, then with
 * many under way. Prints: median and 99th percentile of one call in ns, pipelined calls per s, and,
 * to compare, how many ns two processes need to pass a word in shared memory there and back. */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "modload/modload.h"

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void must(int status, const struct ml_error *err)
{
    if (status >= 0)
        return;
    fprintf(stderr, "session: %s\n", err->message);
    exit(70);
}

static void check(const struct ml_value *value)
{
    if (value->type != ML_VALUE_DOUBLE || value->real != 5) {
        fprintf(stderr, "session: 2 + 3 is not 5\n");
        exit(70);
    }
}

static const char *const args[] = {"2", "3"};
static const struct ml_call call = {
    .function = "add", .args = args, .n_args = 2, .timeout_ms = 5000};

/* How long each took. */
static void one_by_one(struct ml_session *s, int n, int32_t *took)
{
    struct ml_error err = ML_ERROR_INIT;
    struct ml_value value = {0};
    for (int i = 0; i < n; i++) {
        int64_t start = now_ns();
        must(ml_session_call(s, &call, &value, &err), &err);
        took[i] = (int32_t)(now_ns() - start);
        check(&value);
    }
}

/* As many under way as there is room for, half of it received whenever it is full. */
static double pipelined(struct ml_session *s, int n)
{
    enum { DEPTH = 1024 };
    struct ml_error err = ML_ERROR_INIT;
    struct ml_value value = {0};
    int sent = 0, received = 0;
    int64_t start = now_ns();
    while (received < n) {
        while (sent < n && sent - received < DEPTH) {
            must(ml_session_send(s, &call, &err), &err);
            sent++;
        }
        for (int i = 0; i < DEPTH / 2 && received < sent; i++, received++) {
            must(ml_session_receive(s, &value, &err), &err);
            check(&value);
        }
    }
    return n / ((double)(now_ns() - start) / 1e9);
}

/* What no session can be faster than on this machine: the other process answers each number with
 * itself. */
static double word_and_back(int n)
{
    struct {
        _Alignas(64) _Atomic int there;
        _Alignas(64) _Atomic int back;
    } *word = mmap(NULL, sizeof *word, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = word == MAP_FAILED ? -1 : fork();
    if (pid < 0)
        exit(70);
    for (int i = 1; pid == 0 && i <= n; i++) {
        while (atomic_load_explicit(&word->there, memory_order_acquire) != i)
            continue;
        atomic_store_explicit(&word->back, i, memory_order_release);
    }
    if (pid == 0)
        _exit(0);
    int64_t start = now_ns();
    for (int i = 1; i <= n; i++) {
        atomic_store_explicit(&word->there, i, memory_order_release);
        while (atomic_load_explicit(&word->back, memory_order_acquire) != i)
            continue;
    }
    double took = (double)(now_ns() - start) / n;
    waitpid(pid, NULL, 0);
    return took;
}

int main(int argc, char **argv)
{
    const struct ml_session_options options = {.stdio = {0, 1, 2}, .cancel_fd = -1};
    struct ml_error err = ML_ERROR_INIT;
    struct ml_ctx *ctx;
    struct ml_key key;
    struct ml_session *s;
    int n = argc == 3 ? atoi(argv[2]) : 0;
    int32_t *took = calloc((size_t)n + 1, sizeof *took);
    if (n <= 0 || took == NULL)
        return 64;
    must(ml_ctx_new(NULL, &ctx, &err), &err);
    must(ml_resolve(ctx, argv[1], &key, &err), &err);
    must(ml_session_open(ctx, &key, &options, &s, &err), &err);
    one_by_one(s, n / 10 + 1, took); /* warm */
    one_by_one(s, n, took);
    qsort(took, (size_t)n, sizeof *took, compare);
    double back = word_and_back(n / 10 + 1);
    printf("%d %d %.0f %.0f\n", took[n / 2], took[n - n / 100 - 1], pipelined(s, n), back);
    ml_session_close(s);
    ml_ctx_free(ctx);
    free(took);
    return 0;
}
