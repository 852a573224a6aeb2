/*
 * Programs: ELF files of x86-64 that are linked to fixed addresses and need nothing but to be copied there.
 * Facts: System V ABI, chapters 4 and 5; AMD64 supplement, 4.1.
 *
 * The file is not trusted. Whatever it says is checked against its own size and the bounds of an address space
 * (lib/space.h) before anybody acts on it. Nothing is read unaligned or twice. Context: any.
 */
#ifndef DUET_LIB_ELF_H
#define DUET_LIB_ELF_H

#include "lib/paging.h"

enum { ELF_SEGMENTS_MAX = 8, ELF_SYMBOL_BYTES = 48 };

/* Whole pages [base, base + size), which no other segment has a part of. Of their bytes `file_size`, from `address` on,
 * come from the file at `offset`; all others are zero. */
struct elf_segment {
    uint64_t base, size;
    uint64_t address, offset, file_size;
    enum page_flags flags; /* PAGE_WRITE, PAGE_EXECUTE; never both */
};

struct elf_image {
    uint64_t entry; /* in a segment that is executed */
    struct elf_segment segments[ELF_SEGMENTS_MAX];
    size_t segment_count; /* at least one */
};

/* Reads what is to be loaded. Returns NULL, or in a few words why this is no program that can run; *image is untouched
 * then. */
const char *elf_read(const void *file, size_t size, struct elf_image *image) must_check;

/* The function that an address is in, by the file's symbol table: its name, shortened to fit, and how far in.
 * STATUS_NOT_FOUND if the file has none for it; STATUS_INVALID if the table is broken. */
struct elf_symbol {
    char name[ELF_SYMBOL_BYTES];
    uint64_t offset;
};
enum status elf_symbol(const void *file, size_t size, uint64_t address, struct elf_symbol *symbol) must_check;

#endif
