/*
 * Neighbouring 4 KiB pages share a page table, so the way to the table used last is kept: within its 2 MiB nothing is
 * walked. Changes go through entry_put() and entry_remove(), which keep the counts; reading needs neither.
 */
#include "lib/paging.h"

/* Entries: SDM vol. 3, tables 4-15 to 4-20. */
#define ENTRY_PRESENT  UINT64_C(0x001)
#define ENTRY_WRITE    UINT64_C(0x002)
#define ENTRY_USER     UINT64_C(0x004)
#define ENTRY_UNCACHED UINT64_C(0x018) /* PWT and PCD */
#define ENTRY_PCD      UINT64_C(0x010)
#define ENTRY_PAGE     UINT64_C(0x080) /* of 2 MiB or 1 GiB; on the lowest level this bit is PAT */
#define ENTRY_GLOBAL   UINT64_C(0x100)
#define ENTRY_ADDRESS  UINT64_C(0x000ffffffffff000)
#define ENTRY_NX       UINT64_C(0x8000000000000000)

#define ENTRY_FLAGS (ENTRY_WRITE | ENTRY_USER | ENTRY_UNCACHED | ENTRY_GLOBAL | ENTRY_NX)
/* Permissive: the pages below decide. */
#define ENTRY_TABLE (ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER)
/* The entries of the table that an entry points to: one, and the mask. */
#define COUNT_ONE (UINT64_C(1) << 52)
#define COUNT     (UINT64_C(0x3ff) << 52)

#define PHYSICAL_END (UINT64_C(1) << 52)

/* Out of line, so that the short ways need few registers. */
#define slow __attribute__((noinline))

enum { TOP = PAGING_LEVELS - 1, TABLE_ENTRIES = 512 };

static bool canonical(uint64_t address)
{
    return (address + (UINT64_C(1) << 47)) >> 48 == 0;
}

static unsigned index_of(uint64_t address, unsigned level)
{
    return address >> (12 + 9 * level) & (TABLE_ENTRIES - 1);
}

/* Whether an entry that is present points to a table. */
static bool is_table(uint64_t entry, unsigned level)
{
    return level == TOP || (level > 0 && !(entry & ENTRY_PAGE));
}

static uint64_t entry_flags(enum page_flags flags)
{
    return (flags & PAGE_WRITE ? ENTRY_WRITE : 0) | (flags & PAGE_EXECUTE ? 0 : ENTRY_NX) |
           (flags & PAGE_USER ? ENTRY_USER : 0) | (flags & PAGE_UNCACHED ? ENTRY_UNCACHED : 0) |
           (flags & PAGE_GLOBAL ? ENTRY_GLOBAL : 0);
}

/* `allowed`: the bits that are set in the entries of all levels, of NX those that are not; `entry`: the page's. */
static enum page_flags flags_of(uint64_t allowed, uint64_t entry)
{
    return (allowed & ENTRY_WRITE ? PAGE_WRITE : 0) | (allowed & ENTRY_NX ? PAGE_EXECUTE : 0) |
           (allowed & ENTRY_USER ? PAGE_USER : 0) | (entry & ENTRY_PCD ? PAGE_UNCACHED : 0) |
           (entry & ENTRY_GLOBAL ? PAGE_GLOBAL : 0);
}

static uint64_t *table_at(struct paging *paging, uint64_t entry)
{
    return paging->operations->at(paging, entry & ENTRY_ADDRESS);
}

/* The last byte of the 2 MiB that a page table maps. */
static uint64_t region_of(uint64_t address)
{
    return address | (PAGE_SIZE(PAGE_2M) - 1);
}

/* The entry of `address` on a level that the walk has reached. */
static uint64_t *entry_at(struct paging *paging, uint64_t address, unsigned level)
{
    return &paging->table[level][index_of(address, level)];
}

/* Walks to `level`, or as far down as there are tables. Returns the level reached. */
static slow unsigned walk_down(struct paging *paging, uint64_t address, unsigned level)
{
    unsigned at = TOP;

    paging->table[TOP] = table_at(paging, paging->root);
    for (; at > level; at--) {
        uint64_t entry = *entry_at(paging, address, at);

        if (!(entry & ENTRY_PRESENT) || !is_table(entry, at))
            break;
        paging->table[at - 1] = table_at(paging, entry);
    }
    paging->region = at == PAGE_4K ? region_of(address) : 0;
    return at;
}

