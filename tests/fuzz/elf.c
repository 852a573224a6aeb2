/* ELF files, hostile or nearly right, against a reader of single fields; and their symbols. Whatever is accepted can be
 * acted on as it stands. */
#include "lib/elf.h"

#include <elf.h>

#include "fuzz.h"
#include "lib/space.h"

enum { FILE_MAX = 4096, SEGMENTS = 12, SYMBOLS = 20, PAGE = 4096 };

static uint8_t built[FILE_MAX];
static size_t built_size;

static uint64_t or_wrong(uint64_t value)
{
    return fuzz_below(64) == 63 ? fuzz_number() : value;
}

static Elf64_Phdr take_segment(void)
{
    static const uint32_t types[] = {PT_LOAD, PT_LOAD, PT_LOAD, PT_LOAD, PT_NOTE, PT_GNU_STACK};
    static const uint32_t flags[] = {PF_R, PF_R | PF_X, PF_R | PF_W, PF_R | PF_X};
    Elf64_Phdr segment = {.p_type = (uint32_t)or_wrong(types[fuzz_below(ARRAY_SIZE(types))]),
                          .p_flags = (uint32_t)or_wrong(flags[fuzz_below(ARRAY_SIZE(flags))]),
                          .p_align = or_wrong(fuzz_below(2) ? PAGE : 0)};

    segment.p_vaddr = or_wrong(0x400000 + fuzz_below(32) * PAGE + fuzz_below(4) * 64);
    segment.p_offset = or_wrong(segment.p_vaddr % PAGE);
    segment.p_filesz = or_wrong(fuzz_below(224));
    segment.p_memsz = or_wrong(segment.p_filesz + fuzz_below(4) * 3000);
    return segment;
}

static void put(size_t at, const void *bytes, size_t size)
{
    if (at + size <= FILE_MAX)
        memcpy(built + at, bytes, size);
}

/* Header, segments, sections, symbols and their names, one behind the other. */
static void build(void)
{
    size_t segments = fuzz_below(SEGMENTS), symbols = fuzz_below(SYMBOLS);
    size_t at_sections = sizeof(Elf64_Ehdr) + SEGMENTS * sizeof(Elf64_Phdr);
    size_t at_symbols = at_sections + 3 * sizeof(Elf64_Shdr), at_names = at_symbols + SYMBOLS * sizeof(Elf64_Sym);
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = (uint16_t)or_wrong(ET_EXEC),
                         .e_machine = (uint16_t)or_wrong(EM_X86_64),
                         .e_version = (uint32_t)or_wrong(EV_CURRENT),
                         .e_phoff = or_wrong(sizeof(Elf64_Ehdr)),
                         .e_phentsize = (uint16_t)or_wrong(sizeof(Elf64_Phdr)),
                         .e_phnum = (uint16_t)or_wrong(segments),
                         .e_shoff = or_wrong(at_sections),
                         .e_shentsize = (uint16_t)or_wrong(sizeof(Elf64_Shdr)),
                         .e_shnum = (uint16_t)or_wrong(3)};
    Elf64_Shdr sections[3] = {
        {.sh_type = SHT_NULL},
        {.sh_type = (uint32_t)or_wrong(SHT_SYMTAB),
         .sh_offset = or_wrong(at_symbols),
         .sh_size = or_wrong(symbols * sizeof(Elf64_Sym)),
         .sh_link = (uint32_t)or_wrong(2)},
        {.sh_type = SHT_STRTAB, .sh_offset = or_wrong(at_names), .sh_size = or_wrong(200)},
    };

    memset(built, 0, sizeof(built));
    header.e_entry = or_wrong(0x400000 + fuzz_below(32) * PAGE + fuzz_below(4) * 64);
    put(0, &header, sizeof(header));
    put(at_sections, sections, sizeof(sections));
    for (size_t i = 0; i < segments; i++) {
        Elf64_Phdr segment = take_segment();

        put(sizeof(header) + i * sizeof(segment), &segment, sizeof(segment));
    }
    for (size_t i = 0; i < symbols; i++) {
        Elf64_Sym symbol = {.st_name = (uint32_t)fuzz_number(),
                            .st_info = (uint8_t)or_wrong(STT_FUNC),
                            .st_value = 0x400000 + fuzz_number(),
                            .st_size = fuzz_number()};

        put(at_symbols + i * sizeof(symbol), &symbol, sizeof(symbol));
    }
    fuzz_bytes(built + at_names, 200);
    built_size = at_names + or_wrong(200) % (FILE_MAX - at_names);
}

