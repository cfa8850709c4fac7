#include "base/call-end.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct call_class call_classes[N_CALL_ENDS] = {
    [CALL_OK] = {"", "ok", ML_OK, true},
    [CALL_FAILED] = {"plugin_error", "plugin_error", ML_FAILED, true},
    [CALL_EXITED] = {"plugin_error", "exited", ML_FAILED, false},
    [CALL_BAD_REPORT] = {"plugin_error", "bad_report", ML_FAILED, false},
    [CALL_CRASHED] = {"plugin_error", "plugin_error", ML_SIGNAL, false},
    [CALL_OVER_LIMIT] = {"plugin_error", "limit", ML_LIMIT, true},
    [CALL_LATE] = {"timeout", "timeout", ML_TIMEOUT, false},
    [CALL_UNDEFINED] = {"undefined_function", "undefined_function", ML_UNDEFINED, true},
    [CALL_BAD_ARGUMENT] = {"bad_argument", "bad_argument", ML_DATA, true},
    [CALL_NOT_LOADED] = {"not_loaded", "not_loaded", ML_NOT_LOADED, false},
    [CALL_WORKER_GONE] = {"not_loaded", "worker_gone", ML_NOT_LOADED, false},
    [CALL_CANCELLED] = {"cancelled", "cancelled", ML_SIGNAL + SIGINT, false},
};

enum call_end call_classify(const struct call_facts *facts)
{
    if (facts->never_began)
        return CALL_NOT_LOADED;
    switch (facts->ending) {
    case ENDED_TIMEOUT:
        return CALL_LATE;
    case ENDED_CANCELLED:
        return CALL_CANCELLED;
    case ENDED_RELEASED:
        return CALL_WORKER_GONE;
    case ENDED_LIMIT:
        return CALL_OVER_LIMIT;
    case ENDED_ITSELF:
        break;
    }
    enum call_end said = facts->report != NULL ? call_end_of(facts->report) : N_CALL_ENDS;
    if (said != N_CALL_ENDS && call_classes[said].its_own)
        return said;
    if (facts->end == NULL || facts->end->si_code == 0)
        return CALL_BAD_REPORT; /* killed, since it had said that it was done */
    return facts->end->si_code == CLD_EXITED ? CALL_EXITED : CALL_CRASHED;
}

static bool is_of_class(const struct ml_error *err, enum call_end end)
{
    const struct call_class *class = &call_classes[end];
    bool status = end == CALL_CRASHED ? err->status > ML_SIGNAL : err->status == class->status;
    return status && strcmp(err->outcome, class->outcome) == 0;
}

enum call_end call_end_of(const struct ml_error *err)
{
    enum call_end end = CALL_OK;
    while (end < N_CALL_ENDS && !is_of_class(err, end))
        end++;
    return end;
}

int call_error_set(struct ml_error *err, enum call_end end, int signal, const char *fmt, ...)
{
    const struct call_class *class = &call_classes[end];
    char message[ML_ERROR_MESSAGE_MAX + 1]; /* one more: what is cut is cut by ml_error_set() */
    va_list ap;
    if (err == NULL)
        return -1;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    ml_error_set(err, class->status + signal, class->code, "%s", message);
    snprintf(err->outcome, sizeof err->outcome, "%s", class->outcome);
    return -1;
}
