/* What people, lock files and manifests give for a source: what is taken reads back as itself, is
 * no option, and holds no secret. */
#include "fetch/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void check_plain(const char *text)
{
    CHECK(*text != '-');
    for (const char *p = text; *p != '\0'; p++)
        CHECK((unsigned char)*p >= ' ' && *p != 0x7f);
}

/* The same source again, from its one spelling. A path may end in what looks like a ref. */
static void check_again(const struct source *source)
{
    char text[SOURCE_URL_MAX + 2];
    struct source again;
    snprintf(text, sizeof text, "%s@", source->url);
    CHECK(source_parse(text, &again, NULL) == 0);
    CHECK(strcmp(again.url, source->url) == 0 && strcmp(again.host, source->host) == 0);
    CHECK(again.kind == source->kind && again.ref_kind == SOURCE_REF_NONE);
}

/* The host is where one belongs; before it a user, of ssh alone, and never a password. */
static void check_url(const struct source *source)
{
    const char *slashes = strstr(source->url, "://"), *begin = slashes ? slashes + 3 : source->url;
    const char *user_end = memchr(begin, '@', strcspn(begin, "/:["));
    CHECK(slashes == NULL || strcspn(source->url, ":/@") == (size_t)(slashes - source->url));
    const char *host = user_end != NULL ? user_end + 1 : begin;
    CHECK(strstr(source->url, "::") != source->url);
    CHECK(source->kind == SOURCE_SSH || user_end == NULL);
    host += *host == '[';
    CHECK(strncmp(host, source->host, strlen(source->host)) == 0);
    CHECK(strchr("/:]", host[strlen(source->host)]) != NULL);
    check_again(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source;
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_text(data, size);
    if (source_parse(text, &source, &err) < 0) {
        fuzz_refused(&err);
    } else {
        CHECK((*source.ref == '\0') == (source.ref_kind == SOURCE_REF_NONE));
        check_plain(source.url);
        check_plain(source.ref);
        if (source.kind < SOURCE_FILE)
            check_url(&source);
        else
            CHECK(*source.host == '\0');
    }
    source_subdir_check(text, &err);
    free(text);
    return 0;
}
