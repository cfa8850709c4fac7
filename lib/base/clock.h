/* Time on CLOCK_MONOTONIC (POSIX.1-2017): never set back, not moved by the wall clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since an arbitrary point. Async-signal-safe. */
int64_t clock_ms(void);

/* The same in a third of the time, and up to a tick of the kernel and 1 ms (5 ms at 250 Hz) later
 * than it is: for the beginning of a time limit. Never earlier, unless the kernel has lost ticks.
 * Any thread; async-signal-safe. */
int64_t clock_ms_late(void);

/* How long poll() may wait until `deadline_ms`: 0 when it is past, -1 (for ever) when it is
 * negative. */
int clock_poll_timeout(int64_t deadline_ms);

/* Waits. For back-off between two tries only, never to wait for an event that could be polled. */
void clock_sleep_ms(int ms);

/* Reads a duration: a number with ms, s, m, h or d behind it, or 0; a bare number is seconds.
 * Fractions are fine ("1.5s"). Milliseconds, or -1 when it is none or over 10 years. Rounds up:
 * never 0 for > 0. */
int64_t clock_parse_duration(const char *text);

#endif
