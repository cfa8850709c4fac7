#include "base/clock.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int clock_poll_timeout(int64_t deadline_ms)
{
    if (deadline_ms < 0)
        return -1;
    int64_t left = deadline_ms - clock_ms();
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

void clock_sleep_ms(int ms)
{
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

/* Reads digits with at most one point into thousandths; `*end` is what follows them. */
static int64_t thousandths(const char *text, const char **end)
{
    int64_t value = 0;
    const char *p = text;
    for (; isdigit((unsigned char)*p); p++) {
        if (value > INT64_MAX / 1000000)
            return -1;
        value = value * 10 + (*p - '0');
    }
    value *= 1000;
    if (p > text && *p == '.' && isdigit((unsigned char)p[1])) {
        int64_t unit = 100;
        for (p++; isdigit((unsigned char)*p); p++, unit /= 10)
            value += unit * (*p - '0');
    }
    *end = p;
    return p == text ? -1 : value;
}

int64_t clock_parse_duration(const char *text)
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}};
    const int64_t max_ms = 10LL * 366 * 24 * 3600 * 1000;
    const char *suffix;
    int64_t value = thousandths(text, &suffix);
    if (value < 0)
        return -1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(suffix, units[i].suffix) != 0)
            continue;
        if (value > max_ms / units[i].ms * 1000)
            return -1;
        return (value * units[i].ms + 999) / 1000;
    }
    return -1;
}
