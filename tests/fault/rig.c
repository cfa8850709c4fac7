/* The set-up of all harnesses. */
#include "rig.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "layout.h"
#include "place.h"
#include "report.h"
#include "run.h"

/* ---- worlds ---- */

const char *rig_key(int number)
{
    static const char *const keys[N_KEYS + 1] = {"",
                                                 "10a00000-0000-4000-8000-000000000001",
                                                 "20a00000-0000-4000-8000-000000000002",
                                                 "30a00000-0000-4000-8000-000000000003",
                                                 "10b00000-0000-4000-8000-000000000004",
                                                 "50a00000-0000-4000-8000-000000000005",
                                                 "60a00000-0000-4000-8000-000000000006",
                                                 "70a00000-0000-4000-8000-000000000007",
                                                 "80a00000-0000-4000-8000-000000000008",
                                                 "90a00000-0000-4000-8000-000000000009"};
    return keys[number];
}

const char *rig_home(const struct rig *rig, const char *world, char path[PATH_ROOM])
{
    return path_make(path, "%s/%s/h", rig->base, world);
}

void rig_enter(const struct rig *rig, const char *world)
{
    char path[PATH_ROOM];
    path_make(path, "%s/%s", rig->base, world);
    if (fs_mkdir(AT_FDCWD, path, 0700) < 0)
        give_up("cannot make '%s': %s", path, strerror(errno));
    setenv("MODLOAD_RUNTIME_DIR", path_make(path, "%s/%s/r", rig->base, world), 1);
    setenv("MODLOAD_HOME", rig_home(rig, world, path), 1);
}

void rig_copy(const struct rig *rig, const char *from, const char *to)
{
    char source[PATH_ROOM], target[PATH_ROOM];
    rig_enter(rig, to);
    rig_home(rig, from, source);
    rig_home(rig, to, target);
    tree_remove(target);
    tree_copy(source, target);
}

/* ---- words ---- */

static void expand(const struct rig *rig, const char *text, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        char next = i + 1 < n ? text[i + 1] : '\0';
        if (text[i] == '%' && next >= '1' && next <= '9')
            buf_str(out, rig_key(next - '0'));
        else if (text[i] == '%' && next >= 'A' && next < 'A' + N_BUNDLES)
            buf_str(out, rig->bundle[next - 'A']);
        else {
            buf_char(out, text[i]);
            continue;
        }
        i++;
    }
}

void rig_words(const struct rig *rig, const char *line, size_t n, struct words *ret)
{
    BUF_AUTO text = BUF_INIT;
    int argc = 0;
    expand(rig, line, n, &text);
    if (text.len >= sizeof ret->text)
        give_up("too long: %s", line);
    memcpy(ret->text, buf_text(&text), text.len + 1);
    ret->argv[argc++] = rig->modload;
    for (char *word = strtok(ret->text, " "); word != NULL; word = strtok(NULL, " "))
        if (argc < MAX_WORDS - 1)
            ret->argv[argc++] = word;
    ret->argv[argc] = NULL;
}

void rig_file(const struct rig *rig, const char *name, const char *text)
{
    char path[PATH_ROOM];
    BUF_AUTO out = BUF_INIT;
    expand(rig, text, strlen(text), &out);
    const char *slash = strchr(name, '/');
    path_make(path, "%s/files/%.*s", rig->base, slash ? (int)(slash - name) : 0, name);
    if (slash != NULL && fs_mkdir(AT_FDCWD, path, 0700) < 0)
        give_up("cannot make '%s': %s", path, strerror(errno));
    path_make(path, "%s/files/%s", rig->base, name);
    unlink(path);
    if (fs_write_new(AT_FDCWD, path, buf_text(&out), out.len, 0600) < 0)
        give_up("cannot write '%s': %s", path, strerror(errno));
}

/* ---- what this build can do ---- */

bool rig_has(const struct rig *rig, const char *command)
{
    char line[80];
    snprintf(line, sizeof line, "\n  %s ", command);
    return strstr(buf_text(&rig->help), line) != NULL;
}

static bool has_option(const struct rig *rig, const char *command, const char *option)
{
    const char *argv[] = {rig->modload, "help", command, NULL};
    char line[80];
    ENDED_AUTO ended = ENDED_INIT;
    run(argv, &ended);
    snprintf(line, sizeof line, " %.*s ", (int)strcspn(option, "="), option);
    return strstr(buf_text(&ended.out), line) != NULL;
}

