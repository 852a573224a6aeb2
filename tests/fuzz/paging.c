/*
 * Page tables by operations from the input, with frames that run out, against a plain list of pages. No page that is
 * changed goes without a flush, no table is missing or left over, and no frame is given that was not taken.
 */
#include "lib/paging.h"

#include "fuzz.h"

enum { FRAMES = 40, PAGES_MAX = 256, OPERATIONS_MAX = 200, RANGE_PAGES = 16, PAGES_LIVE = 24, ENTRIES = 512 };

#define MEMORY_BASE UINT64_C(0x7654000)
#define K4          UINT64_C(0x1000)
#define HALF        (UINT64_C(1) << 47)
#define HIGH        UINT64_C(0xffff800000000000)
#define PHYSICALS   (UINT64_C(1) << 52)

/* ---- the machine ---- */

static uint64_t *memory[FRAMES]; /* NULL: not taken */
static size_t taken, limit;
static uint64_t flushed[PAGES_MAX];
static size_t flush_count;

static enum status take(struct paging *paging, uint64_t *physical)
{
    size_t i = 0;

    (void)paging;
    if (taken == limit)
        return STATUS_NO_MEMORY;
    while (memory[i])
        i++;
    memory[i] = calloc(ENTRIES, sizeof(uint64_t));
    taken++;
    *physical = MEMORY_BASE + i * K4;
    return STATUS_OK;
}

static uint64_t **frame(uint64_t physical)
{
    size_t i = (physical - MEMORY_BASE) / K4;

    CHECK(physical % K4 == 0 && physical >= MEMORY_BASE && i < FRAMES && memory[i]);
    return &memory[i];
}

static void give(struct paging *paging, uint64_t physical)
{
    uint64_t **table = frame(physical);

    CHECK(physical != paging->root);
    free(*table);
    *table = NULL;
    taken--;
}

static uint64_t *at(struct paging *paging, uint64_t physical)
{
    (void)paging;
    return *frame(physical);
}

static void flush(struct paging *paging, uint64_t address)
{
    (void)paging;
    CHECK(flush_count < PAGES_MAX);
    flushed[flush_count++] = address;
}

static bool was_flushed(uint64_t address, enum page_level level)
{
    for (size_t i = 0; i < flush_count; i++)
        if (flushed[i] - address < PAGE_SIZE(level))
            return true;
    return false;
}

static const struct paging_operations operations = {take, give, at, flush};
static struct paging paging;

/* ---- the reference ---- */

struct page {
    uint64_t address, physical;
    enum page_level level;
    enum page_flags flags;
};
static struct page pages[PAGES_MAX];
static size_t page_count;

static bool is_canonical(uint64_t address)
{
    return address < HALF || address >= HIGH;
}

/* The first page that shares a byte with these; NULL if none does. */
static struct page *overlapping(uint64_t address, uint64_t last)
{
    struct page *first = NULL;

    for (size_t i = 0; i < page_count; i++)
        if (pages[i].address <= last && address <= pages[i].address + (PAGE_SIZE(pages[i].level) - 1) &&
            (!first || pages[i].address < first->address))
            first = &pages[i];
    return first;
}

static bool is_valid(uint64_t address, enum page_level level)
{
    return is_canonical(address) && level <= paging.largest && address % PAGE_SIZE(level) == 0;
}

static enum status expected_map(const struct page *page)
{
    struct page *other;

    if (!is_valid(page->address, page->level) || page->physical % PAGE_SIZE(page->level) || page->physical >= PHYSICALS)
        return STATUS_INVALID;
    other = overlapping(page->address, page->address + (PAGE_SIZE(page->level) - 1));
    return !other ? STATUS_OK : other->level > page->level ? STATUS_LARGE : STATUS_EXISTS;
}

static enum status expected_find(uint64_t address, enum page_level level, struct page **page)
{
    if (!is_valid(address, level))
        return STATUS_INVALID;
    *page = overlapping(address, address + (PAGE_SIZE(level) - 1));
    return !*page || (*page)->level < level ? STATUS_NOT_FOUND : (*page)->level > level ? STATUS_LARGE : STATUS_OK;
}

