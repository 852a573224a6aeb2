/* The kernel's page tables: lib/paging.h on this machine, and what is mapped at boot. */
#include "kernel/x86_64/mmu.h"

#include "kernel/x86_64/cpu.h"
#include "lib/mem.h"
#include "thread/lock.h"

#define DIRECT_BASE UINT64_C(0xffff800000000000)
#define AREA_BASE   UINT64_C(0xffffd00000000000)
#define KERNEL_BASE UINT64_C(0xffffffff80000000)
#define STACKS_BASE UINT64_C(0xffffc00000000000)

#define TOP_ENTRY_BYTES (UINT64_C(1) << 39)

#define CPUID_EXTENDED 0x80000001

#define BOOT_MAPPED_BYTES (UINT64_C(4) << 30) /* by boot.S */

enum {
    LOW_BYTES = 1 << 20,
    TOP_ENTRIES = 512,

    CR0_WP = 1 << 16,

    CPUID_FEATURES = 7,
    CPUID_EBX_SMEP = 1 << 7,
    CPUID_EBX_SMAP = 1 << 20,
    CPUID_ECX_UMIP = 1 << 2,
    CPUID_EDX_GIB_PAGES = 1 << 26,

    CR4_UMIP = 1 << 11,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,
};

extern char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[], boot_stack_guard[];

struct mmu_protections mmu_protections;
static struct lock lock;
static uint64_t area_next = AREA_BASE;

void *mmu_direct(struct physical address)
{
    return (void *)(DIRECT_BASE + address.address);
}

struct physical mmu_direct_physical(const void *pointer)
{
    return (struct physical){(uint64_t)pointer - DIRECT_BASE};
}

const void *mmu_boot_at(uint64_t physical, size_t size)
{
    if (physical >= BOOT_MAPPED_BYTES || size > BOOT_MAPPED_BYTES - physical)
        return NULL;
    return mmu_direct((struct physical){physical});
}

static enum status table_take(struct paging *paging, uint64_t *physical)
{
    struct physical frame;
    enum status status = frame_alloc(&frame);

    (void)paging;
    if (status == STATUS_OK)
        *physical = frame.address;
    return status;
}

static void table_give(struct paging *paging, uint64_t physical)
{
    (void)paging;
    frame_free((struct physical){physical});
}

static uint64_t *table_at(struct paging *paging, uint64_t physical)
{
    (void)paging;
    return mmu_direct((struct physical){physical});
}

static void flush(struct paging *paging, uint64_t address)
{
    (void)paging;
    invlpg((const void *)address);
}

static const struct paging_operations operations = {table_take, table_give, table_at, flush};
static struct paging paging = {.operations = &operations, .largest = PAGE_2M};
static uint64_t loaded; /* what CR3 holds */
static uint64_t switches;

enum status mmu_map(const void *address, struct physical physical, size_t size, enum page_flags flags)
{
    uint64_t saved = lock_acquire(&lock);
    enum status status = size == PAGE_BYTES ? page_map(&paging, (uint64_t)address, physical.address, PAGE_4K, flags)
                                            : page_map_range(&paging, (uint64_t)address, physical.address, size, flags);

    lock_release(&lock, saved);
    return status;
}

enum status mmu_unmap(const void *address, size_t size)
{
    uint64_t saved = lock_acquire(&lock);
    enum status status = size == PAGE_BYTES ? page_unmap(&paging, (uint64_t)address, PAGE_4K, NULL)
                                            : page_unmap_range(&paging, (uint64_t)address, size);

    lock_release(&lock, saved);
    return status;
}

enum status mmu_protect(const void *address, enum page_level level, enum page_flags flags)
{
    uint64_t saved = lock_acquire(&lock);
    enum status status = page_protect(&paging, (uint64_t)address, level, flags);

    lock_release(&lock, saved);
    return status;
}

enum status mmu_translate(const void *address, struct translation *translation)
{
    uint64_t saved = lock_acquire(&lock);
    enum status status = page_translate(&paging, (uint64_t)address, translation);

    lock_release(&lock, saved);
    return status;
}

