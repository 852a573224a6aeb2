/* Which controller, and what to say where there is none. */
#include "kernel/x86_64/irq_line.h"

#include "kernel/console.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/ioapic.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"

static struct acpi_interrupts wiring;
static const char *problem; /* why `wiring` cannot be used, or NULL */
static enum irq_controller in_use = IRQ_PIC;

static const char *parse_problem(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return wiring.io_apic_count ? NULL : "the ACPI tables list no I/O APIC";
    case STATUS_NOT_FOUND:
        return "there is no ACPI table of interrupt controllers (MADT)";
    case STATUS_NO_MEMORY:
        return "the ACPI tables list more I/O APICs than there is room for";
    case STATUS_INVALID:
    case STATUS_TIMEOUT:
    case STATUS_IO:
    case STATUS_EXISTS:
    case STATUS_LARGE:
    case STATUS_AGAIN:
    case STATUS_CLOSED:
        break;
    }
    return "the ACPI tables break their own format";
}

/* Registers are never where there is memory: a table that says so would have its readers overwrite it. */
static bool is_memory(const struct boot_info *info, uint64_t address)
{
    for (size_t i = 0; i < info->range_count; i++)
        if (info->ranges[i].kind == MEMORY_USABLE && address - info->ranges[i].base < info->ranges[i].size)
            return true;
    return false;
}

void irq_line_find(const struct boot_info *info)
{
    uint64_t root = info->rsdp ? info->rsdp : acpi_find_root(mmu_boot_at);

    problem = root ? parse_problem(acpi_parse(root, mmu_boot_at, &wiring)) : "there are no ACPI tables";
    for (size_t i = 0; i < wiring.io_apic_count; i++)
        if (is_memory(info, wiring.io_apics[i].address))
            problem = "the ACPI tables put an I/O APIC where there is memory";
}

void irq_line_init(enum irq_controller controller)
{
    if (controller == IRQ_PIC)
        return;
    if (!problem && ioapic_init(&wiring, PIC_VECTOR, apic_id()) != STATUS_OK)
        problem = "the I/O APICs are not as the ACPI tables say";
    if (problem) {
        console_print("irq: no I/O APIC, as %s; going on with the 8259\n", problem);
        return;
    }
    pic_retire();
    apic_refuse_pic();
    interrupt_leave_pic();
    in_use = IRQ_APIC;
    console_print("irq: I/O APIC at 0x%lx\n", (unsigned long)wiring.io_apics[0].address);
}

enum irq_controller irq_line_controller(void)
{
    return in_use;
}

const char *irq_line_controller_name(void)
{
    return in_use == IRQ_APIC ? "apic" : "pic";
}

void irq_line_unmask(unsigned line)
{
    if (in_use == IRQ_APIC)
        ioapic_unmask(line);
    else
        pic_unmask(line);
}

void irq_line_mask(unsigned line)
{
    if (in_use == IRQ_APIC)
        ioapic_mask(line);
    else
        pic_mask(line);
}

uint16_t irq_line_masked(void)
{
    return in_use == IRQ_APIC ? ioapic_masked() : pic_masked();
}
