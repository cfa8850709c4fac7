/* Goal of this test: whatever happens to a filed bundle is told, each thing once, with its path and
 * in words; and a whole one has nothing to be told of. */
#include "build/check.h"

#include "mend.h"

static const char *given_bundle(const struct place *place)
{
    built_write(place, "d/modload.json", "{\"name\":\"m\",\"version\":\"1.2.3\"}");
    built_write(place, "d/one.c", "#include \"sub/h.h\"\nint one(void) { return H; }\n");
    built_write(place, "d/sub/h.h", "#define H 1\n");
    return mend_build(place, "d");
}

/* A copy of the registry for each case: to build is what takes time. */
static void put_back(const struct place *place)
{
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && { [ ! -d whole ] || { chmod -R u+rwx home && rm -rf home && cp -a whole "
             "home; }; } && { [ -d whole ] || cp -a home whole; }",
             place->path);
    assert_int_equal(system(command), 0);
}

#define DIFFERS "is not what was filed: its digest differs\n"

static void damages(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *command, *said;
    } cases[] = {
        {"nothing", ":", ""},
        {"a flipped bit", "printf '\\377' | dd of=plugin.so bs=1 seek=200 conv=notrunc status=none",
         "plugin.so: " DIFFERS},
        {"cut off", "truncate -s 100 plugin.so", "plugin.so: " DIFFERS},
        {"longer", "echo >>source/one.c", "source/one.c: " DIFFERS},
        {"empty", ": >name", "name: is empty, and was not when it was filed\n"},
        {"missing", "rm manifest.json", "manifest.json: is missing\n"},
        {"two at once", "echo >>name; rm plugin.so", "name: " DIFFERS "plugin.so: is missing\n"},
        {"a directory missing", "rm -r source/sub", "source/sub/h.h: is missing\n"},
        {"a foreign file", "echo >.swp", ".swp: is a file that is not of this bundle\n"},
        {"a foreign file beneath", "echo >source/sub/x.h",
         "source/sub/x.h: is a file that is not of this bundle\n"},
        {"a foreign directory", "mkdir -p new/er; echo >new/er/x",
         "new: is a directory that is not of this bundle\n"},
        {"a foreign link", "ln -s /nowhere link", "link: is a link that is not of this bundle\n"},
        {"a link", "mv name /tmp/name.$$; ln -s /etc/passwd name; rm /tmp/name.$$",
         "name: is a symbolic link, not a file\n"},
        {"a link to a directory", "mv source/sub source/real; ln -s real source/sub",
         "source/real: is a directory that is not of this bundle\n"
         "source/sub: is a link that is not of this bundle\nsource/sub/h.h: is missing\n"},
        {"a directory for a file", "rm name; mkdir name", "name: is a directory, not a file\n"},
        {"a FIFO", "rm plugin.so; mkfifo plugin.so", "plugin.so: is a FIFO, not a file\n"},
        {"no list", "rm SHA256SUMS", "SHA256SUMS: is missing\n"},
        {"an empty list", ": >SHA256SUMS",
         "SHA256SUMS: is no list of digests as sha256sum writes it\n"},
        {"a list that is none", "echo hello >SHA256SUMS",
         "SHA256SUMS: is no list of digests as sha256sum writes it\n"},
        {"a list that is cut off", "truncate -s -1 SHA256SUMS",
         "SHA256SUMS: is no list of digests as sha256sum writes it\n"},
        {"a list that climbs", "echo \"$(head -c 64 SHA256SUMS)  ../x\" >>SHA256SUMS",
         "SHA256SUMS: is no list of digests as sha256sum writes it\n"},
        {"a list with a line twice", "head -n 1 SHA256SUMS >s; cat s >>SHA256SUMS; rm s",
         "SHA256SUMS: is no list of digests as sha256sum writes it\n"},
        {"not listed", "sed -i /plugin.so/d SHA256SUMS", "plugin.so: is not named in SHA256SUMS\n"},
        {"listed and missing", "sed -i '/ name$/s/name$/eman/' SHA256SUMS",
         "eman: is missing\neman: is named in SHA256SUMS, and not in build.json\n"
         "name: is not named in SHA256SUMS\n"},
        {"added with its line", "echo >extra; sums",
         "extra: is named in SHA256SUMS, and not in build.json\n"},
        {"more capabilities, with its line",
         "sed -i 's/}$/,\"capabilities\":[\"net\"]}/' manifest.json; sums",
         "manifest.json: does not have the capabilities that its source asks for\n"},
        {"a capability that is none, with its line",
         "sed -i 's/}$/,\"capabilities\":[\"nte\"]}/' manifest.json; sums",
         "manifest.json: is no manifest\n"},
        {"removed with its line", "rm source/sub/h.h; sums", "source/sub/h.h: is missing\n"},
    };
    const char *id = given_bundle(place);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_back(place);
        mend_damage(place, id, cases[i].command);
        case_text(cases[i].name, mend_check(place, id), cases[i].said);
    }
}

