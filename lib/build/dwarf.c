/* The symbol table says what can be called, the debug information how. A function is taken when
 * both know it: a static function has no global symbol, an inlined one no code, a declaration
 * neither. */
#include "build/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "build/dwarf-type.h"

enum { MODLOAD_LANG_C17 = 0x2c, RAW_PARAMS_MAX = 2 * ML_PARAMS_MAX + 1 };

/* A global function of the symbol table. */
struct symbol {
    const char *name;
    unsigned char visibility, type;
    GElf_Section section;
    GElf_Addr value;
    GElf_Xword size;
    bool described; /* the debug information has told of it */
    size_t fn;      /* where in the list, then */
};

struct reader {
    struct fn_list *list;
    struct arena *a;
    struct symbol *symbols;
    size_t n_symbols;
    bool shared; /* a shared object: functions go by the names that dlsym() knows */
    bool is_c;   /* the language of the unit that is being read */
};

/* ---- symbols ---- */

static int symbol_compare(const void *a, const void *b)
{
    return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

static struct symbol *symbol_find(struct reader *r, const char *name)
{
    struct symbol key = {.name = name};
    if (r->n_symbols == 0 || name == NULL)
        return NULL;
    return bsearch(&key, r->symbols, r->n_symbols, sizeof key, symbol_compare);
}

static bool is_global_function(const GElf_Sym *sym)
{
    unsigned char bind = GELF_ST_BIND(sym->st_info), type = GELF_ST_TYPE(sym->st_info);
    return sym->st_shndx != SHN_UNDEF && (bind == STB_GLOBAL || bind == STB_WEAK) &&
           (type == STT_FUNC || type == STT_GNU_IFUNC);
}

/* Names beginning with ml_ are modload's own; _init and _fini are the C library's. */
static bool is_reserved(const char *name)
{
    return strncmp(name, "ml_", 3) == 0 || strcmp(name, "_init") == 0 || strcmp(name, "_fini") == 0;
}

/* A name that is not printable UTF-8 cannot be typed, and is left out altogether. */
static void symbol_add(struct reader *r, Elf *elf, size_t strings, const GElf_Sym *sym)
{
    const char *name = elf_strptr(elf, strings, sym->st_name);
    if (!is_global_function(sym) || name == NULL || *name == '\0' || is_reserved(name) ||
        strcmp(fn_text(r->a, name), name) != 0)
        return;
    struct symbol *symbols = arena_grow(r->a, r->symbols, r->n_symbols, sizeof *symbols);
    if (symbols == NULL)
        return;
    r->symbols = symbols;
    symbols[r->n_symbols++] = (struct symbol){.name = arena_str(r->a, name),
                                              .visibility = GELF_ST_VISIBILITY(sym->st_other),
                                              .type = GELF_ST_TYPE(sym->st_info),
                                              .section = sym->st_shndx,
                                              .value = sym->st_value,
                                              .size = sym->st_size};
}

/* A shared object offers what its dynamic symbols name; a relocatable one has the other table only.
 */
static void symbols_read(struct reader *r, Elf *elf, GElf_Word table)
{
    Elf_Scn *scn = NULL;
    while ((scn = elf_nextscn(elf, scn)) != NULL) {
        GElf_Shdr shdr;
        if (gelf_getshdr(scn, &shdr) == NULL || shdr.sh_type != table || shdr.sh_entsize == 0)
            continue;
        Elf_Data *data = elf_getdata(scn, NULL);
        for (size_t i = 1; data != NULL && i < data->d_size / shdr.sh_entsize; i++) {
            GElf_Sym sym;
            if (gelf_getsym(data, (int)i, &sym) != NULL)
                symbol_add(r, elf, shdr.sh_link, &sym);
        }
    }
    if (r->n_symbols > 1)
        qsort(r->symbols, r->n_symbols, sizeof *r->symbols, symbol_compare);
}

/* ---- functions ---- */

static bool flag_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attr;
    bool flag = false;
    return dwarf_attr_integrate(die, name, &attr) != NULL && dwarf_formflag(&attr, &flag) == 0 &&
           flag;
}

