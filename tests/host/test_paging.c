/*
 * Page tables in a simulated memory. Three things judge them: a walker written from the tables of SDM vol. 3, 4.5,
 * which reads the raw entries as the CPU does; a sorted array of pages; and a TLB that must never be stale.
 */
#include "lib/paging.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

#define K4 UINT64_C(0x1000)
#define M2 UINT64_C(0x200000)
#define G1 UINT64_C(0x40000000)

#define LOW_END    UINT64_C(0x0000800000000000)
#define HIGH_START UINT64_C(0xffff800000000000)

enum { FRAMES = 48, TLB_ENTRIES = 16 };

/* ---- the machine ------------------------------------------------------------------------------------------------- */

#define MEMORY_BASE UINT64_C(0x7654000)

static uint64_t memory[FRAMES][512];
static bool taken[FRAMES];
static size_t taken_count;
static size_t frames_limit; /* how many may be taken at once */
static unsigned takes, gives, flushes;
static uint64_t flushed; /* the last address */

/* What the CPU may have remembered: frames that the top table led to at the last flush or later. */
static bool order_checked, reachable[FRAMES];

struct tlb_entry {
    bool valid;
    uint64_t page;
    struct translation translation; /* of the page's first byte */
};
static struct tlb_entry tlb[TLB_ENTRIES];

static struct paging paging;

static size_t frame_number(uint64_t physical)
{
    size_t number = (physical - MEMORY_BASE) / K4;

    cr_assert_lt(number, FRAMES, "no memory at %#llx", (unsigned long long)physical);
    cr_assert_eq(physical % K4, 0);
    return number;
}

/* The tables of a tree, straight from the bits. */
static void mark_reachable(uint64_t table, int level)
{
    size_t number = frame_number(table & UINT64_C(0xffffffffff000));

    reachable[number] = true;
    for (unsigned i = 0; level > 0 && i < 512; i++)
        if ((memory[number][i] & 0x81) == 1)
            mark_reachable(memory[number][i], level - 1);
}

static void remember_tables(struct paging *of)
{
    memset(reachable, 0, sizeof(reachable));
    mark_reachable(of->root, 3);
}

static enum status take(struct paging *of, uint64_t *physical)
{
    size_t number = 0;

    (void)of;
    if (taken_count >= frames_limit)
        return STATUS_NO_MEMORY;
    while (taken[number])
        number++;
    taken[number] = true;
    taken_count++;
    takes++;
    memset(memory[number], 0, sizeof(memory[number]));
    *physical = MEMORY_BASE + number * K4;
    return STATUS_OK;
}

static void give(struct paging *of, uint64_t physical)
{
    size_t number = frame_number(physical);

    cr_assert(taken[number], "a frame given twice");
    cr_assert_neq(physical, of->root);
    cr_assert(!order_checked || !reachable[number], "a table given that the CPU can still reach");
    taken[number] = false;
    taken_count--;
    gives++;
    memset(memory[number], 0xdb, sizeof(memory[number])); /* present, a table, everywhere */
}

static uint64_t *at(struct paging *of, uint64_t physical)
{
    size_t number = frame_number(physical);

    (void)of;
    cr_assert(taken[number], "access to a frame that was given");
    return memory[number];
}

static void flush(struct paging *of, uint64_t address)
{
    flushes++;
    flushed = address;
    for (struct tlb_entry *entry = tlb; entry < tlb + TLB_ENTRIES; entry++)
        if (entry->page == (address & ~(PAGE_SIZE(entry->translation.level) - 1)))
            entry->valid = false;
    if (order_checked)
        remember_tables(of);
}

static const struct paging_operations operations = {take, give, at, flush};

static void machine_init(size_t frames, enum page_level largest)
{
    memset(taken, 0, sizeof(taken));
    memset(tlb, 0, sizeof(tlb));
    taken_count = 0;
    frames_limit = frames;
    paging = (struct paging){.operations = &operations, .largest = largest};
    cr_assert_eq(take(&paging, &paging.root), STATUS_OK);
    takes = gives = flushes = 0;
}

static void setup(void)
{
    machine_init(FRAMES, PAGE_1G);
}

TestSuite(paging, .init = setup);