/* Whether the page table of this 4 KiB page is the one used last. So is the address valid then. */
static inline bool is_near(const struct paging *paging, uint64_t address, enum page_level level)
{
    return level == PAGE_4K && paging->region == region_of(address) && !(address & (PAGE_SIZE(PAGE_4K) - 1));
}

static unsigned descend(struct paging *paging, uint64_t address, enum page_level level)
{
    return is_near(paging, address, level) ? PAGE_4K : walk_down(paging, address, level);
}

/* Fills an entry that is not present, where the walk ended. */
static inline void entry_put(struct paging *paging, uint64_t address, unsigned level, uint64_t value)
{
    *entry_at(paging, address, level) = value;
    if (level < TOP)
        *entry_at(paging, address, level + 1) += COUNT_ONE;
}

/* Hangs empty tables into each other, from the one the walk ended at down to the one of `level`. */
static slow enum status tables_make(struct paging *paging, uint64_t address, unsigned from, unsigned level)
{
    uint64_t frames[TOP] = {0};
    unsigned taken;

    if (from == TOP && paging->sealed)
        return STATUS_INVALID;
    for (taken = 0; taken < from - level; taken++) {
        enum status status = paging->operations->take(paging, &frames[taken]);

        if (status != STATUS_OK) {
            while (taken)
                paging->operations->give(paging, frames[--taken]);
            return status;
        }
    }
    for (; from > level; from--) {
        uint64_t frame = frames[--taken];

        entry_put(paging, address, from, frame | ENTRY_TABLE);
        paging->table[from - 1] = table_at(paging, frame);
    }
    return STATUS_OK;
}

/*
 * Gives back the table that the entry of `level` points to, whose last entry goes, and those that become empty thereby.
 * All hang from one entry, so clearing that and one INVLPG, which drops whatever the CPU remembers of tables (SDM
 * vol. 3, 4.10.4.1), make them unreachable. Only then are they given.
 */
static slow void tables_remove(struct paging *paging, uint64_t address, unsigned level)
{
    unsigned top = level;
    uint64_t entry;

    while (top < TOP && !((*entry_at(paging, address, top + 1) -= COUNT_ONE) & COUNT))
        top++;
    entry = *entry_at(paging, address, top);
    *entry_at(paging, address, top) = 0;
    paging->operations->flush(paging, address);
    paging->region = 0;
    for (; top >= level; top--) {
        uint64_t below = *entry_at(paging, address, top - 1);

        paging->operations->give(paging, entry & ENTRY_ADDRESS);
        entry = below;
    }
}

/* Removes the entry of a page where the walk ended, and the tables that it leaves empty. */
static inline void entry_remove(struct paging *paging, uint64_t address, unsigned level)
{
    uint64_t *parent = entry_at(paging, address, level + 1);

    *parent -= COUNT_ONE;
    if (unlikely(!(*parent & COUNT))) {
        tables_remove(paging, address, level + 1);
    } else {
        *entry_at(paging, address, level) = 0;
        paging->operations->flush(paging, address);
    }
}

static bool page_valid(const struct paging *paging, uint64_t address, enum page_level level)
{
    return level <= paging->largest && canonical(address) && !(address & (PAGE_SIZE(level) - 1));
}

/* page_map() where the walk ended. */
static inline enum status map_at(struct paging *paging, uint64_t address, uint64_t physical, enum page_level level,
                                 enum page_flags flags, unsigned reached)
{
    if (physical & (PAGE_SIZE(level) - 1) || physical >= PHYSICAL_END)
        return STATUS_INVALID;
    if (*entry_at(paging, address, reached) & ENTRY_PRESENT)
        return reached == level ? STATUS_EXISTS : STATUS_LARGE;
    if (reached != level) {
        enum status status = tables_make(paging, address, reached, level);

        if (status != STATUS_OK)
            return status;
    }
    entry_put(paging, address, level,
              physical | entry_flags(flags) | ENTRY_PRESENT | (level == PAGE_4K ? 0 : ENTRY_PAGE));
    return STATUS_OK;
}

