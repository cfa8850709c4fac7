/* Who we are to a server, and whether it is the one that was meant. A password goes to the host of
 * the source and to no other: redirects to another host are not followed at all (fetch.c). Nothing
 * here is written anywhere but into the connection. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "fetch/netrc.h"
#include "fetcher/fetcher.h"

enum { SECRETS_MAX = 1 << 20, HTTPS_PORT = 443, SOCKETS_MAX = 256 };

/* ---- files that hold secrets ---- */

static int not_plain(const char *path, struct ml_error *err)
{
    ml_error_set(err, ML_REFUSED, "no_credentials", "'%s' is no plain file", path);
    return ml_error_hint(err, "passwords are read from a plain file that is yours alone");
}

/* Reads one that is a plain file and its owner's alone. 0 when it is there, 1 when it is not; -1.
 */
static int secret_read(const char *path, struct buf *out, struct ml_error *err)
{
    struct stat st;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT ? 1 : ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return not_plain(path, err);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        ml_error_set(err, ML_REFUSED, "no_credentials",
                     "'%s' has passwords in it, and is not yours alone", path);
        return ml_error_hint(err, "chmod 600 '%s'", path);
    }
    if (fs_read_all(fd, out, SECRETS_MAX) < 0)
        return ml_error_errno(err, 0, errno, "cannot read '%s'", path);
    return 0;
}

/* Looks in one file. 1 when it has the host, 0 when not, -1. */
static int secret_find(const char *path, bool (*find)(const char *, const char *, struct netrc *),
                       const char *host, struct netrc *ret, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    int status = secret_read(path, &text, err);
    if (status != 0)
        return status < 0 ? -1 : 0;
    bool found = find(buf_text(&text), host, ret);
    explicit_bzero(text.data, text.len);
    return found;
}

/* 1, 0 or -1 as above. */
static int password_find(const char *host, struct netrc *ret, struct ml_error *err)
{
    char path[PATH_MAX];
    const char *tokens = getenv("MODLOAD_TOKEN_FILE"), *home = getenv("HOME");
    int found = 0;
    if (tokens != NULL && *tokens != '\0')
        found = secret_find(tokens, token_find, host, ret, err);
    if (found == 0 && home != NULL && snprintf(path, sizeof path, "%s/.netrc", home) < PATH_MAX)
        found = secret_find(path, netrc_find, host, ret, err);
    return found;
}

static int refused(struct ml_error *err, const char *host, const char *why)
{
    ml_error_set(err, ML_REFUSED, "no_credentials", "'%s' %s", host, why);
    return ml_error_hint(err,
                         "put 'machine %s login NAME password TOKEN' into ~/.netrc, or '%s "
                         "TOKEN' into the file that MODLOAD_TOKEN_FILE names, or name a program in "
                         "MODLOAD_CREDENTIAL_HELPER; is the URL right?",
                         host, host);
}

static int not_taken(struct fetcher_auth *auth)
{
    const char *host = auth->source->host;
    if (!auth->order->has_password)
        return refused(&auth->problem, host, "does not take the password that there is for it");
    ml_error_set(&auth->problem, ML_REFUSED, "no_credentials",
                 "'%s' does not take the password that the credential helper has for it", host);
    return ml_error_hint(&auth->problem, "give the helper the right one: git credential reject, "
                                         "then git credential approve");
}

/* Files go first: they are asked without anybody being bothered. 1, 0 or -1 as above. */
static int password_take(const struct fetcher_auth *auth, struct netrc *ret, struct ml_error *err)
{
    if (!auth->order->has_password)
        return password_find(auth->source->host, ret, err);
    *ret = auth->order->password;
    return 1;
}

static int no_token_file(struct ml_error *err, const char *host, const char *path)
{
    ml_error_set(err, ML_CONFIG, "bad_variable",
                 "'%s' asks for a name and a password, and MODLOAD_TOKEN_FILE names '%s', which is "
                 "not there",
                 host, path);
    return ml_error_hint(err, "write '%s TOKEN' into it, and make it yours alone: chmod 600", host);
}

