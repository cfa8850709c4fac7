/* Storm: many callers of one worker for some time, while calls, supervisors and callers are killed
 * at random. Each caller that lives gets one outcome, and it is the right one:
 *
 * - what the function gives or fails with; or
 * - 137, if its call was killed; or
 * - 69, if its supervisor was killed, or its call before it had handed the caller over.
 *
 * A function says which processes run it, and whoever kills takes down whom: so "if" can be
 * checked. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "cage.h"
#include "call.h"
#include "draw.h"
#include "drive.h"
#include "jobs.h"
#include "storm.h"

enum {
    WORLD = 0,
    PLUGIN = 0,
    LOG_MAX = 1 << 16,
    CALLS_PER_KILL = 3,
    PATIENCE_MS = 60000, /* for somebody to be killed */
    SHORTLY_MS = 1000,
    HURRY = -10, /* the niceness of who kills: among so many it would hardly get its turn */
};

/* What was killed; which is also what becomes of a caller. */
enum role { NOBODY, CALL, SUPERVISOR, CALLER, N_ROLES };
enum outcome { RIGHT, KILLED, GONE, DEAD, KILLS }; /* counts of a result; KILLS + role */

struct killing {
    pid_t pid;
    enum role role; /* NOBODY: it was not there any more */
    int64_t ms;
};

struct storm {
    const struct zoo *zoo;
    const struct options *options;
    struct result *result;
    int64_t end_ms;
    pid_t player, worker; /* the parent of all, and the worker */
    struct log {
        size_t n;
        struct killing killing[LOG_MAX];
    } * log;
    unsigned long *tally; /* callers that were told so: by counter */
};

/* When its time is up, and it was a storm; or when that takes too long. */
static bool is_over(const struct storm *s)
{
    int64_t now = clock_ms();
    for (int role = CALL; role < N_ROLES && now < s->end_ms + PATIENCE_MS; role++)
        if (__atomic_load_n(&s->result->count[KILLS + role], __ATOMIC_RELAXED) == 0)
            return false;
    return now >= s->end_ms;
}

/* ---- who kills ---- */

/* A child of a process, by chance; but not `but`, nor ourselves, nor, in a worker's session, what
 * calls have left: that is for the worker to end. */
static bool choose_child(pid_t pid, pid_t but, pid_t session, uint64_t *random,
                         struct relative *ret)
{
    struct family family;
    unsigned seen = 0;
    look_children(pid, &family);
    for (int i = 1; i < family.n; i++) {
        const struct relative *r = &family.member[i];
        if (r->pid != but && r->pid != getpid() && (session == 0 || r->session == session) &&
            draw(random, ++seen) == 0)
            *ret = *r;
    }
    return seen > 0;
}

/* By its place in the tree: the worker's children are supervisors, and theirs calls; a caller is a
 * child of one of ours. */
static bool choose_victim(const struct storm *s, enum role role, uint64_t *random,
                          struct relative *ret)
{
    if (role == CALLER)
        return choose_child(s->player, s->worker, 0, random, ret) &&
               choose_child(ret->pid, 0, 0, random, ret);
    return choose_child(s->worker, 0, s->worker, random, ret) &&
           (role == SUPERVISOR || choose_child(ret->pid, 0, 0, random, ret));
}

/* It is written down first: who is killed may be asked for at once. */
static void kill_one(const struct storm *s, const struct relative *r, enum role role)
{
    if (s->log->n >= LOG_MAX)
        give_up("the storm has killed too many");
    struct killing *k = &s->log->killing[s->log->n];
    *k = (struct killing){r->pid, role, clock_ms()};
    __atomic_store_n(&s->log->n, s->log->n + 1, __ATOMIC_RELEASE);
    if (relative_kill(r)) {
        result_count(s->result, KILLS + (int)role);
    } else {
        k->role = NOBODY;
        __atomic_store_n(&s->log->n, s->log->n - 1, __ATOMIC_RELEASE);
    }
}

static unsigned sum(const struct storm *s, int from, int to)
{
    unsigned n = 0;
    for (int i = from; i <= to; i++)
        n += __atomic_load_n(&s->result->count[i], __ATOMIC_RELAXED);
    return n;
}

/* Not more than there are calls that end otherwise. */
static void killer(const struct storm *s, uint64_t random)
{
    setpriority(PRIO_PROCESS, 0, HURRY);
    while (!is_over(s)) {
        enum role role = CALL + draw(&random, CALLER);
        struct relative victim;
        if (sum(s, KILLS + CALL, KILLS + CALLER) * CALLS_PER_KILL < sum(s, RIGHT, DEAD) + 1 &&
            choose_victim(s, role, &random, &victim))
            kill_one(s, &victim, role);
        else
            clock_sleep_ms(1);
    }
}