static uint64_t hash_of_machine(void)
{
    const uint64_t *word = memory[0];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < FRAMES * 512; i++)
        hash = (hash ^ (taken[i / 512] ? word[i] : 0)) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < FRAMES; i++)
        hash = (hash ^ taken[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The call returns this error, and no byte of memory, no frame and nothing in the TLB is other than before. */
#define expect_error(expected, call)                                          \
    do {                                                                      \
        uint64_t hash = hash_of_machine();                                    \
        unsigned flushes_before = flushes;                                    \
        cr_assert_eq(call, expected, "%s", #call);                            \
        cr_assert_eq(hash_of_machine(), hash, "%s changed something", #call); \
        cr_assert_eq(flushes, flushes_before, "%s flushed", #call);           \
    } while (0)
#define expect_ok(call) cr_assert_eq(call, STATUS_OK, "%s", #call)

/* ---- the CPU ----------------------------------------------------------------------------------------------------- */

enum access { READ = 0, WRITE = 1, EXECUTE = 2, USER = 4 };

/*
 * One access in 4-level paging with CR0.WP and EFER.NXE set, CR4.SMEP, SMAP and PKE clear: formats by SDM vol. 3,
 * tables 4-15 (PML4E), 4-16 and 4-17 (PDPTE), 4-18 and 4-19 (PDE), 4-20 (PTE), access rights by 4.6.1, accessed and
 * dirty flags by 4.8. False: a page fault. `*page_bits`: 12, 21 or 30. `*last`: the entry that maps the page.
 */
static bool cpu_access(uint64_t cr3, uint64_t linear, unsigned access, uint64_t *physical, unsigned *page_bits,
                       uint64_t *last)
{
    uint64_t *used[4];
    unsigned count = 0;
    uint64_t frame = cr3 & UINT64_C(0x000ffffffffff000);
    unsigned bits;

    for (bits = 39;; bits -= 9) {
        uint64_t *entry = &memory[frame_number(frame)][linear / (UINT64_C(1) << bits) % 512];

        if (!(*entry & 1))
            return false;
        if ((access & WRITE && !(*entry & 2)) || (access & USER && !(*entry & 4)) || (access & EXECUTE && *entry >> 63))
            return false;
        used[count++] = entry;
        if (bits == 39 && *entry & 0x80)
            return false; /* reserved */
        if (bits == 12 || *entry & 0x80)
            break;
        frame = *entry & UINT64_C(0x000ffffffffff000);
    }
    if ((bits == 30 && *used[1] & UINT64_C(0x3fffe000)) || (bits == 21 && *used[2] & UINT64_C(0x1fe000)))
        return false; /* reserved */
    for (unsigned i = 0; i < count; i++)
        *used[i] |= 0x20;
    *last = *used[count - 1];
    if (access & WRITE)
        *used[count - 1] |= 0x40;
    frame = *last & UINT64_C(0x000ffffffffff000);
    *physical = frame / (UINT64_C(1) << bits) * (UINT64_C(1) << bits) + linear % (UINT64_C(1) << bits);
    *page_bits = bits;
    return true;
}

/* page_translate() says what the CPU would do, about every kind of access. True if the address is mapped. */
static bool expect_like_cpu(uint64_t address)
{
    struct translation got;
    enum status status = page_translate(&paging, address, &got);
    uint64_t physical, entry;
    unsigned bits;

    for (unsigned access = READ; access <= (WRITE | EXECUTE | USER); access++) {
        bool reached = cpu_access(paging.root, address, access, &physical, &bits, &entry);
        unsigned needs = (access & WRITE ? PAGE_WRITE : 0) | (access & EXECUTE ? PAGE_EXECUTE : 0) |
                         (access & USER ? PAGE_USER : 0);

        cr_assert_eq(reached, status == STATUS_OK && (got.flags & needs) == needs, "access %u of %#llx", access,
                     (unsigned long long)address);
        if (!reached)
            continue;
        cr_assert_eq(got.physical, physical);
        cr_assert_eq(12 + 9 * got.level, bits);
        cr_assert_eq(!!(got.flags & PAGE_UNCACHED), entry >> 4 & 1);
        cr_assert_eq(!!(got.flags & PAGE_GLOBAL), entry >> 8 & 1);
    }
    return status == STATUS_OK;
}

/* The entry of `address` on a level, wherever it is. */
static uint64_t *raw_entry(uint64_t address, unsigned level)
{
    uint64_t frame = paging.root;

    for (unsigned bits = 39; bits > 12 + 9 * level; bits -= 9)
        frame = memory[frame_number(frame)][address >> bits & 511] & UINT64_C(0x000ffffffffff000);
    return &memory[frame_number(frame)][address >> (12 + 9 * level) & 511];
}

static void expect_page(uint64_t address, uint64_t physical, enum page_level level, unsigned flags)
{
    struct translation got;

    expect_ok(page_translate(&paging, address, &got));
    cr_assert_eq(got.physical, physical, "%#llx", (unsigned long long)got.physical);
    cr_assert_eq(got.level, level);
    cr_assert_eq(got.flags, flags, "%#x", got.flags);
    cr_assert(expect_like_cpu(address));
}

static void expect_unmapped(uint64_t address)
{
    struct translation got;

    expect_error(STATUS_NOT_FOUND, page_translate(&paging, address, &got));
    cr_assert_not(expect_like_cpu(address));
}

static bool print_page(void *context, uint64_t address, const struct translation *page)
{
    static const char *const names[] = {"4K", "2M", "1G"};

    (void)context;
    support_trace("%llx>%llx/%s", (unsigned long long)address, (unsigned long long)page->physical, names[page->level]);
    return true;
}

/* What is mapped, in the order of the walk. */
static void expect_walk(const char *pages)
{
    support_trace_clear();
    page_walk(&paging, print_page, NULL);
    cr_assert_str_eq(support_trace_text(), pages, "%s", support_trace_text());
}

/* ---- single pages ------------------------------------------------------------------------------------------------ */

static const uint64_t places[] = {0, G1 * 5, LOW_END - G1, HIGH_START, HIGH_START + G1 * 511, -G1};

Test(paging, maps_and_unmaps_a_page_of_each_size)
{
    order_checked = true;
    for (unsigned place = 0; place < ARRAY_SIZE(places); place++)
        for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++) {
            uint64_t address = places[place], physical = 1;

            expect_unmapped(address);
            expect_ok(page_map(&paging, address, G1 * 3, level, PAGE_WRITE));
            expect_page(address, G1 * 3, level, PAGE_WRITE);
            cr_assert_eq(page_tables_count(&paging), 4 - level);
            cr_assert_eq(taken_count, 4 - level);
            expect_ok(page_unmap(&paging, address, level, &physical));
            cr_assert_eq(physical, G1 * 3);
            expect_unmapped(address);
            cr_assert_eq(page_tables_count(&paging), 1);
            cr_assert_eq(taken_count, 1);
        }
}

Test(paging, unmaps_without_saying_where_it_led)
{
    expect_ok(page_map(&paging, K4, K4, PAGE_4K, 0));
    expect_ok(page_unmap(&paging, K4, PAGE_4K, NULL));
    expect_unmapped(K4);
}

Test(paging, keeps_the_low_bits_of_an_address)
{
    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++) {
        uint64_t size = PAGE_SIZE(level), address = HIGH_START + size * 7, physical = size * 9;

        expect_ok(page_map(&paging, address, physical, level, 0));
        for (uint64_t bit = 1; bit < size; bit *= 2)
            expect_page(address + bit, physical + bit, level, 0);
        expect_page(address + size - 1, physical + size - 1, level, 0);
        expect_unmapped(address - 1);
        expect_unmapped(address + size);
        expect_ok(page_unmap(&paging, address, level, NULL));
    }
}

Test(paging, lets_the_page_decide_what_may_be_done)
{
    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++)
        for (unsigned flags = 0; flags < 32; flags++) {
            expect_ok(page_map(&paging, G1, 0, level, flags));
            expect_page(G1, 0, level, flags);
            for (unsigned other = 0; other < 32; other++) {
                expect_ok(page_protect(&paging, G1, level, other));
                expect_page(G1, 0, level, other);
            }
            expect_ok(page_unmap(&paging, G1, level, NULL));
        }
}

Test(paging, reaches_the_last_physical_page_of_each_size)
{
    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++) {
        uint64_t size = PAGE_SIZE(level), last = (UINT64_C(1) << 52) - size, physical;

        expect_ok(page_map(&paging, 0, last, level, 31));
        expect_page(size - 1, last + size - 1, level, 31);
        expect_ok(page_unmap(&paging, 0, level, &physical));
        cr_assert_eq(physical, last);
        expect_error(STATUS_INVALID, page_map(&paging, 0, last + size, level, 0));
        expect_error(STATUS_INVALID, page_map(&paging, 0, UINT64_C(1) << 63, level, 0));
    }
}

/* ---- tables of others -------------------------------------------------------------------------------------------- */

/* Every right has to be given on every level. */
Test(paging, combines_the_rights_of_all_levels)
{
    static const uint64_t bits[] = {2, 4, UINT64_C(1) << 63};

    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++) {
        expect_ok(page_map(&paging, HIGH_START, G1, level, PAGE_WRITE | PAGE_EXECUTE | PAGE_USER));
        for (unsigned set = 0; set < 1u << 12; set++) {
            for (unsigned i = 0; i < 12; i++)
                if (set >> i & 1 && i / 3 >= level)
                    *raw_entry(HIGH_START, i / 3) ^= bits[i % 3];
            cr_assert(expect_like_cpu(HIGH_START + 5));
            for (unsigned i = 0; i < 12; i++)
                if (set >> i & 1 && i / 3 >= level)
                    *raw_entry(HIGH_START, i / 3) ^= bits[i % 3];
        }
        expect_ok(page_unmap(&paging, HIGH_START, level, NULL));
    }
}

