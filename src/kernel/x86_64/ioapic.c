/* Programming the I/O APICs. */
#include "kernel/x86_64/ioapic.h"

#include "kernel/x86_64/mmu.h"

enum {
    SELECT = 0x00 / 4, /* which register the window shows; in words from the base */
    WINDOW = 0x10 / 4,

    REGISTER_VERSION = 0x01,
    REGISTER_REDIRECTION = 0x10, /* of input 0, the low half; the high half and the next inputs follow */

    VERSION_LAST_INPUT_SHIFT = 16,
    REDIRECTION_ACTIVE_LOW = 1 << 13,
    REDIRECTION_LEVEL = 1 << 15,
    REDIRECTION_MASKED = 1 << 16,
    REDIRECTION_DESTINATION_SHIFT = 24, /* in the high half */
};

/* Set once. */
static struct io_apic {
    volatile uint32_t *registers;
    uint32_t gsi_base;
    uint32_t inputs;
} io_apics[ACPI_MAX_IO_APICS];
static size_t io_apic_count;

static struct line {
    const struct io_apic *io_apic; /* NULL: not connected */
    uint32_t input;
    uint32_t redirection; /* the low half, without the mask bit */
} lines[ACPI_ISA_LINES];

static uint32_t io_apic_read(const struct io_apic *io_apic, unsigned number)
{
    io_apic->registers[SELECT] = number;
    return io_apic->registers[WINDOW];
}

static void io_apic_write(const struct io_apic *io_apic, unsigned number, uint32_t value)
{
    io_apic->registers[SELECT] = number;
    io_apic->registers[WINDOW] = value;
}

static void redirect(const struct line *line, uint32_t mask)
{
    io_apic_write(line->io_apic, REGISTER_REDIRECTION + 2 * line->input, line->redirection | mask);
}

/* False if nothing answers at its address: what is not there reads as ones. */
static bool io_apic_map(struct io_apic *io_apic, const struct acpi_io_apic *described)
{
    uint64_t page = described->address & ~(uint64_t)(PAGE_BYTES - 1);
    volatile uint32_t *registers = mmu_map_device(page, PAGE_BYTES);
    uint32_t version;

    *io_apic = (struct io_apic){.registers = registers + (described->address - page) / sizeof(*registers),
                                .gsi_base = described->gsi_base};
    version = io_apic_read(io_apic, REGISTER_VERSION);
    io_apic->inputs = (version >> VERSION_LAST_INPUT_SHIFT & 0xff) + 1;
    return version != 0 && version != UINT32_MAX;
}

/* Leaves the line as it is, unconnected, if no I/O APIC has its input. */
static void connect(struct line *line, const struct acpi_line *wiring, uint8_t vector)
{
    for (size_t i = 0; i < io_apic_count; i++) {
        const struct io_apic *io_apic = &io_apics[i];

        if (wiring->gsi - io_apic->gsi_base >= io_apic->inputs) /* or below the base, which wraps */
            continue;
        *line = (struct line){.io_apic = io_apic,
                              .input = wiring->gsi - io_apic->gsi_base,
                              .redirection = vector | (wiring->active_low ? REDIRECTION_ACTIVE_LOW : 0) |
                                             (wiring->level ? REDIRECTION_LEVEL : 0)};
        return;
    }
}

static void mask_all(const struct io_apic *io_apic)
{
    for (uint32_t input = 0; input < io_apic->inputs; input++)
        io_apic_write(io_apic, REGISTER_REDIRECTION + 2 * input, REDIRECTION_MASKED);
}

enum status ioapic_init(const struct acpi_interrupts *wiring, uint8_t vector, uint8_t destination)
{
    io_apic_count = wiring->io_apic_count;
    for (size_t i = 0; i < io_apic_count; i++)
        if (!io_apic_map(&io_apics[i], &wiring->io_apics[i]))
            return STATUS_NOT_FOUND;
    for (unsigned line = 0; line < ACPI_ISA_LINES; line++) {
        if (!wiring->lines[line].connected)
            continue;
        connect(&lines[line], &wiring->lines[line], (uint8_t)(vector + line));
        if (!lines[line].io_apic)
            return STATUS_NOT_FOUND;
    }
    for (size_t i = 0; i < io_apic_count; i++)
        mask_all(&io_apics[i]);
    for (unsigned line = 0; line < ACPI_ISA_LINES; line++) {
        if (!lines[line].io_apic)
            continue;
        redirect(&lines[line], REDIRECTION_MASKED);
        io_apic_write(lines[line].io_apic, REGISTER_REDIRECTION + 2 * lines[line].input + 1,
                      (uint32_t)destination << REDIRECTION_DESTINATION_SHIFT);
    }
    return STATUS_OK;
}

void ioapic_unmask(unsigned line)
{
    if (lines[line].io_apic)
        redirect(&lines[line], 0);
}

void ioapic_mask(unsigned line)
{
    if (lines[line].io_apic)
        redirect(&lines[line], REDIRECTION_MASKED);
}

uint16_t ioapic_masked(void)
{
    uint16_t masked = 0;

    for (unsigned line = 0; line < ACPI_ISA_LINES; line++)
        if (!lines[line].io_apic ||
            io_apic_read(lines[line].io_apic, REGISTER_REDIRECTION + 2 * lines[line].input) & REDIRECTION_MASKED)
            masked |= (uint16_t)(1u << line);
    return masked;
}
