/* The Multiboot 2 parser on built structures, on each way to break one, and on seeded mutations of a valid one. */
#include "lib/multiboot2.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

/* ---- a builder of the structure, in a buffer larger than any test needs ---- */

static _Alignas(8) unsigned char bytes[8192];
static size_t length;
static size_t last_tag; /* where the last added one begins */
static struct boot_info info;

#define PHYSICAL UINT64_C(0x12340) /* where the parser is told that the structure lies */

static void put32(size_t offset, uint32_t value)
{
    memcpy(bytes + offset, &value, sizeof(value));
}

static void add(const void *data, size_t size)
{
    memcpy(bytes + length, data, size);
    length += size;
}

static void add_tag(uint32_t type, const void *content, size_t size)
{
    uint32_t head[2] = {type, (uint32_t)(8 + size)};

    length = (length + 7) & ~(size_t)7;
    last_tag = length;
    add(head, sizeof(head));
    add(content, size);
}

static void add_text(uint32_t type, const char *text)
{
    add_tag(type, text, strlen(text) + 1);
}

static void add_module(uint32_t start, uint32_t end, const char *name)
{
    unsigned char content[64];

    memcpy(content, &start, 4);
    memcpy(content + 4, &end, 4);
    strcpy((char *)content + 8, name);
    add_tag(3, content, 8 + strlen(name) + 1);
}

struct entry {
    uint64_t base, size;
    uint32_t type, reserved;
};

static void add_memory_map(const struct entry *entries, size_t count)
{
    uint32_t head[2] = {sizeof(*entries), 0};

    add_tag(6, head, sizeof(head));
    add(entries, count * sizeof(*entries));
    put32(last_tag + 4, (uint32_t)(16 + count * sizeof(*entries)));
}

static void start(void)
{
    memset(bytes, 0xee, sizeof(bytes));
    length = 8;
    memset(&info, 0xa5, sizeof(info));
}

static void finish(void)
{
    add_tag(0, "", 0);
    put32(0, (uint32_t)length);
    put32(4, 0);
}

static const struct entry pc_map[] = {
    {0, 0x9fc00, 1, 0},         {0x9fc00, 0x400, 2, 0},    {0xf0000, 0x10000, 2, 0},  {0x100000, 0x3ee0000, 1, 0},
    {0x3fe0000, 0x10000, 3, 0}, {0x3ff0000, 0x8000, 4, 0}, {0x3ff8000, 0x8000, 5, 0}, {0xfffc0000, 0x40000, 99, 0},
};

/* What GRUB passes on a small PC, with a tag of every kind that is read and one that is not. */
static void build_pc(void)
{
    static const unsigned char rsdp[36] = "RSD PTR ";
    static const uint32_t meminfo[2] = {639, 64000};

    start();
    add_text(1, "mode=echo keyboard=async");
    add_text(2, "GRUB 2.06");
    add_tag(4, meminfo, sizeof(meminfo));
    add_module(0x200000, 0x201234, "tests.bin");
    add_memory_map(pc_map, ARRAY_SIZE(pc_map));
    add_tag(14, rsdp, 20);
    add_tag(15, rsdp, 36);
    finish();
}

/* Parses, and checks that a failure leaves the output as it was. */
static enum status parse(const void *structure, size_t limit)
{
    struct boot_info before = info;
    enum status status = multiboot2_parse(structure, PHYSICAL, limit, &info);

    if (status)
        cr_assert_arr_eq(&info, &before, sizeof(info), "output touched on error %d", status);
    return status;
}

static void assert_range(const struct memory_range *range, uint64_t base, uint64_t size, enum memory_kind kind)
{
    cr_assert_eq(range->base, base);
    cr_assert_eq(range->size, size);
    cr_assert_eq(range->kind, kind);
}

/* ---- what it reads ---- */

