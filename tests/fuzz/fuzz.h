/* What the fuzz targets share. A target is one file here and the directory of its name in seeds/:
 * LLVMFuzzerTestOneInput() takes any bytes, hands them to one reader of the product, and checks
 * what that reader promises. It is linked twice: with libFuzzer (make fuzz), and with replay.c, so
 * that plain tests run all seeds and some changes of each. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modload/error.h"

/* Of the target. Returns 0; ends the process where a promise is broken. May keep nothing: no
 * memory, no descriptor. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise. It is checked in every build, and is no assert(3). */
#define CHECK(condition) ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_failed(const char *file, int line, const char *condition);

/* What every refusal owes: a status that is one, its word, and a message. Failure is an answer:
 *     if (parse(text, &value, &err) < 0) { fuzz_refused(&err); return 0; } */
void fuzz_refused(const struct ml_error *err);

/* The input as a text: a copy with a NUL behind it, and nothing behind that, so that a sanitizer
 * sees who reads on. It ends early where the input has a NUL of its own; fuzz_bytes() does not. The
 * caller frees. */
char *fuzz_text(const uint8_t *data, size_t size);
char *fuzz_bytes(const uint8_t *data, size_t size);

/* Whether a text has a control character other than JSON's blanks: between two values, cJSON takes
 * any of them for a blank. */
bool fuzz_odd_blank(const char *text);

/* Takes one line off the input: a copy without its end, and `*data` and `*size` moved past it. The
 * caller frees. Null when there is nothing left. */
char *fuzz_line(const uint8_t **data, size_t *size);

/* A file in memory with these bytes, at its beginning. The caller closes. */
int fuzz_file(const uint8_t *data, size_t size);

/* Two ends of a connection: what is read from `*here` are these bytes and then the end. At most
 * FUZZ_STREAM_MAX bytes of them: what a socket takes without somebody reading. */
enum { FUZZ_STREAM_MAX = 65536 };
void fuzz_stream(const uint8_t *data, size_t size, int *here, int *there);

/* A directory of this process alone, removed at its end: its path, and a handle of it. */
const char *fuzz_place(void);
int fuzz_place_fd(void);

/* How many changes of each kind the replay makes of a seed. A target whose runs cost milliseconds
 * sets a smaller one of its own. */
enum { FUZZ_RUNS = 2000 };
extern const unsigned fuzz_runs;

#endif
