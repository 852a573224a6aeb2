/*
 * An intrusive, circular, doubly linked list. The head is a node of its own, so no operation branches on emptiness.
 * Nothing here locks: the embedding struct says what protects its nodes.
 */
#ifndef DUET_LIB_LIST_H
#define DUET_LIB_LIST_H

#include "lib/base.h"

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_INIT(head)  \
    {                    \
        &(head), &(head) \
    }

#define list_for_each(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Inserts `node` between two neighbours. */
static inline void list_insert(struct list *node, struct list *prev, struct list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert(node, head->prev, head);
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert(node, head, head->next);
}

/* Takes the first node out and returns it; there is one. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *first = head->next;

    head->next = first->next;
    first->next->prev = head;
    return first;
}

/* Takes `node` out of whatever list it is in; the node itself is left as it was. */
static inline void list_remove(struct list *node)
{
    struct list *prev = node->prev, *next = node->next;

    prev->next = next;
    next->prev = prev;
}

#endif
