/* How much memory this process has, as the kernel counts it in /proc/self/statm. */
#ifndef BASE_STATM_H
#define BASE_STATM_H

#include <stdint.h>

/* By their places in the file (proc(5)). */
enum statm {
    STATM_ADDRESSES = 0, /* address space: what RLIMIT_AS counts */
    STATM_RESIDENT = 1,
    STATM_DATA = 5, /* what RLIMIT_DATA counts, and the stack */
};

/* Bytes; 0 when it cannot be told. Any thread. */
uint64_t statm_bytes(enum statm which);

#endif
