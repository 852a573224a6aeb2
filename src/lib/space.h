/*
 * An address space of ring 3: the lower half of a tree of page tables, and the frames that its pages are made of, all
 * of which are its own. What lies in the upper half is nobody's business here.
 *
 * Pages are of 4 KiB, ring 3's, and zero at first; none is both written and executed. The first 64 KiB stay unmapped,
 * so that a null pointer with an offset faults, and so does the last page: a SYSCALL at its very end would return to an
 * address that is not canonical, at which SYSRET faults in ring 0 with ring 3's stack (Intel SDM vol. 2, SYSRET).
 * Context: any that frames may be taken in; locking is the caller's.
 */
#ifndef DUET_LIB_SPACE_H
#define DUET_LIB_SPACE_H

#include "lib/paging.h"

#define SPACE_LOW UINT64_C(0x10000)
#define SPACE_END UINT64_C(0x00007ffffffff000)

struct space {
    struct paging paging; /* its operations also take and give the frames of pages */
    size_t pages;         /* mapped */
    size_t pages_max;
};

/* Makes one of an empty lower half. `root`, the top table, stays the caller's. */
void space_init(struct space *space, const struct paging_operations *operations, uint64_t root, size_t pages_max);

/* Whether all of these bytes are where pages can be. No bytes are, anywhere. */
static inline bool space_holds(uint64_t address, uint64_t size)
{
    return size == 0 || (address >= SPACE_LOW && address < SPACE_END && size <= SPACE_END - address);
}

/*
 * Maps whole pages. STATUS_INVALID for what is not page-aligned, not all within [SPACE_LOW, SPACE_END), empty, or to be
 * both written and executed; STATUS_EXISTS if one of them is mapped; STATUS_NO_MEMORY if there is no frame, or more
 * than pages_max would be mapped. On an error nothing has changed. Of `flags` PAGE_WRITE and PAGE_EXECUTE count.
 */
enum status space_map(struct space *space, uint64_t address, uint64_t size, enum page_flags flags) must_check;

/* Unmaps those of the pages that are mapped, and gives back their frames. STATUS_INVALID as above, and for more than
 * pages_max. */
enum status space_unmap(struct space *space, uint64_t address, uint64_t size) must_check;

/* Copies into pages, whatever their flags say. STATUS_NOT_FOUND where one is not mapped: what comes before it is
 * copied. */
enum status space_write(struct space *space, uint64_t address, const void *bytes, size_t size) must_check;

/* Unmaps everything. The top table is left. */
void space_clear(struct space *space);

#endif
