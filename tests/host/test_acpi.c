/* The ACPI parser on a small physical memory of its own, on each way to break what lies there, and on mutations. */
#include "lib/acpi.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

/* ---- physical memory: at() answers with a copy of the exact size, so that reading further is seen ---- */

#define LOW_SIZE  0x100000u /* where a root pointer is looked for */
#define HIGH_BASE UINT64_C(0x3ffe0000)
#define HIGH_SIZE 0x8000u

#define ROOT (UINT64_C(0xf5a40))
#define RSDT HIGH_BASE
#define XSDT (HIGH_BASE + 0x100)
#define FADT (HIGH_BASE + 0x203)
#define MADT (HIGH_BASE + 0x401)

static unsigned char low[LOW_SIZE], high[HIGH_SIZE];
static void *copies[150000];
static size_t copy_count;
static struct acpi_interrupts interrupts;

static unsigned char *memory(uint64_t physical, size_t size)
{
    if (physical < LOW_SIZE && size <= LOW_SIZE - physical)
        return low + physical;
    if (physical >= HIGH_BASE && size <= HIGH_SIZE && physical - HIGH_BASE <= HIGH_SIZE - size)
        return high + (physical - HIGH_BASE);
    return NULL;
}

static const void *at(uint64_t physical, size_t size)
{
    const unsigned char *bytes = memory(physical, size);
    void *copy;

    if (!bytes)
        return NULL;
    cr_assert_lt(copy_count, ARRAY_SIZE(copies));
    copy = malloc(size);
    memcpy(copy, bytes, size);
    copies[copy_count++] = copy;
    return copy;
}

static void free_copies(void)
{
    while (copy_count)
        free(copies[--copy_count]);
}

static void put(uint64_t physical, const void *data, size_t size)
{
    memcpy(memory(physical, size), data, size);
}

static void put8(uint64_t physical, uint8_t value)
{
    put(physical, &value, sizeof(value));
}

static void put16(uint64_t physical, uint16_t value)
{
    put(physical, &value, sizeof(value));
}

static void put32(uint64_t physical, uint32_t value)
{
    put(physical, &value, sizeof(value));
}

static void put64(uint64_t physical, uint64_t value)
{
    put(physical, &value, sizeof(value));
}

static uint32_t get32(uint64_t physical)
{
    uint32_t value;

    memcpy(&value, memory(physical, sizeof(value)), sizeof(value));
    return value;
}

/* Makes `size` bytes add up to 0 by the one at `checksum`. */
static void seal(uint64_t physical, size_t size, size_t checksum)
{
    unsigned char *bytes = memory(physical, size);
    unsigned char sum = 0;

    bytes[checksum] = 0;
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    bytes[checksum] = (unsigned char)-sum;
}

/* ---- the tables, by the offsets of ACPI 6.5 ---- */

#define HEADER_SIZE  36
#define MADT_ENTRIES 44

static void seal_table(uint64_t physical)
{
    seal(physical, get32(physical + 4), 9);
}

static void seal_root(void)
{
    seal(ROOT, 20, 8);
    seal(ROOT, 36, 32);
}

static void put_header(uint64_t physical, const char *signature, uint32_t size)
{
    memset(memory(physical, size), 0, size);
    put(physical, signature, 4);
    put32(physical + 4, size);
}

static void put_root(uint8_t revision)
{
    memset(memory(ROOT, 36), 0, 36);
    put(ROOT, "RSD PTR ", 8);
    put(ROOT + 9, "BOCHS ", 6);
    put8(ROOT + 15, revision);
    put32(ROOT + 16, (uint32_t)RSDT);
    if (revision >= 2) {
        put32(ROOT + 20, 36);
        put64(ROOT + 24, XSDT);
    }
    seal_root();
}

static void put_table_of_tables(uint64_t physical, const char *signature, unsigned address_bytes,
                                const uint64_t *addresses, size_t count)
{
    put_header(physical, signature, (uint32_t)(HEADER_SIZE + address_bytes * count));
    for (size_t i = 0; i < count; i++)
        put(physical + HEADER_SIZE + address_bytes * i, &addresses[i], address_bytes);
    seal_table(physical);
}

