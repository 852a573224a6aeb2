/* Root pointer, table of tables and MADT, with checksums that are mostly right, against a reader by the specification's
 * text that asks for one number at a time. */
#include "lib/acpi.h"

#include "memory.h"

static uint8_t sum(uint64_t physical, uint64_t size)
{
    uint64_t byte, total = 0;

    for (uint64_t i = 0; i < size && memory_get(physical + i, 1, &byte); i++)
        total += byte;
    return (uint8_t)total;
}

/* ---- building ---- */

static uint64_t or_wrong(uint64_t value)
{
    return fuzz_below(64) == 63 ? fuzz_number() : value;
}

static void seal(struct segment *segment, size_t at, size_t size)
{
    uint8_t total = 0;

    for (size_t i = 0; i < size && i < segment->size; i++)
        total += segment->bytes[i];
    segment->bytes[at] = (uint8_t)(segment->bytes[at] - (fuzz_below(64) == 63 ? 0 : total));
}

static void build_header(struct segment *table, const char *signature)
{
    memcpy(table->bytes, signature, 4);
    memory_put(table, 4, or_wrong(table->size), 4);
    seal(table, 9, table->size);
}

static size_t build_entry(struct segment *madt, size_t at)
{
    static const uint8_t types[] = {0, 1, 2, 2, 2, 4, 5, 1}, lengths[] = {8, 12, 10, 10, 10, 6, 12, 12};
    size_t which = fuzz_below(8), length = or_wrong(lengths[which]) & 0xff;

    memory_put(madt, at, types[which], 1);
    memory_put(madt, at + 1, length, 1);
    switch (types[which]) {
    case 1:
        memory_put(madt, at + 2, fuzz_byte(), 1);
        memory_put(madt, at + 4, fuzz_below(8) ? fuzz_below(32) << 10 : fuzz_number(), 4);
        memory_put(madt, at + 8, fuzz_number(), 4);
        break;
    case 2:
        memory_put(madt, at + 2, or_wrong(0), 1);
        memory_put(madt, at + 3, fuzz_number(), 1);
        memory_put(madt, at + 4, fuzz_number(), 4);
        memory_put(madt, at + 8, fuzz_number(), 2);
        break;
    case 5:
        memory_put(madt, at + 4, fuzz_below(4) ? fuzz_below(8) << 12 : fuzz_number(), 8);
        break;
    default:
        break;
    }
    return at + (length ? length : 2);
}

static void build_madt(uint64_t base)
{
    struct segment *madt = memory_add(base, SEGMENT_BYTES);
    size_t size = 44, entries = fuzz_below(24);

    memory_put(madt, 36, fuzz_below(4) ? 0xfee00000 : fuzz_number(), 4);
    memory_put(madt, 40, fuzz_byte(), 4);
    for (size_t i = 0; i < entries && size + 300 < SEGMENT_BYTES; i++)
        size = build_entry(madt, size);
    if (madt->size == SEGMENT_BYTES) /* not cut */
        madt->size = size - (fuzz_below(32) == 31);
    build_header(madt, "APIC");
}

static void build_list(uint64_t base, uint64_t madt, uint64_t other, size_t address_bytes)
{
    struct segment *list;
    size_t count = fuzz_below(5);

    list = memory_add(base, 36 + count * address_bytes + (fuzz_below(64) == 63));
    for (size_t i = 0; i < count; i++) {
        uint64_t which = fuzz_below(16);

        memory_put(list, 36 + i * address_bytes, which == 15 ? fuzz_number() : which & 1 ? madt : other, address_bytes);
    }
    build_header(list, address_bytes == 8 ? "XSDT" : "RSDT");
}

