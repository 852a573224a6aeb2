/* Memory maps odd in every way, and the buddy allocator against a model that owns each frame by name. */
#include "lib/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames_model.h"
#include "support.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* ---- maps ---- */

static struct boot_info info;
static struct memory_range reserved[BOOT_MAX_RANGES];
static size_t reserved_count;
static char map_text[4096];

static void say(uint64_t base, uint64_t end, enum memory_kind kind)
{
    struct memory_range range = {base, end - base, kind};

    cr_assert_eq(boot_add_range(info.ranges, &info.range_count, BOOT_MAX_RANGES, &range), STATUS_OK);
}

static void reserve(uint64_t base, uint64_t end)
{
    reserved[reserved_count++] = (struct memory_range){base, end - base, MEMORY_RESERVED};
}

/* What frames_usable() makes of the map, in units of 4 KiB: "256-512 ...". */
static const char *usable_text(size_t capacity)
{
    struct frame_range pieces[16];
    size_t length = 0;
    size_t count = frames_usable(&info, reserved, reserved_count, pieces, capacity);

    cr_assert_leq(count, capacity);
    map_text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        cr_assert(pieces[i].base % FRAME_BYTES == 0 && pieces[i].end % FRAME_BYTES == 0);
        length += (size_t)snprintf(map_text + length, sizeof(map_text) - length, "%s%llx-%llx", i ? " " : "",
                                   (unsigned long long)pieces[i].base / FRAME_BYTES,
                                   (unsigned long long)pieces[i].end / FRAME_BYTES);
    }
    return map_text;
}

#define expect_usable(text) cr_assert_str_eq(usable_text(16), text)

Test(frames_map, is_empty_when_nothing_is_usable)
{
    expect_usable("");
    say(1 * MIB, 2 * MIB, MEMORY_RESERVED);
    expect_usable("");
}

Test(frames_map, begins_at_one_mebibyte)
{
    say(0, 640 * KIB, MEMORY_USABLE);
    say(768 * KIB, 2 * MIB, MEMORY_USABLE);
    expect_usable("100-200");
}

Test(frames_map, has_whole_frames_only)
{
    say(1 * MIB + 1, 2 * MIB - 1, MEMORY_USABLE);
    say(3 * MIB + 4095, 3 * MIB + 3 * 4096 + 1, MEMORY_USABLE);
    say(5 * MIB + 1, 5 * MIB + 8191, MEMORY_USABLE);
    expect_usable("101-1ff 301-303");
}

Test(frames_map, is_sorted_and_touching_ranges_are_one)
{
    say(4 * MIB, 5 * MIB, MEMORY_USABLE);
    say(2 * MIB, 3 * MIB, MEMORY_USABLE);
    say(3 * MIB, 4 * MIB, MEMORY_USABLE);
    say(6 * MIB, 7 * MIB, MEMORY_USABLE);
    expect_usable("200-500 600-700");
}

Test(frames_map, has_a_frame_that_two_usable_ranges_share)
{
    say(2 * MIB + 123, 3 * MIB, MEMORY_USABLE);
    say(1 * MIB, 2 * MIB + 123, MEMORY_USABLE);
    expect_usable("100-300");
}

Test(frames_map, overlapping_usable_ranges_count_once)
{
    say(1 * MIB, 4 * MIB, MEMORY_USABLE);
    say(2 * MIB, 3 * MIB, MEMORY_USABLE);
    say(3 * MIB, 5 * MIB, MEMORY_USABLE);
    expect_usable("100-500");
}

Test(frames_map, whatever_is_not_usable_wins)
{
    static const enum memory_kind kinds[] = {MEMORY_RESERVED, MEMORY_ACPI, MEMORY_NVS, MEMORY_BAD};

    say(1 * MIB, 16 * MIB, MEMORY_USABLE);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        say((2 + 2 * i) * MIB, (3 + 2 * i) * MIB, kinds[i]);
    expect_usable("100-200 300-400 500-600 700-800 900-1000");
}

