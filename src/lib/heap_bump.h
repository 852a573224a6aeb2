/*
 * The bump heap: hands out ever higher addresses of a fixed stretch of memory.
 *
 * Nothing that is freed is used again until everything is; then the heap starts over. An allocation is an addition and
 * a comparison, the least that there is to compare with; one block that lives on keeps all the memory.
 */
#ifndef DUET_LIB_HEAP_BUMP_H
#define DUET_LIB_HEAP_BUMP_H

#include "lib/heap_header.h"

struct heap_bump {
    struct heap heap;
    struct heap_stretch stretch;
    uintptr_t next; /* everything below was given; stretch.begin when nothing is live */
};

/* Begins with nothing given. `memory` is the heap's as long as it is used. Context: any. */
void heap_bump_init(struct heap_bump *bump, void *memory, size_t bytes);

#endif
