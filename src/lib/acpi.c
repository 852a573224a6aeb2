/* Every structure is copied out through at(), which is asked for exactly the bytes that are read. */
#include "lib/acpi.h"

#include "lib/mem.h"

typedef const void *at_function(uint64_t physical, size_t size);

/* ACPI 6.5, table 5.3. Everything from `length` on is there from revision 2. */
struct root_pointer {
    char signature[8];
    uint8_t checksum; /* makes the first ROOT_OLD_BYTES add up to 0 */
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum; /* makes all `length` bytes add up to 0 */
    uint8_t reserved[3];
} __attribute__((packed));

/* ACPI 6.5, table 5.4: what every other table begins with. */
struct table_header {
    char signature[4];
    uint32_t length; /* of all of the table */
    uint8_t revision;
    uint8_t checksum; /* makes them add up to 0 */
    char oem[6];
    char oem_table[8];
    uint32_t oem_revision;
    uint32_t creator;
    uint32_t creator_revision;
};

/* ACPI 6.5, table 5.19 */
struct madt {
    struct table_header header;
    uint32_t local_apic;
    uint32_t flags;
};

enum {
    ROOT_OLD_BYTES = 20,
    MADT_PIC = 1 << 0, /* PCAT_COMPAT */

    /* ACPI 6.5, table 5.21 */
    ENTRY_IO_APIC = 1,
    ENTRY_OVERRIDE = 2,
    ENTRY_LOCAL_APIC_ADDRESS = 5,

    BUS_ISA = 0,

    /* ACPI 6.5, table 5.26: two fields of two bits, of which value 2 is reserved. */
    FLAGS_FIELD = 3,
    FLAGS_TRIGGER_SHIFT = 2,
    FLAG_AS_BUS = 0,
    FLAG_HIGH_OR_EDGE = 1,
    FLAG_LOW_OR_LEVEL = 3,

    APIC_PAGE_BYTES = 4096,
    IO_APIC_ALIGN = 1024, /* 82093AA data sheet, 3.0: its registers are at FEC0xy00, y a multiple of 4 */

    BDA_EBDA_SEGMENT = 0x40e,
    EBDA_SCANNED_BYTES = 1024,
    EBDA_END = 0xa0000,
    BIOS_BASE = 0xe0000,
    BIOS_END = 0x100000,
    ROOT_ALIGN = 16,
};

/* What the MADT's entries begin with, and those that are read. */
struct entry {
    uint8_t type;
    uint8_t length; /* the two bytes of this included */
};

struct io_apic_entry {
    struct entry entry;
    uint8_t id;
    uint8_t reserved;
    uint32_t address;
    uint32_t gsi_base;
};

struct override_entry {
    struct entry entry;
    uint8_t bus;
    uint8_t source;
    uint32_t gsi;
    uint16_t flags;
} __attribute__((packed));

struct local_apic_address_entry {
    struct entry entry;
    uint16_t reserved;
    uint64_t address;
} __attribute__((packed));

_Static_assert(sizeof(struct root_pointer) == 36 && offsetof(struct root_pointer, length) == ROOT_OLD_BYTES,
               "layout of the RSDP");
_Static_assert(sizeof(struct table_header) == 36 && sizeof(struct madt) == 44, "layout of the tables");
_Static_assert(sizeof(struct io_apic_entry) == 12 && sizeof(struct override_entry) == 10 &&
                   sizeof(struct local_apic_address_entry) == 12,
               "layout of the MADT's entries");

/* What is known while the entries are walked. */
struct reader {
    struct acpi_interrupts interrupts;
    bool overridden[ACPI_ISA_LINES];
    bool address_overridden;
};

static bool sums_to_zero(const unsigned char *bytes, size_t size)
{
    unsigned sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    return (sum & 0xff) == 0;
}

/* ---- the root pointer ---- */

/* `bytes` are ROOT_OLD_BYTES, or NULL. */
static bool is_root(const void *bytes)
{
    return bytes && memcmp(bytes, "RSD PTR ", 8) == 0 && sums_to_zero(bytes, ROOT_OLD_BYTES);
}

static uint64_t find_root_in(uint64_t base, uint64_t end, at_function *at)
{
    for (uint64_t physical = base; physical + ROOT_OLD_BYTES <= end; physical += ROOT_ALIGN)
        if (is_root(at(physical, ROOT_OLD_BYTES)))
            return physical;
    return 0;
}

uint64_t acpi_find_root(at_function *at)
{
    const void *bytes = at(BDA_EBDA_SEGMENT, sizeof(uint16_t));
    uint16_t segment = 0;
    uint64_t found = 0;

    if (bytes)
        memcpy(&segment, bytes, sizeof(segment));
    if (segment) {
        uint64_t base = (uint64_t)segment * 16;
        uint64_t end = base + EBDA_SCANNED_BYTES;

        found = find_root_in(base, end < EBDA_END ? end : EBDA_END, at);
    }
    return found ? found : find_root_in(BIOS_BASE, BIOS_END, at);
}