Test(frames_map, a_usable_range_inside_a_reserved_one_is_not_usable)
{
    say(2 * MIB, 3 * MIB, MEMORY_USABLE);
    say(1 * MIB, 4 * MIB, MEMORY_RESERVED);
    say(8 * MIB, 9 * MIB, MEMORY_USABLE);
    expect_usable("800-900");
}

Test(frames_map, one_reserved_byte_costs_its_frame)
{
    say(1 * MIB, 2 * MIB, MEMORY_USABLE);
    reserve(1 * MIB + 0x10fff, 1 * MIB + 0x11001);
    reserve(1 * MIB + 0x20000, 1 * MIB + 0x20000); /* empty */
    expect_usable("100-110 112-200");
}

Test(frames_map, keeps_out_of_image_modules_and_information)
{
    say(1 * MIB, 16 * MIB, MEMORY_USABLE);
    reserve(1 * MIB, 2 * MIB + 1);
    reserved[0].kind = MEMORY_USABLE; /* whatever its kind says */
    info.modules[info.module_count++] = (struct memory_range){4 * MIB, 1 * MIB, MEMORY_USABLE};
    info.modules[info.module_count++] = (struct memory_range){8 * MIB + 1, 1, MEMORY_RESERVED};
    info.info_base = 12 * MIB - 1;
    info.info_size = 2;
    expect_usable("201-400 500-800 801-bff c01-1000");
}

Test(frames_map, ends_at_the_limit)
{
    say(64 * GIB - 2 * MIB, 64 * GIB + MIB, MEMORY_USABLE);
    say(65 * GIB, 66 * GIB, MEMORY_USABLE);
    say(70 * GIB, 71 * GIB, MEMORY_RESERVED);
    expect_usable("fffe00-1000000");
}

Test(frames_map, bears_ends_at_the_end_of_addresses)
{
    say(1 * MIB, UINT64_MAX, MEMORY_USABLE);
    reserve(2 * MIB, 0); /* base + size is 2^64 */
    expect_usable("100-200");
    reserved[0] = (struct memory_range){3 * MIB, UINT64_MAX, MEMORY_RESERVED}; /* and more than that */
    expect_usable("100-300");
    reserved_count = 0;
    expect_usable("100-1000000");
}

Test(frames_map, leaves_out_the_smallest_beyond_capacity)
{
    say(1 * MIB, 2 * MIB, MEMORY_USABLE);
    say(3 * MIB, 3 * MIB + 4096, MEMORY_USABLE);
    say(4 * MIB, 8 * MIB, MEMORY_USABLE);
    say(9 * MIB, 9 * MIB + 8192, MEMORY_USABLE);
    say(10 * MIB, 12 * MIB, MEMORY_USABLE);
    cr_assert_str_eq(usable_text(5), "100-200 300-301 400-800 900-902 a00-c00");
    cr_assert_str_eq(usable_text(4), "100-200 400-800 900-902 a00-c00");
    cr_assert_str_eq(usable_text(3), "100-200 400-800 a00-c00");
    cr_assert_str_eq(usable_text(2), "400-800 a00-c00");
    cr_assert_str_eq(usable_text(1), "400-800");
    cr_assert_str_eq(usable_text(0), "");
}

/* Random maps of 512-byte sectors above 1 MiB: a frame is usable if each of its sectors is offered, and none claimed.
 */