static int none(struct fetcher_auth *auth)
{
    const char *host = auth->source->host, *tokens = getenv("MODLOAD_TOKEN_FILE");
    if (auth->order->helper)
        return ml_error_set(&auth->problem, ML_REFUSED, FETCH_NEEDS_PASSWORD,
                            "'%s' asks for a name and a password", host);
    if (tokens != NULL && *tokens != '\0' && access(tokens, F_OK) < 0 && errno == ENOENT)
        return no_token_file(&auth->problem, host, tokens);
    return refused(&auth->problem, host,
                   "asks for a name and a password, and there are none for it");
}

/* ---- https ---- */

/* A password that was not taken is not offered again: the server would lock us out. */
static int https_credential(git_credential **ret, struct fetcher_auth *auth)
{
    struct netrc found;
    if (auth->tried++ > 0)
        return not_taken(auth);
    int status = password_take(auth, &found, &auth->problem);
    if (status == 0)
        none(auth);
    if (status == 1)
        status =
            git_credential_userpass_plaintext_new(ret, found.login, found.password) < 0 ? -1 : 1;
    explicit_bzero(&found, sizeof found);
    return status == 1 ? 0 : -1;
}

/* ---- ssh ---- */

static const char *ssh_user(const char *given)
{
    const struct passwd *self = given ? NULL : getpwuid(geteuid());
    return given ? given : self ? self->pw_name : "git";
}

static bool is_there(const char *path)
{
    return access(path, R_OK) == 0;
}

/* By what is written at its beginning: OpenSSH's own form has the cipher in its first bytes, which
 * in base64 are these when it is "none"; PEM says ENCRYPTED. libssh2 gives all keys up for one that
 * it cannot read. */
static bool has_no_passphrase(const char *path)
{
    BUF_AUTO text = BUF_INIT;
    bool read = fs_read_file(AT_FDCWD, path, &text, SECRETS_MAX) == 0;
    const char *key = buf_text(&text);
    bool fine = read && strstr(key, "PRIVATE KEY") != NULL;
    if (strstr(key, "BEGIN OPENSSH PRIVATE KEY") != NULL)
        fine = fine && strstr(key, "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU") != NULL;
    else
        fine = fine && strstr(key, "ENCRYPTED") == NULL;
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    return fine;
}

/* A key without a passphrase: nobody is there to ask. */
static int ssh_key(git_credential **ret, const char *user, const char *name)
{
    char key[PATH_MAX], public[PATH_MAX];
    const char *home = getenv("HOME");
    if (home == NULL || snprintf(key, sizeof key, "%s/.ssh/%s", home, name) >= PATH_MAX ||
        snprintf(public, sizeof public, "%s/.ssh/%s.pub", home, name) >= PATH_MAX ||
        !has_no_passphrase(key))
        return -1;
    return git_credential_ssh_key_new(ret, user, is_there(public) ? public : NULL, key, "");
}

static int ssh_agent(git_credential **ret, const char *user)
{
    const char *agent = getenv("SSH_AUTH_SOCK");
    return agent != NULL && *agent != '\0' ? git_credential_ssh_key_from_agent(ret, user) : -1;
}