static bool same_as_translate(void *context, uint64_t address, const struct translation *page)
{
    struct translation got;

    expect_ok(page_translate(&paging, address, &got));
    cr_assert_eq(got.physical, page->physical);
    cr_assert_eq(got.level, page->level);
    cr_assert_eq(got.flags, page->flags);
    ++*(unsigned *)context;
    return true;
}

Test(paging, reads_tables_that_others_built)
{
    unsigned visited = 0;

    expect_ok(page_map(&paging, 0, 0, PAGE_4K, PAGE_WRITE));
    expect_ok(page_map(&paging, M2, M2, PAGE_2M, PAGE_WRITE | PAGE_EXECUTE));
    expect_ok(page_map(&paging, G1, G1, PAGE_1G, PAGE_WRITE | PAGE_USER));
    *raw_entry(0, 0) |= 0x80;    /* PAT, not a page size */
    *raw_entry(M2, 1) |= 0x1000; /* PAT, not an address */
    *raw_entry(G1, 2) |= 0x1000;
    *raw_entry(0, 1) &= ~UINT64_C(2); /* read-only above the page */
    *raw_entry(0, 2) |= UINT64_C(1) << 63;
    *raw_entry(G1, 2) |= 0x8; /* write-through is cached */
    *raw_entry(0, 3) &= ~(UINT64_C(0x3ff) << 52);
    expect_page(123, 123, PAGE_4K, 0);
    expect_page(M2 + 123, M2 + 123, PAGE_2M, PAGE_WRITE);
    expect_page(G1 + 0x1123, G1 + 0x1123, PAGE_1G, PAGE_WRITE | PAGE_USER);
    page_walk(&paging, same_as_translate, &visited);
    cr_assert_eq(visited, 3);
    cr_assert_eq(page_tables_count(&paging), 4);
}

Test(paging, does_not_disturb_another_tree)
{
    struct paging other = {.operations = &operations, .largest = PAGE_2M};
    struct translation got;
    uint64_t physical;

    expect_ok(take(&other, &other.root));
    for (unsigned i = 0; i < 8; i++) {
        expect_ok(page_map(&paging, i * K4, i * K4, PAGE_4K, 0));
        expect_ok(page_map(&other, i * K4, (i + 100) * K4, PAGE_4K, 0));
    }
    for (unsigned i = 0; i < 8; i++) {
        expect_ok(page_translate(&other, i * K4, &got));
        cr_assert_eq(got.physical, (i + 100) * K4);
        expect_ok(page_unmap(&paging, i * K4, PAGE_4K, &physical));
        cr_assert_eq(physical, i * K4);
    }
    cr_assert_eq(page_tables_count(&paging), 1);
    cr_assert_eq(page_tables_count(&other), 4);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* All functions on one page, with this error and nothing changed. */
static void expect_all(enum status error, uint64_t address, enum page_level level)
{
    uint64_t physical = 77;

    expect_error(error, page_unmap(&paging, address, level, &physical));
    expect_error(error, page_protect(&paging, address, level, 31));
    cr_assert_eq(physical, 77);
}

static void map_one_of_each(void)
{
    expect_ok(page_map(&paging, 0, 0, PAGE_4K, 0));
    expect_ok(page_map(&paging, M2, M2, PAGE_2M, 0));
    expect_ok(page_map(&paging, G1, G1, PAGE_1G, 0));
}

Test(paging, refuses_what_is_not_aligned)
{
    map_one_of_each();
    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++)
        for (uint64_t bit = 1; bit < PAGE_SIZE(level); bit *= 2) {
            uint64_t mapped = level == PAGE_4K ? 0 : PAGE_SIZE(level);

            expect_error(STATUS_INVALID, page_map(&paging, G1 * 8 + bit, 0, level, 0));
            expect_error(STATUS_INVALID, page_map(&paging, G1 * 8, bit, level, 0));
            expect_error(STATUS_INVALID, page_map(&paging, mapped, bit, level, 0));
            expect_all(STATUS_INVALID, mapped + bit, level);
        }
    for (uint64_t bit = 1; bit < K4; bit *= 2) {
        expect_error(STATUS_INVALID, page_map_range(&paging, G1 * 8 + bit, 0, K4, 0));
        expect_error(STATUS_INVALID, page_map_range(&paging, G1 * 8, bit, K4, 0));
        expect_error(STATUS_INVALID, page_map_range(&paging, G1 * 8, 0, K4 + bit, 0));
        expect_error(STATUS_INVALID, page_unmap_range(&paging, bit, K4));
        expect_error(STATUS_INVALID, page_unmap_range(&paging, 0, bit));
    }
}

/* The nearest pages on either side of the hole that is not canonical, and what its addresses would alias. */
Test(paging, refuses_addresses_that_are_not_canonical)
{
    static const uint64_t bad[] = {LOW_END, UINT64_C(1) << 48, UINT64_C(1) << 62, HIGH_START - G1};
    struct translation got = {.physical = 77};

    map_one_of_each();
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++) {
            expect_error(STATUS_INVALID, page_map(&paging, bad[i], 0, level, 0));
            expect_all(STATUS_INVALID, bad[i], level);
        }
        expect_error(STATUS_INVALID, page_translate(&paging, bad[i], &got));
        expect_error(STATUS_INVALID, page_map_range(&paging, bad[i], 0, K4, 0));
        expect_error(STATUS_INVALID, page_unmap_range(&paging, bad[i], K4));
    }
    expect_error(STATUS_INVALID, page_translate(&paging, LOW_END, &got));
    expect_error(STATUS_INVALID, page_translate(&paging, HIGH_START - 1, &got));
    cr_assert_eq(got.physical, 77);
    expect_ok(page_map(&paging, LOW_END - K4, 0, PAGE_4K, 0));
    expect_ok(page_map(&paging, HIGH_START, K4, PAGE_4K, 0));
    expect_page(LOW_END - 1, K4 - 1, PAGE_4K, 0);
    expect_page(HIGH_START, K4, PAGE_4K, 0);
}