Test(multiboot2, reads_what_grub_passes)
{
    static const enum memory_kind kinds[] = {MEMORY_USABLE, MEMORY_RESERVED, MEMORY_RESERVED, MEMORY_USABLE,
                                             MEMORY_ACPI,   MEMORY_NVS,      MEMORY_BAD,      MEMORY_RESERVED};

    build_pc();
    cr_assert_eq(parse(bytes, length), STATUS_OK);
    cr_assert_str_eq(info.command_line, "mode=echo keyboard=async");
    cr_assert_str_eq(info.loader, "GRUB 2.06");
    cr_assert_eq(info.range_count, ARRAY_SIZE(pc_map));
    for (size_t i = 0; i < ARRAY_SIZE(pc_map); i++)
        assert_range(&info.ranges[i], pc_map[i].base, pc_map[i].size, kinds[i]);
    cr_assert_eq(info.module_count, 1);
    assert_range(&info.modules[0], 0x200000, 0x1234, MEMORY_RESERVED);
    cr_assert_eq(info.info_base, PHYSICAL);
    cr_assert_eq(info.info_size, length);
}

Test(multiboot2, needs_no_more_than_a_memory_map)
{
    start();
    add_memory_map(pc_map, 1);
    finish();
    cr_assert_eq(parse(bytes, length), STATUS_OK);
    cr_assert_null(info.command_line);
    cr_assert_str_eq(info.loader, "multiboot2");
    cr_assert_eq(info.range_count, 1);
    cr_assert_eq(info.module_count, 0);
    cr_assert_eq(info.rsdp, 0);
}

Test(multiboot2, points_to_the_newer_root_pointer_whatever_the_order)
{
    for (unsigned order = 0; order < 4; order++) {
        size_t at[2] = {0, 0}; /* old, new */

        start();
        add_memory_map(pc_map, 1);
        for (unsigned i = 0; i < 2; i++) {
            bool new = (order & 1) == i;

            if (order >= 2 && new)
                continue;
            add_tag(new ? 15 : 14, bytes, new ? 36 : 20);
            at[new] = last_tag;
        }
        finish();
        cr_assert_eq(parse(bytes, length), STATUS_OK);
        cr_assert_eq(info.rsdp, PHYSICAL + at[order < 2] + 8);
    }
}

Test(multiboot2, accepts_larger_entries_of_a_later_version)
{
    struct {
        uint32_t entry_size, version;
        struct {
            struct entry entry;
            uint64_t more;
        } entries[2];
    } map = {32, 1, {{{0x1000, 0x2000, 1, 0}, 7}, {{0x8000, 0x1000, 3, 0}, 7}}};

    start();
    add_tag(6, &map, sizeof(map));
    finish();
    cr_assert_eq(parse(bytes, length), STATUS_OK);
    cr_assert_eq(info.range_count, 2);
    assert_range(&info.ranges[1], 0x8000, 0x1000, MEMORY_ACPI);
}

Test(multiboot2, leaves_out_empty_ranges_and_clips_those_beyond_the_address_space)
{
    static const struct entry map[] = {
        {0x1000, 0, 1, 0},          {UINT64_MAX, 1, 2, 0}, {UINT64_MAX - 0xfff, 0x1000, 2, 0},
        {0x1000, UINT64_MAX, 1, 0}, {0, UINT64_MAX, 2, 0},
    };

    start();
    add_memory_map(map, ARRAY_SIZE(map));
    add_module(0x5000, 0x5000, "empty");
    finish();
    cr_assert_eq(parse(bytes, length), STATUS_OK);
    cr_assert_eq(info.range_count, 3);
    assert_range(&info.ranges[0], UINT64_MAX - 0xfff, 0xfff, MEMORY_RESERVED);
    assert_range(&info.ranges[1], 0x1000, UINT64_MAX - 0x1000, MEMORY_USABLE);
    assert_range(&info.ranges[2], 0, UINT64_MAX, MEMORY_RESERVED);
    cr_assert_eq(info.module_count, 0);
}

/* ---- what it refuses ---- */

