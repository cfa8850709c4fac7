/* The front (bin/modload, built with ML_FRONT) and the core (libexec/modload/modload-core) are this
 * one program with two tables: the front is static, starts in the time of an empty program, and
 * hands over whatever is not in its table, help included. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "cmd/command.h"

#ifdef ML_FRONT
#define HEAVY(name)
#else
#define HEAVY(name) LIGHT(name)
#endif

/* The table of commands is read twice, once to declare them and once to list them. commands.def
 * undefines nothing, so HEAVY follows what LIGHT is at the time; in the front it is nothing. */
#define LIGHT(name) extern const struct command command_##name;
#include "cmd/commands.def"
#undef LIGHT

#define LIGHT(name) &command_##name,
const struct command *const command_table[] = {
#include "cmd/commands.def"
};
const size_t command_count = sizeof command_table / sizeof *command_table;

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(command_table[i]->name, name) == 0)
            return command_table[i];
    return NULL;
}

#ifdef ML_FRONT

#include "base/prefix.h"

/* Becomes the core. Returns only if that fails. The words are those that we got, so the core parses
 * them anew: nothing that was parsed here can differ. Signals, descriptors and the working
 * directory are as they were; nothing is open that is not close-on-exec. */
static int hand_over(struct invocation *in)
{
    AUTO_FREE char *path = prefix_path("libexec/modload/modload-core");
    if (path != NULL)
        execv(path, in->argv);
    ml_error_errno(&in->err, ML_CANT_CREATE, errno, "cannot start '%s'",
                   path ? path : "modload-core");
    ml_error_hint(&in->err, "is modload installed whole? run: make install");
    return in->err.status;
}

int run_source(struct invocation *in)
{
    return hand_over(in);
}

/* The front's table is a part of the whole: whether the command exists is for the core to say. */
static int not_here(struct invocation *in, const char *name)
{
    return hand_over(in);
}

static int show_help(struct invocation *in)
{
    return hand_over(in);
}

#else

static int not_here(struct invocation *in, const char *name)
{
    if (name != NULL)
        return unknown_command(in, name);
    in->command = command_find("help");
    fputs("usage: modload COMMAND [ARG...]\nsee: modload help\n", stderr);
    return ML_USAGE;
}

static int show_help(struct invocation *in)
{
    return help_about(in);
}

#endif

/* A command never makes its own context: what it needs is said in its table, and what holds for all
 * (--wait, the registry) is done here. A bare one must work where there is no HOME. */
static int with_context(struct invocation *in)
{
    struct ml_ctx_options options = {0};
    char command[64];
    if (in->command->bare)
        return in->command->run(in);
    snprintf(command, sizeof command, "modload %s", in->command->name);
    options.command = command;
    if (option_duration(in, "wait", DEFAULT_WAIT_MS, &options.wait_ms) < 0)
        return ML_USAGE;
    if (ml_ctx_new(&options, &in->ctx, &in->err) < 0)
        return failed(in);
    int status = in->command->run(in);
    ml_ctx_free(in->ctx);
    return status;
}

/* --help and --version are the only options before a command, since everybody tries them. A command
 * that cannot be parsed never runs. */
static int dispatch(struct invocation *in, int argc)
{
    const char *name = argc > 1 ? in->argv[1] : NULL;
    if (name != NULL && (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0))
        name = "help";
    if (name != NULL && strcmp(name, "--version") == 0)
        name = "version";
    in->command = name ? command_find(name) : NULL;
    if (in->command == NULL)
        return not_here(in, name);
    if (invocation_parse(in, in->argv + 2) < 0)
        return failed(in);
    return in->want_help ? show_help(in) : with_context(in);
}

/* A closed standard descriptor would be taken by the next file that is opened. An error message
 * would then go into the registry's files, or a socket would be a call's standard output. /dev/null
 * takes the lowest free number (open(2)) until 0 to 2 are all in use. In the place of standard
 * output it can only be read: an answer that nobody gets must not be taken for one that was given,
 * and a write fails there as it would have (EBADF). */
static void open_stdio(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
        if (fd == STDOUT_FILENO) {
            close(fd);
            fd = open("/dev/null", O_RDONLY);
        }
    } while (fd >= 0 && fd < 3);
    if (fd >= 3)
        close(fd);
}

/* libarchive's answer to memory that is out is exit(1), wherever it happens (__archive_errx in its
 * archive_util.c). What was being written is in files without a name. */
static pid_t whole; /* this process, until main() is through */

static void given_up(void)
{
    static const char text[] = "modload: out of memory\n";
    if (whole != getpid())
        return;
    (void)!write(STDERR_FILENO, text, sizeof text - 1); /* no better place to say that it failed */
    _exit(ML_LIMIT);
}

/* argc can be 0 (CVE-2021-4034): argv[1] would then be the first variable of the environment. */
int main(int argc, char **argv)
{
    struct invocation in = {.argv = argv, .signals = -1};
    if (argc < 1)
        return ML_USAGE;
    open_stdio();
    whole = getpid();
    atexit(given_up); /* where it cannot be had, exit(1) it is */
    int status = invocation_finish(&in, dispatch(&in, argc));
    whole = 0;
    return status;
}