Test(frames_map, agrees_with_a_map_of_every_sector)
{
    enum { FRAMES = 96, SECTORS = FRAMES * 8 };
    uint64_t random = 7;

    for (unsigned round = 0; round < 3000; round++) {
        unsigned char offered[SECTORS] = {0}, claimed[SECTORS] = {0}, expected[FRAMES], actual[FRAMES] = {0};
        struct frame_range pieces[FRAMES];
        size_t count;

        memset(&info, 0, sizeof(info));
        reserved_count = 0;
        for (unsigned i = support_random(&random) % 20; i--;) {
            uint64_t first = support_random(&random) % SECTORS;
            uint64_t length = 1 + support_random(&random) % (i % 3 ? 40 : 400);
            uint64_t last = first + length < SECTORS ? first + length : SECTORS;
            unsigned how = support_random(&random) % 8;

            memset((how < 5 ? offered : claimed) + first, 1, last - first);
            if (how < 7)
                say(MIB + first * 512, MIB + last * 512, how < 5 ? MEMORY_USABLE : MEMORY_NVS);
            else
                reserve(MIB + first * 512, MIB + last * 512);
        }
        for (unsigned i = 0; i < FRAMES; i++) {
            expected[i] = 1;
            for (unsigned s = i * 8; s < i * 8 + 8; s++)
                expected[i] &= offered[s] && !claimed[s];
        }
        count = frames_usable(&info, reserved, reserved_count, pieces, FRAMES);
        for (size_t i = 0; i < count; i++) {
            cr_assert(i == 0 || pieces[i].base > pieces[i - 1].end, "sorted, and apart");
            for (uint64_t at = pieces[i].base; at < pieces[i].end; at += FRAME_BYTES)
                actual[(at - MIB) / FRAME_BYTES] = 1;
        }
        cr_assert_arr_eq(actual, expected, FRAMES, "round %u", round);
    }
}

Test(frames_map, table_has_an_entry_a_frame)
{
    cr_assert_eq(frames_table_bytes(0), 0);
    cr_assert_eq(frames_table_bytes(1), sizeof(struct frame));
    cr_assert_eq(frames_table_bytes(64 * MIB), 16384 * sizeof(struct frame));
    cr_assert_eq(frames_table_bytes(64 * GIB), FRAMES_MAX * sizeof(struct frame));
    cr_assert_eq(frames_table_bytes(UINT64_MAX), FRAMES_MAX * sizeof(struct frame));
}

/* ---- the allocator ---- */

static struct frames frames;

static void begin(uint64_t end)
{
    uint32_t count = (uint32_t)(end / FRAME_BYTES);

    frames_init(&frames, calloc(count, sizeof(struct frame)), count);
}

static void begin_with(uint64_t base, uint64_t end)
{
    begin(end);
    frames_add(&frames, base, end);
}

static void finish(void)
{
    free(frames.table);
}

static uint64_t take(uint32_t count, uint32_t align)
{
    uint64_t address = 0;

    cr_assert_eq(frames_take_run(&frames, count, align, &address), STATUS_OK, "%u frames at %u", count, align);
    cr_assert_eq(address % ((uint64_t)align * FRAME_BYTES), 0);
    cr_assert_eq(frames_run_length(&frames, address), count);
    return address;
}

static uint64_t take_one(void)
{
    uint64_t address = 0;

    cr_assert_eq(frames_take(&frames, &address), STATUS_OK);
    return address;
}

static void expect_full(void)
{
    uint64_t address = 42;

    cr_assert_eq(frames_take(&frames, &address), STATUS_NO_MEMORY);
    cr_assert_eq(frames_take_run(&frames, 1, 1, &address), STATUS_NO_MEMORY);
    cr_assert_eq(frames_take_run(&frames, 2, 1, &address), STATUS_NO_MEMORY);
    cr_assert_eq(address, 42, "untouched");
}

#define expect_report(total_, used_, largest)                                         \
    do {                                                                              \
        struct frames_report report_ = frames_report(&frames);                        \
        cr_assert_eq(report_.total, total_, "total %u", report_.total);               \
        cr_assert_eq(report_.used, used_, "used %u", report_.used);                   \
        cr_assert_eq(report_.free, (total_) - (used_), "free %u", report_.free);      \
        cr_assert_eq(report_.largest_run, largest, "run of %u", report_.largest_run); \
    } while (0)

Test(frames, has_nothing_at_first)
{
    begin(MIB);
    expect_full();
    expect_report(0, 0, 0);
    frames_add(&frames, 64 * KIB, 64 * KIB);
    expect_full();
    finish();
}