/* ---- the reference ---- */

static bool inside(size_t size, uint64_t offset, uint64_t length)
{
    return (unsigned __int128)offset + length <= size;
}

static bool header_good(const uint8_t *file, size_t size, Elf64_Ehdr *header)
{
    if (size < sizeof(*header))
        return false;
    memcpy(header, file, sizeof(*header));
    return memcmp(header->e_ident,
                  "\x7f"
                  "ELF\2\1\1",
                  7) == 0 &&
           header->e_type == ET_EXEC && header->e_machine == EM_X86_64 && header->e_version == 1 &&
           header->e_phentsize == 56 && inside(size, header->e_phoff, header->e_phnum * UINT64_C(56));
}

static bool load_good(const Elf64_Phdr *segment, size_t size)
{
    unsigned __int128 end = (unsigned __int128)segment->p_vaddr + segment->p_memsz;

    return segment->p_filesz <= segment->p_memsz && inside(size, segment->p_offset, segment->p_filesz) &&
           segment->p_vaddr >= SPACE_LOW && end <= SPACE_END && segment->p_vaddr < SPACE_END &&
           __builtin_popcountll(segment->p_align) <= 1 &&
           (segment->p_align < 2 || segment->p_vaddr % segment->p_align == segment->p_offset % segment->p_align) &&
           (segment->p_flags & PF_R) && (segment->p_flags & (PF_W | PF_X)) != (PF_W | PF_X);
}

static bool reference(const uint8_t *file, size_t size, struct elf_image *image)
{
    Elf64_Ehdr header;
    bool entry_good = false;

    memset(image, 0, sizeof(*image));
    if (!header_good(file, size, &header))
        return false;
    for (size_t i = 0; i < header.e_phnum; i++) {
        struct elf_segment *added = &image->segments[image->segment_count];
        Elf64_Phdr segment;
        uint64_t first, last;

        memcpy(&segment, file + header.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_DYNAMIC || segment.p_type == PT_INTERP || segment.p_type == PT_TLS ||
            (segment.p_type == PT_GNU_STACK && segment.p_flags & PF_X))
            return false;
        if (segment.p_type != PT_LOAD || (segment.p_memsz == 0 && segment.p_filesz == 0))
            continue;
        if (!load_good(&segment, size))
            return false;
        first = segment.p_vaddr / PAGE;
        last = (segment.p_vaddr + segment.p_memsz - 1) / PAGE;
        for (size_t s = 0; s < image->segment_count; s++)
            if (image->segments[s].base / PAGE <= last &&
                first <= (image->segments[s].base + image->segments[s].size - 1) / PAGE)
                return false;
        if (image->segment_count == ELF_SEGMENTS_MAX)
            return false;
        image->segment_count++;
        *added = (struct elf_segment){.base = first * PAGE,
                                      .size = (last - first + 1) * PAGE,
                                      .address = segment.p_vaddr,
                                      .offset = segment.p_offset,
                                      .file_size = segment.p_filesz,
                                      .flags = (segment.p_flags & PF_W ? PAGE_WRITE : 0) |
                                               (segment.p_flags & PF_X ? PAGE_EXECUTE : 0)};
        entry_good |= segment.p_flags & PF_X && header.e_entry >= segment.p_vaddr &&
                      header.e_entry - segment.p_vaddr < segment.p_filesz;
    }
    image->entry = header.e_entry;
    return entry_good;
}

