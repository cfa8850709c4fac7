/* What people call a signal. */
#ifndef BASE_SIGNAL_WORD_H
#define BASE_SIGNAL_WORD_H

enum { SIGNAL_WORD = 24 };

/* "SIGSEGV"; "signal 34" of one without a name, as real-time signals are (signal(7)). Any thread.
 */
const char *signal_word(int signo, char buf[SIGNAL_WORD]);

#endif
