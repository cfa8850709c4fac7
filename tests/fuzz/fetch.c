/* What modload-fetch says, and files with passwords: what is believed ends where it should, and is
 * for the host that was asked for. */
#include <stdlib.h>
#include <string.h>

#include "fetch/message.h"
#include "fetch/netrc.h"

#include "fuzz.h"

static void check_message(const uint8_t *data, size_t size)
{
    struct fetch_message message = {.mark = FETCH_MARK};
    size_t room = sizeof message - offsetof(struct fetch_message, kind);
    memcpy((char *)&message + offsetof(struct fetch_message, kind), data,
           size < room ? size : room);
    if (!fetch_message_good(&message))
        return;
    if (message.kind == FETCH_SAYS_RESULT) {
        CHECK(strlen(message.u.result.commit) == FETCH_ID_SIZE - 1);
        CHECK(strlen(message.u.result.tree) == FETCH_ID_SIZE - 1);
        CHECK(strlen(message.u.result.ref) < FETCH_NAME_SIZE);
        CHECK(strpbrk(message.u.result.ref, "\n\r\033") == NULL);
    } else if (message.kind == FETCH_SAYS_ERROR) {
        CHECK(message.u.error.status >= 64 && message.u.error.status <= 124);
        CHECK(strlen(message.u.error.message) < ML_ERROR_MESSAGE_MAX);
    }
}

static void check_found(const char *text, const struct netrc *found)
{
    CHECK(strcasestr(text, "h.org") != NULL && *found->password != '\0');
    CHECK(strlen(found->login) < NETRC_WORD_MAX && strlen(found->password) < NETRC_WORD_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct netrc found;
    char *text = fuzz_text(data, size);
    check_message(data, size);
    if (netrc_find(text, "h.org", &found))
        check_found(text, &found);
    if (token_find(text, "h.org", &found))
        check_found(text, &found);
    free(text);
    return 0;
}
