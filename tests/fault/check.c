/* What must hold of a home after its command was cut short. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "known.h"
#include "layout.h"
#include "run.h"
#include "trial.h"

/* What the checks share. */
struct look {
    const struct rig *rig;
    const struct trial *t;
    const struct state *old, *new; /* what it may be */
    char home[PATH_ROOM];
    struct result *result; /* where whole checks are counted */
    struct buf *why;
};

static void say(const struct look *l, const char *what, const struct ended *ended)
{
    char text[64];
    buf_fmt(l->why, "%s %s: %s%s", what, ended_text(ended, text), buf_text(&ended->err),
            ended->err.len ? "" : "\n");
}

/* Null, or what a state is that it must not be. */
static const char *broken(const struct look *l, unsigned is, unsigned demands)
{
    bool loose = (l->t->c->flags & CASE_LOOSE) != 0 || !layout_is_solid(l->rig->format);
    if (is == 0)
        return "it is neither old nor new";
    if (is == STATE_MIXED && !loose)
        return "it is partly old and partly new";
    if ((demands & MUST_BE_NEW) && !(is & STATE_NEW))
        return "it is not the new state, which was said to be there";
    return NULL;
}

/* The first look: the commands that read find old or new; `s` has what the first of them said. */
static unsigned look_at(struct look *l, unsigned demands, struct state *s)
{
    BUF_AUTO how = BUF_INIT, back = BUF_INIT;
    state_go_on(l->rig, &l->t->q, l->home, s);
    unsigned is = state_compare(s, l->old, l->new, &how);
    const char *why = broken(l, is, demands);
    if (why != NULL && l->t->was_cut && (demands & MAY_GO_BACK)) {
        l->old = &l->t->back_old;
        l->new = &l->t->back_new;
        is = state_compare(s, l->old, l->new, &back);
        why = broken(l, is, demands) ? why : NULL;
    }
    if (why == NULL)
        return is;
    buf_fmt(l->why, "%s:\n%s", why, buf_text(&how));
    return 0;
}

static bool verifies(const struct look *l, unsigned is)
{
    const char *argv[] = {l->rig->modload, "verify", NULL};
    ENDED_AUTO ended = ENDED_INIT;
    if (!rig_has(l->rig, "verify") || ((l->t->c->flags & CASE_DAMAGED) && !(is & STATE_NEW)))
        return true;
    if (run(argv, &ended) == 0)
        return true;
    buf_str(l->why, buf_text(&ended.out));
    say(l, "verify", &ended);
    return false;
}

/* Who gives the command again gets what it is for. */
static bool goes_through(const struct look *l, unsigned is)
{
    struct words words;
    STATE_AUTO s = {.n = 0};
    BUF_AUTO how = BUF_INIT;
    ENDED_AUTO ended = ENDED_INIT;
    rig_words(l->rig, l->t->c->command, strlen(l->t->c->command), &words);
    run(words.argv, &ended);
    bool done = is & STATE_OLD ? false : l->t->c->again != 0 && ended.code == l->t->c->again;
    if (ended.code != 0 && !done) {
        say(l, "the command, given again,", &ended);
        return false;
    }
    state_read(l->rig, &l->t->q, l->home, &s);
    if (state_compare(&s, l->new, l->new, &how) & STATE_NEW)
        return true;
    buf_fmt(l->why, "the command, given again, does not give the new state:\n%s", buf_text(&how));
    return false;
}

static void take_first(const char *id, void *arg)
{
    snprintf(arg, BUNDLE_SIZE, "%s", id);
}

/* The next change works, and takes away what was left. */
static bool cleans_up(const struct look *l)
{
    char bundle[BUNDLE_SIZE] = "";
    BUF_AUTO litter = BUF_INIT;
    ENDED_AUTO ended = ENDED_INIT;
    layout_bundles(l->home, take_first, bundle);
    const char *argv[] = {l->rig->modload, "register", rig_key(N_KEYS), bundle, NULL};
    if (run(argv, &ended) < 0) {
        say(l, "the next change", &ended);
        return false;
    }
    layout_litter(l->home, &litter);
    if (litter.len == 0)
        return true;
    buf_fmt(l->why, "left behind:\n%s", buf_text(&litter));
    return false;
}

