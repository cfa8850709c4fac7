/* Goal of this test: over ssh a repository comes from a server whose key is known, to who has one
 * of its keys, and from and to nobody else. It needs an sshd, and is passed over where there is
 * none. */
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>

#include "repo.h"
#include "served.h"

/* Root's sshd wants a directory to be there, which otherwise its service makes. */
static bool has_sshd(void)
{
    if (geteuid() == 0)
        mkdir("/run/sshd", 0755);
    return access("/usr/sbin/sshd", X_OK) == 0 &&
           (geteuid() != 0 || access("/run/sshd", F_OK) == 0);
}

static void key_make(const struct place *place, const char *path)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execlp("ssh-keygen", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
               place_path(place, path), (char *)NULL);
        _exit(127);
    }
    assert_int_equal(child_finish(pid), 0);
}

static void write_text(const struct place *place, const char *path, const char *text)
{
    int fd = openat(place->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static struct served sshd_start(const struct place *place)
{
    char config[2048], path[512];
    key_make(place, "host");
    mkdirat(place->fd, "home/.ssh", 0700);
    key_make(place, "home/.ssh/id_ed25519");
    snprintf(config, sizeof config,
             "HostKey %s/host\nAuthorizedKeysFile %s/home/.ssh/id_ed25519.pub\nStrictModes no\n"
             "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n"
             "PermitRootLogin yes\nLogLevel QUIET\nPidFile none\n",
             place->path, place->path);
    write_text(place, "config", config);
    snprintf(path, sizeof path, "%s", place_path(place, "config"));
    const char *const argv[] = {"/usr/sbin/sshd", "-i", "-f", path, NULL};
    return served_start(argv, (struct served_how)SERVED_WHOLE);
}

static void known_hosts(const struct place *place, int port, const char *key)
{
    char line[1024];
    snprintf(line, sizeof line, "[127.0.0.1]:%d %s", port, repo_read(place, key));
    write_text(place, "home/.ssh/known_hosts", line);
}

static void over_ssh(void **state)
{
    const struct place *place = *state;
    const struct passwd *self = getpwuid(geteuid());
    char source[1024];
    struct fetched got;
    if (!has_sshd() || self == NULL)
        skip();
    repo_make(place, "r");
    repo_commit(place, "r", "a", "one");
    SERVED_AUTO served = sshd_start(place);
    snprintf(source, sizeof source, "ssh://%s@127.0.0.1:%d%s", self->pw_name, served.port,
             place_path(place, "r"));
    repo_fetch(place, source, &got);
    assert_int_equal(got.status, ML_REFUSED);
    assert_string_equal(got.err.code, "unknown_host");
    known_hosts(place, served.port, "home/.ssh/id_ed25519.pub");
    repo_fetch(place, source, &got);
    assert_string_equal(got.err.code, "unknown_host");
    known_hosts(place, served.port, "host.pub");
    repo_fetch(place, source, &got);
    assert_string_equal(got.err.message, "");
    assert_string_equal(repo_read(place, "out/a"), "one");
    assert_int_equal(renameat(place->fd, "home/.ssh/id_ed25519", place->fd, "key"), 0);
    repo_fetch(place, source, &got);
    assert_int_equal(got.status, ML_REFUSED);
    assert_string_equal(got.err.code, "no_credentials");
}

int main(void)
{
    const struct CMUnitTest tests[] = {repo_test(over_ssh)};
    UNIT_RUN("fetch/ssh", tests);
}
