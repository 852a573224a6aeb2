/* A PVH start info in memory with holes, against a reader that asks for one number at a time. */
#include "lib/pvh.h"

#include "memory.h"

enum { START = 0, COMMAND_LINE, MAP, MODULES, START_BYTES = 56, OLD_BYTES = 40 };

static void build_bytes(struct segment *segment)
{
    fuzz_bytes(segment->bytes, segment->size);
}

static void build_ranges(struct segment *segment, size_t entry_bytes)
{
    for (size_t at = 0; at < segment->size; at += entry_bytes) {
        memory_put(segment, at, fuzz_number(), 8);
        memory_put(segment, at + 8, fuzz_number(), 8);
        memory_put(segment, at + 16, fuzz_number(), 4);
    }
}

/* Returns the address of the structure. */
static uint64_t build(void)
{
    uint64_t count[2] = {fuzz_below(72), fuzz_below(20)};
    struct segment *start = memory_add(fuzz_below(8) ? 0x6000 : fuzz_number(), fuzz_below(16) ? 56 : fuzz_below(56));
    uint8_t wrong;

    build_bytes(memory_add(0x10000, fuzz_below(64)));
    memory_add(fuzz_below(8) ? 0x20000 : -fuzz_number(), fuzz_below(8) ? count[0] * 24 : fuzz_number());
    memory_add(0x30000, fuzz_below(8) ? count[1] * 32 : fuzz_number());
    wrong = fuzz_byte();
    memory_put(start, 0, wrong == 1 ? fuzz_number() : PVH_MAGIC, 4);
    memory_put(start, 4, wrong == 2 ? fuzz_number() : 1, 4);
    memory_put(start, 12, wrong == 3 ? fuzz_number() : count[1], 4);
    memory_put(start, 16, wrong == 4 ? memory_pointer() : segments[MODULES].base, 8);
    memory_put(start, 24, wrong == 5 ? memory_pointer() : wrong & 8 ? 0 : segments[COMMAND_LINE].base, 8);
    memory_put(start, 32, fuzz_number(), 8);
    memory_put(start, 40, wrong == 6 ? memory_pointer() : segments[MAP].base, 8);
    memory_put(start, 48, wrong == 7 ? fuzz_number() : count[0], 4);
    build_ranges(&segments[MAP], 24);
    build_ranges(&segments[MODULES], 32);
    return wrong == 9 ? memory_pointer() : start->base;
}

/* ---- the reference ---- */

static uint64_t get(uint64_t physical, size_t size)
{
    uint64_t value = 0;

    (void)memory_get(physical, size, &value);
    return value;
}

/* Entries of a table; whether all of it is there. */
static enum status read_table(uint64_t base, uint64_t entries, size_t entry_bytes, struct memory_range *ranges,
                              size_t *count, size_t most, bool typed)
{
    if (!memory_has(base, entries * entry_bytes))
        return STATUS_INVALID;
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t first = get(base + i * entry_bytes, 8), size = get(base + i * entry_bytes + 8, 8);
        uint64_t type = typed ? get(base + i * entry_bytes + 16, 4) : 0;

        if (first > UINT64_MAX - size)
            size = UINT64_MAX - first;
        if (size == 0)
            continue;
        if (*count == most)
            return STATUS_NO_MEMORY;
        ranges[(*count)++] = (struct memory_range){first, size,
                                                   type == 1   ? MEMORY_USABLE
                                                   : type == 3 ? MEMORY_ACPI
                                                   : type == 4 ? MEMORY_NVS
                                                   : type == 5 ? MEMORY_BAD
                                                               : MEMORY_RESERVED};
    }
    return STATUS_OK;
}

/* The length of the command line, -1 if it has no end. */
static long command_line_length(uint64_t base)
{
    uint64_t byte;

    for (long i = 0; i < PVH_MAX_COMMAND_LINE && memory_get(base + (uint64_t)i, 1, &byte); i++)
        if (!memory_has(base, (uint64_t)i + 1))
            return -1;
        else if (byte == 0)
            return i;
    return -1;
}

static enum status reference(uint64_t info, struct boot_info *out)
{
    enum status status;

    *out = (struct boot_info){.info_base = info};
    if (!memory_has(info, OLD_BYTES) || get(info, 4) != PVH_MAGIC)
        return STATUS_INVALID;
    if (get(info + 4, 4) == 0)
        return STATUS_NOT_FOUND;
    if (!memory_has(info, START_BYTES))
        return STATUS_INVALID;
    if (get(info + 24, 8) && command_line_length(get(info + 24, 8)) < 0)
        return STATUS_INVALID;
    if (get(info + 48, 4) == 0)
        return STATUS_NOT_FOUND;
    status = read_table(get(info + 40, 8), get(info + 48, 4), 24, out->ranges, &out->range_count, BOOT_MAX_RANGES,
                        true);
    if (status)
        return status;
    if (out->range_count == 0)
        return STATUS_NOT_FOUND;
    if (get(info + 12, 4))
        status = read_table(get(info + 16, 8), get(info + 12, 4), 32, out->modules, &out->module_count,
                            BOOT_MAX_MODULES, false);
    out->rsdp = get(info + 32, 8);
    return status;
}

static void check_same(uint64_t info, const struct boot_info *a, const struct boot_info *b)
{
    uint64_t line = get(info + 24, 8);

    CHECK(a->info_base == b->info_base && a->info_size == START_BYTES && a->rsdp == b->rsdp);
    CHECK(strcmp(a->loader, "pvh") == 0 && !a->command_line == !line);
    if (line)
        for (long i = 0; i <= command_line_length(line); i++)
            CHECK((uint8_t)a->command_line[i] == get(line + (uint64_t)i, 1));
    CHECK(a->range_count == b->range_count && a->module_count == b->module_count);
    for (size_t i = 0; i < a->range_count; i++)
        CHECK(a->ranges[i].base == b->ranges[i].base && a->ranges[i].size == b->ranges[i].size &&
              a->ranges[i].kind == b->ranges[i].kind);
    for (size_t i = 0; i < a->module_count; i++)
        CHECK(a->modules[i].base == b->modules[i].base && a->modules[i].size == b->modules[i].size &&
              a->modules[i].kind == MEMORY_RESERVED);
}

void fuzz_one(void)
{
    struct boot_info expected, actual, untouched;
    enum status status;
    uint64_t info;

    memory_begin();
    info = build();
    memset(&actual, 0x5a, sizeof(actual));
    untouched = actual;
    status = pvh_parse(info, memory_at, &actual);
    CHECK(status == reference(info, &expected));
    if (status == STATUS_OK)
        check_same(info, &actual, &expected);
    else
        CHECK(memcmp(&actual, &untouched, sizeof(actual)) == 0);
    memory_end();
}
