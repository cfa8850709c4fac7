/* The kernel says EACCES and no more. Which file it was is in the compiler's words, but these come
 * in the user's language and may be coloured: so every word of them is tried, whether it names a
 * file that can be read out here and not in there. */
#include "build/refused.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"

/* A fatal error comes early, and each file that exists costs a process. */
enum { SAID_MAX = 64 << 10, TRIES_MAX = 32 };

/* Ends of words; a colon is one only in front of another end. */
static bool is_end(char c)
{
    return c == '\0' || strchr(" \t\r\n'\"`<>(),;", c) != NULL;
}

/* The number of bytes of a colour, "ESC [ 0 1 ; 3 1 m"; 0: none begins here. */
static size_t colour_length(const char *at)
{
    size_t n = 2;
    if (at[0] != '\033' || at[1] != '[')
        return 0;
    while (at[n] != '\0' && !isalpha((unsigned char)at[n]))
        n++;
    return at[n] != '\0' ? n + 1 : n;
}

static const char *without_colours(struct arena *a, const char *said)
{
    size_t n = strnlen(said, SAID_MAX), k = 0;
    char *text = arena_alloc(a, n + 1, 1);
    for (size_t i = 0; text != NULL && i < n;) {
        size_t colour = colour_length(said + i);
        if (colour == 0)
            text[k++] = said[i++];
        i += colour;
    }
    return text ? text : "";
}

/* The next word, without the colons behind it; null at the end. */
static const char *word_next(struct arena *a, const char **at)
{
    while (**at != '\0' && is_end(**at))
        ++*at;
    size_t n = 0;
    while (!is_end((*at)[n]))
        n++;
    const char *word = *at;
    *at += n;
    while (n > 0 && word[n - 1] == ':')
        n--;
    return **at == '\0' && n == 0 ? NULL : arena_mem(a, word, n);
}

/* Also by what it is a link to, where that is another name; "/proc/self" is somebody else here. */
static const char *with_target(struct build *b, const char *path)
{
    AUTO_FREE char *real = realpath(plan_absolute(b, path), NULL);
    if (real == NULL || strcmp(real, path) == 0 || strncmp(path, "/proc/", 6) == 0)
        return arena_fmt(b->a, "'%s'", path);
    return arena_fmt(b->a, "'%s' (%s)", path, real);
}

/* Directories are not read; whoever names one speaks of something else. */
static bool is_refused(struct build *b, const char *path, int *tries)
{
    struct stat st;
    if (fstatat(b->cwd_fd, path, &st, 0) < 0 || S_ISDIR(st.st_mode) || *tries == TRIES_MAX)
        return false;
    ++*tries;
    return cc_box_refuses(&b->box, b->cwd_fd, path);
}

/* A word, as a path from where the compiler stood, or from the source. */
static const char *refused_word(struct build *b, const char *word, const char *dir, int *tries)
{
    if (strpbrk(word, "/.") == NULL || strlen(word) >= PATH_MAX)
        return NULL;
    if (is_refused(b, word, tries))
        return word;
    const char *beside = *word == '/' || *dir == '\0' ? NULL : arena_fmt(b->a, "%s%s", dir, word);
    return beside != NULL && is_refused(b, beside, tries) ? beside : NULL;
}

bool refused_tell(struct build *b, const char *said, const char *dir, const char *what,
                  struct ml_error *err)
{
    const char *at = without_colours(b->a, said), *word, *path = NULL;
    struct stat st;
    int tries = 0;
    while (path == NULL && (word = word_next(b->a, &at)) != NULL)
        path = refused_word(b, word, dir, &tries);
    if (path == NULL)
        return false;
    if (fstatat(b->cwd_fd, path, &st, 0) == 0 && !S_ISREG(st.st_mode)) {
        ml_error_set(err, ML_REFUSED, "outside_source",
                     "%s: it is kept from '%s', which is no plain file", what, path);
        ml_error_hint(err, "a build reads plain files, and nothing else");
        return true;
    }
    ml_error_set(err, ML_REFUSED, "outside_source",
                 "%s: it is kept from %s, which is neither beneath its sources nor the system's",
                 what, with_target(b, path));
    ml_error_hint(err, "if you trust it: give its directory with -I, or compile the directory that "
                       "holds both");
    return true;
}
