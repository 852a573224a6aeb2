/* Walks the tags with a cursor that never leaves [info, info + total_size); fields are copied out, not cast. */
#include "lib/multiboot2.h"

#include "lib/mem.h"

/* Multiboot2 3.6.2: tags follow each other, padded so that each starts 8-aligned; size excludes the padding. */
#define TAG_ALIGN 8u

enum tag_type {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_LOADER_NAME = 2,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_RSDP_OLD = 14,
    TAG_RSDP_NEW = 15,
};

struct header {
    uint32_t total_size;
    uint32_t reserved;
};

struct tag {
    uint32_t type;
    uint32_t size;
};

struct module_tag {
    struct tag tag;
    uint32_t start;
    uint32_t end; /* exclusive */
};

struct memory_map_tag {
    struct tag tag;
    uint32_t entry_size;
    uint32_t entry_version; /* not looked at: later versions are promised to begin with the fields of version 0 */
};

struct memory_map_entry {
    uint64_t base;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

_Static_assert(sizeof(struct module_tag) == 16 && sizeof(struct memory_map_tag) == 16, "layout of the tags");
_Static_assert(sizeof(struct memory_map_entry) == 24, "layout of a memory map entry");

#define RSDP_OLD_SIZE 20u /* ACPI 6.5, 5.2.5.3: revision 0 */
#define RSDP_NEW_SIZE 36u

/* The string that fills a tag from `offset` on, or NULL if it does not end inside. */
static const char *tag_string(const unsigned char *bytes, uint32_t size, size_t offset)
{
    for (size_t i = offset; i < size; i++)
        if (!bytes[i])
            return (const char *)bytes + offset;
    return NULL;
}

static enum status parse_module(const unsigned char *bytes, uint32_t size, struct boot_info *info)
{
    struct module_tag module;
    struct memory_range range;

    if (!tag_string(bytes, size, sizeof(module)))
        return STATUS_INVALID;
    memcpy(&module, bytes, sizeof(module));
    if (module.end < module.start)
        return STATUS_INVALID;
    range = (struct memory_range){module.start, module.end - module.start, MEMORY_RESERVED};
    return boot_add_range(info->modules, &info->module_count, BOOT_MAX_MODULES, &range);
}

static enum status parse_memory_map(const unsigned char *bytes, uint32_t size, struct boot_info *info)
{
    struct memory_map_tag map;

    if (size < sizeof(map))
        return STATUS_INVALID;
    memcpy(&map, bytes, sizeof(map));
    if (map.entry_size < sizeof(struct memory_map_entry) || map.entry_size % 8 || (size - sizeof(map)) % map.entry_size)
        return STATUS_INVALID;
    for (size_t at = sizeof(map); at < size; at += map.entry_size) {
        struct memory_map_entry entry;
        struct memory_range range;
        enum status status;

        memcpy(&entry, bytes + at, sizeof(entry));
        range = (struct memory_range){entry.base, entry.size, boot_memory_kind(entry.type)};
        status = boot_add_range(info->ranges, &info->range_count, BOOT_MAX_RANGES, &range);
        if (status)
            return status;
    }
    return STATUS_OK;
}

/* `bytes` is a tag of tag->size bytes, all of them inside the information, and lies at the address `physical`. */
static enum status parse_tag(const unsigned char *bytes, uint64_t physical, const struct tag *tag,
                             struct boot_info *info)
{
    uint64_t content = physical + sizeof(*tag);

    switch (tag->type) {
    case TAG_COMMAND_LINE:
        info->command_line = tag_string(bytes, tag->size, sizeof(*tag));
        return info->command_line ? STATUS_OK : STATUS_INVALID;
    case TAG_LOADER_NAME:
        info->loader = tag_string(bytes, tag->size, sizeof(*tag));
        return info->loader ? STATUS_OK : STATUS_INVALID;
    case TAG_MODULE:
        return parse_module(bytes, tag->size, info);
    case TAG_MEMORY_MAP:
        return parse_memory_map(bytes, tag->size, info);
    case TAG_RSDP_OLD:
        if (!info->rsdp)
            info->rsdp = content;
        return tag->size - sizeof(*tag) >= RSDP_OLD_SIZE ? STATUS_OK : STATUS_INVALID;
    case TAG_RSDP_NEW:
        info->rsdp = content;
        return tag->size - sizeof(*tag) >= RSDP_NEW_SIZE ? STATUS_OK : STATUS_INVALID;
    default:
        return STATUS_OK;
    }
}

/* Copies out the tag at `offset` if it lies wholly inside the information. */
static bool read_tag(const unsigned char *bytes, size_t total, size_t offset, struct tag *tag)
{
    if (offset > total || total - offset < sizeof(*tag))
        return false;
    memcpy(tag, bytes + offset, sizeof(*tag));
    return tag->size >= sizeof(*tag) && tag->size <= total - offset;
}

static enum status parse_tags(const unsigned char *bytes, size_t total, struct boot_info *info)
{
    size_t offset = sizeof(struct header);
    struct tag tag;

    while (read_tag(bytes, total, offset, &tag)) {
        enum status status = parse_tag(bytes + offset, info->info_base + offset, &tag, info);

        if (status)
            return status;
        if (tag.type == TAG_END)
            return info->range_count ? STATUS_OK : STATUS_NOT_FOUND;
        offset += ((size_t)tag.size + TAG_ALIGN - 1) & ~(size_t)(TAG_ALIGN - 1);
    }
    return STATUS_INVALID; /* the end tag is missing */
}

enum status multiboot2_parse(const void *info, uint64_t physical, size_t limit, struct boot_info *out)
{
    struct boot_info parsed = {.loader = "multiboot2", .info_base = physical};
    struct header header;
    enum status status;

    if ((uintptr_t)info % TAG_ALIGN || limit < sizeof(header))
        return STATUS_INVALID;
    memcpy(&header, info, sizeof(header));
    if (header.total_size > limit)
        return STATUS_INVALID;
    status = parse_tags(info, header.total_size, &parsed);
    if (status)
        return status;
    parsed.info_size = header.total_size;
    *out = parsed;
    return STATUS_OK;
}
