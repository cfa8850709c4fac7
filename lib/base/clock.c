/* Time and durations. Nothing here uses floating point: a duration that has to be rounded is
 * rounded up, so that a limit is never shorter than it was meant. */
#include "base/clock.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The coarse clock is as of the last tick, and clock_getres(2) says how far apart they are. */
int64_t clock_ms_late(void)
{
    static _Atomic int64_t tick_ms;
    struct timespec now;
    if (tick_ms == 0) {
        clock_getres(CLOCK_MONOTONIC_COARSE, &now);
        tick_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1;
    }
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + tick_ms;
}

/* poll(2) takes an int, 24 days at most: whoever waits longer wakes up early once, and asks
 * again. */
int clock_poll_timeout(int64_t deadline_ms)
{
    if (deadline_ms < 0)
        return -1;
    int64_t left = deadline_ms - clock_ms();
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* Not resumed after a signal: a pause between two tries may well be shorter. */
void clock_sleep_ms(int ms)
{
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

/* A number as it is written, whole part and fraction apart, so that "0.1" is not the double next to
 * it. */
struct decimal {
    int64_t whole, billionths; /* the fraction, rounded up */
};

/* Reads digits with at most one point; the end of them, or null when there are none or too many.
 * Digits behind the ninth only count as "more than nothing": they round up. */
static const char *decimal_parse(const char *text, struct decimal *d)
{
    const char *p = text;
    *d = (struct decimal){0, 0};
    for (; isdigit((unsigned char)*p); p++) {
        if (d->whole > INT64_MAX / 100)
            return NULL;
        d->whole = d->whole * 10 + (*p - '0');
    }
    if (p == text)
        return NULL;
    if (*p != '.' || !isdigit((unsigned char)p[1]))
        return p;
    int64_t unit = 100000000;
    bool more = false;
    for (p++; isdigit((unsigned char)*p); p++, unit /= 10) {
        d->billionths += unit * (*p - '0');
        more = more || (unit == 0 && *p != '0');
    }
    d->billionths += more;
    return p;
}

int64_t clock_parse_duration(const char *text)
{
    static const struct {
        const char *suffix;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    /* 10 years are enough for anybody, and leave 64 bits room for every sum that callers make of
     * it */
    const int64_t max_ms = 10LL * 366 * 24 * 3600 * 1000;
    struct decimal d;
    const char *suffix = decimal_parse(text, &d);
    for (size_t i = 0; suffix != NULL && i < sizeof units / sizeof *units; i++) {
        if (strcmp(suffix, units[i].suffix) != 0)
            continue;
        if (d.whole > max_ms / units[i].ms)
            return -1;
        int64_t ms = d.whole * units[i].ms + (d.billionths * units[i].ms + 999999999) / 1000000000;
        return ms > max_ms ? -1 : ms;
    }
    return -1;
}