/* Two pieces with a hole and odd edges. Twice: first in order, then with the frames given back in another. */
Test(frames, gives_each_frame_exactly_once)
{
    enum { FIRST = 3, HOLE = 1001, HOLE_END = 1029, LAST = 4090 };
    static uint64_t taken[LAST];
    unsigned count = LAST - FIRST - (HOLE_END - HOLE);

    begin(16 * MIB);
    frames_add(&frames, HOLE_END * FRAME_BYTES, LAST * FRAME_BYTES);
    frames_add(&frames, FIRST * FRAME_BYTES, HOLE * FRAME_BYTES);
    for (unsigned round = 0; round < 2; round++) {
        static bool seen[2][LAST];

        expect_report(count, 0, 1024);
        for (unsigned i = 0; i < count; i++) {
            uint64_t number = (taken[i] = take_one()) / FRAME_BYTES;

            cr_assert(number >= FIRST && number < LAST && (number < HOLE || number >= HOLE_END));
            cr_assert_not(seen[round][number]);
            seen[round][number] = true;
        }
        expect_full();
        expect_report(count, count, 0);
        for (unsigned i = 0; i < count; i++)
            frames_give(&frames, taken[i * 7 % count]);
    }
    expect_report(count, 0, 1024);
    finish();
}

Test(frames, never_gives_frame_zero)
{
    begin_with(0, 4 * FRAME_BYTES);
    expect_report(3, 0, 2);
    cr_assert_neq(take_one(), 0);
    cr_assert_neq(take_one(), 0);
    cr_assert_neq(take_one(), 0);
    expect_full();
    finish();
    begin_with(0, FRAME_BYTES);
    expect_full();
    finish();
}

Test(frames, memory_added_in_pieces_is_one)
{
    begin(8 * MIB);
    frames_add(&frames, 5 * MIB, 6 * MIB);
    frames_add(&frames, 4 * MIB, 5 * MIB);
    frames_add(&frames, 6 * MIB, 8 * MIB);
    expect_report(1024, 0, 1024);
    cr_assert_eq(take(1024, 1024), 4 * MIB);
    finish();
}

Test(frames, what_lies_beyond_the_table_is_no_buddy)
{
    static struct frame table[8];

    table[6] = (struct frame){.state = FRAME_FREE, .order = 1};
    frames_init(&frames, table, 6);
    frames_add(&frames, 4 * FRAME_BYTES, 6 * FRAME_BYTES);
    expect_report(2, 0, 2);
    cr_assert_eq(table[6].state, FRAME_FREE);
}

Test(frames, runs_of_any_length_and_alignment)
{
    begin_with(4 * MIB, 8 * MIB);
    for (uint32_t count = 1; count <= 130; count++) {
        for (uint32_t align = 1; align <= 256; align *= 2) {
            uint64_t first = take(count, align);
            uint64_t second = take(count, align);

            cr_assert(first + count * FRAME_BYTES <= second || second + count * FRAME_BYTES <= first);
            cr_assert(first >= 4 * MIB && second >= 4 * MIB);
            cr_assert(first + count * FRAME_BYTES <= 8 * MIB && second + count * FRAME_BYTES <= 8 * MIB);
            cr_assert_eq(frames.free, 1024 - 2 * count);
            frames_give(&frames, first);
            frames_give(&frames, second);
            expect_report(1024, 0, 1024);
        }
    }
    finish();
}

Test(frames, a_run_leaves_its_tail_free)
{
    uint64_t run;

    begin_with(16 * FRAME_BYTES, 32 * FRAME_BYTES);
    run = take(9, 1);
    expect_report(16, 9, 4);
    cr_assert_eq(take(4, 4), run + 12 * FRAME_BYTES);
    cr_assert_eq(take(2, 2), run + 10 * FRAME_BYTES);
    cr_assert_eq(take(1, 1), run + 9 * FRAME_BYTES);
    expect_full();
    frames_give(&frames, run);
    expect_report(16, 7, 8);
    finish();
}

Test(frames, a_lone_frame_may_be_aligned)
{
    begin_with(16 * FRAME_BYTES, 32 * FRAME_BYTES);
    cr_assert_eq(take(1, 16), 16 * FRAME_BYTES);
    expect_report(16, 1, 8);
    cr_assert_eq(take(3, 8), 24 * FRAME_BYTES);
    expect_report(16, 4, 4);
    finish();
}

