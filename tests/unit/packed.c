#include "packed.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fs.h"

enum { BLOCK = 512 };

/* ---- tar ---- */

static void pad(struct buf *out)
{
    static const char zeros[BLOCK];
    buf_add(out, zeros, (BLOCK - out->len % BLOCK) % BLOCK);
}

/* A number in octal digits, the field's last byte a NUL. */
static void octal(char *field, int size, unsigned long long value)
{
    for (int i = size - 2; i >= 0; i--, value >>= 3)
        field[i] = (char)('0' + (value & 7));
}

void tar_add(struct buf *out, const struct tar_file *file)
{
    char h[BLOCK] = {0};
    size_t have = file->content ? strlen(file->content) : 0;
    long long size = file->size == 0 ? (long long)have : file->size < 0 ? 0 : file->size;
    memcpy(h, file->name, strnlen(file->name, 100));
    octal(h + 100, 8, file->mode ? file->mode : 0644);
    octal(h + 108, 8, 1000);
    octal(h + 116, 8, 1000);
    octal(h + 124, 12, (unsigned long long)size);
    octal(h + 136, 12, 1700000000);
    memset(h + 148, ' ', 8);
    h[156] = file->type ? file->type : '0';
    if (file->link != NULL)
        memcpy(h + 157, file->link, strnlen(file->link, 100));
    memcpy(h + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += (unsigned char)h[i];
    octal(h + 148, 8, sum);
    h[155] = ' ';
    buf_add(out, h, BLOCK);
    if (have > 0)
        buf_add(out, file->content, have);
    pad(out);
}

void tar_end(struct buf *out)
{
    static const char zeros[2 * BLOCK];
    buf_add(out, zeros, sizeof zeros);
}

/* "LENGTH key=value\n", where the length counts its own digits. */
static void pax_record(struct buf *out, const char *record)
{
    size_t n = strlen(record) + 2, total = n;
    while (total != n + (size_t)snprintf(NULL, 0, "%zu", total))
        total = n + (size_t)snprintf(NULL, 0, "%zu", total);
    buf_fmt(out, "%zu %s\n", total, record);
}

void tar_pax(struct buf *out, const char *record, ...)
{
    BUF_AUTO records = BUF_INIT;
    va_list ap;
    va_start(ap, record);
    for (; record != NULL; record = va_arg(ap, const char *))
        pax_record(&records, record);
    va_end(ap);
    tar_add(out,
            &(struct tar_file){.name = "PaxHeader/x", .type = 'x', .content = buf_text(&records)});
}

void tar_small(struct buf *out, const char *name, const char *content)
{
    tar_add(out, &(struct tar_file){.name = name, .content = content});
    tar_end(out);
}

/* ---- zip ---- */

static void put16(struct buf *out, unsigned value)
{
    buf_char(out, (char)(value & 0xff));
    buf_char(out, (char)(value >> 8 & 0xff));
}

static void put32(struct buf *out, unsigned value)
{
    put16(out, value & 0xffff);
    put16(out, value >> 16);
}

uint32_t packed_crc(const char *data, size_t n)
{
    unsigned crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

void zip_free(struct zip_maker *zip)
{
    buf_free(&zip->files);
    buf_free(&zip->directory);
}

static void zip_local(struct buf *out, const struct zip_file *f, const char *name, size_t n,
                      unsigned crc, unsigned size)
{
    bool behind = f->flags & 8;
    buf_add(out, "PK\3\4", 4);
    put16(out, 20);
    put16(out, f->flags);
    put16(out, f->method);
    put32(out, 0x58210000); /* a day in 2024 */
    put32(out, behind ? 0 : crc);
    put32(out, behind ? 0 : size + f->local_bytes);
    put32(out, behind ? 0 : size + f->local_bytes);
    put16(out, (unsigned)n);
    put16(out, 0);
    buf_add(out, name, n);
    if (f->content != NULL)
        buf_str(out, f->content);
    if (f->descriptor == 16)
        buf_add(out, "PK\7\10", 4);
    if (f->descriptor >= 12) {
        put32(out, crc);
        put32(out, size);
        put32(out, size);
    }
    for (unsigned i = 16; i < f->descriptor; i++)
        buf_char(out, '?');
}

void zip_add(struct zip_maker *zip, const struct zip_file *f)
{
    size_t n = f->name_size ? f->name_size : strlen(f->name);
    unsigned size = f->content ? (unsigned)strlen(f->content) : 0;
    unsigned crc = packed_crc(f->content ? f->content : "", size) + f->bad_crc;
    if (f->before != NULL)
        buf_str(&zip->files, f->before);
    if (!f->again) {
        zip->last = zip->files.len;
        zip_local(&zip->files, f, f->local ? f->local : f->name, f->local ? strlen(f->local) : n,
                  crc, size);
    }
    struct buf *d = &zip->directory;
    buf_add(d, "PK\1\2", 4);
    put16(d, 3 << 8 | 20);
    put16(d, 20);
    put16(d, f->flags);
    put16(d, f->method);
    put32(d, 0x58210000);
    put32(d, crc);
    put32(d, size);
    put32(d, size);
    put16(d, (unsigned)n);
    put16(d, 0);
    put16(d, 0);
    put16(d, 0);
    put16(d, 0);
    put32(d, (f->mode ? f->mode : 0100644) << 16);
    put32(d, (unsigned)zip->last);
    buf_add(d, f->name, n);
    zip->n++;
}

void zip_end(struct zip_maker *zip, const char *comment, struct buf *out)
{
    size_t at = zip->files.len;
    buf_add(out, buf_text(&zip->files), at);
    buf_add(out, buf_text(&zip->directory), zip->directory.len);
    buf_add(out, "PK\5\6", 4);
    put32(out, 0);
    put16(out, (unsigned)zip->n);
    put16(out, (unsigned)zip->n);
    put32(out, (unsigned)zip->directory.len);
    put32(out, (unsigned)at);
    put16(out, (unsigned)strlen(comment));
    buf_str(out, comment);
}

/* ---- compression ---- */

static la_ssize_t sink(struct archive *a, void *arg, const void *data, size_t n)
{
    buf_add(arg, data, n);
    return (la_ssize_t)n;
}

void packed_compress(const struct buf *in, const char *filter, struct buf *out)
{
    if (strcmp(filter, "none") == 0) {
        buf_add(out, buf_text(in), in->len);
        return;
    }
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_int_equal(archive_write_add_filter_by_name(a, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
    assert_int_equal(archive_write_set_bytes_in_last_block(a, 1), ARCHIVE_OK);
    assert_int_equal(archive_write_open(a, out, NULL, sink, NULL), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, buf_text(in), in->len), in->len);
    archive_entry_free(entry);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
    assert_false(out->failed);
}

int packed_fd(const struct buf *in)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, buf_text(in), in->len), in->len);
    return fd;
}

