/*
 * list - an intrusive doubly linked list: the links live in the objects, nothing is allocated.
 *
 * A list head and an unlinked link both point at themselves. Removing is O(1) and safe for an unlinked link.
 */
#ifndef MAILWEIR_BASE_LIST_H
#define MAILWEIR_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))
/* The body may remove the link it was given, and no other. */
#define LIST_EACH(link, head)                                                                                          \
    for (struct list *link = (head)->next, *link##_next = link->next; link != (head);                                  \
         link = link##_next, link##_next = link->next)

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void list_prepend(struct list *head, struct list *link)
{
    list_append(head->next, link);
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* Takes the first link off, or returns NULL. */
static inline struct list *list_take(struct list *head)
{
    if (list_is_empty(head)) {
        return NULL;
    }
    struct list *first = head->next;
    list_remove(first);
    return first;
}

/* Moves all links of from behind those of to. */
static inline void list_move(struct list *to, struct list *from)
{
    if (list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#endif