/* Returns where the root pointer is said to be. */
static uint64_t build(void)
{
    uint64_t madt = or_wrong(0x70000000), other = or_wrong(0x71000000);
    uint64_t rsdt = or_wrong(0x72000000), xsdt = or_wrong(0x73000000);
    struct segment *root = memory_add(fuzz_below(2) ? 0xe0000 + 16 * fuzz_below(64) : 0x9fc00 + fuzz_below(1100),
                                      fuzz_below(16) ? 36 : fuzz_below(40));
    struct segment *bios = memory_add(0x40e, fuzz_below(8) ? 2 : 1);

    memory_put(bios, 0, fuzz_below(4) ? 0x9fc0 : fuzz_number(), 2);
    build_madt(madt);
    build_header(memory_add(other, or_wrong(40)), "FACP");
    build_list(rsdt, madt, other, 4);
    build_list(xsdt, madt, other, 8);
    memcpy(root->bytes, "RSD PTR ", 8);
    memory_put(root, 15, or_wrong(fuzz_below(2) * 2), 1);
    memory_put(root, 16, rsdt, 4);
    seal(root, 8, 20);
    memory_put(root, 20, or_wrong(root->size), 4);
    memory_put(root, 24, fuzz_below(4) ? xsdt : 0, 8);
    seal(root, 32, root->size);
    return or_wrong(root->base);
}

/* ---- the reference ---- */

static uint64_t get(uint64_t physical, size_t size)
{
    uint64_t value = 0;

    (void)memory_get(physical, size, &value);
    return value;
}

static bool spells(uint64_t physical, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        if (get(physical + i, 1) != (uint8_t)text[i])
            return false;
    return true;
}

static bool is_root(uint64_t physical)
{
    return memory_has(physical, 20) && spells(physical, "RSD PTR ") && sum(physical, 20) == 0;
}

static uint64_t expected_root(void)
{
    uint64_t segment = 0;

    if (memory_get(0x40e, 2, &segment) && segment)
        for (uint64_t at = segment * 16; at < segment * 16 + 1024 - 15 && at + 20 <= 0xa0000; at += 16)
            if (at + 20 <= segment * 16 + 1024 && is_root(at))
                return at;
    for (uint64_t at = 0xe0000; at <= 0xfffe0; at += 16)
        if (is_root(at))
            return at;
    return 0;
}

/* Whether a table is whole and sound. */
static bool sound(uint64_t physical, const char *signature, uint64_t minimum)
{
    uint64_t length = get(physical + 4, 4);

    return memory_has(physical, 36) && spells(physical, signature) && length >= minimum &&
           length <= ACPI_MAX_TABLE_BYTES && memory_has(physical, length) && sum(physical, length) == 0;
}

static enum status expected_io_apic(uint64_t at, struct acpi_interrupts *out)
{
    struct acpi_io_apic new = {get(at + 4, 4), (uint32_t)get(at + 8, 4), (uint8_t)get(at + 2, 1)};

    if (get(at + 1, 1) < 12 || new.address == 0 || new.address % 1024)
        return STATUS_INVALID;
    for (size_t i = 0; i < out->io_apic_count; i++)
        if (out->io_apics[i].address == new.address || out->io_apics[i].gsi_base == new.gsi_base)
            return STATUS_INVALID;
    if (out->io_apic_count == ACPI_MAX_IO_APICS)
        return STATUS_NO_MEMORY;
    out->io_apics[out->io_apic_count++] = new;
    return STATUS_OK;
}

static enum status expected_override(uint64_t at, struct acpi_interrupts *out, int64_t *override)
{
    uint64_t source = get(at + 3, 1), gsi = get(at + 4, 4), polarity = get(at + 8, 2) & 3, trigger;

    trigger = get(at + 8, 2) / 4 & 3;
    if (get(at + 1, 1) < 10)
        return STATUS_INVALID;
    if (get(at + 2, 1) != 0)
        return STATUS_OK;
    if (source > 15 || override[source] >= 0 || polarity == 2 || trigger == 2)
        return STATUS_INVALID;
    for (size_t i = 0; i < 16; i++)
        if (override[i] == (int64_t)gsi)
            return STATUS_INVALID;
    override[source] = (int64_t)gsi;
    out->lines[source] = (struct acpi_line){(uint32_t)gsi, true, polarity == 3, trigger == 3};
    return STATUS_OK;
}

static enum status expected_entries(uint64_t madt, struct acpi_interrupts *out, int64_t *override)
{
    uint64_t end = madt + get(madt + 4, 4);
    unsigned addresses = 0;

