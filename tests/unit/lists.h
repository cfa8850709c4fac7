/* Lists of changes, written as a line of text. */
#ifndef UNIT_LISTS_H
#define UNIT_LISTS_H

#include "registry.h"

enum { LIST_MAX = 24 };

struct list {
    char text[256];
    struct store_change change[LIST_MAX];
    char uuid[LIST_MAX][STORE_UUID_SIZE];
    size_t n;
};

/* "1 a n" points key 1 (registry_uuid(1)) at bundle a and asks for the name n; "1 a ?n" would
 * welcome it, "1 a !" wants none, "1 a" what it has; "1 out", "1 back", "1 pin", "1 unpin",
 * the last three with a generation behind them or without.
 * Semicolons between. */
void list_read(const char *text, struct list *list);

/* Brings a list into its k-th order, of list_orders(). */
void list_order(struct list *list, unsigned k);
unsigned list_orders(size_t n);

/* The registry "home" anew, with bundles a to c and these changes, made one by one. */
struct store *list_begin(const struct place *place, const char *text);

#endif