static slow enum status map_far(struct paging *paging, uint64_t address, uint64_t physical, enum page_level level,
                                enum page_flags flags)
{
    if (!page_valid(paging, address, level))
        return STATUS_INVALID;
    return map_at(paging, address, physical, level, flags, walk_down(paging, address, level));
}

enum status page_map(struct paging *paging, uint64_t address, uint64_t physical, enum page_level level,
                     enum page_flags flags)
{
    if (is_near(paging, address, level))
        return map_at(paging, address, physical, PAGE_4K, flags, PAGE_4K);
    return map_far(paging, address, physical, level, flags);
}

/* Whether the walk ended at a page of this size. */
static inline enum status page_at(struct paging *paging, uint64_t address, enum page_level level, unsigned reached)
{
    uint64_t entry = *entry_at(paging, address, reached);

    if (!(entry & ENTRY_PRESENT))
        return STATUS_NOT_FOUND;
    if (reached != level)
        return STATUS_LARGE;
    return is_table(entry, level) ? STATUS_NOT_FOUND : STATUS_OK;
}

/* page_unmap() where the walk ended. */
static inline enum status unmap_at(struct paging *paging, uint64_t address, enum page_level level, unsigned reached,
                                   uint64_t *physical)
{
    enum status status = page_at(paging, address, level, reached);

    if (status != STATUS_OK)
        return status;
    if (physical)
        *physical = *entry_at(paging, address, level) & ENTRY_ADDRESS;
    entry_remove(paging, address, level);
    return STATUS_OK;
}

static slow enum status unmap_far(struct paging *paging, uint64_t address, enum page_level level, uint64_t *physical)
{
    if (!page_valid(paging, address, level))
        return STATUS_INVALID;
    return unmap_at(paging, address, level, walk_down(paging, address, level), physical);
}

enum status page_unmap(struct paging *paging, uint64_t address, enum page_level level, uint64_t *physical)
{
    if (is_near(paging, address, level))
        return unmap_at(paging, address, PAGE_4K, PAGE_4K, physical);
    return unmap_far(paging, address, level, physical);
}

enum status page_protect(struct paging *paging, uint64_t address, enum page_level level, enum page_flags flags)
{
    enum status status;
    uint64_t *entry;
    uint64_t changed;

    if (!page_valid(paging, address, level))
        return STATUS_INVALID;
    status = page_at(paging, address, level, descend(paging, address, level));
    if (status != STATUS_OK)
        return status;
    entry = entry_at(paging, address, level);
    changed = (*entry ^ entry_flags(flags)) & ENTRY_FLAGS;
    if (changed) {
        *entry ^= changed;
        paging->operations->flush(paging, address);
    }
    return STATUS_OK;
}

/* Where an entry of a page leads to for an address inside that page. */
static uint64_t physical_of(uint64_t entry, uint64_t address, unsigned level)
{
    uint64_t offset = PAGE_SIZE(level) - 1;

    return (entry & ENTRY_ADDRESS & ~offset) | (address & offset);
}

enum status page_translate(struct paging *paging, uint64_t address, struct translation *translation)
{
    uint64_t entry = paging->root;
    uint64_t allowed = ~UINT64_C(0);
    unsigned level = TOP + 1;

    if (!canonical(address))
        return STATUS_INVALID;
    do {
        level--;
        entry = table_at(paging, entry)[index_of(address, level)];
        if (!(entry & ENTRY_PRESENT))
            return STATUS_NOT_FOUND;
        allowed &= entry ^ ENTRY_NX;
    } while (is_table(entry, level));
    *translation = (struct translation){
        .physical = physical_of(entry, address, level),
        .level = level,
        .flags = flags_of(allowed, entry),
    };
    return STATUS_OK;
}

/* Whole 4 KiB pages that end where their half of the canonical addresses does, or before. */
static bool range_valid(uint64_t address, uint64_t size)
{
    uint64_t half_end = address >> 63 ? 0 : UINT64_C(1) << 47; /* 0: 2^64 */

    return canonical(address) && !((address | size) & (PAGE_SIZE(PAGE_4K) - 1)) && size <= half_end - address;
}

/* The largest size of page that the rest of a stretch can begin with. */
static enum page_level level_fitting(const struct paging *paging, uint64_t address, uint64_t physical, uint64_t size)
{
    enum page_level level = paging->largest;

