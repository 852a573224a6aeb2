/* Multiboot 2 information, hostile or nearly right, against a reader that makes a list of the tags first. */
#include "lib/multiboot2.h"

#include "fuzz.h"

enum { INFO_MAX = 4096, TAGS_MAX = INFO_MAX / 8 };

static uint8_t built[INFO_MAX];

static void put32(size_t at, uint32_t value)
{
    memcpy(built + at, &value, sizeof(value));
}

/* A tag of `bytes` of the input, or a memory map of regular entries; its size may be said wrong. */
static size_t build_tag(size_t at)
{
    static const uint8_t types[] = {0, 1, 2, 3, 6, 14, 15, 4, 8, 21};
    uint32_t type = types[fuzz_below(sizeof(types))];
    size_t size = 8, wrong = fuzz_below(32);

    if (type == 6) {
        uint32_t entry_bytes = 24 + 8 * (uint32_t)(fuzz_below(16) / 12);
        size_t entries = fuzz_below(80);

        put32(at + 8, wrong == 30 ? (uint32_t)fuzz_number() : entry_bytes);
        size = 16;
        for (size_t i = 0; i < entries && at + size + entry_bytes + 64 < INFO_MAX; i++, size += entry_bytes) {
            uint64_t range[2] = {fuzz_number(), fuzz_number()};

            memcpy(built + at + size, range, sizeof(range));
            put32(at + size + 16, (uint32_t)fuzz_number());
        }
    } else {
        size += fuzz_bytes(built + at + 8, fuzz_below(48));
    }
    put32(at, type);
    put32(at + 4, wrong == 31 ? (uint32_t)fuzz_number() : (uint32_t)size);
    return (at + size + 7) & ~(size_t)7;
}

static size_t build(void)
{
    size_t size = 8, wrong;

    memset(built, 0, sizeof(built));
    while (fuzz_more() && size + 256 < INFO_MAX)
        size = build_tag(size);
    put32(size + 4, 8); /* an end tag */
    wrong = fuzz_below(8);
    size += wrong == 7 ? 0 : 8;
    put32(0, wrong == 6 ? (uint32_t)fuzz_number() : (uint32_t)size);
    return size;
}

/* ---- the reference ---- */

struct found {
    uint32_t type, size;
    const uint8_t *content;
    size_t content_bytes;
};

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get64(const uint8_t *at)
{
    return get32(at) | (uint64_t)get32(at + 4) << 32;
}

/* All tags up to the end tag. Whether there is one; the tags before a break are listed all the same. */
static bool list_tags(const uint8_t *info, uint64_t total, struct found *tags, size_t *count)
{
    uint64_t at = 8;

    for (*count = 0; at + 8 <= total; at = (at + tags[*count - 1].size + 7) / 8 * 8) {
        uint32_t type = get32(info + at), size = get32(info + at + 4);

        if (size < 8 || at + size > total)
            return false;
        tags[(*count)++] = (struct found){type, size, info + at + 8, size - 8};
        if (type == 0)
            return true;
    }
    return false;
}

static const char *text_in(const struct found *tag, size_t skip)
{
    return tag->content_bytes > skip && memchr(tag->content + skip, 0, tag->content_bytes - skip)
               ? (const char *)tag->content + skip
               : NULL;
}

static enum status add(struct memory_range *ranges, size_t *count, size_t most, uint64_t base, uint64_t size,
                       enum memory_kind kind)
{
    if (base + size < base)
        size = UINT64_MAX - base;
    if (size == 0)
        return STATUS_OK;
    if (*count >= most)
        return STATUS_NO_MEMORY;
    ranges[*count].base = base;
    ranges[*count].size = size;
    ranges[*count].kind = kind;
    ++*count;
    return STATUS_OK;
}

static enum memory_kind kind_of(uint32_t type)
{
    static const enum memory_kind kinds[] = {MEMORY_RESERVED, MEMORY_USABLE, MEMORY_RESERVED,
                                             MEMORY_ACPI,     MEMORY_NVS,    MEMORY_BAD};

    return type < 6 ? kinds[type] : MEMORY_RESERVED;
}

static enum status read_map(const struct found *tag, struct boot_info *out)
{
    uint32_t entry_bytes = tag->content_bytes >= 8 ? get32(tag->content) : 0;

