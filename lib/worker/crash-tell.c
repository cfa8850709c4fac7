/* What the worker and the supervisor add to the record of a call: which files are mapped where, and
 * what all of it says in words. Files are noted once, in the worker, when the plugin is mapped: the
 * supervisor, which has the same layout, must not wait for a lock of ld.so's that a thread of the
 * plugin held when it was forked. */
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "worker/crash.h"
#include "worker/object.h"

/* What a supervisor sends with every crash. */
static struct {
    char bundle[ML_BUNDLE_ID_SIZE];
    struct buf objects;
    uint32_t n;
} noted;

/* ---- which files are mapped ---- */

/* A note as ELF has it: three words, the name, the descriptor, each padded to 4 bytes. `at` is
 * where to look for the next one. False at the end. */
static bool next_note(const char *notes, size_t size, size_t *at, ElfW(Nhdr) * note,
                      const char **name, const char **desc)
{
    if (*at + sizeof *note > size)
        return false;
    memcpy(note, notes + *at, sizeof *note);
    size_t to_desc = *at + sizeof *note + ((size_t)note->n_namesz + 3) / 4 * 4;
    size_t next = to_desc + ((size_t)note->n_descsz + 3) / 4 * 4;
    if (next > size)
        return false;
    *name = notes + *at + sizeof *note;
    *desc = notes + to_desc;
    *at = next;
    return true;
}

static void find_id(const char *notes, size_t size, struct wire_object *object)
{
    ElfW(Nhdr) note;
    const char *name, *desc;
    size_t at = 0;
    while (next_note(notes, size, &at, &note, &name, &desc))
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0 &&
            note.n_descsz <= sizeof object->id) {
            memcpy(object->id, desc, note.n_descsz);
            object->id_size = note.n_descsz;
        }
}

/* The notes are copied like a stack in ruins: where they are is said by the headers of an object
 * that nobody has checked. Words are copied whole, so the first may begin before the notes do. */
static void read_notes(uint64_t start, uint64_t size, struct wire_object *object)
{
    _Alignas(uint64_t) char notes[1024];
    uint64_t before = start % sizeof(uint64_t);
    size_t got = crash_copy(notes, start - before, sizeof notes);
    if (got > before)
        find_id(notes + before, got - before < size ? got - before : size, object);
}

/* From the first byte of the first segment to the last of the last. */
static void measure(const struct dl_phdr_info *info, struct wire_object *object)
{
    object->bias = info->dlpi_addr;
    object->start = UINT64_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && start < object->start)
            object->start = start;
        if (p->p_type == PT_LOAD && start + p->p_memsz > object->end)
            object->end = start + p->p_memsz;
        if (p->p_type == PT_NOTE && object->id_size == 0)
            read_notes(start, p->p_memsz, object);
    }
}

/* Objects that do not fit any more are left out, and with them the names of their functions. */
static int note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct wire_object object = {0};
    const char *own = object_name_at(info->dlpi_addr);
    const char *name = own ? own : info->dlpi_name;
    size_t name_size = strlen(name) + 1;
    measure(info, &object);
    if (object.start >= object.end || noted.n == WIRE_OBJECTS_MAX ||
        noted.objects.len + sizeof object + name_size > WIRE_OBJECTS_SIZE_MAX ||
        !buf_reserve(&noted.objects, sizeof object + name_size))
        return 0;
    buf_add(&noted.objects, &object, sizeof object);
    buf_add(&noted.objects, name, name_size);
    noted.n++;
    return 0;
}

void crash_note_objects(const char *bundle)
{
    snprintf(noted.bundle, sizeof noted.bundle, "%s", bundle);
    dl_iterate_phdr(note_object, NULL);
}

/* ---- telling ---- */

/* A copy of the record's head, if the record is whole and of the end that the kernel tells: a
 * plugin may have written there. What is a size is looked at by whoever reads the frame, too. */
static bool record_head(const struct crash_record *record, const siginfo_t *end,
                        struct wire_crash *head)
{
    if (!atomic_load(&record->whole) || end->si_code == CLD_EXITED)
        return false;
    *head = record->head;
    return head->signo == end->si_status && head->stack_size <= WIRE_STACK_MAX &&
           head->stack_at <= UINT64_MAX - head->stack_size && head->access <= WIRE_ACCESS_EXECUTE;
}

/* Where an instruction lay says nothing to people: only what it wanted to reach does. */
void crash_explain(const struct crash_record *record, const siginfo_t *end, struct ml_error *err)
{
    static const char *const words[] = {
        [WIRE_ACCESS_ANY] = "at",
        [WIRE_ACCESS_READ] = "reading",
        [WIRE_ACCESS_WRITE] = "writing to",
        [WIRE_ACCESS_EXECUTE] = "executing",
    };
    struct wire_crash head;
    if (!record_head(record, end, &head) || head.access == WIRE_ACCESS_NONE ||
        (head.signo != SIGSEGV && head.signo != SIGBUS))
        return;
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, " %s address 0x%llx",
             words[head.access], (unsigned long long)head.address);
}

void crash_put(const struct crash_record *record, const siginfo_t *end, struct buf *payload)
{
    struct wire_crash head;
    if (!record_head(record, end, &head))
        return;
    snprintf(head.bundle, sizeof head.bundle, "%s", noted.bundle);
    head.n_objects = noted.n;
    head.objects_size = (uint32_t)noted.objects.len;
    wire_put_crash(payload, &head, noted.objects.data, record->stack);
}
