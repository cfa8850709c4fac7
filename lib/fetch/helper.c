/* The helper is the user's own, but what it says may have been a stranger's: it is looked at, and
 * none of it is in a message. */
#include "fetch/helper.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"

#define VARIABLE "MODLOAD_CREDENTIAL_HELPER"

extern char **environ;

/* It may ask a person, in a window of its own. */
enum { HELPER_MS = 120000, OUTPUT_MAX = 1 << 16, WORDS_MAX = 32 };

struct helper {
    const char *given; /* the variable */
    char *words;       /* a copy of it, which `argv` points to */
    const char *argv[WORDS_MAX + 2];
    const char *host; /* in the URL, `host_n` bytes: with the port, if it has one */
    int host_n;
};

bool helper_there(void)
{
    const char *value = getenv(VARIABLE);
    return value != NULL && *value != '\0';
}

/* ---- what to do ---- */

static int try_it(const struct helper *h, struct ml_error *err)
{
    return ml_error_hint(err, "try it: printf 'protocol=https\\nhost=%.*s\\n\\n' | %s get",
                         h->host_n, h->host, h->given);
}

static int bad_variable(const struct helper *h, const char *why, struct ml_error *err)
{
    ml_error_set(err, ML_CONFIG, "bad_variable", VARIABLE " is '%.200s': %s", h->given, why);
    return ml_error_hint(err, "set it to a program and its words: an absolute path, or a name that "
                              "is found in PATH: git credential-store; or unset it");
}

