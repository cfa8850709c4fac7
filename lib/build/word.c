/* Grammars, not lists of what is forbidden: an option that some compiler adds next year must not
 * slip through. */
#include "build/word.h"

#include <ctype.h>
#include <string.h>

#include "base/cc.h"
#include "base/semver.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Whether every byte is a letter, a digit or in `more`. Letters and digits are those of ASCII in
 * every locale. */
static bool only(const char *text, size_t n, const char *more)
{
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(text[i]) && (text[i] == '\0' || strchr(more, text[i]) == NULL))
            return false;
    return true;
}

bool word_define(const char *text)
{
    size_t n = strcspn(text, "=");
    return n > 0 && !isdigit((unsigned char)*text) && only(text, n, "_") && !has_control(text);
}

bool word_library(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= 128 && (is_alnum(*text) || *text == '_') && only(text, n, "+._-");
}

/* pkg-config takes what ends so for a file, and looks for it where it stands: the sources could
 * bring a package of their own. */
bool word_package(const char *text)
{
    size_t n = strlen(text);
    return word_library(text) && (n < 3 || strcmp(text + n - 3, ".pc") != 0);
}

bool word_standard(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= 32 && is_alnum(*text) && only(text, n, ":+");
}

bool word_version(const char *text)
{
    struct semver version;
    return semver_parse(text, &version);
}

bool word_prototype(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= 4096 && only(text, n, "_ *,.()[]") && strchr(text, '(') != NULL;
}

const char *word_path(struct arena *a, const char *path)
{
    return *path == '-' || *path == '@' ? arena_fmt(a, "./%s", path) : path;
}

void word_split(struct arena *a, const char *text, struct strv *ret)
{
    for (size_t n; (n = cc_next_word(&text)) > 0; text += n)
        strv_add(a, ret, arena_mem(a, text, n));
}
