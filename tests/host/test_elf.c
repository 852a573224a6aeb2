/* Programs, good and hostile. A good one is built here by hand; each test spoils one thing. */
#include "lib/elf.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "lib/space.h"
#include "support.h"

enum {
    FILE_BYTES = 0x3000,
    SEGMENTS = 3,
    TEXT_AT = 0x1000,
    DATA_AT = 0x2000,
    SYMBOLS_AT = 0x2400,
    STRINGS_AT = 0x2600
};

struct program {
    Elf64_Ehdr header;
    Elf64_Phdr segments[SEGMENTS + 8];
    Elf64_Shdr sections[3];
};

static _Alignas(8) unsigned char file[FILE_BYTES];
static struct program *program = (struct program *)(void *)file;
static const char strings[] = "\0main\0a_function_with_a_name_that_is_longer_than_the_room_for_it\0last";

static void make_symbols(void)
{
    Elf64_Sym *symbols = (Elf64_Sym *)(void *)(file + SYMBOLS_AT);

    symbols[1] = (Elf64_Sym){.st_name = 1, .st_info = STT_OBJECT, .st_value = 0x400000, .st_size = 0x1000};
    symbols[2] = (Elf64_Sym){.st_name = 1, .st_info = STT_FUNC, .st_value = 0x400100, .st_size = 0x20};
    symbols[3] = (Elf64_Sym){.st_name = 6, .st_info = STT_FUNC, .st_value = 0x400200, .st_size = 0x20};
    symbols[4] = (Elf64_Sym){.st_name = 65, .st_info = STT_FUNC, .st_value = 0x400300, .st_size = 0x20};
    symbols[5] = (Elf64_Sym){.st_name = 0x7fffffff, .st_info = STT_FUNC, .st_value = 0x400400, .st_size = 0x20};
    memcpy(file + STRINGS_AT, strings, sizeof(strings));
    program->sections[1] = (Elf64_Shdr){
        .sh_type = SHT_SYMTAB, .sh_offset = SYMBOLS_AT, .sh_size = 6 * sizeof(*symbols), .sh_link = 2};
    program->sections[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = STRINGS_AT, .sh_size = sizeof(strings) - 1};
}

static void make(void)
{
    memset(file, 0, sizeof(file));
    program->header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                                   .e_type = ET_EXEC,
                                   .e_machine = EM_X86_64,
                                   .e_version = EV_CURRENT,
                                   .e_entry = 0x400010,
                                   .e_phoff = offsetof(struct program, segments),
                                   .e_shoff = offsetof(struct program, sections),
                                   .e_ehsize = sizeof(Elf64_Ehdr),
                                   .e_phentsize = sizeof(Elf64_Phdr),
                                   .e_phnum = SEGMENTS,
                                   .e_shentsize = sizeof(Elf64_Shdr),
                                   .e_shnum = 3};
    program->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                        .p_flags = PF_R | PF_X,
                                        .p_offset = TEXT_AT,
                                        .p_vaddr = 0x400000,
                                        .p_filesz = 0x800,
                                        .p_memsz = 0x800,
                                        .p_align = 0x1000};
    program->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                        .p_flags = PF_R | PF_W,
                                        .p_offset = DATA_AT + 0x10,
                                        .p_vaddr = 0x402010,
                                        .p_filesz = 0x100,
                                        .p_memsz = 0x2000,
                                        .p_align = 0x1000};
    program->segments[2] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
    make_symbols();
}

TestSuite(elf, .init = make);

static struct elf_image image;

/* The file in memory of exactly its size, so that nothing can be read beyond it unseen. */
static const char *read_size(size_t size)
{
    void *exact = malloc(size ? size : 1);
    const char *wrong;

    memcpy(exact, file, size);
    wrong = elf_read(exact, size, &image);
    free(exact);
    return wrong;
}

static void expect_refused(const char *because)
{
    struct elf_image before;
    const char *wrong;

    memset(&image, 0x5a, sizeof(image));
    before = image;
    wrong = read_size(FILE_BYTES);
    cr_assert_not_null(wrong, "taken, though %s", because);
    cr_assert_str_eq(wrong, because);
    cr_assert_eq(memcmp(&before, &image, sizeof(image)), 0, "nothing is left of it");
}

Test(elf, reads_what_is_to_be_loaded)
{
    cr_assert_null(read_size(FILE_BYTES));
    cr_assert_eq(image.entry, 0x400010);
    cr_assert_eq(image.segment_count, 2);
    cr_assert_eq(image.segments[0].base, 0x400000);
    cr_assert_eq(image.segments[0].size, 0x1000);
    cr_assert_eq(image.segments[0].flags, PAGE_EXECUTE);
    cr_assert_eq(image.segments[1].base, 0x402000);
    cr_assert_eq(image.segments[1].size, 0x3000, "it begins and ends amid pages");
    cr_assert_eq(image.segments[1].address, 0x402010);
    cr_assert_eq(image.segments[1].offset, DATA_AT + 0x10);
    cr_assert_eq(image.segments[1].file_size, 0x100);
    cr_assert_eq(image.segments[1].flags, PAGE_WRITE);
}

