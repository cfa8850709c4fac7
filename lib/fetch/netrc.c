#include "fetch/netrc.h"

#include <string.h>
#include <strings.h>

/* Takes the next word, without the marks around it. False at the end of the text, and for a word
 * that is too long. */
static bool word_next(const char **at, char word[NETRC_WORD_MAX])
{
    size_t n = 0;
    *at += strspn(*at, " \t\r\n");
    bool quoted = **at == '"';
    *at += quoted;
    if (**at == '\0')
        return false;
    while (**at != '\0' && (quoted ? **at != '"' : strchr(" \t\r\n", **at) == NULL)) {
        if (quoted && **at == '\\' && (*at)[1] != '\0')
            (*at)++;
        if (n + 1 == NETRC_WORD_MAX)
            return false;
        word[n++] = *(*at)++;
    }
    word[n] = '\0';
    *at += quoted && **at == '"';
    return true;
}

static void macro_skip(const char **at)
{
    const char *end = strstr(*at, "\n\n");
    *at = end ? end + 2 : *at + strlen(*at);
}

bool netrc_find(const char *text, const char *host, struct netrc *ret)
{
    char word[NETRC_WORD_MAX];
    bool fits = false;
    memset(ret, 0, sizeof *ret);
    while (word_next(&text, word)) {
        bool machine = strcmp(word, "machine") == 0, any = strcmp(word, "default") == 0;
        if (machine || any) {
            if (fits && *ret->password != '\0')
                return true;
            memset(ret, 0, sizeof *ret);
            if (machine && !word_next(&text, word))
                return false;
            fits = machine && strcasecmp(word, host) == 0;
        } else if (strcmp(word, "macdef") == 0) {
            macro_skip(&text);
        } else if (strcmp(word, "login") == 0) {
            if (!word_next(&text, fits ? ret->login : word))
                return false;
        } else if (strcmp(word, "password") == 0) {
            if (!word_next(&text, fits ? ret->password : word))
                return false;
        } else if (strcmp(word, "account") == 0 && !word_next(&text, word)) {
            return false;
        }
    }
    return fits && *ret->password != '\0';
}

/* At most three words, and how many there are; 4 for more. */
static int line_words(const char *line, size_t n, char words[3][NETRC_WORD_MAX])
{
    int count = 0;
    for (const char *end = line + n; line < end; count++) {
        size_t blank = strspn(line, " \t\r"), len = strcspn(line + blank, " \t\r\n");
        line += blank;
        if (line >= end || len == 0 || *line == '#')
            break;
        if (count == 3 || len >= NETRC_WORD_MAX)
            return 4;
        memcpy(words[count], line, len);
        words[count][len] = '\0';
        line += len;
    }
    return count;
}

bool token_find(const char *text, const char *host, struct netrc *ret)
{
    char words[3][NETRC_WORD_MAX];
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        int count = line_words(text, n, words);
        if ((count == 2 || count == 3) && strcasecmp(words[0], host) == 0) {
            strcpy(ret->login, count == 3 ? words[1] : "x-access-token");
            strcpy(ret->password, words[count - 1]);
            return true;
        }
        text += n + (text[n] == '\n');
    }
    return false;
}