/* Whether somebody in that role was killed in that time, or so shortly before that others may have
 * found out within it: a spare whose supervisor has just been killed takes a client while it dies.
 * `pid` 0: anybody. Killers write down what they do on their own, so times are not in order. */
static bool was_killed(const struct storm *s, enum role role, pid_t pid, int64_t from, int64_t to)
{
    for (size_t i = __atomic_load_n(&s->log->n, __ATOMIC_ACQUIRE); i-- > 0;) {
        const struct killing *k = &s->log->killing[i];
        if (k->ms < from - 2 * SHORTLY_MS)
            return false;
        if (k->ms >= from - SHORTLY_MS && k->ms <= to && k->role == role &&
            (pid == 0 || k->pid == pid))
            return true;
    }
    return false;
}

/* ---- who calls ---- */

/* A call that was made: what is due, and what came. */
struct request {
    char line[160], result[32];
    int code;
    int64_t from, to;
    pid_t pid; /* of modload */
    struct ended ended;
    int call, supervisor; /* as the function said; 0: it said nothing */
    const char *said;     /* behind that */
};

static void choose(struct request *r, uint64_t *random)
{
    static const char *const works[] = {"at_once %d %d",
                                        "sleeps_a_little %d %d %d",
                                        "works_a_little %d %d %d",
                                        "leaves_a_child %d %d %d",
                                        "fails %d %d",
                                        "crashes"};
    char call[96];
    unsigned which = draw(random, 6);
    int a = (int)draw(random, 1000000), b = (int)draw(random, 1000000), n = (int)draw(random, 200);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(call, sizeof call, works[which], a, b, n);
#pragma GCC diagnostic pop
    snprintf(r->line, sizeof r->line, "exec " LONG_TIME " %%K %s", call);
    r->code = which < 4 ? 0 : which == 4 ? 1 : 128 + SIGSEGV;
    snprintf(r->result, sizeof r->result, r->code == 0 ? "%d\n" : "", a + b);
}

static void make(const struct storm *s, struct request *r)
{
    const struct run_how plain = RUN_PLAIN;
    struct command c;
    int status, n = 0;
    command_make(s->zoo, WORLD, PLUGIN, r->line, &c);
    r->from = clock_ms();
    r->pid = run_start(c.argv, &plain);
    bool in_time = run_wait(r->pid, &status, clock_ms() + HANGS_MS);
    if (!in_time) {
        kill(r->pid, SIGKILL);
        run_wait(r->pid, &status, run_deadline());
    }
    r->to = clock_ms();
    run_collect(status, &r->ended);
    r->ended.hung = !in_time;
    r->call = r->supervisor = 0;
    if (sscanf(buf_text(&r->ended.out), "in %d of %d\n%n", &r->call, &r->supervisor, &n) != 2)
        n = 0;
    r->said = buf_text(&r->ended.out) + n;
}

/* One outcome and not two: a result, and nothing on stderr; or an error, and no result. */
static bool has_one_outcome(const struct request *r)
{
    const char *err = buf_text(&r->ended.err);
    bool error = strncmp(err, "modload: ", 9) == 0 && strstr(err + 1, "\nmodload: ") == NULL;
    return r->ended.code == 0 ? *err == '\0' && *r->said != '\0' : error && *r->said == '\0';
}

/* What became of it, if that is right; -1. */
static int judge(const struct storm *s, const struct request *r)
{
    const struct ended *e = &r->ended;
    if (e->hung)
        return -1;
    if (e->signal == SIGKILL)
        return was_killed(s, CALLER, r->pid, r->from, r->to) ? DEAD : -1;
    if (!has_one_outcome(r))
        return -1;
    if (e->code == r->code)
        return strcmp(r->said, r->result) == 0 ? RIGHT : -1;
    if (e->code == 128 + SIGKILL)
        return was_killed(s, CALL, r->call, r->from, r->to) ? KILLED : -1;
    if (e->code != 69)
        return -1;
    return was_killed(s, SUPERVISOR, r->supervisor, r->from, r->to) ||
                   (r->call == 0 && was_killed(s, CALL, 0, r->from, r->to))
               ? GONE
               : -1;
}

static void tell(const struct storm *s, const struct request *r)
{
    char text[64];
    result_violation(s->result, "'%s' %s, %lld ms, in %d of %d\nstdout: %.300s\nstderr: %.600s\n",
                     r->line, ended_text(&r->ended, text), (long long)(r->to - r->from), r->call,
                     r->supervisor, buf_text(&r->ended.out), buf_text(&r->ended.err));
}

