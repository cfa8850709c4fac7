/* libarchive and libunistring, loaded when the first archive is met. Linked in, they would nearly
 * double the time that every command of the core takes to start (1.5 to 2.8 ms here): libarchive
 * brings libxml2 and ICU along. */
#ifndef ARCHIVE_LIB_H
#define ARCHIVE_LIB_H

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <unicase.h>
#include <uninorm.h>

#include "modload/error.h"

/* The functions that we use, each with the type that its header gives it. */
#define LIBARCHIVE_FUNCTIONS(X)                                                                    \
    X(archive_entry_filetype)                                                                      \
    X(archive_entry_free)                                                                          \
    X(archive_entry_hardlink)                                                                      \
    X(archive_entry_is_encrypted)                                                                  \
    X(archive_entry_new)                                                                           \
    X(archive_entry_pathname)                                                                      \
    X(archive_entry_perm)                                                                          \
    X(archive_entry_set_filetype)                                                                  \
    X(archive_entry_set_mtime)                                                                     \
    X(archive_entry_set_pathname)                                                                  \
    X(archive_entry_set_perm)                                                                      \
    X(archive_entry_set_size)                                                                      \
    X(archive_entry_size)                                                                          \
    X(archive_entry_size_is_set)                                                                   \
    X(archive_entry_sparse_count)                                                                  \
    X(archive_errno)                                                                               \
    X(archive_error_string)                                                                        \
    X(archive_filter_bytes)                                                                        \
    X(archive_filter_count)                                                                        \
    X(archive_read_data_block)                                                                     \
    X(archive_read_free)                                                                           \
    X(archive_read_header_position)                                                                \
    X(archive_read_new)                                                                            \
    X(archive_read_next_header)                                                                    \
    X(archive_read_open)                                                                           \
    X(archive_read_open_fd)                                                                        \
    X(archive_read_support_filter_gzip)                                                            \
    X(archive_read_support_filter_xz)                                                              \
    X(archive_read_support_filter_zstd)                                                            \
    X(archive_read_support_format_raw)                                                             \
    X(archive_read_support_format_tar)                                                             \
    X(archive_read_support_format_zip_seekable)                                                    \
    X(archive_set_error)                                                                           \
    X(archive_write_add_filter_zstd)                                                               \
    X(archive_write_close)                                                                         \
    X(archive_write_data)                                                                          \
    X(archive_write_free)                                                                          \
    X(archive_write_header)                                                                        \
    X(archive_write_new)                                                                           \
    X(archive_write_open)                                                                          \
    X(archive_write_set_bytes_in_last_block)                                                       \
    X(archive_write_set_filter_option)                                                             \
    X(archive_write_set_format_option)                                                             \
    X(archive_write_set_format_pax_restricted)

#define LIBUNISTRING_FUNCTIONS(X) X(u8_casefold)

#define LIB_MEMBER(f) __typeof__(f) *(f);
struct lib {
    LIBARCHIVE_FUNCTIONS(LIB_MEMBER)
    LIBUNISTRING_FUNCTIONS(LIB_MEMBER)
    uninorm_t nfc; /* UNINORM_NFC */
    locale_t utf8; /* C.UTF-8, for uselocale(3); (locale_t)0 where there is none */
};
#undef LIB_MEMBER

/* The functions. They stay loaded for good, and are there without a lock, in a child too, once this
 * has succeeded. Null and ML_NO_INPUT, "no_libarchive". Any thread. */
const struct lib *lib_load(struct ml_error *err);

#endif
