/* The parent's side: a child reads the archive and fills the directory; what it says on its way out
 * is looked at as if a stranger had said it. */
#include "archive/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "archive/beneath.h"
#include "archive/confine.h"
#include "archive/lib.h"
#include "archive/parse.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"

/* ---- in the child: the archive is its standard input, the directory where it stands ---- */

/* The directory is opened before nothing can be opened any more. */
static int parse_confined(const struct archive_limits *limits, struct ml_error *err)
{
    AUTO_CLOSE int dirfd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return ml_error_errno(err, 0, errno, "cannot open the directory");
    if (archive_confine(dirfd, limits, err) < 0)
        return -1;
    return archive_parse(STDIN_FILENO, dirfd, limits, err);
}

/* The report is smaller than PIPE_BUF, so that it is written whole or not at all. */
static int child_body(void *arg)
{
    struct ml_error report = ML_ERROR_INIT;
    int status = parse_confined(arg, &report);
    if (fs_write_all(STDOUT_FILENO, &report, sizeof report) < 0)
        return 2;
    return status < 0 ? 1 : 0;
}

/* ---- in the parent ---- */

/* Statuses that the child has a reason to give; anything else is no report. */
static bool is_known(int status)
{
    static const int known[] = {ML_DATA, ML_REFUSED, ML_LIMIT, ML_IO, ML_CANT_CREATE, ML_NO_INPUT};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == status)
            return true;
    return false;
}

/* A status that is known, texts that end, and an exit status that says the same. */
static bool report_read(const struct buf *out, const struct child_end *end, struct ml_error *report)
{
    if (end->signal != 0 || out->len != sizeof *report)
        return false;
    memcpy(report, out->data, sizeof *report);
    report->outcome[0] = '\0';
    report->code[sizeof report->code - 1] = '\0';
    report->message[sizeof report->message - 1] = '\0';
    report->hint[sizeof report->hint - 1] = '\0';
    return end->code == 0 ? report->status == 0 : end->code == 1 && is_known(report->status);
}

/* What to do is a matter of what kind of error it is, and for the parent to say. */
static void hint_set(struct ml_error *err)
{
    static const struct {
        const char *code, *hint;
    } hints[] = {
        {"bad_archive", "get it again, or make it anew; 'tar tf' and 'unzip -t' say more"},
        {"not_an_archive", "compress a directory of sources with tar or zip"},
        {"hostile_archive", "only plain files and directories are taken; if you trust it, unpack "
                            "it yourself and use the directory"},
        {"archive_too_large", "unpack it yourself and use the directory"},
        {"timeout", "give it more time, or unpack it yourself and use the directory"},
    };
    for (size_t i = 0; err != NULL && i < sizeof hints / sizeof *hints; i++)
        if (*err->hint == '\0' && strcmp(err->code, hints[i].code) == 0)
            ml_error_hint(err, "%s", hints[i].hint);
}

/* Signals of limits are limits, and so is libarchive's own exit(1) without a word (its
 * __archive_errx), for a text that there is no memory for. Any other end without a report is the
 * archive's doing, since that is all that differs from one run to the next. */
static int crashed(const struct child_end *end, size_t said, const struct archive_limits *limits,
                   struct ml_error *err)
{
    char text[128];
    if (end->signal == 0 && end->code == 1 && said == 0)
        return ml_error_set(err, ML_LIMIT, "archive_too_large",
                            "it takes too much memory to unpack");
    if (end->signal == SIGXCPU)
        return ml_error_set(err, ML_LIMIT, "archive_too_large",
                            "reading it took more than %u s of processor time", limits->cpu_s);
    ml_error_set(err, ML_DATA, "bad_archive", "the process that read it %s",
                 child_end_text(end, text, sizeof text));
    return ml_error_hint(err, "an archive that does this is damaged or hostile; if it is neither, "
                              "please report it");
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* child_capture() does not tell the two apart. */
static int given_up(int cancel_fd, struct ml_error *err)
{
    if (is_readable(cancel_fd))
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "it was cancelled");
    return ml_error_set(err, ML_TIMEOUT, NULL, "it took too long");
}

static int64_t earlier(int64_t deadline_ms, int64_t time_ms)
{
    int64_t ours = clock_ms() + time_ms;
    return deadline_ms < 0 || ours < deadline_ms ? ours : deadline_ms;
}

/* The library is loaded before the fork: in the child it could not be any more. */
static int parse_in_child(int fd, int dirfd, struct archive_limits *limits, int64_t deadline_ms,
                          int cancel_fd, struct ml_error *err)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    struct ml_error report, problem = ML_ERROR_INIT;
    BUF_AUTO out = BUF_INIT;
    if (lib_load(err) == NULL)
        return -1;
    spec.body = child_body;
    spec.body_arg = limits;
    spec.cwd_fd = dirfd;
    spec.stdio[0] = fd;
    spec.cancel_fd = cancel_fd;
    int status = child_capture(&spec, earlier(deadline_ms, limits->time_ms), &out, sizeof report,
                               &end, &problem);
    if (status < 0 && problem.status == ML_TIMEOUT)
        return given_up(cancel_fd, err);
    if (status == 0 && !report_read(&out, &end, &report))
        return crashed(&end, out.len, limits, err);
    if (status == 0 && report.status == 0)
        return 0;
    if (err != NULL)
        *err = status < 0 ? problem : report;
    return -1;
}

/* Cleaning up removes all that is in it: it must be ours alone. */
static int directory_check(int dirfd, struct ml_error *err)
{
    int empty = beneath_is_empty(dirfd);
    if (empty < 0)
        return ml_error_errno(err, ML_CANT_CREATE, errno, "cannot read the directory for it");
    if (empty == 0)
        return ml_error_set(err, ML_CANT_CREATE, NULL, "the directory for it is not empty");
    return 0;
}

/* The directory is cleared here and not in the child, which may have died, and cannot remove a
 * thing. */
int archive_unpack(int fd, const char *label, int dirfd, const struct archive_limits *limits,
                   int64_t deadline_ms, int cancel_fd, struct ml_error *err)
{
    struct archive_limits used = ARCHIVE_LIMITS_INIT;
    if (limits != NULL)
        used = *limits;
    if (directory_check(dirfd, err) < 0)
        return ml_error_wrap(err, "cannot unpack '%s'", label);
    if (parse_in_child(fd, dirfd, &used, deadline_ms, cancel_fd, err) == 0)
        return 0;
    ml_error_wrap(err, "cannot unpack '%s'", label);
    hint_set(err);
    if (beneath_clear(dirfd) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot remove what '%s' left", label);
    return -1;
}
