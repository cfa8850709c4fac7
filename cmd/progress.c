/* One line that is written over. Of several fetches at once it shows the one that spoke last: they
 * speak ten times a second. */
#include "cmd/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/size.h"

enum { QUIET_MS = 500, EVERY_MS = 100, BAR = 24 };

void progress_begin(struct progress *p, size_t n)
{
    const char *term = getenv("TERM");
    bool dumb = term == NULL || strcmp(term, "dumb") == 0;
    *p = (struct progress){.lock = PTHREAD_MUTEX_INITIALIZER, .n = n};
    p->begun_ms = isatty(STDERR_FILENO) && !dumb ? clock_ms() : -1;
}

static void put_bar(struct buf *line, const struct ml_package_progress *now)
{
    uint32_t done = now->objects < now->total ? now->objects : now->total;
    int full = (int)((uint64_t)done * BAR / now->total);
    buf_str(line, " [");
    for (int i = 0; i < BAR; i++)
        buf_char(line, i < full ? '=' : i == full ? '>' : ' ');
    buf_fmt(line, "] %u/%u", done, now->total);
}

/* One write(2), so that it does not mix with what others write. That it cannot be written is no
 * matter. */
void progress_tell(const struct ml_package_progress *now, void *arg)
{
    struct progress *p = arg;
    char size[SIZE_TEXT];
    BUF_AUTO line = BUF_INIT;
    if (p->begun_ms < 0)
        return;
    pthread_mutex_lock(&p->lock);
    int64_t ms = clock_ms();
    if (ms - p->begun_ms >= QUIET_MS && ms - p->told_ms >= EVERY_MS) {
        p->told_ms = ms;
        p->shown = true;
        buf_fmt(&line, "\r\033[K%s", now->phase);
        if (now->total > 0)
            put_bar(&line, now);
        else if (now->objects > 0)
            buf_fmt(&line, " %u", now->objects);
        if (now->bytes > 0)
            buf_fmt(&line, "  %s", size_round(now->bytes, size));
        if (!line.failed)
            fs_write_all(STDERR_FILENO, line.data, line.len);
    }
    pthread_mutex_unlock(&p->lock);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fs_write_all(STDERR_FILENO, "\r\033[K", 4);
    p->shown = false;
    pthread_mutex_destroy(&p->lock);
}
