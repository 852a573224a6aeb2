/* What of a loader's memory map may be handed out, against a map of every sector of 512 bytes. */
#include "fuzz.h"
#include "lib/frames.h"

enum {
    FRAMES = 96,
    SECTOR = 512,
    FRAME_SECTORS = FRAME_BYTES / SECTOR,
    SECTORS = (FRAMES + 4) * FRAME_SECTORS, /* some below what is looked at */
    RESERVED_MAX = 8,
};

#define MIB  UINT64_C(0x100000)
#define BASE (MIB - 4 * FRAME_BYTES)

static struct boot_info info;
static struct memory_range reserved[RESERVED_MAX];
static size_t reserved_count;
static bool offered[SECTORS], claimed[SECTORS];

static void mark(bool *map, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i < last && i < SECTORS; i++)
        map[i] = true;
}

/* A range, in sectors; seldom one that has no end. */
static struct memory_range take_range(uint64_t *first, uint64_t *last)
{
    struct memory_range range;

    *first = fuzz_below(SECTORS);
    *last = *first + fuzz_number() % (SECTORS / 2);
    range = (struct memory_range){.base = BASE + *first * SECTOR, .size = (*last - *first) * SECTOR};
    if (range.size && fuzz_below(64) == 63) {
        range.size = UINT64_MAX - range.base;
        *last = SECTORS;
    }
    return range;
}

static void add(void)
{
    static const enum memory_kind kinds[] = {MEMORY_USABLE, MEMORY_USABLE,   MEMORY_USABLE, MEMORY_NVS,
                                             MEMORY_ACPI,   MEMORY_RESERVED, MEMORY_BAD};
    uint64_t first, last;
    unsigned how = (unsigned)fuzz_below(10);
    struct memory_range range = take_range(&first, &last);

    if (how == 7 && reserved_count < RESERVED_MAX) {
        reserved[reserved_count++] = range;
        mark(claimed, first, last);
    } else if (how == 8 && info.module_count < BOOT_MAX_MODULES && range.size) {
        info.modules[info.module_count++] = range;
        mark(claimed, first, last);
    } else if (how == 9) {
        if (info.info_size == 0 && range.size) {
            info.info_base = range.base;
            info.info_size = range.size;
            mark(claimed, first, last);
        }
    } else if (how < 7 && info.range_count < BOOT_MAX_RANGES && range.size) {
        range.kind = kinds[how];
        info.ranges[info.range_count++] = range;
        mark(how < 3 ? offered : claimed, first, last);
    }
}

static bool frame_wanted(unsigned frame)
{
    bool wanted = true;

    for (unsigned s = 0; s < FRAME_SECTORS; s++)
        wanted &= offered[frame * FRAME_SECTORS + s] && !claimed[frame * FRAME_SECTORS + s];
    return wanted && BASE + (uint64_t)frame * FRAME_BYTES >= MIB;
}

void fuzz_one(void)
{
    struct frame_range pieces[FRAMES + 4];
    bool given[FRAMES + 4] = {false};
    size_t count;

    info = (struct boot_info){.loader = "fuzz"};
    reserved_count = 0;
    memset(offered, 0, sizeof(offered));
    memset(claimed, 0, sizeof(claimed));
    while (fuzz_more())
        add();
    count = frames_usable(&info, reserved, reserved_count, pieces, ARRAY_SIZE(pieces));
    for (size_t i = 0; i < count; i++) {
        CHECK(pieces[i].base < pieces[i].end && pieces[i].base % FRAME_BYTES == 0 && pieces[i].end % FRAME_BYTES == 0);
        CHECK(i == 0 || pieces[i].base > pieces[i - 1].end);
        for (uint64_t at = pieces[i].base; at < pieces[i].end && (at - BASE) / FRAME_BYTES < FRAMES + 4;
             at += FRAME_BYTES)
            given[(at - BASE) / FRAME_BYTES] = true;
    }
    for (unsigned frame = 0; frame < FRAMES + 4; frame++)
        CHECK(given[frame] == frame_wanted(frame));
}
