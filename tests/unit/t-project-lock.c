/* Goal of this test: a lock is read strictly and written in one form; a block is taken for an
 * answer exactly where it is one; its file is old or new, and nothing is left beside it. */
#include "project/lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "fixture.h"

#define COMMIT  "0123456789abcdef0123456789abcdef01234567"
#define TREE    "89abcdef0123456789abcdef0123456789abcdef"
#define SOURCE  "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define BUNDLE  "b-mhnjnscxmjexyqhz27mecdz6wxhtfcmf"
#define BUNDLE2 "b-jpogdrjohd4kqx7vys5hsznegu3vrjxj"

#define HEAD "{\n  \"version\": 1,\n  \"plugins\": {"
#define TAIL "\n  }\n}\n"

static const char math[] = "\n    \"math\": {\n"
                           "      \"uuid\": \"aaaaaaaa-0000-4000-8000-000000000001\",\n"
                           "      \"git\": \"https://h/math\",\n"
                           "      \"path\": \"plugins/math\",\n"
                           "      \"version\": \"^1.2\",\n"
                           "      \"tag\": \"v1.2.3\",\n"
                           "      \"release\": \"1.2.3\",\n"
                           "      \"commit\": \"" COMMIT "\",\n"
                           "      \"tree\": \"" TREE "\",\n"
                           "      \"source\": \"" SOURCE "\",\n"
                           "      \"capabilities\": [\n"
                           "        \"fs:read=/x\",\n"
                           "        \"net\"\n"
                           "      ],\n"
                           "      \"bundles\": {\n"
                           "        \"aarch64-linux-gnu\": \"" BUNDLE2 "\",\n"
                           "        \"x86_64-linux-gnu\": \"" BUNDLE "\"\n"
                           "      }\n"
                           "    }";
static const char text_block[] = "\n    \"text\": {\n"
                                 "      \"uuid\": \"aaaaaaaa-0000-4000-8000-000000000002\",\n"
                                 "      \"git\": \"git@h:text.git\",\n"
                                 "      \"ref\": \"main\",\n"
                                 "      \"commit\": \"" COMMIT "\",\n"
                                 "      \"tree\": \"" TREE "\",\n"
                                 "      \"source\": \"" SOURCE "\",\n"
                                 "      \"capabilities\": [],\n"
                                 "      \"bundles\": {}\n"
                                 "    }";

static int parse(struct arena *a, const char *text, struct lock *ret, struct ml_error *err)
{
    return lock_parse(a, "modload.lock", text, strlen(text), ret, err);
}

static void whole(char *text, size_t size)
{
    snprintf(text, size, HEAD "%s,%s" TAIL, math, text_block);
}

static void written_is(const struct lock *lock, const char *want)
{
    BUF_AUTO out = BUF_INIT;
    lock_write(&out, lock);
    assert_false(out.failed);
    assert_string_equal(buf_text(&out), want);
}

static void same_bytes(void **state)
{
    char all[4096], one[4096], modules[4096];
    whole(all, sizeof all);
    snprintf(one, sizeof one, HEAD "%s" TAIL, text_block);
    snprintf(modules, sizeof modules, HEAD "%.*s\n      \"submodules\": true,%s" TAIL,
             (int)(strstr(text_block, "\n      \"commit\"") - text_block), text_block,
             strstr(text_block, "\n      \"commit\""));
    const char *const cases[] = {all, one, modules, "{\n  \"version\": 1,\n  \"plugins\": {}\n}\n"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct ml_error err = ML_ERROR_INIT;
        struct lock lock;
        assert_int_equal(parse(&a, cases[i], &lock, &err), 0);
        written_is(&lock, cases[i]);
    }
}

/* What a merge may have changed: the order of everything. */
static void order(void **state)
{
    char all[4096], mixed[4096];
    ARENA_AUTO a = ARENA_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct lock lock;
    whole(all, sizeof all);
    snprintf(mixed, sizeof mixed,
             "{\"plugins\":{%s,\"math\":{\"bundles\":{\"x86_64-linux-gnu\":\"" BUNDLE
             "\",\"aarch64-linux-gnu\":\"" BUNDLE2 "\"},\"capabilities\":[\"net\",\"fs:read=/x\"],"
             "\"source\":\"" SOURCE "\",\"tree\":\"" TREE "\",\"commit\":\"" COMMIT
             "\",\"release\":\"1.2.3\",\"tag\":\"v1.2.3\",\"version\":\"^1.2\","
             "\"path\":\"plugins/math\",\"git\":\"https://h/math\","
             "\"uuid\":\"aaaaaaaa-0000-4000-8000-000000000001\"}},\"version\":1}",
             text_block);
    assert_int_equal(parse(&a, mixed, &lock, &err), 0);
    written_is(&lock, all);
}

