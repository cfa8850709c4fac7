/* No limit of the kernel's fits a call with all its processes: those of setrlimit(2) are for one
 * process, or for all of a user, and what comes of them is a system call that fails. So the
 * supervisor looks; the kernel's limits are behind it, somewhat wider, for what happens between two
 * looks. What a function makes of a system call that failed there is its own; if the call fails as
 * well, the limit is told as the reason. */
#include "worker/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/call-end.h"
#include "base/error.h"
#include "base/limit.h"
#include "base/size.h"
#include "base/statm.h"
#include "worker/meter.h"

enum { MEMORY_ROOM = 16 << 20 }; /* beyond the limit, and a quarter of it */

static uint64_t choose(uint64_t asked, uint64_t plugin)
{
    uint64_t chosen = asked != 0 ? asked : plugin;
    return chosen == ML_NO_LIMIT ? 0 : chosen;
}

void limits_merge(const struct object *object, const struct ml_limits *asked, struct ml_limits *ret)
{
    static const struct ml_plugin_limits none = {0};
    const struct ml_plugin_limits *own = object->limits ? object->limits : &none;
    *ret = (struct ml_limits){
        .cpu_ms = choose(asked->cpu_ms, own->cpu_ms),
        .memory = choose(asked->memory, own->memory),
        .output = choose(asked->output, own->output),
        .descriptors = choose(asked->descriptors, own->descriptors),
        .processes = choose(asked->processes, own->processes),
    };
}

uint32_t limits_timeout(const struct object *object, uint32_t timeout_ms, uint32_t is_default)
{
    uint64_t own = object->limits ? object->limits->timeout_ms : 0;
    bool shorter = own != 0 && own < UINT32_MAX && (timeout_ms == 0 || own < timeout_ms);
    return is_default != 0 && shorter ? (uint32_t)own : timeout_ms;
}

bool limits_need_looks(const struct ml_limits *l)
{
    return (l->cpu_ms | l->memory | l->descriptors | l->processes) != 0;
}

/* ---- in the call ---- */

/* One descriptor more than the limit, so that a look can tell who is over it from who is just
 * there. */
void limits_confine(const struct ml_limits *l, bool session)
{
    if (l->memory != 0)
        limit_lower(RLIMIT_DATA, statm_bytes(STATM_DATA) + l->memory + l->memory / 4 + MEMORY_ROOM,
                    NULL);
    if (l->cpu_ms != 0 && !session)
        limit_lower(RLIMIT_CPU, (l->cpu_ms - 1) / 1000 + 2, NULL);
    if (l->descriptors != 0)
        limit_lower(RLIMIT_NOFILE, l->descriptors + 1, NULL);
    errno = 0;
}

bool limits_descriptors_out(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == EMFILE;
}

void limits_excuse(const struct ml_limits *l, int errnum, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    if (call_end_of(err) != CALL_FAILED)
        return;
    if (l->memory != 0 && errnum == ENOMEM)
        limits_explain(l, LIMIT_MEMORY, &why);
    else if (l->descriptors != 0 && limits_descriptors_out())
        limits_explain(l, LIMIT_FILES, &why);
    if (why.status == 0)
        return;
    ml_error_wrap(&why, "%s", err->message); /* its own words first */
    *err = why;
}

/* ---- in the supervisor ---- */

/* Time goes back where somebody dies whom nobody waits for: then what was used stays used. */
static uint64_t cpu_used(struct limits_watch *w, uint64_t call, uint64_t now_ms)
{
    if (w->call != call)
        *w = (struct limits_watch){.call = call, .seen_ms = now_ms};
    if (now_ms > w->seen_ms)
        w->used_ms += now_ms - w->seen_ms;
    w->seen_ms = now_ms;
    return w->used_ms;
}

/* What processes share is told apart only where it matters: it takes the kernel much longer. */
static bool memory_over(const struct ml_limits *l, uint64_t memory, pid_t except)
{
    struct meter exact;
    if (l->memory == 0 || memory <= l->memory)
        return false;
    meter_read(METER_SHARED, except, &exact);
    return exact.memory > l->memory;
}

enum limit limits_look(const struct ml_limits *l, struct limits_watch *watch, uint64_t call,
                       pid_t except)
{
    struct meter m;
    unsigned what =
        (l->memory != 0 ? METER_MEMORY : 0U) | (l->descriptors != 0 ? METER_DESCRIPTORS : 0U);
    meter_read(what, except, &m);
    uint64_t cpu_ms = cpu_used(watch, call, m.cpu_ms);
    if (memory_over(l, m.memory, except))
        return LIMIT_MEMORY;
    if (l->processes != 0 && m.processes > l->processes)
        return LIMIT_PROCESSES;
    if (l->descriptors != 0 && m.descriptors > l->descriptors)
        return LIMIT_FILES;
    return l->cpu_ms != 0 && cpu_ms > l->cpu_ms ? LIMIT_CPU : LIMIT_NONE;
}

static uint64_t time_ms(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_usec / 1000;
}

/* The most that the call's process ever had, without what this one has, of which it is a copy. */
static uint64_t memory_grown(const struct rusage *used)
{
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    return used->ru_maxrss > self.ru_maxrss ? (uint64_t)(used->ru_maxrss - self.ru_maxrss) * 1024
                                            : 0;
}

enum limit limits_guess(const struct ml_limits *l, const struct crash_record *crash,
                        const struct rusage *used, bool session)
{
    bool told = atomic_load(&crash->whole) == 1;
    if (l->cpu_ms != 0 && !session &&
        time_ms(&used->ru_utime) + time_ms(&used->ru_stime) > l->cpu_ms)
        return LIMIT_CPU;
    if (l->memory != 0 && ((told && crash->errnum == ENOMEM) || memory_grown(used) > l->memory))
        return LIMIT_MEMORY;
    if (l->descriptors != 0 && told && crash->descriptors_out != 0)
        return LIMIT_FILES;
    return LIMIT_NONE;
}

/* ---- words ---- */

static void over(struct ml_error *err, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void over(struct ml_error *err, const char *key, const char *fmt, ...)
{
    char code[ML_ERROR_CODE_MAX], what[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    snprintf(code, sizeof code, "limit_%s", key);
    call_error_set(err, CALL_OVER_LIMIT, 0, "%s", what);
    snprintf(err->code, sizeof err->code, "%s", code);
    ml_error_hint(err, "give it more by --%s, or in the \"limits\" of its modload.json", key);
}

void limits_explain(const struct ml_limits *l, enum limit which, struct ml_error *err)
{
    char size[SIZE_TEXT];
    switch (which) {
    case LIMIT_MEMORY:
        size_format(l->memory, size);
        over(err, "memory", "used more than %s of memory", size);
        return;
    case LIMIT_CPU:
        over(err, "cpu", "used more than %" PRIu64 " ms of processor time", l->cpu_ms);
        return;
    case LIMIT_OUTPUT:
        size_format(l->output, size);
        over(err, "output", "wrote more than %s of output", size);
        return;
    case LIMIT_FILES:
        over(err, "files", "had more than %" PRIu64 " descriptors open", l->descriptors);
        return;
    case LIMIT_PROCESSES:
        over(err, "processes", "had more than %" PRIu64 " processes", l->processes);
        return;
    case LIMIT_NONE:
        return;
    }
}
