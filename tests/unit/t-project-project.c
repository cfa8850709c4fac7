/* Goal of this test: what a project asks for is taken as it was written, and every fault in it is
 * told with file, plugin and key, as configuration. */
#include "project/project.h"

#include <fcntl.h>

#include "fixture.h"

static int parse(struct arena *a, const char *text, struct project *ret, struct ml_error *err)
{
    return project_parse(a, "d/modload.json", text, strlen(text), ret, err);
}

/* One plugin, "p", with these members. */
static const char *with(char *text, size_t size, const char *members)
{
    snprintf(text, size, "{\"plugins\":{\"p\":{%s}}}", members);
    return text;
}

static void refused_keys(void **state)
{
    static const struct {
        const char *members, *message, *hint;
    } cases[] = {
        {"", "key 'git' is missing", "give its repository: \"git\": \"https://...\""},
        {"\"gti\":\"https://h/r\"", "unknown key 'gti'", "did you mean 'git'?"},
        {"\"git\":\"https://h/r\",\"versions\":\"1\"", "unknown key 'versions'",
         "did you mean 'version'?"},
        {"\"git\":\"https://h/r\",\"x\":\"1\"", "unknown key 'x'", ""},
        {"\"git\":\"https://h/r\",\"submodules\":\"yes\"", "key 'submodules' must be true or false",
         ""},
        {"\"git\":1", "key 'git' must be a text of at most 4095 bytes", ""},
        {"\"git\":\"../r\"", "key 'git' must be a URL (https, ssh, git, file) or user@host:path",
         "a repository on this machine is file:///its/path"},
        {"\"git\":\"https://h/r@v1\"", "key 'git' must be a URL without what follows its @",
         "give that as \"ref\" or \"version\"; where the path itself has an @, put one more at its "
         "end"},
        {"\"git\":\"http://h/r\"",
         "key 'git': the source is not taken: http is neither encrypted nor checked",
         "use https://"},
        {"\"git\":\"\"", "key 'git': cannot read the source: there is none", NULL},
        {"\"git\":\"https://u:p@h/r\"",
         "key 'git': the source is not taken: there is a password in it, which would be kept where "
         "others see it",
         NULL},
        {"\"git\":\"https://h/r\",\"version\":\"main\"",
         "key 'version' must be a range of versions such as \"^1.2\"",
         "a branch, a tag or a commit is given as \"ref\""},
        {"\"git\":\"https://h/r\",\"ref\":\"^1.2\"",
         "key 'ref' must be a branch, a tag or a commit",
         "a range of versions is given as \"version\""},
        {"\"git\":\"https://h/r\",\"ref\":\"\"", "key 'ref' must be a branch, a tag or a commit",
         "a range of versions is given as \"version\""},
        {"\"git\":\"https://h/r\",\"ref\":\"-x\"",
         "key 'ref': cannot read what follows the @: it begins with a dash, as options do", NULL},
        {"\"git\":\"https://h/r\",\"path\":\"../x\"",
         "key 'path': the directory in the repository is not made of plain names: no '.', '..' or "
         "empty ones",
         "give it as it is in the repository: plugins/math"},
        {"\"git\":\"https://h/r\",\"uuid\":\"1\"", "key 'uuid' must be a UUID",
         "make a new one: modload uuid; or leave the key out"},
        {"\"git\":\"https://h/r\",\"version\":\"^1\",\"ref\":\"main\"",
         "it has both key 'version' and key 'ref'", "leave out one of them"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct ml_error err = ML_ERROR_INIT;
        struct project project;
        char text[512], message[512];
        snprintf(message, sizeof message, "d/modload.json: plugin 'p': %s", cases[i].message);
        case_int(cases[i].members,
                 parse(&a, with(text, sizeof text, cases[i].members), &project, &err), -1);
        case_int(cases[i].members, err.status, ML_CONFIG);
        case_text(cases[i].members, err.message, message);
        if (cases[i].hint != NULL)
            case_text(cases[i].members, err.hint, cases[i].hint);
    }
}

static void refused_files(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{}", "d/modload.json: there is no key 'plugins'"},
        {"[]", "d/modload.json: not a JSON object"},
        {"{\"plugins\":", "d/modload.json:1:12: not JSON"},
        {"{\"plugin\":{}}", "d/modload.json: unknown key 'plugin'"},
        {"{\"plugins\":[]}",
         "d/modload.json: key 'plugins' must be an object of names and sources"},
        {"{\"plugins\":{\"p\":1}}",
         "d/modload.json: plugin 'p': must be an object: {\"git\": \"https://...\"}"},
        {"{\"plugins\":{\"p\":{},\"p\":{}}}", "d/modload.json: key 'p' is there twice"},
        {"{\"plugins\":{\"a b\":{}}}",
         "d/modload.json: plugin 'a b': its name must be 1 to 64 of A-Z a-z 0-9 . _ -, a letter or "
         "digit first, and no UUID"},
        {"{\"plugins\":{\"b\":{\"git\":\"https://h/b\",\"uuid\":\"AAAAAAAA-0000-4000-8000-"
         "000000000000\"},\"a\":{\"git\":\"https://h/a\",\"uuid\":\"aaaaaaaa-0000-4000-8000-"
         "000000000000\"}}}",
         "d/modload.json: plugins 'a' and 'b' have the same key 'uuid'"},
        {"{\"plugins\":{\n<<<<<<< ours\n\"p\":{}\n=======\n}}",
         "d/modload.json:2: two versions of the file were merged, and differ here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct ml_error err = ML_ERROR_INIT;
        struct project project;
        case_int(cases[i].text, parse(&a, cases[i].text, &project, &err), -1);
        case_int(cases[i].text, err.status, ML_CONFIG);
        case_text(cases[i].text, err.message, cases[i].message);
    }
}

/* The same file may be a plugin's own: all else in it is a manifest. */
static void taken(void **state)
{
    static const char text[] =
        "{\"name\":\"app\",\"sources\":[\"a.c\"],\"plugins\":{"
        "\"text\":{\"git\":\"git@h:text.git\",\"ref\":\"main\",\"path\":\"plugins/"
        "text\",\"submodules\":true},"
        "\"math\":{\"git\":\"HTTPS://H/math\",\"version\":\"^1.2\",\"uuid\":\"AAAAAAAA-0000-4000-"
        "8000-000000000001\"},"
        "\"at\":{\"git\":\"https://h/a@b@\"}}}";
    ARENA_AUTO a = ARENA_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct project project;
    assert_int_equal(parse(&a, text, &project, &err), 0);
    assert_int_equal(project.n, 3);
    assert_string_equal(project.plugins[0].name, "at");
    assert_null(project.plugins[0].version);
    assert_null(project.plugins[0].ref);
    assert_null(project.plugins[0].uuid);
    assert_string_equal(project.plugins[1].name, "math");
    assert_string_equal(project.plugins[1].git, "HTTPS://H/math");
    assert_string_equal(project.plugins[1].version, "^1.2");
    assert_string_equal(project.plugins[1].uuid, "aaaaaaaa-0000-4000-8000-000000000001");
    assert_string_equal(project.plugins[2].ref, "main");
    assert_true(project.plugins[2].submodules && !project.plugins[1].submodules);
    assert_string_equal(project.plugins[2].path, "plugins/text");
    assert_int_equal(parse(&a, "{\"plugins\":{}}", &project, &err), 0);
    assert_int_equal(project.n, 0);
}

static void file_write(const struct place *place, const char *text, size_t n)
{
    int fd = openat(place->fd, PROJECT_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    close(fd);
}

static void files(void **state)
{
    const struct place *place = *state;
    ARENA_AUTO a = ARENA_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct project project;
    assert_int_equal(project_read(&a, place->fd, PROJECT_FILE, &project, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_string_equal(err.code, "no_project");
    file_write(place, "{\"plugins\":{}}", 14);
    assert_int_equal(project_read(&a, place->fd, PROJECT_FILE, &project, &err), 0);
    char *large = malloc(PROJECT_SIZE_MAX + 1);
    assert_non_null(large);
    memset(large, ' ', PROJECT_SIZE_MAX + 1);
    memcpy(large, "{\"plugins\":{}}", 14);
    file_write(place, large, PROJECT_SIZE_MAX);
    assert_int_equal(project_read(&a, place->fd, PROJECT_FILE, &project, &err), 0);
    file_write(place, large, PROJECT_SIZE_MAX + 1);
    assert_int_equal(project_read(&a, place->fd, PROJECT_FILE, &project, &err), -1);
    assert_int_equal(err.status, ML_CONFIG);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_keys),
        cmocka_unit_test(refused_files),
        cmocka_unit_test(taken),
        place_test(files),
    };
    UNIT_RUN("project/project", tests);
}