Test(paging, refuses_pages_larger_than_the_cpu_has)
{
    for (enum page_level largest = PAGE_4K; largest < PAGE_1G; largest++) {
        machine_init(FRAMES, largest);
        expect_ok(page_map(&paging, 0, 0, largest, 0));
        for (unsigned level = largest + 1; level < PAGE_LEVELS + 2; level++) {
            expect_error(STATUS_INVALID, page_map(&paging, G1, 0, level, 0));
            expect_all(STATUS_INVALID, 0, level);
        }
    }
    machine_init(FRAMES, PAGE_1G);
    expect_error(STATUS_INVALID, page_map(&paging, 0, 0, PAGE_LEVELS, 0));
}

Test(paging, refuses_to_map_a_page_again)
{
    map_one_of_each();
    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++) {
        uint64_t mapped = level == PAGE_4K ? 0 : PAGE_SIZE(level);

        expect_error(STATUS_EXISTS, page_map(&paging, mapped, 0, level, 31));
        expect_error(STATUS_EXISTS, page_map(&paging, mapped, mapped, level, 0));
    }
}

/* Every smaller page at the start, in the middle and at the end of every larger one. */
Test(paging, does_not_mix_sizes)
{
    for (enum page_level large = PAGE_2M; large <= PAGE_1G; large++)
        for (enum page_level small = PAGE_4K; small < large; small++)
            for (unsigned part = 0; part < 3; part++) {
                uint64_t address = -G1 * 2, inside = address + (PAGE_SIZE(large) - PAGE_SIZE(small)) / 2 * part;

                inside &= ~(PAGE_SIZE(small) - 1);
                expect_ok(page_map(&paging, address, G1, large, PAGE_WRITE));
                expect_error(STATUS_LARGE, page_map(&paging, inside, 0, small, 0));
                expect_all(STATUS_LARGE, inside, small);
                expect_ok(page_unmap(&paging, address, large, NULL));

                expect_ok(page_map(&paging, inside, G1, small, PAGE_WRITE));
                expect_error(STATUS_EXISTS, page_map(&paging, address, 0, large, 0));
                expect_all(STATUS_NOT_FOUND, address, large);
                expect_ok(page_unmap(&paging, inside, small, NULL));
            }
}

Test(paging, finds_nothing_where_nothing_is)
{
    expect_ok(page_map(&paging, 0, 0, PAGE_4K, 0));
    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++)
        for (enum page_level hole = level; hole <= PAGE_1G + 1; hole++) { /* PAGE_1G + 1: of 512 GiB */
            expect_all(STATUS_NOT_FOUND, PAGE_SIZE(hole), level);
            expect_unmapped(PAGE_SIZE(hole));
        }
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

Test(paging, maps_nothing_when_frames_run_out)
{
    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++)
        for (unsigned spare = 0; spare <= 3 - level; spare++) {
            machine_init(1 + spare, PAGE_1G);
            if (spare < 3 - level) {
                expect_error(STATUS_NO_MEMORY, page_map(&paging, HIGH_START, 0, level, 0));
                cr_assert_eq(taken_count, 1);
                cr_assert_eq(takes, gives);
            } else {
                expect_ok(page_map(&paging, HIGH_START, 0, level, 0));
            }
        }
}

/* The same below tables that are there: they stay. */
Test(paging, keeps_its_tables_when_frames_run_out)
{
    machine_init(4, PAGE_1G);
    expect_ok(page_map(&paging, 0, 0, PAGE_4K, 0));
    expect_error(STATUS_NO_MEMORY, page_map(&paging, M2, 0, PAGE_4K, 0));
    expect_error(STATUS_NO_MEMORY, page_map(&paging, G1, 0, PAGE_2M, 0));
    expect_error(STATUS_NO_MEMORY, page_map(&paging, HIGH_START, 0, PAGE_1G, 0));
    expect_ok(page_map(&paging, K4, 0, PAGE_4K, 0));
    expect_ok(page_map(&paging, M2, 0, PAGE_2M, 0));
    expect_ok(page_map(&paging, G1, 0, PAGE_1G, 0));
    cr_assert_eq(page_tables_count(&paging), 4);
}

Test(paging, gives_a_table_back_with_its_last_entry)
{
    order_checked = true;
    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++) {
        uint64_t size = PAGE_SIZE(level);
        size_t tables = 4 - level;

        for (uint64_t i = 0; i < 512; i++) {
            expect_ok(page_map(&paging, HIGH_START + i * size, i * size, level, 0));
            cr_assert_eq(taken_count, tables);
        }
        cr_assert_eq(page_tables_count(&paging), tables);
        for (uint64_t i = 0; i < 511; i++)
            expect_ok(page_unmap(&paging, HIGH_START + i * 77 % 512 * size, level, NULL));
        cr_assert_eq(taken_count, tables);
        expect_ok(page_unmap(&paging, HIGH_START + UINT64_C(511) * 77 % 512 * size, level, NULL));
        cr_assert_eq(taken_count, 1);
    }
}

Test(paging, counts_its_tables)
{
    cr_assert_eq(page_tables_count(&paging), 1);
    map_one_of_each();
    cr_assert_eq(page_tables_count(&paging), 4);
    expect_ok(page_map(&paging, M2 * 2, 0, PAGE_4K, 0));
    cr_assert_eq(page_tables_count(&paging), 5);
    expect_ok(page_map(&paging, G1 * 2, 0, PAGE_2M, 0));
    cr_assert_eq(page_tables_count(&paging), 6);
    expect_ok(page_map(&paging, -K4, 0, PAGE_4K, 0));
    cr_assert_eq(page_tables_count(&paging), 9);
    cr_assert_eq(taken_count, 9);
}

/* ---- what the CPU remembers -------------------------------------------------------------------------------------- */