/* Appends an entry's bytes to the MADT; its length is the second of them. */
static void add_entry(const void *bytes, size_t size)
{
    uint32_t length = get32(MADT + 4);

    put(MADT + length, bytes, size);
    put32(MADT + 4, length + (uint32_t)size);
    seal_table(MADT);
}

static void add_io_apic(uint8_t id, uint32_t address, uint32_t gsi_base)
{
    unsigned char entry[12] = {1, sizeof(entry), id};

    memcpy(entry + 4, &address, 4);
    memcpy(entry + 8, &gsi_base, 4);
    add_entry(entry, sizeof(entry));
}

static void add_override(uint8_t bus, uint8_t source, uint32_t gsi, uint16_t flags)
{
    unsigned char entry[10] = {2, sizeof(entry), bus, source};

    memcpy(entry + 4, &gsi, 4);
    memcpy(entry + 8, &flags, 2);
    add_entry(entry, sizeof(entry));
}

static void add_local_apic_address(uint64_t address)
{
    unsigned char entry[12] = {5, sizeof(entry)};

    memcpy(entry + 4, &address, 8);
    add_entry(entry, sizeof(entry));
}

static void start_madt(void)
{
    put_header(MADT, "APIC", MADT_ENTRIES);
    put32(MADT + 36, 0xfee00000);
    put32(MADT + 40, 1);
    seal_table(MADT);
}

/* What QEMU's `pc` says: a CPU, an I/O APIC, the PIT's override, four of PCI's, an NMI at LINT1. */
static void build(void)
{
    static const unsigned char cpu[8] = {0, 8, 0, 0, 1}, nmi_source[8] = {3, 8}, local_nmi[6] = {4, 6, 0xff, 0, 0, 1};
    static const uint64_t tables[] = {FADT, MADT};

    memset(low, 0, sizeof(low));
    memset(high, 0, sizeof(high));
    memset(&interrupts, 0xa5, sizeof(interrupts));
    put_root(2);
    put_table_of_tables(RSDT, "RSDT", 4, tables, ARRAY_SIZE(tables));
    put_table_of_tables(XSDT, "XSDT", 8, tables, ARRAY_SIZE(tables));
    put_header(FADT, "FACP", 116);
    start_madt();
    add_entry(cpu, sizeof(cpu));
    add_io_apic(7, 0xfec00000, 0);
    add_override(0, 0, 2, 0);
    add_override(0, 5, 5, 13);
    add_override(0, 9, 9, 13);
    add_entry(nmi_source, sizeof(nmi_source));
    add_override(0, 10, 10, 15);
    add_entry(local_nmi, sizeof(local_nmi));
}

/* Parses, and checks that a failure leaves the output as it was. */
static enum status parse_at(uint64_t root)
{
    struct acpi_interrupts before = interrupts;
    enum status status = acpi_parse(root, at, &interrupts);

    if (status)
        cr_assert_arr_eq(&interrupts, &before, sizeof(interrupts), "output touched on error %d", status);
    return status;
}

static enum status parse(void)
{
    return parse_at(ROOT);
}

TestSuite(acpi, .init = build, .fini = free_copies);

static void assert_line(unsigned line, uint32_t gsi, bool active_low, bool level)
{
    cr_assert(interrupts.lines[line].connected, "line %u", line);
    cr_assert_eq(interrupts.lines[line].gsi, gsi, "line %u", line);
    cr_assert_eq(interrupts.lines[line].active_low, active_low, "line %u", line);
    cr_assert_eq(interrupts.lines[line].level, level, "line %u", line);
}

/* ---- what it reads ---- */