Test(frames, says_what_can_never_be)
{
    uint64_t address = 42;

    begin_with(MIB, 2 * MIB);
    cr_assert_eq(frames_take_run(&frames, 0, 1, &address), STATUS_INVALID);
    cr_assert_eq(frames_take_run(&frames, (1 << 18) + 1, 1, &address), STATUS_INVALID);
    cr_assert_eq(frames_take_run(&frames, UINT32_MAX, 1, &address), STATUS_INVALID);
    cr_assert_eq(frames_take_run(&frames, 1, 1 << 19, &address), STATUS_INVALID);
    cr_assert_eq(frames_take_run(&frames, 1 << 18, 1 << 18, &address), STATUS_NO_MEMORY);
    cr_assert_eq(address, 42);
    expect_report(256, 0, 256);
    finish();
}

Test(frames, a_full_half_does_not_serve_a_longer_run)
{
    uint64_t address = 42, first;

    begin_with(16 * FRAME_BYTES, 32 * FRAME_BYTES);
    first = take(8, 8);
    take(8, 8);
    frames_give(&frames, first);
    cr_assert_eq(frames_take_run(&frames, 9, 1, &address), STATUS_NO_MEMORY);
    cr_assert_eq(address, 42);
    expect_report(16, 8, 8);
    finish();
}

Test(frames, frames_given_back_one_by_one_serve_a_run)
{
    uint64_t taken[16];

    begin_with(16 * FRAME_BYTES, 32 * FRAME_BYTES);
    for (unsigned i = 0; i < 16; i++)
        taken[i] = take_one();
    for (unsigned i = 0; i < 16; i++)
        frames_give(&frames, taken[i]);
    cr_assert_eq(frames.free, 16, "cached ones are free");
    cr_assert_eq(frames.cached, 16, "this test is about cached frames");
    cr_assert_eq(take(16, 16), 16 * FRAME_BYTES);
    expect_full();
    finish();
}

Test(frames, reports_runs_that_single_frames_would_join_to)
{
    uint64_t taken[16];

    begin_with(16 * FRAME_BYTES, 32 * FRAME_BYTES);
    for (unsigned i = 0; i < 16; i++)
        taken[i] = take_one();
    for (unsigned i = 0; i < 16; i++)
        frames_give(&frames, taken[i]);
    expect_report(16, 0, 16);
    finish();
}

Test(frames, a_tag_is_its_owners_until_given_back)
{
    uint64_t one, run;

    begin_with(MIB, 2 * MIB);
    one = take_one();
    run = take(4, 4);
    cr_assert_eq(frames_entry(&frames, one)->tag, 0);
    frames_entry(&frames, one)->tag = 0xabcd;
    frames_entry(&frames, run + 17)->tag = 7;
    cr_assert_eq(frames_entry(&frames, run)->tag, 7);
    frames_give(&frames, one);
    frames_give(&frames, run);
    cr_assert_eq(frames_entry(&frames, take_one())->tag, 0);
    cr_assert_eq(frames_entry(&frames, take(4, 4))->tag, 0);
    cr_assert_null(frames_entry(&frames, 2 * MIB));
    cr_assert_null(frames_entry(&frames, UINT64_MAX));
    finish();
}

Test(frames, length_is_that_of_a_taken_run_from_its_beginning)
{
    uint64_t run;

    begin_with(MIB, 2 * MIB);
    run = take(5, 1);
    cr_assert_eq(frames_run_length(&frames, run), 5);
    cr_assert_eq(frames_run_length(&frames, run + FRAME_BYTES), 0);
    cr_assert_eq(frames_run_length(&frames, run + 1), 0);
    cr_assert_eq(frames_run_length(&frames, 0), 0);
    cr_assert_eq(frames_run_length(&frames, 2 * MIB), 0);
    frames_give(&frames, run);
    cr_assert_eq(frames_run_length(&frames, run), 0);
    finish();
}

/* ---- machines: 3 GiB at most below 4 GiB, as a PC's devices leave room for ---- */

