/* Headers are copied out at checked offsets; the sums that could wrap are never made. */
#include "lib/elf.h"

#include "lib/mem.h"
#include "lib/space.h"

enum {
    CLASS_64 = 2,
    DATA_LITTLE = 1,
    VERSION = 1,
    TYPE_EXECUTABLE = 2,
    MACHINE_X86_64 = 62,

    SEGMENT_LOAD = 1,
    SEGMENT_DYNAMIC = 2,
    SEGMENT_INTERPRETER = 3,
    SEGMENT_TLS = 7,
    SEGMENT_STACK = 0x6474e551, /* PT_GNU_STACK: its flags say what may be done with the stack */
    FLAG_EXECUTE = 1,
    FLAG_WRITE = 2,
    FLAG_READ = 4,

    SECTION_SYMBOLS = 2,
    SYMBOL_FUNCTION = 2,
};

struct header {
    uint8_t magic[4], class, data, version, os[9];
    uint16_t type, machine;
    uint32_t file_version;
    uint64_t entry, segments, sections;
    uint32_t flags;
    uint16_t header_size, segment_size, segment_count, section_size, section_count, names;
};
_Static_assert(sizeof(struct header) == 64, "System V ABI, figure 4-3, in 64 bits");

struct segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, align;
};
_Static_assert(sizeof(struct segment) == 56, "System V ABI, figure 5-1, in 64 bits");

struct section {
    uint32_t name, type;
    uint64_t flags, address, offset, size;
    uint32_t link, info;
    uint64_t align, entry_size;
};
_Static_assert(sizeof(struct section) == 64, "System V ABI, figure 4-8, in 64 bits");

struct symbol {
    uint32_t name;
    uint8_t info, other;
    uint16_t section;
    uint64_t value, size;
};
_Static_assert(sizeof(struct symbol) == 24, "System V ABI, figure 4-15, in 64 bits");

#define PAGE PAGE_SIZE(PAGE_4K)

struct file {
    const char *bytes;
    size_t size;
};

static bool has(const struct file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

/* Copies the entry of a table that was found to lie within the file. */
static void copy_entry(const struct file *file, uint64_t table, uint64_t index, void *entry, size_t size)
{
    memcpy(entry, file->bytes + table + index * size, size);
}

static const char *read_header(const struct file *file, struct header *header)
{
    static const uint8_t MAGIC[] = {0x7f, 'E', 'L', 'F'};

    if (!has(file, 0, sizeof(*header)))
        return "it is too short";
    memcpy(header, file->bytes, sizeof(*header));
    if (memcmp(header->magic, MAGIC, sizeof(MAGIC)) != 0)
        return "it is no ELF file";
    if (header->class != CLASS_64 || header->data != DATA_LITTLE || header->machine != MACHINE_X86_64)
        return "it is not for x86-64";
    if (header->version != VERSION || header->file_version != VERSION)
        return "its version of ELF is unknown";
    if (header->type != TYPE_EXECUTABLE)
        return "it is not linked to fixed addresses";
    if (header->segment_size != sizeof(struct segment))
        return "its segments' headers have an unknown size";
    if (!has(file, header->segments, (uint64_t)header->segment_count * sizeof(struct segment)))
        return "its segments' headers are beyond its end";
    return NULL;
}

/* What only the segment itself tells. */
static const char *check_load(const struct file *file, const struct segment *segment)
{
    if (segment->file_size > segment->memory_size)
        return "a segment has more bytes in the file than in memory";
    if (!has(file, segment->offset, segment->file_size))
        return "a segment's bytes are beyond its end";
    if (!space_holds(segment->address, segment->memory_size))
        return "a segment is where no program can be";
    if (segment->align & (segment->align - 1))
        return "a segment's alignment is no power of two";
    if (segment->align > 1 && (segment->address - segment->offset) & (segment->align - 1))
        return "a segment is not aligned as it says";
    if (!(segment->flags & FLAG_READ))
        return "a segment cannot be read";
    if ((segment->flags & FLAG_WRITE) && (segment->flags & FLAG_EXECUTE))
        return "a segment is both written and executed";
    return NULL;
}

/* Pages have one set of flags, so two segments share none. */
static bool overlaps(const struct elf_image *image, const struct elf_segment *segment)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *other = &image->segments[i];

        if (segment->base < other->base + other->size && other->base < segment->base + segment->size)
            return true;
    }
    return false;
}