/* ---- what is refused ---- */

static void refused_members(void **state)
{
    static const struct {
        const char *from, *to, *message; /* `to` in the place of `from` */
    } cases[] = {
        {"\"uuid\"", "\"uid\"", "unknown key 'uid'"},
        {"\"uuid\": \"aaaaaaaa-", "\"uuid\": \"AAAAAAAA-",
         "key 'uuid' must be a UUID in lower case"},
        {"\"uuid\": \"aaaaaaaa-", "\"uuid\": \"aaaaaaa-",
         "key 'uuid' must be a UUID in lower case"},
        {"https://h/math", "math",
         "key 'git' must be a URL (https, ssh, git, file) or "
         "user@host:path"},
        {"plugins/math", "../x",
         "key 'path': the directory in the repository is not made of plain names: no '.', '..' or "
         "empty ones"},
        {"\"^1.2\"", "\"main\"", "key 'version' must be a range of versions such as \"^1.2\""},
        {"\"^1.2\"", "1", "key 'version' must be a text of at most 4095 bytes"},
        {"      \"version\": \"^1.2\",\n", "      \"version\": \"^1.2\",\n\"ref\": \"main\",\n",
         "it has both key 'version' and key 'ref'"},
        {"      \"tag\": \"v1.2.3\",\n", "",
         "it has key 'version' without keys 'tag' and 'release'"},
        {"      \"version\": \"^1.2\",\n      \"tag\": \"v1.2.3\",\n", "",
         "it has key 'release' without key 'tag'"},
        {"\"v1.2.3\"", "\"v 1\"",
         "key 'tag': cannot read what follows the @: it has a character that no branch or tag has"},
        {"\"1.2.3\"", "\"1.2\"", "key 'release' must be a version (SemVer 2.0.0)"},
        {"\"" COMMIT "\"", "\"0123\"",
         "key 'commit' must be one of git's ids: 40 digits of 0-9a-f"},
        {"\"" TREE "\"",
         "\""
         "89ABCDEF0123456789abcdef0123456789abcdef"
         "\"",
         "key 'tree' must be one of git's ids: 40 digits of 0-9a-f"},
        {"h1:", "h2:", "key 'source' must be a digest: \"h1:\" and 44 characters of base64"},
        {"uFU=", "uFV=", "key 'source' must be a digest: \"h1:\" and 44 characters of base64"},
        {"uFU=", "uFUA", "key 'source' must be a digest: \"h1:\" and 44 characters of base64"},
        {"      \"source\": \"" SOURCE "\",\n", "", "key 'source' is missing"},
        {"\"net\"", "\"fs:read=/x\"",
         "key 'capabilities' must not have one twice, or one that another covers"},
        {"\"net\"", "\"fs:write=/x\"",
         "key 'capabilities' must not have one twice, or one that another covers"},
        {"\"net\"", "1", "key 'capabilities' must be an array of at most 64 texts"},
        {"\"net\"", "\"network\"",
         "key 'capabilities' must have capabilities that this version knows"},
        {BUNDLE "\"\n", "b-1\"\n", "key 'bundles' must have the id of a bundle for each platform"},
        {"\"x86_64-linux-gnu\"", "\"\"",
         "key 'bundles' must name platforms by 1 to 255 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct ml_error err = ML_ERROR_INIT;
        struct lock lock;
        char all[4096], text[4096], message[512];
        whole(all, sizeof all);
        const char *at = strstr(all, cases[i].from);
        case_true(cases[i].from, at != NULL);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - all), all, cases[i].to,
                 at + strlen(cases[i].from));
        snprintf(message, sizeof message, "modload.lock: plugin 'math': %s", cases[i].message);
        case_int(cases[i].to, parse(&a, text, &lock, &err), -1);
        case_int(cases[i].to, err.status, ML_CONFIG);
        case_text(cases[i].to, err.message, message);
    }
}

