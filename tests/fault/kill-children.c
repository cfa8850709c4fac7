/* Killed while its compiler runs: nobody is left. The compiler here never ends by itself, so that
 * one who is forgotten is found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "modes.h"
#include "report.h"
#include "trace.h"

/* It links for ever, in a child of its own; what it is asked besides it does as the real one. */
static const char compiler[] =
    "#!/bin/sh\n"
    "case \" $* \" in *' -shared '*) [ ! -e \"${0%/*}/hang\" ] || sleep 1000 ;; esac\n"
    "exec cc \"$@\"\n";

/* Counts forks, and kills at the n-th call after the last fork but one: that of the compiler, which
 * is followed by that of its guard. */
struct hunt {
    int forks, begin; /* 0: never */
    int n, at;
    char call[32];
};

static enum trace_act enter(const struct call *call, int *error, void *arg)
{
    struct hunt *h = arg;
    const char *name = call_name(call);
    bool begun = h->begin > 0 && h->forks >= h->begin;
    h->forks += strcmp(name, "clone") == 0 || strcmp(name, "clone3") == 0 ||
                strcmp(name, "fork") == 0 || strcmp(name, "vfork") == 0;
    if (!begun || ++h->n != h->at)
        return TRACE_GO;
    snprintf(h->call, sizeof h->call, "%s", name);
    return TRACE_KILL;
}

static void compile_epsilon(const struct rig *rig, struct hunt *h, struct ended *ended, int *left)
{
    const char *argv[] = {rig->modload, "compile", "epsilon.so", NULL};
    const struct tracer tracer = {.enter = enter, .arg = h};
    rig_copy(rig, "seed", "children");
    trace_run(argv, &tracer, ended, left);
}

/* The last fork is that of the guard; behind it comes the wait for the compiler. */
static void try_all(const struct rig *rig, int forks, struct result *result)
{
    struct hunt h;
    rig_file(rig, "hang", "");
    for (int at = 1;; at++) {
        ENDED_AUTO ended = ENDED_INIT;
        int left;
        h = (struct hunt){.begin = forks - 1, .at = at};
        compile_epsilon(rig, &h, &ended, &left);
        if (ended.signal == 0)
            give_up("a compiler that never ends has ended: %s", buf_text(&ended.err));
        result_count(result, COUNT_TRIED);
        if (left > 0)
            result_violation(result, "killed at call %d (%s): %d processes were left\n", at, h.call,
                             left);
        if (strcmp(h.call, "poll") == 0 || strcmp(h.call, "ppoll") == 0)
            return;
    }
}

void kill_children(const struct rig *rig)
{
    char path[PATH_ROOM];
    struct result *result = results_new(1);
    struct hunt h = {.begin = 0};
    ENDED_AUTO ended = ENDED_INIT;
    int left;
    rig_file(rig, "compiler", compiler);
    path_make(path, "%s/files/compiler", rig->base);
    if (chmod(path, 0700) < 0)
        give_up("cannot make a compiler");
    setenv("CC", path, 1);
    setenv("MODLOAD_BUILD_DIRS", rig->base, 1);
    compile_epsilon(rig, &h, &ended, &left);
    if (ended.code != 0 || h.forks < 2)
        give_up("compile does not work with a compiler of one's own: %s", buf_text(&ended.err));
    try_all(rig, h.forks, result);
    unsetenv("CC");
    unsetenv("MODLOAD_BUILD_DIRS");
    tap_result(result, "kill: compile, with a compiler that never ends: %u points",
               result->count[COUNT_TRIED]);
    result->count[COUNT_POINTS] = result->count[COUNT_TRIED];
    figures_add("children", 1, results_sum(result, 1), "a compiler that never ends is ended");
    results_free(result, 1);
}