enum status mmu_translate_unlocked(const void *address, struct translation *translation)
{
    struct paging now = {.operations = &operations, .root = loaded};

    return page_translate(&now, (uint64_t)address, translation);
}

void mmu_walk(bool (*visit)(void *context, uint64_t address, const struct translation *page), void *context)
{
    page_walk(&paging, visit, context);
}

size_t mmu_tables(void)
{
    return page_tables_count(&paging);
}

void mmu_patch(void *to, const void *from, size_t size)
{
    uint64_t cr0 = read_cr0();

    write_cr0(cr0 & ~(uint64_t)CR0_WP);
    memcpy(to, from, size);
    write_cr0(cr0);
    (void)cpuid(0); /* code that was written is fetched anew (Intel SDM vol. 3, 8.1.3) */
}

static bool count_writable_executable(void *context, uint64_t address, const struct translation *page)
{
    size_t *count = context;

    (void)address;
    if ((page->flags & PAGE_WRITE) && (page->flags & PAGE_EXECUTE))
        ++*count;
    return true;
}

size_t mmu_writable_executable(void)
{
    size_t count = 0;

    mmu_walk(count_writable_executable, &count);
    return count;
}

/* ---- ring 3's ---------------------------------------------------------------------------------------------------- */

static void load(uint64_t root)
{
    if (root == loaded)
        return;
    loaded = root;
    switches++;
    write_cr3(root);
}

/* Of what is not loaded the CPU remembers nothing: writing CR3 makes it forget all pages but global ones. */
static void flush_user(struct paging *user, uint64_t address)
{
    if (user->root == loaded)
        invlpg((const void *)address);
}

static const struct paging_operations user_operations = {table_take, table_give, table_at, flush_user};

enum status mmu_space_create(struct space *space, size_t pages_max)
{
    struct physical root;
    enum status status = frame_alloc(&root);
    uint64_t *entries;

    if (status != STATUS_OK)
        return status;
    entries = mmu_direct(root);
    memcpy(entries + TOP_ENTRIES / 2, table_at(&paging, paging.root) + TOP_ENTRIES / 2,
           TOP_ENTRIES / 2 * sizeof(*entries));
    space_init(space, &user_operations, root.address, pages_max);
    return STATUS_OK;
}

void mmu_space_destroy(struct space *space)
{
    uint64_t flags = irq_save();

    if (loaded == space->paging.root)
        load(paging.root);
    irq_restore(flags);
    space_clear(space);
    frame_free((struct physical){space->paging.root});
}

void mmu_space_enter(const struct space *space)
{
    load(space->paging.root);
}

uint64_t mmu_space_switches(void)
{
    return switches;
}

/* ---- at boot ----------------------------------------------------------------------------------------------------- */

static void map_or_panic(uint64_t address, uint64_t physical, uint64_t size, enum page_flags flags)
{
    enum status status = mmu_map((const void *)address, (struct physical){physical}, size, flags | PAGE_GLOBAL);

    if (status == STATUS_NO_MEMORY)
        panic("no memory for page tables");
    ASSERT(status == STATUS_OK);
}

static void map_image(const char *start, const char *end, enum page_flags flags)
{
    map_or_panic((uint64_t)start, (uint64_t)start - KERNEL_BASE, (uint64_t)(end - start), flags);
}

static bool is_ram(const struct memory_range *range)
{
    return range->kind != MEMORY_RESERVED && range->kind != MEMORY_BAD;
}

/* The lowest page at or above `from` that some range of RAM touches, and the end of that range. Ranges come unsorted,
 * may overlap, and neighbours may share a page. False if there is none. */
static bool next_ram(const struct boot_info *info, uint64_t from, uint64_t *base, uint64_t *end)
{
    bool found = false;

    for (size_t i = 0; i < info->range_count; i++) {
        const struct memory_range *range = &info->ranges[i];
        uint64_t first = range->base & ~(uint64_t)(PAGE_BYTES - 1);
        uint64_t last = (range->base + range->size - 1) | (PAGE_BYTES - 1);

        if (first < from)
            first = from;
        if (!is_ram(range) || last < first || last >= (uint64_t)FRAMES_MAX * FRAME_BYTES || (found && first >= *base))
            continue;
        *base = first;
        *end = last + 1;
        found = true;
    }
    return found;
}

