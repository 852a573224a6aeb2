/*
 * A heap and a shadow map of its memory, driven by support_random(): blocks are aligned, do not overlap, and keep their
 * contents.
 */
#ifndef DUET_TESTS_HEAP_MODEL_H
#define DUET_TESTS_HEAP_MODEL_H

#include "lib/heap.h"

enum { HEAP_MODEL_BYTES = 2 * 1024 * 1024 };

struct heap_model_subject {
    struct heap *heap;
    unsigned char *memory; /* HEAP_MODEL_BYTES; all of its blocks lie in it */
    size_t bytes;          /* of memory it has */
    bool reuses;           /* memory that was freed while other blocks are live */
};

void heap_model_begin(const struct heap_model_subject *subject, uint64_t seed);

/* Allocates, resizes or frees one of the first `fullness` pieces, of 256. */
void heap_model_step(unsigned fullness);

/* Frees all; returns how often memory ran out. */
unsigned heap_model_end(void);

#endif
