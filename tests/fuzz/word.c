/* What may become a word on the compiler's command line: no text that passes a grammar can be an
 * option, a response file or a second word. A version is compared with SemVer's own grammar. */
#include "build/word.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "build/flag.h"
#include "fuzz.h"

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* One word, and none that begins as an option or a response file does. */
static void check_plain(const char *text)
{
    CHECK(*text != '\0' && *text != '-' && *text != '@' && !has_control(text));
    CHECK(strpbrk(text, " ;|&$`'\"\\<>/") == NULL);
}

/* One word that names no file, no program, and nothing for others; only a macro can say what it
 * likes. */
static void check_flag(const char *text)
{
    static const char *const evil[] = {"plugin", "sanitize", "profile", "dump",
                                       "save",   "lto",      "spec"};
    CHECK(*text == '-' && text[1] != '\0' && !has_control(text));
    if (text[1] == 'D')
        return;
    CHECK(strpbrk(text, " ,/@;|&$`'\"\\<>") == NULL);
    for (size_t i = 0; i < sizeof evil / sizeof *evil && text[1] == 'f'; i++)
        CHECK(strncmp(text + 2, evil[i], strlen(evil[i])) != 0);
    CHECK(strchr("UOgsWwapfm", text[1]) != NULL);
}

/* SemVer 2.0.0, items 2, 9 and 10. */
#define NUMBER   "(0|[1-9][0-9]*)"
#define ALNUM    "([0-9]*[A-Za-z-][0-9A-Za-z-]*)"
#define PRE      "(" NUMBER "|" ALNUM ")"
#define METADATA "([0-9A-Za-z-]+)"
static const char semver[] = "^" NUMBER "\\." NUMBER "\\." NUMBER "(-" PRE "(\\." PRE ")*)?"
                             "(\\+" METADATA "(\\." METADATA ")*)?$";

static bool is_semver(const char *text)
{
    static regex_t pattern;
    static bool ready;
    if (!ready)
        CHECK(regcomp(&pattern, semver, REG_EXTENDED | REG_NOSUB) == 0);
    ready = true;
    return strlen(text) <= 64 && regexec(&pattern, text, 0, NULL, 0) == 0;
}

/* A path is left as it is, or is the same one from where one stands. */
static void check_path(struct arena *a, const char *text)
{
    const char *path = word_path(a, text);
    bool same = strcmp(path, text) == 0;
    CHECK(same || (strncmp(path, "./", 2) == 0 && strcmp(path + 2, text) == 0));
    CHECK(*path != '-' && *path != '@');
}

/* Words without blanks, and no other byte lost. */
static void check_split(struct arena *a, const char *text)
{
    struct strv words = {0};
    const char *at = text;
    word_split(a, text, &words);
    for (size_t i = 0; i < words.n; i++) {
        size_t n = strlen(words.items[i]);
        at += strspn(at, " \t\n");
        CHECK(n > 0 && strpbrk(words.items[i], " \t\n") == NULL);
        CHECK(strncmp(at, words.items[i], n) == 0);
        at += n;
    }
    CHECK(at[strspn(at, " \t\n")] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    char *text = fuzz_text(data, size);
    if (word_library(text) || word_package(text) || word_standard(text) || word_version(text))
        check_plain(text);
    if (flag_allowed(text))
        check_flag(text);
    CHECK(*flag_hint(text) != '\0');
    if (word_define(text))
        CHECK(!has_control(text) && *text != '-' && *text != '=');
    CHECK(word_version(text) == is_semver(text));
    check_path(&a, text);
    check_split(&a, text);
    free(text);
    return 0;
}