/* The symbol where it is not the name: asm labels in C, mangled names elsewhere. */
static const char *linkage_name(Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    return dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ? dwarf_formstring(&attr) : NULL;
}

/* The parameters of a function that was also inlined stand at its abstract instance, all of them.
 */
static Dwarf_Die parameters_owner(Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    Dwarf_Die origin;
    if (dwarf_attr(die, DW_AT_abstract_origin, &attr) != NULL &&
        dwarf_formref_die(&attr, &origin) != NULL)
        return origin;
    return *die;
}

/* -1 when there are more than can be carried. */
static int parameters_read(Dwarf_Die *die, Dwarf_Die *params, bool *variadic)
{
    Dwarf_Die owner = parameters_owner(die), child;
    int n = 0;
    *variadic = false;
    if (dwarf_child(&owner, &child) != 0)
        return 0;
    do {
        if (dwarf_tag(&child) == DW_TAG_unspecified_parameters)
            *variadic = true;
        if (dwarf_tag(&child) != DW_TAG_formal_parameter)
            continue;
        if (n == RAW_PARAMS_MAX)
            return -1;
        params[n++] = child;
    } while (dwarf_siblingof(&child, &child) == 0);
    return n;
}

static const char *parameter_reason(struct arena *a, Dwarf_Die *param, int number, const char *what)
{
    const char *name = dwarf_diename(param);
    if (name != NULL)
        return arena_fmt(a, "parameter '%s' is %s", fn_text(a, name), what);
    return arena_fmt(a, "parameter %d is %s", number, what);
}

/* Fills in the result. A result of bytes needs somebody to tell its size: a last parameter size_t
 * *, which is then none of the caller's. */
static const char *result_carry(struct arena *a, Dwarf_Die *die, Dwarf_Die *params, int *n,
                                struct fn_type *ret)
{
    if (!dwarf_is_byte_pointer(die)) {
        const char *what = dwarf_carry(a, die, ret);
        return what ? arena_fmt(a, "the result is %s", what) : NULL;
    }
    if (*n == 0 || !dwarf_is_size_pointer(&params[*n - 1]))
        return "the result is bytes of no known size: that takes a last parameter of type size_t *";
    *n -= 1;
    *ret = (struct fn_type){.kind = ML_KIND_BYTES, .sized = 1};
    return NULL;
}

/* Types in the order of the declaration; bytes swallow the size_t behind them. The first that
 * cannot be carried gives the reason. */
static const char *parameters_carry(struct arena *a, Dwarf_Die *params, int n, struct fn *fn)
{
    fn->params = arena_alloc(a, ML_PARAMS_MAX, sizeof *fn->params);
    for (int i = 0; fn->params != NULL && i < n; i++) {
        if (fn->n_params == ML_PARAMS_MAX)
            return "it has too many parameters";
        struct fn_param *param = &fn->params[fn->n_params++];
        const char *name = dwarf_diename(&params[i]);
        param->name = name ? fn_text(a, name) : "";
        const char *what = dwarf_carry(a, &params[i], &param->type);
        if (what != NULL)
            return parameter_reason(a, &params[i], i + 1, what);
        if (param->type.kind == ML_KIND_BYTES && i + 1 < n && dwarf_is_size(&params[i + 1])) {
            param->type.sized = 1;
            i++;
        }
    }
    return NULL;
}

/* Why the function cannot be called, or null. */
static const char *function_carry(struct reader *r, Dwarf_Die *die, struct fn *fn)
{
    Dwarf_Die params[RAW_PARAMS_MAX];
    bool variadic;
    int n = parameters_read(die, params, &variadic);
    if (n < 0)
        return "it has too many parameters";
    if (variadic)
        return "it takes a variable number of arguments";
    /* An old-style definition promotes its arguments: a float travels as a double. */
    if (r->is_c && n > 0 && !flag_of(die, DW_AT_prototyped))
        return "it is defined in the old style, without a prototype";
    const char *reason = result_carry(r->a, die, params, &n, &fn->result);
    return reason ? reason : parameters_carry(r->a, params, n, fn);
}