static void caller(const struct storm *s, uint64_t random)
{
    struct request r = {.code = 0};
    while (!is_over(s)) {
        choose(&r, &random);
        make(s, &r);
        int outcome = judge(s, &r);
        if (outcome < 0)
            tell(s, &r);
        else
            result_count(s->result, outcome);
        enum counter counter = r.ended.code == 0 ? OKS : r.ended.code == 1 ? ERRORS : CRASHES;
        if (outcome == RIGHT || outcome == KILLED)
            __atomic_add_fetch(&s->tally[counter], 1, __ATOMIC_RELAXED);
    }
    ended_free(&r.ended);
}

static void part(size_t item, int process, void *arg)
{
    const struct storm *s = arg;
    uint64_t random = s->options->seed * 1000 + item;
    if (item == 0)
        killer(s, random);
    else
        caller(s, random);
}

/* ---- the end ---- */

/* What was counted is what callers were told; and perhaps what those were not who were killed, or
 * whose supervisors were before they had answered. */
static void check_counts(const struct storm *s, struct cage *cage, struct result *result)
{
    const char *argv[] = {s->zoo->modload, "ps", "--json", NULL};
    unsigned long lost = s->result->count[DEAD] + s->result->count[GONE], sum = 0;
    char key[KEY_SIZE];
    struct counts counts;
    ENDED_AUTO ended = ENDED_INIT;
    zoo_key(PLUGIN, key);
    run(argv, &ended);
    if (!answer_read_counts(buf_text(&ended.out), key, &counts))
        result_violation(result, "ps: %s%s\n", buf_text(&ended.out), buf_text(&ended.err));
    for (int i = 0; i < N_COUNTERS; i++) {
        unsigned long least = cage->counts[i] + s->tally[i];
        if (i != CALLS && (counts.n[i] < least || counts.n[i] > least + lost))
            result_violation(result, "ps: %s: expected %lu to %lu, got %lu\n", counter_names[i],
                             least, least + lost, counts.n[i]);
        sum += i != CALLS ? counts.n[i] : 0;
        cage->counts[i] = counts.n[i];
    }
    if (sum != counts.n[CALLS])
        result_violation(result, "ps: calls: expected %lu, got %lu\n", sum, counts.n[CALLS]);
}

static void check_end(const struct storm *s, struct cage *cage, struct result *result)
{
    static const char after[] = "after the storm";
    ANSWER_AUTO sum = {0};
    cage_settle(cage, result, after);
    check_counts(s, cage, result);
    if (strcmp(cage_call(s->zoo, WORLD, PLUGIN, "add 2 3", &sum, result, after), "5") != 0)
        result_violation(result, "%s: 2 and 3 are not 5\n", after);
    for (int role = CALL; role < N_ROLES; role++)
        if (s->result->count[KILLS + role] == 0)
            result_violation(result, "nobody was killed in role %d: this is no storm\n", role);
    drive_end(s->zoo, WORLD, result);
    if (run_settle() > 0)
        result_violation(result, "processes were left\n");
}

static void *share(size_t size)
{
    void *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        give_up("cannot share memory: %s", strerror(errno));
    return p;
}

void storm_mode(const struct zoo *zoo, const struct options *options)
{
    size_t n = (size_t)options->processes + 1;
    struct storm s = {.zoo = zoo, .options = options, .result = results_new(2)};
    struct result *end = s.result + 1;
    s.log = share(sizeof *s.log);
    s.tally = share(N_COUNTERS * sizeof *s.tally);
    struct cage *cage = cage_load(zoo, WORLD, PLUGIN, end);
    if (cage != NULL) {
        s.player = getpid();
        s.worker = cage->pid;
        s.end_ms = clock_ms() + options->seconds * 1000;
        jobs_run(n, (int)n, part, &s);
        check_end(&s, cage, end);
    }
    const unsigned *count = s.result->count;
    tap_result(s.result,
               "storm: %d callers, %d s: %u got what was due, %u were told that their call was "
               "killed, %u that its supervisor was, %u were killed",
               options->processes, options->seconds, count[RIGHT], count[KILLED], count[GONE],
               count[DEAD]);
    tap_result(end,
               "storm: the worker answers, and nothing is left: %u calls, %u supervisors and "
               "%u callers were killed",
               count[KILLS + CALL], count[KILLS + SUPERVISOR], count[KILLS + CALLER]);
}
