/* What was built elsewhere is filed as that, so that no build here takes it for its own: the id
 * says what went in, and not that the object came out of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scope.h"
#include "build/record.h"
#include "build/sums.h"
#include "transfer/bundle.h"

/* Replaces the one place of `from` in a text. 0; -1 with errno: EINVAL when there is none, or more
 * than one. */
static int text_edit(struct buf *text, const char *from, const char *to)
{
    BUF_AUTO now = BUF_INIT;
    const char *at = strstr(buf_text(text), from);
    if (at == NULL || strstr(at + 1, from) != NULL) {
        errno = EINVAL;
        return -1;
    }
    buf_add(&now, text->data, (size_t)(at - text->data));
    buf_str(&now, to);
    buf_str(&now, at + strlen(from));
    buf_reset(text);
    buf_add(text, now.data, now.len);
    if (!now.failed && !text->failed)
        return 0;
    errno = ENOMEM;
    return -1;
}

static int file_write(int dir, const char *name, const struct buf *text)
{
    return unlinkat(dir, name, 0) < 0 ? -1 : fs_write_new(dir, name, text->data, text->len, 0400);
}

/* What SHA256SUMS says of a record. */
static int sum_line(const struct buf *text, char line[DIGEST_HEX_SIZE + 16])
{
    char sum[DIGEST_HEX_SIZE];
    if (digest_data(text->data, text->len, sum) < 0)
        return -1;
    snprintf(line, DIGEST_HEX_SIZE + 16, "%s  build.json\n", sum);
    return 0;
}

/* Both texts are one thing: what a record says, and the digest of that. */
static int texts_edit(struct buf *record, struct buf *sums, const char *from, const char *to)
{
    char before[DIGEST_HEX_SIZE + 16], after[DIGEST_HEX_SIZE + 16];
    if (sum_line(record, before) < 0 || text_edit(record, from, to) < 0 ||
        sum_line(record, after) < 0)
        return -1;
    return text_edit(sums, before, after);
}

static int edit(int dir, struct buf *record)
{
    BUF_AUTO sums = BUF_INIT;
    if (fs_read_file(dir, "SHA256SUMS", &sums, SUMS_SIZE_MAX) < 0 ||
        texts_edit(record, &sums, RECORD_BUILT, RECORD_PACKED) < 0)
        return -1;
    return file_write(dir, "build.json", record) < 0 || file_write(dir, "SHA256SUMS", &sums) < 0
               ? -1
               : fs_sync_dir(dir, ".");
}

static bool is_built(const struct record *record)
{
    return record->build.object == NULL && !record->build.packed;
}

/* It is read again, since whoever made it may have written its form in some other place of it. */
int transfer_mark(int dir, const char *label, struct ml_error *err)
{
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO text = BUF_INIT;
    struct record record;
    int status = fs_read_file(dir, "build.json", &text, RECORD_SIZE_MAX);
    if (status == 0 && record_read(&a, buf_text(&text), text.len, &record, err) < 0)
        return -1;
    if (status == 0 && !is_built(&record))
        return 0;
    if (status < 0 || edit(dir, &text) < 0) {
        if (errno != EINVAL)
            return ml_error_errno(err, ML_IO, errno, "cannot file what was in '%s'", label);
    } else if (record_read(&a, buf_text(&text), text.len, &record, err) < 0) {
        return -1;
    } else if (!is_built(&record)) {
        return 0;
    }
    return ml_error_set(err, ML_REFUSED, "damaged",
                        "'%s': its build.json is not of the form that modload writes", label);
}

int transfer_unmarked(int dir, struct buf *record, struct buf *sums, struct ml_error *err)
{
    if (fs_read_file(dir, "build.json", record, RECORD_SIZE_MAX) < 0 ||
        fs_read_file(dir, "SHA256SUMS", sums, SUMS_SIZE_MAX) < 0 ||
        texts_edit(record, sums, RECORD_PACKED, RECORD_BUILT) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read what the bundle says of itself");
    return 0;
}