Test(elf, refuses_every_shorter_file_or_reads_within_it)
{
    for (size_t size = 0; size < FILE_BYTES; size++) {
        const char *wrong = read_size(size);

        cr_assert(wrong || size >= DATA_AT + 0x110, "taken with %zu bytes", size);
    }
}

#define REFUSES(name, spoil, because)                      \
    Test(elf, refuses_##name)                              \
    {                                                      \
        Elf64_Ehdr *header = &program->header;             \
        Elf64_Phdr *text = &program->segments[0];          \
        Elf64_Phdr *data = &program->segments[1];          \
        Elf64_Phdr *other = &program->segments[2];         \
                                                           \
        (void)header, (void)text, (void)data, (void)other; \
        spoil;                                             \
        expect_refused(because);                           \
    }

REFUSES(another_magic, header->e_ident[0] = 0x7e, "it is no ELF file")
REFUSES(another_magic_at_its_end, header->e_ident[3] = 'f', "it is no ELF file")
REFUSES(thirty_two_bits, header->e_ident[EI_CLASS] = ELFCLASS32, "it is not for x86-64")
REFUSES(big_endian, header->e_ident[EI_DATA] = ELFDATA2MSB, "it is not for x86-64")
REFUSES(another_machine, header->e_machine = EM_AARCH64, "it is not for x86-64")
REFUSES(another_version, header->e_version = 2, "its version of ELF is unknown")
REFUSES(another_version_in_front, header->e_ident[EI_VERSION] = 0, "its version of ELF is unknown")
REFUSES(a_shared_object, header->e_type = ET_DYN, "it is not linked to fixed addresses")
REFUSES(an_object, header->e_type = ET_REL, "it is not linked to fixed addresses")
REFUSES(small_headers, header->e_phentsize = 32, "its segments' headers have an unknown size")
REFUSES(headers_beyond, header->e_phoff = FILE_BYTES, "its segments' headers are beyond its end")
REFUSES(headers_that_wrap, header->e_phoff = UINT64_MAX - 8, "its segments' headers are beyond its end")
REFUSES(headers_partly_beyond, header->e_phoff = FILE_BYTES - 2 * 56 - 55, "its segments' headers are beyond its end")
REFUSES(countless_headers, header->e_phnum = 0xffff, "its segments' headers are beyond its end")
REFUSES(no_headers, header->e_phnum = 0, "its entry is not in its code")
REFUSES(more_in_file_than_in_memory, data->p_filesz = 0x2001;
        data->p_offset = 0x10, "a segment has more bytes in the file than in memory")
REFUSES(bytes_beyond, text->p_offset = FILE_BYTES - 0x7ff, "a segment's bytes are beyond its end")
REFUSES(an_offset_beyond, text->p_offset = UINT64_C(1) << 40, "a segment's bytes are beyond its end")
REFUSES(an_offset_that_wraps, text->p_offset = UINT64_MAX - 0xff, "a segment's bytes are beyond its end")
REFUSES(a_null_page, text->p_vaddr = 0, "a segment is where no program can be")
REFUSES(a_low_page, text->p_vaddr = SPACE_LOW - 0x1000, "a segment is where no program can be")
REFUSES(the_last_page, text->p_vaddr = SPACE_END, "a segment is where no program can be")
REFUSES(the_kernel, text->p_vaddr = UINT64_C(0xffffffff80000000), "a segment is where no program can be")
REFUSES(what_is_not_canonical, text->p_vaddr = UINT64_C(0x800000000000), "a segment is where no program can be")
REFUSES(a_size_that_reaches_up, data->p_memsz = SPACE_END, "a segment is where no program can be")
REFUSES(a_size_that_wraps, data->p_memsz = UINT64_MAX - 0x402000, "a segment is where no program can be")
REFUSES(an_odd_alignment, text->p_align = 0x1001, "a segment's alignment is no power of two")
REFUSES(a_misaligned_segment, text->p_vaddr += 8, "a segment is not aligned as it says")
REFUSES(a_hidden_segment, data->p_flags = PF_W, "a segment cannot be read")
REFUSES(writable_code, text->p_flags = PF_R | PF_W | PF_X, "a segment is both written and executed")
REFUSES(an_overlap, data->p_vaddr = 0x400010, "two segments overlap, or share a page")
REFUSES(a_shared_page, text->p_memsz = 0x2001, "two segments overlap, or share a page")
REFUSES(a_shared_page_behind, text->p_vaddr = 0x404000;
        header->e_entry = 0x404000, "two segments overlap, or share a page")
REFUSES(an_interpreter, other->p_type = PT_INTERP, "it needs a dynamic linker")
REFUSES(a_dynamic_section, other->p_type = PT_DYNAMIC, "it needs a dynamic linker")
REFUSES(thread_local_storage, other->p_type = PT_TLS, "it needs thread-local storage")
REFUSES(an_executable_stack, other->p_flags |= PF_X, "it wants an executable stack")
REFUSES(an_entry_in_data, header->e_entry = 0x402010, "its entry is not in its code")
REFUSES(an_entry_behind_the_code, header->e_entry = 0x400800, "its entry is not in its code")
REFUSES(an_entry_before_the_code, header->e_entry = 0x3fffff, "its entry is not in its code")
REFUSES(no_entry, header->e_entry = 0, "its entry is not in its code")
Test(elf, refuses_too_many_segments)
{
    for (unsigned i = 2; i < 9; i++)
        program->segments[i] = (Elf64_Phdr){
            .p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = 0x500000 + i * 0x1000, .p_memsz = 1};
    program->header.e_phnum = 8;
    cr_assert_null(read_size(FILE_BYTES));
    program->header.e_phnum = 9;
    expect_refused("it has too many segments");
}

Test(elf, passes_over_what_is_empty_or_unknown)
{
    program->segments[2] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = UINT64_MAX};
    program->segments[3] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R};
    program->header.e_phnum = 4;
    cr_assert_null(read_size(FILE_BYTES));
    cr_assert_eq(image.segment_count, 2);
}

