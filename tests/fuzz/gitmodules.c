/* What a stranger says of his submodules: a URL that is taken is of https, holds no secret, is no
 * option, and stays with its host where it is relative. */
#include "fetch/gitmodules.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char url[FETCH_MODULE_URL_SIZE];
    struct source super, source;
    char *text = fuzz_bytes(data, size);
    CHECK(source_parse("https://host.org:8443/a/b/c", &super, NULL) == 0);
    if (gitmodules_find(text, size, "lib", url, NULL) == 0) {
        CHECK(*url != '\0' && *url != '-' && strlen(url) < sizeof url);
        for (const char *p = url; *p != '\0'; p++)
            CHECK(*p > ' ' && *p < 0x7f);
        if (gitmodules_source(&super, url, &source, NULL) == 0) {
            CHECK(source.kind == SOURCE_HTTPS && source.ref_kind == SOURCE_REF_NONE);
            CHECK(strncmp(source.url, "https://", 8) == 0 && strstr(source.url, "/../") == NULL);
            CHECK(memchr(source.url + 8, '@', strcspn(source.url + 8, "/")) == NULL);
            CHECK(*url != '.' || strncmp(source.url, "https://host.org:8443/", 22) == 0);
        }
    }
    free(text);
    return 0;
}
