/*
 * The kernel's address space.
 * Facts: Intel SDM vol. 3, 4.5 (4-level paging), 2.5 (CR4).
 *
 *      0xffff800000000000  direct map: physical memory that is RAM, at its address plus this; the image's text and
 *                          constants read-only here too
 *      0xffffc00000000000  stacks, each with an unmapped page below it
 *      0xffffd00000000000  areas: device registers and whatever else wants addresses of its own
 *      0xffffffff80000000  the kernel image, each section with its own permissions
 */
#ifndef DUET_KERNEL_MMU_H
#define DUET_KERNEL_MMU_H

#include "kernel/x86_64/physical.h"
#include "lib/paging.h"
#include "lib/space.h"

enum { PAGE_BYTES = FRAME_BYTES };

/* Where RAM at `address` can be accessed. Context: any. */
void *mmu_direct(struct physical address);

/* The other way: where a pointer into the direct map leads. Context: any. */
struct physical mmu_direct_physical(const void *pointer);

/* Where the first 4 GiB can be accessed before mmu_init(); NULL beyond them. For the loader's and the firmware's
 * tables. Context: boot. */
const void *mmu_boot_at(uint64_t physical, size_t size);

/* Takes over from the loader: frames from the memory map, tables of our own, and every protection that the CPU has.
 * Context: boot. */
void mmu_init(const struct boot_info *info);

/* The kernel's address space, page by page. As lib/paging.h says, locked and flushed. Context: thread, boot. */
enum status mmu_map(const void *address, struct physical physical, size_t size, enum page_flags flags) must_check;
enum status mmu_unmap(const void *address, size_t size) must_check;
enum status mmu_protect(const void *address, enum page_level level, enum page_flags flags) must_check;
enum status mmu_translate(const void *address, struct translation *translation) must_check;
enum status mmu_translate_unlocked(const void *address,
                                   struct translation *translation) must_check; /* for a panic; ring 3's pages too */
void mmu_walk(bool (*visit)(void *context, uint64_t address, const struct translation *page), void *context);
size_t mmu_tables(void);

/* Writes over the kernel's text, or its constants, whose pages and their places in the direct map are read-only: by
 * turning that off meanwhile. Context: boot or thread, interrupts off. */
void mmu_patch(void *to, const void *from, size_t size);

/* Pages that may be written and executed, of all that are mapped: there must be none. Context: thread. */
size_t mmu_writable_executable(void);

/*
 * Ring 3's address spaces. The upper half of each is the kernel's, entry by entry the same, for ever: so a thread that
 * has none runs in whichever is there, and CR3 is written only where another one is wanted.
 *
 * mmu_space_create() makes one without pages, for lib/space.h to fill; STATUS_NO_MEMORY. mmu_space_destroy() gives back
 * all of it, and leaves it first if the CPU is in it. Context: thread. mmu_space_enter(): interrupts off.
 */
enum status mmu_space_create(struct space *space, size_t pages_max) must_check;
void mmu_space_destroy(struct space *space);
void mmu_space_enter(const struct space *space);

/* Times that CR3 was written for one. Context: any. */
uint64_t mmu_space_switches(void);

/* Addresses of an area of their own, with an unmapped page behind; never given back. Context: thread, boot. */
void *mmu_reserve(size_t size);

/* Maps device registers, uncached, for good. Panics if memory for tables runs out. Context: boot. */
volatile void *mmu_map_device(uint64_t physical, size_t size);

/* What the CPU has beyond what Duet needs, and uses. */
struct mmu_protections {
    bool smep, smap, umip, gib_pages;
};
extern struct mmu_protections mmu_protections;

#endif
