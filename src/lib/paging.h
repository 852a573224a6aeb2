/*
 * 4-level page tables: Intel SDM vol. 3, 4.5. Arithmetic on memory that the caller hands over; nothing here touches
 * CR3.
 *
 * Tables are made when they are needed and given back when their last entry goes: an entry that points to a table
 * counts that table's entries in bits 52 to 61, which the CPU ignores there (tables 4-15, 4-17, 4-19), so neither costs
 * a search. Therefore a table hangs in one tree only, and only what was mapped here can be changed here; tables that
 * others built can be read. The top table is never given back. NX has to be on (EFER.NXE).
 *
 * The CPU may set accessed and dirty bits (5, 6) at any time. Nothing here depends on them or clears them.
 * Context: any; locking is the caller's. page_translate(), page_walk() and page_tables_count() write nothing, so a
 * fault report may call them whatever it interrupted.
 */
#ifndef DUET_LIB_PAGING_H
#define DUET_LIB_PAGING_H

#include "lib/base.h"

/* A page's size is the level its entry is on. */
enum page_level {
    PAGE_4K,
    PAGE_2M,
    PAGE_1G,
    PAGE_LEVELS,
};

enum { PAGING_LEVELS = 4 };

#define PAGE_SIZE(level) (UINT64_C(1) << (12 + 9 * (level)))

/* What may be done with a page; reading in ring 0 always can. */
enum page_flags {
    PAGE_WRITE = 1 << 0,
    PAGE_EXECUTE = 1 << 1,
    PAGE_USER = 1 << 2,     /* ring 3 too */
    PAGE_UNCACHED = 1 << 3, /* device registers: PWT and PCD */
    PAGE_GLOBAL = 1 << 4,   /* stays in the TLB over a write of CR3 */
};

struct paging;

/* What page tables need of their machine. */
struct paging_operations {
    /* A zeroed frame for a table; STATUS_NO_MEMORY if there is none. */
    enum status (*take)(struct paging *paging, uint64_t *physical);
    void (*give)(struct paging *paging, uint64_t physical);
    /* Where the frame at `physical` can be accessed, until it is given. */
    uint64_t *(*at)(struct paging *paging, uint64_t physical);
    /* The translation of the page at `address` was removed or changed, or tables were on the way to it: the CPU must
     * forget both, as INVLPG makes it do (SDM vol. 3, 4.10.4.1). Tables are given only after that. Not called where
     * nothing was mapped, which the CPU does not remember (4.10.2.3). */
    void (*flush)(struct paging *paging, uint64_t address);
};

struct paging {
    const struct paging_operations *operations;
    uint64_t root;           /* physical address of the top table */
    enum page_level largest; /* PAGE_1G where the CPU has them (CPUID 0x80000001 EDX bit 26), else PAGE_2M */

    bool sealed; /* the top table gets no more entries: STATUS_INVALID where a page would need one */

    /* The module's own; zeroed at first. */
    uint64_t *table[PAGING_LEVELS]; /* on the way to where a page was changed last */
    uint64_t region;                /* last byte of the 2 MiB whose page table table[0] is; 0: none */
};

/* Maps one page. Both addresses are multiples of its size. STATUS_NO_MEMORY if there is no frame for a table;
 * STATUS_EXISTS if the page, or a smaller one inside it, is mapped; STATUS_LARGE if a larger page covers it;
 * STATUS_INVALID for an address that is not canonical or not aligned, or a physical one beyond 52 bits, or a level
 * above `largest`. On an error nothing has changed. */
enum status page_map(struct paging *paging, uint64_t address, uint64_t physical, enum page_level level,
                     enum page_flags flags) must_check;

/* Removes the page of this size at `address`, and the tables that become empty. STATUS_NOT_FOUND if nothing is mapped
 * there, or only smaller pages; STATUS_LARGE, STATUS_INVALID as above. `physical`, if not NULL, gets where it led. */
enum status page_unmap(struct paging *paging, uint64_t address, enum page_level level, uint64_t *physical) must_check;

/* Changes what may be done with the page of this size at `address`. Errors as page_unmap(). Flushes if any flag
 * changes, also where more is allowed than before: by what the TLB remembers that could still fault (4.10.4.3). */
enum status page_protect(struct paging *paging, uint64_t address, enum page_level level,
                         enum page_flags flags) must_check;

/* A page as the CPU would find it. */
struct translation {
    uint64_t physical; /* of the very byte asked for */
    enum page_level level;
    enum page_flags flags; /* what all levels together allow */
};

/* STATUS_NOT_FOUND if nothing is mapped at `address`, STATUS_INVALID if it is not canonical. */
enum status page_translate(struct paging *paging, uint64_t address, struct translation *translation) must_check;

/* page_map() for a stretch of whole 4 KiB pages, in the largest pages that fit; its errors too, and STATUS_INVALID for
 * a stretch that leaves its half of the canonical addresses. On an error what it mapped is unmapped again. No bytes are
 * no pages: STATUS_OK. */
enum status page_map_range(struct paging *paging, uint64_t address, uint64_t physical, uint64_t size,
                           enum page_flags flags) must_check;

/* Unmaps all pages of the stretch, whatever their sizes; holes are passed over. STATUS_LARGE, and nothing changed, if a
 * page reaches beyond either end; STATUS_INVALID as page_map_range(). */
enum status page_unmap_range(struct paging *paging, uint64_t address, uint64_t size) must_check;

/* Has the top table's entry for `address` point to a table, and never lose it, whatever is mapped there and unmapped:
 * other top tables may then hold the same entry, and share all below it. STATUS_NO_MEMORY if there is no frame for the
 * table. */
enum status page_pin(struct paging *paging, uint64_t address) must_check;

/* Calls visit() for every page mapped, in the order of addresses, until it returns false. It changes no mapping. */
void page_walk(struct paging *paging, bool (*visit)(void *context, uint64_t address, const struct translation *page),
               void *context);

/* Frames that the tables take, the top one included. */
size_t page_tables_count(struct paging *paging);

#endif
