/*
 * Physical frames, page tables and guarded stacks: as much memory management as the first threads need.
 * Facts: Intel SDM vol. 3, 4.5 (4-level paging).
 *
 *      0xffff800000000000  direct map: physical memory that is RAM, at its address plus this
 *      0xffffc00000000000  stacks, each with an unmapped page below it
 *      0xffffd00000000000  device registers
 *      0xffffffff80000000  the kernel image, each section with its own permissions
 */
#ifndef DUET_KERNEL_MMU_H
#define DUET_KERNEL_MMU_H

#include "lib/boot_info.h"

enum { PAGE_BYTES = 4096 };

/* A physical address, which cannot be dereferenced. */
struct physical {
    uint64_t address;
};

/* Where RAM at `address` can be accessed. Context: any. */
void *mmu_direct(struct physical address);

/* Where the first GiB can be accessed before mmu_init(); NULL beyond it. For the boot information. Context: boot. */
const void *mmu_boot_at(uint64_t physical, size_t size);

/* Takes over from the loader: frames from the memory map, and tables of our own. Context: boot. */
void mmu_init(const struct boot_info *info);

/* Takes a zeroed frame. STATUS_NO_MEMORY if there is none. Context: thread, boot. */
enum status frame_alloc(struct physical *frame) must_check;
void frame_free(struct physical frame);

/* Frames that can still be taken. Context: any. */
size_t frames_free(void);

/* Maps device registers, uncached, for good. Panics if memory for tables runs out. Context: boot. */
volatile void *mmu_map_device(uint64_t physical, size_t size);

/* If `address` is in the guard page of a stack, or below it where no stack ever is, says whose base it guards;
 * NULL otherwise. Context: any. */
void *stack_guarding(uintptr_t address);

#endif
