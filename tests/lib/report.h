/* What the harnesses have to say: TAP on stdout, one test per case, and counts that many processes
 * add to. */
#ifndef LIB_REPORT_H
#define LIB_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* The harness itself cannot go on: exit 70, which no test of modload means. */
__attribute__((format(printf, 1, 2))) _Noreturn void give_up(const char *fmt, ...);

enum { N_COUNTS = 12, VIOLATION_SIZE = 2000, VIOLATIONS_KEPT = 8 };

/* What is counted of every mode; from COUNT_OWN on each has its own. A point that was tried is
 * looked at as a whole, or has left a home that is known: see known.h. */
enum { COUNT_POINTS, COUNT_TRIED, COUNT_LOOKED_AT, COUNT_OWN };

/* What is known of one case, in memory that all processes share. */
struct result {
    unsigned count[N_COUNTS];
    unsigned violations;
    char violation[VIOLATIONS_KEPT][VIOLATION_SIZE]; /* the first ones */
};

struct result *results_new(size_t n);
void results_free(struct result *results, size_t n);
void result_count(struct result *result, int which);
void result_add(struct result *result, int which, unsigned n);
void result_most(struct result *result, int which, unsigned n); /* the largest one counts */

/* All counts, and violations, of several. */
struct sum {
    unsigned count[N_COUNTS];
    unsigned violations;
};
struct sum results_sum(const struct result *results, size_t n);

/* Notes a broken promise. It is enough for a case to have a few. */
__attribute__((format(printf, 2, 3))) void result_violation(struct result *result, const char *fmt,
                                                            ...);
bool result_is_full(const struct result *result);

/* Prints one test: its counts behind its title, and the violations under it. */
__attribute__((format(printf, 2, 3))) void tap_result(const struct result *result, const char *fmt,
                                                      ...);
__attribute__((format(printf, 1, 2))) void tap_skip(const char *fmt, ...);

/* A line that is no test. */
__attribute__((format(printf, 1, 2))) void tap_say(const char *fmt, ...);

/* Adds a line to the table of figures: what a mode came to since figures_begin(). */
void figures_begin(void);
__attribute__((format(printf, 4, 5))) void figures_add(const char *mode, size_t cases,
                                                       struct sum sum, const char *fmt, ...);

/* Prints the table, and ends the TAP; the exit status. */
int tap_end(void);

#endif
