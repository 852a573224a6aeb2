/*
 * The list heap: first fit over a list of the holes in a fixed stretch of memory.
 *
 * The list lies in the holes themselves, sorted by address. A block is cut out of the first hole that it fits; what
 * remains before (alignment) and behind it stays a hole. A freed block becomes a hole and joins the holes it touches.
 * Every size is a multiple of HEAP_ALIGN and a hole's node is no larger than that, so whatever remains can be a hole:
 * nothing is lost. Taking and giving walk the list, so they cost as many steps as there are holes. A block becomes
 * smaller in place, and larger too if there is a hole behind it.
 */
#ifndef DUET_LIB_HEAP_LIST_H
#define DUET_LIB_HEAP_LIST_H

#include "lib/heap_header.h"

struct heap_hole;

struct heap_list {
    struct heap heap;
    struct heap_stretch stretch;
    struct heap_hole *holes; /* sorted by address */
    bool merge;
};

/* Begins with one hole. Without `merge`, holes never join again: for a demonstration of what becomes of the memory
 * then. `memory` is the heap's as long as it is used. Context: any. */
void heap_list_init(struct heap_list *list, void *memory, size_t bytes, bool merge);

#endif
