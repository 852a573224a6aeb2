/*
 * Physical memory that a parser is lent by a function at(): a few segments, nothing between them.
 *
 * Each answer of memory_at() is a copy of just the bytes asked for, so that the sanitizer notices any other being read.
 */
#ifndef DUET_TESTS_FUZZ_MEMORY_H
#define DUET_TESTS_FUZZ_MEMORY_H

#include "fuzz.h"

enum { SEGMENTS_MAX = 8, SEGMENT_BYTES = 1024 };

struct segment {
    uint64_t base;
    size_t size;
    uint8_t bytes[SEGMENT_BYTES];
};

extern struct segment segments[SEGMENTS_MAX];
extern size_t segment_count;

/* Begins with none; gives back all copies. */
void memory_begin(void);
void memory_end(void);

/* A segment, zeroed, at any address; cut to SEGMENT_BYTES and to the address space, and empty if it overlaps another.
 */
struct segment *memory_add(uint64_t base, size_t size);

/* Writes a little-endian number into a segment, if it lies inside. */
void memory_put(struct segment *segment, size_t at, uint64_t value, size_t size);

/* What a parser is lent. */
const void *memory_at(uint64_t physical, size_t size);

/* The reference's way: reads a number, if all of its bytes are there. */
bool memory_get(uint64_t physical, size_t size, uint64_t *value);
bool memory_has(uint64_t physical, uint64_t size);

/* The address of a segment, or near it, or any. */
uint64_t memory_pointer(void);

#endif
