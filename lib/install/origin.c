/* Origins as texts. They are read back from a registry that somebody may have edited, so every part
 * is checked as if a stranger had written it; what is no origin of git's is a path, and no error.
 */
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/scope.h"
#include "fetch/source.h"
#include "modload/install.h"

#define SCHEME  "git+"
#define CLAIMED "pack+"

void ml_origin_done(struct ml_origin *origin)
{
    free(origin->git);
    free(origin->path);
    free(origin->ref);
    free(origin->tag);
    free(origin->commit);
    free(origin->index);
    free(origin->name);
    *origin = (struct ml_origin){.git = NULL};
}

/* ---- writing ---- */

/* The marks of the form, and what would not be one word in a line of history. */
static void put_escaped(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("%?&#", *p) != NULL)
            buf_fmt(out, "%%%02X", *p);
        else
            buf_char(out, (char)*p);
}

static void put_query(struct buf *out, const char *key, const char *value, char *mark)
{
    if (value == NULL || *value == '\0')
        return;
    buf_fmt(out, "%c%s=", *mark, key);
    put_escaped(out, value);
    *mark = '&';
}

char *ml_origin_format(const struct ml_origin *origin)
{
    BUF_AUTO out = BUF_INIT;
    char mark = '?';
    if (*origin->git == '\0') {
        buf_str(&out, origin->path);
        return buf_steal(&out);
    }
    buf_str(&out, SCHEME);
    put_escaped(&out, origin->git);
    put_query(&out, "path", origin->path, &mark);
    put_query(&out, "ref", origin->ref, &mark);
    put_query(&out, "tag", origin->tag, &mark);
    put_query(&out, "submodules", origin->submodules ? "1" : "", &mark);
    put_query(&out, "index", origin->index, &mark);
    put_query(&out, "name", origin->name, &mark);
    buf_char(&out, '#');
    put_escaped(&out, origin->commit);
    return buf_steal(&out);
}

char *ml_origin_claimed(const char *text)
{
    BUF_AUTO out = BUF_INIT;
    buf_fmt(&out, "%s%s", strncmp(text, SCHEME, strlen(SCHEME)) == 0 ? CLAIMED : "", text);
    return buf_steal(&out);
}

const char *ml_origin_claim(const char *text)
{
    size_t n = strlen(CLAIMED);
    return strncmp(text, CLAIMED, n) == 0 ? text + n : text;
}

/* ---- reading ---- */

static int hex_value(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Unescapes in place. False: what is behind a '%' is no byte, or is a NUL. */
static bool unescape(char *text)
{
    char *out = text;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p != '%') {
            *out++ = *p;
            continue;
        }
        int high = hex_value(p[1]), low = high < 0 ? -1 : hex_value(p[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *out++ = (char)(high << 4 | low);
        p += 2;
    }
    *out = '\0';
    return true;
}

/* The member of a query's key; null: there is none of that name. */
static char **member(struct ml_origin *o, const char *key)
{
    return strcmp(key, "path") == 0    ? &o->path
           : strcmp(key, "ref") == 0   ? &o->ref
           : strcmp(key, "tag") == 0   ? &o->tag
           : strcmp(key, "index") == 0 ? &o->index
           : strcmp(key, "name") == 0  ? &o->name
                                       : NULL;
}

static bool take(char **to, const char *text)
{
    if (*to != NULL) /* twice */
        return false;
    *to = strdup(text);
    return *to != NULL && unescape(*to);
}

static bool query_take(struct ml_origin *o, char *query)
{
    for (char *next; query != NULL; query = next) {
        char *value = strchr(query, '=');
        next = strchr(query, '&');
        if (next != NULL)
            *next++ = '\0';
        if (value == NULL || (next != NULL && value > next))
            return false;
        *value++ = '\0';
        if (strcmp(query, "submodules") == 0) {
            if (o->submodules || strcmp(value, "1") != 0)
                return false;
            o->submodules = true;
            continue;
        }
        char **to = member(o, query);
        if (to == NULL || !take(to, value))
            return false;
    }
    return true;
}

/* What is behind a part is cut off first, so that a mark counts only where it may be one. */
static bool parts_take(struct ml_origin *o, char *text)
{
    char *commit = strchr(text, '#'), *query;
    if (commit == NULL)
        return false;
    *commit++ = '\0';
    query = strchr(text, '?');
    if (query != NULL)
        *query++ = '\0';
    return take(&o->git, text) && take(&o->commit, commit) && query_take(o, query);
}

static bool none_if_null(char **text)
{
    if (*text == NULL)
        *text = strdup("");
    return *text != NULL;
}

/* Both or none. */
static bool is_looked_up(const struct ml_origin *o)
{
    if (*o->index == '\0' && *o->name == '\0')
        return true;
    return ml_name_valid(o->index) && ml_name_valid(o->name) && *o->ref != '\0';
}

/* What it leads to is used for a fetch, so it has to be something that can be fetched. */
static bool is_sound(struct ml_origin *o)
{
    struct source source;
    AUTO_FREE char *url = NULL;
    if (!none_if_null(&o->path) || !none_if_null(&o->ref) || !none_if_null(&o->tag) ||
        !none_if_null(&o->index) || !none_if_null(&o->name))
        return false;
    return is_looked_up(o) && strlen(o->commit) == ML_COMMIT_SIZE - 1 &&
           strspn(o->commit, "0123456789abcdef") == ML_COMMIT_SIZE - 1 &&
           strlen(o->git) < SOURCE_URL_MAX && *o->git != '\0' &&
           (*o->ref == '\0' || source_ref_parse(o->ref, &source, NULL) == 0) &&
           (*o->path == '\0' || source_subdir_check(o->path, NULL) == 0);
}

int ml_origin_parse(const char *text, struct ml_origin *ret, struct ml_error *err)
{
    *ret = (struct ml_origin){.git = NULL};
    if (strncmp(text, SCHEME, strlen(SCHEME)) == 0) {
        AUTO_FREE char *copy = strdup(text + strlen(SCHEME));
        if (copy == NULL)
            return ml_error_memory(err);
        if (parts_take(ret, copy) && is_sound(ret))
            return 0;
        ml_origin_done(ret);
    }
    return ml_error_set(err, ML_NO_INPUT, "no_origin", "'%s' is no git repository",
                        *text ? text : "(unknown)");
}

/* ---- keys ---- */

/* The name space is a random UUID that was made once: another one would give everything another
 * key. */
int ml_origin_key(const char *text, struct ml_key *ret, struct ml_error *err)
{
    static const unsigned char space[16] = {0x2e, 0x0b, 0x6c, 0x1d, 0x5a, 0x0f, 0x4c, 0x83,
                                            0x9d, 0x21, 0x70, 0x3e, 0x88, 0x4b, 0xa6, 0x5c};
    struct ml_origin origin;
    BUF_AUTO name = BUF_INIT;
    char mark = '?';
    if (ml_origin_parse(text, &origin, NULL) == 0) {
        buf_str(&name, SCHEME);
        put_escaped(&name, origin.git);
        put_query(&name, "path", origin.path, &mark);
        ml_origin_done(&origin);
    } else {
        buf_str(&name, text);
    }
    if (name.failed)
        return ml_error_memory(err);
    uuid_generate_sha1(ret->bytes, space, buf_text(&name), name.len);
    return 0;
}
