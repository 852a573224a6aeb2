/*
 * Stacks, each with unmapped pages below it. Freed ones are kept mapped, so that threads come and go without touching
 * page tables, up to a limit; beyond it, and when memory is short, their frames are given back.
 *
 * The stacks of each size, a power of two, have a stretch of addresses of their own, cut into slots of twice that size:
 * the lower half of a slot is never mapped, so an address alone tells whose guard it hits. What is known of a slot is
 * one bit, found and cleared in constant time; what a pooled stack needs to be found is in the stack. All of it with
 * interrupts off.
 */
#include "kernel/x86_64/stacks.h"

#include "kernel/x86_64/mmu.h"
#include "thread/account.h"
#include "thread/arch.h"
#include "thread/thread.h"

#define STACK_BASE UINT64_C(0xffffc00000000000)

/* Of all the slots of one size. */
#define STRETCH_BYTES (UINT64_C(1) << 36)

enum {
    SIZE_MIN_BITS = 12,
    SIZES = 7,
    SLOTS = 16384, /* of each size */
    SLOT_WORDS = SLOTS / 64,
    SLOT_GROUPS = SLOT_WORDS / 64,
    POOL_BYTES = 2 << 20, /* that the pool holds at most */
};
_Static_assert(THREAD_STACK_BYTES_MIN == 1 << SIZE_MIN_BITS, "its logarithm");
_Static_assert(THREAD_STACK_BYTES_MIN << (SIZES - 1) == THREAD_STACK_BYTES_MAX, "every size has its stretch");
_Static_assert(THREAD_STACK_BYTES_MIN % (int)PAGE_BYTES == 0, "a stack has whole pages");
_Static_assert((uint64_t)SLOTS * 2 * THREAD_STACK_BYTES_MAX <= STRETCH_BYTES, "a stretch holds all its slots");

extern char boot_stack[], boot_stack_guard[];

static struct size {
    uint64_t taken[SLOT_WORDS]; /* a bit for each slot whose stack is mapped */
    uint64_t full[SLOT_GROUPS]; /* a bit for each word of these that has no slot left */
} sizes[SIZES];
static void *pools[SIZES]; /* freed stacks, mapped; each holds the next in its lowest word */
static size_t pooled_count, pooled_bytes;

static inline size_t size_index(size_t bytes)
{
    size_t index = (size_t)__builtin_ctzll(bytes) - SIZE_MIN_BITS;

    ASSERT(index < SIZES);
    return index;
}

/* Unmaps the lowest `bytes` of a stack, and gives back their frames. */
static void unmap(char *stack, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PAGE_BYTES) {
        struct translation page;

        if (mmu_translate(stack + at, &page) != STATUS_OK || mmu_unmap(stack + at, PAGE_BYTES) != STATUS_OK)
            panic("a stack's page is not mapped");
        frame_free((struct physical){page.physical});
    }
}

/* Maps frames at a slot's stack. Nothing of it stays when memory runs out. */
static bool map(char *stack, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PAGE_BYTES) {
        struct physical frame;

        if (frame_alloc(&frame) != STATUS_OK) {
            unmap(stack, at);
            return false;
        }
        if (mmu_map(stack + at, frame, PAGE_BYTES, PAGE_WRITE | PAGE_GLOBAL) != STATUS_OK) {
            frame_free(frame);
            unmap(stack, at);
            return false;
        }
    }
    return true;
}

/* The lowest slot that is free, so that page tables are shared; SLOTS if there is none. */
static uint32_t slot_take(struct size *size)
{
    for (uint32_t group = 0; group < SLOT_GROUPS; group++) {
        uint32_t word, bit;

        if (!~size->full[group])
            continue;
        word = group * 64 + (uint32_t)__builtin_ctzll(~size->full[group]);
        bit = (uint32_t)__builtin_ctzll(~size->taken[word]);
        size->taken[word] |= UINT64_C(1) << bit;
        if (!~size->taken[word])
            size->full[group] |= UINT64_C(1) << word % 64;
        return word * 64 + bit;
    }
    return SLOTS;
}