Test(elf, takes_a_segment_that_ends_just_where_its_file_does)
{
    program->segments[1].p_filesz = FILE_BYTES - program->segments[1].p_offset;
    cr_assert_null(read_size(FILE_BYTES));
    program->segments[1].p_filesz++;
    cr_assert_not_null(read_size(FILE_BYTES));
}

/* Whatever the headers hold: what is taken can be loaded. */
Test(elf, takes_nothing_that_cannot_be_loaded_however_it_is_spoiled)
{
    unsigned taken = 0;

    srand(7);
    for (unsigned round = 0; round < 200000; round++) {
        size_t end = sizeof(Elf64_Ehdr) + SEGMENTS * sizeof(Elf64_Phdr);

        make();
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            static const unsigned char values[] = {0, 1, 4, 7, 0x10, 0x7f, 0x80, 0xff};
            size_t at = (size_t)rand() % end;

            file[at] = rand() % 2 ? values[rand() % 8] : (unsigned char)rand();
        }
        if (elf_read(file, FILE_BYTES, &image))
            continue;
        taken++;
        for (size_t i = 0; i < image.segment_count; i++) {
            const struct elf_segment *one = &image.segments[i];

            cr_assert(one->size && !((one->base | one->size) & 0xfff) && space_holds(one->base, one->size));
            cr_assert(one->address >= one->base && one->address - one->base + one->file_size <= one->size);
            cr_assert(one->offset <= FILE_BYTES && one->file_size <= FILE_BYTES - one->offset);
            cr_assert_neq(one->flags, PAGE_WRITE | PAGE_EXECUTE);
            for (size_t j = 0; j < i; j++)
                cr_assert(one->base >= image.segments[j].base + image.segments[j].size ||
                          image.segments[j].base >= one->base + one->size);
        }
    }
    cr_assert_gt(taken, 1000);
}

static struct elf_symbol symbol;

static enum status look_up(uint64_t address)
{
    return elf_symbol(file, FILE_BYTES, address, &symbol);
}

Test(elf, names_functions)
{
    cr_assert_eq(look_up(0x400105), STATUS_OK);
    cr_assert_str_eq(symbol.name, "main");
    cr_assert_eq(symbol.offset, 5);
    cr_assert_eq(look_up(0x40021f), STATUS_OK);
    cr_assert_str_eq(symbol.name, "a_function_with_a_name_that_is_longer_than_the_");
    cr_assert_eq(look_up(0x400300), STATUS_OK);
    cr_assert_str_eq(symbol.name, "last");
    cr_assert_eq(look_up(0x400400), STATUS_OK);
    cr_assert_str_eq(symbol.name, "", "its name is beyond the strings");
    cr_assert_eq(look_up(0x4000ff), STATUS_NOT_FOUND);
    cr_assert_eq(look_up(0x400120), STATUS_NOT_FOUND);
}

Test(elf, has_no_names_without_a_table)
{
    program->header.e_shnum = 1;
    cr_assert_eq(look_up(0x400105), STATUS_NOT_FOUND);
    program->header.e_shnum = 0;
    cr_assert_eq(look_up(0x400105), STATUS_NOT_FOUND);
}

static void expect_broken(void)
{
    cr_assert_eq(look_up(0x400105), STATUS_INVALID);
    make();
}

Test(elf, reads_no_broken_table)
{
    program->header.e_shoff = FILE_BYTES - 1;
    expect_broken();
    program->header.e_shentsize = 63;
    expect_broken();
    program->header.e_ident[0] = 0;
    expect_broken();
    program->sections[1].sh_link = 3;
    expect_broken();
    program->sections[1].sh_size = FILE_BYTES;
    expect_broken();
    program->sections[1].sh_offset = UINT64_MAX;
    expect_broken();
    program->sections[2].sh_size = FILE_BYTES;
    expect_broken();
    program->sections[2].sh_offset = UINT64_MAX - 2;
    expect_broken();
}
