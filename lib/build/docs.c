/* No C parser: a comment belongs to a function when nothing stands between them that could end a
 * declaration. Return types, attributes and macros may stand there; a semicolon, a brace, a
 * directive or a blank line may not. */
#include "build/docs.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

enum { DOC_MAX = 16384 };

/* ---- finding the comments ---- */

/* Quotes hide marks of comments, and end with their line at the latest: an apostrophe in disabled
 * code must not swallow the file. */
static size_t literal_end(const char *text, size_t size, size_t at)
{
    char quote = text[at++];
    for (; at < size && text[at] != quote && text[at] != '\n'; at++)
        if (text[at] == '\\')
            at++;
    return at < size ? at + 1 : size;
}

static size_t comment_end(const char *text, size_t size, size_t at)
{
    if (text[at + 1] == '/') {
        const char *end = memchr(text + at, '\n', size - at);
        return end ? (size_t)(end - text) : size;
    }
    const char *end = size - at > 2 ? memmem(text + at + 2, size - at - 2, "*/", 2) : NULL;
    return end ? (size_t)(end - text) + 2 : size;
}

static bool first_on_line(const char *text, size_t at)
{
    while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t'))
        at--;
    return at == 0 || text[at - 1] == '\n';
}

/* Whether a line comment goes on with the line comment that ended on the line before. */
static bool continues(const struct docs *d, size_t at)
{
    if (d->n_comments == 0 || d->text[at + 1] != '/')
        return false;
    const struct doc_comment *last = &d->comments[d->n_comments - 1];
    if (d->text[last->begin + 1] != '/')
        return false;
    for (size_t i = last->end + 1; i < at; i++)
        if (d->text[i] != ' ' && d->text[i] != '\t')
            return false;
    return last->end < at && d->text[last->end] == '\n';
}

static void comment_add(struct arena *a, struct docs *d, size_t begin, size_t end)
{
    if (!first_on_line(d->text, begin))
        return;
    if (continues(d, begin)) {
        d->comments[d->n_comments - 1].end = end;
        return;
    }
    struct doc_comment *grown = arena_grow(a, d->comments, d->n_comments, sizeof *grown);
    if (grown == NULL)
        return;
    d->comments = grown;
    d->comments[d->n_comments++] = (struct doc_comment){begin, end};
}

static void lines_scan(struct arena *a, struct docs *d)
{
    size_t n = 1;
    for (size_t i = 0; i < d->size; i++)
        n += d->text[i] == '\n';
    d->lines = arena_alloc(a, n, sizeof *d->lines);
    if (d->lines == NULL)
        return;
    d->n_lines = 1;
    for (size_t i = 0; i < d->size; i++)
        if (d->text[i] == '\n')
            d->lines[d->n_lines++] = i + 1;
}

void docs_scan(struct arena *a, const char *text, size_t size, struct docs *ret)
{
    *ret = (struct docs){.text = text, .size = size};
    lines_scan(a, ret);
    for (size_t at = 0; at < size;) {
        if (text[at] == '"' || text[at] == '\'') {
            at = literal_end(text, size, at);
        } else if (text[at] == '/' && at + 1 < size &&
                   (text[at + 1] == '/' || text[at + 1] == '*')) {
            size_t end = comment_end(text, size, at);
            comment_add(a, ret, at, end);
            at = end;
        } else {
            at++;
        }
    }
}

/* ---- from a comment to its text ---- */

/* One line of a comment, without the blanks and stars that decorate it. */
static void line_strip(const char **begin, const char **end, bool first)
{
    while (*end > *begin && isspace((unsigned char)(*end)[-1]))
        --*end;
    while (*begin < *end && isspace((unsigned char)**begin))
        ++*begin;
    if (first || *begin == *end || **begin != '*')
        return;
    ++*begin;
    if (*begin < *end && **begin == ' ')
        ++*begin;
}