Test(paging, flushes_what_it_unmaps_and_not_what_it_maps)
{
    map_one_of_each();
    expect_ok(page_map(&paging, K4, 0, PAGE_4K, 0));
    cr_assert_eq(flushes, 0);
    expect_ok(page_unmap(&paging, K4, PAGE_4K, NULL));
    cr_assert_eq(flushes, 1);
    cr_assert_eq(flushed, K4);
    expect_ok(page_unmap(&paging, M2, PAGE_2M, NULL));
    cr_assert_eq(flushes, 2);
    cr_assert_eq(flushed, M2);
    expect_ok(page_unmap(&paging, G1, PAGE_1G, NULL));
    cr_assert_eq(flushes, 3);
    cr_assert_eq(flushed, G1);
    expect_ok(page_unmap(&paging, 0, PAGE_4K, NULL)); /* three tables go with it */
    cr_assert_eq(flushes, 4);
    cr_assert_eq(flushed, 0);
    cr_assert_eq(gives, 3);
}

Test(paging, flushes_when_flags_change)
{
    for (unsigned from = 0; from < 32; from++)
        for (unsigned to = 0; to < 32; to++) {
            expect_ok(page_map(&paging, K4, 0, PAGE_4K, from));
            flushes = 0;
            flushed = 0;
            expect_ok(page_protect(&paging, K4, PAGE_4K, to));
            cr_assert_eq(flushes, from != to);
            cr_assert_eq(flushed, from != to ? K4 : 0);
            expect_ok(page_unmap(&paging, K4, PAGE_4K, NULL));
        }
}

Test(paging, flushes_each_page_of_a_stretch_once)
{
    expect_ok(page_map_range(&paging, M2 - K4 * 2, M2 - K4 * 2, M2 + K4 * 3, 0));
    cr_assert_eq(flushes, 0);
    expect_ok(page_unmap_range(&paging, 0, G1));
    cr_assert_eq(flushes, 4);
    expect_ok(page_unmap_range(&paging, 0, G1));
    cr_assert_eq(flushes, 4);
    expect_ok(page_map(&paging, M2, 0, PAGE_4K, 0));
    cr_assert_eq(page_map_range(&paging, 0, 0, M2 + K4, 0), STATUS_EXISTS);
    cr_assert_eq(flushes, 5); /* the one that it mapped may have been used */
}

Test(paging, leaves_accessed_and_dirty_bits_to_the_cpu)
{
    uint64_t physical, entry;
    unsigned bits;

    for (enum page_level level = PAGE_4K; level <= PAGE_1G; level++) {
        expect_ok(page_map(&paging, G1, G1, level, PAGE_WRITE));
        cr_assert_eq(*raw_entry(G1, level) & 0x60, 0);
        cr_assert(cpu_access(paging.root, G1, READ, &physical, &bits, &entry));
        expect_ok(page_protect(&paging, G1, level, PAGE_WRITE | PAGE_GLOBAL));
        cr_assert_eq(*raw_entry(G1, level) & 0x60, 0x20);
        cr_assert(cpu_access(paging.root, G1, WRITE, &physical, &bits, &entry));
        expect_ok(page_protect(&paging, G1, level, PAGE_EXECUTE));
        cr_assert_eq(*raw_entry(G1, level) & 0x60, 0x60);
        expect_page(G1, G1, level, PAGE_EXECUTE);
        expect_ok(page_unmap(&paging, G1, level, &physical));
        cr_assert_eq(physical, G1);
        cr_assert_eq(taken_count, 1);
    }
}

/* ---- stretches --------------------------------------------------------------------------------------------------- */

Test(paging, maps_a_stretch_in_the_largest_pages_that_fit)
{
    uint64_t start = G1 - M2 - K4;

    expect_ok(page_map_range(&paging, start, G1 + start, K4 + M2 + G1 + M2 + K4, 0));
    expect_walk("3fdff000>7fdff000/4K 3fe00000>7fe00000/2M 40000000>80000000/1G 80000000>c0000000/2M "
                "80200000>c0200000/4K");
    expect_ok(page_unmap_range(&paging, start, K4 + M2 + G1 + M2 + K4));
    cr_assert_eq(taken_count, 1);
    expect_ok(page_map_range(&paging, HIGH_START, 0, M2 - K4 * 510, 0)); /* too short for more */
    expect_walk("ffff800000000000>0/4K ffff800000001000>1000/4K");
    expect_ok(page_unmap_range(&paging, HIGH_START, M2));
    paging.largest = PAGE_2M;
    expect_ok(page_map_range(&paging, 0, G1, M2 * 2, 0));
    expect_walk("0>40000000/2M 200000>40200000/2M");
    paging.largest = PAGE_1G;
    expect_ok(page_map_range(&paging, G1, M2, M2 * 2, 0)); /* only the physical address is too little aligned for 1G */
    expect_walk("0>40000000/2M 200000>40200000/2M 40000000>200000/2M 40200000>400000/2M");
}

/* Where the two addresses are not congruent, nothing larger than their distance allows. */
Test(paging, maps_a_stretch_in_small_pages_where_only_those_fit)
{
    expect_ok(page_map_range(&paging, 0, K4, M2 + K4, PAGE_WRITE));
    for (uint64_t page = 0; page <= M2; page += K4)
        expect_page(page + 5, page + K4 + 5, PAGE_4K, PAGE_WRITE);
    expect_unmapped(M2 + K4);
    cr_assert_eq(taken_count, 5);
}

Test(paging, maps_stretches_up_to_the_ends)
{
    expect_ok(page_map_range(&paging, LOW_END - K4, 0, K4, 0));
    expect_ok(page_map_range(&paging, -M2, 0, M2, 0));
    expect_ok(page_map_range(&paging, 0, (UINT64_C(1) << 52) - K4, K4, 0));
    expect_walk("0>ffffffffff000/4K 7ffffffff000>0/4K ffffffffffe00000>0/2M");
    expect_error(STATUS_INVALID, page_map_range(&paging, LOW_END - K4 * 2, 0, K4 * 3, 0));
    expect_error(STATUS_INVALID, page_map_range(&paging, LOW_END - K4 * 2, 0, HIGH_START, 0));
    expect_error(STATUS_INVALID, page_map_range(&paging, -M2 * 2, 0, M2 * 3, 0));
    expect_error(STATUS_INVALID, page_map_range(&paging, M2, (UINT64_C(1) << 52) - K4, K4 * 2, 0));
    expect_error(STATUS_INVALID, page_map_range(&paging, M2, UINT64_C(1) << 52, K4, 0));
    expect_error(STATUS_INVALID, page_map_range(&paging, M2, UINT64_C(1) << 53, K4, 0));
    expect_error(STATUS_INVALID, page_unmap_range(&paging, LOW_END - K4, K4 * 2));
    expect_error(STATUS_INVALID, page_unmap_range(&paging, -M2, M2 + K4));
    expect_ok(page_unmap_range(&paging, HIGH_START, -HIGH_START));
    expect_ok(page_unmap_range(&paging, 0, LOW_END));
    cr_assert_eq(taken_count, 1);
}