/* How many tables the pages need, the top one included. */
static size_t expected_tables(void)
{
    size_t tables = 1;

    for (size_t i = 0; i < page_count; i++)
        for (unsigned level = pages[i].level + 1; level < PAGING_LEVELS; level++) {
            bool counted = false;

            for (size_t j = 0; j < i; j++)
                counted |= pages[j].level < level && (pages[i].address ^ pages[j].address) < PAGE_SIZE(level);
            tables += !counted;
        }
    return tables;
}

static void add(struct page page)
{
    CHECK(page_count < PAGES_MAX);
    pages[page_count++] = page;
}

static void quit(struct page *page)
{
    *page = pages[--page_count];
}

static bool check_page(void *context, uint64_t address, const struct translation *found)
{
    struct page *page = overlapping(address, address);
    uint64_t *walk = context; /* no address below the first is to come, and so many pages are */

    CHECK(page && page->address == address && address >= walk[0] && walk[1] > 0);
    CHECK(found->physical == page->physical && found->level == page->level && found->flags == page->flags);
    walk[0] = address + 1;
    walk[1]--;
    return true;
}

static void check_all(void)
{
    uint64_t walk[2] = {0, page_count};

    CHECK(page_tables_count(&paging) == expected_tables() && taken == expected_tables());
    page_walk(&paging, check_page, walk);
    CHECK(walk[1] == 0);
}

/* ---- operations ---- */

/* Few places, near each other and at the ends of both halves; seldom any. */
static uint64_t take_address(void)
{
    static const uint64_t bases[] = {0,    UINT64_C(0x40000000),  HALF - UINT64_C(0x80000000),
                                     HIGH, -UINT64_C(0x80000000), UINT64_C(0x8000000000)};
    uint64_t how = fuzz_below(32), base = bases[how % ARRAY_SIZE(bases)];

    if (how == 31)
        return fuzz_number();
    return base + (fuzz_below(4) << 30) + (fuzz_below(4) << 21) + fuzz_below(6) * K4 + (how == 30);
}

static struct page take_page(void)
{
    struct page page = {.address = take_address(), .level = (enum page_level)fuzz_below(3)};

    if (fuzz_below(8))
        page.address &= ~(PAGE_SIZE(page.level) - 1);
    page.physical = fuzz_below(8) ? fuzz_below(16) << 30 : fuzz_number() << 12;
    page.flags = (enum page_flags)fuzz_below(32);
    return page;
}

static void map(void)
{
    struct page page = take_page();
    enum status expected = expected_map(&page);
    enum status status = page_map(&paging, page.address, page.physical, page.level, page.flags);

    if (expected == STATUS_OK && status == STATUS_NO_MEMORY) {
        add(page);
        CHECK(expected_tables() > limit);
        page_count--;
        return;
    }
    CHECK(status == expected);
    if (status == STATUS_OK)
        add(page);
}

static void unmap(void)
{
    struct page page = take_page(), *found = NULL;
    enum status expected = expected_find(page.address, page.level, &found);
    uint64_t physical = 1;

    flush_count = 0;
    CHECK(page_unmap(&paging, page.address, page.level, &physical) == expected);
    CHECK(physical == (expected == STATUS_OK ? found->physical : 1));
    CHECK(flush_count == 0 || expected == STATUS_OK);
    if (expected == STATUS_OK) {
        CHECK(was_flushed(page.address, page.level));
        quit(found);
    }
}

static void protect(void)
{
    struct page page = take_page(), *found = NULL;
    enum status expected = expected_find(page.address, page.level, &found);

    flush_count = 0;
    CHECK(page_protect(&paging, page.address, page.level, page.flags) == expected);
    if (expected == STATUS_OK) {
        CHECK(was_flushed(page.address, page.level) == (found->flags != page.flags));
        found->flags = page.flags;
    }
}

static void translate(void)
{
    uint64_t address = take_address() + (fuzz_below(4) ? 0 : fuzz_number());
    struct page *page = overlapping(address, address);
    struct translation found;
    enum status status = page_translate(&paging, address, &found);

    CHECK(status == (!is_canonical(address) ? STATUS_INVALID : page ? STATUS_OK : STATUS_NOT_FOUND));
    if (status == STATUS_OK)
        CHECK(found.physical == page->physical + (address - page->address) && found.level == page->level &&
              found.flags == page->flags);
}

