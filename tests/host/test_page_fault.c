/* A page fault in words: every reason, in every combination that a CPU reports. */
#include <string.h>

#include "lib/page_fault.h"
#include "support.h"

#define ADDRESS UINT64_C(0xffffffff80123456)

static char text[128];

static const char *describe(uint64_t error, const struct translation *page)
{
    size_t length = page_fault_describe(text, sizeof(text), ADDRESS, error, page);

    cr_assert_eq(length, strlen(text));
    return text;
}

static const char *with_flags(uint64_t error, enum page_flags flags)
{
    return describe(error, &(struct translation){.flags = flags});
}

Test(page_fault, what_is_not_mapped)
{
    cr_assert_str_eq(describe(0, NULL), "read of unmapped page at 0xffffffff80123456");
    cr_assert_str_eq(describe(PAGE_FAULT_WRITE, NULL), "write to unmapped page at 0xffffffff80123456");
    cr_assert_str_eq(describe(PAGE_FAULT_FETCH, NULL), "execution of unmapped page at 0xffffffff80123456");
    cr_assert_str_eq(describe(PAGE_FAULT_USER | PAGE_FAULT_WRITE, NULL),
                     "write to unmapped page at 0xffffffff80123456");
}

Test(page_fault, what_the_page_forbids)
{
    uint64_t present = PAGE_FAULT_PRESENT;

    cr_assert_str_eq(with_flags(present | PAGE_FAULT_WRITE, 0), "write to read-only page at 0xffffffff80123456");
    cr_assert_str_eq(with_flags(present | PAGE_FAULT_FETCH, PAGE_WRITE),
                     "execution of no-execute page at 0xffffffff80123456");
}

Test(page_fault, whose_page_it_is)
{
    uint64_t present = PAGE_FAULT_PRESENT;

    cr_assert_str_eq(with_flags(present, PAGE_USER | PAGE_WRITE), "read of page of ring 3 at 0xffffffff80123456");
    cr_assert_str_eq(with_flags(present | PAGE_FAULT_WRITE, PAGE_USER | PAGE_WRITE),
                     "write to page of ring 3 at 0xffffffff80123456");
    cr_assert_str_eq(with_flags(present | PAGE_FAULT_FETCH, PAGE_USER | PAGE_EXECUTE),
                     "execution of page of ring 3 at 0xffffffff80123456");
    cr_assert_str_eq(with_flags(present | PAGE_FAULT_USER, PAGE_WRITE),
                     "read of page of the kernel at 0xffffffff80123456");
    cr_assert_str_eq(with_flags(present | PAGE_FAULT_USER | PAGE_FAULT_WRITE, PAGE_USER),
                     "write to read-only page at 0xffffffff80123456");
}

/* A translation that another access has changed meanwhile, or a table nobody can read. */
Test(page_fault, what_does_not_add_up)
{
    cr_assert_str_eq(with_flags(PAGE_FAULT_PRESENT | PAGE_FAULT_WRITE, PAGE_WRITE),
                     "write to page that allows it now at 0xffffffff80123456");
    cr_assert_str_eq(describe(PAGE_FAULT_PRESENT | PAGE_FAULT_WRITE, NULL),
                     "write to unmapped page at 0xffffffff80123456");
    cr_assert_str_eq(with_flags(PAGE_FAULT_PRESENT | PAGE_FAULT_RESERVED, PAGE_WRITE),
                     "read of page whose tables are corrupt at 0xffffffff80123456");
}

Test(page_fault, null_pointers_are_called_so)
{
    page_fault_describe(text, sizeof(text), 0x10, PAGE_FAULT_WRITE, NULL);
    cr_assert_str_eq(text, "write to unmapped page at 0x10, a null pointer");
    page_fault_describe(text, sizeof(text), 0xfff, 0, NULL);
    cr_assert_str_eq(text, "read of unmapped page at 0xfff, a null pointer");
    page_fault_describe(text, sizeof(text), 0x1000, 0, NULL);
    cr_assert_str_eq(text, "read of unmapped page at 0x1000");
}

Test(page_fault, a_short_buffer_cuts)
{
    char small[10];
    size_t length = page_fault_describe(small, sizeof(small), ADDRESS, 0, NULL);

    cr_assert_str_eq(small, "read of u");
    cr_assert_eq(length, strlen("read of unmapped page at 0xffffffff80123456"));
}