Test(acpi, reads_what_qemu_passes)
{
    cr_assert_eq(parse(), STATUS_OK);
    cr_assert_eq(interrupts.local_apic, 0xfee00000);
    cr_assert(interrupts.pic);
    cr_assert_eq(interrupts.io_apic_count, 1);
    cr_assert_eq(interrupts.io_apics[0].id, 7);
    cr_assert_eq(interrupts.io_apics[0].address, 0xfec00000);
    cr_assert_eq(interrupts.io_apics[0].gsi_base, 0);
    assert_line(0, 2, false, false);
    assert_line(1, 1, false, false);
    cr_assert_not(interrupts.lines[2].connected);
    assert_line(5, 5, false, true);
    assert_line(9, 9, false, true);
    assert_line(10, 10, true, true);
    for (unsigned line = 11; line < ACPI_ISA_LINES; line++)
        assert_line(line, line, false, false);
}

Test(acpi, reads_the_rsdt_of_an_old_root_pointer)
{
    for (uint8_t revision = 0; revision < 2; revision++) {
        put_root(revision);
        memset(memory(ROOT + 20, 16), 0xff, 16); /* not its own any more */
        memset(memory(XSDT, 64), 0, 64);
        cr_assert_eq(parse(), STATUS_OK);
        assert_line(0, 2, false, false);
    }
}

Test(acpi, reads_an_old_root_pointer_at_the_very_end_of_memory)
{
    put_root(0);
    put(HIGH_BASE + HIGH_SIZE - 20, memory(ROOT, 20), 20);
    cr_assert_eq(parse_at(HIGH_BASE + HIGH_SIZE - 20), STATUS_OK);
}

Test(acpi, prefers_the_xsdt_and_does_without_one)
{
    put32(ROOT + 16, 0xffffffff);
    seal_root();
    cr_assert_eq(parse(), STATUS_OK);
    put_root(2);
    put64(ROOT + 24, 0);
    seal_root();
    cr_assert_eq(parse(), STATUS_OK);
}

Test(acpi, takes_the_longer_root_pointer_of_a_later_revision)
{
    put8(ROOT + 15, 9);
    put32(ROOT + 20, 40);
    put32(ROOT + 36, 0x12345678);
    seal(ROOT, 20, 8);
    seal(ROOT, 40, 32);
    cr_assert_eq(parse(), STATUS_OK);
}

Test(acpi, needs_no_entries)
{
    start_madt();
    put32(MADT + 40, 0);
    seal_table(MADT);
    cr_assert_eq(parse(), STATUS_OK);
    cr_assert_not(interrupts.pic);
    cr_assert_eq(interrupts.io_apic_count, 0);
    for (unsigned line = 0; line < ACPI_ISA_LINES; line++)
        assert_line(line, line, false, false);
}

Test(acpi, takes_the_64_bit_address_of_the_local_apic)
{
    add_local_apic_address(UINT64_C(0x1234567000));
    cr_assert_eq(parse(), STATUS_OK);
    cr_assert_eq(interrupts.local_apic, UINT64_C(0x1234567000));
    add_local_apic_address(UINT64_C(0x1234567000));
    cr_assert_eq(parse(), STATUS_INVALID);
}

Test(acpi, refuses_a_local_apic_where_none_can_be)
{
    static const uint64_t wrong[] = {0, 0xfee00010, UINT64_MAX, 0xfec00000};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        build();
        add_local_apic_address(wrong[i]);
        cr_assert_eq(parse(), STATUS_INVALID);
    }
    build();
    put32(MADT + 36, 0);
    seal_table(MADT);
    cr_assert_eq(parse(), STATUS_INVALID);
    add_local_apic_address(0xfee00000); /* now nobody asks what the header says */
    cr_assert_eq(parse(), STATUS_OK);
}

/* The flags of an override: polarity in bits 0 and 1, trigger in 2 and 3; the rest is reserved. */
Test(acpi, knows_every_polarity_and_trigger)
{
    for (uint16_t flags = 0; flags < 64; flags++) {
        unsigned polarity = flags % 4, trigger = flags / 4 % 4;

        build();
        add_override(0, 3, 19, flags);
        if (polarity == 2 || trigger == 2) {
            cr_assert_eq(parse(), STATUS_INVALID, "flags %u", flags);
            continue;
        }
        cr_assert_eq(parse(), STATUS_OK, "flags %u", flags);
        assert_line(3, 19, polarity == 3, trigger == 3);
    }
}