/* Everything, once the first command has been. */
static unsigned check_all(struct look *l, unsigned demands, struct state *s)
{
    unsigned is = look_at(l, demands, s);
    return is != 0 && verifies(l, is) && goes_through(l, is) && cleans_up(l) ? is : 0;
}

/* A home is known by what is in it before the next command, or by what that has made of it and said
 * of it. */
static unsigned check_unknown(struct look *l, unsigned demands)
{
    struct known *known = l->t->known;
    STATE_AUTO s = {.n = 0};
    uint64_t found = known_hash(l->home, demands);
    unsigned is = known_find(known, found);
    if (is != 0)
        return is;
    uint64_t said = state_begin(l->rig, &s);
    uint64_t left = known_hash(l->home, said + demands);
    is = known_find(known, left);
    if (is == 0) {
        result_count(l->result, COUNT_LOOKED_AT);
        is = check_all(l, demands, &s);
    }
    if (is == 0)
        return 0;
    known_add(known, found, is);
    known_add(known, left, is);
    return is;
}

unsigned trial_check(const struct rig *rig, const struct trial *t, const char *world,
                     unsigned demands, struct result *result, struct buf *why)
{
    struct look l = {rig, t, &t->old, &t->new, .result = result, .why = why};
    rig_enter(rig, world);
    rig_home(rig, world, l.home);
    unsigned is = check_unknown(&l, demands);
    if (is == 0)
        return 0;
    int left = run_settle();
    if (left > 0)
        buf_fmt(why, "%d processes were left\n", left);
    return left > 0 ? 0 : is;
}

static bool has_line(const struct buf *text, const char *line, size_t n)
{
    for (const char *p = buf_text(text); *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
        if (strcspn(p, "\n") == n && strncmp(p, line, n) == 0)
            return true;
    return false;
}

bool trial_is_answer(const struct trial *t, const struct ended *ended)
{
    const char *p = buf_text(&ended->out);
    if (strcmp(p, buf_text(&t->out)) == 0)
        return true;
    for (size_t n; *p != '\0'; p += n + (p[n] == '\n')) {
        n = strcspn(p, "\n");
        if (!has_line(&t->out, p, n) && !has_line(&t->back_out, p, n))
            return false;
    }
    return t->was_cut;
}

/* Whether a line begins another one, wherever the two have other numbers. */
static bool begins(const char *whole, const char *line, size_t n)
{
    const char *end = line + n;
    while (line < end) {
        bool number = isdigit((unsigned char)*line) && isdigit((unsigned char)*whole);
        if (!number && *line != *whole)
            return false;
        line++;
        whole++;
        while (number && line < end && isdigit((unsigned char)*line))
            line++;
        while (number && isdigit((unsigned char)*whole))
            whole++;
    }
    return true;
}

/* Whether a line is one of those that come when all goes well, or as much of it as tells what there
 * was to be done. */
static bool is_usual(const struct trial *t, const char *line, size_t n)
{
    for (const char *p = buf_text(&t->err); *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
        if (n > strlen("modload: ") && begins(p, line, n))
            return true;
    return false;
}

/* What libarchive says of itself, before it ends the process. */
static bool is_of_libarchive(const char *line, size_t n)
{
    static const char text[] = "Fatal Internal Error in libarchive: Out of memory";
    return n == strlen(text) && strncmp(line, text, n) == 0;
}

/* A failure is told in one line, and a hint; what is said when all goes well does not count. */
bool trial_is_told(const struct trial *t, const struct ended *ended, bool may_be_silent)
{
    int messages = 0, hints = 0, others = 0;
    const char *line = buf_text(&ended->err);
    for (size_t n; *line != '\0'; line += n + (line[n] == '\n')) {
        n = strcspn(line, "\n");
        if (is_usual(t, line, n) || is_of_libarchive(line, n))
            continue;
        if (strncmp(line, "modload: ", 9) == 0)
            messages++;
        else if (strncmp(line, "  hint: ", 8) == 0)
            hints++;
        else
            others++;
    }
    if (strncmp(t->c->command, "verify", 6) == 0 && (ended->code == 77 || ended->code == 74))
        return messages > (ended->code == 77); /* each problem, and how many, or why it stopped */
    if (strncmp(t->c->command, "register --many", 15) == 0 && messages > 1)
        return hints <= 1 && others == 0; /* each line of the list that is affected */
    return (messages == 1 || (messages == 0 && may_be_silent)) && hints <= 1 && others == 0;
}
