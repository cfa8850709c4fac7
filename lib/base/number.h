/* Numbers as people write them. Not locale-dependent, whatever a plugin does to the locale. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <locale.h>
#include <stdbool.h>
#include <stdint.h>

enum number_fault {
    NUMBER_OK = 0,
    NUMBER_MALFORMED, /* not a number */
    NUMBER_RANGE,     /* does not fit */
};

/* Decimal, or hexadecimal behind 0x; one sign; nothing before or behind. A leading 0 is decimal. */
enum number_fault number_parse_int(const char *text, unsigned bits, int64_t *value);
enum number_fault number_parse_uint(const char *text, unsigned bits, uint64_t *value);

/* As strtod in the C locale, without white space: also hexadecimal, "nan", "inf". NUMBER_RANGE for
 * what is finite as text and infinite as a number. */
enum number_fault number_parse_double(const char *text, double *value);
enum number_fault number_parse_float(const char *text, float *value);

/* The C locale, which is what all functions here read and write in. Never freed. */
locale_t number_locale(void);

enum { NUMBER_TEXT_SIZE = 32 };

/* The shortest text that reads back as the same number (at most 17 digits, 9 for a float: IEEE
 * 754-2019, section 5.12.2). "nan", "inf", "-inf" for what is none. */
void number_format_double(double value, char text[NUMBER_TEXT_SIZE]);
void number_format_float(float value, char text[NUMBER_TEXT_SIZE]);

#endif
