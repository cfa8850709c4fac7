/* modload.json of a project: what is taken is what a fetch takes, without a secret and no option.
 */
#include "project/project.h"

#include <stdlib.h>
#include <string.h>

#include "base/semver.h"
#include "fetch/source.h"
#include "fuzz.h"
#include "modload/modload.h"

static void check_plugin(const struct project_plugin *plugin)
{
    struct source source;
    struct semver_range range;
    struct ml_key key;
    CHECK(ml_name_valid(plugin->name));
    CHECK(plugin->git != NULL && source_parse(plugin->git, &source, NULL) == 0);
    CHECK(source.ref_kind == SOURCE_REF_NONE && source.kind != SOURCE_PATH);
    CHECK(plugin->version == NULL || plugin->ref == NULL);
    CHECK(plugin->version == NULL || semver_range_parse(plugin->version, &range));
    if (plugin->ref != NULL)
        CHECK(source_ref_parse(plugin->ref, &source, NULL) == 0 &&
              source.ref_kind == SOURCE_REF_NAME);
    CHECK(plugin->path == NULL || source_subdir_check(plugin->path, NULL) == 0);
    CHECK(plugin->uuid == NULL || ml_key_from_uuid(plugin->uuid, &key, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ARENA_AUTO a = ARENA_INIT;
    struct project project;
    struct ml_error err = ML_ERROR_INIT;
    char *text = fuzz_bytes(data, size);
    if (project_parse(&a, "modload.json", text, size, &project, &err) < 0) {
        fuzz_refused(&err);
        CHECK(err.status == ML_CONFIG);
    } else {
        for (size_t i = 0; i < project.n; i++) {
            check_plugin(&project.plugins[i]);
            CHECK(i == 0 || strcmp(project.plugins[i - 1].name, project.plugins[i].name) < 0);
        }
    }
    free(text);
    return 0;
}