Test(paging, leaves_an_empty_stretch_alone)
{
    map_one_of_each();
    expect_error(STATUS_OK, page_map_range(&paging, 0, 0, 0, 0));
    expect_error(STATUS_OK, page_unmap_range(&paging, 0, 0));
    expect_error(STATUS_OK, page_unmap_range(&paging, M2 + K4, 0));
    expect_error(STATUS_OK, page_unmap_range(&paging, K4, M2 - K4)); /* nothing but holes */
}

/* Two tables for the first page, one at the seam of two top entries, two for the last page. */
Test(paging, undoes_a_stretch_when_frames_run_out)
{
    enum { NEEDED = 5 };
    uint64_t start = UINT64_C(512) * G1 - G1 - M2 - K4, size = K4 + M2 + G1 + G1 + M2 + K4;

    order_checked = true;
    for (unsigned spare = 0; spare <= NEEDED; spare++) {
        uint64_t hash;

        machine_init(2 + spare, PAGE_1G);
        expect_ok(page_map(&paging, 0, 0, PAGE_1G, PAGE_WRITE)); /* shares a table with the stretch */
        hash = hash_of_machine();
        if (spare < NEEDED) {
            cr_assert_eq(page_map_range(&paging, start, start, size, 0), STATUS_NO_MEMORY);
            cr_assert_eq(hash_of_machine(), hash);
            cr_assert_eq(taken_count, 2);
        } else {
            expect_ok(page_map_range(&paging, start, start, size, 0));
            cr_assert_eq(taken_count, 2 + NEEDED);
            expect_ok(page_unmap_range(&paging, start, size));
            cr_assert_eq(hash_of_machine(), hash);
        }
    }
}

Test(paging, undoes_a_stretch_when_a_page_is_in_the_way)
{
    static const struct {
        uint64_t address;
        enum page_level level;
        enum status status;
    } obstacles[] = {
        {G1 * 2 - K4, PAGE_4K, STATUS_EXISTS}, {G1 * 2 + M2, PAGE_4K, STATUS_EXISTS}, {G1 * 2, PAGE_2M, STATUS_EXISTS},
        {G1, PAGE_1G, STATUS_LARGE},           {G1 * 3, PAGE_1G, STATUS_LARGE},       {G1 * 3, PAGE_2M, STATUS_LARGE},
        {G1 * 3, PAGE_4K, STATUS_EXISTS},
    };

    order_checked = true;
    for (unsigned i = 0; i < ARRAY_SIZE(obstacles); i++) {
        uint64_t hash;

        machine_init(FRAMES, PAGE_1G);
        expect_ok(page_map(&paging, obstacles[i].address, 0, obstacles[i].level, 0));
        hash = hash_of_machine();
        cr_assert_eq(page_map_range(&paging, G1 * 2 - K4 * 2, G1 - K4 * 2, K4 * 2 + G1 + K4, 0), obstacles[i].status);
        cr_assert_eq(hash_of_machine(), hash);
    }
}

Test(paging, unmaps_stretches_of_mixed_sizes_and_holes)
{
    order_checked = true;
    expect_ok(page_map(&paging, M2 - K4, 0, PAGE_4K, 0));
    map_one_of_each();
    expect_ok(page_map(&paging, G1 * 3, 0, PAGE_2M, 0));
    expect_ok(page_map(&paging, G1 * 600, 0, PAGE_1G, 0));
    expect_ok(page_map(&paging, G1 * 601, 0, PAGE_4K, 0));
    expect_ok(page_map(&paging, G1 * 602, G1, PAGE_4K, 0));
    expect_ok(page_unmap_range(&paging, K4, G1 * 601));
    expect_walk("0>0/4K 9680000000>40000000/4K");
    cr_assert_eq(taken_count, 7);
    expect_ok(page_unmap_range(&paging, 0, G1 * 602 + K4));
    cr_assert_eq(taken_count, 1);
}