Test(acpi, keeps_a_gsi_for_the_line_that_an_override_gives_it_to)
{
    start_madt();
    add_override(0, 14, 3, 0);
    add_override(0, 3, 14, 0);
    add_override(0, 0, 15, 0);
    add_override(0, 7, 4000, 0);
    cr_assert_eq(parse(), STATUS_OK);
    assert_line(14, 3, false, false);
    assert_line(3, 14, false, false);
    assert_line(0, 15, false, false);
    assert_line(7, 4000, false, false);
    cr_assert_not(interrupts.lines[15].connected);
}

Test(acpi, refuses_overrides_that_contradict_each_other)
{
    static const struct {
        uint8_t source;
        uint32_t gsi;
    } second[] = {{0, 2}, {0, 3}, {2, 2}, {5, 11}, {11, 5}, {16, 20}, {255, 255}};

    for (size_t i = 0; i < ARRAY_SIZE(second); i++) {
        build();
        add_override(0, second[i].source, second[i].gsi, 0);
        cr_assert_eq(parse(), STATUS_INVALID, "case %zu", i);
    }
}

Test(acpi, leaves_other_buses_alone)
{
    add_override(1, 1, 33, 0xffff);
    cr_assert_eq(parse(), STATUS_OK);
    assert_line(1, 1, false, false);
}

Test(acpi, takes_as_many_io_apics_as_fit_and_no_more)
{
    start_madt();
    for (uint32_t i = 0; i < ACPI_MAX_IO_APICS; i++)
        add_io_apic((uint8_t)i, 0xfec00000 + 0x400 * i, 24 * i);
    cr_assert_eq(parse(), STATUS_OK);
    cr_assert_eq(interrupts.io_apic_count, ACPI_MAX_IO_APICS);
    cr_assert_eq(interrupts.io_apics[15].address, 0xfec03c00);
    cr_assert_eq(interrupts.io_apics[15].gsi_base, 360);
    add_io_apic(16, 0xfec04000, 24 * 16);
    cr_assert_eq(parse(), STATUS_NO_MEMORY);
}

Test(acpi, refuses_io_apics_that_collide_or_cannot_be)
{
    static const struct {
        uint32_t address, gsi_base;
    } second[] = {{0xfec00000, 24}, {0xfec01000, 0}, {0, 24}, {0xfec01004, 24}, {0xfee00400, 24}};

    for (size_t i = 0; i < ARRAY_SIZE(second); i++) {
        build();
        add_io_apic(1, second[i].address, second[i].gsi_base);
        cr_assert_eq(parse(), STATUS_INVALID, "case %zu", i);
    }
}

Test(acpi, steps_over_entries_it_does_not_know_by_their_length)
{
    unsigned char unknown[255] = {0x7f, sizeof(unknown), 1, 2, 3};
    static const unsigned char shortest[2] = {9, 2};

    add_entry(unknown, sizeof(unknown));
    add_entry(shortest, sizeof(shortest));
    add_override(0, 3, 19, 0);
    cr_assert_eq(parse(), STATUS_OK);
    assert_line(3, 19, false, false);
}

Test(acpi, takes_longer_entries_of_a_later_revision)
{
    static const unsigned char override[14] = {2, sizeof(override), 0, 3, 19};

    add_entry(override, sizeof(override));
    add_override(0, 4, 20, 0);
    cr_assert_eq(parse(), STATUS_OK);
    assert_line(3, 19, false, false);
    assert_line(4, 20, false, false);
}

/* ---- what it refuses ---- */

Test(acpi, refuses_entries_that_lie_about_their_length)
{
    static const unsigned char types[] = {0, 1, 2, 5, 0x7f};
    static const unsigned char needs[] = {2, 12, 10, 12, 2};

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        for (unsigned length = 0; length < 20; length++) {
            unsigned char entry[16] = {types[i], (unsigned char)length, 0, 8};

            build();
            start_madt();
            entry[6] = types[i] == 1 ? 0xc0 : 0; /* addresses that would do */
            entry[7] = types[i] == 1 ? 0xfe : 0;
            entry[5] = types[i] == 5 ? 0x10 : 0;
            add_entry(entry, length <= 16 ? (length ? length : 1) : 16);
            cr_assert_eq(parse(), length >= needs[i] && length <= 16 ? STATUS_OK : STATUS_INVALID, "type %u, length %u",
                         types[i], length);
        }
    }
    build();
    add_entry("", 1);
    cr_assert_eq(parse(), STATUS_INVALID);
}

