#include "fetch/message.h"

#include <string.h>

static bool ends(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool is_id(const char *text)
{
    return strspn(text, "0123456789abcdef") == FETCH_ID_SIZE - 1 && text[FETCH_ID_SIZE - 1] == '\0';
}

/* What is shown on a line has no line's end in it. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static bool result_good(const struct fetch_result *result)
{
    return ends(result->commit, sizeof result->commit) && is_id(result->commit) &&
           ends(result->tree, sizeof result->tree) && is_id(result->tree) &&
           ends(result->ref, sizeof result->ref) && is_plain(result->ref) &&
           ends(result->version, sizeof result->version) && is_plain(result->version) &&
           result->signature <= FETCH_SIGNED_X509 && result->time >= 0 &&
           result->time <= FETCH_TIME_MAX;
}

static bool module_good(const struct fetch_module *module)
{
    return ends(module->path, sizeof module->path) &&
           source_subdir_check(module->path, NULL) == 0 && ends(module->url, sizeof module->url) &&
           is_plain(module->url) && ends(module->commit, sizeof module->commit) &&
           is_id(module->commit);
}

static bool error_good(const struct ml_error *err)
{
    static const int known[] = {ML_NO_INPUT,    ML_DATA,    ML_REFUSED, ML_LIMIT, ML_IO,
                                ML_CANT_CREATE, ML_TIMEOUT, ML_BUG,     ML_CONFIG};
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_known = is_known || known[i] == err->status;
    return is_known && err->outcome[0] == '\0' && ends(err->code, sizeof err->code) &&
           ends(err->message, sizeof err->message) && ends(err->hint, sizeof err->hint);
}

bool fetch_message_good(const struct fetch_message *message)
{
    if (message->mark != FETCH_MARK)
        return false;
    switch (message->kind) {
    case FETCH_SAYS_COUNTS:
        return message->u.counts.progress.phase <= FETCH_EXPORTING;
    case FETCH_SAYS_RESULT:
        return result_good(&message->u.result);
    case FETCH_SAYS_ERROR:
        return error_good(&message->u.error);
    case FETCH_SAYS_MODULE:
        return module_good(&message->u.module);
    default:
        return false;
    }
}
