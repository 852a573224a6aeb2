/* Asking CPUID, and adding up the memory map. Facts: Intel SDM vol. 2, CPUID: leaves 0, 1 and 0x80000000 to 4. */
#include "kernel/facts.h"

#include "kernel/log.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"
#include "lib/mem.h"

#define LEAF_EXTENDED UINT32_C(0x80000000)
#define LEAF_BRAND    UINT32_C(0x80000002) /* and the two that follow: 16 characters each */

enum { BRAND_LEAVES = 3 };

struct cpu_names {
    char vendor[13];
    char brand[BRAND_LEAVES * 16 + 1];
};

static void put_register(char *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

static struct cpu_names cpu_names(void)
{
    struct cpu_names names = {.vendor = ""};
    struct cpuid r = cpuid(0);

    put_register(names.vendor, r.ebx);
    put_register(names.vendor + 4, r.edx);
    put_register(names.vendor + 8, r.ecx);
    if (cpuid(LEAF_EXTENDED).eax < LEAF_BRAND + BRAND_LEAVES - 1)
        return names;
    for (unsigned i = 0; i < BRAND_LEAVES; i++) {
        char *to = names.brand + (size_t)i * 16;

        r = cpuid(LEAF_BRAND + i);
        put_register(to, r.eax);
        put_register(to + 4, r.ebx);
        put_register(to + 8, r.ecx);
        put_register(to + 12, r.edx);
    }
    return names;
}

/* The extended fields count only beside these base values: Intel SDM vol. 2, figure 3-6. */
static void log_cpu(void)
{
    struct cpu_names names = cpu_names();
    uint32_t signature = cpuid(1).eax;
    unsigned family = signature >> 8 & 15, model = signature >> 4 & 15;

    if (family == 6 || family == 15)
        model |= signature >> 12 & 0xf0;
    if (family == 15)
        family += signature >> 20 & 0xff;
    log_info("cpu: %s", *names.brand ? names.brand : names.vendor);
    log_debug("cpu: %s, family %u, model %u, stepping %u, TSC %lu MHz", names.vendor, family, model, signature & 15,
              (unsigned long)(clock_tsc_hz() / 1000000));
}

static const char *kind_name(enum memory_kind kind)
{
    static const char *const names[] = {"usable", "reserved", "ACPI tables", "ACPI NVS", "bad"};

    return names[kind];
}

static void log_memory(const struct boot_info *info)
{
    uint64_t usable = 0;

    for (size_t i = 0; i < info->range_count; i++) {
        const struct memory_range *range = &info->ranges[i];

        if (range->kind == MEMORY_USABLE)
            usable += range->size;
        log_debug("memory: %012lx to %012lx %s", (unsigned long)range->base, (unsigned long)(range->base + range->size),
                  kind_name(range->kind));
    }
    log_debug("memory: page tables at 0x%lx", (unsigned long)read_cr3());
    if (physical_left_out())
        log_warning("memory: %lu KiB of the map are not used, as they are more than can be managed",
                    (unsigned long)(physical_left_out() >> 10));
    log_info("memory: %lu KiB usable of the loader's map, %lu KiB free", (unsigned long)(usable >> 10),
             (unsigned long)frames_free() * (PAGE_BYTES >> 10));
}

static void log_interrupts(void)
{
    const char *wrong = interrupt_check();
    struct descriptor_table loaded;

    sidt(&loaded);
    if (wrong)
        log_error("interrupts: %s", wrong);
    else
        log_debug("interrupts: on, %u gates at 0x%lx, lines at vectors %u to %u", (loaded.limit + 1u) / 16,
                  (unsigned long)loaded.base, PIC_VECTOR, PIC_VECTOR + PIC_LINES - 1);
}

void facts_log(const struct boot_info *info)
{
    log_cpu();
    log_memory(info);
    log_interrupts();
}
