/* Options, read from the command's own table, which help reads as well. getopt_long(3) would need
 * each of them three times, permutes words, and takes prefixes of names, which break when the table
 * grows. */
/* Options, read from the command's own table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"
#include "base/words.h"
#include "cmd/command.h"

/* what every command has; a command's own option of that name or letter goes before */
static const struct command_option common[] = {
    {0, "json", NULL, "print one JSON object, errors included"},
    {'h', "help", NULL, "show this help"},
    {0},
};

static const struct command_option none[] = {{0}};

/* Finds an option by letter or, if `letter` is 0, by name: the command's own, then those of all.
 * `n` is the length of `name`, which a "=" may end. */
static const struct command_option *option_find(const struct command *command, char letter,
                                                const char *name, size_t n)
{
    const struct command_option *lists[] = {command->options ? command->options : none, common};
    for (int l = 0; l < 2; l++)
        for (const struct command_option *o = lists[l]; o->name != NULL; o++)
            if (letter ? o->letter == letter
                       : strlen(o->name) == n && strncmp(o->name, name, n) == 0)
                return o;
    return NULL;
}

/* A guess is made for long options only: one letter is near to every other. */
static int unknown_option(struct invocation *in, const char *word)
{
    struct words_nearest nearest = {0};
    const struct command_option *lists[] = {in->command->options ? in->command->options : none,
                                            common};
    ml_error_set(&in->err, ML_USAGE, NULL, "%s has no option '%s'", in->command->name, word);
    for (int l = 0; l < 2; l++)
        for (const struct command_option *o = lists[l]; o->name != NULL; o++)
            words_consider(&nearest, word + 2, o->name);
    if (strncmp(word, "--", 2) == 0 && nearest.word != NULL)
        return ml_error_hint(&in->err, "did you mean '--%s'?", nearest.word);
    return ml_error_hint(&in->err, "see: modload help %s", in->command->name);
}

/* The two that all commands have are also kept as flags, since they count before the command
 * runs. */
static int option_add(struct invocation *in, const struct command_option *option, const char *value)
{
    if (strcmp(option->name, "json") == 0)
        in->want_json = true;
    else if (strcmp(option->name, "help") == 0)
        in->want_help = true;
    if (in->n_given == OPTIONS_MAX)
        return ml_error_set(&in->err, ML_USAGE, NULL, "more than %d options", OPTIONS_MAX);
    in->given[in->n_given].option = option;
    in->given[in->n_given++].value = value;
    return 0;
}

/* Takes one option, with its value if that is the next word. How many words it took, or -1.
 * --name=value, --name value, -nvalue, -n value; letters cannot be put together, so that "-nx" has
 * one meaning. A value may begin with a dash: it was asked for. */
static int option_take(struct invocation *in, char *const *words)
{
    const char *word = words[0], *value = NULL;
    const struct command_option *option;
    if (word[1] == '-') {
        size_t n = strcspn(word + 2, "=");
        option = option_find(in->command, 0, word + 2, n);
        value = word[2 + n] == '=' ? word + 3 + n : NULL;
    } else {
        option = option_find(in->command, word[1], NULL, 0);
        value = word[2] != '\0' ? word + 2 : NULL;
    }
    if (option == NULL)
        return unknown_option(in, word);
    if (option->value == NULL && value != NULL)
        return ml_error_set(&in->err, ML_USAGE, NULL, "option '%s' takes no value", word);
    int used = 1;
    if (option->value != NULL && value == NULL) {
        value = words[1];
        used = 2;
        if (value == NULL)
            return ml_error_set(&in->err, ML_USAGE, NULL, "option '%s' needs a value: %s", word,
                                option->value);
    }
    return option_add(in, option, value) < 0 ? -1 : used;
}

/* With --help any number will do: who asks for help is not told off. */
static int check_count(struct invocation *in)
{
    const struct command *c = in->command;
    if (in->want_help ||
        (in->n_args >= c->min_args && (c->max_args < 0 || in->n_args <= c->max_args)))
        return 0;
    ml_error_set(&in->err, ML_USAGE, NULL, "%s: too %s arguments", c->name,
                 in->n_args < c->min_args ? "few" : "many");
    return usage_hint(in);
}

/* Options may come between arguments until "--", or until what follows belongs to the call
 * (call_args): there -1 is a number. A single "-" is an argument, standard input. `in->args` is
 * freed when the invocation is finished, also after a failure here. */
