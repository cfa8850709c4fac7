/* Help is read off the table of commands: there is no other place where it is written. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/words.h"
#include "cmd/command.h"

/* In the core only: the front knows a part of the commands, and must not call the others
 * unknown. */
int unknown_command(struct invocation *in, const char *name)
{
    struct words_nearest nearest = {0};
    for (size_t i = 0; i < command_count; i++)
        if (!command_table[i]->hidden)
            words_consider(&nearest, name, command_table[i]->name);
    ml_error_set(&in->err, ML_USAGE, NULL, "there is no command '%s'", name);
    if (nearest.word != NULL)
        ml_error_hint(&in->err, "did you mean '%s'?", nearest.word);
    else
        ml_error_hint(&in->err, "see: modload help");
    return ML_USAGE;
}

/* 22 columns for the spelling; a longer one pushes its text to the right, which is better than
 * cutting it. */
static void show_option(struct invocation *in, const struct command_option *o)
{
    char spelled[64], letter[8] = "";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(spelled, sizeof spelled, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
             o->value ? o->value : "");
    buf_fmt(&in->text, "  %-22s %s\n", spelled, o->help);
}

/* The options of all commands come last, under those of its own. */
static void show_command(struct invocation *in, const struct command *c)
{
    static const struct command_option common[] = {
        {0, "json", NULL, "print one JSON object, errors included"},
        {'h', "help", NULL, "show this help"},
    };
    buf_fmt(&in->text, "usage: modload %s%s%s%s\n\n%s\n", c->name, c->options ? " [OPTION...]" : "",
            *c->args ? " " : "", c->args, c->summary);
    if (c->help != NULL)
        buf_fmt(&in->text, "\n%s\n", c->help);
    buf_str(&in->text, "\noptions:\n");
    for (const struct command_option *o = c->options; o != NULL && o->name != NULL; o++)
        show_option(in, o);
    for (size_t i = 0; i < 2; i++)
        show_option(in, &common[i]);
    if (c->example != NULL)
        buf_fmt(&in->text, "\nexample:\n  $ %s\n", c->example);
    json_open(&in->data, '{');
    json_pair(&in->data, "name", c->name);
    json_pair(&in->data, "args", c->args);
    json_pair(&in->data, "summary", c->summary);
    json_close(&in->data, '}');
}

static void show_all(struct invocation *in)
{
    buf_str(&in->text, "usage: modload COMMAND [OPTION...] [ARG...]\n\n"
                       "Native code as plugins that a shell can call.\n\n");
    json_open(&in->data, '{');
    json_key(&in->data, "commands");
    json_open(&in->data, '[');
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = command_table[i];
        if (c->hidden)
            continue;
        buf_fmt(&in->text, "  %-11s %s\n", c->name, c->summary);
        json_open(&in->data, '{');
        json_pair(&in->data, "name", c->name);
        json_pair(&in->data, "summary", c->summary);
        json_close(&in->data, '}');
    }
    json_close(&in->data, ']');
    json_close(&in->data, '}');
    buf_str(
        &in->text,
        "\nU is a UUID in any case, 32 hex digits, the first 4 or more digits of one, or a name.\n"
        "modload help COMMAND says more; every command takes --json.\n\n"
        "exit codes: 0 done; 1 the function failed, or no; 64 usage; 65 bad argument or input; 66 "
        "no such\n"
        "key, bundle or file; 69 not loaded; 70 a bug; 71 a limit was hit; 73 cannot create; 74 "
        "I/O error;\n"
        "75 busy; 76 another protocol; 77 refused; 78 bad manifest; 124 timed out; 127 undefined "
        "function;\n"
        "128+n the function died of signal n.\n\n"
        "environment: MODLOAD_HOME (the registry), MODLOAD_RUNTIME_DIR (sockets and locks), CC "
        "(the compiler).\n");
}

static int run(struct invocation *in)
{
    if (in->n_args == 0) {
        show_all(in);
        return 0;
    }
    const struct command *c = command_find(in->args[0]);
    if (c == NULL)
        return unknown_command(in, in->args[0]);
    show_command(in, c);
    return 0;
}

/* `modload COMMAND --help`, and `modload exec --help U F`, which is about the function. The context
 * is made without the options of the command, which say nothing about where the registry is. `info`
 * runs in place of the command and finds U and F where it would. */
int help_about(struct invocation *in)
{
    bool function = in->command->call_args > 0 && in->n_args == 2;
    if (!function) {
        show_command(in, in->command);
        return 0;
    }
    if (ml_ctx_new(NULL, &in->ctx, &in->err) < 0)
        return failed(in);
    int status = command_find("info")->run(in);
    ml_ctx_free(in->ctx);
    return status;
}

const struct command command_help = {
    .name = "help",
    .args = "[COMMAND]",
    .summary = "show the commands, or one of them",
    .example = "modload help exec",
    .max_args = 1,
    .bare = true,
    .run = run,
};
