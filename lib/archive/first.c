/* What an archive is for is told by its first entry. It is looked at by a child, as all of it would
 * be: where it is nothing to us, it may be anything. */
#include <string.h>
#include <unistd.h>

#include "archive/confine.h"
#include "archive/kind.h"
#include "archive/lib.h"
#include "archive/parse.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"

enum { LOOK_TIME_MS = 10000, LOOK_CPU_S = 5 };

/* It makes no file, and so has no directory. */
static int look(void *path)
{
    struct archive_limits limits = ARCHIVE_LIMITS_INIT;
    limits.cpu_s = LOOK_CPU_S;
    int first =
        archive_confine(-1, &limits, NULL) < 0 ? -1 : archive_parse_first(STDIN_FILENO, path, NULL);
    return fs_write_all(STDOUT_FILENO, first < 0 ? "m" : first > 0 ? "1" : "0", 1) < 0;
}

/* libarchive itself ends with 1 and no word where there is no memory for a text. */
static int understand(const char *said, const struct child_end *end, struct ml_error *err)
{
    if (strcmp(said, "m") == 0 || (end->signal == 0 && end->code == 1 && *said == '\0'))
        return ml_error_set(err, ML_LIMIT, "archive_too_large",
                            "it takes too much memory to unpack");
    return end->signal == 0 && end->code == 0 && strcmp(said, "1") == 0;
}

static int first_look(int fd, const char *path, struct ml_error *err)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    BUF_AUTO said = BUF_INIT;
    if (lib_load(err) == NULL)
        return -1;
    spec.body = look;
    spec.body_arg = (char *)path;
    spec.stdio[0] = fd;
    if (child_capture(&spec, clock_ms() + LOOK_TIME_MS, &said, 1, &end, err) < 0)
        return -1;
    return understand(buf_text(&said), &end, err);
}

int archive_begins_with(int fd, const char *label, const char *path, struct ml_error *err)
{
    struct ml_error why = ML_ERROR_INIT;
    enum kind kind = kind_of(fd);
    if (kind == KIND_NONE || kind == KIND_ZIP)
        return 0;
    int first = first_look(fd, path, &why);
    if (first >= 0 || why.status == ML_TIMEOUT) /* who unpacks it has more time, or says so */
        return first > 0;
    if (err != NULL)
        *err = why;
    ml_error_wrap(err, "cannot unpack '%s'", label);
    if (strcmp(why.code, "archive_too_large") == 0)
        ml_error_hint(err, "unpack it yourself and use the directory");
    return -1;
}
