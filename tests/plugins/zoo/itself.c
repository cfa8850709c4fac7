/* Calls modload, on the key that it is called by. What modload prints there comes out as its own
 * output; its exit status is the result. */
#include <stdlib.h>
#include <sys/wait.h>

#include "zoo.h"

/* Home and run-time directory of whom it shall call; a call has none. */
static int modload(const char *home, const char *run, const char *const argv[])
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        setenv("MODLOAD_HOME", home, 1);
        setenv("MODLOAD_RUNTIME_DIR", run, 1);
        execv(argv[0], (char *const *)argv);
        _exit(126);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int calls(const char *program, const char *home, const char *run, const char *key)
{
    const char *const argv[] = {program, "exec", key, "add", "2", "3", NULL};
    return modload(home, run, argv);
}

/* a call in a call in a call */
int nests(const char *program, const char *home, const char *run, const char *key, int depth)
{
    char less[16];
    snprintf(less, sizeof less, "%d", depth - 1);
    const char *const argv[] = {program, "exec", key, "nests", program, home, run, key, less, NULL};
    return depth == 0 ? add(2, 3) : modload(home, run, argv);
}

/* load, loaded, release, pid... */
int does(const char *program, const char *home, const char *run, const char *command,
         const char *key)
{
    const char *const argv[] = {program, command, key, NULL};
    return modload(home, run, argv);
}
