/* Every structure is copied out through at(), which is asked for exactly the bytes that are read. */
#include "lib/pvh.h"

#include "lib/mem.h"

struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t module_list;
    uint64_t command_line; /* 0 if none */
    uint64_t rsdp;
    /* From version 1 on. */
    uint64_t memory_map;
    uint32_t memory_map_entries;
    uint32_t reserved;
};

struct module_entry {
    uint64_t base;
    uint64_t size;
    uint64_t command_line;
    uint64_t reserved;
};

struct memory_map_entry {
    uint64_t base;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

#define VERSION_0_SIZE offsetof(struct start_info, memory_map)

_Static_assert(VERSION_0_SIZE == 40 && sizeof(struct start_info) == 56, "layout of hvm_start_info");
_Static_assert(sizeof(struct module_entry) == 32, "layout of hvm_modlist_entry");
_Static_assert(sizeof(struct memory_map_entry) == 24, "layout of hvm_memmap_table_entry");

static enum status read_start_info(uint64_t physical, const void *(*at)(uint64_t physical, size_t size),
                                   struct start_info *start)
{
    const void *bytes = at(physical, VERSION_0_SIZE);

    if (!bytes)
        return STATUS_INVALID;
    memcpy(start, bytes, VERSION_0_SIZE);
    if (start->magic != PVH_MAGIC)
        return STATUS_INVALID;
    if (start->version == 0)
        return STATUS_NOT_FOUND;
    bytes = at(physical, sizeof(*start));
    if (!bytes)
        return STATUS_INVALID;
    memcpy(start, bytes, sizeof(*start));
    return STATUS_OK;
}

/* A terminator is looked for no further than at() reaches, so each byte is asked for before it is read. */
static enum status parse_command_line(const struct start_info *start, const void *(*at)(uint64_t, size_t),
                                      struct boot_info *info)
{
    if (!start->command_line)
        return STATUS_OK;
    for (size_t size = 1; size <= PVH_MAX_COMMAND_LINE; size++) {
        const char *text = at(start->command_line, size);

        if (!text)
            return STATUS_INVALID;
        if (!text[size - 1]) {
            info->command_line = text;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

static enum status parse_memory_map(const struct start_info *start, const void *(*at)(uint64_t, size_t),
                                    struct boot_info *info)
{
    const unsigned char *entries;

    if (!start->memory_map_entries)
        return STATUS_NOT_FOUND;
    entries = at(start->memory_map, start->memory_map_entries * sizeof(struct memory_map_entry));
    if (!entries)
        return STATUS_INVALID;
    for (size_t i = 0; i < start->memory_map_entries; i++) {
        struct memory_map_entry entry;
        struct memory_range range;
        enum status status;

        memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
        range = (struct memory_range){entry.base, entry.size, boot_memory_kind(entry.type)};
        status = boot_add_range(info->ranges, &info->range_count, BOOT_MAX_RANGES, &range);
        if (status)
            return status;
    }
    return info->range_count ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status parse_modules(const struct start_info *start, const void *(*at)(uint64_t, size_t),
                                 struct boot_info *info)
{
    const unsigned char *entries;

    if (!start->module_count)
        return STATUS_OK;
    entries = at(start->module_list, start->module_count * sizeof(struct module_entry));
    if (!entries)
        return STATUS_INVALID;
    for (size_t i = 0; i < start->module_count; i++) {
        struct module_entry entry;
        struct memory_range range;
        enum status status;

        memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
        range = (struct memory_range){entry.base, entry.size, MEMORY_RESERVED};
        status = boot_add_range(info->modules, &info->module_count, BOOT_MAX_MODULES, &range);
        if (status)
            return status;
    }
    return STATUS_OK;
}

enum status pvh_parse(uint64_t info, const void *(*at)(uint64_t physical, size_t size), struct boot_info *out)
{
    struct boot_info parsed = {.loader = "pvh", .info_base = info, .info_size = sizeof(struct start_info)};
    struct start_info start;
    enum status status = read_start_info(info, at, &start);

    if (!status)
        status = parse_command_line(&start, at, &parsed);
    if (!status)
        status = parse_memory_map(&start, at, &parsed);
    if (!status)
        status = parse_modules(&start, at, &parsed);
    if (status)
        return status;
    parsed.rsdp = start.rsdp;
    *out = parsed;
    return STATUS_OK;
}
