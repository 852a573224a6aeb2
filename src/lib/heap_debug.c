/*
 * The debug heap of lib/heap_debug.h.
 *
 * What the inner heap gives is: a gap if a large alignment needs one, this heap's header, whose last bytes are the red
 * zone before, the block, and the red zone after it.
 */
#include "lib/heap_debug.h"

#include "lib/format.h"
#include "lib/mem.h"

enum { NAME_BYTES = 64 };

/* What a header's seal says of its block; any other value says that this is no header. */
enum state {
    STATE_NONE,
    STATE_LIVE,
    STATE_KEPT, /* freed, in debug->kept */
    STATE_GONE, /* freed, and the inner heap's again: true until it uses the memory */
};

struct debug_header {
    struct list node; /* in live or kept. First: what inner heaps write into free blocks falls here */
    void *inner;      /* what the inner heap gave */
    size_t size;
    const void *allocated_by, *freed_by;
    uint64_t sequence;
    uint64_t seal;
    unsigned char zone[HEAP_DEBUG_ZONE];
};
_Static_assert(sizeof(struct debug_header) % HEAP_ALIGN == 0, "the block follows directly");

static uint64_t seal_of(const struct debug_header *header, enum state state)
{
    uintptr_t callers = (uintptr_t)header->allocated_by ^ (uintptr_t)header->freed_by << 16;

    return (UINT64_C(0x5ea1edb10c000000) + state) ^ ((uintptr_t)header << 8) ^ (uintptr_t)header->inner ^ header->size ^
           callers ^ (header->sequence << 32);
}

static enum state state_of(const struct debug_header *header)
{
    for (enum state state = STATE_LIVE; state <= STATE_GONE; state++) {
        if (header->seal == seal_of(header, state))
            return state;
    }
    return STATE_NONE;
}

/* Of any pointer at all: no pointer arithmetic, which could overflow. */
static struct debug_header *header_before(const void *block)
{
    return (struct debug_header *)((uintptr_t)block - sizeof(struct debug_header));
}

static const void *block_of(const struct debug_header *header)
{
    return header + 1;
}

/* Where the first byte that is not `value` lies; `size` if all are. */
static size_t find_other(const void *bytes, unsigned char value, size_t size)
{
    size_t i = 0;

    while (i < size && ((const unsigned char *)bytes)[i] == value)
        i++;
    return i;
}

/* Who a caller is, in words. */
static const char *who(const struct heap_debug *debug, char *buffer, const void *caller)
{
    if (debug->name)
        debug->name(buffer, NAME_BYTES, caller);
    else
        format_text(buffer, NAME_BYTES, "%p", caller);
    return buffer;
}

/* `first` is the first byte of `zone` that was written to. */
static _Noreturn void report_overrun(const struct heap_debug *debug, const struct debug_header *header,
                                     const char *where, size_t first)
{
    char owner[NAME_BYTES];

    panic("heap: written %s a block, at byte %zu of its red zone: %zu bytes at %p, allocated by %s", where, first,
          header->size, block_of(header), who(debug, owner, header->allocated_by));
}

static void check_zones(const struct heap_debug *debug, const struct debug_header *header)
{
    size_t first = find_other(header->zone, HEAP_DEBUG_RED, HEAP_DEBUG_ZONE);

    if (first < HEAP_DEBUG_ZONE)
        report_overrun(debug, header, "before", first);
    first = find_other((const char *)block_of(header) + header->size, HEAP_DEBUG_RED, HEAP_DEBUG_ZONE);
    if (first < HEAP_DEBUG_ZONE)
        report_overrun(debug, header, "after", first);
}

static void check_kept(const struct heap_debug *debug, const struct debug_header *header)
{
    size_t first = find_other(block_of(header), HEAP_DEBUG_FREED, header->size);

    char owner[NAME_BYTES], freer[NAME_BYTES];

    if (first < header->size)
        panic("heap: written to byte %zu of a freed block: %zu bytes at %p, allocated by %s, freed by %s", first,
              header->size, block_of(header), who(debug, owner, header->allocated_by),
              who(debug, freer, header->freed_by));
    check_zones(debug, header);
}

/* The header of a live block; panics for anything else. */
static const struct debug_header *live_header(const struct heap_debug *debug, const void *block)
{
    const struct debug_header *header = header_before(block);
    enum state state = (uintptr_t)block % HEAP_ALIGN ? STATE_NONE : state_of(header);

    char owner[NAME_BYTES], freer[NAME_BYTES], caller[NAME_BYTES];

    if (state == STATE_NONE)
        panic("heap: free of what the heap did not give, or written before it: %p, freed by %s", block,
              who(debug, caller, debug->caller));
    if (state != STATE_LIVE)
        panic("heap: double free: %zu bytes at %p, allocated by %s, freed by %s and again by %s", header->size, block,
              who(debug, owner, header->allocated_by), who(debug, freer, header->freed_by),
              who(debug, caller, debug->caller));
    check_zones(debug, header);
    return header;
}