static const char *symbol_reason(const struct symbol *symbol)
{
    if (symbol->visibility == STV_HIDDEN || symbol->visibility == STV_INTERNAL)
        return "hidden visibility";
    if (symbol->type == STT_GNU_IFUNC)
        return "which code it stands for is chosen at load time (IFUNC)";
    return NULL;
}

/* Clang counts files from 0, the unit's own, as DWARF 5 does (section 6.2.4). libdw 0.188 takes 0
 * for "none", as DWARF 4 did; the name of that file is the unit's. */
static const char *declared_file(Dwarf_Die *die)
{
    const char *file = dwarf_decl_file(die);
    Dwarf_Attribute attr;
    Dwarf_Word number;
    Dwarf_Die unit;
    if (file != NULL || dwarf_attr_integrate(die, DW_AT_decl_file, &attr) == NULL ||
        dwarf_formudata(&attr, &number) != 0 || number != 0 ||
        dwarf_diecu(die, &unit, NULL, NULL) == NULL)
        return file;
    return dwarf_diename(&unit);
}

static void function_place(struct arena *a, Dwarf_Die *die, struct fn *fn)
{
    const char *file = declared_file(die);
    fn->file = file ? arena_str(a, file) : NULL;
    if (dwarf_decl_line(die, &fn->line) != 0)
        fn->line = 0;
}

/* One DIE. Attributes are looked up through its abstract instance (dwarf_attr_integrate): for a
 * function that was also inlined, name, type and place stand there. */
static void function_read(struct reader *r, Dwarf_Die *die)
{
    const char *name = dwarf_diename(die), *linkage = linkage_name(die);
    struct symbol *symbol = symbol_find(r, linkage ? linkage : name);
    bool has_code = dwarf_hasattr(die, DW_AT_low_pc) || dwarf_hasattr(die, DW_AT_ranges);
    if (name == NULL || symbol == NULL || symbol->described || !has_code ||
        !flag_of(die, DW_AT_external) || is_reserved(name) ||
        strcmp(fn_text(r->a, name), name) != 0)
        return;
    symbol->described = true;
    symbol->fn = r->list->n;
    struct fn *fn = fn_list_add(r->list);
    if (fn == NULL)
        return;
    fn->name = r->shared ? symbol->name : arena_str(r->a, name);
    fn->symbol = symbol->name;
    function_place(r->a, die, fn);
    fn->reason = symbol_reason(symbol);
    if (fn->reason == NULL && !r->is_c && strcmp(name, symbol->name) != 0)
        fn->reason = "it is not a C function";
    if (fn->reason == NULL)
        fn->reason = function_carry(r, die, fn);
}

static bool language_is_c(Dwarf_Die *unit)
{
    switch (dwarf_srclang(unit)) {
    case DW_LANG_C89:
    case DW_LANG_C:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case MODLOAD_LANG_C17:
        return true;
    default:
        return false;
    }
}

static void unit_read(struct reader *r, Dwarf_Die *unit)
{
    Dwarf_Die child;
    r->is_c = language_is_c(unit);
    if (dwarf_child(unit, &child) != 0)
        return;
    do {
        if (dwarf_tag(&child) == DW_TAG_subprogram)
            function_read(r, &child);
    } while (dwarf_siblingof(&child, &child) == 0);
}

static void debug_read(struct reader *r, Dwarf *dwarf)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die unit;
    while (dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &unit, NULL) == 0)
        if (dwarf_tag(&unit) == DW_TAG_compile_unit)
            unit_read(r, &unit);
}

/* The described function that an alias is another name of. In a shared object, the same code under
 * two names may be what an optimizer made of two functions with different types. */
