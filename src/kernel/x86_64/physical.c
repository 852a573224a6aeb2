/*
 * The table of frames lies in the memory it describes, in the part that boot.S maps. Until the direct map is complete
 * only frames of that part are handed out, since page tables are made of them.
 */
#include "kernel/x86_64/physical.h"

#include "kernel/x86_64/mmu.h"
#include "lib/mem.h"
#include "thread/lock.h"

enum { RANGES_MAX = 2 * BOOT_MAX_RANGES };

extern char image_start[], image_end[]; /* physical */

static struct lock lock;
static struct frames frames;
static struct frame_range ranges[RANGES_MAX];
static size_t range_count;
static uint64_t added_until; /* of the ranges, what lies beyond is not handed out yet */
static uint64_t left_out;

static void find_ranges(const struct boot_info *info)
{
    const struct memory_range image = {
        .base = (uint64_t)image_start, .size = (uint64_t)image_end - (uint64_t)image_start, .kind = MEMORY_RESERVED};

    range_count = frames_usable(info, &image, 1, ranges, RANGES_MAX);
}

/* Cuts the table out of a range that is mapped. Returns its physical address, 0 if it fits nowhere. */
static uint64_t table_place(size_t table_bytes, uint64_t mapped)
{
    size_t bytes = (table_bytes + FRAME_BYTES - 1) & ~(size_t)(FRAME_BYTES - 1);

    for (size_t i = 0; i < range_count; i++) {
        uint64_t base = ranges[i].base;
        uint64_t end = ranges[i].end < mapped ? ranges[i].end : mapped;

        if (end > base && end - base > bytes) {
            ranges[i].base += bytes;
            return base;
        }
    }
    return 0;
}

/* Adds what lies in [from, until) of the ranges. */
static void add_between(uint64_t from, uint64_t until)
{
    for (size_t i = 0; i < range_count; i++) {
        uint64_t base = ranges[i].base > from ? ranges[i].base : from;
        uint64_t end = ranges[i].end < until ? ranges[i].end : until;

        if (base < end)
            frames_add(&frames, base, end);
    }
}

/* Usable bytes beyond what there can be entries for. */
static uint64_t bytes_beyond(const struct boot_info *info)
{
    const uint64_t limit = (uint64_t)FRAMES_MAX * FRAME_BYTES;
    uint64_t bytes = 0;

    for (size_t i = 0; i < info->range_count; i++) {
        const struct memory_range *range = &info->ranges[i];
        uint64_t end = range->size > UINT64_MAX - range->base ? UINT64_MAX : range->base + range->size;

        if (range->kind == MEMORY_USABLE && end > limit)
            bytes += end - (range->base > limit ? range->base : limit);
    }
    return bytes;
}

runs_once void physical_init(const struct boot_info *info, uint64_t mapped)
{
    uint64_t table = 0;
    uint64_t end = 0;

    find_ranges(info);
    left_out = bytes_beyond(info);
    while (range_count) {
        end = ranges[range_count - 1].end;
        table = table_place(frames_table_bytes(end), mapped);
        if (table)
            break;
        range_count--; /* memory so far away that its table has no room: better without than not at all */
        left_out += end - ranges[range_count].base;
    }
    if (!table)
        panic("the loader's memory map has no usable memory");
    memset(mmu_direct((struct physical){table}), 0, frames_table_bytes(end));
    frames_init(&frames, mmu_direct((struct physical){table}), (uint32_t)(end / FRAME_BYTES));
    added_until = mapped;
    add_between(0, mapped);
}

void physical_add_rest(void)
{
    uint64_t flags = lock_acquire(&lock);

    add_between(added_until, UINT64_MAX);
    lock_release(&lock, flags);
}

enum status frame_alloc(struct physical *frame)
{
    uint64_t flags = lock_acquire(&lock);
    enum status status = frames_take(&frames, &frame->address);

    lock_release(&lock, flags);
    if (status == STATUS_OK)
        memset(mmu_direct(*frame), 0, FRAME_BYTES);
    return status;
}

enum status frame_alloc_run(uint32_t count, uint32_t align, struct physical *first)
{
    uint64_t flags = lock_acquire(&lock);
    enum status status = frames_take_run(&frames, count, align, &first->address);

    lock_release(&lock, flags);
    return status;
}

void frame_free(struct physical first)
{
    uint64_t flags = lock_acquire(&lock);

    frames_give(&frames, first.address);
    lock_release(&lock, flags);
}

uint32_t frame_run_length(struct physical first)
{
    uint64_t flags = lock_acquire(&lock);
    uint32_t length = frames_run_length(&frames, first.address);

    lock_release(&lock, flags);
    return length;
}

uint16_t frame_tag(struct physical first)
{
    const struct frame *entry = frames_entry(&frames, first.address);

    return entry ? entry->tag : 0;
}

void frame_set_tag(struct physical first, uint16_t tag)
{
    struct frame *entry = frames_entry(&frames, first.address);

    ASSERT(entry && entry->state == FRAME_TAKEN);
    entry->tag = tag;
}

size_t frames_free(void)
{
    return frames.free;
}

struct frames_report physical_report(void)
{
    uint64_t flags = lock_acquire(&lock);
    struct frames_report report = frames_report(&frames);

    lock_release(&lock, flags);
    return report;
}

uint64_t physical_left_out(void)
{
    return left_out;
}
