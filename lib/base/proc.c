#include "base/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"

/* A program's name may hold anything, so what follows it is behind the last parenthesis. */
bool proc_stat_read(pid_t pid, struct proc_stat *ret)
{
    char path[32], state;
    int parent;
    BUF_AUTO text = BUF_INIT;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || fs_read_file(AT_FDCWD, path, &text, 4096) < 0)
        return false;
    const char *behind = strrchr(buf_text(&text), ')');
    if (behind == NULL || sscanf(behind, ") %c %d", &state, &parent) != 2)
        return false;
    *ret = (struct proc_stat){state, parent};
    return true;
}

bool proc_is_stopped(pid_t pid)
{
    struct proc_stat stat;
    return proc_stat_read(pid, &stat) && (stat.state == 'T' || stat.state == 't');
}