static enum status read_root(uint64_t physical, at_function *at, struct root_pointer *root)
{
    const void *bytes = at(physical, ROOT_OLD_BYTES);

    if (!is_root(bytes))
        return STATUS_INVALID;
    *root = (struct root_pointer){.xsdt = 0};
    memcpy(root, bytes, ROOT_OLD_BYTES);
    if (root->revision < 2)
        return STATUS_OK;
    bytes = at(physical, sizeof(*root));
    if (!bytes)
        return STATUS_INVALID;
    memcpy(root, bytes, sizeof(*root));
    if (root->length < sizeof(*root) || root->length > ACPI_MAX_TABLE_BYTES)
        return STATUS_INVALID;
    bytes = at(physical, root->length);
    return bytes && sums_to_zero(bytes, root->length) ? STATUS_OK : STATUS_INVALID;
}

/* ---- tables ---- */

/* The header alone, which says nothing yet of the rest. */
static bool read_header(uint64_t physical, at_function *at, struct table_header *header)
{
    const void *bytes = at(physical, sizeof(*header));

    if (bytes)
        memcpy(header, bytes, sizeof(*header));
    return bytes;
}

/* All of a table, of at least `minimum` bytes: NULL unless it is whole and adds up. */
static const unsigned char *read_table(uint64_t physical, const char *signature, size_t minimum, at_function *at,
                                       size_t *size)
{
    struct table_header header;
    const unsigned char *bytes;

    if (!read_header(physical, at, &header) || memcmp(header.signature, signature, sizeof(header.signature)) != 0 ||
        header.length < minimum || header.length > ACPI_MAX_TABLE_BYTES)
        return NULL;
    bytes = at(physical, header.length);
    if (!bytes || !sums_to_zero(bytes, header.length))
        return NULL;
    *size = header.length;
    return bytes;
}

/* The first table of that signature, in an RSDT (addresses of 4 bytes) or XSDT (of 8). One that cannot be read is not
 * known to be another, so that without a better one it is an error. */
static enum status find_madt(const unsigned char *table, size_t size, size_t address_bytes, at_function *at,
                             uint64_t *physical)
{
    enum status status = STATUS_NOT_FOUND;

    if ((size - sizeof(struct table_header)) % address_bytes)
        return STATUS_INVALID;
    for (size_t offset = sizeof(struct table_header); offset < size; offset += address_bytes) {
        struct table_header header;
        uint64_t address = 0;

        memcpy(&address, table + offset, address_bytes); /* little endian, as the tables */
        if (!read_header(address, at, &header)) {
            status = STATUS_INVALID;
        } else if (memcmp(header.signature, "APIC", sizeof(header.signature)) == 0) {
            *physical = address;
            return STATUS_OK;
        }
    }
    return status;
}

/* ---- the MADT ---- */

static enum status take_io_apic(struct reader *reader, const struct io_apic_entry *entry)
{
    struct acpi_interrupts *interrupts = &reader->interrupts;

    if (!entry->address || entry->address % IO_APIC_ALIGN)
        return STATUS_INVALID;
    for (size_t i = 0; i < interrupts->io_apic_count; i++)
        if (interrupts->io_apics[i].address == entry->address || interrupts->io_apics[i].gsi_base == entry->gsi_base)
            return STATUS_INVALID;
    if (interrupts->io_apic_count == ACPI_MAX_IO_APICS)
        return STATUS_NO_MEMORY;
    interrupts->io_apics[interrupts->io_apic_count++] = (struct acpi_io_apic){entry->address, entry->gsi_base,
                                                                              entry->id};
    return STATUS_OK;
}

static bool flag_valid(unsigned flag)
{
    return flag == FLAG_AS_BUS || flag == FLAG_HIGH_OR_EDGE || flag == FLAG_LOW_OR_LEVEL;
}

static enum status take_override(struct reader *reader, const struct override_entry *entry)
{
    unsigned polarity = entry->flags & FLAGS_FIELD;
    unsigned trigger = entry->flags >> FLAGS_TRIGGER_SHIFT & FLAGS_FIELD;

    if (entry->bus != BUS_ISA)
        return STATUS_OK;
    if (entry->source >= ACPI_ISA_LINES || reader->overridden[entry->source] || !flag_valid(polarity) ||
        !flag_valid(trigger))
        return STATUS_INVALID;
    for (unsigned line = 0; line < ACPI_ISA_LINES; line++)
        if (reader->overridden[line] && reader->interrupts.lines[line].gsi == entry->gsi)
            return STATUS_INVALID;
    reader->overridden[entry->source] = true;
    reader->interrupts.lines[entry->source] = (struct acpi_line){.gsi = entry->gsi,
                                                                 .connected = true,
                                                                 .active_low = polarity == FLAG_LOW_OR_LEVEL,
                                                                 .level = trigger == FLAG_LOW_OR_LEVEL};
    return STATUS_OK;
}

