/* The buddy allocator behind lib/frames.h, and what of a loader's map it may have. */
#include "lib/frames.h"

#include "lib/mem.h"

#define FRAMES_LIMIT ((uint64_t)FRAMES_MAX * FRAME_BYTES)

enum {
    LOW_BYTES = 1 << 20,
    LARGEST_ORDER = FRAME_ORDERS - 1,
};

/* ---- the loader's map ---- */

/* All that has a say in who owns memory, as one sequence. */
struct claims {
    const struct boot_info *info;
    const struct memory_range *reserved;
    size_t reserved_count;
};

static size_t claims_count(const struct claims *claims)
{
    return claims->info->range_count + claims->info->module_count + claims->reserved_count + 1;
}

static struct memory_range claims_get(const struct claims *claims, size_t index)
{
    const struct boot_info *info = claims->info;
    struct memory_range range = {info->info_base, info->info_size, MEMORY_RESERVED};

    if (index < info->range_count)
        return info->ranges[index];
    index -= info->range_count;
    if (index < info->module_count)
        range = info->modules[index];
    else if (index - info->module_count < claims->reserved_count)
        range = claims->reserved[index - info->module_count];
    range.kind = MEMORY_RESERVED;
    return range;
}

/* Says whether the byte at `at` may be handed out, and returns how far that is the answer for sure. */
static uint64_t claims_judge(const struct claims *claims, uint64_t at, bool *usable)
{
    uint64_t next = FRAMES_LIMIT;
    bool offered = false;
    bool claimed = false;

    for (size_t i = 0; i < claims_count(claims); i++) {
        struct memory_range range = claims_get(claims, i);
        uint64_t end = range.size > UINT64_MAX - range.base ? UINT64_MAX : range.base + range.size;
        uint64_t edge = at < range.base ? range.base : end;

        if (at >= end)
            continue;
        if (edge < next)
            next = edge;
        if (at < range.base)
            continue;
        if (range.kind == MEMORY_USABLE)
            offered = true;
        else
            claimed = true;
    }
    *usable = offered && !claimed;
    return next;
}

struct piece_list {
    struct frame_range *pieces;
    size_t count, capacity;
};

/* Appends the whole frames of [base, end); if there is no room, the smallest piece gives way. */
static void piece_list_add(struct piece_list *list, uint64_t base, uint64_t end)
{
    struct frame_range piece = {(base + FRAME_BYTES - 1) / FRAME_BYTES * FRAME_BYTES, end / FRAME_BYTES * FRAME_BYTES};
    size_t smallest = 0;

    if (piece.base >= piece.end || !list->capacity)
        return;
    if (list->count == list->capacity) {
        for (size_t i = 1; i < list->count; i++) {
            if (list->pieces[i].end - list->pieces[i].base < list->pieces[smallest].end - list->pieces[smallest].base)
                smallest = i;
        }
        if (piece.end - piece.base <= list->pieces[smallest].end - list->pieces[smallest].base)
            return;
        list->count--;
        memmove(&list->pieces[smallest], &list->pieces[smallest + 1], (list->count - smallest) * sizeof(piece));
    }
    list->pieces[list->count++] = piece;
}

runs_once size_t frames_usable(const struct boot_info *info, const struct memory_range *reserved, size_t reserved_count,
                               struct frame_range *usable, size_t capacity)
{
    struct claims claims = {info, reserved, reserved_count};
    struct piece_list list = {usable, 0, capacity};
    uint64_t base = LOW_BYTES; /* of the usable bytes that end at `at` */
    uint64_t next;

    for (uint64_t at = LOW_BYTES; at < FRAMES_LIMIT; at = next) {
        bool good;

        next = claims_judge(&claims, at, &good);
        if (!good) {
            piece_list_add(&list, base, at);
            base = next;
        }
    }
    piece_list_add(&list, base, FRAMES_LIMIT);
    return list.count;
}

size_t frames_table_bytes(uint64_t end)
{
    uint64_t count = end / FRAME_BYTES + (end % FRAME_BYTES != 0);

    return (size_t)(count < FRAMES_MAX ? count : FRAMES_MAX) * sizeof(struct frame);
}

/* ---- lists ---- */

static uint32_t floor_log2(uint32_t value)
{
    return 31 - (uint32_t)__builtin_clz(value);
}

static void list_push(struct frames *frames, uint32_t first, uint32_t order)
{
    struct frame *run = &frames->table[first];
    uint32_t next = frames->list[order];

    run->next = next;
    run->previous = 0;
    run->state = FRAME_FREE;
    run->order = (uint8_t)order;
    if (next)
        frames->table[next].previous = first;
    frames->list[order] = first;
    frames->nonempty |= UINT32_C(1) << order;
}

/* Takes a free run off its list. */
static void unlist(struct frames *frames, uint32_t first)
{
    struct frame *run = &frames->table[first];
    uint32_t order = run->order;

    run->state = FRAME_INSIDE;
    if (run->next)
        frames->table[run->next].previous = run->previous;
    if (run->previous) {
        frames->table[run->previous].next = run->next;
        return;
    }
    frames->list[order] = run->next;
    if (!run->next)
        frames->nonempty &= ~(UINT32_C(1) << order);
}