bool rig_supports(const struct rig *rig, const char *line, size_t n, char why[128])
{
    struct words words;
    rig_words(rig, line, n, &words);
    const char *command = words.argv[1];
    snprintf(why, 128, "this build has no command '%s'", command);
    if (!rig_has(rig, command))
        return false;
    for (int i = 2; words.argv[i] != NULL; i++) {
        snprintf(why, 128, "this build has no '%s %s'", command, words.argv[i]);
        if (strncmp(words.argv[i], "--", 2) == 0 && !has_option(rig, command, words.argv[i]))
            return false;
    }
    return true;
}

/* ---- setting up ---- */

/* What a sanitizer finds ends the program with 99, which is no exit code of modload. */
void rig_look_for_leaks(const struct rig *rig, bool look)
{
    char text[128];
    if (!rig->sanitized)
        return;
    snprintf(text, sizeof text, "exitcode=99:detect_leaks=%d:detect_stack_use_after_return=1",
             look);
    setenv("ASAN_OPTIONS", text, 1);
    setenv("UBSAN_OPTIONS", "exitcode=99:print_stacktrace=1", 1);
    setenv("LSAN_OPTIONS", "exitcode=99", 1);
}

static void make_bundle(struct rig *rig, int which, const char *name)
{
    char file[32], text[96];
    const char *argv[] = {rig->modload, "compile", "--json", file, NULL};
    ENDED_AUTO ended = ENDED_INIT;
    snprintf(file, sizeof file, "%s.c", name);
    snprintf(text, sizeof text, "/* One of a few. */\nint %s(int x) { return x + %d; }\n", name,
             which);
    rig_file(rig, file, text);
    if (run(argv, &ended) < 0)
        give_up("cannot compile '%s': %s", file, buf_text(&ended.err));
    cJSON *answer = cJSON_Parse(buf_text(&ended.out));
    const char *id =
        cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(answer, "data"), "bundle"));
    if (id == NULL || strlen(id) >= BUNDLE_SIZE)
        give_up("compile says no bundle: %s", buf_text(&ended.out));
    strcpy(rig->bundle[which], id);
    cJSON_Delete(answer);
}

/* A shared object that modload did not make: filing it needs the compiler for the entry stubs only.
 */
static void make_object(const struct rig *rig)
{
    static const char *const argv[] = {"/usr/bin/env", "cc",        "-g", "-shared", "-fPIC", "-o",
                                       "epsilon.so",   "epsilon.c", NULL};
    ENDED_AUTO ended = ENDED_INIT;
    rig_file(rig, "epsilon.c", "int epsilon(int x) { return x - 1; }\n");
    if (run(argv, &ended) < 0)
        give_up("cannot compile epsilon.c: %s", buf_text(&ended.err));
}

static void read_help(struct rig *rig)
{
    const char *argv[] = {rig->modload, "help", NULL};
    ENDED_AUTO ended = ENDED_INIT;
    if (run(argv, &ended) < 0)
        give_up("'modload help' does not work: %s", buf_text(&ended.err));
    rig->help = ended.out;
    ended.out = (struct buf)BUF_INIT;
}

static void find_build(struct rig *rig, const char *given)
{
    char build[PATH_ROOM];
    place_build(given, build);
    path_make(rig->modload, "%s/bin/modload", build);
    path_make(rig->core, "%s/libexec/modload/modload-core", build);
    path_make(rig->nomem, "%s/fault/nomem.so", build);
    if (access(rig->modload, X_OK) < 0)
        give_up("there is no '%s'", rig->modload);
}

void rig_init(struct rig *rig, const char *build, bool keep)
{
    static const char *const names[N_BUNDLES] = {"alpha", "beta", "gamma", "delta"};
    char path[PATH_ROOM];
    find_build(rig, build);
    place_clean_environment();
    rig_look_for_leaks(rig, false);
    place_open("fault", keep, rig->base);
    run_init();
    path_make(path, "%s/files", rig->base);
    if (mkdir(path, 0700) < 0 || chdir(path) < 0)
        give_up("cannot use '%s': %s", path, strerror(errno));
    rig_enter(rig, "seed");
    for (int i = 0; i < N_BUNDLES; i++)
        make_bundle(rig, i, names[i]);
    make_object(rig);
    read_help(rig);
    rig->format = layout_format(rig_home(rig, "seed", path));
}