static enum status take_local_apic_address(struct reader *reader, const struct local_apic_address_entry *entry)
{
    if (reader->address_overridden)
        return STATUS_INVALID;
    reader->address_overridden = true;
    reader->interrupts.local_apic = entry->address;
    return STATUS_OK;
}

/* `bytes` is an entry of `length` bytes, all of them inside the table. */
static enum status take_entry(struct reader *reader, const unsigned char *bytes, const struct entry *entry)
{
    union {
        struct io_apic_entry io_apic;
        struct override_entry override;
        struct local_apic_address_entry address;
    } read;

    switch (entry->type) {
    case ENTRY_IO_APIC:
        if (entry->length < sizeof(read.io_apic))
            return STATUS_INVALID;
        memcpy(&read.io_apic, bytes, sizeof(read.io_apic));
        return take_io_apic(reader, &read.io_apic);
    case ENTRY_OVERRIDE:
        if (entry->length < sizeof(read.override))
            return STATUS_INVALID;
        memcpy(&read.override, bytes, sizeof(read.override));
        return take_override(reader, &read.override);
    case ENTRY_LOCAL_APIC_ADDRESS:
        if (entry->length < sizeof(read.address))
            return STATUS_INVALID;
        memcpy(&read.address, bytes, sizeof(read.address));
        return take_local_apic_address(reader, &read.address);
    default:
        return STATUS_OK;
    }
}

static enum status take_entries(struct reader *reader, const unsigned char *table, size_t size)
{
    size_t offset = sizeof(struct madt);

    while (offset < size) {
        struct entry entry;
        enum status status;

        if (size - offset < sizeof(entry))
            return STATUS_INVALID;
        memcpy(&entry, table + offset, sizeof(entry));
        if (entry.length < sizeof(entry) || entry.length > size - offset)
            return STATUS_INVALID;
        status = take_entry(reader, table + offset, &entry);
        if (status)
            return status;
        offset += entry.length;
    }
    return STATUS_OK;
}

/* A line without an override keeps the GSI of its own number (5.2.13), unless an override gave that to another line:
 * the PIT's, on most PCs, takes that of the 8259s' cascade. */
static void connect_lines(struct reader *reader)
{
    bool taken[ACPI_ISA_LINES] = {false};

    for (unsigned line = 0; line < ACPI_ISA_LINES; line++)
        if (reader->overridden[line] && reader->interrupts.lines[line].gsi < ACPI_ISA_LINES)
            taken[reader->interrupts.lines[line].gsi] = true;
    for (unsigned line = 0; line < ACPI_ISA_LINES; line++)
        if (!reader->overridden[line])
            reader->interrupts.lines[line] = (struct acpi_line){.gsi = line, .connected = !taken[line]};
}

static bool local_apic_plausible(const struct acpi_interrupts *interrupts)
{
    for (size_t i = 0; i < interrupts->io_apic_count; i++)
        if (interrupts->io_apics[i].address / APIC_PAGE_BYTES == interrupts->local_apic / APIC_PAGE_BYTES)
            return false;
    return interrupts->local_apic && interrupts->local_apic % APIC_PAGE_BYTES == 0;
}

static enum status parse_madt(uint64_t physical, at_function *at, struct acpi_interrupts *out)
{
    struct reader reader = {.address_overridden = false};
    struct madt madt;
    size_t size;
    const unsigned char *table = read_table(physical, "APIC", sizeof(madt), at, &size);
    enum status status;

    if (!table)
        return STATUS_INVALID;
    memcpy(&madt, table, sizeof(madt));
    reader.interrupts.local_apic = madt.local_apic;
    reader.interrupts.pic = madt.flags & MADT_PIC;
    status = take_entries(&reader, table, size);
    if (status)
        return status;
    if (!local_apic_plausible(&reader.interrupts))
        return STATUS_INVALID;
    connect_lines(&reader);
    *out = reader.interrupts;
    return STATUS_OK;
}

enum status acpi_parse(uint64_t root, at_function *at, struct acpi_interrupts *out)
{
    struct root_pointer pointer;
    const unsigned char *table;
    uint64_t madt = 0;
    size_t size = 0;
    enum status status = read_root(root, at, &pointer);

    if (status)
        return status;
    table = pointer.xsdt ? read_table(pointer.xsdt, "XSDT", sizeof(struct table_header), at, &size)
                         : read_table(pointer.rsdt, "RSDT", sizeof(struct table_header), at, &size);
    if (!table)
        return STATUS_INVALID;
    status = find_madt(table, size, pointer.xsdt ? sizeof(uint64_t) : sizeof(uint32_t), at, &madt);
    if (status)
        return status;
    return parse_madt(madt, at, out);
}
