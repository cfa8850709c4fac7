#include "build/strict-json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

/* Says where, as compilers do. */
static int refuse(const char *text, const char *at, const char *label, int line, const char *what,
                  struct ml_error *err)
{
    const char *start = text;
    for (const char *p = text; p < at; p++)
        if (*p == '\n') {
            line++;
            start = p + 1;
        }
    return ml_error_set(err, ML_CONFIG, NULL, "%s:%d:%d: %s", label, line, (int)(at - start) + 1,
                        what);
}

/* ---- what cJSON lets pass ---- */

/* Moves to the closing quote. Null when all is well, else what is wrong there. */
static const char *string_check(const char **at, const char *end)
{
    const char *p = *at + 1;
    for (; p < end && *p != '"'; p++) {
        *at = p;
        if ((unsigned char)*p < ' ')
            return "a control character in a text must be escaped";
        if (*p == '\\' && strncmp(p, "\\u0000", 6) == 0)
            return "a text with a NUL in it";
        if (*p == '\\')
            p++;
    }
    *at = p;
    return p < end ? NULL : "a text that does not end";
}

static const char *digits_skip(const char *p)
{
    while (isdigit((unsigned char)*p))
        p++;
    return p;
}

static const char *number_check(const char **at)
{
    const char *p = *at + (**at == '-'), *digits = digits_skip(p);
    bool good = digits > p && (digits == p + 1 || *p != '0');
    if (*digits == '.') {
        p = digits + 1;
        digits = digits_skip(p);
        good = good && digits > p;
    }
    if (*digits == 'e' || *digits == 'E') {
        p = digits + 1 + (digits[1] == '-' || digits[1] == '+');
        digits = digits_skip(p);
        good = good && digits > p;
    }
    if (!good)
        return "not a JSON number";
    *at = digits - 1;
    return NULL;
}

/* One pass over the tokens. Whether they stand in a sensible order is left to cJSON, which runs
 * after it, and whose recursion this keeps within bounds. */
static const char *text_check(const char **at, const char *end)
{
    int depth = 0;
    for (; *at < end; ++*at) {
        const char *wrong = NULL;
        char c = **at;
        if (c == '"')
            wrong = string_check(at, end);
        else if (c == '-' || isdigit((unsigned char)c))
            wrong = number_check(at);
        else if ((c == '{' || c == '[') && ++depth > STRICT_DEPTH_MAX)
            wrong = "nested too deeply";
        else if (c == '}' || c == ']')
            depth--;
        else if (c == '\0')
            wrong = "a NUL";
        else if ((unsigned char)c < ' ' && c != '\t' && c != '\n' && c != '\r')
            wrong = "a control character"; /* cJSON takes all of them for blanks */
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static int key_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first key that an object has twice, or null. By sorting: cJSON's own look-up is linear, and
 * an attacker chooses the number of keys. */
static const char *object_duplicate(const cJSON *object, bool *failed)
{
    size_t n = (size_t)cJSON_GetArraySize(object), i = 0;
    const char **keys = n > 1 ? malloc(n * sizeof *keys) : NULL;
    if (keys == NULL) {
        *failed = *failed || n > 1;
        return NULL;
    }
    const cJSON *child;
    cJSON_ArrayForEach (child, object)
        keys[i++] = child->string;
    qsort(keys, n, sizeof *keys, key_compare);
    const char *twice = NULL;
    for (i = 1; i < n && twice == NULL; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            twice = keys[i];
    free(keys);
    return twice;
}

static const char *tree_duplicate(const cJSON *tree, bool *failed)
{
    const char *twice = cJSON_IsObject(tree) ? object_duplicate(tree, failed) : NULL;
    const cJSON *child;
    cJSON_ArrayForEach (child, tree) {
        if (twice != NULL)
            break;
        twice = tree_duplicate(child, failed);
    }
    return twice;
}

static int tree_check(const cJSON *tree, const char *label, int line, struct ml_error *err)
{
    bool failed = false;
    const char *twice = tree_duplicate(tree, &failed);
    if (failed)
        return ml_error_memory(err);
    if (twice != NULL && line > 0)
        return ml_error_set(err, ML_CONFIG, NULL, "%s:%d: key '%s' is there twice", label, line,
                            twice);
    if (twice != NULL)
        return ml_error_set(err, ML_CONFIG, NULL, "%s: key '%s' is there twice", label, twice);
    return 0;
}

/* `line` 0: the text is a whole file. */
cJSON *strict_parse_part(const char *text, size_t n, const char *label, int line,
                         struct ml_error *err)
{
    const char *at = text, *end = text + n;
    int first = line > 0 ? line : 1;
    if (!json_is_utf8(text, n)) {
        if (line > 0)
            ml_error_set(err, ML_CONFIG, NULL, "%s:%d: not UTF-8", label, line);
        else
            ml_error_set(err, ML_CONFIG, NULL, "%s: not UTF-8", label);
        return NULL;
    }
    const char *wrong = text_check(&at, end);
    errno = 0;
    CJSON_AUTO *tree = wrong ? NULL : cJSON_ParseWithLengthOpts(text, n + 1, &at, 1);
    if (tree == NULL && errno == ENOMEM) { /* it is malloc(3) that tells: cJSON says no more */
        ml_error_memory(err);
        return NULL;
    }
    if (tree == NULL) {
        refuse(text, at < end ? at : end, label, first, wrong ? wrong : "not JSON", err);
        return NULL;
    }
    if (tree_check(tree, label, line, err) < 0)
        return NULL;
    cJSON *ret = tree;
    tree = NULL;
    return ret;
}

cJSON *strict_parse(const char *text, size_t n, const char *label, struct ml_error *err)
{
    return strict_parse_part(text, n, label, 0, err);
}

/* ---- values as they were written ---- */

static const char *string_skip(const char *p)
{
    for (p++; *p != '"' && *p != '\0'; p++)
        if (*p == '\\' && p[1] != '\0')
            p++;
    return *p ? p + 1 : p;
}

/* Behind the value that begins here: where its own brackets are closed and a comma or bracket
 * follows. */
static const char *value_skip(const char *p)
{
    for (int depth = 0; *p != '\0';) {
        if (depth == 0 && (*p == ',' || *p == '}'))
            break;
        if (*p == '{' || *p == '[')
            depth++;
        else if (*p == '}' || *p == ']')
            depth--;
        p = *p == '"' ? string_skip(p) : p + 1;
    }
    return p;
}

void strict_values(struct arena *a, const char *text, struct strv *ret)
{
    static const char blanks[] = " \t\r\n";
    const char *p = strchr(text, '{');
    while (p != NULL && *p != '\0' && *p != '}') {
        p += 1 + strspn(p + 1, blanks); /* past the brace or comma */
        if (*p != '"')
            break;
        p = string_skip(p);
        p += strspn(p, ": \t\r\n");
        const char *end = value_skip(p);
        size_t n = (size_t)(end - p);
        while (n > 0 && strchr(blanks, p[n - 1]))
            n--;
        strv_add(a, ret, arena_mem(a, p, n));
        p = end;
    }
}
