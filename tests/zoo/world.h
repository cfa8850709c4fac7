/* Where the animals live: worlds, each with a registry and a run-time directory of its own, and in
 * them cages, each with a worker that has one plugin. */
#ifndef ZOO_WORLD_H
#define ZOO_WORLD_H

#include "answer.h"
#include "look.h"
#include "place.h"
#include "rows.h"
#include "run.h"

#define STORM_PLUGIN "zoo/crowd"
enum { MAX_PLUGINS = 64, KEY_SIZE = 37, MAX_WORDS = 24, FACTS_SIZE = 16384 };

/* A worker, and how it was when it was well. Shared by all processes. */
struct cage {
    pid_t pid; /* 0: it is not loaded */
    int descriptors;
    long memory_kib;
    unsigned long counts[N_COUNTERS];
    char facts[FACTS_SIZE];
};

struct zoo {
    char base[PLACE_SIZE]; /* everything lies in here */
    char modload[PATH_ROOM];
    const char *plugin[MAX_PLUGINS]; /* each once; the first one behaves */
    int n_plugins, n_worlds;
    uint64_t *empty; /* of each world: its run-time directory without a worker */
    struct cage *cages;
};

/* Registers the plugins of some rows, up to a null (or of none: null), and that of the storm, which
 * behaves. `base` was made by place_open(); the working directory is the top of the sources. */
void zoo_init(struct zoo *zoo, const char *base, const char *build, const struct row *const *chosen,
              int n_worlds);

/* Makes the world of that number, and enters it. */
void world_make(struct zoo *zoo, int world);

/* From now on this process works in that world: by all that modload is told by the environment, the
 * working directory, and $TMPDIR. */
void world_enter(const struct zoo *zoo, int world);
const char *world_path(const struct zoo *zoo, int world, const char *what, char path[PATH_ROOM]);

/* A number for all files that commands and calls of this world could make or remove. */
uint64_t world_files(const struct zoo *zoo, int world);

/* The directory that is there to be plundered, whole again. */
void world_victim(const struct zoo *zoo, int world);

int zoo_plugin(const struct zoo *zoo, const char *plugin);
void zoo_key(int plugin, char key[KEY_SIZE]);
struct cage *zoo_cage(const struct zoo *zoo, int world, int plugin);

/* A command: words as in struct row, for a plugin's key. argv[0] is modload. */
struct command {
    const char *argv[MAX_WORDS];
    char text[4096];
};
void command_make(const struct zoo *zoo, int world, int plugin, const char *line,
                  struct command *ret);

#endif
