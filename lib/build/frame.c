#include "build/frame.h"

#include <ctype.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

/* ---- files ---- */

/* The mapped file that the address is in; its name, or null. */
static const char *find_object(const struct frames *frames, uint64_t pc, struct wire_object *object)
{
    const char *at = frames->crash->objects, *name;
    while (wire_crash_next(frames->crash, &at, object, &name))
        if (pc >= object->start && pc < object->end)
            return name;
    return NULL;
}

bool frames_known(const struct frames *frames, uint64_t pc)
{
    struct wire_object object;
    return find_object(frames, pc, &object) != NULL;
}

/* libdw puts before a relative path where the compiler stood. In what modload has compiled that is
 * "." (build/map.c); of other objects it says where somebody has built them, which is of no use. */
static const char *tidy_path(struct arena *a, Dwarf_Die *unit, const char *path)
{
    Dwarf_Attribute attr;
    const char *stood = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attr));
    size_t n = stood ? strlen(stood) : 0;
    if (path == NULL)
        return "";
    if (n > 0 && strncmp(path, stood, n) == 0 && path[n] == '/')
        path += n + 1;
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return arena_str(a, path);
}

/* ---- functions ---- */

/* A function's name by the symbol table: only if the address is within it. libdwfl gives the
 * nearest one before, which in an object without its own symbols is some other function. */
static const char *symbol_at(Dwfl_Module *mod, uint64_t pc)
{
    GElf_Off offset;
    GElf_Sym sym;
    const char *name = dwfl_module_addrinfo(mod, pc, &offset, &sym, NULL, NULL, NULL);
    return name != NULL && offset < sym.st_size ? name : "";
}

/* The stubs that modload writes (build/stubs.c): no plugin's function may be called so. */
static bool is_stub(const char *symbol)
{
    size_t n = strlen("ml_s");
    return strncmp(symbol, "ml_s", n) == 0 && isdigit((unsigned char)symbol[n]) &&
           symbol[n + strspn(symbol + n, "0123456789")] == '\0';
}

static bool push(struct frames *frames, struct ml_frame frame)
{
    if (frames->n == FRAMES_MAX)
        return false;
    struct ml_frame *items = arena_grow(frames->a, frames->items, frames->n, sizeof *items);
    if (items == NULL)
        return false;
    frames->items = items;
    items[frames->n++] = frame;
    return true;
}

/* The scopes around the address, innermost first, as they are nested in the code. The first call
 * finds the innermost one, and looks outwards in the source from there; the second one follows the
 * copies that the compiler has made. The caller frees them. */
static int scopes_at(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die **ret)
{
    Dwarf_Die *scopes = NULL;
    int n = dwarf_getscopes(unit, pc, &scopes);
    if (n <= 0)
        return 0;
    Dwarf_Die innermost = scopes[0];
    free(scopes);
    n = dwarf_getscopes_die(&innermost, ret);
    return n > 0 ? n : 0;
}

/* Where an inlined function was called. */
static void call_place(struct arena *a, Dwarf_Die *unit, Dwarf_Die *scope, struct ml_frame *frame)
{
    Dwarf_Attribute attr;
    Dwarf_Word number = 0, line = 0;
    Dwarf_Files *files;
    frame->file = "";
    if (dwarf_getsrcfiles(unit, &files, NULL) == 0 &&
        dwarf_formudata(dwarf_attr(scope, DW_AT_call_file, &attr), &number) == 0)
        frame->file = tidy_path(a, unit, dwarf_filesrc(files, number, NULL, NULL));
    dwarf_formudata(dwarf_attr(scope, DW_AT_call_line, &attr), &line);
    frame->line = (unsigned)line;
}

/* The unit that the address belongs to, or null. GCC writes a table of them, Clang does not: then
 * each is asked. */
static Dwarf_Die *unit_at(Dwfl_Module *mod, uint64_t pc, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(mod, pc, bias);
    if (unit != NULL)
        return unit;
    while ((unit = dwfl_module_nextcu(mod, unit, bias)) != NULL)
        if (dwarf_haspc(unit, pc - *bias) > 0)
            return unit;
    return NULL;
}

static void line_at(struct arena *a, Dwarf_Die *unit, Dwarf_Addr pc, struct ml_frame *frame)
{
    int line = 0;
    Dwarf_Line *place = dwarf_getsrc_die(unit, pc);
    if (place == NULL)
        return;
    frame->file = tidy_path(a, unit, dwarf_linesrc(place, NULL, NULL));
    dwarf_lineno(place, &line);
    frame->line = line > 0 ? (unsigned)line : 0;
}

/* All that the debug information knows of the address: each inlined function, then the one whose
 * code it is. `frame` comes with what else is known. */
static bool push_scopes(struct frames *frames, Dwarf_Die *unit, Dwarf_Addr pc,
                        struct ml_frame *frame)
{
    Dwarf_Die *scopes = NULL;
    int n = scopes_at(unit, pc, &scopes);
    bool room = true;
    for (int i = 0; i < n && room; i++) {
        int tag = dwarf_tag(&scopes[i]);
        const char *name = dwarf_diename(&scopes[i]);
        if (tag == DW_TAG_subprogram && name != NULL)
            frame->function = arena_str(frames->a, name);
        if (tag != DW_TAG_inlined_subroutine)
            continue;
        struct ml_frame inlined = *frame;
        inlined.function = name ? arena_str(frames->a, name) : "";
        inlined.inlined = true;
        room = push(frames, inlined);
        call_place(frames->a, unit, &scopes[i], frame);
    }
    free(scopes);
    return room && push(frames, *frame);
}

/* The worker's own program is called "" (client/wire-crash.h); the stub, which is in the plugin's
 * object, is modload's as well. A stub that calls a function last of all leaves no frame. */
bool frames_add(struct frames *frames, uint64_t pc)
{
    struct wire_object object;
    const char *name = find_object(frames, pc, &object);
    struct ml_frame frame = {.function = "", .file = "", .object = "", .offset = pc};
    if (name == NULL)
        return push(frames, frame);
    frame.offset = pc - object.bias;
    frame.object = *name ? arena_str(frames->a, name) : WIRE_OBJECT_SELF;
    if (*name == '\0' && frames->n == 0)
        push(frames, frame); /* it has crashed in modload's own code: better than nothing */
    frames->whole = *name == '\0';
    if (frames->whole)
        return false;
    Dwfl_Module *mod = dwfl_addrmodule(frames->dwfl, pc);
    if (mod == NULL)
        return push(frames, frame);
    frame.function = arena_str(frames->a, symbol_at(mod, pc));
    frames->whole = *name != '/' && is_stub(frame.function);
    if (frames->whole)
        return false;
    Dwarf_Addr bias;
    Dwarf_Die *unit = unit_at(mod, pc, &bias);
    if (unit == NULL)
        return push(frames, frame);
    line_at(frames->a, unit, pc - bias, &frame);
    return push_scopes(frames, unit, pc - bias, &frame);
}