static const char *add_load(const struct file *file, const struct segment *segment, struct elf_image *image)
{
    const char *wrong;
    struct elf_segment added;
    uint64_t end;

    if (!segment->memory_size && !segment->file_size)
        return NULL; /* where it is and how it is aligned means nothing then, and linkers say anything */
    wrong = check_load(file, segment);
    if (wrong)
        return wrong;
    end = (segment->address + segment->memory_size + PAGE - 1) & ~(PAGE - 1);
    added = (struct elf_segment){.base = segment->address & ~(PAGE - 1),
                                 .address = segment->address,
                                 .offset = segment->offset,
                                 .file_size = segment->file_size,
                                 .flags = (segment->flags & FLAG_WRITE ? PAGE_WRITE : 0) |
                                          (segment->flags & FLAG_EXECUTE ? PAGE_EXECUTE : 0)};
    added.size = end - added.base;
    if (overlaps(image, &added))
        return "two segments overlap, or share a page";
    if (image->segment_count == ELF_SEGMENTS_MAX)
        return "it has too many segments";
    image->segments[image->segment_count++] = added;
    return NULL;
}

static const char *add_segment(const struct file *file, const struct segment *segment, struct elf_image *image)
{
    switch (segment->type) {
    case SEGMENT_LOAD:
        return add_load(file, segment, image);
    case SEGMENT_DYNAMIC:
    case SEGMENT_INTERPRETER:
        return "it needs a dynamic linker";
    case SEGMENT_TLS:
        return "it needs thread-local storage";
    case SEGMENT_STACK:
        return segment->flags & FLAG_EXECUTE ? "it wants an executable stack" : NULL;
    default:
        return NULL;
    }
}

static bool entry_is_code(const struct elf_image *image)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];

        if ((segment->flags & PAGE_EXECUTE) && image->entry >= segment->address &&
            image->entry - segment->address < segment->file_size)
            return true;
    }
    return false;
}

const char *elf_read(const void *file, size_t size, struct elf_image *image)
{
    struct file whole = {file, size};
    struct elf_image found = {0};
    struct header header;
    const char *wrong = read_header(&whole, &header);

    for (size_t i = 0; !wrong && i < header.segment_count; i++) {
        struct segment segment;

        copy_entry(&whole, header.segments, i, &segment, sizeof(segment));
        wrong = add_segment(&whole, &segment, &found);
    }
    if (wrong)
        return wrong;
    found.entry = header.entry;
    if (!entry_is_code(&found))
        return "its entry is not in its code";
    *image = found;
    return NULL;
}

/* ---- symbols ----------------------------------------------------------------------------------------------------- */

/* The symbol table, and the strings it is linked to, both within the file. */
static enum status find_symbols(const struct file *file, struct section *symbols, struct section *strings)
{
    struct header header;

    if (read_header(file, &header))
        return STATUS_INVALID;
    if (header.section_count && (header.section_size != sizeof(*symbols) ||
                                 !has(file, header.sections, (uint64_t)header.section_count * sizeof(*symbols))))
        return STATUS_INVALID;
    for (size_t i = 0; i < header.section_count; i++) {
        copy_entry(file, header.sections, i, symbols, sizeof(*symbols));
        if (symbols->type != SECTION_SYMBOLS)
            continue;
        if (symbols->link >= header.section_count || !has(file, symbols->offset, symbols->size))
            return STATUS_INVALID;
        copy_entry(file, header.sections, symbols->link, strings, sizeof(*strings));
        return has(file, strings->offset, strings->size) ? STATUS_OK : STATUS_INVALID;
    }
    return STATUS_NOT_FOUND;
}

static void copy_name(const struct file *file, const struct section *strings, uint32_t at, char *name)
{
    size_t length = 0;

    while (length < ELF_SYMBOL_BYTES - 1 && at + (uint64_t)length < strings->size &&
           file->bytes[strings->offset + at + length]) {
        name[length] = file->bytes[strings->offset + at + length];
        length++;
    }
    name[length] = '\0';
}

enum status elf_symbol(const void *file, size_t size, uint64_t address, struct elf_symbol *symbol)
{
    struct file whole = {file, size};
    struct section symbols = {0};
    struct section strings = {0};
    enum status status = find_symbols(&whole, &symbols, &strings);

    if (status != STATUS_OK)
        return status;
    for (uint64_t i = 0; i < symbols.size / sizeof(struct symbol); i++) {
        struct symbol found;

        copy_entry(&whole, symbols.offset, i, &found, sizeof(found));
        if ((found.info & 15) != SYMBOL_FUNCTION || address < found.value || address - found.value >= found.size)
            continue;
        copy_name(&whole, &strings, found.name, symbol->name);
        symbol->offset = address - found.value;
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}
