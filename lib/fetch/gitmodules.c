/* A grammar of what `git submodule add` writes, and no more: where two readers could see two things
 * in a file (a line that goes on, an escape, a key twice), it is not taken. Commands in it
 * (update = !...), branches and whatever else there may be are passed over, and never used. */
#include "fetch/gitmodules.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "fetch/repository.h"

/* A part of the text. */
struct part {
    const char *at;
    size_t n;
};

struct reader {
    const char *wanted;
    int line;
    bool any, inside;      /* in a section; in that of a submodule */
    struct part path, url; /* of that one; none yet: null */
    bool found;
    struct part found_url;
    struct ml_error *err;
};

static int refused(struct ml_error *err, const char *hint)
{
    return ml_error_hint(err, "%s",
                         hint ? hint
                              : "ask its author; or clone it with what it "
                                "needs, " FETCH_AS_DIRECTORY);
}

static int bad_line(struct reader *r, const char *why)
{
    ml_error_set(r->err, ML_REFUSED, "refused_submodule", "line %d of its " GITMODULES_FILE " %s",
                 r->line, why);
    return refused(r->err, NULL);
}

/* ---- letters ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
}

static struct part trimmed(struct part p)
{
    while (p.n > 0 && is_blank(*p.at))
        p.at++, p.n--;
    while (p.n > 0 && is_blank(p.at[p.n - 1]))
        p.n--;
    return p;
}

static bool has(struct part p, const char *set)
{
    for (size_t i = 0; i < p.n; i++)
        if (strchr(set, p.at[i]) != NULL)
            return true;
    return false;
}

static bool has_control(struct part p)
{
    for (size_t i = 0; i < p.n; i++)
        if (((unsigned char)p.at[i] < ' ' && !is_blank(p.at[i])) || p.at[i] == 0x7f)
            return true;
    return false;
}

static struct part word_first(struct part p)
{
    size_t n = 0;
    while (n < p.n && is_word(p.at[n]))
        n++;
    return (struct part){p.at, n};
}

static bool is(struct part p, const char *word)
{
    return p.n == strlen(word) && strncasecmp(p.at, word, p.n) == 0;
}

/* Git makes a directory of a name (CVE-2018-11235), and hands paths and URLs to other programs
 * (CVE-2018-17456). Here neither is done; but who writes such things means no good. */
static const char *name_fault(struct part p)
{
    if (p.n == 0)
        return "has an empty name";
    if (*p.at == '-')
        return "has a name that begins with a dash, as options do";
    for (size_t i = 0; i < p.n; i++) {
        size_t n = 0;
        while (i + n < p.n && p.at[i + n] != '/')
            n++;
        if (n == 2 && p.at[i] == '.' && p.at[i + 1] == '.')
            return "has a name that climbs out by '..'";
        i += n;
    }
    return NULL;
}

static const char *url_fault(struct part p)
{
    if (p.n == 0)
        return "has an empty URL";
    if (*p.at == '-')
        return "has a URL that begins with a dash, as options do";
    if (p.n >= FETCH_MODULE_URL_SIZE)
        return "has a URL that is too long";
    for (size_t i = 0; i < p.n; i++)
        if (p.at[i] <= ' ' || p.at[i] >= 0x7f)
            return "has a URL with characters that no URL has";
    return NULL;
}

/* ---- sections ---- */

/* What was read of a submodule is looked at when its section ends. */
static int section_end(struct reader *r)
{
    const char *wanted = r->wanted;
    if (!r->inside || r->path.at == NULL || strlen(wanted) != r->path.n ||
        memcmp(r->path.at, wanted, r->path.n) != 0)
        return 0;
    if (r->found)
        return bad_line(r, "ends a second submodule of the same path");
    if (r->url.at == NULL)
        return bad_line(r, "ends a submodule without a URL");
    r->found = true;
    r->found_url = r->url;
    return 0;
}

/* [word] or [word "name"]. */
static int section_begin(struct reader *r, struct part line)
{
    static const char bad[] = "is no section as git writes one";
    if (section_end(r) < 0)
        return -1;
    if (line.n < 3 || line.at[line.n - 1] != ']')
        return bad_line(r, bad);
    struct part rest = {line.at + 1, line.n - 2}, word = word_first(rest);
    struct part name = trimmed((struct part){rest.at + word.n, rest.n - word.n});
    bool quoted = name.n >= 2 && name.at[0] == '"' && name.at[name.n - 1] == '"';
    struct part inner = quoted ? (struct part){name.at + 1, name.n - 2} : name;
    if (word.n == 0 || (name.n > 0 && !quoted) || has(inner, "\"\\"))
        return bad_line(r, bad);
    r->any = true;
    r->inside = quoted && is(word, "submodule");
    r->path = r->url = (struct part){NULL, 0};
    const char *fault = r->inside ? name_fault(inner) : NULL;
    return fault != NULL ? bad_line(r, fault) : 0;
}

/* ---- keys ---- */

/* What begins a comment ends a value that is not in marks. */
static int value_read(struct reader *r, struct part text, struct part *ret)
{
    if (text.n >= 2 && text.at[0] == '"' && text.at[text.n - 1] == '"') {
        *ret = (struct part){text.at + 1, text.n - 2};
    } else {
        size_t n = 0;
        while (n < text.n && text.at[n] != '#' && text.at[n] != ';')
            n++;
        *ret = trimmed((struct part){text.at, n});
    }
    return has(*ret, "\"\\") ? bad_line(r, "has a value with marks or escapes in it") : 0;
}