/* Makes a run free that is on no list, joined with its buddy as often as that is free as a whole. */
static void join(struct frames *frames, uint32_t first, uint32_t order)
{
    for (; order < LARGEST_ORDER; order++) {
        uint32_t buddy = first ^ (UINT32_C(1) << order);

        if (buddy >= frames->count || frames->table[buddy].state != FRAME_FREE || frames->table[buddy].order != order)
            break;
        unlist(frames, buddy);
        frames->table[first].state = FRAME_INSIDE;
        first &= buddy;
    }
    list_push(frames, first, order);
}

/* As join(), for frames that are no natural run: the fewest natural runs they consist of. Where they are one run that
 * was taken, all but the last of these find their buddy taken, so the steps are as many as for one run. */
static void join_pieces(struct frames *frames, uint32_t first, uint32_t count)
{
    while (count) {
        uint32_t aligned = (uint32_t)__builtin_ctz(first);
        uint32_t fits = floor_log2(count);
        uint32_t order = aligned < fits ? aligned : fits;

        if (order > LARGEST_ORDER)
            order = LARGEST_ORDER;
        join(frames, first, order);
        first += UINT32_C(1) << order;
        count -= UINT32_C(1) << order;
    }
}

/* Takes a natural run off the lists, halving a larger one if it must; 0 if there is none. */
static uint32_t split_off(struct frames *frames, uint32_t order)
{
    uint32_t fit = frames->nonempty >> order;
    uint32_t found, first;

    if (!fit)
        return 0;
    found = order + (uint32_t)__builtin_ctz(fit);
    first = frames->list[found];
    unlist(frames, first);
    while (found > order) {
        found--;
        list_push(frames, first + (UINT32_C(1) << found), found);
    }
    return first;
}

static void join_cached(struct frames *frames)
{
    while (frames->cached)
        join(frames, frames->cache[--frames->cached], 0);
}

static uint64_t hand_out(struct frames *frames, uint32_t first, uint32_t count)
{
    struct frame *run = &frames->table[first];

    run->state = FRAME_TAKEN;
    run->next = count;
    run->tag = 0;
    frames->free -= count;
    return (uint64_t)first * FRAME_BYTES;
}

/* ---- the interface ---- */

void frames_init(struct frames *frames, struct frame *table, uint32_t count)
{
    ASSERT(count <= FRAMES_MAX);
    *frames = (struct frames){.table = table, .count = count};
}

runs_once void frames_add(struct frames *frames, uint64_t base, uint64_t end)
{
    uint32_t first, count;

    ASSERT(base % FRAME_BYTES == 0 && end % FRAME_BYTES == 0 && base <= end);
    ASSERT(end <= (uint64_t)frames->count * FRAME_BYTES);
    first = (uint32_t)(base / FRAME_BYTES);
    count = (uint32_t)(end / FRAME_BYTES) - first;
    if (first == 0 && count) {
        first++;
        count--;
    }
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(frames->table[first + i].state == FRAME_ABSENT);
        frames->table[first + i].state = FRAME_INSIDE;
    }
    join_pieces(frames, first, count);
    frames->total += count;
    frames->free += count;
}

enum status frames_take(struct frames *frames, uint64_t *address)
{
    uint32_t number = likely(frames->cached) ? frames->cache[--frames->cached] : split_off(frames, 0);

    if (unlikely(!number))
        return STATUS_NO_MEMORY;
    *address = hand_out(frames, number, 1);
    return STATUS_OK;
}

enum status frames_take_run(struct frames *frames, uint32_t count, uint32_t align, uint64_t *address)
{
    uint32_t size = count > align ? count : align;
    uint32_t order, first;

    ASSERT(align && (align & (align - 1)) == 0);
    if (!count || size > UINT32_C(1) << LARGEST_ORDER)
        return STATUS_INVALID;
    if (size == 1)
        return frames_take(frames, address);
    order = floor_log2(size - 1) + 1;
    first = split_off(frames, order);
    if (!first) {
        join_cached(frames);
        first = split_off(frames, order);
    }
    if (!first)
        return STATUS_NO_MEMORY;
    *address = hand_out(frames, first, count);
    join_pieces(frames, first + count, (UINT32_C(1) << order) - count);
    return STATUS_OK;
}

void frames_give(struct frames *frames, uint64_t address)
{
    struct frame *run = frames_entry(frames, address);
    uint32_t first, count;

    if (unlikely(!run || address % FRAME_BYTES || run->state != FRAME_TAKEN))
        panic("frame 0x%llx is given back and not taken", (unsigned long long)address);
    first = (uint32_t)(address / FRAME_BYTES);
    count = run->next;
    frames->free += count;
    if (count == 1 && frames->cached < FRAMES_CACHED) {
        run->state = FRAME_CACHED;
        frames->cache[frames->cached++] = first;
        return;
    }
    join_pieces(frames, first, count);
}

uint32_t frames_run_length(const struct frames *frames, uint64_t address)
{
    const struct frame *run = frames_entry(frames, address);

    return run && address % FRAME_BYTES == 0 && run->state == FRAME_TAKEN ? run->next : 0;
}

seldom struct frames_report frames_report(struct frames *frames)
{
    struct frames_report report = {.total = frames->total, .used = frames->total - frames->free, .free = frames->free};

    join_cached(frames);
    if (frames->nonempty)
        report.largest_run = UINT32_C(1) << floor_log2(frames->nonempty);
    return report;
}