__attribute__((format(printf, 3, 4))) static int broken(const struct helper *h,
                                                        struct ml_error *err, const char *fmt, ...)
{
    char what[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    ml_error_set(err, ML_REFUSED, "credential_helper", "the credential helper '%.200s' %s",
                 h->given, what);
    return try_it(h, err);
}

/* ---- starting it ---- */

/* A relative path would be another program wherever the user stands. */
static int words_split(struct helper *h, struct ml_error *err)
{
    size_t n = 0;
    char *save = NULL;
    for (char *word = strtok_r(h->words, " \t", &save); word != NULL;
         word = strtok_r(NULL, " \t", &save)) {
        if (n == WORDS_MAX)
            return bad_variable(h, "these are too many words", err);
        h->argv[n++] = word;
    }
    if (n == 0)
        return bad_variable(h, "there is no word in it", err);
    if (*h->argv[0] != '/' && strchr(h->argv[0], '/') != NULL)
        return bad_variable(h, "the program is a relative path", err);
    h->argv[n] = "get";
    return 0;
}

static void host_find(const struct source *source, struct helper *h)
{
    const char *slashes = strstr(source->url, "://");
    h->host = slashes ? slashes + 3 : source->host;
    h->host_n = (int)strcspn(h->host, "/");
}

/* A path is not told, as git does not tell it: what is kept is for a host. */
static int question_make(const struct helper *h, struct ml_error *err)
{
    BUF_AUTO text = BUF_INIT;
    buf_fmt(&text, "protocol=https\nhost=%.*s\n\n", h->host_n, h->host);
    AUTO_CLOSE int fd = memfd_create("modload-credential", MFD_CLOEXEC);
    if (text.failed)
        return ml_error_memory(err);
    if (fd < 0 || fs_write_all(fd, text.data, text.len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return ml_error_errno(err, ML_LIMIT, errno, "cannot tell the credential helper what to do");
    return steal_fd(&fd);
}

/* Our own, in which nobody is asked at a terminal. The items are not copies; null: memory is out.
 */
static const char **environment_make(void)
{
    static const char no_prompt[] = "GIT_TERMINAL_PROMPT=0";
    size_t n = 0, k = 0, name = strcspn(no_prompt, "=") + 1;
    while (environ[n] != NULL)
        n++;
    const char **env = calloc(n + 2, sizeof *env);
    if (env == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], no_prompt, name) != 0)
            env[k++] = environ[i];
    env[k] = no_prompt;
    return env;
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* What became of it, where it has not come to an end of its own. */
static int not_ended(const struct helper *h, int cancel_fd, const struct ml_error *why,
                     struct ml_error *err)
{
    if (why->status == ML_TIMEOUT && is_readable(cancel_fd))
        return ml_error_set(err, ML_SIGNAL + SIGINT, "cancelled", "it was cancelled");
    if (why->status == ML_TIMEOUT) {
        broken(h, err, "has not answered in time");
        if (err != NULL)
            err->status = ML_TIMEOUT;
        return -1;
    }
    if (why->status == ML_NO_INPUT)
        return bad_variable(h, "there is no such program", err);
    if (why->status == ML_REFUSED)
        return bad_variable(h, "the program may not be run", err);
    if (err != NULL)
        *err = *why;
    ml_error_wrap(err, "the credential helper '%.200s'", h->given);
    return try_it(h, err);
}

static int run(const struct helper *h, int64_t deadline_ms, int cancel_fd, struct buf *out,
               struct ml_error *err)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    struct child_end end;
    struct ml_error why = ML_ERROR_INIT;
    char text[128];
    int64_t ours = clock_ms() + HELPER_MS;
    AUTO_CLOSE int question = question_make(h, err);
    AUTO_FREE const char **env = environment_make();
    if (question < 0)
        return -1;
    if (env == NULL ||
        !buf_reserve(out, 2 * OUTPUT_MAX)) /* no copy is left behind by its growing */
        return ml_error_memory(err);
    spec.argv = h->argv;
    spec.env = env;
    spec.stdio[0] = question;
    spec.stdio[2] = STDERR_FILENO;
    spec.cancel_fd = cancel_fd;
    int64_t until = deadline_ms < 0 || ours < deadline_ms ? ours : deadline_ms;
    if (child_capture(&spec, until, out, OUTPUT_MAX, &end, &why) < 0)
        return not_ended(h, cancel_fd, &why, err);
    if (end.code != 0 || end.signal != 0)
        return broken(h, err, "%s", child_end_text(&end, text, sizeof text));
    return 0;
}

/* ---- what it says ---- */

/* Nothing in a name or a password is a control character: it could end a header. */
static bool value_take(const char *value, size_t n, char word[NETRC_WORD_MAX])
{
    if (n >= NETRC_WORD_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
            return false;
    memcpy(word, value, n);
    word[n] = '\0';
    return true;
}

/* Lines of "key=value", up to an empty one. Keys that are not known are for others. */
static int answer_read(const struct helper *h, const struct buf *out, struct netrc *ret,
                       struct ml_error *err)
{
    const char *line = buf_text(out), *all_end = line + out->len;
    bool named = false, passed = false;
    while (line < all_end && *line != '\n') {
        const char *end = memchr(line, '\n', (size_t)(all_end - line));
        const char *stop = end ? end : all_end;
        const char *value = memchr(line, '=', (size_t)(stop - line));
        if (value == NULL)
            return broken(h, err, "says something that is no \"key=value\"");
        size_t key = (size_t)(value++ - line), n = (size_t)(stop - value);
        bool is_name = key == 8 && memcmp(line, "username", 8) == 0;
        bool is_password = key == 8 && memcmp(line, "password", 8) == 0;
        if ((is_name || is_password) && !value_take(value, n, is_name ? ret->login : ret->password))
            return broken(h, err,
                          "gives a name or a password that is too long, or has control "
                          "characters in it");
        named = named || is_name;
        passed = passed || (is_password && n > 0);
        line = stop + (end != NULL);
    }
    if (named && passed)
        return 0;
    if (named || passed)
        return broken(h, err, "gives only one of name and password");
    ml_error_set(
        err, ML_REFUSED, "no_credentials",
        "'%.*s' asks for a name and a password, and the credential helper '%.200s' has none "
        "for it",
        h->host_n, h->host, h->given);
    return try_it(h, err);
}

int helper_ask(const struct source *source, int64_t deadline_ms, int cancel_fd, struct netrc *ret,
               struct ml_error *err)
{
    const char *value = getenv(VARIABLE);
    struct helper h = {.given = value ? value : ""};
    BUF_AUTO out = BUF_INIT;
    AUTO_FREE char *words = strdup(h.given);
    if (words == NULL)
        return ml_error_memory(err);
    h.words = words;
    host_find(source, &h);
    if (words_split(&h, err) < 0)
        return -1;
    int status = run(&h, deadline_ms, cancel_fd, &out, err);
    if (status == 0)
        status = answer_read(&h, &out, ret, err);
    if (out.data != NULL)
        explicit_bzero(out.data, out.cap);
    if (status < 0)
        explicit_bzero(ret, sizeof *ret);
    return status;
}
