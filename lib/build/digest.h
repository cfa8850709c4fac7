/* SHA-256 (FIPS 180-4) by libcrypto, over bytes and over lists of fields. */
#ifndef BUILD_DIGEST_H
#define BUILD_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32, DIGEST_HEX_SIZE = 65 };

struct digest {
    void *ctx; /* null: libcrypto would not; every later call does nothing */
    bool failed;
};

#define DIGEST_AUTO __attribute__((cleanup(digest_done))) struct digest

void digest_begin(struct digest *d);
void digest_done(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t n);

/* Adds the size as 8 bytes, low byte first, and then the data: a list of fields has one encoding
 * only. */
void digest_field(struct digest *d, const void *data, size_t n);
void digest_text(struct digest *d, const char *text);

/* 0, or -1 when anything has failed. */
int digest_end(struct digest *d, uint8_t out[DIGEST_SIZE]);

void digest_to_hex(const uint8_t digest[DIGEST_SIZE], char hex[DIGEST_HEX_SIZE]);

/* Of a buffer and of a file from its beginning. 0, or -1 with errno. */
int digest_data(const void *data, size_t n, char hex[DIGEST_HEX_SIZE]);
int digest_fd(int fd, char hex[DIGEST_HEX_SIZE]);

/* "b-" and the first 160 bits in base32 (RFC 4648 section 6), lower case. `id` has 35 bytes. */
void digest_to_bundle_id(const uint8_t digest[DIGEST_SIZE], char *id);

#endif
