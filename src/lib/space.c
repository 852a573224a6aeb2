/* Page by page, on lib/paging.h. */
#include "lib/space.h"

#include "lib/mem.h"

enum { BATCH = 64 }; /* pages unmapped after one look at the tables */

#define PAGE PAGE_SIZE(PAGE_4K)

void space_init(struct space *space, const struct paging_operations *operations, uint64_t root, size_t pages_max)
{
    *space = (struct space){.paging = {.operations = operations, .root = root, .largest = PAGE_2M},
                            .pages_max = pages_max};
}

static bool pages_valid(uint64_t address, uint64_t size)
{
    return size && !((address | size) & (PAGE - 1)) && space_holds(address, size);
}

static enum status map_one(struct space *space, uint64_t address, enum page_flags flags)
{
    struct paging *paging = &space->paging;
    uint64_t frame;
    enum status status = paging->operations->take(paging, &frame);

    if (status != STATUS_OK)
        return status;
    status = page_map(paging, address, frame, PAGE_4K, flags);
    if (status != STATUS_OK) {
        paging->operations->give(paging, frame);
        return status;
    }
    space->pages++;
    return STATUS_OK;
}

static void unmap_one(struct space *space, uint64_t address)
{
    struct paging *paging = &space->paging;
    uint64_t frame;

    if (page_unmap(paging, address, PAGE_4K, &frame) != STATUS_OK)
        return;
    paging->operations->give(paging, frame);
    space->pages--;
}

enum status space_map(struct space *space, uint64_t address, uint64_t size, enum page_flags flags)
{
    enum page_flags allowed = PAGE_USER | (flags & (PAGE_WRITE | PAGE_EXECUTE));

    if (!pages_valid(address, size) || ((flags & PAGE_WRITE) && (flags & PAGE_EXECUTE)))
        return STATUS_INVALID;
    if (size / PAGE > space->pages_max - space->pages)
        return STATUS_NO_MEMORY;
    for (uint64_t done = 0; done < size; done += PAGE) {
        enum status status = map_one(space, address + done, allowed);

        if (status == STATUS_OK)
            continue;
        while (done) {
            done -= PAGE;
            unmap_one(space, address + done);
        }
        return status;
    }
    return STATUS_OK;
}

enum status space_unmap(struct space *space, uint64_t address, uint64_t size)
{
    if (!pages_valid(address, size) || size / PAGE > space->pages_max)
        return STATUS_INVALID;
    for (uint64_t done = 0; done < size; done += PAGE)
        unmap_one(space, address + done);
    return STATUS_OK;
}

enum status space_write(struct space *space, uint64_t address, const void *bytes, size_t size)
{
    const char *from = bytes;

    while (size) {
        uint64_t within = address & (PAGE - 1);
        size_t part = size < PAGE - within ? size : PAGE - within;
        struct translation page;
        char *to;

        if (!space_holds(address, part) || page_translate(&space->paging, address, &page) != STATUS_OK)
            return STATUS_NOT_FOUND;
        to = (char *)space->paging.operations->at(&space->paging, page.physical - within);
        memcpy(to + within, from, part);
        address += part;
        from += part;
        size -= part;
    }
    return STATUS_OK;
}

struct batch {
    uint64_t addresses[BATCH];
    size_t count;
};

static bool collect(void *context, uint64_t address, const struct translation *page)
{
    struct batch *batch = context;

    (void)page;
    if (address >= SPACE_END)
        return false;
    batch->addresses[batch->count++] = address;
    return batch->count < BATCH;
}

void space_clear(struct space *space)
{
    struct batch batch;

    do {
        batch.count = 0;
        page_walk(&space->paging, collect, &batch);
        for (size_t i = 0; i < batch.count; i++)
            unmap_one(space, batch.addresses[i]);
    } while (batch.count);
}
