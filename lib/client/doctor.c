/* The doctor, and the first thing that he looks at: whether modload itself is there as a whole. It
 * runs in the front, which needs nothing but the kernel, so that it can say what the rest lacks. */
#include "client/doctor.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/prefix.h"
#include "base/scope.h"
#include "modload/abi.h"

enum { ANSWER_MS = 20000 };

/* ---- telling ---- */

static void flush(struct doctor *d)
{
    if (!d->pending)
        return;
    d->pending = false;
    d->failed = d->failed || d->detail.failed || d->hint.failed;
    d->finding.detail = buf_text(&d->detail);
    d->finding.hint = buf_text(&d->hint);
    if (d->stopped == 0 && !d->failed)
        d->stopped = d->each(&d->finding, d->arg);
}

void doctor_tell(struct doctor *d, enum ml_health health, const char *name, const char *fmt, ...)
{
    va_list ap;
    flush(d);
    buf_reset(&d->detail);
    buf_reset(&d->hint);
    va_start(ap, fmt);
    buf_vfmt(&d->detail, fmt, ap);
    va_end(ap);
    d->finding = (struct ml_finding){.health = health, .name = name};
    d->pending = true;
}

void doctor_hint(struct doctor *d, const char *fmt, ...)
{
    va_list ap;
    buf_reset(&d->hint);
    va_start(ap, fmt);
    buf_vfmt(&d->hint, fmt, ap);
    va_end(ap);
}

void doctor_error(struct doctor *d, enum ml_health health, const char *name,
                  const struct ml_error *err)
{
    doctor_tell(d, health, name, "%s", err->message);
    doctor_hint(d, "%s", err->hint);
}

bool doctor_cancelled(const struct doctor *d)
{
    struct pollfd p = {.fd = d->cancel_fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

char *doctor_nearest(const char *path)
{
    char *near = strdup(path);
    while (near != NULL && access(near, F_OK) < 0) {
        char *slash = strrchr(near, '/');
        if (slash == NULL || strcmp(near, "/") == 0)
            break;
        slash[slash == near] = '\0';
    }
    return near;
}

/* ---- programs ---- */

/* The first line that a program says when it is asked with `word`. 0; -1 and why. */
static int ask(const struct doctor *d, const char *path, const char *word, char *line, size_t size,
               struct ml_error *err)
{
    const char *const argv[] = {path, word, NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    BUF_AUTO out = BUF_INIT;
    char text[128];
    spec.argv = argv;
    spec.cancel_fd = d->cancel_fd;
    if (child_capture(&spec, clock_ms() + ANSWER_MS, &out, 65536, &end, err) < 0)
        return -1;
    if (end.code != 0 || end.signal != 0)
        return ml_error_set(err, ML_FAILED, NULL, "it %s", child_end_text(&end, text, sizeof text));
    snprintf(line, size, "%.*s", (int)strcspn(buf_text(&out), "\n"), buf_text(&out));
    return 0;
}

/* A program of another version speaks another protocol, or will. */
static void program_look(struct doctor *d, const char *name, const char *rest, const char *word)
{
    char line[256], ours[64];
    struct ml_error why = ML_ERROR_INIT;
    AUTO_FREE char *path = prefix_path(rest);
    if (path == NULL) {
        doctor_tell(d, ML_HEALTH_PROBLEM, name, "cannot tell where modload is installed");
        doctor_hint(d, "is /proc mounted?");
        return;
    }
    snprintf(ours, sizeof ours, "modload %s (plugin ABI %u)", ML_VERSION, ML_ABI_VERSION);
    if (access(path, X_OK) < 0) {
        doctor_tell(d, ML_HEALTH_PROBLEM, name, "'%s' is missing, or cannot be run", path);
    } else if (ask(d, path, word, line, sizeof line, &why) < 0) {
        doctor_tell(d, ML_HEALTH_PROBLEM, name, "'%s' does not start: %s", path, why.message);
    } else if (strcmp(line, ours) != 0) {
        doctor_tell(d, ML_HEALTH_PROBLEM, name, "'%s' is '%s', and this is '%s'", path, line, ours);
    } else {
        doctor_tell(d, ML_HEALTH_OK, name, "%s, %s", line, path);
        return;
    }
    doctor_hint(d, "install modload as a whole: make install");
}

void doctor_programs(struct doctor *d)
{
    program_look(d, "front", "bin/modload", "version");
    program_look(d, "core", "libexec/modload/modload-core", "version");
    program_look(d, "worker", "libexec/modload/modload-worker", "--version");
    program_look(d, "fetch", "libexec/modload/modload-fetch", "--version");
}

/* ---- all of it ---- */

static void all(struct doctor *d)
{
    static void (*const parts[])(struct doctor *) = {
        doctor_programs, doctor_compiler, doctor_registry,    doctor_runtime,
        doctor_kernel,   doctor_limits,   doctor_environment,
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts && d->stopped == 0; i++)
        if (!doctor_cancelled(d))
            parts[i](d);
    flush(d);
}

int ml_doctor(const struct ml_ctx_options *options, int cancel_fd,
              int (*each)(const struct ml_finding *finding, void *arg), void *arg,
              struct ml_error *err)
{
    struct doctor d = {.each = each, .arg = arg, .cancel_fd = cancel_fd};
    if (ml_ctx_new(options, &d.ctx, &d.why) < 0)
        d.ctx = NULL;
    all(&d);
    ml_ctx_free(d.ctx);
    buf_free(&d.detail);
    buf_free(&d.hint);
    if (doctor_cancelled(&d))
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "cancelled");
    return d.failed ? ml_error_memory(err) : d.stopped;
}
