/* libgit2 as it is used here: it reads nothing of the user's configuration, in which a URL can be
 * made another one (url.*.insteadOf) and a certificate any (http.sslVerify). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "fetcher/fetcher.h"

/* Parts of packs that are mapped at a time, and what is kept of objects that were read. A cache has
 * a pack for each fetch that brought something: without a limit they all are open in the end. */
enum { WINDOW_BYTES = 16 << 20, MAPPED_BYTES = 128 << 20, CACHE_BYTES = 32 << 20, PACKS_OPEN = 32 };

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* Debian's libgit2 has been built without a place to look. */
static int certificates_set(void)
{
    static const char *const bundles[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
        "/etc/ssl/ca-bundle.pem",             /* openSUSE */
        "/etc/ssl/cert.pem",                  /* Alpine */
    };
    const char *file = variable("SSL_CERT_FILE"), *dir = variable("SSL_CERT_DIR");
    for (size_t i = 0; file == NULL && dir == NULL && i < sizeof bundles / sizeof *bundles; i++)
        if (access(bundles[i], R_OK) == 0)
            file = bundles[i];
    if (file == NULL && dir == NULL)
        return 0; /* nothing is valid then, which is said when a server shows something */
    return git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, file, dir);
}

/* None of the usual places is wrong: it is there, or it is not named. */
static int no_certificates(int status, struct ml_error *err)
{
    const char *file = variable("SSL_CERT_FILE"), *dir = variable("SSL_CERT_DIR");
    const git_error *why = git_error_last();
    if (file == NULL && dir == NULL)
        return git_failed(err, status, "cannot read the certificates");
    ml_error_set(err, ML_CONFIG, "bad_variable",
                 "cannot read the certificates that %s names, '%.200s': %s",
                 file ? "SSL_CERT_FILE" : "SSL_CERT_DIR", file ? file : dir,
                 why && why->message ? why->message : "libgit2 gives no reason");
    return ml_error_hint(err, "set it to a file of certificates in PEM form, or unset it for the "
                              "system's");
}

/* Whose a repository is says nothing here: no hook and no filter of it is ever run, and in a CI job
 * it often is another's. */
int git_begin(const struct fetch_order *order, struct ml_error *err)
{
    static const int levels[] = {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_GLOBAL,
                                 GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_PROGRAMDATA};
    int status = git_libgit2_init();
    for (size_t i = 0; status >= 0 && i < sizeof levels / sizeof *levels; i++)
        status = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
    if (status >= 0)
        status = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    if (status >= 0)
        status = git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)WINDOW_BYTES);
    if (status >= 0)
        status = git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)MAPPED_BYTES);
    if (status >= 0)
        status = git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, (size_t)PACKS_OPEN);
    if (status >= 0)
        status = git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)CACHE_BYTES);
    if (status < 0)
        return ml_error_set(err, ML_BUG, NULL, "cannot set libgit2 up");
    if (order->step != FETCH_STEP_FETCH || order->source.kind != SOURCE_HTTPS || order->offline)
        return 0;
    status = certificates_set();
    return status < 0 ? no_certificates(status, err) : proxy_begin(err);
}

static bool says(const git_error *why, const char *words)
{
    return why != NULL && why->message != NULL && strstr(why->message, words) != NULL;
}

bool git_is_local_failure(int status)
{
    const git_error *why = git_error_last();
    if (status == GIT_ECERTIFICATE || status == GIT_EAUTH || status == GIT_EUSER)
        return false;
    switch (why ? why->klass : GIT_ERROR_NONE) {
    case GIT_ERROR_REFERENCE:
    case GIT_ERROR_ODB:
    case GIT_ERROR_OBJECT:
    case GIT_ERROR_TREE:
    case GIT_ERROR_TAG:
    case GIT_ERROR_CONFIG:
    case GIT_ERROR_REPOSITORY:
    case GIT_ERROR_ZLIB:
    case GIT_ERROR_OS:
    case GIT_ERROR_FILESYSTEM:
        return true;
    default:
        return false;
    }
}

/* libgit2 tells what a server answered in words alone. */
static int failure_kind(int status, const git_error *why, const char **code)
{
    int klass = why ? why->klass : GIT_ERROR_NONE;
    if (klass == GIT_ERROR_NOMEMORY || says(why, "out of memory"))
        return *code = "out_of_memory", ML_LIMIT;
    if (status == GIT_ECERTIFICATE)
        return *code = "bad_certificate", ML_REFUSED;
    if (status == GIT_EAUTH || says(why, "Failed to authenticate SSH session"))
        return *code = "no_credentials", ML_REFUSED;
    if (says(why, "Unable to exchange encryption keys"))
        return *code = "unknown_host", ML_REFUSED;
    if (says(why, "cannot redirect from"))
        return *code = "redirect", ML_REFUSED;
    if (says(why, "status code: 404") || says(why, "could not find repository") ||
        says(why, "failed to resolve path") || says(why, "epository not ") /* exported, found */ ||
        says(why, "does not appear to be a git repository") || says(why, "could not be found"))
        return *code = "no_repository", ML_NO_INPUT;
    if (klass == GIT_ERROR_NET || klass == GIT_ERROR_SSL || klass == GIT_ERROR_SSH ||
        klass == GIT_ERROR_HTTP || says(why, "failed to connect"))
        return *code = "network", ML_IO;
    return *code = "bad_repository", ML_DATA;
}

/* Of a repository on this machine its configuration says so; a server lists ids that are longer
 * than libgit2 takes, which could be other nonsense as well. */
static bool is_sha256(const git_error *why)
{
    return says(why, "extensions.objectformat") || says(why, "error parsing REF pkt-line");
}

static int sha256_failed(struct ml_error *err, const char *words)
{
    ml_error_set(err, ML_DATA, "sha256_repository",
                 "it seems to be in git's SHA-256 format, which libgit2 does not read (%s)", words);
    return ml_error_hint(err,
                         "clone it with git, write a commit of it to an archive (git archive -o "
                         "NAME.tar.gz HEAD), and give that; or ask for a repository with "
                         "SHA-1");
}

/* What a server says ends in a line's end. */
static int words_length(const char *text)
{
    size_t n = strlen(text);
    while (n > 0 && strchr(" \r\n", text[n - 1]) != NULL)
        n--;
    return (int)n;
}

int git_failed(struct ml_error *err, int status, const char *fmt, ...)
{
    const git_error *why = git_error_last();
    const char *code;
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    int kind = failure_kind(status, why, &code);
    if (is_sha256(why))
        return sha256_failed(err, why->message);
    const char *words = why && why->message ? why->message : "libgit2 gives no reason";
    return ml_error_set(err, kind, code, "%s: %.*s", what, words_length(words), words);
}
