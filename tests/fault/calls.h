/* The system calls that the harnesses know: what each works on, what it does, and how it may fail.
 */
#ifndef FAULT_CALLS_H
#define FAULT_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a call works on. */
enum call_on {
    ON_NOTHING,
    ON_FD,      /* the descriptor in argument 0 */
    ON_AT,      /* a directory and a path in 0 and 1 */
    ON_SECOND,  /* a directory and a path in 1 and 2: symlinkat */
    ON_PATH,    /* a path in 0 */
    ON_PATH_TO, /* a path in 1: symlink */
};

enum call_does {
    CALL_CHANGES = 1 << 0, /* what is on the disk, or will be */
    CALL_OPENS = 1 << 1,   /* changes it when its flags say so */
    CALL_ROOM = 1 << 2,    /* fails on a full disk */
    CALL_COUNTS = 1 << 3,  /* moves as many bytes as argument 2 says, or fewer */
    CALL_MEMORY = 1 << 4,  /* asks for memory */
    CALL_CLOSES = 1 << 5,
    CALL_LOCKS = 1 << 6,
    CALL_RETRIES = 1 << 7, /* may be interrupted while it does what it is asked for */
    CALL_EXECS = 1 << 8,
    CALL_BRK = 1 << 9, /* gives no error, but the end of the memory as it is */
};

enum { CALL_ERRNOS = 6 };

struct call_info {
    long number;
    const char *name;
    enum call_on on;
    unsigned does;           /* of enum call_does */
    int errnos[CALL_ERRNOS]; /* ended by 0 */
};

/* One call of a process that is traced, at its begin or its end. */
struct call {
    const struct call_info *info; /* null: none that matters here */
    pid_t pid;
    long number;
    uint64_t arg[6];
    int64_t result; /* at its end: negative is an errno */
};

const struct call_info *call_find(long number);

/* The place of a row in the table, and how many there can be. */
enum { N_CALLS = 80 };
int call_index(const struct call_info *info);

/* The name for a number in reports. */
const char *call_name(const struct call *call);

/* The flags of an open; 0 for any other call. */
int call_open_flags(const struct call *call);

/* Whether the call changes what is on the disk, if it succeeds. */
bool call_changes(const struct call *call);

/* Whether the call needs room on the disk. */
bool call_needs_room(const struct call *call);

/* What the call works on, as an absolute path with neither "." nor ".."; false when that is no
 * file. `which` is 1 for what a rename or link goes to. */
bool call_path(const struct call *call, int which, char *path, size_t size);

/* A text in the memory of the process. False when it cannot be read or is too long. */
bool call_text(const struct call *call, int arg, char *text, size_t size);

/* The path of an open descriptor of the process. */
bool call_fd_path(const struct call *call, int fd, char *path, size_t size);

/* "EIO" for EIO, and back (0: no such name). */
const char *errno_name(int errnum);
int errno_value(const char *name);

#endif