static uint64_t take_size(void)
{
    static const uint64_t units[] = {K4, UINT64_C(0x200000), UINT64_C(0x40000000), 1};
    uint64_t size = 0;

    for (uint64_t i = fuzz_below(4); i--;)
        size += units[fuzz_below(8) == 7 ? 3 : fuzz_below(3)] * fuzz_below(4);
    return size;
}

static bool range_valid(uint64_t address, uint64_t size)
{
    return is_canonical(address) && address % K4 == 0 && size % K4 == 0 &&
           (size == 0 || (is_canonical(address + size - 1) && (address >> 63) == ((address + size - 1) >> 63)));
}

/* The largest page that a stretch can begin with. */
static enum page_level fitting(uint64_t address, uint64_t physical, uint64_t size)
{
    enum page_level level = paging.largest;

    while (level > PAGE_4K && ((address | physical) % PAGE_SIZE(level) || PAGE_SIZE(level) > size))
        level--;
    return level;
}

static size_t pages_in(uint64_t address, uint64_t physical, uint64_t size)
{
    size_t count = 0;

    for (uint64_t done = 0; done < size && count <= RANGE_PAGES; count++)
        done += PAGE_SIZE(fitting(address + done, physical + done, size - done));
    return count;
}

/* Maps the pages that fit one after the other, until one cannot be. */
static void map_range(void)
{
    uint64_t address = take_address(), size = take_size();
    uint64_t physical = fuzz_below(8) ? (fuzz_below(4) << 30) + (fuzz_below(4) << 21) + fuzz_below(4) * K4
                                      : PHYSICALS - fuzz_below(4) * K4;
    enum page_flags flags = (enum page_flags)fuzz_below(32);
    size_t before = page_count;
    enum status expected = STATUS_OK, status;

    if (pages_in(address, physical, size) > RANGE_PAGES)
        return;
    status = page_map_range(&paging, address, physical, size, flags);
    if (!range_valid(address, size) || physical % K4 || physical + size > PHYSICALS)
        expected = STATUS_INVALID;
    for (uint64_t done = 0; expected == STATUS_OK && done < size;) {
        struct page page = {address + done, physical + done, fitting(address + done, physical + done, size - done),
                            flags};

        expected = expected_map(&page);
        if (expected == STATUS_OK)
            add(page);
        if (expected_tables() > limit)
            expected = STATUS_NO_MEMORY;
        done += PAGE_SIZE(page.level);
    }
    CHECK(status == expected);
    if (expected != STATUS_OK)
        page_count = before;
}

static void unmap_range(void)
{
    uint64_t address = take_address(), size = take_size(), last = address + size - 1;
    enum status expected = STATUS_OK;

    flush_count = 0;
    if (!range_valid(address, size))
        expected = STATUS_INVALID;
    for (size_t i = 0; size && expected == STATUS_OK && i < page_count; i++) {
        uint64_t end = pages[i].address + (PAGE_SIZE(pages[i].level) - 1);

        if (pages[i].address <= last && address <= end && (pages[i].address < address || end > last))
            expected = STATUS_LARGE;
    }
    CHECK(page_unmap_range(&paging, address, size) == expected);
    for (size_t i = 0; size && expected == STATUS_OK && i < page_count;) {
        if (pages[i].address < address || pages[i].address > last) {
            i++;
            continue;
        }
        CHECK(was_flushed(pages[i].address, pages[i].level));
        quit(&pages[i]);
    }
}

void fuzz_one(void)
{
    static void (*const operate[])(void) = {map, map, map, unmap, protect, translate, map_range, unmap_range};

    page_count = flush_count = taken = 0;
    limit = FRAMES;
    paging = (struct paging){.operations = &operations, .largest = fuzz_below(2) ? PAGE_1G : PAGE_2M};
    CHECK(take(&paging, &paging.root) == STATUS_OK);
    for (unsigned i = 0; fuzz_more() && i < OPERATIONS_MAX && page_count < PAGES_LIVE; i++) {
        if (fuzz_below(16) == 0)
            limit = taken + fuzz_below(FRAMES - taken + 1);
        flush_count = 0;
        operate[fuzz_below(ARRAY_SIZE(operate))]();
        if (i % 4 == 3)
            check_all();
    }
    check_all();
    for (unsigned i = 0; i < FRAMES; i++) {
        free(memory[i]);
        memory[i] = NULL;
    }
}
