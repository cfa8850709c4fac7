#include "client/capability.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/unseen.h"
#include "base/words.h"
#include "modload/build.h"

#define BAD_PATH  "must name an absolute path without '.', '..', '//', and '/' at its end"
#define BAD_PLACE "would open a place that no plugin is let into: /proc, /sys, /dev"
#define BAD_PORT  "must name a port from 1 to 65535"
#define BAD_NAME  "must name a variable of A-Z 0-9 _, no digit first"
#define NO_NAME   "is never granted: that variable changes what other code does"

/* ---- what is behind the '=' ---- */

static const char *none_read(const char *text, struct capability *ret)
{
    ret->value = text;
    return NULL;
}

static const char *port_read(const char *text, struct capability *ret)
{
    size_t n = strlen(text);
    unsigned long port = n <= 5 ? strtoul(text, NULL, 10) : 0;
    if (strspn(text, "0123456789") != n || *text == '0' || port == 0 || port > UINT16_MAX)
        return BAD_PORT;
    ret->port = (uint16_t)port;
    ret->value = "";
    return NULL;
}

/* Between two slashes: no file of its own, or one that is somewhere else. */
static bool is_part(const char *part, size_t n)
{
    return n > 0 && !(n == 1 && part[0] == '.') && !(n == 2 && strncmp(part, "..", 2) == 0);
}

