/* Versions, their order, and ranges of them: SemVer 2.0.0 (https://semver.org), and the operators
 * that npm and cargo share. Nothing here allocates; what is parsed points into its text. */
#ifndef BASE_SEMVER_H
#define BASE_SEMVER_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes. SemVer has no limit; one keeps names of files and messages short. */
enum { SEMVER_MAX = 64, SEMVER_RANGE_MAX = 255, SEMVER_TERMS_MAX = 8 };

struct semver_text {
    const char *at;
    size_t n;
};

/* Numbers stay texts: nothing says that they fit into 64 bits. */
struct semver {
    struct semver_text number[3]; /* major, minor, patch */
    struct semver_text pre;       /* behind the dash; n is 0 when there is none */
};

/* Reads a whole version, of at most SEMVER_MAX bytes. False, and `*ret` undefined, when it is none.
 * Build metadata is checked and left out: it has no part in the order (item 10). */
bool semver_parse(const char *text, struct semver *ret);

/* < 0, 0, > 0: which comes first (item 11). */
int semver_compare(const struct semver *a, const struct semver *b);

/* One condition: an operator, and a version of which the last numbers may be missing. */
struct semver_term {
    char op; /* '^' '~' '=' '<' '>', 'l' for <=, 'g' for >= */
    int given;
    struct semver version;
};

struct semver_range {
    struct semver_term terms[SEMVER_TERMS_MAX];
    size_t n; /* all of them must hold; 0: any version ("*") */
};

/* Reads a range: conditions with blanks or commas between them.
 *     ^1.2.3   from 1.2.3 on, up to the next change of the first number that is not 0
 *     ~1.2.3   from 1.2.3 on, below 1.3.0; ~1: below 2.0.0
 *     >=1.2 <2, >1, <=3.1, =1.2.3, 1.2.3    numbers that are missing stand for any: >1 begins
 * with 2.0.0
 *     *        any
 * False, and `*ret` undefined, when it is none. */
bool semver_range_parse(const char *text, struct semver_range *ret);

/* Whether a version is in it. A pre-release is, only where a condition names one of the same three
 * numbers: who asks for ^1.2 did not ask for 1.3.0-rc.1. */
bool semver_range_has(const struct semver_range *range, const struct semver *version);

#endif
