/* modload uuid: makes and converts keys. It needs no registry, and asks none whether a key is in
 * use: with 122 random bits no two people ever draw the same. */
#include <string.h>

#include "cmd/command.h"

static int answer(struct invocation *in, const char *name, const char *value)
{
    buf_fmt(&in->text, "%s\n", value);
    json_open(&in->data, '{');
    json_pair(&in->data, name, value);
    json_close(&in->data, '}');
    return 0;
}

/* The name of the JSON pair says which of the two forms it is. */
static int answer_key(struct invocation *in, const struct ml_key *key, bool hex)
{
    char uuid[ML_UUID_SIZE], text[ML_KEY_TEXT_SIZE];
    ml_key_to_uuid(key, uuid);
    ml_key_to_hex(key, text);
    return answer(in, hex ? "key" : "uuid", hex ? text : uuid);
}

/* UUIDs only: that 32 hex digits are a key too is what from-key is for. */
static int check(struct invocation *in, const char *text)
{
    struct ml_key key;
    bool yes = ml_key_from_uuid(text, &key, NULL) == 0;
    json_open(&in->data, '{');
    json_key(&in->data, "uuid");
    json_bool(&in->data, yes);
    json_close(&in->data, '}');
    return yes ? 0 : ML_FAILED;
}

static int run(struct invocation *in)
{
    struct ml_key key;
    const char *verb = in->n_args > 0 ? in->args[0] : "";
    if (in->n_args == 0) {
        ml_key_generate(&key);
        return answer_key(in, &key, option_given(in, "key"));
    }
    if (in->n_args != 2 || option_given(in, "key"))
        return usage_error(in, "uuid: give nothing, or one verb and one text");
    if (strcmp(verb, "to-key") == 0)
        return ml_key_from_uuid(in->args[1], &key, &in->err) < 0 ? failed(in)
                                                                 : answer_key(in, &key, true);
    if (strcmp(verb, "from-key") == 0)
        return ml_key_from_hex(in->args[1], &key, &in->err) < 0 ? failed(in)
                                                                : answer_key(in, &key, false);
    if (strcmp(verb, "check") == 0)
        return check(in, in->args[1]);
    return usage_error(in, "uuid: no verb '%s': to-key, from-key, check", verb);
}

static const struct command_option options[] = {
    {'k', "key", NULL, "print the new key as 32 hex digits"},
    {0},
};

const struct command command_uuid = {
    .name = "uuid",
    .args = "[to-key U|from-key K|check S]",
    .summary = "make a key, convert it, or check whether a text is a UUID",
    .help = "A new key is a version 4 UUID. Any case is read, lower case is written. 'check' "
            "answers by the exit\n"
            "code: 0 is yes, 1 is no.",
    .example = "id=$(modload uuid)",
    .options = options,
    .max_args = 2,
    .bare = true,
    .run = run,
};