static bool is_beneath(const char *dir, const char *path)
{
    size_t n = strlen(dir);
    return strncmp(dir, path, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* The root has all of the places in it that nobody is let into. */
static const char *path_read(const char *text, struct capability *ret)
{
    static const char *const closed[] = {"/proc", "/sys", "/dev"};
    if (strcmp(text, "/") == 0)
        return BAD_PLACE;
    if (*text != '/')
        return BAD_PATH;
    for (const char *part = text; *part != '\0';) {
        size_t n = strcspn(++part, "/");
        if (!is_part(part, n))
            return BAD_PATH;
        part += n;
    }
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (is_beneath(closed[i], text))
            return BAD_PLACE;
    ret->value = text;
    return NULL;
}

/* They make a loader, a library, a shell, an interpreter, git or modload itself do something else;
 * who could have them set for a plugin's programs would be beyond what was agreed to. */
static bool is_closed_name(const char *name)
{
    static const char *const names[] = {
        "LD_*",           "MALLOC_*",   "PYTHON*", "PERL5*",  "GIT_*",
        "MODLOAD_*",      "BASH_ENV",   "ENV",     "IFS",     "PATH",
        "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "TMPDIR",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strcspn(names[i], "*");
        if (strncmp(name, names[i], n) == 0 && (names[i][n] == '*' || name[n] == '\0'))
            return true;
    }
    return false;
}

static const char *name_read(const char *text, struct capability *ret)
{
    if (*text == '\0' || (*text >= '0' && *text <= '9') ||
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(text))
        return BAD_NAME;
    if (is_closed_name(text))
        return NO_NAME;
    ret->value = text;
    return NULL;
}

/* ---- all of it ---- */

static const struct {
    const char *word; /* up to the value */
    const char *form; /* for people */
    const char *(*read)(const char *text, struct capability *ret);
} forms[] = {
    [CAPABILITY_NET] = {"net", "net", none_read},
    [CAPABILITY_NET_TCP] = {"net=tcp:", "net=tcp:PORT", port_read},
    [CAPABILITY_NET_LISTEN] = {"net=listen:", "net=listen:PORT", port_read},
    [CAPABILITY_FS_READ] = {"fs:read=", "fs:read=PATH", path_read},
    [CAPABILITY_FS_WRITE] = {"fs:write=", "fs:write=PATH", path_read},
    [CAPABILITY_EXEC] = {"exec=", "exec=PATH", path_read},
    [CAPABILITY_ENV] = {"env=", "env=NAME", name_read},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static bool is_seen(const char *text)
{
    for (; *text != '\0'; text++)
        if (unseen_at(text) > 0)
            return false;
    return true;
}

const char *capability_read(const char *text, struct capability *ret)
{
    size_t n = strlen(text);
    if (n > CAPABILITY_TEXT_MAX)
        return "is too long";
    if (!is_seen(text))
        return "has characters that nobody sees";
    for (size_t i = 0; i < N_FORMS; i++) {
        size_t word = strlen(forms[i].word);
        bool takes_value = forms[i].read != none_read;
        if (strncmp(text, forms[i].word, word) != 0 || (!takes_value && n != word))
            continue;
        *ret = (struct capability){.kind = (enum capability_kind)i};
        return forms[i].read(text + word, ret);
    }
    return "is no capability";
}

/* Where the value begins, or would. */
static size_t word_length(const char *text)
{
    size_t n = strcspn(text, "=");
    if (text[n] == '\0')
        return n;
    size_t kind = strspn(text + ++n, "abcdefghijklmnopqrstuvwxyz");
    return text[n + kind] == ':' ? n + kind + 1 : n;
}

int capability_hint(const char *text, struct ml_error *err)
{
    struct words_nearest best = {0};
    char word[16] = "";
    size_t n = word_length(text);
    if (n < sizeof word)
        memcpy(word, text, n);
    for (size_t i = 0; i < N_FORMS; i++)
        words_consider(&best, word, forms[i].word);
    for (size_t i = 0; i < N_FORMS; i++)
        if (best.word == forms[i].word) /* the very word: then it is what follows that is wrong */
            return best.distance == 0 ? -1
                                      : ml_error_hint(err, "did you mean '%s'?", forms[i].form);
    return ml_error_hint(err, "there are: net, net=tcp:PORT, net=listen:PORT, fs:read=PATH, "
                              "fs:write=PATH, exec=PATH, env=NAME");
}

/* ---- which has which in it ---- */

bool capability_covers(const struct capability *have, const struct capability *want)
{
    switch (have->kind) {
    case CAPABILITY_NET:
        return want->kind == CAPABILITY_NET || want->kind == CAPABILITY_NET_TCP;
    case CAPABILITY_FS_WRITE:
        return (want->kind == CAPABILITY_FS_WRITE || want->kind == CAPABILITY_FS_READ) &&
               is_beneath(have->value, want->value);
    case CAPABILITY_FS_READ:
        return want->kind == CAPABILITY_FS_READ && is_beneath(have->value, want->value);
    case CAPABILITY_NET_TCP:
    case CAPABILITY_NET_LISTEN:
    case CAPABILITY_EXEC:
    case CAPABILITY_ENV:
        break;
    }
    return have->kind == want->kind && have->port == want->port &&
           strcmp(have->value, want->value) == 0;
}

/* What is none covers nothing, and nothing covers it. */
static bool text_covers(const char *have, const char *want)
{
    struct capability one, other;
    return capability_read(have, &one) == NULL && capability_read(want, &other) == NULL &&
           capability_covers(&one, &other);
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those that were kept, and those that follow, cover whatever those cover that were taken out. */
size_t capabilities_normalise(const char **list, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(list, n, sizeof *list, text_compare);
    for (size_t i = 0; i < n; i++) {
        bool covered = false;
        for (size_t k = 0; k < kept && !covered; k++)
            covered = text_covers(list[k], list[i]);
        for (size_t k = i + 1; k < n && !covered; k++)
            covered = strcmp(list[k], list[i]) != 0 && text_covers(list[k], list[i]);
        if (!covered)
            list[kept++] = list[i];
    }
    return kept;
}

/* ---- for others ---- */

int ml_capability_check(const char *text, struct ml_error *err)
{
    struct capability ignored;
    const char *wrong = capability_read(text, &ignored);
    if (wrong == NULL)
        return 0;
    ml_error_set(err, ML_DATA, "bad_capability", "'%s' %s", text, wrong);
    return capability_hint(text, err);
}

size_t ml_capabilities_beyond(const char *const *have, size_t n_have, const char *const *want,
                              size_t n_want, const char **ret)
{
    size_t n = 0;
    for (size_t i = 0; i < n_want; i++) {
        bool covered = false;
        for (size_t k = 0; k < n_have && !covered; k++)
            covered = text_covers(have[k], want[i]);
        if (!covered)
            ret[n++] = want[i];
    }
    return n;
}
