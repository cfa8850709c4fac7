/* The one table of commands that are killed, failed and cut off from their power. A command that
 * this build does not have is passed over, and said to be. */
#include "cases.h"

const char *const fault_files[][2] = {
    {"many.json", "{\"key\":\"%1\",\"bundle\":\"%C\"}\n"
                  "{\"key\":\"%4\",\"bundle\":\"%D\"}\n"
                  "{\"key\":\"%3\",\"bundle\":\"%B\",\"name\":\"three\"}\n"
                  "{\"key\":\"%2\",\"bundle\":\"%B\",\"name\":\"two\"}\n"
                  "{\"key\":\"%6\",\"bundle\":\"%A\"}\n"},
    {"built.json", "{\"key\":\"%1\",\"path\":\"zeta.c\",\"name\":\"zeta\"}\n"
                   "{\"key\":\"%4\",\"path\":\"epsilon.so\"}\n"
                   "{\"key\":\"%2\",\"bundle\":\"%B\",\"name\":\"two\"}\n"},
    {"zeta.c",
     "/* One that is built while it is looked at. */\nint zeta(int x) { return x * 2; }\n"},
    {"eta/eta.c", "/* One that is installed. */\nint eta(int x) { return x * 3; }\n"},
    {"eta/modload.json", "{\"name\":\"eta-plugin\",\"version\":\"1.0.0\",\"sources\":[\"*.c\"],"
                         "\"tests\":[{\"call\":\"eta\",\"args\":[2],\"expect\":6}]}\n"},
};
const size_t n_fault_files = sizeof fault_files / sizeof *fault_files;

/* What `register --many many.json` comes to, when 1 and 2 were there before. */
#define MANY    "1:C:alpha 4:D:delta 3:B:three 2:B:two 6:A:-"
#define TWO     "register %1 %A; register %2 %B"
#define BOTH    "1:A:alpha 2:B:beta"
#define HISTORY "register %1 %A; register %1 %B; register %1 %C; register %2 %D"
#define THIRD   "1:C:alpha 2:D:delta"
#define OLD_ONE "1:C:alpha 2:B:beta 4:D:delta"