static void machine(uint64_t bytes)
{
    uint64_t low = bytes < 3 * GIB ? bytes : 3 * GIB;
    uint32_t total = (uint32_t)((bytes - MIB) / FRAME_BYTES);
    uint32_t largest, runs = 0, singles = 0;
    uint64_t address, end = bytes > low ? 4 * GIB + (bytes - low) : low;
    struct frame_range pieces[4];
    size_t count;
    uint64_t *taken;

    memset(&info, 0, sizeof(info));
    say(4 * GIB, 4 * GIB + (bytes - low), MEMORY_USABLE);
    say(0, low, MEMORY_USABLE);
    count = frames_usable(&info, NULL, 0, pieces, ARRAY_SIZE(pieces));
    if (end > 64 * GIB) {
        total -= (uint32_t)((end - 64 * GIB) / FRAME_BYTES);
        end = 64 * GIB;
    }
    cr_assert_eq(pieces[count - 1].end, end);
    frames_init(&frames, calloc(1, frames_table_bytes(end)), (uint32_t)(end / FRAME_BYTES));
    for (size_t i = 0; i < count; i++)
        frames_add(&frames, pieces[i].base, pieces[i].end);
    largest = frames_report(&frames).largest_run;
    cr_assert_eq(largest, bytes / 2 < GIB ? bytes / 2 / FRAME_BYTES : 1 << 18);
    expect_report(total, 0, largest);

    taken = calloc(total, sizeof(*taken));
    while (frames_take_run(&frames, 16, 16, &address) == STATUS_OK)
        taken[runs++] = address;
    cr_assert_eq(runs, total / 16);
    while (frames_take(&frames, &address) == STATUS_OK)
        taken[runs + singles++] = address;
    expect_report(total, 16 * runs + singles, 0);
    cr_assert_eq(total, 16 * runs + singles);
    for (uint32_t i = 0; i < runs + singles; i++)
        frames_give(&frames, taken[i]);
    expect_report(total, 0, largest);
    free(taken);
    finish();
}

Test(frames, machine_of_32_mib)
{
    machine(32 * MIB);
}

Test(frames, machine_of_64_mib)
{
    machine(64 * MIB);
}

Test(frames, machine_of_1_gib)
{
    machine(1 * GIB);
}

Test(frames, machine_of_8_gib)
{
    machine(8 * GIB);
}

Test(frames, machine_of_64_gib)
{
    machine(64 * GIB);
}

/* ---- work ---- */

static uint32_t entries_changed(const struct frame *before)
{
    uint32_t changed = 0;

    for (uint32_t i = 0; i < frames.count; i++)
        changed += memcmp(&before[i], &frames.table[i], sizeof(*before)) != 0;
    return changed;
}

/* How many entries of the table it takes to split a run of 1 GiB down to two frames, and to join them again. Single
 * frames would be cached. */
static void longest_work(uint64_t bytes, uint32_t *take_work, uint32_t *give_work)
{
    size_t table_bytes = frames_table_bytes(bytes);
    struct frame *before = malloc(table_bytes);
    uint64_t run;

    begin_with(GIB, bytes);
    memcpy(before, frames.table, table_bytes);
    run = take(2, 1);
    *take_work = entries_changed(before);
    memcpy(before, frames.table, table_bytes);
    frames_give(&frames, run);
    *give_work = entries_changed(before);
    free(before);
    finish();
}

Test(frames, work_does_not_grow_with_memory)
{
    uint32_t small_take, small_give, large_take, large_give;

    longest_work(3 * GIB, &small_take, &small_give);
    longest_work(12 * GIB, &large_take, &large_give);
    cr_assert_eq(small_take, large_take);
    cr_assert_eq(small_give, large_give);
    cr_assert_leq(large_take, FRAME_ORDERS + 1, "the run, its rest on each order, and a neighbour");
    cr_assert_leq(large_give, FRAME_ORDERS + 1);
}

/* ---- mistakes ---- */

Test(frames, giving_a_frame_twice_panics, .exit_code = PANIC_EXIT)
{
    uint64_t address;

    begin_with(MIB, 2 * MIB);
    address = take_one();
    frames_give(&frames, address);
    frames_give(&frames, address);
}

