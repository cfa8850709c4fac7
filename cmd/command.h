/* What a command is, and what it works with. Each file here ends in one of these structures;
 * commands.def is the table of them. Dispatch, options and help all read the same structure. */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "modload/modload.h"

enum { DEFAULT_TIMEOUT_MS = 5000, DEFAULT_WAIT_MS = 10000, OPTIONS_MAX = 128 };

struct command_option {
    char letter;       /* 0: none */
    const char *name;  /* without the dashes */
    const char *value; /* what its value is called in the help; null: it has none */
    const char *help;
};

struct invocation;

struct command {
    const char *name;
    const char *args;    /* as in the synopsis: "U F [ARG...]" */
    const char *summary; /* one line */
    const char *help;    /* paragraphs; may be null */
    const char *example;
    const struct command_option
        *options;           /* ends with a null name; may be null. All have --json, --help */
    int min_args, max_args; /* max_args < 0: any number */
    int call_args; /* > 0: after so many arguments everything belongs to the call, options too */
    bool bare;     /* it needs no registry: there is no context, and HOME need not be set */
    bool hidden;   /* for modload itself: in no help */
    int (*run)(struct invocation *in); /* the exit status; on failure `in->err` is filled in */
};

/* What is told of a call that crashed, beside the error. */
struct crash_told {
    bool has_address;
    uint64_t address;
    struct json json; /* the backtrace for programs, whole */
    struct buf lines; /* for people, each with its newline */
};

/* One run of one command. */
struct invocation {
    const struct command *command;
    char **argv; /* as the program got them: for handing them on */
    char **args;
    int n_args;
    struct {
        const struct command_option *option;
        const char *value;
    } given[OPTIONS_MAX];
    int n_given;
    bool want_json, want_help;
    struct ml_ctx *ctx;
    struct buf text; /* the answer for people: goes to stdout if the command succeeds */
    struct json
        data;      /* the answer for programs: "data" of the envelope; filled in when want_json */
    bool streamed; /* some of the answer is on stdout already */
    struct ml_error err;
    struct crash_told crash;
    struct json earlier; /* failures before `err`, of several: objects, as "errors" has them */
    int signals;         /* readable when somebody wants this program to end; -1: not watched yet */
};

/* ---- options ---- */

/* Reads the arguments behind the command's name. 0, or -1 and ML_USAGE. */
int invocation_parse(struct invocation *in, char **args);

/* Whether an option was given; its last value, or `fallback`; all its values. */
bool option_given(const struct invocation *in, const char *name);
const char *option_value(const struct invocation *in, const char *name, const char *fallback);
size_t option_values(const struct invocation *in, const char *name,
                     const char *values[OPTIONS_MAX]);

/* A whole number from 1 on. 0, or -1 and ML_USAGE. */
int option_count(struct invocation *in, const char *name, unsigned long fallback,
                 unsigned long *ret);
int count_parse(struct invocation *in, const char *what, const char *text, unsigned long *ret);

/* A duration in milliseconds. 0, or -1 and ML_USAGE. */
int option_duration(struct invocation *in, const char *name, int64_t fallback, int64_t *ms);

/* What calls may use, by the options below. */
struct call_options {
    int64_t timeout_ms;
    bool timeout_default; /* nobody asked for it */
    bool last;            /* the worker is released afterwards */
    struct ml_limits limits;
};

/* Reads them. 0, or -1 and ML_USAGE. */
int option_call(struct invocation *in, struct call_options *ret);

#define OPTIONS_LIMITS                                                                             \
    {0, "cpu", "DUR", "how long it may have processors, with all processes that it starts"},       \
        {0, "memory", "SIZE", "how much memory it may have: 512K, 64M, 1G"},                       \
        {0, "output", "SIZE", "how much it may print; it prints into a pipe then"},                \
        {0, "files", "N", "how many descriptors it may have open"},                                \
    {                                                                                              \
        0, "processes", "N", "how many processes it may be, with itself"                           \
    }
#define OPTION_TIMEOUT                                                                             \
    {                                                                                              \
        't', "timeout", "DUR", "how long it may take: 500ms, 30s, 2m; 0: no limit (default 5s)"    \
    }
#define OPTION_WAIT                                                                                \
    {                                                                                              \
        0, "wait", "DUR", "how long to wait for another modload's lock (default 10s)"              \
    }

/* ---- what commands share ---- */

/* The key that the argument stands for. 0, or the exit status. */
int resolve_arg(struct invocation *in, const char *word, struct ml_key *key);

/* Says something that is neither answer nor error, on stderr. */
__attribute__((format(printf, 1, 2))) void note(const char *fmt, ...);

/* The same without a word of ours in front, and as many lines as there are: what asks somebody, or
 * is shown to him. Control characters but for the newline are written \x1b. */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);

/* Usage errors of a command's own. Returns ML_USAGE. */
__attribute__((format(printf, 2, 3))) int usage_error(struct invocation *in, const char *fmt, ...);

/* Sets the hint to how the command is called. -1. */
int usage_hint(struct invocation *in);

/* The exit status of `in->err`. */
int failed(const struct invocation *in);

/* A descriptor that becomes readable when somebody wants this program to end: what it has begun in
 * other processes has to end first. From the first call on, SIGINT, SIGTERM and SIGHUP do nothing
 * else. */
int watch_signals(struct invocation *in);

/* The exit status of `in->err`, or, when a signal was the reason, that of a shell's child that it
 * ended: 130 for Ctrl-C, 143 for SIGTERM. */
int failed_or_signalled(struct invocation *in);

/* What went wrong with some of several things: each is tried, whatever became of those before it.
 * The last failure is told by the command's end, those before it as they come; in JSON all of them
 * are in "errors". */
struct failures {
    struct ml_error last;
    size_t done; /* of how many that can be said; the caller counts */
};

/* Takes `in->err` in, and clears it. */
void failures_add(struct failures *failures, struct invocation *in);

/* Puts the last failure back into `in->err`; the data stay if there is something in them. The exit
 * status: 0 when there was none. */
int failures_end(struct failures *failures, struct invocation *in);

/* Appends a result as people read it, and as a JSON value. */
void value_text(struct buf *out, const struct ml_value *value);
void value_json(struct json *out, const struct ml_value *value);

/* `exec --batch`: calls from standard input, outcomes to standard output, a line each. */
int batch_run(struct invocation *in, const struct ml_key *key, const struct call_options *options);

/* Runs one call with this program's own stdin, stdout and stderr, and puts its result into the
 * answer. */
int call_and_answer(struct invocation *in, const struct ml_key *key, char **words, int n,
                    const struct call_options *options);

/* `run` of something that is no key: builds, registers and runs it. In the front, which cannot
 * build, this hands the whole command over. */
int run_source(struct invocation *in);

/* ---- the table and what walks it ---- */

extern const struct command *const command_table[];
extern const size_t command_count;
const struct command *command_find(const char *name);
int unknown_command(struct invocation *in, const char *name);

/* Help about the command, or the function, of `in`; the exit status. In the core only. */
int help_about(struct invocation *in);

/* Writes what there is of a long answer, when it is enough for a write; a command with an answer of
 * any length calls this after each part. The answer then begins before it is known how the command
 * ends, which the envelope says behind the data. -1: it could not be written; `in->err` says why.
 */
int answer_stream(struct invocation *in);

/* Writes the text that there is now, for an answer that comes bit by bit. -1 as above. */
int answer_now(struct invocation *in);

/* Prints the envelope or the text, and the error; returns the exit status. */
int invocation_finish(struct invocation *in, int status);

#endif