static const struct fn *alias_target(const struct reader *r, const struct symbol *alias)
{
    for (size_t i = 0; i < r->n_symbols && !r->shared && alias->size > 0; i++) {
        const struct symbol *s = &r->symbols[i];
        if (s->described && s->section == alias->section && s->value == alias->value &&
            s->size == alias->size)
            return &r->list->items[s->fn];
    }
    return NULL;
}

/* A symbol without a description: another name of a function that has one, or a function of unknown
 * types, for which the manifest may give a prototype. */
static void undescribed_add(struct reader *r, const struct symbol *symbol, bool has_debug)
{
    const struct fn *target = alias_target(r, symbol);
    struct fn known = target ? *target : (struct fn){.signature = "", .doc = ""};
    struct fn *fn = fn_list_add(r->list);
    if (fn == NULL)
        return;
    *fn = known;
    fn->name = fn->symbol = symbol->name;
    if (symbol_reason(symbol) != NULL)
        fn->reason = symbol_reason(symbol);
    else if (target == NULL) {
        fn->unknown = true;
        fn->reason = has_debug ? "the debug information does not describe it"
                               : "its object has no debug information";
    }
}

static void undescribed_add_all(struct reader *r, bool has_debug)
{
    for (size_t i = 0; i < r->n_symbols; i++) {
        const struct symbol *symbol = &r->symbols[i];
        bool again = i > 0 && strcmp(symbol->name, symbol[-1].name) == 0;
        if (!symbol->described && !again)
            undescribed_add(r, symbol, has_debug);
    }
}

/* ---- the object ---- */

/* Debug information is taken from the object itself: nothing is searched for, least of all on the
 * network. */
static int no_debuginfo(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base,
                        const char *file, const char *link, GElf_Word crc, char **path)
{
    return -1;
}

static int no_elf(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, char **path,
                  Elf **elf)
{
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = no_elf,
    .find_debuginfo = no_debuginfo,
    .section_address = dwfl_offline_section_address,
};

static void dwfl_release(Dwfl **dwfl)
{
    dwfl_end(*dwfl);
}

/* Offline reporting is what applies the relocations of a relocatable object's debug sections. */
static Dwfl_Module *module_open(Dwfl *dwfl, const char *path, int fd)
{
    AUTO_CLOSE int own = dup(fd);
    if (dwfl == NULL || own < 0)
        return NULL;
    dwfl_report_begin(dwfl);
    Dwfl_Module *mod = dwfl_report_offline(dwfl, "plugin", path, own);
    if (mod != NULL)
        steal_fd(&own); /* libdwfl closes it from here on */
    dwfl_report_end(dwfl, NULL, NULL);
    return mod;
}

/* elfutils takes a request for memory that is refused for a piece of the object that is not there,
 * and so would we, for a function that cannot be called. malloc(3) tells. */
int dwarf_read(int fd, const char *path, struct fn_list *list, struct ml_error *err)
{
    errno = 0;
    __attribute__((cleanup(dwfl_release))) Dwfl *dwfl = dwfl_begin(&callbacks);
    Dwfl_Module *mod = module_open(dwfl, path, fd);
    GElf_Addr bias;
    GElf_Ehdr ehdr;
    Elf *elf = mod ? dwfl_module_getelf(mod, &bias) : NULL;
    if (elf == NULL || gelf_getehdr(elf, &ehdr) == NULL)
        return errno == ENOMEM ? ml_error_memory(err)
                               : ml_error_set(err, ML_DATA, "bad_object",
                                              "the object cannot be read: %s", dwfl_errmsg(-1));
    struct reader r = {.list = list, .a = list->arena, .shared = ehdr.e_type != ET_REL};
    symbols_read(&r, elf, r.shared ? SHT_DYNSYM : SHT_SYMTAB);
    Dwarf *dwarf = dwfl_module_getdwarf(mod, &bias);
    if (dwarf != NULL)
        debug_read(&r, dwarf);
    undescribed_add_all(&r, dwarf != NULL);
    return list->arena->failed || errno == ENOMEM ? ml_error_memory(err) : 0;
}
