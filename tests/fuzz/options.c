/* The words of a command, one per line; the first line says after how many of them all others
 * belong to a call. Every word is taken once: as an option, as its value, or as an argument; behind
 * "--" and in a call nothing is an option. */
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "fuzz.h"

enum { WORDS_MAX = 100 };

/* What the commands are looked up in; there is none here. */
const struct command *const command_table[] = {NULL};
const size_t command_count = 0;

static const struct command_option options[] = {
    OPTION_TIMEOUT, OPTION_WAIT, {'a', "all", NULL, "all"}, {'D', "define", "NAME", "x"}, {0}};

static size_t words_read(const uint8_t *data, size_t size, char *words[WORDS_MAX + 1])
{
    size_t n = 0;
    while (n < WORDS_MAX && (words[n] = fuzz_line(&data, &size)) != NULL)
        n++;
    words[n] = NULL;
    return n;
}

/* Arguments are words of the caller's, in their order. */
static void check_order(const struct invocation *in, char *const *words)
{
    size_t at = 0;
    for (int i = 0; i < in->n_args; i++) {
        while (words[at] != NULL && words[at] != in->args[i])
            at++;
        CHECK(words[at] != NULL);
        at++;
    }
}

static void check_taken(const struct invocation *in, char *const *words, size_t n)
{
    const struct command *c = in->command;
    int in_call = c->call_args > 0 ? in->n_args - c->call_args : 0;
    CHECK(in->n_args + in->n_given <= (int)n && in->n_given <= OPTIONS_MAX);
    CHECK(in->want_help || (in->n_args >= c->min_args && in->n_args <= c->max_args));
    check_order(in, words);
    for (int i = 1; i <= in_call; i++)
        CHECK(in->args[in->n_args - i] == words[n - (size_t)i]);
}

static void check_values(struct invocation *in)
{
    const char *values[OPTIONS_MAX];
    int64_t ms;
    size_t n = option_values(in, "define", values);
    CHECK((n > 0) == option_given(in, "define"));
    CHECK(n == 0 || strcmp(option_value(in, "define", NULL), values[n - 1]) == 0);
    if (option_duration(in, "timeout", 5000, &ms) < 0)
        fuzz_refused(&in->err);
    else
        CHECK(ms >= 0 && (option_given(in, "timeout") || ms == 5000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *words[WORDS_MAX + 1], *first = fuzz_line(&data, &size);
    struct command command = {.name = "x", .args = "U", .options = options, .max_args = WORDS_MAX};
    struct invocation in = {.command = &command};
    size_t n = words_read(data, size, words);
    command.call_args = first != NULL && *first >= '0' && *first <= '9' ? *first - '0' : 0;
    command.min_args = command.call_args;
    if (invocation_parse(&in, words) == 0) {
        check_taken(&in, words, n);
        check_values(&in);
    } else {
        fuzz_refused(&in.err);
        CHECK(in.err.status == ML_USAGE);
    }
    free(in.args);
    while (n > 0)
        free(words[--n]);
    free(first);
    return 0;
}
