/* Driving one row: before, the call in both of its forms, after. */
#include "drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cage.h"
#include "call.h"

enum {
    SETTLE_MS = 10000, /* what was killed, or has ended, needs no time but the kernel's */
    LONG_MS = 20,      /* the longest pause between two looks */
    GROWTH_KIB = 1024, /* that a worker may take in the course of its life */
};

/* ---- after it ---- */

/* When exec has ended, nothing of the call is there; unless exec has said that it would not wait
 * any longer for its supervisor, which is at it then. What a call left fell to its supervisor, if
 * that has not been killed: a process that was there before, and whose children are new. */
static void check_left(const struct row *row, const struct cage *cage, const struct family *was,
                       const struct ended *ended, struct result *result)
{
    struct family now;
    if (strstr(buf_text(&ended->err), "did not answer within") != NULL)
        return;
    look_family(cage->pid, &now);
    for (int i = 1; i < now.n; i++) {
        const struct relative *r = &now.member[i];
        if (strchr("ZX", r->state) == NULL && r->parent != cage->pid &&
            family_find(was, r->pid) == NULL && family_find(was, r->parent) != NULL)
            result_violation(result, "%s: process %d (%c), child of %d, was left\n", row->name,
                             (int)r->pid, r->state, (int)r->parent);
    }
}

static void expect(struct cage *cage, const struct row *row)
{
    cage->counts[row->counter]++;
    cage->counts[OKS] += row->inner;
    cage->counts[CALLS] += 1 + row->inner;
}

static void call_once(const struct zoo *zoo, int world, int plugin, const struct row *row,
                      bool json, struct result *result)
{
    struct family was;
    struct cage *cage = zoo_cage(zoo, world, plugin);
    ENDED_AUTO ended = ENDED_INIT;
    look_family(cage->pid, &was);
    if (strstr(row->call, "%V") != NULL)
        world_victim(zoo, world);
    expect(cage, row);
    call_run(zoo, world, row, json, &ended);
    check_left(row, cage, &was, &ended, result);
    call_check(row, json, &ended, result);
    cage_settle(cage, result, row->name);
}

/* The same worker gives the right answer, and tells the same of itself as when it was new. */
static void check_well(const struct zoo *zoo, int world, int plugin, const struct row *row,
                       struct result *result)
{
    struct cage *cage = zoo_cage(zoo, world, plugin);
    ANSWER_AUTO sum = {0}, facts = {0};
    const char *got = cage_call(zoo, world, plugin, "add 2 3", &sum, result, row->name);
    if (strcmp(got, "5") != 0)
        call_note(row, ", afterwards", "add 2 3", "5", got, result);
    got = cage_call(zoo, world, plugin, "facts", &facts, result, row->name);
    if (strcmp(got, cage->facts) != 0)
        call_note(row, ", afterwards", "facts", cage->facts, got, result);
    cage_settle(cage, result, row->name);
    cage_check_counts(zoo, plugin, cage, result, row->name);
}

static void check_files(const struct row *row, uint64_t before, uint64_t after,
                        struct result *result)
{
    if (before != after)
        result_violation(result, "%s: files were left, or are missing\n", row->name);
}

static void drive_exec(const struct zoo *zoo, int world, const struct row *row,
                       struct result *result)
{
    int plugin = zoo_plugin(zoo, row->plugin);
    unsigned violations = result->violations;
    if (cage_load(zoo, world, plugin, result) == NULL)
        return;
    uint64_t files = world_files(zoo, world);
    if (row->sink != SINK_CLOSED) /* there modload itself would die of it */
        call_once(zoo, world, plugin, row, true, result);
    call_once(zoo, world, plugin, row, false, result);
    check_well(zoo, world, plugin, row, result);
    check_files(row, files, world_files(zoo, world), result);
    if (result->violations != violations)
        cage_discard(zoo, world, plugin);
}

/* ---- rows without a call, and those that end with their worker ---- */

/* A command that says nothing, and ends with `code`. */
static void step(const struct zoo *zoo, int world, const struct row *row, const char *line,
                 int code, struct result *result)
{
    char text[64];
    struct command c;
    ENDED_AUTO ended = ENDED_INIT;
    command_make(zoo, world, zoo_plugin(zoo, row->plugin), line, &c);
    run(c.argv, &ended);
    if (ended.code != code)
        result_violation(result, "%s: '%s' %s instead of %d: %s\n", row->name, line,
                         ended_text(&ended, text), code, buf_text(&ended.err));
}

static pid_t worker_of(const struct zoo *zoo, int world, int plugin)
{
    ENDED_AUTO ended = ENDED_INIT;
    struct command c;
    command_make(zoo, world, plugin, "pid %K", &c);
    return run(c.argv, &ended) == 0 ? (pid_t)strtol(buf_text(&ended.out), NULL, 10) : 0;
}

/* This process adopts workers: whoever is new among its descendants and is no worker of a cage was
 * left by the row. */