static void modes(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *command, *said;
    } cases[] = {
        {"chmod 600 plugin.so", "plugin.so: has mode 0600, not 0400\n"},
        {"chmod 444 source/one.c", "source/one.c: has mode 0444, not 0400\n"},
        {"chmod 4400 name", "name: has mode 4400, not 0400\n"},
        {"chmod 755 source/sub", "source/sub: has mode 0755, not 0700\n"},
        {"chmod 770 .", ".: has mode 0770, not 0700\n"},
        {"chmod 666 SHA256SUMS", "SHA256SUMS: has mode 0666, not 0400\n"},
        {"chmod 555 source; chmod 200 source/sub/h.h", NULL},
    };
    const char *id = given_bundle(place);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_back(place);
        mend_damage_modes(place, id, cases[i].command);
        const char *said = mend_check(place, id);
        if (cases[i].said != NULL)
            case_text(cases[i].command, said, cases[i].said);
        else
            case_true(cases[i].command,
                      strstr(said, "source: has mode 0555, not 0700\n") != NULL &&
                          strstr(said, "source/sub/h.h: has mode 0200, not 0400\n") != NULL);
    }
}

/* Root may read everything, so a child of another user looks, at a place that is his. */
struct onlooker {
    char home[512];
    const char *id, *said;
};

static int append(const char *path, const char *what, void *arg)
{
    char *text = arg;
    sprintf(text + strlen(text), "%s: %s\n", path, what);
    return 0;
}

static int look_as_other(void *arg)
{
    const struct onlooker *o = arg;
    struct ml_ctx_options options = {.home = o->home, .runtime_dir = o->home};
    struct ml_ctx *ctx;
    char said[4096] = "";
    if (geteuid() == 0)
        CHILD_CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    CHILD_CHECK(ml_ctx_new(&options, &ctx, NULL) == 0);
    CHILD_CHECK(ml_bundle_check(ctx, o->id, append, said, NULL) > 0);
    ml_ctx_free(ctx);
    fprintf(stderr, "# %s", said);
    CHILD_CHECK(strncmp(said, o->said, strlen(o->said)) == 0);
    return 0;
}

static void unreadable(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *command, *said;
    } cases[] = {
        {"chmod 0 source/sub name",
         "name: cannot be read: Permission denied\nname: has mode 0000, not 0400\n"
         "source/sub: cannot be read: Permission denied\nsource/sub: has mode 0000, not 0700\n"},
        {"chmod 100 .", ".: cannot be read: it has mode 0100 and belongs to uid "},
    };
    const char *id = given_bundle(place);
    struct onlooker onlooker = {.id = id};
    snprintf(onlooker.home, sizeof onlooker.home, "%s", place_path(place, "home"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_back(place);
        mend_damage_modes(place, id, cases[i].command);
        if (geteuid() == 0)
            mend_damage_modes(place, id, "chmod 755 ../../..; chown -R 65534 ../..");
        onlooker.said = cases[i].said;
        case_int(cases[i].command, child_run(look_as_other, &onlooker), 0);
    }
}

static void owners(void **state)
{
    struct place *place = *state;
    if (geteuid() != 0)
        skip();
    const char *id = given_bundle(place);
    mend_damage_modes(place, id, "chown 1 name source");
    assert_string_equal(mend_check(place, id), "name: belongs to uid 1, not to you (0)\n"
                                               "source: belongs to uid 1, not to you (0)\n");
}

static int stop(const char *path, const char *what, void *arg)
{
    ++*(int *)arg;
    return 1;
}

static void callers(void **state)
{
    struct place *place = *state;
    struct ml_error err = ML_ERROR_INIT;
    struct ml_ctx *ctx;
    int seen = 0, fds = count_fds();
    const char *id = given_bundle(place);
    mend_damage(place, id, "rm name plugin.so; echo >x");
    struct ml_ctx_options options = {.home = place_path(place, "home"),
                                     .runtime_dir = place_path(place, "run")};
    assert_int_equal(ml_ctx_new(&options, &ctx, NULL), 0);
    assert_int_equal(ml_bundle_check(ctx, id, NULL, NULL, &err), 3);
    assert_int_equal(ml_bundle_check(ctx, id, stop, &seen, &err), 3);
    assert_int_equal(seen, 1);
    assert_int_equal(ml_bundle_check(ctx, "../..", NULL, NULL, &err), -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    assert_int_equal(ml_bundle_check(ctx, "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, NULL, &err),
                     -1);
    assert_int_equal(err.status, ML_NO_INPUT);
    ml_ctx_free(ctx);
    assert_int_equal(count_fds(), fds);
}

/* Names that a list of digests has to escape, and some that only look dangerous. */
static void names(void **state)
{
    struct place *place = *state;
    built_write(
        place, "one.c",
        "#include \"a\\b.h\"\n#include \"a..h\"\n#include \" .h\"\nint one(void) { return 1; "
        "}\n");
    built_write(place, "a\\b.h", "\n");
    built_write(place, "a..h", "\n");
    built_write(place, " .h", "\n");
    const char *id = mend_build(place, "one.c");
    assert_string_equal(mend_check(place, id), "");
    mend_damage(place, id, "echo >>'source/a\\b.h'");
    assert_string_equal(mend_check(place, id), "source/a\\b.h: " DIFFERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        memory_place_test(damages), memory_place_test(modes),   memory_place_test(unreadable),
        memory_place_test(owners),  memory_place_test(callers), memory_place_test(names),
    };
    UNIT_RUN("build/check", tests);
}
