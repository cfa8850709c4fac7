/* Gives back what it gets, in every type that modload carries. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum colour { RED, GREEN = 5, BLUE };
enum level { LOW = -1, HIGH = 1 };
enum wide { NONE = 0, ALL = 0xffffffffffffffff };
typedef int32_t celsius;

bool flip(bool b)
{
    return !b;
}

char ch(char c)
{
    return c;
}

signed char sc(signed char n)
{
    return n;
}

unsigned char uc(unsigned char n)
{
    return n;
}

int8_t i8(int8_t n)
{
    return n;
}

uint8_t u8(uint8_t n)
{
    return n;
}

int16_t i16(int16_t n)
{
    return n;
}

uint16_t u16(uint16_t n)
{
    return n;
}

int32_t i32(int32_t n)
{
    return n;
}

uint32_t u32(uint32_t n)
{
    return n;
}

int64_t i64(int64_t n)
{
    return n;
}

uint64_t u64(uint64_t n)
{
    return n;
}

short sh(short n)
{
    return n;
}

long lo(long n)
{
    return n;
}

unsigned long long ull(unsigned long long n)
{
    return n;
}

size_t size(size_t n)
{
    return n;
}

celsius degrees(celsius n)
{
    return n;
}

float f32(float x)
{
    return x;
}

double f64(double x)
{
    return x;
}

/* 1 for a negative number or zero, which the text alone would not prove */
int sign_bit(double x)
{
    return __builtin_signbit(x) != 0;
}

enum colour paint(enum colour c)
{
    return c;
}

int colour_number(enum colour c)
{
    return (int)c;
}

enum level level(enum level l)
{
    return l;
}

enum wide wide(enum wide w)
{
    return w;
}

const char *text(const char *s)
{
    return s;
}

char *heap(const char *s)
{
    return strdup(s);
}

char *changed(char *s)
{
    s[0] = 'X';
    return s;
}

const char *no_text(void)
{
    return NULL;
}

size_t length(const char *s)
{
    return strlen(s);
}

const char *repeat(char c, size_t n)
{
    char *s = malloc(n + 1);
    memset(s, c, n);
    s[n] = '\0';
    return s;
}

/* all of the bytes, turned round */
const uint8_t *backwards(const uint8_t *p, size_t n, size_t *ret)
{
    uint8_t *out = malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = p[n - 1 - i];
    *ret = n;
    return out;
}

size_t count_bytes(const void *p, size_t n)
{
    return p ? n : 0;
}

/* every byte there is, NUL first */
const void *all_bytes(size_t *ret)
{
    static uint8_t all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    *ret = sizeof all;
    return all;
}

void nothing(void)
{
}

int none(void)
{
    return 42;
}

/* more than go in registers, of both classes */
double mixed(int8_t a, double b, uint64_t c, float d, const char *e, int16_t f, bool g, long h,
             double i, uint8_t j)
{
    return a + b + (double)c + d + (double)strlen(e) + f + g + (double)h + i + j;
}