Test(paging, does_not_cut_pages_at_the_ends_of_a_stretch)
{
    expect_ok(page_map(&paging, 0, 0, PAGE_4K, 0));
    expect_ok(page_map(&paging, M2, M2, PAGE_2M, 0));
    expect_ok(page_map(&paging, M2 * 2, 0, PAGE_4K, 0));
    expect_ok(page_map(&paging, G1, G1, PAGE_1G, 0));
    expect_error(STATUS_LARGE, page_unmap_range(&paging, 0, M2 + K4));
    expect_error(STATUS_LARGE, page_unmap_range(&paging, 0, M2 * 2 - K4));
    expect_error(STATUS_LARGE, page_unmap_range(&paging, M2 * 2 - K4, M2));
    expect_error(STATUS_LARGE, page_unmap_range(&paging, M2 + K4, K4));
    expect_error(STATUS_LARGE, page_unmap_range(&paging, 0, G1 + M2));
    expect_error(STATUS_LARGE, page_unmap_range(&paging, G1 + M2, G1));
    expect_ok(page_unmap_range(&paging, M2, M2));
    expect_walk("0>0/4K 400000>0/4K 40000000>40000000/1G");
    expect_ok(page_unmap_range(&paging, K4, G1 * 2 - K4));
    expect_walk("0>0/4K");
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

Test(paging, walks_in_the_order_of_addresses)
{
    expect_walk("");
    expect_ok(page_map(&paging, -K4, K4, PAGE_4K, 0));
    expect_ok(page_map(&paging, HIGH_START, 0, PAGE_1G, 0));
    expect_ok(page_map(&paging, G1, G1, PAGE_2M, 0));
    expect_ok(page_map(&paging, LOW_END - K4, 0, PAGE_4K, 0));
    expect_ok(page_map(&paging, 0, K4 * 2, PAGE_4K, 0));
    expect_ok(page_map(&paging, G1 - K4, K4 * 3, PAGE_4K, 0));
    expect_walk("0>2000/4K 3ffff000>3000/4K 40000000>40000000/2M 7ffffffff000>0/4K ffff800000000000>0/1G "
                "fffffffffffff000>1000/4K");
}

static bool stop_after(void *context, uint64_t address, const struct translation *page)
{
    return print_page(NULL, address, page) && --*(unsigned *)context > 0;
}

Test(paging, ends_a_walk_where_it_is_told)
{
    static const char *const seen[] = {"0>0/4K", "0>0/4K 200000>200000/2M",
                                       "0>0/4K 200000>200000/2M 40000000>40000000/1G"};

    map_one_of_each();
    for (unsigned count = 1; count <= 3; count++) {
        unsigned left = count;

        support_trace_clear();
        page_walk(&paging, stop_after, &left);
        cr_assert_str_eq(support_trace_text(), seen[count - 1]);
    }
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

enum { ROUNDS = 5, OPERATIONS = 1000000 / ROUNDS, POOL = 32, MAX_PAGES = 8192 };

struct model_page {
    uint64_t address, physical;
    enum page_level level;
    unsigned flags;
};
static struct model_page pages[MAX_PAGES]; /* by address */
static unsigned page_count;
static uint64_t seed;

static unsigned dice(unsigned sides)
{
    return (unsigned)((support_random(&seed) >> 32) % sides);
}

/* The first page that ends beyond `address`. */
static unsigned model_from(uint64_t address)
{
    unsigned low = 0, high = page_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (pages[middle].address + (PAGE_SIZE(pages[middle].level) - 1) < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The page that holds the byte, or NULL. */
static struct model_page *model_find(uint64_t address)
{
    unsigned i = model_from(address);

    return i < page_count && pages[i].address <= address ? &pages[i] : NULL;
}

/* Whether a page of at most this size begins in the naturally aligned block of 2^bits round `address`. */
static bool model_holds(uint64_t address, unsigned bits, enum page_level level)
{
    uint64_t block = address >> bits;

    for (unsigned i = model_from(block << bits); i < page_count && pages[i].address >> bits == block; i++)
        if (pages[i].level <= level)
            return true;
    return false;
}

/* Tables that a page needs and that are not there. */
static unsigned model_tables_missing(uint64_t address, enum page_level level)
{
    unsigned missing = !model_holds(address, 39, PAGE_1G);

    if (level < PAGE_1G)
        missing += !model_holds(address, 30, PAGE_2M);
    if (level < PAGE_2M)
        missing += !model_holds(address, 21, PAGE_4K);
    return missing;
}

static unsigned model_tables(void)
{
    unsigned tables = 1;

    for (unsigned i = 0; i < page_count; i++)
        for (unsigned level = pages[i].level; level <= PAGE_1G; level++) {
            unsigned bits = 21 + 9 * level, other = i; /* of what that level's table maps */

            while (other > 0 && (pages[other - 1].address ^ pages[i].address) >> bits == 0 &&
                   pages[other - 1].level > level)
                other--;
            if (other == 0 || (pages[other - 1].address ^ pages[i].address) >> bits)
                tables++;
        }
    return tables;
}

static bool model_valid(uint64_t address, enum page_level level)
{
    return level <= paging.largest && address % PAGE_SIZE(level) == 0 && (address < LOW_END || address >= HIGH_START);
}

static enum status model_map(uint64_t address, uint64_t physical, enum page_level level, unsigned flags)
{
    unsigned i = model_from(address);

    if (!model_valid(address, level) || physical % PAGE_SIZE(level) || physical >> 52)
        return STATUS_INVALID;
    if (i < page_count && pages[i].address <= address + (PAGE_SIZE(level) - 1))
        return pages[i].level > level ? STATUS_LARGE : STATUS_EXISTS;
    if (model_tables_missing(address, level) > frames_limit - model_tables())
        return STATUS_NO_MEMORY;
    cr_assert_lt(page_count, MAX_PAGES);
    memmove(&pages[i + 1], &pages[i], (page_count++ - i) * sizeof(pages[0]));
    pages[i] = (struct model_page){address, physical, level, flags};
    return STATUS_OK;
}

static void model_remove(unsigned i)
{
    memmove(&pages[i], &pages[i + 1], (--page_count - i) * sizeof(pages[0]));
}

/* For unmap and protect: whether exactly this page is there. */
static enum status model_is(uint64_t address, enum page_level level)
{
    struct model_page *page;

    if (!model_valid(address, level))
        return STATUS_INVALID;
    page = model_find(address);
    if (!page || page->level < level)
        return STATUS_NOT_FOUND;
    return page->level > level ? STATUS_LARGE : STATUS_OK;
}

static bool model_range_valid(uint64_t address, uint64_t size)
{
    uint64_t last = address + (size - 1);

    return address % K4 == 0 && size % K4 == 0 && last >= address && (last < LOW_END || address >= HIGH_START);
}

static enum status model_map_range(uint64_t address, uint64_t physical, uint64_t size, unsigned flags)
{
    static struct model_page before[MAX_PAGES];
    unsigned count = page_count;

    if (!model_range_valid(address, size) || physical % K4 || physical + size > UINT64_C(1) << 52)
        return STATUS_INVALID;
    memcpy(before, pages, count * sizeof(pages[0]));
    for (uint64_t done = 0; done < size;) {
        enum page_level level = paging.largest;
        enum status status;

        while ((address + done) % PAGE_SIZE(level) || (physical + done) % PAGE_SIZE(level) ||
               size - done < PAGE_SIZE(level))
            level--;
        status = model_map(address + done, physical + done, level, flags);
        if (status != STATUS_OK) {
            memcpy(pages, before, count * sizeof(pages[0]));
            page_count = count;
            return status;
        }
        done += PAGE_SIZE(level);
    }
    return STATUS_OK;
}

static enum status model_unmap_range(uint64_t address, uint64_t size)
{
    uint64_t last = address + (size - 1);

    if (!model_range_valid(address, size))
        return STATUS_INVALID;
    for (unsigned i = 0; i < page_count; i++) {
        uint64_t page_last = pages[i].address + (PAGE_SIZE(pages[i].level) - 1);

        if (pages[i].address <= last && page_last >= address && (pages[i].address < address || page_last > last))
            return STATUS_LARGE;
    }
    for (unsigned i = page_count; i-- > 0;)
        if (pages[i].address >= address && pages[i].address <= last)
            model_remove(i);
    return STATUS_OK;
}

static bool like_model(void *context, uint64_t address, const struct translation *page)
{
    const struct model_page *expected = &pages[(*(unsigned *)context)++];

    cr_assert_leq(*(unsigned *)context, page_count);
    cr_assert_eq(address, expected->address);
    cr_assert_eq(page->physical, expected->physical);
    cr_assert_eq(page->level, expected->level);
    cr_assert_eq(page->flags, expected->flags);
    return true;
}

static void expect_all_like_model(void)
{
    unsigned visited = 0;

    page_walk(&paging, like_model, &visited);
    cr_assert_eq(visited, page_count);
    cr_assert_eq(page_tables_count(&paging), model_tables());
    cr_assert_eq(taken_count, model_tables());
}

/* No entry of the TLB says anything else than the model. */
static void expect_tlb_fresh(void)
{
    for (struct tlb_entry *entry = tlb; entry < tlb + TLB_ENTRIES; entry++) {
        struct model_page *page = entry->valid ? model_find(entry->page) : NULL;

        if (!entry->valid)
            continue;
        cr_assert(page, "the TLB maps what is not mapped");
        cr_assert_eq(page->address, entry->page);
        cr_assert_eq(page->physical, entry->translation.physical);
        cr_assert_eq(page->level, entry->translation.level);
        cr_assert_eq(page->flags, entry->translation.flags);
    }
}

/* The CPU reads or writes: sets accessed and dirty bits, and remembers. */
static void access_memory(uint64_t address)
{
    const struct model_page *page = model_find(address);
    unsigned write = dice(2) ? WRITE : READ, bits;
    uint64_t physical, entry;
    bool reached = cpu_access(paging.root, address, write, &physical, &bits, &entry);

    cr_assert_eq(reached, page && (!write || page->flags & PAGE_WRITE));
    if (!reached)
        return;
    cr_assert_eq(physical, page->physical + (address - page->address));
    tlb[dice(TLB_ENTRIES)] = (struct tlb_entry){
        true, page->address, {page->physical, page->level, (enum page_flags)page->flags}};
}

/* Few places, at the seams of the tables, so that most operations meet what others left. */
static uint64_t any_address(enum page_level level)
{
    static const uint64_t windows[] = {0, LOW_END - 2 * G1, HIGH_START + 511 * G1, -2 * G1};
    static const unsigned slots[] = {0, 511, 1};
    uint64_t address = windows[dice(4)] + dice(2) * G1;

    if (level < PAGE_1G)
        address += slots[dice(3)] * M2;
    if (level < PAGE_2M)
        address += slots[dice(2)] * K4;
    if (dice(512) == 0)
        address ^= UINT64_C(1) << dice(64); /* anything */
    return address;
}

static uint64_t any_physical(enum page_level level)
{
    uint64_t physical = (support_random(&seed) >> 12) & ~(PAGE_SIZE(level) - 1);

    if (dice(512) == 0)
        physical ^= UINT64_C(1) << dice(64);
    return physical;
}

static enum page_level any_level(void)
{
    return dice(64) == 0 ? dice(PAGE_LEVELS + 1) : dice(8) / 5 + dice(16) / 15;
}

static void map_both(uint64_t address, enum page_level level)
{
    uint64_t physical = any_physical(level < PAGE_LEVELS ? level : PAGE_1G);
    unsigned flags = dice(32);

    cr_assert_eq(page_map(&paging, address, physical, level, flags), model_map(address, physical, level, flags));
}

static void unmap_both(uint64_t address, enum page_level level)
{
    enum status expected = model_is(address, level);
    uint64_t physical = 1;

    cr_assert_eq(page_unmap(&paging, address, level, &physical), expected);
    cr_assert_eq(physical, expected == STATUS_OK ? model_find(address)->physical : 1);
    if (expected == STATUS_OK)
        model_remove(model_from(address));
}

static void protect_both(uint64_t address, enum page_level level)
{
    enum status expected = model_is(address, level);
    unsigned flags = dice(32);

    cr_assert_eq(page_protect(&paging, address, level, flags), expected);
    if (expected == STATUS_OK)
        model_find(address)->flags = flags;
}

static void translate_both(uint64_t address)
{
    const struct model_page *page;
    struct translation got = {.physical = 1};
    enum status status;

    address ^= support_random(&seed) & (K4 - 1);
    page = model_find(address);
    status = page_translate(&paging, address, &got);
    if (!model_valid(address & ~(K4 - 1), PAGE_4K)) {
        cr_assert_eq(status, STATUS_INVALID);
        return;
    }
    cr_assert_eq(status, page ? STATUS_OK : STATUS_NOT_FOUND);
    if (page) {
        cr_assert_eq(got.physical, page->physical + (address - page->address));
        cr_assert_eq(got.level, page->level);
        cr_assert_eq(got.flags, page->flags);
        access_memory(address);
    }
}

/* A stretch of a few pages, or one with whole larger pages in it; half of them could use larger pages. */
static void range_both(uint64_t address)
{
    uint64_t size = dice(8) * K4 + (dice(8) == 0 ? dice(2) * M2 : 0) + (dice(32) == 0 ? G1 + M2 * dice(3) : 0) + K4;
    uint64_t physical = any_physical(PAGE_1G) + (dice(2) || size > 16 * K4 ? address % G1 : dice(512) * K4);
    unsigned flags = dice(32);

    if (dice(2))
        cr_assert_eq(page_map_range(&paging, address, physical, size, flags),
                     model_map_range(address, physical, size, flags));
    else
        cr_assert_eq(page_unmap_range(&paging, address, size), model_unmap_range(address, size));
}

static void random_operation(void)
{
    enum page_level level = any_level();
    uint64_t address = any_address(level);
    unsigned choice = dice(100);

    if (choice < 40)
        map_both(address, level);
    else if (choice < 65)
        unmap_both(address, level);
    else if (choice < 75)
        protect_both(address, level);
    else if (choice < 96)
        translate_both(address);
    else
        range_both(address);
}

/* Clears a gigabyte, and changes how many frames there are. */
static void change_scene(void)
{
    uint64_t address = any_address(PAGE_1G) & -G1;

    cr_assert_eq(page_unmap_range(&paging, address, G1), model_unmap_range(address, G1));
    frames_limit = dice(POOL);
    if (frames_limit < taken_count)
        frames_limit = taken_count;
}

/* A million operations. */
Test(paging, does_what_a_sorted_array_of_pages_would)
{
    static const enum page_level largest[ROUNDS] = {PAGE_1G, PAGE_2M, PAGE_1G, PAGE_4K, PAGE_1G};

    seed = 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        machine_init(POOL, largest[round]);
        page_count = 0;
        for (unsigned operation = 0; operation < OPERATIONS; operation++) {
            order_checked = operation % 64 == 0;
            if (order_checked)
                remember_tables(&paging);
            if (operation % 32 == 0)
                change_scene();
            random_operation();
            expect_tlb_fresh();
            if (operation % 512 == 0)
                expect_all_like_model();
        }
        expect_all_like_model();
        expect_ok(page_unmap_range(&paging, 0, LOW_END));
        expect_ok(page_unmap_range(&paging, HIGH_START, -HIGH_START));
        cr_assert_eq(taken_count, 1);
    }
}
