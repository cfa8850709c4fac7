/* Two or four odd bytes at the beginning are enough for those that begin with any: C source, ELF
 * and JSON do not. Tar has its magic in the middle of its first block, where a text may well say
 * "ustar": there the block's checksum has to agree. */
#include "archive/kind.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/unpack.h"

enum { BLOCK = 512, SUM_AT = 148, SUM_SIZE = 8, MAGIC_AT = 257 };

/* The sum of the block's bytes, its own field counted as blanks, is in that field in octal digits
 * (POSIX.1-2017, pax, "ustar Interchange Format"). */
static bool is_tar(const uint8_t *block)
{
    unsigned sum = 0, said = 0;
    if (memcmp(block + MAGIC_AT, "ustar", 5) != 0)
        return false;
    for (int i = 0; i < BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_SIZE ? ' ' : block[i];
    const uint8_t *p = block + SUM_AT, *end = p + SUM_SIZE;
    while (p < end && *p == ' ')
        p++;
    for (; p < end && *p >= '0' && *p <= '7'; p++)
        said = said * 8 + (*p - '0');
    return said == sum;
}

enum kind kind_of(int fd)
{
    static const struct {
        const char *magic;
        size_t n;
        enum kind kind;
    } kinds[] = {
        {"\x1f\x8b", 2, KIND_GZIP},         /* RFC 1952 */
        {"\xfd\x37zXZ\0", 6, KIND_XZ},      /* The .xz File Format 1.2.1 */
        {"\x28\xb5\x2f\xfd", 4, KIND_ZSTD}, /* RFC 8878 */
        {"PK\3\4", 4, KIND_ZIP},            /* APPNOTE.TXT 6.3.10 */
        {"PK\5\6", 4, KIND_ZIP},            /* one without entries */
    };
    uint8_t block[BLOCK];
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return KIND_NONE;
    ssize_t n = pread(fd, block, sizeof block, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= (ssize_t)kinds[i].n && memcmp(block, kinds[i].magic, kinds[i].n) == 0)
            return kinds[i].kind;
    return n == BLOCK && is_tar(block) ? KIND_TAR : KIND_NONE;
}

bool archive_is(int fd)
{
    return kind_of(fd) != KIND_NONE;
}
