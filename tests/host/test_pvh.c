/* The PVH parser on a small physical memory of its own, on each way to break what lies there, and on mutations. */
#include "lib/pvh.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

/* ---- physical memory: at() answers with a copy of the exact size, so that reading further is seen ---- */

#define MEMORY_BASE UINT64_C(0x10000)
#define MEMORY_SIZE 0x4000u

#define INFO         (MEMORY_BASE + 0x100)
#define COMMAND_LINE (MEMORY_BASE + 0x203)
#define MAP          (MEMORY_BASE + 0x404)
#define MODULES      (MEMORY_BASE + 0x800)

static unsigned char memory[MEMORY_SIZE];
static void *copies[2 * PVH_MAX_COMMAND_LINE];
static size_t copy_count;
static struct boot_info info;

static const void *at(uint64_t physical, size_t size)
{
    void *copy;

    if (physical < MEMORY_BASE || size > MEMORY_SIZE || physical - MEMORY_BASE > MEMORY_SIZE - size)
        return NULL;
    cr_assert_lt(copy_count, ARRAY_SIZE(copies));
    copy = malloc(size);
    memcpy(copy, memory + (physical - MEMORY_BASE), size);
    copies[copy_count++] = copy;
    return copy;
}

static void free_copies(void)
{
    while (copy_count)
        free(copies[--copy_count]);
}

static void put(uint64_t physical, const void *data, size_t size)
{
    memcpy(memory + (physical - MEMORY_BASE), data, size);
}

static void put32(uint64_t physical, uint32_t value)
{
    put(physical, &value, sizeof(value));
}

static void put64(uint64_t physical, uint64_t value)
{
    put(physical, &value, sizeof(value));
}

static void put_entry(uint64_t physical, uint64_t base, uint64_t size, uint32_t type)
{
    put64(physical, base);
    put64(physical + 8, size);
    put32(physical + 16, type);
}

/* Fields at the offsets of Xen's start_info.h. */
#define FIELD_VERSION      4
#define FIELD_MODULE_COUNT 12
#define FIELD_MODULES      16
#define FIELD_COMMAND_LINE 24
#define FIELD_RSDP         32
#define FIELD_MAP          40
#define FIELD_MAP_ENTRIES  48

/* What QEMU's -kernel passes, and two modules. */
static void build(void)
{
    static const char command_line[] = "mode=bench seed=7";

    memset(memory, 0, sizeof(memory));
    memset(&info, 0xa5, sizeof(info));
    put32(INFO, 0x336ec578);
    put32(INFO + FIELD_VERSION, 1);
    put32(INFO + FIELD_MODULE_COUNT, 2);
    put64(INFO + FIELD_MODULES, MODULES);
    put64(INFO + FIELD_COMMAND_LINE, COMMAND_LINE);
    put64(INFO + FIELD_RSDP, 0xf5b00);
    put64(INFO + FIELD_MAP, MAP);
    put32(INFO + FIELD_MAP_ENTRIES, 3);
    put(COMMAND_LINE, command_line, sizeof(command_line));
    put_entry(MAP, 0, 0x9fc00, 1);
    put_entry(MAP + 24, 0xf0000, 0x10000, 2);
    put_entry(MAP + 48, 0x100000, 0x3f00000, 1);
    put64(MODULES, 0x300000);
    put64(MODULES + 8, 0x1000);
    put64(MODULES + 32, 0x400000);
    put64(MODULES + 40, 0x123);
}

/* Parses, and checks that a failure leaves the output as it was. */
static enum status parse(uint64_t physical)
{
    struct boot_info before = info;
    enum status status = pvh_parse(physical, at, &info);

    if (status)
        cr_assert_arr_eq(&info, &before, sizeof(info), "output touched on error %d", status);
    return status;
}

TestSuite(pvh, .init = build, .fini = free_copies);

static void assert_range(const struct memory_range *range, uint64_t base, uint64_t size, enum memory_kind kind)
{
    cr_assert_eq(range->base, base);
    cr_assert_eq(range->size, size);
    cr_assert_eq(range->kind, kind);
}