static void slot_give(struct size *size, uint32_t slot)
{
    size->taken[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    size->full[slot / 64 / 64] &= ~(UINT64_C(1) << slot / 64 % 64);
}

static char *slot_stack(size_t index, uint32_t slot)
{
    size_t bytes = (size_t)THREAD_STACK_BYTES_MIN << index;

    return (char *)(STACK_BASE + index * STRETCH_BYTES + (uint64_t)slot * 2 * bytes + bytes);
}

static uint32_t stack_slot(size_t index, const void *stack)
{
    return (uint32_t)(((uint64_t)stack - STACK_BASE - index * STRETCH_BYTES) / THREAD_STACK_BYTES_MIN >> (index + 1));
}

static __attribute__((noinline)) void *alloc_unpooled(size_t index, size_t bytes)
{
    uint32_t slot = slot_take(&sizes[index]);
    char *stack = slot_stack(index, slot);

    ASSERT(!irq_enabled() && bytes == (size_t)THREAD_STACK_BYTES_MIN << index);
    if (slot == SLOTS)
        return NULL;
    if (map(stack, bytes) || (stacks_trim() && map(stack, bytes)))
        return stack;
    slot_give(&sizes[index], slot);
    return NULL;
}

/* There is one. */
static inline void *pool_take(size_t index, size_t bytes)
{
    void *stack = pools[index];

    pools[index] = *(void **)stack;
    *(void **)stack = NULL; /* zero below its deepest use: stack_used() */
    pooled_count--;
    pooled_bytes -= bytes;
    return stack;
}

static __attribute__((noinline)) void give_back(size_t index, void *stack)
{
    unmap(stack, (size_t)THREAD_STACK_BYTES_MIN << index);
    slot_give(&sizes[index], stack_slot(index, stack));
}

void *stack_alloc(size_t size_bytes)
{
    size_t index = size_index(size_bytes);

    return likely(pools[index] != NULL) ? pool_take(index, size_bytes) : alloc_unpooled(index, size_bytes);
}

void stack_free(void *stack, size_t size_bytes)
{
    size_t index = size_index(size_bytes);

    if (unlikely(pooled_bytes + size_bytes > POOL_BYTES)) {
        give_back(index, stack);
        return;
    }
    *(void **)stack = pools[index];
    pools[index] = stack;
    pooled_count++;
    pooled_bytes += size_bytes;
}

size_t stacks_trim(void)
{
    size_t given = 0;

    for (size_t index = 0; index < SIZES; index++) {
        size_t bytes = (size_t)THREAD_STACK_BYTES_MIN << index;
        uint64_t flags = irq_save();

        while (pools[index]) {
            give_back(index, pool_take(index, bytes));
            given += bytes / PAGE_BYTES;
            irq_restore(flags); /* one at a time */
            flags = irq_save();
        }
        irq_restore(flags);
    }
    return given;
}

size_t stacks_pooled(void)
{
    return pooled_count;
}

void *stack_guarding(uintptr_t address)
{
    uintptr_t index = (address - STACK_BASE) / STRETCH_BYTES;
    uintptr_t bytes, slot;

    if (address >= (uintptr_t)boot_stack_guard && address < (uintptr_t)boot_stack)
        return boot_stack;
    if (address < STACK_BASE || index >= SIZES)
        return NULL;
    bytes = (uintptr_t)THREAD_STACK_BYTES_MIN << index;
    slot = address & ~(2 * bytes - 1);
    if (slot - STACK_BASE - index * STRETCH_BYTES >= SLOTS * 2 * bytes || address - slot >= bytes)
        return NULL;
    return (void *)(slot + bytes);
}

size_t stack_used(const void *stack, size_t size_bytes)
{
    const uint64_t *words = stack;
    size_t count = size_bytes / sizeof(*words);
    size_t untouched = sizeof(struct account) / sizeof(*words);

    while (untouched < count && !words[untouched])
        untouched++;
    return (count - untouched) * sizeof(*words);
}