static void refused_files(void **state)
{
    static const struct {
        const char *text, *code, *message;
    } cases[] = {
        {"", NULL, "modload.lock:1:1: not JSON"},
        {"[]", NULL, "modload.lock: not a JSON object"},
        {"{\"plugins\":{}}", NULL, "modload.lock: key 'version' is missing"},
        {"{\"version\":\"1\",\"plugins\":{}}", NULL, "modload.lock: key 'version' must be 1"},
        {"{\"version\":0,\"plugins\":{}}", NULL, "modload.lock: key 'version' must be 1"},
        {"{\"version\":1.5,\"plugins\":{}}", NULL, "modload.lock: key 'version' must be 1"},
        {"{\"version\":1e300,\"plugins\":{}}", NULL, "modload.lock: key 'version' must be 1"},
        {"{\"version\":2,\"other\":{}}", "newer_lock",
         "modload.lock: a later modload has written it: it has version 2, and this one knows 1"},
        {"{\"version\":1}", NULL, "modload.lock: key 'plugins' must be an object"},
        {"{\"version\":1,\"plugins\":{},\"x\":1}", NULL, "modload.lock: unknown key 'x'"},
        {"{\"version\":1,\"plugins\":{\"p\":{},\"p\":{}}}", NULL,
         "modload.lock: key 'p' is there twice"},
        {"{\"version\":1,\"plugins\":{\"p\":1}}", NULL,
         "modload.lock: plugin 'p': must be an object"},
        {"{\n  \"version\": 1,\n<<<<<<< HEAD\n=======\n>>>>>>> x\n", "merge_conflict",
         "modload.lock:3: two versions of the file were merged, and differ here"},
        {"<<<<<<< HEAD\n", "merge_conflict",
         "modload.lock:1: two versions of the file were merged, and differ here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO a = ARENA_INIT;
        struct ml_error err = ML_ERROR_INIT;
        struct lock lock;
        case_int(cases[i].text, parse(&a, cases[i].text, &lock, &err), -1);
        case_int(cases[i].text, err.status, ML_CONFIG);
        case_text(cases[i].text, err.message, cases[i].message);
        if (cases[i].code != NULL)
            case_text(cases[i].text, err.code, cases[i].code);
    }
}

static void same_uuid(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct lock lock;
    char all[4096];
    whole(all, sizeof all);
    *(strstr(all, "000000000002") + 11) = '1';
    assert_int_equal(parse(&a, all, &lock, &err), -1);
    assert_string_equal(err.message,
                        "modload.lock: plugins 'math' and 'text' have the same key 'uuid'");
}

/* ---- changing one ---- */

static void blocks(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct lock lock = {0};
    char name[16];
    for (int i = 0; i < 100; i++) { /* in another order than theirs */
        snprintf(name, sizeof name, "p%02d", i * 37 % 100);
        struct lock_plugin plugin = {.name = arena_str(&a, name), .ref = "old"};
        lock_put(&a, &lock, &plugin);
    }
    assert_int_equal(lock.n, 100);
    for (size_t i = 1; i < lock.n; i++)
        assert_true(strcmp(lock.plugins[i - 1].name, lock.plugins[i].name) < 0);
    struct lock_plugin *found = lock_find(&lock, "p42");
    assert_non_null(found);
    struct lock_plugin changed = *found;
    changed.ref = "new";
    lock_put(&a, &lock, &changed);
    assert_int_equal(lock.n, 100);
    assert_string_equal(lock_find(&lock, "p42")->ref, "new");
    assert_true(lock_remove(&lock, "p00"));
    assert_false(lock_remove(&lock, "p00"));
    assert_true(lock_remove(&lock, "p99"));
    assert_int_equal(lock.n, 98);
    assert_null(lock_find(&lock, "p99"));
    assert_non_null(lock_find(&lock, "p98"));
    lock_put(&a, &lock, &lock.plugins[97]); /* one of its own */
    assert_int_equal(lock.n, 98);
}

static void platforms(void **state)
{
    ARENA_AUTO a = ARENA_INIT;
    struct lock_plugin plugin = {.name = "p"}, copy;
    lock_set_bundle(&a, &plugin, "m", "b-1");
    lock_set_bundle(&a, &plugin, "z", "b-2");
    copy = plugin;
    lock_set_bundle(&a, &plugin, "a", "b-3");
    lock_set_bundle(&a, &plugin, "m", "b-4");
    assert_int_equal(plugin.n_bundles, 3);
    assert_string_equal(plugin.bundles[0].platform, "a");
    assert_string_equal(plugin.bundles[2].platform, "z");
    assert_string_equal(lock_bundle(&plugin, "m"), "b-4");
    assert_null(lock_bundle(&plugin, "b"));
    assert_int_equal(copy.n_bundles, 2);
    assert_string_equal(lock_bundle(&copy, "m"), "b-1");
}

static void answers(void **state)
{
    static const struct {
        struct project_plugin asked;
        bool answers, repeats;
    } cases[] = {
        {{"same", "https://h/math", "^1.2", NULL, "plugins/math", NULL, false}, true, true},
        {{"uuid", "https://h/math", "^1.2", NULL, "plugins/math",
          "aaaaaaaa-0000-4000-8000-000000000001", false},
         true,
         true},
        {{"other uuid", "https://h/math", "^1.2", NULL, "plugins/math",
          "aaaaaaaa-0000-4000-8000-000000000002", false},
         true,
         false},
        {{"spelling", "https://H:443/math/", "^1.2", NULL, "plugins/math", NULL, false},
         true,
         false},
        {{"range", "https://h/math", ">=1 <2", NULL, "plugins/math", NULL, false}, true, false},
        {{"beyond", "https://h/math", "^1.3", NULL, "plugins/math", NULL, false}, false, false},
        {{"repository", "https://h/math2", "^1.2", NULL, "plugins/math", NULL, false},
         false,
         false},
        {{"transport", "git://h/math", "^1.2", NULL, "plugins/math", NULL, false}, false, false},
        {{"path", "https://h/math", "^1.2", NULL, NULL, NULL, false}, false, false},
        {{"ref", "https://h/math", NULL, "v1.2.3", "plugins/math", NULL, false}, false, false},
        {{"head", "https://h/math", NULL, NULL, "plugins/math", NULL, false}, false, false},
    };
    ARENA_AUTO a = ARENA_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct lock lock;
    char all[4096];
    whole(all, sizeof all);
    assert_int_equal(parse(&a, all, &lock, &err), 0);
    const struct lock_plugin *locked = lock_find(&lock, "math");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct project_plugin *asked = &cases[i].asked;
        case_int(asked->name, lock_answers(locked, asked), cases[i].answers);
        case_int(asked->name, lock_repeats(locked, asked), cases[i].repeats);
        struct lock_plugin restated = lock_restate(locked, asked);
        case_true(asked->name, lock_repeats(&restated, asked));
    }
    struct project_plugin main_asked = {.name = "text", .git = "git@h:text.git", .ref = "main"};
    assert_true(lock_answers(lock_find(&lock, "text"), &main_asked));
    main_asked.ref = "dev";
    assert_false(lock_answers(lock_find(&lock, "text"), &main_asked));
}

