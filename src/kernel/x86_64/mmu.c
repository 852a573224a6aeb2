/*
 * Frames come from the usable ranges in order, and freed ones from a list first. The image, the loader's structures and
 * everything below 1 MiB are never handed out.
 */
#include "kernel/x86_64/mmu.h"

#include "kernel/x86_64/cpu.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/thread.h"

#define DIRECT_BASE UINT64_C(0xffff800000000000)
#define STACK_BASE  UINT64_C(0xffffc00000000000)
#define DEVICE_BASE UINT64_C(0xffffd00000000000)
#define KERNEL_BASE UINT64_C(0xffffffff80000000)

#define PAGE_PRESENT  UINT64_C(0x001)
#define PAGE_WRITABLE UINT64_C(0x002)
#define PAGE_UNCACHED UINT64_C(0x018) /* PWT and PCD */
#define PAGE_LARGE    UINT64_C(0x080)
#define PAGE_GLOBAL   UINT64_C(0x100)
#define PAGE_NX       UINT64_C(0x8000000000000000)
#define PAGE_ADDRESS  UINT64_C(0x000ffffffffff000)

enum {
    LARGE_BYTES = 2 << 20,
    BOOT_MAPPED_BYTES = 1 << 30, /* by boot.S */
    LOW_BYTES = 1 << 20,
    STACK_SLOT_BYTES = 32768, /* a guard page and the stack above it */
    STACK_SLOTS = 1024,
};
_Static_assert(THREAD_STACK_BYTES + PAGE_BYTES <= STACK_SLOT_BYTES, "a slot holds a stack and its guard");

extern char image_start[], image_end[]; /* physical */
extern char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[], boot_stack_guard[];

/* Usable memory still to be handed out for the first time. */
static struct memory_range usable[BOOT_MAX_RANGES];
static size_t usable_count;
static struct memory_range reserved[2 + BOOT_MAX_MODULES];
static size_t reserved_count;
static uint64_t free_list; /* physical address of the first freed frame, which holds the next; 0 ends it */
static size_t free_count;

static uint64_t *root;
static uint64_t device_next = DEVICE_BASE;
static uint32_t stack_slots_used;
static void *stack_pool; /* freed stacks, mapped; each holds the next */

void *mmu_direct(struct physical address)
{
    return (void *)(DIRECT_BASE + address.address);
}

const void *mmu_boot_at(uint64_t physical, size_t size)
{
    if (physical >= BOOT_MAPPED_BYTES || size > BOOT_MAPPED_BYTES - physical)
        return NULL;
    return mmu_direct((struct physical){physical});
}

static void reserve(uint64_t base, uint64_t size)
{
    reserved[reserved_count++] = (struct memory_range){base, size, MEMORY_RESERVED};
}

/* The end of the reserved range that the frame at `address` touches, or 0. */
static uint64_t reserved_until(uint64_t address)
{
    for (size_t i = 0; i < reserved_count; i++)
        if (address < reserved[i].base + reserved[i].size && reserved[i].base < address + PAGE_BYTES)
            return reserved[i].base + reserved[i].size;
    return 0;
}

