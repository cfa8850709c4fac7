#include "base/signal-word.h"

#include <stdio.h>
#include <string.h>

const char *signal_word(int signo, char buf[SIGNAL_WORD])
{
    const char *name = sigabbrev_np(signo);
    if (name != NULL)
        snprintf(buf, SIGNAL_WORD, "SIG%s", name);
    else
        snprintf(buf, SIGNAL_WORD, "signal %d", signo);
    return buf;
}