Test(pvh, reads_what_qemu_passes)
{
    cr_assert_eq(parse(INFO), STATUS_OK);
    cr_assert_str_eq(info.loader, "pvh");
    cr_assert_str_eq(info.command_line, "mode=bench seed=7");
    cr_assert_eq(info.rsdp, 0xf5b00);
    cr_assert_eq(info.info_base, INFO);
    cr_assert_eq(info.info_size, 56);
    cr_assert_eq(info.range_count, 3);
    assert_range(&info.ranges[0], 0, 0x9fc00, MEMORY_USABLE);
    assert_range(&info.ranges[1], 0xf0000, 0x10000, MEMORY_RESERVED);
    assert_range(&info.ranges[2], 0x100000, 0x3f00000, MEMORY_USABLE);
    cr_assert_eq(info.module_count, 2);
    assert_range(&info.modules[0], 0x300000, 0x1000, MEMORY_RESERVED);
    assert_range(&info.modules[1], 0x400000, 0x123, MEMORY_RESERVED);
}

Test(pvh, needs_no_command_line_and_no_modules)
{
    put64(INFO + FIELD_COMMAND_LINE, 0);
    put32(INFO + FIELD_MODULE_COUNT, 0);
    put64(INFO + FIELD_MODULES, ~0ull);
    cr_assert_eq(parse(INFO), STATUS_OK);
    cr_assert_null(info.command_line);
    cr_assert_eq(info.module_count, 0);
}

Test(pvh, knows_every_kind_of_memory)
{
    static const enum memory_kind kinds[] = {MEMORY_RESERVED, MEMORY_USABLE, MEMORY_RESERVED, MEMORY_ACPI,
                                             MEMORY_NVS,      MEMORY_BAD,    MEMORY_RESERVED, MEMORY_RESERVED};

    for (uint32_t type = 0; type < ARRAY_SIZE(kinds); type++)
        put_entry(MAP + 24 * type, type << 12, 0x1000, type);
    put32(INFO + FIELD_MAP_ENTRIES, ARRAY_SIZE(kinds));
    cr_assert_eq(parse(INFO), STATUS_OK);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        assert_range(&info.ranges[i], i << 12, 0x1000, kinds[i]);
}

Test(pvh, reads_a_later_version_as_this_one)
{
    put32(INFO + FIELD_VERSION, 7);
    cr_assert_eq(parse(INFO), STATUS_OK);
    cr_assert_eq(info.range_count, 3);
}

Test(pvh, leaves_out_empty_ranges_and_clips_those_beyond_the_address_space)
{
    put_entry(MAP, 0x5000, 0, 1);
    put_entry(MAP + 24, 0x7000, UINT64_MAX, 1);
    put64(MODULES + 8, 0);
    cr_assert_eq(parse(INFO), STATUS_OK);
    cr_assert_eq(info.range_count, 2);
    assert_range(&info.ranges[0], 0x7000, UINT64_MAX - 0x7000, MEMORY_USABLE);
    cr_assert_eq(info.module_count, 1);
}

Test(pvh, misses_a_memory_map)
{
    put32(INFO + FIELD_VERSION, 0);
    cr_assert_eq(parse(INFO), STATUS_NOT_FOUND);
    put32(INFO + FIELD_VERSION, 1);
    put32(INFO + FIELD_MAP_ENTRIES, 0);
    cr_assert_eq(parse(INFO), STATUS_NOT_FOUND);
    put32(INFO + FIELD_MAP_ENTRIES, 1);
    put_entry(MAP, 0x5000, 0, 1);
    cr_assert_eq(parse(INFO), STATUS_NOT_FOUND);
}

Test(pvh, refuses_another_magic)
{
    put32(INFO, 0x336ec579);
    cr_assert_eq(parse(INFO), STATUS_INVALID);
}

Test(pvh, refuses_addresses_out_of_reach)
{
    static const uint64_t unreachable[] = {1, MEMORY_BASE - 1, MEMORY_BASE + MEMORY_SIZE, UINT64_MAX - 3, UINT64_MAX};
    static const unsigned fields[] = {FIELD_MODULES, FIELD_COMMAND_LINE, FIELD_MAP};

    for (size_t i = 0; i < ARRAY_SIZE(unreachable); i++) {
        cr_assert_eq(parse(unreachable[i]), STATUS_INVALID);
        for (size_t j = 0; j < ARRAY_SIZE(fields); j++) {
            build();
            put64(INFO + fields[j], unreachable[i]);
            cr_assert_eq(parse(INFO), STATUS_INVALID, "field %u", fields[j]);
        }
    }
}

Test(pvh, refuses_a_structure_cut_by_the_end_of_memory)
{
    uint64_t end = MEMORY_BASE + MEMORY_SIZE;

    for (unsigned size = 0; size <= 56; size++) {
        build();
        put(end - size, memory + (INFO - MEMORY_BASE), size);
        cr_assert_eq(parse(end - size), size < 56 ? STATUS_INVALID : STATUS_OK, "%u bytes", size);
    }
}

