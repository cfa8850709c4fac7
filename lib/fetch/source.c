/* Grammars, not lists of what is forbidden: what is not known to be harmless to every program that
 * a URL passes through (CVE-2017-1000117, CVE-2018-17456: a dash; CVE-2020-11008: a newline that
 * was encoded) is not taken. */
#include "fetch/source.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"
#include "base/semver.h"

enum { USER_MAX = 64, PORT_MAX = 65535 };

/* A part of the text. */
struct part {
    const char *at;
    size_t n;
};

static int bad(struct ml_error *err, const char *why)
{
    ml_error_set(err, ML_DATA, "bad_source", "cannot read the source: %s", why);
    return ml_error_hint(err, "give a URL (https, ssh, git, file), user@host:path, or a path; "
                              "behind it @ and a branch, a tag, a commit or a range (@^1.2)");
}

static int refused(struct ml_error *err, const char *why, const char *hint)
{
    ml_error_set(err, ML_REFUSED, "refused_source", "the source is not taken: %s", why);
    return ml_error_hint(err, "%s", hint);
}

/* ---- letters ---- */

/* Those of ASCII in every locale. */
static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if (is_control(*text))
            return true;
    return false;
}

static bool only(struct part p, const char *more)
{
    for (size_t i = 0; i < p.n; i++)
        if (!is_alnum(p.at[i]) && strchr(more, p.at[i]) == NULL)
            return false;
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

static char low(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Adds to a text of `size` bytes. False when it does not fit. */
static bool put(char *text, size_t size, struct part p, bool lower)
{
    size_t len = strlen(text);
    if (p.n >= size - len)
        return false;
    for (size_t i = 0; i < p.n; i++)
        text[len + i] = lower ? low(p.at[i]) : p.at[i];
    text[len + p.n] = '\0';
    return true;
}

static bool put_text(char *text, size_t size, const char *more)
{
    return put(text, size, (struct part){more, strlen(more)}, false);
}

/* ---- refs ---- */

static int bad_ref(struct ml_error *err, const char *why)
{
    ml_error_set(err, ML_DATA, "bad_ref", "cannot read what follows the @: %s", why);
    return ml_error_hint(
        err, "give a branch, a tag, a commit, or a range of versions such as ^1.2; where the "
             "source itself has an @ in its path, put one more at its end");
}

/* git-check-ref-format(1) has these rules, and why. */
static const char *ref_fault(const char *ref)
{
    if (*ref == '-')
        return "it begins with a dash, as options do";
    if (has_control(ref) || strpbrk(ref, " ~^:?*[\\") != NULL)
        return "it has a character that no branch or tag has";
    if (strstr(ref, "..") != NULL || strstr(ref, "@{") != NULL || strstr(ref, "//") != NULL ||
        strstr(ref, "/.") != NULL || strstr(ref, ".lock/") != NULL || *ref == '.' || *ref == '/')
        return "it is no name that a branch or a tag can have";
    size_t n = strlen(ref);
    if (ref[n - 1] == '/' || ref[n - 1] == '.' || strcmp(ref, "@") == 0 ||
        (n >= 5 && strcmp(ref + n - 5, ".lock") == 0))
        return "it is no name that a branch or a tag can have";
    return NULL;
}

int source_ref_parse(const char *text, struct source *ret, struct ml_error *err)
{
    struct semver_range range;
    ret->ref_kind = SOURCE_REF_NONE;
    *ret->ref = '\0';
    if (*text == '\0')
        return 0;
    if (!put_text(ret->ref, sizeof ret->ref, text))
        return bad_ref(err, "it is longer than 255 bytes");
    ret->ref_kind = SOURCE_REF_RANGE;
    if (strchr("^~<>=*", *text) != NULL)
        return semver_range_parse(text, &range) ? 0 : bad_ref(err, "it is no range of versions");
    ret->ref_kind = SOURCE_REF_NAME;
    const char *fault = ref_fault(text);
    return fault != NULL ? bad_ref(err, fault) : 0;
}

/* ---- paths ---- */

/* Encoded bytes count as what they become. */
static const char *path_fault(struct part path)
{
    if (!only(path, "/._~-+@%:=,!$&'()*;"))
        return "its path has a character that has to be encoded (%20 for a blank), or a question "
               "mark or a hash, which no repository needs";
    for (size_t i = 0; i < path.n; i++) {
        if (path.at[i] != '%')
            continue;
        int high = i + 2 < path.n ? hex(path.at[i + 1]) : -1;
        int rest = high >= 0 ? hex(path.at[i + 2]) : -1;
        if (rest < 0)
            return "it has a % without two digits behind it";
        if (is_control((char)(high * 16 + rest)))
            return "it has an encoded control character";
    }
    return NULL;
}

/* Without the slashes at its end: a repository is the same with them. */
static struct part trimmed(struct part path)
{
    while (path.n > 1 && path.at[path.n - 1] == '/')
        path.n--;
    return path;
}

static int path_take(struct part path, struct source *ret, struct ml_error *err)
{
    if (path.n == 0)
        return bad(err, "there is none");
    if (*path.at == '-')
        return refused(err, "it begins with a dash, as options do", "put ./ before a path");
    path = trimmed(path);
    ret->kind = SOURCE_PATH;
    return put(ret->url, sizeof ret->url, path, false) ? 0 : bad(err, "it is too long");
}

static int file_take(struct part path, struct source *ret, struct ml_error *err)
{
    size_t n = 0;
    const char *fault = path_fault(path);
    if (path.n > 9 && strncasecmp(path.at, "localhost/", 10) == 0)
        path = (struct part){path.at + 9, path.n - 9};
    if (fault != NULL)
        return bad(err, fault);
    if (path.n < 2 || *path.at != '/')
        return bad(err, "a file URL has three slashes, and a path behind them");
    if (path.n >= sizeof ret->url)
        return bad(err, "it is too long");
    path = trimmed(path);
    for (size_t i = 0; i < path.n; i++) {
        bool encoded = path.at[i] == '%';
        ret->url[n++] =
            encoded ? (char)(hex(path.at[i + 1]) * 16 + hex(path.at[i + 2])) : path.at[i];
        i += encoded ? 2 : 0;
    }
    ret->url[n] = '\0';
    ret->kind = SOURCE_FILE;
    return 0;
}

/* ---- hosts ---- */

/* A name, an IPv4 address, or an IPv6 one in brackets. */
static int host_take(struct part host, struct source *ret, struct ml_error *err)
{
    bool bracketed = host.n > 2 && host.at[0] == '[' && host.at[host.n - 1] == ']';
    struct part name = bracketed ? (struct part){host.at + 1, host.n - 2} : host;
    if (host.n == 0)
        return bad(err, "there is no host in it");
    if (*name.at == '-')
        return refused(err, "its host begins with a dash, as options do", "give the host's name");
    if (!is_alnum(*name.at) && *name.at != ':')
        return bad(err, "its host is no name and no address");
    if (!only(name, bracketed ? ":." : ".-_"))
        return bad(err, "its host is no name and no address");
    if (!put(ret->host, sizeof ret->host, name, true))
        return bad(err, "its host is longer than any");
    return put(ret->url, sizeof ret->url, host, true) ? 0 : bad(err, "it is too long");
}

static int user_check(struct part user, struct ml_error *err)
{
    if (memchr(user.at, ':', user.n) != NULL)
        return refused(err, "there is a password in it, which would be kept where others see it",
                       "leave it out; put it into ~/.netrc, or into the file that "
                       "MODLOAD_TOKEN_FILE names");
    if (user.n > 0 && *user.at == '-')
        return refused(err, "its user begins with a dash, as options do", "give the user's name");
    if (user.n == 0 || user.n > USER_MAX || !only(user, "._+-"))
        return bad(err, "its user is no name");
    return 0;
}

/* A port that a scheme has anyway is left out. */
static int port_take(struct part port, const char *usual, struct source *ret, struct ml_error *err)
{
    char text[8] = "";
    if (port.n == 0)
        return 0;
    if (port.n > 5 || strspn(port.at, "0123456789") < port.n || *port.at == '0')
        return bad(err, "its port is no number");
    put(text, sizeof text, port, false);
    if (atoi(text) > PORT_MAX)
        return bad(err, "its port is no number");
    if (strcmp(text, usual) == 0)
        return 0;
    return put_text(ret->url, sizeof ret->url, ":") && put_text(ret->url, sizeof ret->url, text)
               ? 0
               : bad(err, "it is too long");
}

/* ---- URLs ---- */

struct scheme {
    const char *name, *port;
    enum source_kind kind;
};

/* The user and the rest of an authority. */
static struct part user_split(struct part *authority)
{
    const char *at = memrchr(authority->at, '@', authority->n);
    struct part user = {authority->at, at ? (size_t)(at - authority->at) : 0};
    if (at != NULL)
        *authority = (struct part){at + 1, authority->n - user.n - 1};
    return at != NULL ? user : (struct part){NULL, 0};
}

static struct part port_split(struct part *host)
{
    const char *colon = memrchr(host->at, ':', host->n), *end = host->at + host->n;
    if (colon == NULL || (*host->at == '[' && host->n > 0 && end[-1] == ']'))
        return (struct part){NULL, 0};
    host->n = (size_t)(colon - host->at);
    return (struct part){colon + 1, (size_t)(end - colon - 1)};
}

static int authority_take(const struct scheme *scheme, struct part host, struct source *ret,
                          struct ml_error *err)
{
    struct part user = user_split(&host);
    if (user.at != NULL && user_check(user, err) < 0)
        return -1;
    if (user.at != NULL && scheme->kind != SOURCE_SSH)
        return refused(err,
                       "there is a user in it: such a name often is a token, and would be "
                       "kept where others see it",
                       "leave out what stands before the host's @; put names into ~/.netrc, or "
                       "into the file that MODLOAD_TOKEN_FILE names");
    struct part port = port_split(&host);
    if (user.at != NULL &&
        (!put(ret->url, sizeof ret->url, user, false) || !put_text(ret->url, sizeof ret->url, "@")))
        return bad(err, "it is too long");
    return host_take(host, ret, err) < 0 || port_take(port, scheme->port, ret, err) < 0 ? -1 : 0;
}

/* `rest` is behind the two slashes. */
static int url_take(const struct scheme *scheme, struct part rest, struct source *ret,
                    struct ml_error *err)
{
    if (scheme->kind == SOURCE_FILE)
        return file_take(rest, ret, err);
    const char *slash = memchr(rest.at, '/', rest.n);
    struct part authority = {rest.at, slash ? (size_t)(slash - rest.at) : rest.n};
    struct part path = {rest.at + authority.n, rest.n - authority.n};
    put_text(ret->url, sizeof ret->url, scheme->name);
    put_text(ret->url, sizeof ret->url, "://");
    ret->kind = scheme->kind;
    if (authority_take(scheme, authority, ret, err) < 0)
        return -1;
    path = trimmed(path);
    const char *fault = path_fault(path);
    if (fault != NULL)
        return bad(err, fault);
    if (path.n < 2)
        return bad(err, "it names a host and no repository");
    if (path.at[1] == '-')
        return refused(err, "its path begins with a dash, as options do", "check the URL");
    return put(ret->url, sizeof ret->url, path, false) ? 0 : bad(err, "it is too long");
}

/* user@host:path, host:path. The path is one of the other side's shell: the dash counts. */
static int scp_take(struct part text, struct part host, struct source *ret, struct ml_error *err)
{
    struct part path = {text.at + host.n + 1, text.n - host.n - 1};
    struct part user = user_split(&host);
    ret->kind = SOURCE_SSH;
    if (memmem(text.at, text.n, "://", 3) != NULL) /* others would take it for a URL */
        return bad(err, "what stands before :// is no scheme");
    if (user.at != NULL &&
        (user_check(user, err) < 0 || !put(ret->url, sizeof ret->url, user, false) ||
         !put_text(ret->url, sizeof ret->url, "@")))
        return -1;
    if (host_take(host, ret, err) < 0)
        return -1;
    path = trimmed(path);
    const char *fault = path_fault(path);
    if (fault != NULL)
        return bad(err, fault);
    if (path.n == 0 || (path.n == 1 && *path.at == '/'))
        return bad(err, "it names a host and no repository");
    if (*path.at == '-')
        return refused(err, "its path begins with a dash, as options do", "check the URL");
    return put_text(ret->url, sizeof ret->url, ":") && put(ret->url, sizeof ret->url, path, false)
               ? 0
               : bad(err, "it is too long");
}

/* ---- what kind of source it is ---- */

static const struct scheme *scheme_find(struct part name)
{
    static const struct scheme schemes[] = {
        {"https", "443", SOURCE_HTTPS},
        {"ssh", "22", SOURCE_SSH},
        {"git", "9418", SOURCE_GIT},
        {"file", "", SOURCE_FILE},
    };
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strlen(schemes[i].name) == name.n && strncasecmp(schemes[i].name, name.at, name.n) == 0)
            return &schemes[i];
    return NULL;
}

static int scheme_refused(struct part name, struct ml_error *err)
{
    if (name.n == 4 && strncasecmp(name.at, "http", 4) == 0)
        return refused(err, "http is neither encrypted nor checked", "use https://");
    return refused(err, "its scheme is none of https, ssh, git and file",
                   "other transports run programs, or check nothing: fetch it yourself, and give "
                   "the directory");
}

/* What a scheme or the name of a transport helper is made of. */
static struct part word_first(struct part text)
{
    size_t n = 0;
    while (n < text.n && (is_alnum(text.at[n]) || strchr("+-.", text.at[n]) != NULL))
        n++;
    return (struct part){text.at, n};
}

/* The colon of user@host:path: before the first slash, and behind the bracket of an address. */
static size_t scp_host(struct part text)
{
    size_t n = 0;
    bool inside = false;
    while (n < text.n && text.at[n] != '/' && (inside || text.at[n] != ':')) {
        inside = text.at[n] == '[' || (inside && text.at[n] != ']');
        n++;
    }
    return n < text.n && text.at[n] == ':' ? n : 0;
}

/* Where the last part begins in which an '@' divides source and ref: not that of a user. */
static size_t ref_begin(const char *text)
{
    struct part all = {text, strlen(text)};
    const char *slashes = strstr(text, "://");
    if (slashes != NULL && word_first(all).n == (size_t)(slashes - text))
        return (size_t)(slashes - text) + 3 + strcspn(slashes + 3, "/");
    return scp_host(all);
}

static struct part ref_split(const char *text, struct part *source)
{
    const char *at = strrchr(text + ref_begin(text), '@');
    bool is_path = ref_begin(text) == 0 && access(text, F_OK) == 0;
    size_t n = at != NULL && !is_path ? (size_t)(at - text) : strlen(text);
    *source = (struct part){text, n};
    return (struct part){text + n + (text[n] == '@'), 0};
}

static int take(struct part text, struct source *ret, struct ml_error *err)
{
    struct part word = word_first(text);
    const char *behind = text.at + word.n;
    size_t left = text.n - word.n;
    if (word.n > 0 && left >= 3 && strncmp(behind, "://", 3) == 0) {
        const struct scheme *scheme = scheme_find(word);
        struct part rest = {behind + 3, left - 3};
        struct part authority = {rest.at, strcspn(rest.at, "/")};
        struct part user = user_split(&authority);
        if (scheme == NULL && user.at != NULL && user_check(user, err) < 0)
            return -1;
        return scheme == NULL ? scheme_refused(word, err) : url_take(scheme, rest, ret, err);
    }
    if (left >= 2 && strncmp(behind, "::", 2) == 0)
        return refused(err, "it names a transport helper (::), which is a program to run",
                       "give the URL itself");
    size_t host = scp_host(text);
    if (host > 0 && *text.at != '.')
        return scp_take(text, (struct part){text.at, host}, ret, err);
    return path_take(text, ret, err);
}

int source_parse(const char *text, struct source *ret, struct ml_error *err)
{
    struct source source = {0};
    struct part src;
    if (*text == '-')
        return refused(err, "it begins with a dash, as options do", "put ./ before a path");
    if (has_control(text))
        return refused(err, "it has control characters", "check what was pasted");
    struct part ref = ref_split(text, &src);
    if (take(src, &source, err) < 0 || source_ref_parse(ref.at, &source, err) < 0)
        return -1;
    *ret = source;
    return 0;
}

/* RFC 8089 section 2. */
void source_file_url(const char *path, char ret[SOURCE_FILE_URL_MAX])
{
    size_t n = (size_t)sprintf(ret, "file://");
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("/._~-+:=,", *p) != NULL;
        n += (size_t)sprintf(ret + n, plain ? "%c" : "%%%02X", *p);
    }
}

int source_subdir_check(const char *path, struct ml_error *err)
{
    const char *fault = *path == '\0'                    ? "is empty"
                        : *path == '/'                   ? "is absolute"
                        : *path == '-'                   ? "begins with a dash"
                        : has_control(path)              ? "has control characters"
                        : strlen(path) >= SOURCE_URL_MAX ? "is too long"
                                                         : NULL;
    for (const char *at = path; fault == NULL; at++) {
        size_t n = strcspn(at, "/");
        if (n == 0 || (n == 1 && *at == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            fault = "is not made of plain names: no '.', '..' or empty ones";
        at += n;
        if (*at == '\0')
            break;
    }
    if (fault == NULL)
        return 0;
    ml_error_set(err, ML_DATA, "bad_path", "the directory in the repository %s", fault);
    return ml_error_hint(err, "give it as it is in the repository: plugins/math");
}
