#include "base/statm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"

/* Numbers of pages, with blanks between them. */
uint64_t statm_bytes(enum statm which)
{
    BUF_AUTO text = BUF_INIT;
    uint64_t pages = 0;
    if (fs_read_file(AT_FDCWD, "/proc/self/statm", &text, 4096) < 0)
        return 0;
    char *at = text.data;
    for (int i = 0; i <= (int)which; i++) {
        char *from = at;
        pages = strtoull(from, &at, 10);
        if (at == from)
            return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
