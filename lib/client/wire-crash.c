#include "client/wire-crash.h"

#include <stdlib.h>
#include <string.h>

#include "client/wire.h"

_Static_assert(sizeof(struct wire_crash) == 344, "part of the wire format");
_Static_assert(sizeof(struct wire_object) == 64, "part of the wire format");

/* ---- reading ---- */

/* Takes `size` bytes off the front; false when there are not so many. */
static bool take(const char **p, size_t *left, void *to, size_t size)
{
    if (*left < size)
        return false;
    memcpy(to, *p, size);
    *p += size;
    *left -= size;
    return true;
}

static bool object_ok(const struct wire_object *object)
{
    return object->start < object->end && object->id_size <= WIRE_ID_MAX && object->zero == 0;
}

/* Each object whole, in exactly the bytes that are there for all of them. */
static bool objects_ok(const struct wire_crash_view *view)
{
    const char *at = view->objects, *name;
    struct wire_object object;
    for (uint32_t i = 0; i < view->head.n_objects; i++)
        if (!wire_crash_next(view, &at, &object, &name) || !object_ok(&object))
            return false;
    return at == view->objects + view->head.objects_size;
}

/* Numbers that are used as sizes, and those that index something, before anything is read by
 * them. */
static bool head_ok(const struct wire_crash *head)
{
    return head->signo > 0 && head->signo < 128 && head->access <= WIRE_ACCESS_EXECUTE &&
           head->stack_size <= WIRE_STACK_MAX && head->n_objects <= WIRE_OBJECTS_MAX &&
           head->objects_size <= WIRE_OBJECTS_SIZE_MAX &&
           head->stack_at <= UINT64_MAX - head->stack_size &&
           memchr(head->bundle, '\0', sizeof head->bundle) != NULL;
}

int wire_crash_parse(const void *data, size_t size, struct wire_crash_view *ret)
{
    const char *p = data;
    struct wire_crash_view view;
    if (!take(&p, &size, &view.head, sizeof view.head) || !head_ok(&view.head) ||
        size != (size_t)view.head.objects_size + view.head.stack_size)
        return -1;
    view.objects = p;
    view.stack = p + view.head.objects_size;
    if (!objects_ok(&view))
        return -1;
    *ret = view;
    return 0;
}

bool wire_crash_next(const struct wire_crash_view *view, const char **at,
                     struct wire_object *object, const char **name)
{
    const char *p = *at;
    size_t left = (size_t)(view->objects + view->head.objects_size - p);
    if (!take(&p, &left, object, sizeof *object))
        return false;
    const char *end = memchr(p, '\0', left);
    if (end == NULL)
        return false;
    *name = p;
    *at = end + 1;
    return true;
}

/* The bytes behind a failure's four texts; null when there are none. */
static const char *behind_texts(const struct buf *payload, size_t *size, struct wire_outcome *out)
{
    const char *p = payload->data;
    *size = payload->len;
    if (!take(&p, size, out, sizeof *out) || out->size != *size)
        return NULL;
    for (int i = 0; i < 4; i++) {
        const char *nul = memchr(p, '\0', *size);
        if (nul == NULL)
            return NULL;
        *size -= (size_t)(nul + 1 - p);
        p = nul + 1;
    }
    return *size > 0 ? p : NULL;
}

/* Where the program counter was, as people and tools find it again. */
static void find_place(const struct wire_crash_view *view, struct ml_crash *ret)
{
    const char *at = view->objects, *name;
    struct wire_object object;
    ret->object = "";
    ret->offset = view->head.pc;
    while (wire_crash_next(view, &at, &object, &name))
        if (view->head.pc >= object.start && view->head.pc < object.end) {
            ret->object = *name ? name : WIRE_OBJECT_SELF;
            ret->offset = view->head.pc - object.bias;
        }
}

void wire_get_crash(const struct buf *payload, struct ml_crash *ret)
{
    size_t size;
    struct wire_outcome out;
    struct wire_crash_view view;
    const char *data = behind_texts(payload, &size, &out);
    char *copy = data ? malloc(size) : NULL;
    if (copy == NULL)
        return;
    memcpy(copy, data, size);
    if (wire_crash_parse(copy, size, &view) < 0 || out.status != ML_SIGNAL + view.head.signo) {
        free(copy);
        return;
    }
    *ret = (struct ml_crash){.signal = view.head.signo,
                             .has_address = view.head.access != WIRE_ACCESS_NONE,
                             .address = view.head.address,
                             .record = copy,
                             .size = size};
    find_place(&view, ret);
}

void ml_crash_done(struct ml_crash *crash)
{
    free(crash->record);
    *crash = (struct ml_crash){0};
}

/* ---- writing ---- */

/* All the room is made first: with half of it, or with none, the failure would be no OUTCOME any
 * more. */
void wire_put_crash(struct buf *payload, const struct wire_crash *crash, const void *objects,
                    const void *stack)
{
    struct wire_outcome out;
    size_t more = sizeof *crash + crash->objects_size + crash->stack_size;
    if (payload->failed || payload->len < sizeof out)
        return;
    if (!buf_reserve(payload, more)) {
        payload->failed = false;
        return;
    }
    memcpy(&out, payload->data, sizeof out);
    out.size += (uint32_t)more;
    memcpy(payload->data, &out, sizeof out);
    buf_add(payload, crash, sizeof *crash);
    buf_add(payload, objects, crash->objects_size);
    buf_add(payload, stack, crash->stack_size);
}