Test(pvh, refuses_tables_longer_than_memory)
{
    put32(INFO + FIELD_MAP_ENTRIES, UINT32_MAX);
    cr_assert_eq(parse(INFO), STATUS_INVALID);
    build();
    put32(INFO + FIELD_MODULE_COUNT, UINT32_MAX);
    cr_assert_eq(parse(INFO), STATUS_INVALID);
}

Test(pvh, takes_as_many_ranges_and_modules_as_fit_and_no_more)
{
    for (uint32_t i = 0; i <= BOOT_MAX_RANGES; i++)
        put_entry(MODULES + 24 * i, i << 12, 0x1000, 1);
    put64(INFO + FIELD_MAP, MODULES);
    put32(INFO + FIELD_MODULE_COUNT, 0);
    put32(INFO + FIELD_MAP_ENTRIES, BOOT_MAX_RANGES);
    cr_assert_eq(parse(INFO), STATUS_OK);
    cr_assert_eq(info.range_count, BOOT_MAX_RANGES);
    put32(INFO + FIELD_MAP_ENTRIES, BOOT_MAX_RANGES + 1);
    cr_assert_eq(parse(INFO), STATUS_NO_MEMORY);
    build();
    for (uint32_t i = 0; i <= BOOT_MAX_MODULES; i++)
        put64(MODULES + 32 * i + 8, 0x1000);
    put32(INFO + FIELD_MODULE_COUNT, BOOT_MAX_MODULES);
    cr_assert_eq(parse(INFO), STATUS_OK);
    cr_assert_eq(info.module_count, BOOT_MAX_MODULES);
    put32(INFO + FIELD_MODULE_COUNT, BOOT_MAX_MODULES + 1);
    cr_assert_eq(parse(INFO), STATUS_NO_MEMORY);
}

Test(pvh, bounds_the_command_line)
{
    uint64_t line = MODULES + 64;

    put64(INFO + FIELD_COMMAND_LINE, line);
    memset(memory + (line - MEMORY_BASE), 'x', PVH_MAX_COMMAND_LINE);
    cr_assert_eq(parse(INFO), STATUS_INVALID);
    free_copies();
    put(line + PVH_MAX_COMMAND_LINE - 1, "", 1);
    cr_assert_eq(parse(INFO), STATUS_OK);
    cr_assert_eq(strlen(info.command_line), PVH_MAX_COMMAND_LINE - 1);
}

Test(pvh, reads_a_command_line_at_the_very_end_of_memory)
{
    uint64_t end = MEMORY_BASE + MEMORY_SIZE;

    put(end - 4, "a=b", 4);
    put64(INFO + FIELD_COMMAND_LINE, end - 4);
    cr_assert_eq(parse(INFO), STATUS_OK);
    cr_assert_str_eq(info.command_line, "a=b");
    put(end - 1, "c", 1);
    cr_assert_eq(parse(INFO), STATUS_INVALID);
}

static void mutate(uint64_t *seed)
{
    static const uint64_t nasty[] = {
        0, 1, 2, 7, 64, 65, 0x7fffffff, 0xffffffff, UINT64_MAX, MEMORY_BASE, INFO, MAP, MEMORY_BASE + MEMORY_SIZE - 1};

    for (uint64_t left = support_random(seed) % 5; left; left--) {
        uint64_t random = support_random(seed);

        if (random % 2)
            put64(INFO + (random >> 8) % 14 * 4, nasty[(random >> 40) % ARRAY_SIZE(nasty)]);
        else
            memory[(random >> 8) % (MODULES + 64 - MEMORY_BASE)] = (unsigned char)(random >> 40);
    }
}

Test(pvh, survives_mutations)
{
    unsigned outcomes[STATUS_IO + 1] = {0};
    uint64_t seed = 61;

    for (unsigned i = 0; i < 100000; i++) {
        enum status status;

        build();
        mutate(&seed);
        status = parse(INFO);
        outcomes[status]++;
        if (!status) {
            cr_assert(info.range_count > 0 && info.range_count <= BOOT_MAX_RANGES);
            for (size_t j = 0; j < info.range_count; j++)
                cr_assert(info.ranges[j].size && info.ranges[j].size <= UINT64_MAX - info.ranges[j].base);
            cr_assert(!info.command_line || strlen(info.command_line) < PVH_MAX_COMMAND_LINE);
        }
        free_copies();
    }
    cr_assert_gt(outcomes[STATUS_OK], 10000);
    cr_assert_gt(outcomes[STATUS_INVALID], 10000);
    cr_assert_gt(outcomes[STATUS_NOT_FOUND], 100);
}
