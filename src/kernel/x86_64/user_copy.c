/* See user_copy.h. The copying itself is in user_copy.S. */
#include "kernel/x86_64/user_copy.h"

#include "kernel/x86_64/mmu.h"

size_t user_copy_bytes(void *to, const void *from, size_t size);
size_t user_copy_bytes_smap(void *to, const void *from, size_t size);

static enum status copy(void *to, const void *from, size_t size)
{
    size_t left = mmu_protections.smap ? user_copy_bytes_smap(to, from, size) : user_copy_bytes(to, from, size);

    return left ? STATUS_INVALID : STATUS_OK;
}

enum status user_copy_in(void *to, uint64_t from, size_t size)
{
    return space_holds(from, size) ? copy(to, (const void *)from, size) : STATUS_INVALID;
}

/* What ring 3 may only read, ring 0 may not write either: CR0.WP. */
enum status user_copy_out(uint64_t to, const void *from, size_t size)
{
    return space_holds(to, size) ? copy((void *)to, from, size) : STATUS_INVALID;
}
