/* What says what is in a pack, and comes with it from anywhere. What is taken of it is shown to
 * people, and written again it is read as the same. */
#include <stdlib.h>
#include <string.h>

#include "build/word.h"
#include "fuzz.h"
#include "registry_store/store.h"
#include "transfer/pack.h"

static void check_line(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        CHECK(*p >= ' ' && *p != 0x7f);
}

static void check_again(const struct pack_head *head)
{
    struct pack_head again;
    BUF_AUTO text = BUF_INIT;
    pack_head_write(&text, head);
    CHECK(!text.failed && text.len <= PACK_HEAD_MAX);
    CHECK(pack_head_read(buf_text(&text), text.len, "again", &again, NULL) == 0);
    CHECK(memcmp(head, &again, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pack_head head;
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_bytes(data, size);
    memset(&head, 0, sizeof head);
    if (pack_head_read(text, size, "input", &head, &err) < 0) {
        fuzz_refused(&err);
        CHECK(err.status == ML_REFUSED || err.status == ML_LIMIT ||
              (err.status == ML_CONFIG && strcmp(err.code, "newer_format") == 0));
    } else {
        CHECK(store_bundle_valid(head.bundle) && ml_name_valid(head.name));
        CHECK(word_version(head.version));
        CHECK(*head.origin == '\0' || pack_origin_travels(head.origin));
        check_line(head.origin);
        check_again(&head);
    }
    free(text);
    return 0;
}
