/*
 * Stacks, each with an unmapped page below it. Freed ones are kept mapped, so that threads come and go without touching
 * page tables; when memory is short, stacks_trim() gives them back.
 */
#include "kernel/x86_64/stacks.h"

#include "kernel/x86_64/mmu.h"
#include "thread/arch.h"
#include "thread/thread.h"

#define STACK_BASE UINT64_C(0xffffc00000000000)

enum {
    STACK_SLOT_BYTES = 32768, /* unmapped pages, and the stack above them */
    STACK_SLOTS = 4096,
};
_Static_assert(THREAD_STACK_BYTES + PAGE_BYTES <= STACK_SLOT_BYTES, "a slot holds a stack and its guard");

extern char boot_stack[], boot_stack_guard[];

static uint32_t slots_used;
static void *pool; /* freed stacks, mapped; each holds the next in its lowest word */
static uint32_t pooled;
static uint32_t bare[STACK_SLOTS]; /* slots whose stack was unmapped again */
static uint32_t bare_count;

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
static bool map(char *stack)
{
    for (size_t at = 0; at < THREAD_STACK_BYTES; at += PAGE_BYTES) {
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

static char *slot_stack(uint32_t slot)
{
    return (char *)(STACK_BASE + (uint64_t)(slot + 1) * STACK_SLOT_BYTES - THREAD_STACK_BYTES);
}

static uint32_t stack_slot(const void *stack)
{
    return (uint32_t)(((uint64_t)stack - STACK_BASE) / STACK_SLOT_BYTES);
}

static void *alloc_unpooled(void)
{
    uint32_t slot;

    if (bare_count)
        slot = bare[--bare_count];
    else if (slots_used < STACK_SLOTS)
        slot = slots_used++;
    else
        return NULL;
    if (map(slot_stack(slot)))
        return slot_stack(slot);
    bare[bare_count++] = slot;
    return NULL;
}

void *stack_alloc(size_t size_bytes)
{
    uint64_t flags = irq_save();
    void *stack = pool;

    ASSERT(size_bytes == THREAD_STACK_BYTES);
    if (stack) {
        pool = *(void **)stack;
        *(void **)stack = NULL; /* zero below its deepest use: stack_used() */
        pooled--;
    } else {
        stack = alloc_unpooled();
    }
    irq_restore(flags);
    return stack;
}

void stack_free(void *stack, size_t size_bytes)
{
    uint64_t flags = irq_save();

    ASSERT(size_bytes == THREAD_STACK_BYTES);
    *(void **)stack = pool;
    pool = stack;
    pooled++;
    irq_restore(flags);
}

size_t stacks_trim(void)
{
    size_t given = 0;

    for (;;) {
        uint64_t flags = irq_save();
        void *stack = pool;

        if (stack) {
            pool = *(void **)stack;
            pooled--;
            unmap(stack, THREAD_STACK_BYTES);
            bare[bare_count++] = stack_slot(stack);
            given += THREAD_STACK_BYTES / PAGE_BYTES;
        }
        irq_restore(flags);
        if (!stack)
            return given;
    }
}

size_t stacks_pooled(void)
{
    return pooled;
}

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

size_t stack_used(const void *stack, size_t size_bytes)
{
    const uint64_t *words = stack;
    size_t count = size_bytes / sizeof(*words);
    size_t untouched = 0;

    while (untouched < count && !words[untouched])
        untouched++;
    return (count - untouched) * sizeof(*words);
}