static uint64_t page_up(uint64_t address)
{
    return (address + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

static void frames_init(const struct boot_info *info)
{
    reserve((uint64_t)image_start, (uint64_t)image_end - (uint64_t)image_start);
    reserve(info->info_base, info->info_size);
    for (size_t i = 0; i < info->module_count; i++)
        reserve(info->modules[i].base, info->modules[i].size);
    for (size_t i = 0; i < info->range_count; i++) {
        struct memory_range range = info->ranges[i];
        uint64_t end = range.base + range.size;

        if (range.kind != MEMORY_USABLE || end <= LOW_BYTES)
            continue;
        if (range.base < LOW_BYTES)
            range.base = LOW_BYTES;
        range.base = page_up(range.base);
        end &= ~(uint64_t)(PAGE_BYTES - 1);
        if (end <= range.base)
            continue;
        range.size = end - range.base;
        usable[usable_count++] = range;
        free_count += range.size / PAGE_BYTES;
    }
}

size_t frames_free(void)
{
    return free_count;
}

/* The next frame that was never handed out, or 0. */
static uint64_t frame_take_fresh(void)
{
    for (size_t i = 0; i < usable_count; i++) {
        struct memory_range *range = &usable[i];

        while (range->size) {
            uint64_t frame = range->base;

            range->base += PAGE_BYTES;
            range->size -= PAGE_BYTES;
            free_count--;
            if (!reserved_until(frame))
                return frame;
        }
    }
    return 0;
}

enum status frame_alloc(struct physical *frame)
{
    uint64_t flags = irq_save();
    uint64_t address = free_list;

    if (address) {
        free_list = *(uint64_t *)mmu_direct((struct physical){address});
        free_count--;
    } else {
        address = frame_take_fresh();
    }
    irq_restore(flags);
    if (!address)
        return STATUS_NO_MEMORY;
    frame->address = address;
    memset(mmu_direct(*frame), 0, PAGE_BYTES);
    return STATUS_OK;
}

void frame_free(struct physical frame)
{
    uint64_t flags = irq_save();

    *(uint64_t *)mmu_direct(frame) = free_list;
    free_list = frame.address;
    free_count++;
    irq_restore(flags);
}

/* The entry of `table` that leads towards `address` at `level` (3: PML4 ... 0: page table). */
static uint64_t *entry_at(uint64_t *table, uint64_t address, unsigned level)
{
    return &table[address >> (12 + 9 * level) & 511];
}

/* Finds the entry of `address` at `level`, creating the tables above it. NULL if memory runs out. */
static uint64_t *walk(uint64_t address, unsigned level)
{
    uint64_t *table = root;

    for (unsigned at = 3; at > level; at--) {
        uint64_t *entry = entry_at(table, address, at);
        struct physical frame;

        ASSERT(!(*entry & PAGE_LARGE));
        if (!(*entry & PAGE_PRESENT)) {
            if (frame_alloc(&frame) != STATUS_OK)
                return NULL;
            *entry = frame.address | PAGE_PRESENT | PAGE_WRITABLE;
        }
        table = mmu_direct((struct physical){*entry & PAGE_ADDRESS});
    }
    return entry_at(table, address, level);
}

/* Maps whole pages, large ones where both addresses and the size allow. */
static enum status map(uint64_t address, uint64_t physical, uint64_t size, uint64_t flags)
{
    while (size) {
        bool large = size >= LARGE_BYTES && !((address | physical) & (LARGE_BYTES - 1));
        uint64_t *entry = walk(address, large ? 1 : 0);
        uint64_t step = large ? LARGE_BYTES : PAGE_BYTES;

        if (!entry)
            return STATUS_NO_MEMORY;
        ASSERT(!(*entry & PAGE_PRESENT));
        *entry = physical | flags | PAGE_PRESENT | PAGE_GLOBAL | (large ? PAGE_LARGE : 0);
        address += step;
        physical += step;
        size -= step;
    }
    return STATUS_OK;
}

static void map_or_panic(uint64_t address, uint64_t physical, uint64_t size, uint64_t flags)
{
    if (map(address, physical, size, flags) != STATUS_OK)
        panic("no memory for page tables");
}

static void map_image(const char *start, const char *end, uint64_t flags)
{
    map_or_panic((uint64_t)start, (uint64_t)start - KERNEL_BASE, (uint64_t)(end - start), flags);
}

/* The first megabyte is mapped whole, as the memory map says little about it and the VGA's text is there. */
static void map_ram(const struct boot_info *info)
{
    map_or_panic(DIRECT_BASE, 0, LOW_BYTES, PAGE_WRITABLE | PAGE_NX);
    for (size_t i = 0; i < info->range_count; i++) {
        uint64_t base = info->ranges[i].base & ~(uint64_t)(PAGE_BYTES - 1);
        uint64_t end = page_up(info->ranges[i].base + info->ranges[i].size);

        if (info->ranges[i].kind == MEMORY_RESERVED || info->ranges[i].kind == MEMORY_BAD || end <= LOW_BYTES)
            continue;
        if (base < LOW_BYTES)
            base = LOW_BYTES;
        for (; base < end; base += PAGE_BYTES) { /* neighbours may share a page, ranges may overlap */
            uint64_t *entry = walk(DIRECT_BASE + base, 1);

            if (!entry)
                panic("no memory for page tables");
            if (!(base & (LARGE_BYTES - 1)) && end - base >= LARGE_BYTES && !*entry) {
                map_or_panic(DIRECT_BASE + base, base, LARGE_BYTES, PAGE_WRITABLE | PAGE_NX);
                base += LARGE_BYTES - PAGE_BYTES;
                continue;
            }
            if (*entry & PAGE_LARGE)
                continue;
            entry = walk(DIRECT_BASE + base, 0);
            if (entry && !(*entry & PAGE_PRESENT))
                map_or_panic(DIRECT_BASE + base, base, PAGE_BYTES, PAGE_WRITABLE | PAGE_NX);
        }
    }
}

void mmu_init(const struct boot_info *info)
{
    struct physical frame;

    frames_init(info);
    if (frame_alloc(&frame) != STATUS_OK)
        panic("the loader's memory map has no usable memory");
    root = mmu_direct(frame);
    map_ram(info);
    map_image(text_start, text_end, 0);
    map_image(rodata_start, rodata_end, PAGE_NX);
    map_image(data_start, boot_stack_guard, PAGE_WRITABLE | PAGE_NX);
    map_image(boot_stack_guard + PAGE_BYTES, data_end, PAGE_WRITABLE | PAGE_NX);
    write_cr3(frame.address);
}

volatile void *mmu_map_device(uint64_t physical, size_t size)
{
    uint64_t address = device_next;

    device_next += page_up(size) + PAGE_BYTES;
    map_or_panic(address, physical, page_up(size), PAGE_WRITABLE | PAGE_NX | PAGE_UNCACHED);
    return (volatile void *)address;
}

/* Maps the frames of a fresh slot's stack. What is mapped when memory runs out stays, unused: the machine is full. */
static bool stack_map(uint64_t stack, size_t size_bytes)
{
    for (uint64_t page = stack; page < stack + size_bytes; page += PAGE_BYTES) {
        struct physical frame;

        if (frame_alloc(&frame) != STATUS_OK ||
            map(page, frame.address, PAGE_BYTES, PAGE_WRITABLE | PAGE_NX) != STATUS_OK)
            return false;
    }
    return true;
}

/* Freed stacks are kept mapped, so that threads come and go without touching page tables. */
void *stack_alloc(size_t size_bytes)
{
    uint64_t flags = irq_save();
    void *stack = stack_pool;

    ASSERT(size_bytes == THREAD_STACK_BYTES);
    if (stack) {
        stack_pool = *(void **)stack;
    } else if (stack_slots_used < STACK_SLOTS) {
        uint64_t slot = STACK_BASE + (uint64_t)stack_slots_used++ * STACK_SLOT_BYTES;

        stack = (void *)(slot + STACK_SLOT_BYTES - size_bytes);
        if (!stack_map((uint64_t)stack, size_bytes))
            stack = NULL;
    }
    irq_restore(flags);
    return stack;
}

void stack_free(void *stack, size_t size_bytes)
{
    uint64_t flags = irq_save();

    ASSERT(size_bytes == THREAD_STACK_BYTES);
    *(void **)stack = stack_pool;
    stack_pool = stack;
    irq_restore(flags);
}

extern char boot_stack[];

void *stack_guarding(uintptr_t address)
{
    uintptr_t slot;

    if (address >= (uintptr_t)boot_stack_guard && address < (uintptr_t)boot_stack)
        return boot_stack;
    if (address < STACK_BASE || address >= STACK_BASE + (uint64_t)STACK_SLOTS * STACK_SLOT_BYTES)
        return NULL;
    slot = address & ~(uintptr_t)(STACK_SLOT_BYTES - 1);
    if (address - slot >= STACK_SLOT_BYTES - THREAD_STACK_BYTES)
        return NULL;
    return (void *)(slot + STACK_SLOT_BYTES - THREAD_STACK_BYTES);
}
