/* libelf and the dynamic loader trust what an object says about itself: a header that points behind
 * the end of the file is a crash in them. So the object's own claims are checked with bounded reads
 * before either sees it. */
#include "build/object.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"

enum { IDENTITY_MAX = 65536 };

#if defined(__x86_64__)
enum { HOST_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { HOST_MACHINE = EM_AARCH64 };
#else
#error "modload runs on x86-64 and aarch64"
#endif

struct object {
    int fd;
    const char *label;
    uint64_t size;
    Elf64_Ehdr ehdr;
};

static int bad(const struct object *o, struct ml_error *err, const char *why)
{
    return ml_error_set(err, ML_DATA, "bad_object", "'%s' %s", o->label, why);
}

/* 0, or -1 when the bytes are not all there. */
static int read_at(const struct object *o, void *data, size_t n, uint64_t at)
{
    if (n > o->size || at > o->size - n)
        return -1;
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(o->fd, (char *)data + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {
        {EM_386, "x86, 32 bits"}, {EM_X86_64, "x86-64"}, {EM_ARM, "ARM"},
        {EM_AARCH64, "AArch64"},  {EM_RISCV, "RISC-V"},  {EM_PPC64, "PowerPC64"},
        {EM_S390, "S/390"},       {EM_MIPS, "MIPS"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].machine == machine)
            return names[i].name;
    return "one that modload does not know";
}

/* In words that say what it is, since that is mostly what went wrong. */
static int check_kind(const struct object *o, struct ml_error *err)
{
    switch (o->ehdr.e_type) {
    case ET_DYN:
        return 0;
    case ET_REL:
        bad(o, err, "is a relocatable object, not a shared one");
        return ml_error_hint(err, "link it first: cc -shared -o plugin.so %s", o->label);
    case ET_EXEC:
        return bad(o, err, "is an executable, not a shared object");
    case ET_CORE:
        return bad(o, err, "is a core dump, not a shared object");
    default:
        return bad(o, err, "is not a shared object");
    }
}

static int check_header(struct object *o, struct ml_error *err)
{
    unsigned char ident[EI_NIDENT];
    if (read_at(o, ident, sizeof ident, 0) < 0 || memcmp(ident, ELFMAG, SELFMAG) != 0)
        return bad(o, err, "is not an ELF object");
    if (ident[EI_CLASS] != ELFCLASS64)
        return bad(o, err, "is an ELF object of 32 bits, and this machine's have 64");
    if (ident[EI_DATA] != ELFDATA2LSB || ident[EI_VERSION] != EV_CURRENT)
        return bad(o, err, "is an ELF object of another byte order or version");
    if (read_at(o, &o->ehdr, sizeof o->ehdr, 0) < 0)
        return bad(o, err, "is cut off in its ELF header");
    if (o->ehdr.e_machine != HOST_MACHINE)
        return ml_error_set(err, ML_DATA, "bad_object", "'%s' is for another machine (%s)",
                            o->label, machine_name(o->ehdr.e_machine));
    return check_kind(o, err);
}

static bool inside(const struct object *o, uint64_t at, uint64_t n)
{
    return n <= o->size && at <= o->size - n;
}

/* An executable can be position-independent, and then looks like a shared object but for one flag.
 */
static bool is_pie(const struct object *o, const Elf64_Phdr *dynamic)
{
    Elf64_Dyn entry;
    for (uint64_t at = 0; at + sizeof entry <= dynamic->p_filesz; at += sizeof entry) {
        if (read_at(o, &entry, sizeof entry, dynamic->p_offset + at) < 0 || entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == DT_FLAGS_1)
            return (entry.d_un.d_val & DF_1_PIE) != 0;
    }
    return false;
}

/* What the dynamic loader will map. */
static int check_segments(const struct object *o, struct ml_error *err)
{
    bool has_code = false, has_dynamic = false;
    if (o->ehdr.e_phentsize != sizeof(Elf64_Phdr) || o->ehdr.e_phnum == 0 ||
        o->ehdr.e_phnum == PN_XNUM)
        return bad(o, err, "has no usable program headers");
    for (unsigned i = 0; i < o->ehdr.e_phnum; i++) {
        Elf64_Phdr phdr;
        uint64_t at = o->ehdr.e_phoff + (uint64_t)i * sizeof phdr;
        if (at < o->ehdr.e_phoff || read_at(o, &phdr, sizeof phdr, at) < 0)
            return bad(o, err, "is cut off in its program headers");
        if (phdr.p_type != PT_NULL && !inside(o, phdr.p_offset, phdr.p_filesz))
            return bad(o, err, "is cut off: a segment ends behind the end of the file");
        has_code = has_code || phdr.p_type == PT_LOAD;
        has_dynamic = has_dynamic || phdr.p_type == PT_DYNAMIC;
        if (phdr.p_type == PT_DYNAMIC && is_pie(o, &phdr))
            return bad(o, err, "is an executable, not a shared object");
    }
    return has_code && has_dynamic ? 0 : bad(o, err, "has nothing that could be loaded");
}

/* What libelf will read. An object may have no sections at all; a loader does not need them. */
static int check_sections(const struct object *o, struct ml_error *err)
{
    if (o->ehdr.e_shoff == 0 || o->ehdr.e_shnum == 0)
        return 0;
    if (o->ehdr.e_shentsize != sizeof(Elf64_Shdr))
        return bad(o, err, "has no usable section headers");
    uint64_t bytes = (uint64_t)o->ehdr.e_shnum * sizeof(Elf64_Shdr);
    AUTO_FREE Elf64_Shdr *sections = malloc(bytes);
    if (sections == NULL)
        return ml_error_memory(err);
    if (read_at(o, sections, bytes, o->ehdr.e_shoff) < 0)
        return bad(o, err, "is cut off in its section headers");
    for (unsigned i = 0; i < o->ehdr.e_shnum; i++)
        if (sections[i].sh_type != SHT_NOBITS && sections[i].sh_type != SHT_NULL &&
            !inside(o, sections[i].sh_offset, sections[i].sh_size))
            return bad(o, err, "is cut off: a section ends behind the end of the file");
    return 0;
}

int object_check(int fd, const char *label, struct ml_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return ml_error_errno(err, ML_IO, errno, "cannot read '%s'", label);
    struct object o = {.fd = fd, .label = label, .size = (uint64_t)st.st_size};
    if (o.size > OBJECT_SIZE_MAX)
        return ml_error_set(err, ML_LIMIT, NULL, "'%s' is larger than %d MiB", label,
                            OBJECT_SIZE_MAX >> 20);
    if (check_header(&o, err) < 0 || check_segments(&o, err) < 0)
        return -1;
    return check_sections(&o, err);
}

const char *object_machine(int fd)
{
    struct stat st;
    struct object o = {.fd = fd, .label = ""};
    if (fstat(fd, &st) < 0)
        return "";
    o.size = (uint64_t)st.st_size;
    if (read_at(&o, &o.ehdr, sizeof o.ehdr, 0) < 0 || memcmp(o.ehdr.e_ident, ELFMAG, SELFMAG) != 0)
        return "";
    return machine_name(o.ehdr.e_machine);
}

const char *object_machine_here(void)
{
    return machine_name(HOST_MACHINE);
}

/* ---- identity ---- */

static void elf_release(Elf **elf)
{
    elf_end(*elf);
}

/* The section holds texts, each with its NUL; a linker may have put padding between them. */
static void identities_split(struct arena *a, const Elf_Data *data, struct strv *ret)
{
    const char *text = data->d_buf;
    size_t size = data->d_size < IDENTITY_MAX ? data->d_size : IDENTITY_MAX;
    for (size_t at = 0; text != NULL && at < size;) {
        size_t n = strnlen(text + at, size - at);
        if (n > 0)
            strv_add(a, ret, arena_mem(a, text + at, n));
        at += n + 1;
    }
}

int object_identities(int fd, struct arena *a, struct strv *ret, struct ml_error *err)
{
    size_t names;
    elf_version(EV_CURRENT);
    errno = 0; /* libelf's own numbers are not public */
    __attribute__((cleanup(elf_release))) Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (elf == NULL && errno == ENOMEM)
        return ml_error_memory(err);
    if (elf == NULL)
        return ml_error_set(err, ML_DATA, "bad_object", "the object cannot be read: %s",
                            elf_errmsg(-1));
    if (elf_getshdrstrndx(elf, &names) != 0)
        return 0; /* no section headers, so none of ours */
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn)) != NULL;) {
        GElf_Shdr shdr;
        if (gelf_getshdr(scn, &shdr) == NULL || shdr.sh_type != SHT_PROGBITS)
            continue;
        const char *name = elf_strptr(elf, names, shdr.sh_name);
        Elf_Data *data = NULL;
        if (name != NULL && strcmp(name, ".modload.identity") == 0)
            data = elf_getdata(scn, NULL);
        if (data != NULL)
            identities_split(a, data, ret);
    }
    return a->failed ? ml_error_memory(err) : 0;
}
