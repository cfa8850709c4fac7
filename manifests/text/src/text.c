/* Unicode text in UTF-8, by grapheme clusters (UAX #29): what people see as one character may be
 * many bytes, and many code points. libunistring has the tables. */
#include <errno.h>
#include <modload/plugin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <unigbrk.h>
#include <unistr.h>

ML_PLUGIN("text", "1.0.0")

static const uint8_t *checked(const char *text, size_t *n)
{
    const uint8_t *bytes = (const uint8_t *)text;
    *n = strlen(text);
    const uint8_t *wrong = u8_check(bytes, *n);
    if (wrong != NULL)
        ml_fail("invalid_utf8", "the text is not UTF-8 at byte %td", wrong - bytes);
    return bytes;
}

/* Nobody frees what a function returns: it goes with the call. */
static char *finished(uint8_t *bytes, size_t n)
{
    char *text = realloc(bytes, n + 1);
    if (text == NULL)
        ml_fail("out_of_memory", "no memory for a text of %zu bytes", n);
    text[n] = '\0';
    return text;
}

typedef uint8_t *case_mapping(const uint8_t *s, size_t n, const char *iso639_language, uninorm_t nf,
                              uint8_t *buf, size_t *lengthp);

static char *mapped(const char *text, case_mapping *map)
{
    size_t n, m;
    const uint8_t *bytes = checked(text, &n);
    errno = 0;
    uint8_t *result = map(bytes, n, "", NULL, NULL, &m);
    if (result == NULL && errno == ENOMEM)
        ml_fail("out_of_memory", "no memory for a text of %zu bytes", n);
    return finished(result, m);
}

/** The text in capital letters. One letter may become several: "ß" becomes "SS". */
char *upcase(const char *text)
{
    return mapped(text, u8_toupper);
}

/** The text in small letters. */
char *downcase(const char *text)
{
    return mapped(text, u8_tolower);
}

/* Marks the bytes at which a character begins. It takes the whole text: flags and families are made
 * of characters that would each stand alone, which u8_grapheme_next() does not see. */
static char *beginnings(const uint8_t *bytes, size_t n)
{
    char *marks = malloc(n + 1);
    if (marks == NULL)
        ml_fail("out_of_memory", "no memory for a text of %zu bytes", n);
    u8_grapheme_breaks(bytes, n, marks);
    return marks;
}

/** The text backwards, character by character as people see them: marks stay with their letter. */
char *reverse(const char *text)
{
    size_t n;
    const uint8_t *bytes = checked(text, &n);
    char *begins = beginnings(bytes, n);
    uint8_t *result = malloc(n + 1);
    if (result == NULL)
        ml_fail("out_of_memory", "no memory for a text of %zu bytes", n);
    for (size_t end = n, done = 0; end > 0;) {
        size_t begin = end - 1;
        while (begin > 0 && !begins[begin])
            begin--;
        memcpy(result + done, bytes + begin, end - begin);
        done += end - begin;
        end = begin;
    }
    free(begins);
    return finished(result, n);
}

/** How many characters the text has, as people see them. */
uint64_t length(const char *text)
{
    size_t n;
    const uint8_t *bytes = checked(text, &n);
    char *begins = beginnings(bytes, n);
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += begins[i] != 0;
    free(begins);
    return count;
}

/* White_Space of Unicode, which includes the no-break spaces that isspace() leaves out. */
static bool is_blank(ucs4_t c)
{
    return uc_is_property(c, UC_PROPERTY_WHITE_SPACE);
}

/** The text without white space at its beginning and end. */
char *trim(const char *text)
{
    size_t n;
    const uint8_t *begin = checked(text, &n), *end = begin + n;
    ucs4_t c;
    while (begin < end && is_blank((u8_next(&c, begin), c)))
        begin += u8_strmblen(begin);
    while (end > begin && is_blank((u8_prev(&c, end, begin), c)))
        end = u8_prev(&c, end, begin);
    uint8_t *result = malloc((size_t)(end - begin) + 1);
    if (result == NULL)
        ml_fail("out_of_memory", "no memory for a text of %zu bytes", n);
    memcpy(result, begin, (size_t)(end - begin));
    return finished(result, (size_t)(end - begin));
}
