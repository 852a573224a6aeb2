/*
 * A page fault in words. Facts: Intel SDM vol. 3, 4.7 (the error code).
 */
#ifndef DUET_LIB_PAGE_FAULT_H
#define DUET_LIB_PAGE_FAULT_H

#include "lib/paging.h"

enum page_fault_error {
    PAGE_FAULT_PRESENT = 1 << 0, /* 0: nothing is mapped */
    PAGE_FAULT_WRITE = 1 << 1,
    PAGE_FAULT_USER = 1 << 2, /* the access was ring 3's */
    PAGE_FAULT_RESERVED = 1 << 3,
    PAGE_FAULT_FETCH = 1 << 4,
};

/*
 * Writes what was tried, on what page, and where: "write to read-only page at 0xffffffff80123456". `page` is what is
 * mapped at `address`, NULL if nothing is. Returns the length of the whole text, as format_text() does. Context: any.
 */
size_t page_fault_describe(char *buffer, size_t size, uint64_t address, uint64_t error, const struct translation *page);

#endif
