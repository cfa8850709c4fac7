/* TAP, and counts in shared memory. */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static struct {
    int n, failed;
    int64_t since_ms;
    struct buf figures;
} tap;

void give_up(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fflush(stdout);
    fprintf(stderr, "%s: the harness cannot go on: ", program_invocation_short_name);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(70);
}

struct result *results_new(size_t n)
{
    void *p = mmap(NULL, (n + 1) * sizeof(struct result), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        give_up("cannot share memory: %s", strerror(errno));
    return p;
}

void result_add(struct result *result, int which, unsigned n)
{
    __atomic_add_fetch(&result->count[which], n, __ATOMIC_RELAXED);
}

void results_free(struct result *results, size_t n)
{
    munmap(results, (n + 1) * sizeof *results);
}

struct sum results_sum(const struct result *results, size_t n)
{
    struct sum sum = {.violations = 0};
    for (size_t i = 0; i < n; i++) {
        for (int c = 0; c < N_COUNTS; c++)
            sum.count[c] += results[i].count[c];
        sum.violations += results[i].violations;
    }
    return sum;
}

void result_count(struct result *result, int which)
{
    result_add(result, which, 1);
}

void result_most(struct result *result, int which, unsigned n)
{
    unsigned now = __atomic_load_n(&result->count[which], __ATOMIC_RELAXED);
    while (now < n && !__atomic_compare_exchange_n(&result->count[which], &now, n, true,
                                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

void result_violation(struct result *result, const char *fmt, ...)
{
    unsigned n = __atomic_fetch_add(&result->violations, 1, __ATOMIC_RELAXED);
    if (n >= VIOLATIONS_KEPT)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(result->violation[n], VIOLATION_SIZE, fmt, ap);
    va_end(ap);
}

bool result_is_full(const struct result *result)
{
    return __atomic_load_n(&result->violations, __ATOMIC_RELAXED) >= VIOLATIONS_KEPT;
}

static void print_lines(const char *text)
{
    for (const char *line = text; *line != '\0';) {
        int n = (int)strcspn(line, "\n");
        printf("#   %.*s\n", n, line);
        line += n + (line[n] == '\n');
    }
}

void tap_result(const struct result *result, const char *fmt, ...)
{
    va_list ap;
    bool bad = result->violations > 0;
    printf("%sok %d - ", bad ? "not " : "", ++tap.n);
    tap.failed += bad;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    for (unsigned i = 0; i < result->violations && i < VIOLATIONS_KEPT; i++)
        print_lines(result->violation[i]);
    if (result->violations > VIOLATIONS_KEPT)
        printf("#   and %u more\n", result->violations - VIOLATIONS_KEPT);
    fflush(stdout);
}

void tap_skip(const char *fmt, ...)
{
    va_list ap;
    printf("ok %d - ", ++tap.n);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void tap_say(const char *fmt, ...)
{
    va_list ap;
    fputs("# ", stdout);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

/* ---- the table at the end ---- */

void figures_begin(void)
{
    tap.since_ms = clock_ms();
}

void figures_add(const char *mode, size_t cases, struct sum sum, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_fmt(&tap.figures, "#= %-8s %5zu %7u %7u %7u %6u %6lld  %s\n", mode, cases,
            sum.count[COUNT_POINTS], sum.count[COUNT_TRIED], sum.count[COUNT_LOOKED_AT],
            sum.violations, (long long)(clock_ms() - tap.since_ms + 500) / 1000, text);
}

int tap_end(void)
{
    if (tap.figures.len > 0)
        printf("#= %-8s %5s %7s %7s %7s %6s %6s  %s\n%s", "mode", "cases", "points", "tried",
               "checked", "wrong", "s", "came to", buf_text(&tap.figures));
    buf_free(&tap.figures);
    printf("1..%d\n", tap.n);
    fflush(stdout);
    return tap.failed > 0;
}
