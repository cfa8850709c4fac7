/* Workers, between calls. */
#include "cage.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum {
    AT_REST = 3,       /* a worker, and the supervisor and the call that wait for a client */
    SETTLE_MS = 10000, /* what was killed, or has ended, needs no time but the kernel's */
    LONG_MS = 20,      /* the longest pause between two looks */
};

/* Each the child of the one before: a supervisor that is just leaving does not count for a call. */
static bool at_rest(const struct cage *cage, struct family *family)
{
    look_family(cage->pid, family);
    if (family->n != AT_REST)
        return false;
    for (int i = 0; i < family->n; i++) {
        const struct relative *r = &family->member[i];
        if (strchr("SRD", r->state) == NULL || (i > 0 && r->parent != r[-1].pid))
            return false;
    }
    return cage->descriptors == 0 || look_descriptors(cage->pid) == cage->descriptors;
}

/* Nothing tells when a process has been buried: one can only look again. */
bool cage_settle(const struct cage *cage, struct result *result, const char *after)
{
    struct family family;
    int64_t end = clock_ms() + SETTLE_MS;
    BUF_AUTO who = BUF_INIT;
    for (int pause = 1; !at_rest(cage, &family); pause = pause < LONG_MS ? pause * 2 : LONG_MS) {
        if (clock_ms() >= end) {
            family_tell(&family, &who);
            result_violation(result,
                             "%s: the worker %d does not come to rest: %d descriptors of %d; %s\n",
                             after, (int)cage->pid, look_descriptors(cage->pid), cage->descriptors,
                             family.n ? buf_text(&who) : "it is gone");
            return false;
        }
        clock_sleep_ms(pause);
    }
    return true;
}

static void ask(const struct zoo *zoo, int world, int plugin, const char *line,
                struct answer *answer, struct ended *ended)
{
    struct command c;
    command_make(zoo, world, plugin, line, &c);
    run(c.argv, ended);
    if (!answer_read(buf_text(&ended->out), answer))
        answer->code = -1;
}

const char *cage_call(const struct zoo *zoo, int world, int plugin, const char *call,
                      struct answer *answer, struct result *result, const char *after)
{
    char line[128], text[64];
    ENDED_AUTO ended = ENDED_INIT;
    zoo_cage(zoo, world, plugin)->counts[OKS]++;
    zoo_cage(zoo, world, plugin)->counts[CALLS]++;
    snprintf(line, sizeof line, "exec --json -t 25s %%K %s", call);
    ask(zoo, world, plugin, line, answer, &ended);
    if (ended.code == 0 && answer->code == 0)
        return buf_text(&answer->data);
    result_violation(result, "%s: '%s' %s: %.500s%.500s\n", after, call, ended_text(&ended, text),
                     buf_text(&ended.out), buf_text(&ended.err));
    return "";
}

struct cage *cage_load(const struct zoo *zoo, int world, int plugin, struct result *result)
{
    struct cage *cage = zoo_cage(zoo, world, plugin);
    struct counts counts;
    struct command c;
    ENDED_AUTO ended = ENDED_INIT;
    ANSWER_AUTO facts = {0};
    char key[KEY_SIZE];
    if (cage->pid > 0)
        return cage;
    *cage = (struct cage){.pid = 0};
    zoo_key(plugin, key);
    command_make(zoo, world, plugin, "load -t 25s %K", &c);
    if (run(c.argv, &ended) == 0) {
        command_make(zoo, world, plugin, "ps --json", &c);
        run(c.argv, &ended);
    }
    if (!answer_read_counts(buf_text(&ended.out), key, &counts)) {
        result_violation(result, "cannot load %s: %s\n", zoo->plugin[plugin], buf_text(&ended.err));
        return NULL;
    }
    cage->pid = counts.pid;
    snprintf(cage->facts, sizeof cage->facts, "%s",
             cage_call(zoo, world, plugin, "facts", &facts, result, "load"));
    if (!cage_settle(cage, result, "load"))
        return NULL;
    cage->descriptors = look_descriptors(cage->pid);
    cage->memory_kib = look_memory_kib(cage->pid);
    return cage;
}

static void release(const struct zoo *zoo, int world, int plugin)
{
    struct command c;
    ENDED_AUTO ended = ENDED_INIT;
    command_make(zoo, world, plugin, "release %K", &c);
    run(c.argv, &ended);
}

/* A second time, since what was killed leaves files, which whoever releases it sweeps. */
void cage_discard(const struct zoo *zoo, int world, int plugin)
{
    struct cage *cage = zoo_cage(zoo, world, plugin);
    pid_t keep[MAX_PLUGINS];
    int n = 0;
    release(zoo, world, plugin);
    cage->pid = 0;
    for (int i = 0; i < zoo->n_plugins; i++)
        if (zoo_cage(zoo, world, i)->pid > 0)
            keep[n++] = zoo_cage(zoo, world, i)->pid;
    if (look_end(keep, n) > 0)
        release(zoo, world, plugin);
}

void cage_check_counts(const struct zoo *zoo, int plugin, const struct cage *cage,
                       struct result *result, const char *after)
{
    const char *argv[] = {zoo->modload, "ps", "--json", NULL};
    char key[KEY_SIZE];
    struct counts counts;
    ENDED_AUTO ended = ENDED_INIT;
    zoo_key(plugin, key);
    run(argv, &ended);
    if (!answer_read_counts(buf_text(&ended.out), key, &counts) || counts.pid != cage->pid)
        result_violation(result, "%s: the worker was %d, and ps says %d: %s\n", after,
                         (int)cage->pid, (int)counts.pid, buf_text(&ended.err));
    else
        for (int i = 0; i < N_COUNTERS; i++)
            if (counts.n[i] != cage->counts[i])
                result_violation(result, "%s: ps: %s: expected %lu, got %lu\n", after,
                                 counter_names[i], cage->counts[i], counts.n[i]);
}
