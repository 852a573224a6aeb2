/* The words. */
#include "lib/page_fault.h"

#include "lib/format.h"

static const char *access_tried(uint64_t error)
{
    if (error & PAGE_FAULT_FETCH)
        return "execution of";
    return error & PAGE_FAULT_WRITE ? "write to" : "read of";
}

/* Of several reasons the CPU names none, so the page itself tells: ring 3's page is out of bounds for the kernel's
 * every access where SMAP and SMEP are on, whatever else it forbids. */
static const char *page_kind(uint64_t error, const struct translation *page)
{
    if (error & PAGE_FAULT_RESERVED)
        return "page whose tables are corrupt";
    if (!(error & PAGE_FAULT_PRESENT) || !page)
        return "unmapped page";
    if ((error & PAGE_FAULT_USER) && !(page->flags & PAGE_USER))
        return "page of the kernel";
    if ((error & PAGE_FAULT_FETCH) && !(page->flags & PAGE_EXECUTE))
        return "no-execute page";
    if ((error & PAGE_FAULT_WRITE) && !(page->flags & PAGE_WRITE))
        return "read-only page";
    if (!(error & PAGE_FAULT_USER) && (page->flags & PAGE_USER))
        return "page of ring 3";
    return "page that allows it now";
}

size_t page_fault_describe(char *buffer, size_t size, uint64_t address, uint64_t error, const struct translation *page)
{
    return format_text(buffer, size, "%s %s at %p%s", access_tried(error), page_kind(error, page), (void *)address,
                       address < PAGE_SIZE(PAGE_4K) ? ", a null pointer" : "");
}
