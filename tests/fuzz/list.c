/* Lists for register --many: an item that is taken has all that an item needs, and says a line of
 * the text; one that is not is told by its line, and then there is no list. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "modload/build.h"

struct told {
    unsigned n, lines; /* that were told of; that the text has */
};

/* Every message begins with "list:LINE: ". */
static void told(const struct ml_error *err, void *arg)
{
    struct told *told = arg;
    char *end;
    fuzz_refused(err);
    CHECK(strncmp(err->message, "list:", 5) == 0);
    unsigned long line = strtoul(err->message + 5, &end, 10);
    CHECK(*end == ':' && line >= 1 && line <= told->lines);
    told->n++;
}

static unsigned count_lines(const char *text, size_t n)
{
    unsigned lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    return lines;
}

static void check_item(const struct ml_list_item *item, unsigned lines)
{
    CHECK(item->line >= 1 && item->line <= lines);
    CHECK((item->bundle == NULL) != (item->path == NULL));
    CHECK(item->path == NULL || *item->path != '\0');
    CHECK(item->name == NULL || *item->name == '\0' || ml_name_valid(item->name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ml_list list = {0};
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_bytes(data, size);
    struct told seen = {.lines = count_lines(text, size)};
    if (ml_list_read(text, size, "list", told, &seen, &list, &err) == 0) {
        CHECK(seen.n == 0);
        for (size_t i = 0; i < list.n; i++) {
            check_item(&list.items[i], seen.lines);
            CHECK(i == 0 || list.items[i - 1].line <= list.items[i].line);
        }
    } else {
        fuzz_refused(&err);
        CHECK(seen.n > 0 && err.status != 0 && list.items == NULL && list.memory == NULL);
    }
    ml_list_free(&list);
    free(text);
    return 0;
}