    while (level > PAGE_4K && ((address | physical) & (PAGE_SIZE(level) - 1) || size < PAGE_SIZE(level)))
        level--;
    return level;
}

enum status page_map_range(struct paging *paging, uint64_t address, uint64_t physical, uint64_t size,
                           enum page_flags flags)
{
    uint64_t mapped = 0;

    if (!range_valid(address, size) || physical & (PAGE_SIZE(PAGE_4K) - 1) || physical > PHYSICAL_END ||
        size > PHYSICAL_END - physical)
        return STATUS_INVALID;
    while (mapped < size) {
        enum page_level level = level_fitting(paging, address + mapped, physical + mapped, size - mapped);
        enum status status = page_map(paging, address + mapped, physical + mapped, level, flags);

        if (status != STATUS_OK) {
            enum status undone = page_unmap_range(paging, address, mapped);

            ASSERT(undone == STATUS_OK);
            return status;
        }
        mapped += PAGE_SIZE(level);
    }
    return STATUS_OK;
}

/* Whether a page holds the bytes on both sides of `address`. */
static bool page_spans(struct paging *paging, uint64_t address)
{
    struct translation page;

    return page_translate(paging, address, &page) == STATUS_OK && address & (PAGE_SIZE(page.level) - 1);
}

enum status page_unmap_range(struct paging *paging, uint64_t address, uint64_t size)
{
    uint64_t done = 0;

    if (!range_valid(address, size))
        return STATUS_INVALID;
    if (size && (page_spans(paging, address) || page_spans(paging, address + size)))
        return STATUS_LARGE;
    while (done < size) {
        uint64_t at = address + done;
        unsigned level = descend(paging, at, PAGE_4K);

        if (*entry_at(paging, at, level) & ENTRY_PRESENT)
            entry_remove(paging, at, level);
        done += PAGE_SIZE(level) - (at & (PAGE_SIZE(level) - 1));
    }
    return STATUS_OK;
}

/* One entry more than the table has keeps it for ever: 513 at most, and the count goes further. */
enum status page_pin(struct paging *paging, uint64_t address)
{
    if (walk_down(paging, address, PAGE_1G) == TOP) {
        enum status status = tables_make(paging, address, TOP, PAGE_1G);

        if (status != STATUS_OK)
            return status;
    }
    *entry_at(paging, address, TOP) += COUNT_ONE;
    return STATUS_OK;
}

struct walk {
    struct paging *paging;
    bool (*visit)(void *context, uint64_t address, const struct translation *page);
    void *context;
};

/* Visits what the table of `level` maps from `base` on. False once visit() was. */
static bool walk_table(const struct walk *walk, uint64_t table, unsigned level, uint64_t base, uint64_t allowed)
{
    const uint64_t *entries = table_at(walk->paging, table);
    bool more = true;

    for (unsigned i = 0; i < TABLE_ENTRIES && more; i++) {
        uint64_t entry = entries[i];
        uint64_t address = base + i * PAGE_SIZE(level);
        uint64_t both = allowed & (entry ^ ENTRY_NX);

        if (level == TOP && i >= TABLE_ENTRIES / 2)
            address |= ~UINT64_C(0) << 48;
        if (!(entry & ENTRY_PRESENT))
            continue;
        if (is_table(entry, level))
            more = walk_table(walk, entry, level - 1, address, both);
        else
            more = walk->visit(walk->context, address,
                               &(struct translation){physical_of(entry, address, level), level, flags_of(both, entry)});
    }
    return more;
}

seldom void page_walk(struct paging *paging,
                      bool (*visit)(void *context, uint64_t address, const struct translation *page), void *context)
{
    walk_table(&(struct walk){paging, visit, context}, paging->root, TOP, 0, ~UINT64_C(0));
}

static size_t tables_below(struct paging *paging, uint64_t table, unsigned level)
{
    const uint64_t *entries = table_at(paging, table);
    size_t tables = 1;

    for (unsigned i = 0; i < TABLE_ENTRIES; i++)
        if (entries[i] & ENTRY_PRESENT && is_table(entries[i], level))
            tables += level == PAGE_2M ? 1 : tables_below(paging, entries[i], level - 1);
    return tables;
}

seldom size_t page_tables_count(struct paging *paging)
{
    return tables_below(paging, paging->root, TOP);
}