static int path_check(struct reader *r, struct part path)
{
    char text[FETCH_MODULE_PATH_SIZE];
    if (path.n >= sizeof text)
        return bad_line(r, "has a path that is too long");
    memcpy(text, path.at, path.n);
    text[path.n] = '\0';
    return source_subdir_check(text, NULL) < 0
               ? bad_line(r, "has a path that is not made of plain names, or begins with a dash")
               : 0;
}

static int member_read(struct reader *r, struct part key, struct part value)
{
    bool path = is(key, "path"), url = is(key, "url");
    struct part *to = path ? &r->path : &r->url;
    if (!path && !url)
        return 0;
    if (to->at != NULL)
        return bad_line(r, "says a second time what was said above");
    if (value_read(r, value, to) < 0)
        return -1;
    const char *fault = url ? url_fault(*to) : NULL;
    if (fault != NULL)
        return bad_line(r, fault);
    return path ? path_check(r, *to) : 0;
}

static int line_read(struct reader *r, struct part line)
{
    if (has_control(line))
        return bad_line(r, "has control characters in it");
    if (line.n == 0 || *line.at == '#' || *line.at == ';')
        return 0;
    if (line.at[line.n - 1] == '\\')
        return bad_line(r, "goes on in the next one");
    if (*line.at == '[')
        return section_begin(r, line);
    struct part key = word_first(line);
    struct part rest = trimmed((struct part){line.at + key.n, line.n - key.n});
    if (key.n == 0 || !r->any || (rest.n > 0 && *rest.at != '='))
        return bad_line(r, "is no key with a value");
    if (!r->inside)
        return 0;
    return member_read(r, key, rest.n > 0 ? trimmed((struct part){rest.at + 1, rest.n - 1}) : rest);
}

int gitmodules_find(const char *text, size_t n, const char *path, char url[FETCH_MODULE_URL_SIZE],
                    struct ml_error *err)
{
    struct reader r = {.wanted = path, .err = err};
    for (const char *at = text, *end = text + n; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        r.line++;
        if (line_read(&r, trimmed((struct part){at, length})) < 0)
            return -1;
        at += length + 1;
    }
    if (section_end(&r) < 0)
        return -1;
    if (!r.found) {
        ml_error_set(err, ML_REFUSED, "refused_submodule",
                     "its " GITMODULES_FILE " does not say where that comes from");
        return refused(err, NULL);
    }
    memcpy(url, r.found_url.at, r.found_url.n);
    url[r.found_url.n] = '\0';
    return 0;
}

/* ---- URLs ---- */

/* One with a password in it is not repeated: it may be in somebody's log for long. */
static int bad_url(struct ml_error *err, const char *url, const char *why)
{
    const char *slashes = strstr(url, "://"), *user = slashes ? slashes + 3 : url;
    size_t host = strcspn(user, "/");
    const char *at = memchr(user, '@', host), *colon = memchr(user, ':', host);
    bool secret = slashes != NULL && at != NULL && colon != NULL && colon < at;
    ml_error_set(err, ML_REFUSED, "refused_submodule", "its URL%s%.300s%s %s", secret ? "" : " '",
                 secret ? "" : url, secret ? "" : "'", why);
    return refused(err,
                   "submodules come by https alone: ask its author for a URL of https; or clone it "
                   "with what it needs, " FETCH_AS_DIRECTORY);
}

/* As git does it: each "../" takes the last part of the path away, and none of the host. */
static int relative_join(const struct source *super, const char *url, char *ret, size_t size,
                         struct ml_error *err)
{
    const char *rest = url, *path = strchr(super->url + strlen("https://"), '/');
    size_t n = strlen(super->url), least = path ? (size_t)(path - super->url) : n;
    while (strncmp(rest, "./", 2) == 0 || strncmp(rest, "../", 3) == 0) {
        bool up = rest[1] == '.';
        while (up && n > least && super->url[n - 1] != '/')
            n--;
        if (up && n <= least)
            return bad_url(err, url, "leads out of its host");
        n -= up;
        rest += up ? 3 : 2;
    }
    if (snprintf(ret, size, "%.*s/%s@", (int)n, super->url, rest) >= (int)size)
        return bad_url(err, url, "is too long");
    return 0;
}

static bool has_dots(const char *url)
{
    for (; (url = strchr(url, '/')) != NULL; url++) {
        size_t n = strcspn(url + 1, "/");
        if ((n == 1 || n == 2) && strspn(url + 1, ".") >= n)
            return true;
    }
    return false;
}

/* The '@' says that those before it are the URL's own: there is no ref. */
int gitmodules_source(const struct source *super, const char *url, struct source *ret,
                      struct ml_error *err)
{
    char text[SOURCE_URL_MAX + FETCH_MODULE_URL_SIZE];
    struct ml_error why = ML_ERROR_INIT;
    bool relative = strncmp(url, "./", 2) == 0 || strncmp(url, "../", 3) == 0;
    if (relative && super->kind != SOURCE_HTTPS)
        return bad_url(err, url, "is relative to one that is not of https");
    if (relative && relative_join(super, url, text, sizeof text, err) < 0)
        return -1;
    if (!relative)
        snprintf(text, sizeof text, "%s@", url);
    if (source_parse(text, ret, &why) < 0) {
        const char *reason = strstr(why.message, ": ");
        snprintf(text, sizeof text, "is not taken%s", reason ? reason : "");
        return bad_url(err, url, text);
    }
    if (ret->kind != SOURCE_HTTPS)
        return bad_url(err, url, "is not of https");
    if (has_dots(ret->url + strlen("https://")) || strlen(ret->url) >= FETCH_MODULE_URL_SIZE)
        return bad_url(err, url, "is not taken: it is too long, or has '..' in its path");
    return 0;
}
