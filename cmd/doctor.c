/* modload doctor: what the library's doctor tells, for people and programs. In the front, so that
 * it runs where the rest of modload does not; bare, so that it does where nobody has a home. */
#include "modload/doctor.h"

#include <string.h>

#include "cmd/command.h"

enum { STATUS_WIDTH = 9, NAME_WIDTH = 14 };

struct report {
    struct invocation *in;
    unsigned problems, warnings;
};

/* One line each: what comes from paths and other programs must not make another. */
static void put_text(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f)
            buf_fmt(out, "\\x%02x", *p);
        else
            buf_char(out, (char)*p);
    buf_char(out, '\n');
}

static int show(const struct ml_finding *finding, void *arg)
{
    static const char *const words[] = {"ok", "warning", "problem"};
    struct report *report = arg;
    struct invocation *in = report->in;
    report->warnings += finding->health == ML_HEALTH_WARNING;
    report->problems += finding->health == ML_HEALTH_PROBLEM;
    buf_fmt(&in->text, "%-*s%-*s", STATUS_WIDTH, words[finding->health], NAME_WIDTH, finding->name);
    put_text(&in->text, finding->detail);
    if (*finding->hint != '\0') {
        buf_fmt(&in->text, "%*shint: ", STATUS_WIDTH, "");
        put_text(&in->text, finding->hint);
    }
    json_open(&in->data, '{');
    json_pair(&in->data, "name", finding->name);
    json_pair(&in->data, "status", words[finding->health]);
    json_pair(&in->data, "detail", finding->detail);
    json_pair(&in->data, "hint", finding->hint);
    json_close(&in->data, '}');
    return 0;
}

/* The last line says whether there is anything to be done. */
static void show_sum(struct report *report)
{
    struct invocation *in = report->in;
    buf_fmt(&in->text, "%u problem%s, %u warning%s\n", report->problems,
            report->problems == 1 ? "" : "s", report->warnings, report->warnings == 1 ? "" : "s");
    json_key(&in->data, "problems");
    json_uint(&in->data, report->problems);
    json_key(&in->data, "warnings");
    json_uint(&in->data, report->warnings);
}

static int run(struct invocation *in)
{
    struct report report = {.in = in};
    json_open(&in->data, '{');
    json_key(&in->data, "checks");
    json_open(&in->data, '[');
    if (ml_doctor(NULL, watch_signals(in), show, &report, &in->err) < 0)
        return failed_or_signalled(in);
    json_close(&in->data, ']');
    show_sum(&report);
    json_close(&in->data, '}');
    return report.problems == 0 ? 0 : ML_FAILED;
}

const struct command command_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "look whether everything that modload needs is there",
    .help =
        "A line for each thing that is looked at: ok, warning or problem, and behind the last two "
        "what to do. 0 is\n"
        "no problem, 1 is at least one; warnings are none. Nothing is changed: the compiler is "
        "tried "
        "in a\n"
        "directory of its own in $TMPDIR or /tmp.",
    .example = "modload doctor",
    .bare = true,
    .run = run,
};