/* libgit2 asks again after each that was not taken: first the agent, then the usual files. */
static int ssh_credential(git_credential **ret, const char *given, struct fetcher_auth *auth)
{
    static const char *const keys[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
    const char *user = ssh_user(given);
    while (auth->tried <= (int)(sizeof keys / sizeof *keys)) {
        int turn = auth->tried++;
        if ((turn == 0 ? ssh_agent(ret, user) : ssh_key(ret, user, keys[turn - 1])) == 0)
            return 0;
    }
    ml_error_set(&auth->problem, ML_REFUSED, "no_credentials", "'%s' takes no key that there is",
                 auth->source->host);
    return ml_error_hint(&auth->problem, "add a key to the agent (ssh-add); keys with a passphrase "
                                         "are taken from there alone, and most servers take no RSA "
                                         "key from libssh2 before 1.11; is the URL right?");
}

/* ---- what libgit2 calls ---- */

int auth_credential(git_credential **ret, const char *url, const char *user, unsigned allowed,
                    void *arg)
{
    struct fetcher_auth *auth = arg;
    if (auth->source->kind == SOURCE_SSH && (allowed & GIT_CREDENTIAL_USERNAME))
        return git_credential_username_new(ret, ssh_user(user));
    if (auth->source->kind == SOURCE_SSH && (allowed & GIT_CREDENTIAL_SSH_KEY))
        return ssh_credential(ret, user, auth) < 0 ? GIT_EAUTH : 0;
    if (auth->source->kind == SOURCE_HTTPS && (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT))
        return https_credential(ret, auth) < 0 ? GIT_EAUTH : 0;
    ml_error_set(&auth->problem, ML_REFUSED, "no_credentials",
                 "'%s' asks for a way of signing in that is not known here", auth->source->host);
    ml_error_hint(&auth->problem, "known are a name and a password or token by https, and keys by "
                                  "ssh");
    return GIT_EAUTH;
}

/* The port of an ssh:// URL that has one, else "". */
static void port_find(const char *url, char port[8])
{
    const char *at = strstr(url, "://");
    size_t n = at ? strcspn(at + 3, "/") : 0;
    const char *colon = n > 0 ? memrchr(at + 3, ':', n) : NULL;
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    bool is_port = digits > 0 && digits < 6 && colon + 1 + digits == at + 3 + n;
    snprintf(port, 8, "%.*s", is_port ? (int)digits : 0, is_port ? colon + 1 : "");
}

static void unknown_host(struct fetcher_auth *auth, const char *host)
{
    char port[8];
    port_find(auth->source->url, port);
    bool has = *port != '\0';
    ml_error_set(&auth->problem, ML_REFUSED, "unknown_host",
                 "the key of '%s' is not the one in ~/.ssh/known_hosts, or there is none", host);
    ml_error_hint(
        &auth->problem,
        "look at its key, and take it: ssh%s%s %s; where there was another one before, ask "
        "who runs it, and then: ssh-keygen -R '%s%s%s%s'",
        has ? " -p " : "", port, host, has ? "[" : "", host, has ? "]:" : "", port);
}

/* ---- where a redirect has led ---- */

static int port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

static int sent_on(struct fetcher_auth *auth, const char *host, int port)
{
    char text[16] = "";
    if (port > 0)
        snprintf(text, sizeof text, ":%d", port);
    ml_error_set(&auth->problem, ML_REFUSED, "redirect", "the server sends us on to '%.200s%s'",
                 host, text);
    return ml_error_hint(&auth->problem, "if that is right, give its URL");
}

/* Another port is another server, which may be somebody else's: libgit2 goes there, and would give
 * it the password. Behind a proxy, every port is the proxy's. */
static int port_check(struct fetcher_auth *auth, const char *host)
{
    char text[8];
    port_find(auth->source->url, text);
    int wanted = *text ? atoi(text) : HTTPS_PORT, by_proxy = proxy_port();
    bool found = false;
    for (int fd = STDERR_FILENO + 1; fd < SOCKETS_MAX; fd++) {
        struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
        socklen_t size = sizeof address;
        int port = getpeername(fd, (struct sockaddr *)(void *)&address, &size) == 0
                       ? port_of(&address)
                       : 0;
        if (port > 0 && port != wanted && port != by_proxy)
            return sent_on(auth, host, port);
        found = found || port > 0;
    }
    return found ? 0 : sent_on(auth, host, 0);
}

/* libgit2 has looked at it: by the system's certificates, or by ~/.ssh/known_hosts. That it is the
 * source's host is looked at here once more. */
int auth_certificate(git_cert *cert, int valid, const char *host, void *arg)
{
    struct fetcher_auth *auth = arg;
    bool ssh = cert->cert_type == GIT_CERT_HOSTKEY_LIBSSH2;
    if (strcasecmp(host, auth->source->host) != 0) {
        sent_on(auth, host, 0);
        return GIT_ECERTIFICATE;
    }
    if (!ssh && port_check(auth, host) < 0)
        return GIT_ECERTIFICATE;
    if (valid)
        return 0;
    if (ssh) {
        unknown_host(auth, host);
    } else {
        ml_error_set(&auth->problem, ML_REFUSED, "bad_certificate",
                     "the certificate of '%s' is not valid, or none that is trusted here", host);
        ml_error_hint(&auth->problem, "a certificate authority of your own: SSL_CERT_FILE");
    }
    return GIT_ECERTIFICATE;
}
