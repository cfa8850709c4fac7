/* What the command line says about a crash. Names and lines are found by modload-core, which has
 * the library for it, in a process of its own with a deadline: what it reads are a record and files
 * that a plugin had in its hands. */
#include "cmd/crash.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/prefix.h"
#include "base/scope.h"
#include "base/signal-word.h"

enum { EXPLAIN_MS = 2000, EXPLAINED_MAX = 1 << 20 };

/* ---- how a backtrace looks ---- */

/* A text, or null where it is not known. */
static void put_known(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    if (*text != '\0')
        json_string(j, text);
    else
        json_null(j);
}

void put_hex(struct json *j, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)value);
    json_pair(j, key, text);
}

static void frame_json(struct json *j, const struct ml_frame *frame)
{
    json_open(j, '{');
    put_known(j, "function", frame->function);
    put_known(j, "file", frame->file);
    json_key(j, "line");
    if (frame->line > 0)
        json_uint(j, frame->line);
    else
        json_null(j);
    put_known(j, "object", frame->object);
    put_hex(j, "offset", frame->offset);
    json_close(j, '}');
}

void backtrace_json(struct json *j, const struct ml_backtrace *trace)
{
    json_open(j, '[');
    for (size_t i = 0; i < trace->n; i++)
        frame_json(j, &trace->frames[i]);
    json_close(j, ']');
}

/* "boom (crash.c:12)"; "strlen (libc.so.6+0x15a3c9)"; "plugin.so+0x1139"; "0x8". */
static void frame_text(struct buf *out, const struct ml_frame *frame)
{
    const char *slash = strrchr(frame->object, '/');
    bool named = *frame->function != '\0';
    buf_fmt(out, "  at %s%s", frame->function, named ? " (" : "");
    if (named && *frame->file != '\0')
        buf_fmt(out, "%s:%u", frame->file, frame->line);
    else
        buf_fmt(out, "%s%s0x%llx", slash ? slash + 1 : frame->object, *frame->object ? "+" : "",
                (unsigned long long)frame->offset);
    buf_str(out, named ? ")" : "");
}

static bool same_place(const struct ml_frame *a, const struct ml_frame *b)
{
    return strcmp(a->function, b->function) == 0 && strcmp(a->file, b->file) == 0 &&
           a->line == b->line && strcmp(a->object, b->object) == 0 &&
           (a->line > 0 || a->offset == b->offset);
}

/* A recursion without an end is one line. */
void backtrace_text(struct buf *text, const struct ml_backtrace *trace)
{
    for (size_t i = 0, next; i < trace->n; i = next) {
        for (next = i + 1; next < trace->n; next++)
            if (!same_place(&trace->frames[i], &trace->frames[next]))
                break;
        frame_text(text, &trace->frames[i]);
        if (next - i > 1)
            buf_fmt(text, ", %zu times", next - i);
        buf_char(text, '\n');
    }
    if (trace->cut)
        buf_str(text, "  ...\n");
}

/* ---- having one made ---- */

static int record_file(const struct ml_crash *crash)
{
    AUTO_CLOSE int fd = memfd_create("crash", MFD_CLOEXEC);
    if (fd < 0 || fs_write_all(fd, crash->record, crash->size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return -1;
    return steal_fd(&fd);
}

/* Whatever becomes of it, the crash is told: a backtrace that cannot be made is no error. */
static bool run_core(const struct invocation *in, const struct ml_crash *crash, struct buf *out)
{
    AUTO_FREE char *path = prefix_path("libexec/modload/modload-core");
    AUTO_CLOSE int record = record_file(crash);
    const char *const argv[] = {path, BACKTRACE_COMMAND, NULL};
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end = {0};
    spec.argv = argv;
    spec.stdio[0] = record;
    spec.cancel_fd = in->signals;
    return path != NULL && record >= 0 &&
           child_capture(&spec, clock_ms() + EXPLAIN_MS, out, EXPLAINED_MAX, &end, NULL) == 0 &&
           end.code == 0 && end.signal == 0;
}

/* The array is the first line. */
static bool take_answer(struct crash_told *told, const struct buf *out)
{
    const char *text = buf_text(out), *line = strchr(text, '\n');
    if (line == NULL || line == text || *text != '[' || line[-1] != ']')
        return false;
    buf_add(&told->json.out, text, (size_t)(line - text));
    buf_str(&told->lines, line + 1);
    return true;
}

void crash_tell(const struct invocation *in, const struct ml_crash *crash, bool names,
                struct crash_told *told)
{
    BUF_AUTO out = BUF_INIT;
    if (crash->signal == 0)
        return;
    told->has_address = crash->has_address;
    told->address = crash->address;
    if (names && run_core(in, crash, &out) && take_answer(told, &out))
        return;
    struct ml_frame here = {
        .function = "", .file = "", .object = crash->object, .offset = crash->offset};
    struct ml_backtrace trace = {.frames = &here, .n = 1};
    backtrace_json(&told->json, &trace);
    backtrace_text(&told->lines, &trace);
}

void crash_told_free(struct crash_told *told)
{
    buf_free(&told->lines);
    json_free(&told->json);
    *told = (struct crash_told){0};
}

void crash_json(struct json *j, const struct ml_error *err, const struct crash_told *told)
{
    char word[SIGNAL_WORD];
    if (err->status <= ML_SIGNAL || strcmp(err->outcome, "plugin_error") != 0)
        return;
    json_pair(j, "signal", signal_word(err->status - ML_SIGNAL, word));
    if (told->has_address)
        put_hex(j, "address", told->address);
    if (!json_is_whole(&told->json))
        return;
    json_key(j, "backtrace");
    buf_add(&j->out, told->json.out.data, told->json.out.len);
    j->comma = true;
}
