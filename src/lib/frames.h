/*
 * Physical memory: a buddy allocator of 4 KiB frames.
 *
 * Free memory is kept as naturally aligned runs of 2^order frames, on one list an order; a run that is given back joins
 * its buddy as long as that is free too. So taking and giving cost at most one step an order, however much memory there
 * is. A few single frames that were given back are kept unjoined, so that the common take and give of one frame touch
 * no list; they count as free and join when a run is not found without them.
 *
 * What is known of a frame lies in a table outside of it, so the allocator never reads or writes the memory it manages:
 * it runs on the host, and a stray write to freed memory cannot break it. A frame given twice, or never taken, panics.
 * Frame 0 is never handed out, so physical address 0 can mean "none". Locking is the caller's.
 */
#ifndef DUET_LIB_FRAMES_H
#define DUET_LIB_FRAMES_H

#include "lib/boot_info.h"

enum {
    FRAME_BYTES = 4096,
    FRAME_ORDERS = 19,     /* runs of 1 to 2^18 frames: 1 GiB */
    FRAMES_MAX = 16 << 20, /* 64 GiB; what lies beyond is left out */
    FRAMES_CACHED = 32,
};

enum frame_state {
    FRAME_ABSENT, /* no memory that may be handed out; 0, so that a cleared table is one of absent frames */
    FRAME_TAKEN,  /* the first of a run handed out */
    FRAME_INSIDE, /* another of its run: of a taken one, or of a free one */
    FRAME_FREE,   /* the first of a run on its order's list */
    FRAME_CACHED, /* given back, not joined */
};

/* One a frame. */
struct frame {
    uint32_t next, previous; /* free: neighbours on the list. Taken, first of its run: `next` is its length in frames */
    uint8_t state;           /* enum frame_state */
    uint8_t order;           /* free, first of its run */
    uint16_t tag;            /* taken: its owner's; 0 when taken */
};
_Static_assert(sizeof(struct frame) == 12, "0.3 % of memory");

struct frames {
    struct frame *table;
    uint32_t count;              /* of the table */
    uint32_t total;              /* that were ever added */
    uint32_t free;               /* cached ones included */
    uint32_t nonempty;           /* bit o: list[o] has a run */
    uint32_t list[FRAME_ORDERS]; /* first frame of the first run, 0 if none */
    uint32_t cached;
    uint32_t cache[FRAMES_CACHED];
};

/* A stretch of memory in bytes, [base, end), whole frames. */
struct frame_range {
    uint64_t base, end;
};

/*
 * What of the loader's map may be handed out: sorted, disjoint, whole frames. Where ranges overlap, one that is not
 * usable wins; so do the loader's structure and modules, and `reserved`: further ranges that nobody may have, in bytes.
 * Nothing below 1 MiB is in it (the BIOS data area, its extension, option ROMs: IBM PC AT), nothing beyond FRAMES_MAX.
 * Returns how many there are; beyond `capacity` the smallest are left out. Context: boot.
 */
size_t frames_usable(const struct boot_info *info, const struct memory_range *reserved, size_t reserved_count,
                     struct frame_range *usable, size_t capacity);

/* Bytes that the table needs for memory that ends at `end`. */
size_t frames_table_bytes(uint64_t end);

/* Begins with no memory. `table` has `count` entries, zeroed. Context: boot. */
void frames_init(struct frames *frames, struct frame *table, uint32_t count);

/* Adds memory that may be handed out: whole frames of the table, disjoint from all that was added. Its time is the one
 * here that grows with the memory. Context: boot. */
void frames_add(struct frames *frames, uint64_t base, uint64_t end);

/* Takes a frame; its contents are whatever they were. STATUS_NO_MEMORY if there is none. Context: any. */
enum status frames_take(struct frames *frames, uint64_t *address) must_check;

/* Takes `count` frames in a row whose address is a multiple of `align` frames, a power of two. They are the beginning
 * of a free run of the next power of two, whose rest stays free: STATUS_NO_MEMORY if there is no such run, though
 * `count` frames in a row there may be. STATUS_INVALID if count is 0 or count or align exceed the largest order.
 * Context: any.
 */
enum status frames_take_run(struct frames *frames, uint32_t count, uint32_t align, uint64_t *address) must_check;

/* Gives back what frames_take() or frames_take_run() gave, whole. Context: any. */
void frames_give(struct frames *frames, uint64_t address);

/* Frames of the run that begins at `address`, which is taken; 0 if no taken run begins there. Context: any. */
uint32_t frames_run_length(const struct frames *frames, uint64_t address);

struct frames_report {
    uint32_t total, used, free; /* frames */
    uint32_t largest_run;       /* frames, a power of two that frames_take_run() would find; 0 if none is free */
};
struct frames_report frames_report(struct frames *frames);

/* The entry of the frame at `address`, for its tag. NULL beyond the table. Context: any. */
static inline struct frame *frames_entry(const struct frames *frames, uint64_t address)
{
    uint64_t number = address / FRAME_BYTES;

    return number < frames->count ? &frames->table[number] : NULL;
}

#endif