Test(multiboot2, misses_a_memory_map)
{
    static const struct entry empty = {0x1000, 0, 1, 0};

    start();
    finish();
    cr_assert_eq(parse(bytes, length), STATUS_NOT_FOUND);
    start();
    add_text(1, "no map");
    add_memory_map(&empty, 1);
    finish();
    cr_assert_eq(parse(bytes, length), STATUS_NOT_FOUND);
}

Test(multiboot2, takes_as_many_ranges_and_modules_as_fit_and_no_more)
{
    for (size_t extra = 0; extra < 2; extra++) {
        start();
        for (size_t i = 0; i < BOOT_MAX_RANGES + extra; i++)
            add_memory_map(&pc_map[0], 1);
        finish();
        cr_assert_eq(parse(bytes, length), extra ? STATUS_NO_MEMORY : STATUS_OK);
        start();
        add_memory_map(pc_map, 1);
        for (uint32_t i = 0; i < BOOT_MAX_MODULES + extra; i++)
            add_module(i << 12, (i + 1) << 12, "m");
        finish();
        cr_assert_eq(parse(bytes, length), extra ? STATUS_NO_MEMORY : STATUS_OK);
        if (!extra)
            cr_assert_eq(info.module_count, BOOT_MAX_MODULES);
    }
}

Test(multiboot2, refuses_every_cut_of_the_structure)
{
    build_pc();
    for (size_t cut = 0; cut < length; cut++) {
        unsigned char *copy = malloc(cut ? cut : 1);

        memcpy(copy, bytes, cut);
        cr_assert_eq(parse(copy, cut), STATUS_INVALID, "limit %zu", cut);
        if (cut >= 4) { /* and when the structure admits it: the end tag is then missing */
            memcpy(copy, &(uint32_t){(uint32_t)cut}, 4);
            cr_assert_eq(parse(copy, cut), STATUS_INVALID, "size %zu", cut);
        }
        free(copy);
    }
    cr_assert_eq(parse(bytes, length), STATUS_OK);
}

Test(multiboot2, refuses_a_structure_out_of_line)
{
    static _Alignas(8) unsigned char shifted[8192];

    build_pc();
    for (size_t by = 0; by < 8; by++) {
        memcpy(shifted + by, bytes, length);
        cr_assert_eq(parse(shifted + by, length), by ? STATUS_INVALID : STATUS_OK);
    }
}

Test(multiboot2, refuses_tag_sizes_that_lie)
{
    static const uint32_t lies[] = {0, 1, 7, 0x7fffffff, 0x80000000, 0xfffffff8, 0xfffffff9, 0xffffffff};

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        start();
        add_memory_map(pc_map, 1);
        add_text(77, "unknown tag");
        put32(last_tag + 4, lies[i]);
        finish();
        cr_assert_eq(parse(bytes, length), STATUS_INVALID, "size %#x", lies[i]);
    }
}

static enum status parse_with_last_tag_of(uint32_t type, size_t size)
{
    static const unsigned char zeros[64];

    start();
    add_memory_map(pc_map, 1);
    add_tag(type, zeros, size - 8);
    finish();
    return parse(bytes, length);
}

Test(multiboot2, refuses_tags_shorter_than_their_fields)
{
    static const struct {
        uint32_t type;
        size_t least;
    } tags[] = {{1, 9}, {2, 9}, {3, 17}, {14, 28}, {15, 44}};

    for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
        for (size_t size = 8; size <= 60; size++)
            cr_assert_eq(parse_with_last_tag_of(tags[i].type, size), size < tags[i].least ? STATUS_INVALID : STATUS_OK,
                         "tag %u of %zu", tags[i].type, size);
}

Test(multiboot2, refuses_strings_that_do_not_end_in_their_tag)
{
    for (uint32_t type = 1; type <= 3; type++) {
        start();
        add_memory_map(pc_map, 1);
        add_tag(type, "\0\0\0\0\0\0\0\0unterminated and padded by a NUL", type == 3 ? 16 : 20);
        if (type < 3)
            memset(bytes + last_tag + 8, 'x', 20);
        memset(bytes + length, 0, 8); /* the NUL outside must not help */
        finish();
        cr_assert_eq(parse(bytes, length), STATUS_INVALID, "tag %u", type);
    }
}

