/* Calling, and looking at what was said. */
#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/scope.h"

void call_note(const struct row *row, const char *form, const char *what, const char *expected,
               const char *got, struct result *result)
{
    result_violation(result, "%s%s: %s: expected '%.300s', got '%.900s'\n", row->name, form, what,
                     expected, got);
}

/* ---- the call ---- */

/* A row's input and output; each is -1 or is to be closed. */
struct ends {
    int in, out, other; /* `other` is the other end of a pipe */
};

static int text_file(const char *text)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || fs_write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        give_up("cannot make an input: %s", strerror(errno));
    return fd;
}

static void make_pipe(int *reading, int *writing)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0)
        give_up("cannot make a pipe: %s", strerror(errno));
    *reading = pair[0];
    *writing = pair[1];
}

static void open_ends(const struct row *row, struct ends *e)
{
    *e = (struct ends){-1, -1, -1};
    if (row->input != NULL && strcmp(row->input, "@pipe") == 0)
        make_pipe(&e->in, &e->other);
    else if (row->input != NULL && strcmp(row->input, "@zero") == 0)
        e->in = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    else if (row->input != NULL)
        e->in = text_file(row->input);
    if (row->sink == SINK_NULL)
        e->out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    else if (row->sink != SINK_FILE)
        make_pipe(&e->other, &e->out);
    if (row->sink == SINK_CLOSED)
        close(steal_fd(&e->other));
}

static void close_ends(struct ends *e)
{
    for (int i = 0; i < 3; i++)
        if ((&e->in)[i] >= 0)
            close((&e->in)[i]);
}

/* With --json what the function prints goes to stderr. A pipe that nobody reads would keep modload
 * itself from saying what went wrong: there it goes to nobody instead. */
void call_run(const struct zoo *zoo, int world, const struct row *row, bool json,
              struct ended *ended)
{
    char line[1024];
    struct command c;
    struct ends ends;
    struct row as = *row;
    struct run_how how = RUN_PLAIN;
    if (json && row->sink == SINK_FULL)
        as.sink = SINK_NULL;
    snprintf(line, sizeof line, "exec %s%s %%K %s", json ? "--json " : "",
             row->options ? row->options : LONG_TIME, row->call);
    command_make(zoo, world, zoo_plugin(zoo, row->plugin), line, &c);
    open_ends(&as, &ends);
    how.stdio[0] = ends.in;
    how.stdio[json ? 2 : 1] = ends.out;
    how.limit_ms = HANGS_MS;
    run_as(c.argv, &how, ended);
    close_ends(&ends);
}

/* ---- what it said ---- */

/* A text, or behind a '*' its end. */
static bool text_is(const struct buf *text, const char *expected)
{
    bool end = *expected == '*';
    size_t n = strlen(expected) - end;
    return (end ? text->len >= n : text->len == n) &&
           memcmp(buf_text(text) + text->len - n, expected + end, n) == 0;
}

/* Whether modload says so behind an error: a hint, or a line of a backtrace. */
static bool is_behind_error(const char *line)
{
    return strncmp(line, "  hint: ", 8) == 0 || strncmp(line, "  at ", 5) == 0 ||
           strncmp(line, "  ...", 5) == 0;
}

/* Takes modload's own lines out of what came on stderr. How many errors. */
static int take_words(const char *text, struct buf *rest)
{
    int errors = 0;
    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        n += line[n] == '\n';
        if (strncmp(line, "modload: ", 9) == 0)
            errors++;
        else if (errors == 0 || !is_behind_error(line))
            buf_add(rest, line, n);
        line += n;
    }
    return errors;
}

void call_check_code(const struct row *row, const char *form, const struct ended *ended,
                     struct result *result)
{
    char expected[32], got[64];
    snprintf(expected, sizeof expected, "exited with %d", row->code);
    if (ended->hung || ended->code != row->code)
        call_note(row, form, "its end", expected, ended_text(ended, got), result);
    if (strstr(buf_text(&ended->err), "(null)") != NULL)
        call_note(row, form, "stderr", "words", buf_text(&ended->err), result);
}

static void check_text(const struct row *row, const struct ended *ended, struct result *result)
{
    char out[1024] = "";
    BUF_AUTO err = BUF_INIT;
    int errors = take_words(buf_text(&ended->err), &err);
    if (row->out == NULL && row->code == 0 && row->data != NULL)
        snprintf(out, sizeof out, "%s\n", row->data);
    const char *expected = row->out ? row->out : out;
    call_check_code(row, "", ended, result);
    if (row->sink == SINK_FILE && !text_is(&ended->out, expected))
        call_note(row, "", "stdout", expected, buf_text(&ended->out), result);
    expected = row->err ? row->err : "";
    if (!text_is(&err, expected))
        call_note(row, "", "stderr", expected, buf_text(&err), result);
    if (errors != (row->code != 0))
        call_note(row, "", "modload's words", row->code ? "one error" : "none",
                  buf_text(&ended->err), result);
}

/* Whether a word is one of those in "one|other"; "" is one in "". */
static bool is_one_of(const char *word, const char *words)
{
    size_t n = strlen(word);
    for (const char *p = words;; p++) {
        size_t len = strcspn(p, "|");
        if (len == n && memcmp(p, word, n) == 0)
            return true;
        p += len;
        if (*p == '\0')
            return false;
    }
}

static void check_json(const struct row *row, const struct ended *ended, struct result *result)
{
    static const char form[] = ", --json";
    ANSWER_AUTO a = {0};
    const char *error = row->error ? row->error : "", *outcome = row->outcome ? row->outcome : "";
    call_check_code(row, form, ended, result);
    if (!answer_read(buf_text(&ended->out), &a) || a.code != ended->code) {
        call_note(row, form, "stdout", "an answer", buf_text(&ended->out), result);
        return;
    }
    if (!is_one_of(a.error, error))
        call_note(row, form, "code", error, a.error, result);
    if (strcmp(a.outcome, outcome) != 0)
        call_note(row, form, "outcome", outcome, a.outcome, result);
    const char *data = row->data ? row->data : "null";
    if (!text_is(&a.data, data))
        call_note(row, form, "data", data, buf_text(&a.data), result);
}

void call_check(const struct row *row, bool json, const struct ended *ended, struct result *result)
{
    if (json)
        check_json(row, ended, result);
    else
        check_text(row, ended, result);
}
