/* See memory.h. */
#include "memory.h"

struct segment segments[SEGMENTS_MAX];
size_t segment_count;

struct copy {
    struct copy *next;
    uint8_t *bytes;
};
static struct copy *copies;

void memory_begin(void)
{
    segment_count = 0;
}

void memory_end(void)
{
    while (copies) {
        struct copy *copy = copies;

        copies = copy->next;
        free(copy->bytes);
        free(copy);
    }
}

struct segment *memory_add(uint64_t base, size_t size)
{
    struct segment *segment = &segments[segment_count];

    CHECK(segment_count < SEGMENTS_MAX);
    size = size < SEGMENT_BYTES ? size : SEGMENT_BYTES;
    size = size < UINT64_MAX - base ? size : UINT64_MAX - base;
    for (size_t i = 0; i < segment_count; i++)
        if (base < segments[i].base + segments[i].size && segments[i].base < base + size)
            size = 0;
    segment_count++;
    *segment = (struct segment){.base = base, .size = size};
    return segment;
}

void memory_put(struct segment *segment, size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size && at + i < segment->size; i++)
        segment->bytes[at + i] = (uint8_t)(value >> (8 * i));
}

static const uint8_t *find(uint64_t physical, uint64_t size)
{
    for (size_t i = 0; i < segment_count; i++) {
        const struct segment *segment = &segments[i];

        if (physical >= segment->base && physical - segment->base <= segment->size &&
            size <= segment->size - (physical - segment->base))
            return segment->bytes + (physical - segment->base);
    }
    return NULL;
}

const void *memory_at(uint64_t physical, size_t size)
{
    const uint8_t *bytes = find(physical, size);
    struct copy *copy;

    if (!bytes)
        return NULL;
    copy = malloc(sizeof(*copy));
    *copy = (struct copy){copies, malloc(size)};
    copies = copy;
    memcpy(copy->bytes, bytes, size);
    return copy->bytes;
}

bool memory_has(uint64_t physical, uint64_t size)
{
    return find(physical, size) != NULL;
}

bool memory_get(uint64_t physical, size_t size, uint64_t *value)
{
    const uint8_t *bytes = find(physical, size);

    if (!bytes)
        return false;
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value |= (uint64_t)bytes[i] << (8 * i);
    return true;
}

uint64_t memory_pointer(void)
{
    uint64_t how = fuzz_below(32);

    if (how == 31)
        return fuzz_number();
    if (segment_count == 0)
        return 0;
    return segments[how % segment_count].base + (how >= 24 ? fuzz_number() : 0);
}
