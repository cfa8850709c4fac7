/* The proxy for https, as curl(1) and git know it: https_proxy or HTTPS_PROXY, but for the hosts of
 * no_proxy or NO_PROXY. libgit2 goes by these variables as well, once they are in the one form that
 * it reads. There may be a password in them, so that no message has what they say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "fetcher/fetcher.h"

enum { VALUE_MAX = 4096 };

/* The small letters go first; "" is none. Null: there is none. */
static const char *variable(const char *small, const char *capital)
{
    const char *value = getenv(small) ? getenv(small) : getenv(capital);
    return value && *value ? value : NULL;
}

static const char *proxy(void)
{
    return variable("https_proxy", "HTTPS_PROXY");
}

static int bad_proxy(const char *why, struct ml_error *err)
{
    ml_error_set(err, ML_CONFIG, "bad_variable", "https_proxy names no proxy that is taken: %s",
                 why);
    return ml_error_hint(err, "set it to http://HOST:PORT, or http://NAME:PASSWORD@HOST:PORT, or "
                              "unset it");
}

/* A scheme that is left out is http. */
static int proxy_set(const char *value, struct ml_error *err)
{
    char url[VALUE_MAX];
    bool has_scheme = strstr(value, "://") != NULL;
    if (has_scheme && strncasecmp(value, "http://", 7) != 0 &&
        strncasecmp(value, "https://", 8) != 0)
        return bad_proxy("its scheme is neither http nor https", err);
    if (strpbrk(value, " \t\r\n") != NULL)
        return bad_proxy("there is a blank in it", err);
    if (snprintf(url, sizeof url, "%s%s", has_scheme ? "" : "http://", value) >= (int)sizeof url)
        return bad_proxy("it is too long", err);
    return setenv("https_proxy", url, 1) < 0 ? ml_error_memory(err) : 0;
}

/* Between the hosts may be blanks. */
static int exceptions_set(const char *value, struct ml_error *err)
{
    char hosts[VALUE_MAX];
    size_t n = 0;
    for (; *value != '\0' && n + 1 < sizeof hosts; value++)
        if (strchr(" \t", *value) == NULL)
            hosts[n++] = *value;
    hosts[n] = '\0';
    return setenv("no_proxy", hosts, 1) < 0 ? ml_error_memory(err) : 0;
}

int proxy_begin(struct ml_error *err)
{
    const char *value = proxy(), *but = variable("no_proxy", "NO_PROXY");
    if (value != NULL && proxy_set(value, err) < 0)
        return -1;
    return but != NULL ? exceptions_set(but, err) : 0;
}

int proxy_port(void)
{
    const char *value = proxy(), *slashes = value ? strstr(value, "://") : NULL;
    if (slashes == NULL)
        return 0;
    const char *host = slashes + 3;
    const char *colon = memrchr(host, ':', strcspn(host, "/"));
    int port = colon ? atoi(colon + 1) : 0;
    bool tls = strncasecmp(value, "https:", 6) == 0;
    return port > 0 ? port : tls ? 443 : 80;
}

void proxy_hint(struct ml_error *err)
{
    const char *value = proxy(), *slashes = value ? strstr(value, "://") : NULL;
    if (err == NULL || slashes == NULL)
        return;
    if (strstr(err->message, value) != NULL) { /* libgit2 repeats what it cannot read */
        bad_proxy("it is no URL", err);
        return;
    }
    const char *host = slashes + 3;
    size_t n = strcspn(host, "/");
    const char *at = memrchr(host, '@', n);
    n -= at ? (size_t)(at + 1 - host) : 0;
    host = at ? at + 1 : host;
    if (strstr(err->message, "proxy authentication required") != NULL) {
        ml_error_set(err, ML_REFUSED, "no_credentials",
                     "the proxy '%.*s' asks for a name and a password, or does not take those that "
                     "https_proxy has",
                     (int)n, host);
        ml_error_hint(err, "https_proxy=http://NAME:PASSWORD@%.*s", (int)n, host);
    } else if (strcmp(err->code, "network") == 0) {
        ml_error_hint(err,
                      "try again; https_proxy says that '%.*s' is the proxy, no_proxy which hosts "
                      "need none; --offline uses what was fetched before",
                      (int)n, host);
    }
}
