#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *code;
} status_codes[] = {
    {ML_OK, "ok"},
    {ML_FAILED, "failed"},
    {ML_USAGE, "usage"},
    {ML_DATA, "bad_input"},
    {ML_NO_INPUT, "not_found"},
    {ML_NOT_LOADED, "not_loaded"},
    {ML_BUG, "internal"},
    {ML_LIMIT, "limit"},
    {ML_CANT_CREATE, "cannot_create"},
    {ML_IO, "io_error"},
    {ML_BUSY, "busy"},
    {ML_PROTOCOL, "protocol"},
    {ML_REFUSED, "refused"},
    {ML_CONFIG, "bad_manifest"},
    {ML_TIMEOUT, "timeout"},
    {ML_UNDEFINED, "undefined_function"},
};

const char *ml_status_code(int status)
{
    for (size_t i = 0; i < sizeof status_codes / sizeof *status_codes; i++)
        if (status_codes[i].status == status)
            return status_codes[i].code;
    return status > ML_SIGNAL ? "plugin_error" : "error";
}

/* Ends a text that vsnprintf had to cut in "...", so that nobody takes the rest for the whole. */
__attribute__((format(printf, 3, 0))) static void text_format(char *text, size_t size,
                                                              const char *fmt, va_list ap)
{
    int n = vsnprintf(text, size, fmt, ap);
    if (n >= (int)size)
        memcpy(text + size - 4, "...", 4);
}

/* Appends ": more", cut in the same way. */
static void text_append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    if (snprintf(text + used, size - used, ": %s", more) >= (int)(size - used))
        memcpy(text + size - 4, "...", 4);
}

int ml_error_set(struct ml_error *err, int status, const char *code, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    *err = (struct ml_error){.status = status};
    snprintf(err->code, sizeof err->code, "%s", code ? code : ml_status_code(status));
    va_list ap;
    va_start(ap, fmt);
    text_format(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    return -1;
}

bool errno_is_shortage(int errnum)
{
    return errnum == ENOMEM || errnum == EMFILE || errnum == ENFILE || errnum == EAGAIN;
}

static int errno_status(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return ML_NO_INPUT;
    case EACCES:
    case EPERM:
    case ELOOP:
        return ML_REFUSED;
    case EROFS:
        return ML_CANT_CREATE;
    case ENAMETOOLONG:
        return ML_DATA;
    default:
        return errno_is_shortage(errnum) ? ML_LIMIT : ML_IO;
    }
}

/* Memory that is out says nothing of the file that was at hand, whatever the caller takes other
 * errors of it for. */
int ml_error_errno(struct ml_error *err, int status, int errnum, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    bool memory = errnum == ENOMEM;
    *err = (struct ml_error){.status = status && !memory ? status : errno_status(errnum)};
    snprintf(err->code, sizeof err->code, "%s",
             memory ? "out_of_memory" : ml_status_code(err->status));
    va_list ap;
    va_start(ap, fmt);
    text_format(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    text_append(err->message, sizeof err->message, strerror(errnum));
    if (errnum == ENOSPC || errnum == EDQUOT)
        ml_error_hint(err, "make room on the disk, then run the command again");
    return -1;
}

int ml_error_memory(struct ml_error *err)
{
    return ml_error_set(err, ML_LIMIT, "out_of_memory", "out of memory");
}

int ml_error_wrap(struct ml_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    char inner[sizeof err->message];
    memcpy(inner, err->message, sizeof inner);
    va_list ap;
    va_start(ap, fmt);
    text_format(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    text_append(err->message, sizeof err->message, inner);
    return -1;
}

int ml_error_hint(struct ml_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    text_format(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    return -1;
}