/* The first megabyte is mapped whole, as the memory map says little about it and the VGA's text is there. What of the
 * image is not written lies right behind it. */
static void map_ram(const struct boot_info *info)
{
    uint64_t constant_end = (uint64_t)rodata_end - KERNEL_BASE;
    uint64_t base = 0;
    uint64_t end = 0;

    map_or_panic(DIRECT_BASE, 0, LOW_BYTES, PAGE_WRITE);
    map_or_panic(DIRECT_BASE + LOW_BYTES, LOW_BYTES, constant_end - LOW_BYTES, 0);
    for (uint64_t from = constant_end; next_ram(info, from, &base, &end); from = end)
        map_or_panic(DIRECT_BASE + base, base, end - base, PAGE_WRITE);
}

/* Turns on what keeps the kernel from running or touching ring 3's pages by mistake, and ring 3 from reading the
 * descriptor tables' addresses (SDM vol. 3, 4.6, 2.5). NX and WP are on since boot.S. */
static void protect(void)
{
    struct cpuid features = {0};
    uint64_t cr4 = read_cr4();

    if (cpuid(0).eax >= CPUID_FEATURES)
        features = cpuid(CPUID_FEATURES);
    mmu_protections.smep = features.ebx & CPUID_EBX_SMEP;
    mmu_protections.smap = features.ebx & CPUID_EBX_SMAP;
    mmu_protections.umip = features.ecx & CPUID_ECX_UMIP;
    write_cr4(cr4 | (mmu_protections.smep ? CR4_SMEP : 0) | (mmu_protections.smap ? CR4_SMAP : 0) |
              (mmu_protections.umip ? CR4_UMIP : 0));
}

runs_once static void pin_or_panic(uint64_t address)
{
    if (page_pin(&paging, address) != STATUS_OK)
        panic("no memory for page tables");
}

/* Ends the top table: what it leads to now is all that there will be of the kernel, in every address space. */
runs_once static void share(const struct boot_info *info)
{
    uint64_t base = 0;
    uint64_t end = 0;

    for (uint64_t from = 0; next_ram(info, from, &base, &end); from = (base | (TOP_ENTRY_BYTES - 1)) + 1)
        pin_or_panic(DIRECT_BASE + base);
    pin_or_panic(STACKS_BASE);
    pin_or_panic(AREA_BASE);
    pin_or_panic(KERNEL_BASE);
    paging.sealed = true;
}

runs_once void mmu_init(const struct boot_info *info)
{
    struct physical root;

    physical_init(info, BOOT_MAPPED_BYTES);
    mmu_protections.gib_pages = cpuid(CPUID_EXTENDED).edx & CPUID_EDX_GIB_PAGES;
    if (mmu_protections.gib_pages)
        paging.largest = PAGE_1G;
    if (frame_alloc(&root) != STATUS_OK)
        panic("no memory for page tables");
    paging.root = root.address;
    map_ram(info);
    map_image(text_start, text_end, PAGE_EXECUTE);
    map_image(rodata_start, rodata_end, 0);
    map_image(data_start, boot_stack_guard, PAGE_WRITE);
    map_image(boot_stack_guard + PAGE_BYTES, data_end, PAGE_WRITE);
    share(info);
    write_cr3(root.address);
    loaded = root.address;
    physical_add_rest();
    protect();
}

void *mmu_reserve(size_t size)
{
    uint64_t saved = lock_acquire(&lock);
    uint64_t address = area_next;

    area_next += ((size + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1)) + PAGE_BYTES;
    lock_release(&lock, saved);
    return (void *)address;
}

volatile void *mmu_map_device(uint64_t physical, size_t size)
{
    size_t whole = (size + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
    void *address = mmu_reserve(whole);

    map_or_panic((uint64_t)address, physical, whole, PAGE_WRITE | PAGE_UNCACHED);
    return address;
}
