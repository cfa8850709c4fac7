/* The table of the zoo: what each animal does, and what has to come of it. */
#ifndef ZOO_ROWS_H
#define ZOO_ROWS_H

#include <stdbool.h>
#include <stddef.h>

/* What `ps` counts, by its names there. */
enum counter { OKS, ERRORS, CRASHES, TIMEOUTS, CANCELLED, REJECTED, CALLS, N_COUNTERS };
extern const char *const counter_names[N_COUNTERS];

enum row_kind {
    ROW_EXEC, /* a call of a worker that is loaded, and that is to be as well as before */
    ROW_LIFE, /* load, call, release: the worker does not live to see another call */
    ROW_LOAD, /* a load that fails */
};

/* Where a call's output goes. */
enum row_sink {
    SINK_FILE,
    SINK_NULL,   /* nobody looks */
    SINK_FULL,   /* a pipe that nobody reads */
    SINK_CLOSED, /* a pipe whose reader has gone */
};

/* One row. Of a text that is null: nothing is there. In `call`, %K is the key, %M modload, %H and
 * %R the home and the run-time directory, %C and %L the sockets for control and for calls, %V a
 * directory to be plundered. */
struct row {
    const char *name;
    const char *plugin; /* tests/plugins/NAME.c */
    const char *call;   /* the function and its arguments; of ROW_LOAD nothing */
    const char *options;
    const char *input; /* "@zero": without end; "@pipe": never comes */
    enum row_sink sink;
    enum row_kind kind;

    int code;              /* the exit code */
    const char *error;     /* errors[0].code of the JSON answer; "one|other": either may be */
    const char *outcome;   /* errors[0].outcome */
    const char *data;      /* its data */
    const char *out, *err; /* what comes out without --json, besides modload's own words: all
                              of it, or behind a "*" its end. Without `out` it is the data and
                              a newline */
    enum counter counter;  /* which one counts the call, besides "calls"; of ROW_EXEC */
    unsigned inner;        /* calls that it makes itself: they are well */
    int end;               /* of ROW_LIFE: the exit code of the release */
};

extern const struct row rows[];
extern const size_t n_rows;

#endif