Test(frames, giving_a_run_twice_panics, .exit_code = PANIC_EXIT)
{
    uint64_t address;

    begin_with(MIB, 2 * MIB);
    address = take(4, 1);
    frames_give(&frames, address);
    frames_give(&frames, address);
}

Test(frames, giving_a_joined_run_again_panics, .exit_code = PANIC_EXIT)
{
    uint64_t first, second;

    begin_with(MIB, MIB + 4 * FRAME_BYTES);
    first = take(2, 1);
    second = take(2, 1);
    frames_give(&frames, first < second ? first : second);
    frames_give(&frames, first < second ? second : first);
    frames_give(&frames, first < second ? second : first);
}

Test(frames, giving_a_joined_frame_again_panics, .exit_code = PANIC_EXIT)
{
    uint64_t first, second;

    begin_with(MIB, MIB + 2 * FRAME_BYTES);
    first = take_one();
    second = take_one();
    frames_give(&frames, first);
    frames_give(&frames, second);
    frames_report(&frames);
    frames_give(&frames, first > second ? first : second);
}

Test(frames, giving_what_was_never_taken_panics, .exit_code = PANIC_EXIT)
{
    begin_with(MIB, 2 * MIB);
    frames_give(&frames, MIB + 5 * FRAME_BYTES);
}

Test(frames, giving_the_middle_of_a_run_panics, .exit_code = PANIC_EXIT)
{
    begin_with(MIB, 2 * MIB);
    frames_give(&frames, take(4, 1) + FRAME_BYTES);
}

Test(frames, giving_the_middle_of_a_frame_panics, .exit_code = PANIC_EXIT)
{
    begin_with(MIB, 2 * MIB);
    frames_give(&frames, take_one() + 16);
}

Test(frames, giving_absent_memory_panics, .exit_code = PANIC_EXIT)
{
    begin_with(MIB, 2 * MIB);
    frames_give(&frames, 0);
}

Test(frames, giving_memory_beyond_the_table_panics, .exit_code = PANIC_EXIT)
{
    begin_with(MIB, 2 * MIB);
    frames_give(&frames, 2 * MIB);
}

Test(frames, adding_memory_twice_panics, .exit_code = PANIC_EXIT)
{
    begin_with(MIB, 2 * MIB);
    frames_add(&frames, 2 * MIB - FRAME_BYTES, 2 * MIB);
}

Test(frames, adding_memory_beyond_the_table_panics, .exit_code = PANIC_EXIT)
{
    begin(2 * MIB);
    frames_add(&frames, MIB, 2 * MIB + FRAME_BYTES);
}

Test(frames, adding_a_piece_of_a_frame_panics, .exit_code = PANIC_EXIT)
{
    begin(2 * MIB);
    frames_add(&frames, MIB + 512, 2 * MIB);
}

Test(frames, an_odd_alignment_panics, .exit_code = PANIC_EXIT)
{
    begin_with(MIB, 2 * MIB);
    take(1, 3);
}

Test(frames, no_alignment_panics, .exit_code = PANIC_EXIT)
{
    begin_with(MIB, 2 * MIB);
    take(1, 0);
}

Test(frames, too_large_a_table_panics, .exit_code = PANIC_EXIT)
{
    struct frame entry;

    frames_init(&frames, &entry, FRAMES_MAX + 1);
}

Test(frames, a_million_operations_agree_with_the_model)
{
    struct frames_report at_first;

    frames_model_begin(FRAMES_MODEL_MAX, 20240101);
    at_first = frames_report(&frames_model);
    for (unsigned operation = 0; operation < 1000000; operation++)
        frames_model_operate(operation / 50000 % 2 ? 30 : 65); /* memory fills up and empties in turn */
    frames_model_end();
    frames = frames_model;
    expect_report(at_first.total, 0, at_first.largest_run);
    cr_assert_eq(take(at_first.largest_run, at_first.largest_run), 8192 * FRAME_BYTES);
}