Test(acpi, refuses_what_does_not_add_up)
{
    static const uint64_t flipped[] = {ROOT, ROOT + 8, ROOT + 33, XSDT, XSDT + 9, XSDT + 40, MADT + 9, MADT + 50};

    for (size_t i = 0; i < ARRAY_SIZE(flipped); i++) {
        build();
        *memory(flipped[i], 1) ^= 1;
        cr_assert_eq(parse(), STATUS_INVALID, "byte %zu", i);
    }
    build();
    *memory(FADT + 9, 1) ^= 1; /* nobody's business */
    cr_assert_eq(parse(), STATUS_OK);
}

Test(acpi, refuses_other_signatures)
{
    put(ROOT, "RSD PTR!", 8);
    seal_root();
    cr_assert_eq(parse(), STATUS_INVALID);
    build();
    put(XSDT, "RSDT", 4);
    seal_table(XSDT);
    cr_assert_eq(parse(), STATUS_INVALID);
    build();
    put(MADT, "APIX", 4);
    seal_table(MADT);
    cr_assert_eq(parse(), STATUS_NOT_FOUND);
}

Test(acpi, refuses_tables_that_lie_about_their_length)
{
    static const uint32_t lengths[] = {0, 1, 35, 0x7fff, 0x8000, ACPI_MAX_TABLE_BYTES + 1, 0x7fffffff, 0xffffffff};
    static const uint64_t fields[] = {ROOT + 20, XSDT + 4, MADT + 4};

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(fields); j++) {
            build();
            put8(ROOT + 100, 1); /* else zeros behind it would add up */
            put32(fields[j], lengths[i]);
            seal_root();
            if (j && memory(fields[j] - 4, lengths[i]) && lengths[i] >= 10)
                seal_table(fields[j] - 4);
            cr_assert_eq(parse(), STATUS_INVALID, "length %x of field %zu", lengths[i], j);
        }
    }
    build();
    put32(MADT + 4, 43);
    seal_table(MADT);
    cr_assert_eq(parse(), STATUS_INVALID);
    build();
    put32(XSDT + 4, 36 + 15);
    seal_table(XSDT);
    cr_assert_eq(parse(), STATUS_INVALID);
}

/* Memory without an end: zeros behind what is in ours. */
static const void *at_anywhere(uint64_t physical, size_t size)
{
    void *copy = calloc(1, size);

    for (size_t i = 0; i < size && i < 64 && memory(physical + i, 1); i++)
        ((unsigned char *)copy)[i] = *memory(physical + i, 1);
    cr_assert_lt(copy_count, ARRAY_SIZE(copies));
    copies[copy_count++] = copy;
    return copy;
}

Test(acpi, believes_no_length_beyond_the_limit_even_where_memory_has_no_end)
{
    start_madt();
    for (uint32_t past = 0; past < 2; past++) {
        enum status expected = past ? STATUS_INVALID : STATUS_OK;

        put_root(2);
        put32(ROOT + 20, ACPI_MAX_TABLE_BYTES + past);
        seal_root();
        cr_assert_eq(acpi_parse(ROOT, at_anywhere, &interrupts), expected);
        put_root(2);
        put32(XSDT + 4, ACPI_MAX_TABLE_BYTES - 4 + 8 * past); /* a whole number of addresses */
        seal(XSDT, HEADER_SIZE + 16, 9);
        cr_assert_eq(acpi_parse(ROOT, at_anywhere, &interrupts), expected);
        put32(XSDT + 4, HEADER_SIZE + 16);
        seal_table(XSDT);
    }
}

