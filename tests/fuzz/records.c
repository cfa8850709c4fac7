/* What a process has written that read what a stranger sent: each record lies in the file, and they
 * end. */
#include "fetch/records.h"

#include <stdlib.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetch_records records;
    struct fetch_record record;
    char *bytes = fuzz_bytes(data, size);
    int more = -1;
    size_t before = size;
    if (fetch_records_begin(bytes, size, &records)) {
        while ((more = fetch_records_next(&records, &record)) > 0) {
            CHECK(record.path >= bytes && record.path_n > 0 &&
                  record.path + record.path_n <= bytes + size);
            CHECK(record.data >= bytes && record.data + record.n <= bytes + size);
            CHECK((size_t)(records.end - records.at) < before);
            before = (size_t)(records.end - records.at);
        }
    }
    free(bytes);
    return 0;
}
