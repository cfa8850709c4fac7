/* What the files of the worker's loop share: worker.c has the supervisors, the loop and its end,
 * control.c the questions, replace.c the change from one worker to the next. One thread, so
 * nothing here is locked. */
#ifndef WORKER_STATE_H
#define WORKER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/log.h"
#include "worker/supervisor.h"
#include "worker/worker.h"

enum {
    CONNS = 32,      /* questions at once; the oldest gives way */
    LEAVE_MS = 2000, /* what supervisors have to end their calls and say so */
    NAMES = 3,       /* RUN_LOCK, RUN_CONTROL, RUN_CALL */
};

/* What the worker knows of a supervisor, where no plugin can write. */
struct post {
    uint64_t number; /* what people call its call by: from 1 on, and never again another's */
    int64_t told_ms; /* when it was first told that its call is cancelled (clock_ms); 0: never */
    uint16_t slot;   /* of `slots` */
};

struct worker {
    const struct worker_setup *setup;
    struct worker_counters *counters;
    int64_t started;
    int lock, control, call;
    int taken[2]; /* calls write a byte when they take a client */
    /* A socket pair. All supervisors hold [0], also those of a worker before us that has calls
     * left, and that worker itself; we alone hold [1]. So they know when we are gone, and we when
     * all of them are. */
    int lifeline[2];
    struct sigaction child_action; /* the plugin's for SIGCHLD */
    int signals;                   /* signalfd: SIGCHLD, SIGTERM */
    pid_t spare;                   /* the supervisor whose call waits for a client; 0: none */
    int64_t due;       /* when to make one at the latest; -1: there is one, or none is wanted */
    int64_t used;      /* when the last call ended, or somebody said that he is about to call */
    bool rests;        /* somebody is about to release us: no spare before `due`, or a client */
    bool scarce;       /* making one has just failed, or it died unused: not before `due`, then */
    pid_t *supervisor; /* all there are, and what is known of each */
    struct post *post;
    size_t n_supervisors, cap_supervisors;
    uint64_t last_number;
    void *slots;
    bool slot_used[SLOTS], slot_late[SLOTS]; /* late: killed, since its call was past its time */
    bool may_spin;
    int conn[CONNS];
    size_t n_conns;
    struct log log;
    struct log_stream output;
    int64_t part_until; /* when a line that has only begun is taken for whole; -1: there is none */
    int leaving_for;    /* the connection that asked us to leave; -1: none */
    int turn;           /* the connection that may replace us; -1: none */
    enum { KEEPING, GIVING, GIVEN } giving;
    int64_t give_until; /* while giving: when we go on as if nothing had been asked */
    ino_t name[NAMES];  /* the files of its names, all in one directory; 0: there was none */
    int64_t look;       /* when to look at them next */
    bool lost;          /* one of them is another's, or gone */
    bool draining, leave;
    bool replaced;   /* sockets, lock and files are another's */
    bool released;   /* somebody asked for it: then the log goes as well */
    const char *why; /* of leaving, for the log */
};

/* When to make a spare, if we are to make one at all. */
int64_t worker_spare_due(const struct worker *w, int64_t in_ms);

/* Whether no call runs. */
bool worker_idle(const struct worker *w);

/* ---- control.c ---- */

/* Takes a client of the control socket in. */
void control_accept(struct worker *w);

/* Answers what came on the i-th connection, and drops it when it is through. */
void control_serve(struct worker *w, size_t i);

/* From now on nobody connects, the waiting spare goes, and who is in the queue learns that their
 * call never began: they may safely try again. */
void control_turn_away(struct worker *w);

/* ---- record.c ---- */

/* Takes what supervisors say of their calls, and what this process has written, into the log. */
void record_take_calls(struct worker *w);
void record_take_output(struct worker *w);

/* A line whose end does not come is one as well. */
void record_go_on(struct worker *w);

/* The last lines: what is left, and why we leave. */
void record_end(struct worker *w);

/* ---- names.c ---- */

/* Which files have the names by which one gets to us. */
void names_note(struct worker *w);

/* Whether one of them has gone, or is another's. */
bool names_lost(struct worker *w);

/* ---- replace.c ---- */

/* What the one who wants to take our place says. False: he is through, or not whom we know. */
bool replace_serve(struct worker *w, int conn, uint16_t type);

/* Hands over what was asked for, once no spare waits any more; takes all back when it is late. */
void replace_go_on(struct worker *w);

/* Takes all back, and serves on: he has gone, or we are to leave. */
void replace_cancel(struct worker *w);

/* Takes the place of another worker, and says so, or why not, on the READY channel. -1: it is not
 * ours. */
int replace_take(struct worker *w, struct ml_error *err);

#endif
