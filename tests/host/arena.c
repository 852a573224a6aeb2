/* Pages for heaps on the host. */
#include "arena.h"

#include <string.h>

#include "support.h"

struct arena arena;

static uint64_t address_of(const void *run)
{
    return (uintptr_t)run - (uintptr_t)arena.memory + arena.first;
}

static void *arena_take(struct heap_pages *pages, size_t bytes, size_t align, enum heap_pages_kind kind)
{
    uint64_t address;

    cr_assert_eq(pages, &arena.pages);
    cr_assert(bytes && bytes % SLAB_PAGE_BYTES == 0 && align >= SLAB_PAGE_BYTES && (align & (align - 1)) == 0);
    if (bytes > ARENA_END || align > ARENA_END)
        return NULL;
    if (frames_take_run(&arena.frames, (uint32_t)(bytes / FRAME_BYTES), (uint32_t)(align / FRAME_BYTES), &address))
        return NULL;
    frames_entry(&arena.frames, address)->tag = (uint16_t)kind;
    arena.takes++;
    return arena.memory + (address - arena.first);
}

static void arena_give(struct heap_pages *pages, void *run)
{
    cr_assert_eq(pages, &arena.pages);
    arena.gives++;
    frames_give(&arena.frames, address_of(run));
}

static size_t arena_length(const struct heap_pages *pages, const void *run, enum heap_pages_kind kind)
{
    uint64_t address = address_of(run);
    uint32_t frames = frames_run_length(&arena.frames, address);

    cr_assert_eq(pages, &arena.pages);
    return frames && frames_entry(&arena.frames, address)->tag == kind ? (size_t)frames * FRAME_BYTES : 0;
}

void arena_begin(void *memory, uint64_t first, uint64_t bytes)
{
    cr_assert(first + bytes <= ARENA_END && (uintptr_t)memory % SLAB_BYTES == 0 && first % SLAB_BYTES == 0);
    memset(&arena, 0, sizeof(arena));
    arena.pages = (struct heap_pages){arena_take, arena_give, arena_length};
    arena.memory = memory;
    arena.first = first;
    frames_init(&arena.frames, arena.table, ARRAY_SIZE(arena.table));
    frames_add(&arena.frames, first, first + bytes);
}