    if (entry_bytes < 24 || entry_bytes % 8 || (tag->content_bytes - 8) % entry_bytes)
        return STATUS_INVALID;
    for (size_t i = 0; i < (tag->content_bytes - 8) / entry_bytes; i++) {
        const uint8_t *entry = tag->content + 8 + i * entry_bytes;
        enum status status = add(out->ranges, &out->range_count, BOOT_MAX_RANGES, get64(entry), get64(entry + 8),
                                 kind_of(get32(entry + 16)));

        if (status)
            return status;
    }
    return STATUS_OK;
}

static enum status read_tag(const struct found *tag, const uint8_t *info, uint64_t physical, bool *new_root,
                            struct boot_info *out)
{
    switch (tag->type) {
    case 1:
        return (out->command_line = text_in(tag, 0)) ? STATUS_OK : STATUS_INVALID;
    case 2:
        return (out->loader = text_in(tag, 0)) ? STATUS_OK : STATUS_INVALID;
    case 3:
        if (!text_in(tag, 8) || get32(tag->content) > get32(tag->content + 4))
            return STATUS_INVALID;
        return add(out->modules, &out->module_count, BOOT_MAX_MODULES, get32(tag->content),
                   get32(tag->content + 4) - get32(tag->content), MEMORY_RESERVED);
    case 6:
        return read_map(tag, out);
    case 14:
    case 15:
        if (tag->content_bytes < (tag->type == 14 ? 20 : 36))
            return STATUS_INVALID;
        if (tag->type == 15 || (!*new_root && !out->rsdp))
            out->rsdp = physical + (uint64_t)(tag->content - info);
        *new_root |= tag->type == 15;
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

static enum status reference(const uint8_t *info, uint64_t physical, size_t limit, struct boot_info *out)
{
    static struct found tags[TAGS_MAX + 1];
    size_t count;
    bool ended, new_root = false;

    *out = (struct boot_info){.loader = "multiboot2", .info_base = physical};
    if (limit < 8 || get32(info) > limit)
        return STATUS_INVALID;
    ended = list_tags(info, get32(info), tags, &count);
    for (size_t i = 0; i < count; i++) {
        enum status status = read_tag(&tags[i], info, physical, &new_root, out);

        if (status)
            return status;
    }
    out->info_size = get32(info);
    return !ended ? STATUS_INVALID : out->range_count == 0 ? STATUS_NOT_FOUND : STATUS_OK;
}

static void check_same(const struct boot_info *a, const struct boot_info *b)
{
    CHECK(strcmp(a->loader, b->loader) == 0 && a->command_line == b->command_line);
    CHECK(a->info_base == b->info_base && a->info_size == b->info_size && a->rsdp == b->rsdp);
    CHECK(a->range_count == b->range_count && a->module_count == b->module_count);
    for (size_t i = 0; i < a->range_count; i++)
        CHECK(a->ranges[i].base == b->ranges[i].base && a->ranges[i].size == b->ranges[i].size &&
              a->ranges[i].kind == b->ranges[i].kind);
    for (size_t i = 0; i < a->module_count; i++)
        CHECK(a->modules[i].base == b->modules[i].base && a->modules[i].size == b->modules[i].size &&
              a->modules[i].kind == b->modules[i].kind);
}

void fuzz_one(void)
{
    uint8_t how = fuzz_byte();
    uint64_t physical = (how & 2) ? fuzz_number() : 0x9000;
    size_t misplaced = (how & 0x3c) == 0x3c; /* seldom */
    struct boot_info expected, actual, untouched;
    enum status status, expected_status;
    const uint8_t *bytes = built;
    uint8_t *block, *info;
    size_t size;

    if (how & 1)
        size = build();
    else
        bytes = fuzz_rest(&size);
    block = malloc(size + misplaced); /* its end is where reading must end */
    info = block + misplaced;
    memcpy(info, bytes, size);
    memset(&actual, 0x5a, sizeof(actual));
    untouched = actual;
    status = multiboot2_parse(info, physical, size, &actual);
    expected_status = misplaced ? STATUS_INVALID : reference(info, physical, size, &expected);
    CHECK(status == expected_status);
    if (status == STATUS_OK)
        check_same(&actual, &expected);
    else
        CHECK(memcmp(&actual, &untouched, sizeof(actual)) == 0);
    free(block);
}
