/* Homes for the zoo. */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/scope.h"
#include "client/wire.h"
#include "report.h"

enum {
    SEED = -1,         /* the world that all others are copies of */
    BUILD_MS = 600000, /* for all compilers together, on a machine that is busy with others */
};

const char *world_path(const struct zoo *zoo, int world, const char *what, char path[PATH_ROOM])
{
    if (world == SEED)
        return path_make(path, "%s/seed/%s", zoo->base, what);
    return path_make(path, "%s/w%d/%s", zoo->base, world, what);
}

static void make_directory(const char *path)
{
    if (fs_mkdir(AT_FDCWD, path, 0700) < 0)
        give_up("cannot make '%s': %s", path, strerror(errno));
}

static void make_places(const struct zoo *zoo, int world)
{
    static const char *const places[] = {"", "files", "tmp", "r"};
    char path[PATH_ROOM];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        make_directory(world_path(zoo, world, places[i], path));
}

void world_enter(const struct zoo *zoo, int world)
{
    char path[PATH_ROOM];
    setenv("MODLOAD_HOME", world_path(zoo, world, "h", path), 1);
    setenv("MODLOAD_RUNTIME_DIR", world_path(zoo, world, "r", path), 1);
    setenv("TMPDIR", world_path(zoo, world, "tmp", path), 1);
    if (chdir(world_path(zoo, world, "files", path)) < 0)
        give_up("cannot enter '%s': %s", path, strerror(errno));
}

uint64_t world_files(const struct zoo *zoo, int world)
{
    static const char *const places[] = {"files", "tmp", "r", "h"};
    char path[PATH_ROOM];
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        sum = sum * 31 + look_files(world_path(zoo, world, places[i], path));
    return sum;
}

void world_victim(const struct zoo *zoo, int world)
{
    static const char *const names[] = {"", "/victim", "/a", "/b", "/c", "/d"};
    char path[PATH_ROOM], name[16];
    tree_remove(world_path(zoo, world, "victim", path));
    make_directory(path);
    for (size_t i = 1; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "victim%s", names[i]);
        world_path(zoo, world, name, path);
        if (fs_write_new(AT_FDCWD, path, "", 0, 0600) < 0)
            give_up("cannot make '%s': %s", path, strerror(errno));
    }
}

/* ---- plugins ---- */

int zoo_plugin(const struct zoo *zoo, const char *plugin)
{
    for (int i = 0; i < zoo->n_plugins; i++)
        if (strcmp(zoo->plugin[i], plugin) == 0)
            return i;
    return -1;
}

void zoo_key(int plugin, char key[KEY_SIZE])
{
    snprintf(key, KEY_SIZE, "%02x000000-0000-4000-8000-%012d", plugin, plugin);
}

struct cage *zoo_cage(const struct zoo *zoo, int world, int plugin)
{
    return &zoo->cages[world * zoo->n_plugins + plugin];
}

static void add_plugin(struct zoo *zoo, const char *plugin)
{
    if (zoo_plugin(zoo, plugin) >= 0)
        return;
    if (zoo->n_plugins == MAX_PLUGINS)
        give_up("more than %d plugins", MAX_PLUGINS);
    zoo->plugin[zoo->n_plugins++] = plugin;
}

static void add_frame(const char *name, const struct ml_value *value, struct buf *out)
{
    BUF_AUTO payload = BUF_INIT;
    BUF_AUTO frame = BUF_INIT;
    wire_put_value(&payload, value);
    struct wire_head head = {WIRE_MAGIC, WIRE_VERSION, WIRE_OUTCOME, (uint32_t)payload.len};
    buf_add(&frame, &head, sizeof head);
    buf_add(&frame, payload.data, payload.len);
    buf_fmt(out, "static const unsigned char frame_%s[] = {", name);
    for (size_t i = 0; i < frame.len; i++)
        buf_fmt(out, "%d,", (unsigned char)frame.data[i]);
    buf_str(out, "};\n");
}

/* Frames to be forged by plugins, made by ourselves: they must not be told from true ones. */
static void write_frames(const char *path)
{
    const struct ml_value none = {.type = ML_VALUE_NONE};
    const struct ml_value number = {.type = ML_VALUE_INT, .integer = 42};
    BUF_AUTO text = BUF_INIT;
    buf_fmt(&text,
            "enum { FRAME_MAGIC = %d, FRAME_VERSION = %d, FRAME_CALL = %d, FRAME_QUERY = %d,"
            " FRAME_RELEASE = %d };\n",
            WIRE_MAGIC, WIRE_VERSION, WIRE_CALL, WIRE_QUERY, WIRE_RELEASE);
    buf_str(&text, "__attribute__((unused)) ");
    add_frame("ready", &none, &text);
    buf_str(&text, "__attribute__((unused)) ");
    add_frame("number", &number, &text);
    if (fs_write_new(AT_FDCWD, path, buf_text(&text), text.len, 0600) < 0)
        give_up("cannot write '%s': %s", path, strerror(errno));
}

/* Their sources, and beside them what they include. */
static void copy_sources(const struct zoo *zoo, char sources[PATH_ROOM])
{
    char path[PATH_ROOM];
    if (access("tests/plugins/zoo", R_OK) < 0)
        give_up("there is no tests/plugins/zoo: is this the top of the sources?");
    tree_copy("tests/plugins", path_make(sources, "%s/plugins", zoo->base));
    write_frames(path_make(path, "%s/zoo/frames.h", sources));
}