Test(acpi, refuses_addresses_out_of_reach)
{
    static const uint64_t wild[] = {1,          LOW_SIZE - 1, LOW_SIZE,       HIGH_BASE - 1, HIGH_BASE + HIGH_SIZE - 1,
                                    0xffffffff, UINT64_MAX,   UINT64_MAX - 35};

    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        build();
        cr_assert_eq(parse_at(wild[i]), STATUS_INVALID);
        put64(ROOT + 24, wild[i]);
        seal_root();
        cr_assert_eq(parse(), STATUS_INVALID);
        build();
        put64(XSDT + HEADER_SIZE + 8, wild[i]);
        seal_table(XSDT);
        cr_assert_neq(parse(), STATUS_OK);
        build();
        put_root(0);
        put32(ROOT + 16, (uint32_t)wild[i]);
        seal_root();
        cr_assert_eq(parse(), STATUS_INVALID);
    }
}

Test(acpi, finds_the_madt_behind_an_address_out_of_reach)
{
    put64(XSDT + HEADER_SIZE, UINT64_MAX);
    seal_table(XSDT);
    cr_assert_eq(parse(), STATUS_OK);
    put64(XSDT + HEADER_SIZE + 8, FADT);
    seal_table(XSDT);
    cr_assert_eq(parse(), STATUS_INVALID); /* it may have been that one */
}

Test(acpi, refuses_what_the_end_of_memory_cuts)
{
    uint64_t end = HIGH_BASE + HIGH_SIZE;
    uint32_t sizes[] = {36, get32(XSDT + 4), get32(MADT + 4)};
    uint64_t from[] = {ROOT, XSDT, MADT};
    uint64_t to[] = {0, ROOT + 24, XSDT + HEADER_SIZE + 8};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (uint32_t cut = 0; cut <= sizes[i]; cut++) {
            build();
            memmove(memory(end - sizes[i] + cut, sizes[i] - cut), memory(from[i], sizes[i] - cut), sizes[i] - cut);
            if (to[i])
                put64(to[i], end - sizes[i] + cut);
            seal_root();
            if (i == 2)
                seal_table(XSDT);
            cr_assert_eq(parse_at(i ? ROOT : end - sizes[i] + cut), cut ? STATUS_INVALID : STATUS_OK, "table %zu, %u",
                         i, cut);
            free_copies();
        }
    }
}

Test(acpi, misses_a_madt)
{
    put32(XSDT + 4, HEADER_SIZE);
    seal_table(XSDT);
    cr_assert_eq(parse(), STATUS_NOT_FOUND);
}

/* ---- the search ---- */

static void move_root(uint64_t to)
{
    unsigned char root[36];

    memcpy(root, memory(ROOT, 36), 36);
    memset(low, 0, sizeof(low));
    put(to, root, 20);
}