/* What was locked with them may have some, and is nothing for who does not want them. */
static void submodules_count(void **state)
{
    struct lock_plugin with = {.git = "https://h/r", .submodules = true}, without = with;
    struct project_plugin asks = {.name = "p", .git = "https://h/r", .submodules = true};
    struct project_plugin asks_not = {.name = "p", .git = "https://h/r"};
    without.submodules = false;
    assert_true(lock_answers(&with, &asks) && lock_repeats(&with, &asks));
    assert_true(lock_answers(&without, &asks) && !lock_repeats(&without, &asks));
    assert_true(!lock_answers(&with, &asks_not) && !lock_repeats(&with, &asks_not));
    assert_true(lock_restate(&without, &asks).submodules);
}

/* A block whose release was changed by hand answers no longer, whatever its other words are. */
static void release_counts(void **state)
{
    struct lock_plugin locked = {
        .git = "https://h/r", .version = "^1", .tag = "v2.0.0", .release = "2.0.0"};
    struct project_plugin asked = {.name = "p", .git = "https://h/r", .version = "^1"};
    assert_false(lock_answers(&locked, &asked));
}

/* ---- the file ---- */

static int count_files(const struct place *place)
{
    int n = 0;
    DIR *dir = opendir(place->path);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        n += *e->d_name != '.' || strlen(e->d_name) > 2;
    closedir(dir);
    return n;
}