/* One transaction, and as many compilers at once as there are processors. */
static void register_plugins(const struct zoo *zoo)
{
    char path[PATH_ROOM], sources[PATH_ROOM], key[KEY_SIZE];
    const char *argv[] = {zoo->modload, "register", "--many", path, NULL};
    BUF_AUTO list = BUF_INIT;
    struct run_how how = RUN_PLAIN;
    ENDED_AUTO ended = ENDED_INIT;
    copy_sources(zoo, sources);
    for (int i = 0; i < zoo->n_plugins; i++) {
        zoo_key(i, key);
        buf_fmt(&list, "{\"key\":\"%s\",\"path\":\"%s/%s.c\"}\n", key, sources, zoo->plugin[i]);
    }
    world_enter(zoo, SEED);
    world_path(zoo, SEED, "plugins.json", path);
    if (fs_write_new(AT_FDCWD, path, buf_text(&list), list.len, 0600) < 0)
        give_up("cannot write '%s': %s", path, strerror(errno));
    how.limit_ms = BUILD_MS;
    if (run_as(argv, &how, &ended) < 0)
        give_up("cannot register the plugins: %s", buf_text(&ended.err));
}

/* ---- commands ---- */

/* Sockets lie in a directory that is called for the registry; of each world there is one. */
static void add_socket(const struct zoo *zoo, int world, int plugin, const char *ending,
                       struct buf *out)
{
    char path[PATH_ROOM], key[KEY_SIZE];
    AUTO_CLOSEDIR DIR *dir = opendir(world_path(zoo, world, "r", path));
    zoo_key(plugin, key);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.')
            buf_fmt(out, "%s/%s/%s.%s", path, e->d_name, key, ending);
}

static void add_word(const struct zoo *zoo, int world, int plugin, char which, struct buf *out)
{
    char path[PATH_ROOM], key[KEY_SIZE];
    zoo_key(plugin, key);
    switch (which) {
    case 'C':
        add_socket(zoo, world, plugin, "control", out);
        break;
    case 'L':
        add_socket(zoo, world, plugin, "call", out);
        break;
    case 'H':
        buf_str(out, world_path(zoo, world, "h", path));
        break;
    case 'R':
        buf_str(out, world_path(zoo, world, "r", path));
        break;
    case 'V':
        buf_str(out, world_path(zoo, world, "victim", path));
        break;
    default:
        buf_str(out, which == 'K' ? key : zoo->modload);
    }
}

void command_make(const struct zoo *zoo, int world, int plugin, const char *line,
                  struct command *ret)
{
    BUF_AUTO text = BUF_INIT;
    int argc = 0;
    for (const char *p = line; *p != '\0'; p++)
        if (*p == '%' && p[1] != '\0' && strchr("KMHRCLV", p[1]) != NULL)
            add_word(zoo, world, plugin, *++p, &text);
        else
            buf_char(&text, *p);
    if (text.len >= sizeof ret->text)
        give_up("too long: %s", line);
    memcpy(ret->text, buf_text(&text), text.len + 1);
    ret->argv[argc++] = zoo->modload;
    for (char *word = strtok(ret->text, " "); word != NULL; word = strtok(NULL, " "))
        if (argc < MAX_WORDS - 1)
            ret->argv[argc++] = word;
    ret->argv[argc] = NULL;
}

/* ---- setting up ---- */

/* A first worker makes the directory of sockets, which stays. */
void world_make(struct zoo *zoo, int world)
{
    static const char *const lines[] = {"load -t 25s %K", "release %K"};
    char path[PATH_ROOM], seed[PATH_ROOM];
    struct command c;
    ENDED_AUTO ended = ENDED_INIT;
    make_places(zoo, world);
    tree_copy(world_path(zoo, SEED, "h", seed), world_path(zoo, world, "h", path));
    world_enter(zoo, world);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        command_make(zoo, world, 0, lines[i], &c);
        if (run(c.argv, &ended) < 0)
            give_up("'%s' does not work: %s", lines[i], buf_text(&ended.err));
    }
    zoo->empty[world] = look_files(world_path(zoo, world, "r", path));
}

void zoo_init(struct zoo *zoo, const char *base, const char *build, const struct row *const *chosen,
              int n_worlds)
{
    char path[PATH_ROOM];
    *zoo = (struct zoo){.n_worlds = n_worlds};
    snprintf(zoo->base, sizeof zoo->base, "%s", base);
    place_build(build, path);
    if (path_make(zoo->modload, "%s/bin/modload", path) && access(zoo->modload, X_OK) < 0)
        give_up("there is no '%s'", zoo->modload);
    add_plugin(zoo, STORM_PLUGIN);
    for (; chosen != NULL && *chosen != NULL; chosen++)
        add_plugin(zoo, (*chosen)->plugin);
    zoo->cages = mmap(NULL, (size_t)(n_worlds * zoo->n_plugins) * sizeof *zoo->cages,
                      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (zoo->cages == MAP_FAILED)
        give_up("cannot share memory: %s", strerror(errno));
    run_init();
    zoo->empty = calloc((size_t)n_worlds, sizeof *zoo->empty);
    if (zoo->empty == NULL)
        give_up("out of memory");
    make_places(zoo, SEED);
    register_plugins(zoo);
    for (int i = 0; i < n_worlds; i++)
        world_make(zoo, i);
}