Test(acpi, finds_the_root_pointer_where_a_bios_leaves_it)
{
    static const struct {
        uint64_t at;
        uint16_t ebda;
        bool found;
    } cases[] = {
        {0xe0000, 0, true},       {0xf5a40, 0x9fc0, true}, {0xfffe0, 0, true},       {0xfffec, 0, false},
        {0xf5a48, 0, false},      {0xdfff0, 0, false},     {0x9fc00, 0x9fc0, true},  {0x9ffe0, 0x9fc0, true},
        {0x9fbf0, 0x9fc0, false}, {0x80000, 0x8000, true}, {0x803e0, 0x8000, true},  {0x80400, 0x8000, false},
        {0x803f0, 0x8000, false}, {0x9ff00, 0x9ff0, true}, {0xa0000, 0x9ff0, false}, {0xc0000, 0xc000, false},
        {0x400, 0, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        build();
        move_root(cases[i].at);
        put16(0x40e, cases[i].ebda);
        cr_assert_eq(acpi_find_root(at), cases[i].found ? cases[i].at : 0, "case %zu", i);
        free_copies();
    }
}

Test(acpi, passes_over_what_only_looks_like_a_root_pointer)
{
    put(0xe0000, memory(ROOT, 20), 20);
    put8(0xe0008, (uint8_t)(*memory(0xe0008, 1) + 1));
    put(0xe0020, "RSD PTR", 8);
    cr_assert_eq(acpi_find_root(at), ROOT);
}

Test(acpi, takes_the_bios_data_areas_root_pointer_first)
{
    put16(0x40e, 0x9fc0);
    put(0x9fc10, memory(ROOT, 20), 20);
    cr_assert_eq(acpi_find_root(at), 0x9fc10);
}

static const void *nowhere(uint64_t physical, size_t size)
{
    (void)physical;
    (void)size;
    return NULL;
}

Test(acpi, finds_nothing_where_nothing_can_be_read)
{
    cr_assert_eq(acpi_find_root(nowhere), 0);
    cr_assert_eq(acpi_parse(ROOT, nowhere, &interrupts), STATUS_INVALID);
}

/* ---- mutations ---- */

/* Of what is parsed, a byte or a field; mostly with the checksums put right, or nothing behind them is ever reached. */
static void mutate(uint64_t *seed)
{
    static const uint64_t regions[] = {ROOT, XSDT, MADT, MADT + MADT_ENTRIES, MADT + MADT_ENTRIES};
    static const unsigned sizes[] = {36, 52, 44, 76, 76};
    static const uint32_t nasty[] = {0, 1, 2, 10, 12, 36, 44, 0x7fffffff, 0xffffffff, (uint32_t)MADT, (uint32_t)XSDT};

    for (uint64_t left = support_random(seed) % 4; left; left--) {
        uint64_t random = support_random(seed);
        size_t region = random % ARRAY_SIZE(regions);
        uint64_t where = regions[region] + (random >> 8) % sizes[region];

        if (random >> 60 < 4)
            put32(where, nasty[(random >> 24) % ARRAY_SIZE(nasty)]);
        else
            put8(where, (uint8_t)(random >> 40));
    }
    if (support_random(seed) % 16) {
        seal_root();
        if (get32(XSDT + 4) >= 10 && memory(XSDT, get32(XSDT + 4)))
            seal_table(XSDT);
        if (get32(MADT + 4) >= 10 && memory(MADT, get32(MADT + 4)))
            seal_table(MADT);
    }
}

static void assert_plausible(void)
{
    cr_assert(interrupts.local_apic && interrupts.local_apic % 4096 == 0);
    cr_assert_leq(interrupts.io_apic_count, ACPI_MAX_IO_APICS);
    for (size_t i = 0; i < interrupts.io_apic_count; i++) {
        cr_assert(interrupts.io_apics[i].address && interrupts.io_apics[i].address % 1024 == 0);
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(interrupts.io_apics[i].address, interrupts.io_apics[j].address);
            cr_assert_neq(interrupts.io_apics[i].gsi_base, interrupts.io_apics[j].gsi_base);
        }
    }
    for (unsigned i = 0; i < ACPI_ISA_LINES; i++)
        for (unsigned j = 0; j < i; j++)
            cr_assert(!interrupts.lines[i].connected || !interrupts.lines[j].connected ||
                      interrupts.lines[i].gsi != interrupts.lines[j].gsi);
}

Test(acpi, survives_mutations, .timeout = 120)
{
    unsigned outcomes[STATUS_IO + 1] = {0};
    uint64_t seed = 71;
    static unsigned char built_low[256], built_high[0x1000];

    memcpy(built_low, memory(ROOT, sizeof(built_low)), sizeof(built_low));
    memcpy(built_high, high, sizeof(built_high));
    for (unsigned i = 0; i < 100000; i++) {
        enum status status;

        memcpy(memory(ROOT, sizeof(built_low)), built_low, sizeof(built_low));
        memcpy(high, built_high, sizeof(built_high));
        mutate(&seed);
        status = parse();
        outcomes[status]++;
        if (!status)
            assert_plausible();
        free_copies();
    }
    cr_assert_gt(outcomes[STATUS_OK], 10000);
    cr_assert_gt(outcomes[STATUS_INVALID], 10000);
    cr_assert_gt(outcomes[STATUS_NOT_FOUND], 100);
}
