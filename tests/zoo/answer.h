/* What modload answers with --json. */
#ifndef ZOO_ANSWER_H
#define ZOO_ANSWER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "rows.h"

struct answer {
    int code;                    /* exit_code */
    char error[64], outcome[64]; /* of the first error; "" */
    struct buf data;             /* as JSON without white space; a text as itself */
};
#define ANSWER_AUTO __attribute__((cleanup(answer_free))) struct answer
void answer_free(struct answer *a);

/* False when it is not one JSON object of that form, and nothing else. */
bool answer_read(const char *text, struct answer *ret);

/* What `ps --json` says of one worker. False when it says nothing of it. */
struct counts {
    pid_t pid;
    unsigned long n[N_COUNTERS];
};
bool answer_read_counts(const char *text, const char *uuid, struct counts *ret);

/* How many workers it lists; -1 when it is no such answer. */
int answer_count_workers(const char *text);

#endif