const struct fault_case fault_cases[] = {
    {"register, a new key", "register %1 %A", "register %2 %B", "1:A:alpha", BOTH, 0, 0},
    {"register, in a shard that is there", "register %1 %A", "register %4 %B", "1:A:alpha",
     "1:A:alpha 4:B:beta", 0, 0},
    {"register, a new generation", "register %1 %A", "register %1 %B", "1:A:alpha", "1:B:alpha", 0,
     0},
    {"register, the same again", TWO, "register %1 %A", BOTH, BOTH, 0, 0},
    {"register, another name", "register %1 %A", "register %1 %B --name other", "1:A:alpha",
     "1:B:other", 0, 0},
    {"register, no name any more", "register %1 %A", "register %1 %A --name=", "1:A:alpha", "1:A:-",
     0, 0},
    {"register, what was taken out", "register %1 %A; register %1 %B; unregister %1",
     "register %1 %C", "", "1:C:gamma", 0, 0},
    {"register, the first of a home", "!empty", "register %1 epsilon.so", "", NULL, CASE_LOOSE, 0},
    {"unregister", TWO, "unregister %1", BOTH, "2:B:beta", 0, 0},
    {"uninstall", TWO, "uninstall %1", BOTH, "2:B:beta", CASE_LOOSE, 0},
    {"unregister, the last one", "register %1 %A", "unregister %1", "1:A:alpha", "", 0, 0},
    {"register --many", TWO, "register --many many.json", BOTH, MANY, 0, 0},
    {"register --many, into nothing", "", "register --many many.json", "",
     "1:C:gamma 4:D:delta 3:B:three 2:B:two 6:A:alpha", 0, 0},
    {"register --many, with what has to be built", TWO, "register --many built.json -j1", BOTH,
     NULL, CASE_LOOSE, 0},
    {"register, from a source", "register %1 %A", "register %1 zeta.c", "1:A:alpha", NULL,
     CASE_LOOSE, 0},
    {"install, a directory, with its tests", "register %1 %A", "install --yes --as %2 eta",
     "1:A:alpha", NULL, CASE_LOOSE, 0},
    {"rollback", HISTORY, "rollback %1 1", THIRD, "1:A:alpha 2:D:delta", 0, 0},
    {"rollback, what was taken out", HISTORY "; unregister %1", "rollback %1 2", "2:D:delta",
     "1:B:alpha 2:D:delta", 0, 0},
    {"pin", HISTORY, "pin %1 2", THIRD, THIRD, 0, 0},
    {"unpin", HISTORY "; pin %1 2", "unpin %1 2", THIRD, THIRD, 0, 0},
    {"gc", HISTORY "; unregister %2", "gc", "1:C:alpha", "1:C:alpha", CASE_LOOSE, 0},
    {"gc --keep-last 1", HISTORY "; pin %1 2", "gc --keep-last 1", THIRD, THIRD, CASE_LOOSE, 0},
    {"gc --older-than 0s", HISTORY "; unregister %2; pin %1 1", "gc --older-than 0s", "1:C:alpha",
     "1:C:alpha", CASE_LOOSE, 0},
    {"compile", "register %1 %A", "compile epsilon.so", "1:A:alpha", "1:A:alpha", 0, 0},
    {"import", HISTORY "; export one.pack; !seed; register %3 %D", "import one.pack", "3:D:delta",
     "1:C:alpha 2:D:- 3:D:delta", CASE_LOOSE, 65},
    {"import, into nothing", HISTORY "; export two.pack; !empty", "import two.pack", "", THIRD,
     CASE_LOOSE, 65},
    {"register, a pack as it is",
     "register %1 %A; pack %1 --binary -o binary.pack; !seed; register %3 %D",
     "register %2 binary.pack", "3:D:delta", "2:A:alpha 3:D:delta", CASE_LOOSE, 0},
    {"install, a pack", "register %1 %A; pack %1 --binary -o binary.pack; !empty",
     "install --yes --as %2 binary.pack", "", "2:A:alpha", CASE_LOOSE, 0},
    {"register, a pack that is built, into nothing",
     "register %1 %A; pack %1 -o source.pack; !empty", "register %2 source.pack", "", NULL,
     CASE_LOOSE, 0},
    {"verify --repair, a name", TWO "; !damage name alpha", "verify --repair", NULL, NULL,
     CASE_LOOSE | CASE_DAMAGED, 0},
    {"verify --repair, a bundle", TWO "; !damage bundle %A", "verify --repair", NULL, NULL,
     CASE_LOOSE | CASE_DAMAGED, 0},
    {"verify --repair, of one entry", "register %1 %A; register %1 %B; !damage bundle %A",
     "verify --repair %1", NULL, NULL, CASE_LOOSE | CASE_DAMAGED, 0},
    {"verify --repair, a link", TWO "; !damage link %1", "verify --repair", NULL, NULL,
     CASE_LOOSE | CASE_DAMAGED, 0},
    {"verify --repair, a history", TWO "; !damage history %1", "verify --repair", NULL, NULL,
     CASE_LOOSE | CASE_DAMAGED, 0},
    {"the upgrade of format 1", "!format1", "list", OLD_ONE, OLD_ONE, 0, 0},
    {"finishing a change, from its start", "register %1 %A; !cut 0 register %1 %B --name other",
     "list", "1:B:other", "1:B:other", 0, 0},
    {"finishing a change, from its end", TWO "; !cut 100 register --many many.json", "list", MANY,
     MANY, 0, 0},
    {"finishing a change, from within", TWO "; !cut 50 register --many many.json",
     "register %5 %D --name five", MANY, MANY " 5:D:five", 0, 0},
    {"list", TWO, "list", BOTH, BOTH, CASE_READS, 0},
    {"lookup", TWO, "lookup beta", BOTH, BOTH, CASE_READS, 0},
    {"info", TWO, "info alpha", BOTH, BOTH, CASE_READS, 0},
    {"history", HISTORY, "history %1", THIRD, THIRD, CASE_READS, 0},
    {"export", HISTORY, "export out.pack", THIRD, THIRD, CASE_READS, 0},
    {"pack", HISTORY, "pack %1 -o out.pack", THIRD, THIRD, CASE_READS, 0},
    {"verify", HISTORY, "verify", THIRD, THIRD, CASE_READS, 0},
};
const size_t n_fault_cases = sizeof fault_cases / sizeof *fault_cases;
