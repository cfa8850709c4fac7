/* How crashes are shown. */
#ifndef CMD_CRASH_H
#define CMD_CRASH_H

#include "cmd/command.h"
#include "modload/build.h"

/* Puts a backtrace into the answer of `in`: for programs as an array; for people as lines, "  at
 * function (file:line)". */
void backtrace_json(struct json *j, const struct ml_backtrace *trace);
void backtrace_text(struct buf *text, const struct ml_backtrace *trace);

/* A number that is an address, as a text: JSON's own would lose its last bits. */
void put_hex(struct json *j, const char *key, uint64_t value);

/* The command that modload runs to have a crash explained: reads a record, prints the array in a
 * line, then the lines. In modload-core only, and in no help. */
#define BACKTRACE_COMMAND "backtrace"

/* Says in `told` what is known of a crash: its address and the functions that led there; without
 * `names` only the place itself, which costs no process. Nothing, where nothing is known. */
void crash_tell(const struct invocation *in, const struct ml_crash *crash, bool names,
                struct crash_told *told);
void crash_told_free(struct crash_told *told);

/* Adds to an object that tells of an error what belongs to it when a call died of a signal: nothing
 * for any other error. */
void crash_json(struct json *j, const struct ml_error *err, const struct crash_told *told);

#endif