/* Where an address is in the symbol table, by which the one found is checked. */
static enum status reference_symbol(const uint8_t *file, size_t size, uint64_t address, struct elf_symbol *symbol)
{
    Elf64_Ehdr header;
    Elf64_Shdr symbols, names;
    size_t i = 0;

    if (!header_good(file, size, &header))
        return STATUS_INVALID;
    if (header.e_shnum && (header.e_shentsize != 64 || !inside(size, header.e_shoff, header.e_shnum * UINT64_C(64))))
        return STATUS_INVALID;
    for (; i < header.e_shnum; i++) {
        memcpy(&symbols, file + header.e_shoff + i * 64, 64);
        if (symbols.sh_type == SHT_SYMTAB)
            break;
    }
    if (i == header.e_shnum)
        return STATUS_NOT_FOUND;
    if (symbols.sh_link >= header.e_shnum || !inside(size, symbols.sh_offset, symbols.sh_size))
        return STATUS_INVALID;
    memcpy(&names, file + header.e_shoff + symbols.sh_link * UINT64_C(64), 64);
    if (!inside(size, names.sh_offset, names.sh_size))
        return STATUS_INVALID;
    for (i = 0; i < symbols.sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym found;
        size_t most;

        memcpy(&found, file + symbols.sh_offset + i * sizeof(found), sizeof(found));
        if ((found.st_info & 15) != STT_FUNC || address < found.st_value || address - found.st_value >= found.st_size)
            continue;
        memset(symbol, 0, sizeof(*symbol));
        symbol->offset = address - found.st_value;
        most = found.st_name < names.sh_size ? names.sh_size - found.st_name : 0;
        if (most > ELF_SYMBOL_BYTES - 1)
            most = ELF_SYMBOL_BYTES - 1;
        if (most)
            strncpy(symbol->name, (const char *)file + names.sh_offset + found.st_name, most);
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

static void check_image(const uint8_t *file, size_t size)
{
    struct elf_image image, untouched, wanted;
    const char *wrong;

    memset(&image, 0x5a, sizeof(image));
    untouched = image;
    wrong = elf_read(file, size, &image);
    CHECK(!wrong == reference(file, size, &wanted));
    if (wrong) {
        CHECK(strlen(wrong) > 0 && strlen(wrong) < 80 && memcmp(&image, &untouched, sizeof(image)) == 0);
        return;
    }
    CHECK(image.entry == wanted.entry && image.segment_count == wanted.segment_count);
    for (size_t i = 0; i < image.segment_count; i++) {
        const struct elf_segment *a = &image.segments[i], *b = &wanted.segments[i];

        CHECK(a->base == b->base && a->size == b->size && a->address == b->address && a->offset == b->offset);
        CHECK(a->file_size == b->file_size && a->flags == b->flags);
        CHECK(a->address >= a->base && a->file_size <= a->size - (a->address - a->base));
    }
}

static void check_symbol(const uint8_t *file, size_t size, uint64_t address)
{
    struct elf_symbol symbol, wanted;
    enum status status = elf_symbol(file, size, address, &symbol);

    CHECK(status == reference_symbol(file, size, address, &wanted));
    if (status == STATUS_OK)
        CHECK(strcmp(symbol.name, wanted.name) == 0 && symbol.offset == wanted.offset);
}

void fuzz_one(void)
{
    uint64_t address = 0x400000 + fuzz_number();
    const uint8_t *bytes = built;
    size_t size, misplaced = fuzz_below(8);
    uint8_t *block;

    if (fuzz_below(8) == 7) {
        bytes = fuzz_rest(&size);
    } else {
        build();
        size = built_size;
    }
    block = malloc(size + misplaced);
    memcpy(block + misplaced, bytes, size);
    check_image(block + misplaced, size);
    check_symbol(block + misplaced, size, address);
    free(block);
}
