/* The commands under test. */
#ifndef FAULT_CASES_H
#define FAULT_CASES_H

#include <stddef.h>

enum fault_flags {
    CASE_LOOSE = 1 << 0,   /* changes several things, each of them whole by itself */
    CASE_DAMAGED = 1 << 1, /* begins with damage, which verify may find until it is through */
    CASE_READS = 1 << 2,   /* changes nothing: only failures are of interest */
};

/* One command, what it starts from and what it comes to. Words: see rig_words(). */
struct fault_case {
    const char *name;
    const char *prepare; /* commands, with "; " between them; what begins with "!" is none of
                            modload's: see trial.c */
    const char *command;
    const char *old, *new; /* the entries before and after, "key:bundle:name" each; null: whatever
                              modload says that they are */
    unsigned flags;
    int again; /* what the command may also exit with where it was through already; 0 */
};

extern const struct fault_case fault_cases[];
extern const size_t n_fault_cases;

/* Files that the commands read: their names and what is in them. */
extern const char *const fault_files[][2];
extern const size_t n_fault_files;

#endif
