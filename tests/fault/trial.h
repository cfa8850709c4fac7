/* A case that is ready to be tried: its home, and what it looks like before and after. */
#ifndef FAULT_TRIAL_H
#define FAULT_TRIAL_H

#include "cases.h"
#include "known.h"
#include "report.h"
#include "rig.h"
#include "run.h"
#include "state.h"

struct trial {
    const struct fault_case *c;
    char world[32]; /* where its prepared home is */
    char skip[160]; /* why it is not tried; "" */
    struct questions q;
    struct state old, new;
    char before[40]; /* the world before the last command of its preparation; "" */
    char last[160];  /* that command */
    int cut_at;      /* which was killed before its n-th change; 0: it was not */
    bool was_cut;    /* it begins with a change that is to be finished, or taken back: then so */
    struct state back_old, back_new;
    struct buf out, err; /* what the command says when nothing goes wrong */
    struct buf back_out;
    struct known *known; /* homes that have passed */
};

struct trials {
    const struct rig *rig;
    struct trial *trial;
    size_t n;
};

/* Prepares the cases whose name has `filter` in it. Gives up when a case does not do what the table
 * says. */
void trials_init(struct trials *trials, const struct rig *rig, const char *filter);
void trials_done(struct trials *trials);

/* How many of them change something: those that only read come last. */
size_t trials_that_change(const struct trials *trials);

/* Makes a world as the case has it before its command, and enters it. */
void trial_enter(const struct rig *rig, const struct trial *t, const char *world);

/* The name of a worker's world. */
const char *worker_world(int worker, char name[16]);

/* ---- what has to hold after the command was cut short ---- */

enum {
    MUST_BE_NEW = 1,
    MAY_GO_BACK =
        2, /* a change that was found unfinished may have been taken back: the disk was bad */
};

/* Looks at a home that the command was at: old or new, and whole; verify finds nothing; the same
 * command goes through and gives the new state; another one leaves nothing behind. A home that is
 * known from before needs no look; looks are counted in `result`. STATE_OLD, STATE_NEW, both or
 * STATE_MIXED; 0 when a promise is broken, and `why` says which. */
unsigned trial_check(const struct rig *rig, const struct trial *t, const char *world,
                     unsigned demands, struct result *result, struct buf *why);

/* Whether an answer is right: the one that the command gives when nothing goes wrong. Where a
 * change that was found unfinished could not be finished, each line is of before or after it. */
bool trial_is_answer(const struct trial *t, const struct ended *ended);

/* Whether a failure is told as it should be: in one line, with a hint or without; by verify, behind
 * the problems that it found. It may have been told to nobody when that is what failed. */
bool trial_is_told(const struct trial *t, const struct ended *ended, bool may_be_silent);

#endif
