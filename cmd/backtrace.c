/* modload backtrace: started by modload when a call has crashed, not by people. Reads what is known
 * of it from standard input, and prints its backtrace: the array of --json in the first line, then
 * the lines for people (cmd/crash.c). The record and the files that it names may be hostile, and
 * elfutils has had its bugs: whoever starts this kills it when it takes too long. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/limit.h"
#include "cmd/crash.h"

enum { RECORD_MAX = 1 << 20, CPU_S = 2, MEMORY = 1 << 30 };

static int read_record(struct invocation *in, struct buf *record)
{
    if (limit_lower(RLIMIT_CPU, CPU_S, &in->err) < 0 || limit_memory(MEMORY, &in->err) < 0)
        return -1;
    if (fs_read_all(STDIN_FILENO, record, RECORD_MAX) < 0)
        return ml_error_errno(&in->err, ML_IO, errno, "cannot read the record");
    return 0;
}

static int run(struct invocation *in)
{
    BUF_AUTO record = BUF_INIT;
    JSON_AUTO array = {0};
    struct ml_backtrace trace;
    if (read_record(in, &record) < 0 ||
        ml_backtrace(in->ctx, buf_text(&record), record.len, &trace, &in->err) < 0)
        return failed(in);
    backtrace_json(&array, &trace);
    backtrace_json(&in->data, &trace);
    buf_fmt(&in->text, "%s\n", buf_text(&array.out));
    backtrace_text(&in->text, &trace);
    ml_backtrace_done(&trace);
    return 0;
}

const struct command command_backtrace = {
    .name = BACKTRACE_COMMAND,
    .args = "",
    .summary = "explain a crash (for modload itself)",
    .hidden = true,
    .run = run,
};