int invocation_parse(struct invocation *in, char **args)
{
    bool options = true;
    char **word = args;
    size_t n = 0;
    while (args[n] != NULL)
        n++;
    in->args = calloc(n + 1, sizeof *in->args);
    if (in->args == NULL)
        return ml_error_memory(&in->err);
    while (*word != NULL) {
        bool in_call = in->command->call_args > 0 && in->n_args >= in->command->call_args;
        if (options && !in_call && strcmp(*word, "--") == 0) {
            options = false;
            word++;
        } else if (options && !in_call && (*word)[0] == '-' && (*word)[1] != '\0') {
            int used = option_take(in, word);
            if (used < 0)
                return -1;
            word += used;
        } else {
            in->args[in->n_args++] = *word++;
        }
    }
    return check_count(in);
}

bool option_given(const struct invocation *in, const char *name)
{
    return option_value(in, name, NULL) != NULL;
}

/* The last one counts, so that an alias in a shell can be overridden. "" for one without a
 * value. */
const char *option_value(const struct invocation *in, const char *name, const char *fallback)
{
    for (int i = in->n_given; i-- > 0;)
        if (strcmp(in->given[i].option->name, name) == 0)
            return in->given[i].value ? in->given[i].value : "";
    return fallback;
}

size_t option_values(const struct invocation *in, const char *name, const char *values[OPTIONS_MAX])
{
    size_t n = 0;
    for (int i = 0; i < in->n_given; i++)
        if (strcmp(in->given[i].option->name, name) == 0)
            values[n++] = in->given[i].value;
    return n;
}

int count_parse(struct invocation *in, const char *what, const char *text, unsigned long *ret)
{
    size_t n = strlen(text);
    if (n == 0 || n > 9 || strspn(text, "0123456789") != n || strtoul(text, NULL, 10) == 0) {
        ml_error_set(&in->err, ML_USAGE, NULL, "%s: '%s' is not a whole number from 1 on", what,
                     text);
        return usage_hint(in);
    }
    *ret = strtoul(text, NULL, 10);
    return 0;
}

int option_count(struct invocation *in, const char *name, unsigned long fallback,
                 unsigned long *ret)
{
    char what[64];
    const char *text = option_value(in, name, NULL);
    *ret = fallback;
    snprintf(what, sizeof what, "--%s", name);
    return text ? count_parse(in, what, text, ret) : 0;
}

int option_duration(struct invocation *in, const char *name, int64_t fallback, int64_t *ms)
{
    const char *text = option_value(in, name, NULL);
    *ms = text ? clock_parse_duration(text) : fallback;
    if (*ms >= 0)
        return 0;
    ml_error_set(&in->err, ML_USAGE, NULL, "--%s: '%s' is not a duration", name, text);
    return ml_error_hint(&in->err,
                         "a duration is a number with ms, s, m, h or d behind it: 500ms, 30s, 2m");
}

/* ---- limits ---- */

/* A limit of 0 is none, whatever the plugin says; one that is not given is what it says. */
static uint64_t given_limit(uint64_t value)
{
    return value == 0 ? ML_NO_LIMIT : value;
}

static int limit_time(struct invocation *in, const char *name, uint64_t *ret)
{
    int64_t ms;
    if (!option_given(in, name))
        return 0;
    if (option_duration(in, name, 0, &ms) < 0)
        return -1;
    *ret = given_limit((uint64_t)ms);
    return 0;
}

static int limit_size(struct invocation *in, const char *name, uint64_t *ret)
{
    uint64_t bytes;
    const char *text = option_value(in, name, NULL);
    if (text == NULL)
        return 0;
    if (!size_parse(text, &bytes)) {
        ml_error_set(&in->err, ML_USAGE, NULL, "--%s: '%s' is not a size", name, text);
        return ml_error_hint(&in->err, "a size is a number of bytes, or one with K, M, G or T "
                                       "behind it: 512K, 64M, 1G; 0: no limit");
    }
    *ret = given_limit(bytes);
    return 0;
}

static int limit_count(struct invocation *in, const char *name, uint64_t *ret)
{
    unsigned long n = 0;
    const char *text = option_value(in, name, "");
    if (strcmp(text, "0") != 0 && option_count(in, name, 0, &n) < 0)
        return -1;
    if (option_given(in, name))
        *ret = given_limit(n);
    return 0;
}

int option_call(struct invocation *in, struct call_options *ret)
{
    struct ml_limits *l = &ret->limits;
    *ret = (struct call_options){.timeout_default = !option_given(in, "timeout"),
                                 .last = option_given(in, "release")};
    if (option_duration(in, "timeout", DEFAULT_TIMEOUT_MS, &ret->timeout_ms) < 0 ||
        limit_time(in, "cpu", &l->cpu_ms) < 0 || limit_size(in, "memory", &l->memory) < 0 ||
        limit_size(in, "output", &l->output) < 0 || limit_count(in, "files", &l->descriptors) < 0)
        return -1;
    return limit_count(in, "processes", &l->processes);
}
