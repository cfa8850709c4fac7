/* OpenSSL can refuse (a FIPS provider, no memory), so every step may fail; the failure is
 * remembered, and told by the last one. */
#include "build/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void digest_begin(struct digest *d)
{
    *d = (struct digest){.ctx = EVP_MD_CTX_new()};
    d->failed = d->ctx == NULL || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1;
}

void digest_done(struct digest *d)
{
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
}

void digest_add(struct digest *d, const void *data, size_t n)
{
    if (!d->failed && EVP_DigestUpdate(d->ctx, data, n) != 1)
        d->failed = true;
}

void digest_field(struct digest *d, const void *data, size_t n)
{
    uint8_t size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (uint8_t)((uint64_t)n >> 8 * i);
    digest_add(d, size, sizeof size);
    digest_add(d, data, n);
}

void digest_text(struct digest *d, const char *text)
{
    digest_field(d, text, strlen(text));
}

int digest_end(struct digest *d, uint8_t out[DIGEST_SIZE])
{
    if (d->failed || EVP_DigestFinal_ex(d->ctx, out, NULL) != 1) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

void digest_to_hex(const uint8_t digest[DIGEST_SIZE], char hex[DIGEST_HEX_SIZE])
{
    for (int i = 0; i < DIGEST_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

int digest_data(const void *data, size_t n, char hex[DIGEST_HEX_SIZE])
{
    DIGEST_AUTO d;
    uint8_t out[DIGEST_SIZE];
    digest_begin(&d);
    digest_add(&d, data, n);
    if (digest_end(&d, out) < 0)
        return -1;
    digest_to_hex(out, hex);
    return 0;
}

/* Reads by position: the descriptor may be shared, and its offset is nobody's business. */
int digest_fd(int fd, char hex[DIGEST_HEX_SIZE])
{
    DIGEST_AUTO d;
    uint8_t block[65536];
    digest_begin(&d);
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, block, sizeof block, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        digest_add(&d, block, (size_t)n);
        at += n;
    }
    if (digest_end(&d, block) < 0)
        return -1;
    digest_to_hex(block, hex);
    return 0;
}

void digest_to_bundle_id(const uint8_t digest[DIGEST_SIZE], char *id)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    *id++ = 'b';
    *id++ = '-';
    for (int i = 0; i < 20; i += 5) {
        uint64_t group = 0; /* 40 bits are 8 letters */
        for (int k = 0; k < 5; k++)
            group = group << 8 | digest[i + k];
        for (int shift = 35; shift >= 0; shift -= 5)
            *id++ = alphabet[group >> shift & 31];
    }
    *id = '\0';
}