    for (uint64_t at = madt + 44; at < end; at += get(at + 1, 1)) {
        uint64_t type = get(at, 1), length = at + 1 < end ? get(at + 1, 1) : 0;
        enum status status = STATUS_OK;

        if (length < 2 || at + length > end)
            return STATUS_INVALID;
        if (type == 1)
            status = expected_io_apic(at, out);
        else if (type == 2)
            status = expected_override(at, out, override);
        else if (type == 5 && (length < 12 || addresses++))
            status = STATUS_INVALID;
        else if (type == 5)
            out->local_apic = get(at + 4, 8);
        if (status)
            return status;
    }
    return STATUS_OK;
}

static enum status expected_madt(uint64_t madt, struct acpi_interrupts *out)
{
    int64_t override[16];
    enum status status;

    if (!sound(madt, "APIC", 44))
        return STATUS_INVALID;
    *out = (struct acpi_interrupts){.local_apic = get(madt + 36, 4), .pic = get(madt + 40, 4) & 1};
    memset(override, 0xff, sizeof(override));
    status = expected_entries(madt, out, override);
    if (status)
        return status;
    if (out->local_apic == 0 || out->local_apic % 4096)
        return STATUS_INVALID;
    for (size_t i = 0; i < out->io_apic_count; i++)
        if (out->io_apics[i].address / 4096 == out->local_apic / 4096)
            return STATUS_INVALID;
    for (unsigned line = 0; line < 16; line++) {
        bool taken = false;

        for (unsigned i = 0; i < 16; i++)
            taken |= override[i] == line;
        if (override[line] < 0)
            out->lines[line] = (struct acpi_line){.gsi = line, .connected = !taken};
    }
    return STATUS_OK;
}

static enum status expected_tables(uint64_t list, size_t address_bytes, struct acpi_interrupts *out)
{
    enum status status = STATUS_NOT_FOUND;

    if (!sound(list, address_bytes == 8 ? "XSDT" : "RSDT", 36) || (get(list + 4, 4) - 36) % address_bytes)
        return STATUS_INVALID;
    for (uint64_t at = list + 36; at < list + get(list + 4, 4); at += address_bytes) {
        uint64_t table = get(at, address_bytes);

        if (!memory_has(table, 36))
            status = STATUS_INVALID;
        else if (spells(table, "APIC"))
            return expected_madt(table, out);
    }
    return status;
}

static enum status expected(uint64_t root, struct acpi_interrupts *out)
{
    uint64_t length, xsdt = 0;

    if (!is_root(root))
        return STATUS_INVALID;
    if (get(root + 15, 1) >= 2) {
        length = get(root + 20, 4);
        if (!memory_has(root, 36) || length < 36 || length > ACPI_MAX_TABLE_BYTES || !memory_has(root, length) ||
            sum(root, length) != 0)
            return STATUS_INVALID;
        xsdt = get(root + 24, 8);
    }
    return xsdt ? expected_tables(xsdt, 8, out) : expected_tables(get(root + 16, 4), 4, out);
}

static void check_same(const struct acpi_interrupts *a, const struct acpi_interrupts *b)
{
    CHECK(a->local_apic == b->local_apic && a->pic == b->pic && a->io_apic_count == b->io_apic_count);
    for (size_t i = 0; i < a->io_apic_count; i++)
        CHECK(a->io_apics[i].address == b->io_apics[i].address && a->io_apics[i].id == b->io_apics[i].id &&
              a->io_apics[i].gsi_base == b->io_apics[i].gsi_base);
    for (size_t i = 0; i < ACPI_ISA_LINES; i++)
        CHECK(a->lines[i].gsi == b->lines[i].gsi && a->lines[i].connected == b->lines[i].connected &&
              a->lines[i].active_low == b->lines[i].active_low && a->lines[i].level == b->lines[i].level);
}

void fuzz_one(void)
{
    struct acpi_interrupts actual, untouched, wanted;
    enum status status;
    uint64_t root;

    memory_begin();
    root = build();
    if (fuzz_below(8) == 0) /* it looks at thousands of places */
        CHECK(acpi_find_root(memory_at) == expected_root());
    memset(&actual, 0x5a, sizeof(actual));
    untouched = actual;
    status = acpi_parse(root, memory_at, &actual);
    CHECK(status == expected(root, &wanted));
    if (status == STATUS_OK)
        check_same(&actual, &wanted);
    else
        CHECK(memcmp(&actual, &untouched, sizeof(actual)) == 0);
    memory_end();
}