Test(multiboot2, refuses_a_module_that_ends_before_it_starts)
{
    start();
    add_memory_map(pc_map, 1);
    add_module(0x2000, 0x1fff, "m");
    finish();
    cr_assert_eq(parse(bytes, length), STATUS_INVALID);
}

Test(multiboot2, refuses_entry_sizes_that_do_not_divide_the_map)
{
    static const struct {
        uint32_t tag_size, entry_size;
        enum status status;
    } maps[] = {
        {8, 24, STATUS_INVALID},
        {15, 24, STATUS_INVALID},
        {16, 24, STATUS_NOT_FOUND},
        {16 + 24, 24, STATUS_OK},
        {16 + 24, 0, STATUS_INVALID},
        {16 + 24, 8, STATUS_INVALID},
        {16 + 24, 12, STATUS_INVALID},
        {16 + 32, 24, STATUS_INVALID},
        {16 + 28, 28, STATUS_INVALID},
        {16 + 48, 48, STATUS_OK},
        {16 + 24, 0xfffffff8, STATUS_INVALID},
    };

    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        start();
        add_memory_map(pc_map, 3);
        put32(last_tag + 4, maps[i].tag_size);
        put32(last_tag + 8, maps[i].entry_size);
        length = last_tag + maps[i].tag_size;
        finish();
        cr_assert_eq(parse(bytes, length), maps[i].status, "map %zu", i);
    }
}

/* ---- mutations ---- */

static void mutate(unsigned char *structure, size_t size, uint64_t *seed)
{
    static const uint32_t nasty[] = {0,  1,  3,  6,          7,          8,          9,         14,
                                     15, 16, 24, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};

    for (uint64_t left = support_random(seed) % 6; left; left--) {
        uint64_t random = support_random(seed);

        if (random % 3)
            memcpy(structure + (random >> 8) % (size / 4) * 4, &nasty[(random >> 40) % ARRAY_SIZE(nasty)], 4);
        else
            structure[(random >> 8) % size] = (unsigned char)(random >> 40);
    }
}

static void assert_plausible(const unsigned char *structure, size_t size)
{
    const char *texts[] = {info.loader, info.command_line};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const unsigned char *text = (const unsigned char *)texts[i];

        if (text >= structure && text < structure + size)
            cr_assert_not_null(memchr(text, '\0', (size_t)(structure + size - text)));
        else
            cr_assert(!text || !strcmp(texts[i], "multiboot2"));
    }
    cr_assert(info.range_count > 0 && info.range_count <= BOOT_MAX_RANGES && info.module_count <= BOOT_MAX_MODULES);
    for (size_t i = 0; i < info.range_count; i++)
        cr_assert(info.ranges[i].size && info.ranges[i].size <= UINT64_MAX - info.ranges[i].base);
    cr_assert(info.info_size <= size);
}

Test(multiboot2, survives_mutations)
{
    unsigned outcomes[STATUS_IO + 1] = {0};
    uint64_t seed = 51;

    build_pc();
    for (unsigned i = 0; i < 100000; i++) {
        size_t limit = support_random(&seed) % 8 ? length : support_random(&seed) % length + 1;
        unsigned char *copy = malloc(limit);
        enum status status;

        memcpy(copy, bytes, limit);
        if (limit >= 4)
            mutate(copy, limit, &seed);
        memset(&info, 0xa5, sizeof(info));
        status = parse(copy, limit);
        outcomes[status]++;
        if (!status)
            assert_plausible(copy, limit);
        free(copy);
    }
    cr_assert_gt(outcomes[STATUS_OK], 10000);
    cr_assert_gt(outcomes[STATUS_INVALID], 10000);
    cr_assert_gt(outcomes[STATUS_NOT_FOUND], 10);
}