/* Skips the mark: slash-star with more stars or a bang, or slash-slash with more slashes or a bang.
 */
static const char *mark_skip(const char *begin, const char *end)
{
    char again = begin + 1 < end ? begin[1] : '\0';
    begin += 2;
    while (begin < end && (*begin == again || *begin == '!'))
        begin++;
    return begin;
}

/* Comments are shown on terminals: what could steer one becomes a blank. */
static void text_add(struct buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] >= ' ' && text[i] != 0x7f)
            buf_char(out, text[i]);
        else
            buf_char(out, ' ');
}

/* A line comment has its mark on every line, a block comment on the first only, and stars may
 * decorate the rest. */
static void comment_text(struct buf *out, const char *begin, const char *end)
{
    bool block = begin[1] == '*';
    if (block && end - begin >= 4 && end[-1] == '/' && end[-2] == '*')
        end -= 2;
    while (block && end - begin > 2 && end[-1] == '*')
        end--;
    bool first = true;
    while (begin < end) {
        const char *newline = memchr(begin, '\n', (size_t)(end - begin));
        const char *line_end = newline ? newline : end, *line = begin;
        while (!block && line < line_end && isspace((unsigned char)*line))
            line++;
        if (first || !block)
            line = mark_skip(line, line_end);
        line_strip(&line, &line_end, first || !block);
        if (out->len > 0)
            buf_char(out, '\n');
        text_add(out, line, (size_t)(line_end - line));
        begin = newline ? newline + 1 : end;
        first = false;
    }
}

/* A source in another encoding: every byte that is no ASCII becomes U+FFFD. */
static void replace_foreign(struct buf *text)
{
    BUF_AUTO clean = BUF_INIT;
    for (size_t i = 0; i < text->len; i++)
        if ((unsigned char)text->data[i] < 0x80)
            buf_char(&clean, text->data[i]);
        else
            buf_str(&clean, "\xef\xbf\xbd");
    struct buf foreign = *text;
    *text = clean;
    clean = foreign;
}

/* Cuts a text that is UTF-8 between two characters. */
static size_t cut_length(const struct buf *text)
{
    if (text->len <= DOC_MAX)
        return text->len;
    size_t n = DOC_MAX;
    while (n > 0 && ((unsigned char)text->data[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* ---- from a line to its comment ---- */

/* By halving: sources of thousands of functions have thousands of comments. */
static const struct doc_comment *last_before(const struct docs *d, size_t at)
{
    size_t low = 0, high = d->n_comments;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (d->comments[middle].end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &d->comments[low - 1] : NULL;
}

/* Whether what stands between a comment and the function's name is the beginning of its
 * declaration. */
static bool is_declaration_start(const char *text, size_t n)
{
    int newlines = 0;
    for (size_t i = 0; i < n; i++) {
        if (strchr(";{}#\"=", text[i]) && text[i] != '\0')
            return false;
        if (text[i] == '\n' && ++newlines > 1)
            return false;
        if (!isspace((unsigned char)text[i]))
            newlines = 0;
    }
    return true;
}

const char *docs_above(struct arena *a, const struct docs *docs, int line)
{
    if (line < 1 || (size_t)line > docs->n_lines)
        return "";
    size_t at = docs->lines[line - 1];
    const struct doc_comment *comment = last_before(docs, at);
    if (comment == NULL || !is_declaration_start(docs->text + comment->end, at - comment->end))
        return "";
    BUF_AUTO text = BUF_INIT;
    comment_text(&text, docs->text + comment->begin, docs->text + comment->end);
    if (!json_is_utf8(buf_text(&text), text.len))
        replace_foreign(&text);
    size_t begin = strspn(buf_text(&text), "\n "), end = cut_length(&text);
    while (end > begin && isspace((unsigned char)text.data[end - 1]))
        end--;
    if (text.failed)
        a->failed = true;
    return end > begin ? arena_mem(a, text.data + begin, end - begin) : "";
}