/* The block freed the longest ago goes back to the inner heap. */
static void release_oldest(struct heap_debug *debug)
{
    struct debug_header *header = container_of(debug->kept.next, struct debug_header, node);

    if (state_of(header) != STATE_KEPT)
        panic("heap: written far before a freed block: %p", block_of(header));
    check_kept(debug, header);
    list_remove(&header->node);
    debug->kept_count--;
    header->seal = seal_of(header, STATE_GONE);
    heap_free(debug->inner, header->inner);
}

static void release_all(struct heap_debug *debug)
{
    while (debug->kept_count)
        release_oldest(debug);
}

static void *inner_alloc(struct heap_debug *debug, size_t size, size_t align)
{
    void *inner = heap_alloc_aligned(debug->inner, size, align);

    if (inner || !debug->kept_count)
        return inner;
    release_all(debug);
    return heap_alloc_aligned(debug->inner, size, align);
}

static void *debug_alloc(struct heap *heap, size_t size, size_t align)
{
    struct heap_debug *debug = container_of(heap, struct heap_debug, heap);
    size_t before = (sizeof(struct debug_header) + align - 1) & -align;
    size_t bytes;
    char *inner = NULL;
    struct debug_header *header;

    if (!__builtin_add_overflow(size, before + HEAP_DEBUG_ZONE, &bytes))
        inner = inner_alloc(debug, bytes, align);
    if (!inner)
        return heap_count(heap, NULL);
    header = header_before(inner + before);
    header->inner = inner;
    header->size = size;
    header->allocated_by = debug->caller;
    header->freed_by = NULL;
    header->sequence = debug->next_sequence++;
    header->seal = seal_of(header, STATE_LIVE);
    memset(header->zone, HEAP_DEBUG_RED, HEAP_DEBUG_ZONE);
    memset(inner + before, HEAP_DEBUG_FRESH, size);
    memset(inner + before + size, HEAP_DEBUG_RED, HEAP_DEBUG_ZONE);
    list_push_back(&debug->live, &header->node);
    return heap_count(heap, inner + before);
}

static void debug_free(struct heap *heap, void *block)
{
    struct heap_debug *debug = container_of(heap, struct heap_debug, heap);
    struct debug_header *header = header_before(block);

    (void)live_header(debug, block);
    heap->frees++;
    list_remove(&header->node);
    list_push_back(&debug->kept, &header->node);
    header->freed_by = debug->caller;
    header->seal = seal_of(header, STATE_KEPT);
    memset(block, HEAP_DEBUG_FREED, header->size);
    if (++debug->kept_count > debug->keep)
        release_oldest(debug);
}

static size_t debug_usable(const struct heap *heap, const void *block)
{
    return live_header((const void *)heap, block)->size; /* struct heap_debug begins with its heap */
}

static void debug_trim(struct heap *heap)
{
    struct heap_debug *debug = container_of(heap, struct heap_debug, heap);

    release_all(debug);
    heap_trim(debug->inner);
}

void heap_debug_check(const struct heap_debug *debug)
{
    list_for_each (node, &debug->live) {
        const struct debug_header *header = container_of(node, struct debug_header, node);

        if (state_of(header) != STATE_LIVE)
            panic("heap: written far before a block: %p", block_of(header));
        check_zones(debug, header);
    }
    list_for_each (node, &debug->kept) {
        const struct debug_header *header = container_of(node, struct debug_header, node);

        if (state_of(header) != STATE_KEPT)
            panic("heap: written far before a freed block: %p", block_of(header));
        check_kept(debug, header);
    }
}

size_t heap_debug_leaks(const struct heap_debug *debug, uint64_t mark,
                        void (*visit)(void *context, const struct heap_debug_block *block), void *context)
{
    size_t count = 0;

    list_for_each (node, &debug->live) {
        const struct debug_header *header = container_of(node, struct debug_header, node);
        struct heap_debug_block block = {block_of(header), header->size, header->allocated_by, header->sequence};

        if (header->sequence < mark)
            continue;
        if (visit)
            visit(context, &block);
        count++;
    }
    return count;
}

void heap_debug_init(struct heap_debug *debug, struct heap *inner, uint32_t keep)
{
    static const struct heap_operations operations = {
        .name = "debug",
        .alloc = debug_alloc,
        .free = debug_free,
        .usable = debug_usable,
        .trim = debug_trim,
        .resize = heap_move,
    };

    *debug = (struct heap_debug){.heap.operations = &operations, .inner = inner, .keep = keep};
    list_init(&debug->live);
    list_init(&debug->kept);
}