static void saved(void **state)
{
    const struct place *place = *state;
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO text = BUF_INIT;
    BUF_AUTO again = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct lock lock;
    char all[4096];
    struct stat before, after;
    whole(all, sizeof all);
    assert_int_equal(lock_read(&a, place->fd, LOCK_FILE, &text, &lock, &err), 0);
    assert_int_equal(lock.n, 0);
    assert_int_equal(parse(&a, all, &lock, &err), 0);
    assert_int_equal(lock_save(place->fd, LOCK_FILE, &lock, NULL, &err), 1);
    assert_int_equal(lock_read(&a, place->fd, LOCK_FILE, &text, &lock, &err), 1);
    assert_string_equal(buf_text(&text), all);
    assert_int_equal(fstatat(place->fd, LOCK_FILE, &before, 0), 0);
    assert_int_equal(lock_save(place->fd, LOCK_FILE, &lock, buf_text(&text), &err), 0);
    assert_int_equal(fstatat(place->fd, LOCK_FILE, &after, 0), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_true(lock_remove(&lock, "math"));
    assert_int_equal(lock_save(place->fd, LOCK_FILE, &lock, buf_text(&text), &err), 1);
    assert_int_equal(lock_read(&a, place->fd, LOCK_FILE, &again, &lock, &err), 1);
    assert_int_equal(lock.n, 1);
    assert_int_equal(count_files(place), 1);
}

/* What a killed one has left goes with the next change; what is the user's stays. */
static void litter(void **state)
{
    static const char *const names[] = {".modload.lock.0123456789abcdef", ".modload.lock.mine",
                                        ".modload.lock.0123456789abcdef~"};
    const struct place *place = *state;
    struct ml_error err = ML_ERROR_INIT;
    struct lock lock = {0};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fs_write_new(place->fd, names[i], "x", 1, 0600), 0);
    assert_int_equal(lock_save(place->fd, LOCK_FILE, &lock, NULL, &err), 1);
    assert_int_equal(faccessat(place->fd, names[0], F_OK, 0), -1);
    assert_int_equal(faccessat(place->fd, names[1], F_OK, 0), 0);
    assert_int_equal(faccessat(place->fd, names[2], F_OK, 0), 0);
}

static void put_back(void **state)
{
    const struct place *place = *state;
    ARENA_AUTO a = ARENA_INIT;
    BUF_AUTO text = BUF_INIT;
    BUF_AUTO old = BUF_INIT;
    struct ml_error err = ML_ERROR_INIT;
    struct lock lock = {0};
    assert_int_equal(lock_save(place->fd, LOCK_FILE, &lock, NULL, &err), 1);
    buf_str(&old, "what was there");
    assert_int_equal(lock_put_back(place->fd, LOCK_FILE, &old, &err), 0);
    assert_int_equal(fs_read_file(place->fd, LOCK_FILE, &text, 100), 0);
    assert_string_equal(buf_text(&text), "what was there");
    assert_int_equal(lock_put_back(place->fd, LOCK_FILE, NULL, &err), 0);
    assert_int_equal(count_files(place), 0);
    assert_int_equal(lock_put_back(place->fd, LOCK_FILE, NULL, &err), -1);
    assert_int_equal(err.status, ML_CANT_CREATE);
}

static void unwritable(void **state)
{
    const struct place *place = *state;
    struct ml_error err = ML_ERROR_INIT;
    struct lock lock = {0};
    assert_int_equal(mkdirat(place->fd, LOCK_FILE, 0700), 0);
    assert_int_equal(lock_save(place->fd, "d/" LOCK_FILE, &lock, NULL, &err), -1);
    assert_int_equal(err.status, ML_CANT_CREATE);
    assert_string_equal(err.message, "cannot write 'd/modload.lock': Is a directory");
    assert_int_equal(count_files(place), 1);
}

static void held(void **state)
{
    const struct place *place = *state;
    struct ml_error err = ML_ERROR_INIT;
    int pipe_fds[2], other = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(lock_hold(other, LOCK_FILE, 0, -1, &err), 0);
    assert_int_equal(lock_hold(place->fd, LOCK_FILE, 0, -1, &err), -1);
    assert_int_equal(err.status, ML_BUSY);
    assert_string_equal(err.message, "another modload is changing 'modload.lock'");
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    assert_int_equal(lock_hold(place->fd, LOCK_FILE, 60000, pipe_fds[0], &err), -1);
    assert_int_equal(err.status, ML_SIGNAL + SIGINT);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(other);
    assert_int_equal(lock_hold(place->fd, LOCK_FILE, 0, -1, &err), 0);
    flock(place->fd, LOCK_UN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(order),
        cmocka_unit_test(refused_members),
        cmocka_unit_test(refused_files),
        cmocka_unit_test(same_uuid),
        cmocka_unit_test(blocks),
        cmocka_unit_test(platforms),
        cmocka_unit_test(answers),
        cmocka_unit_test(submodules_count),
        cmocka_unit_test(release_counts),
        place_test(saved),
        place_test(litter),
        place_test(put_back),
        place_test(unwritable),
        place_test(held),
    };
    UNIT_RUN("project/lock", tests);
}