/* ---- what came of it ---- */

static void list(int dirfd, const char *prefix, struct buf *out)
{
    struct dirent **entries;
    int n = scandirat(dirfd, ".", &entries, NULL, alphasort);
    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        struct stat st;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
            buf_fmt(out, "%s%s", prefix, name);
            if (S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0700) {
                char deeper[4096];
                int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                snprintf(deeper, sizeof deeper, "%s%s/", prefix, name);
                buf_str(out, "/ ");
                list(fd, deeper, out);
                close(fd);
            } else if (S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0600) {
                char content[256] = {0};
                int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
                assert_true(read(fd, content, sizeof content - 1) >= 0);
                buf_fmt(out, "=%s ", content);
                close(fd);
            } else {
                buf_str(out, "? ");
            }
        }
        free(entries[i]);
    }
    free(entries);
}

const char *packed_list(int dirfd)
{
    static struct buf out;
    buf_reset(&out);
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    list(fd, "", &out);
    close(fd);
    return buf_text(&out);
}

int packed_unpack(const struct place *place, const struct buf *in,
                  const struct archive_limits *limits, struct ml_error *err)
{
    struct ml_error problem = ML_ERROR_INIT;
    assert_int_equal(fs_remove_tree(place->fd, "out"), 0);
    assert_int_equal(mkdirat(place->fd, "out", 0700), 0);
    int fd = packed_fd(in), out = openat(place->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = archive_unpack(fd, "x.tar", out, limits, -1, -1, &problem);
    assert_int_equal(status < 0, problem.status != 0);
    assert_int_equal(status < 0, *problem.hint != '\0');
    if (status < 0)
        assert_string_equal(packed_list(out), "");
    close(fd);
    close(out);
    if (err != NULL)
        *err = problem;
    return problem.status;
}

const char *packed_out(const struct place *place)
{
    int out = openat(place->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *list = packed_list(out);
    close(out);
    return list;
}