static void check_nobody(const struct zoo *zoo, const struct row *row, const struct family *was,
                         struct result *result)
{
    struct family now;
    int64_t end = clock_ms() + SETTLE_MS;
    for (int left = -1, pause = 1; left != 0; pause = pause < LONG_MS ? pause * 2 : LONG_MS) {
        left = 0;
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
            continue;
        look_family(getpid(), &now);
        for (int i = 1; i < now.n; i++)
            left += family_find(was, now.member[i].pid) == NULL;
        if (left > 0 && clock_ms() >= end) {
            BUF_AUTO who = BUF_INIT;
            family_tell(&now, &who);
            result_violation(result, "%s: %d processes were left, among %s\n", row->name, left,
                             buf_text(&who));
            return;
        }
        if (left > 0)
            clock_sleep_ms(pause);
    }
}

static void drive_life(const struct zoo *zoo, int world, const struct row *row, bool json,
                       struct result *result)
{
    struct family was;
    int plugin = zoo_plugin(zoo, row->plugin);
    unsigned violations = result->violations;
    ENDED_AUTO ended = ENDED_INIT;
    cage_discard(zoo, world, plugin);
    look_family(getpid(), &was);
    uint64_t files = world_files(zoo, world);
    step(zoo, world, row, "load -t 25s %K", 0, result);
    if (row->code == 0 && worker_of(zoo, world, plugin) <= 0)
        result_violation(result, "%s: its worker has no pid\n", row->name);
    call_run(zoo, world, row, json, &ended);
    call_check(row, json, &ended, result);
    step(zoo, world, row, "loaded %K", row->end == 0 ? 0 : 1, result);
    step(zoo, world, row, "release %K", row->end, result);
    step(zoo, world, row, "loaded %K", 1, result);
    check_nobody(zoo, row, &was, result);
    check_files(row, files, world_files(zoo, world), result);
    if (result->violations != violations)
        cage_discard(zoo, world, plugin);
}

static void drive_failing_load(const struct zoo *zoo, int world, const struct row *row,
                               struct result *result)
{
    struct family was;
    char line[64];
    struct command c;
    ANSWER_AUTO a = {0};
    ENDED_AUTO ended = ENDED_INIT;
    look_family(getpid(), &was);
    uint64_t files = world_files(zoo, world);
    snprintf(line, sizeof line, "load --json %s %%K", row->options ? row->options : LONG_TIME);
    command_make(zoo, world, zoo_plugin(zoo, row->plugin), line, &c);
    run(c.argv, &ended);
    if (!answer_read(buf_text(&ended.out), &a))
        call_note(row, "", "stdout", "an answer", buf_text(&ended.out), result);
    call_check_code(row, "", &ended, result);
    if (strcmp(a.error, row->error) != 0)
        call_note(row, "", "code", row->error, a.error, result);
    step(zoo, world, row, "loaded %K", 1, result);
    check_nobody(zoo, row, &was, result);
    check_files(row, files, world_files(zoo, world), result);
}

void drive(const struct zoo *zoo, int world, const struct row *row, struct result *result)
{
    int64_t begin = clock_ms();
    if (row->kind == ROW_EXEC) {
        drive_exec(zoo, world, row, result);
    } else if (row->kind == ROW_LIFE) {
        drive_life(zoo, world, row, true, result);
        drive_life(zoo, world, row, false, result);
    } else {
        drive_failing_load(zoo, world, row, result);
    }
    unsigned ms = (unsigned)(clock_ms() - begin);
    result_count(result, TIMES);
    result_add(result, MILLISECONDS, ms);
    result_most(result, LONGEST, ms);
}

/* ---- the end ---- */

static void check_cage(const struct zoo *zoo, int world, int plugin, struct result *result)
{
    const struct cage *cage = zoo_cage(zoo, world, plugin);
    const char *name = zoo->plugin[plugin];
    cage_settle(cage, result, name);
    cage_check_counts(zoo, plugin, cage, result, name);
    long grown = look_memory_kib(cage->pid) - cage->memory_kib;
    if (grown > GROWTH_KIB)
        result_violation(result, "%s: the worker has grown by %ld KiB\n", name, grown);
}

void drive_end(const struct zoo *zoo, int world, struct result *result)
{
    int n = 0;
    struct command c;
    char path[PATH_ROOM];
    ENDED_AUTO ended = ENDED_INIT;
    for (int i = 0; i < zoo->n_plugins; i++)
        if (zoo_cage(zoo, world, i)->pid > 0) {
            check_cage(zoo, world, i, result);
            n++;
        }
    command_make(zoo, world, 0, "ps --json", &c);
    run(c.argv, &ended);
    if (answer_count_workers(buf_text(&ended.out)) != n)
        result_violation(result, "there are %d workers, and ps says: %s\n", n,
                         buf_text(&ended.out));
    command_make(zoo, world, 0, "release --all", &c);
    if (n > 0 && run(c.argv, &ended) != 0)
        result_violation(result, "release --all: %s\n", buf_text(&ended.err));
    result_add(result, TIMES, (unsigned)n);
    if (look_files(world_path(zoo, world, "r", path)) != zoo->empty[world])
        result_violation(result, "files were left in '%s'\n", path);
}
