/* GDT, TSS, IDT, and where entry.S leads. */
#include "kernel/x86_64/interrupt.h"

#include "kernel/console.h"
#include "kernel/panic.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum {
    SELECTOR_CODE = 0x08,
    SELECTOR_DATA = 0x10,
    SELECTOR_TSS = 0x18,
    GATE_INTERRUPT = 0x8e, /* present, ring 0, interrupts off on entry */
    TSS_AVAILABLE = 0x89,

    IST_DOUBLE_FAULT = 1,
    IST_NMI = 2,
    IST_MACHINE_CHECK = 3,
};

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, zero;
};
_Static_assert(sizeof(struct gate) == 16, "SDM vol. 3, figure 6-8");

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t ist[8]; /* [0] is reserved */
    uint64_t reserved1;
    uint16_t reserved2, iomap_base;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "SDM vol. 3, figure 7-11");

extern void (*const vector_stubs[VECTORS])(void);

static uint64_t gdt[5];
static struct tss tss;
static struct gate idt[VECTORS];
static struct {
    interrupt_handler *handler;
    uint64_t count;
} vectors[VECTORS];
static uint64_t spurious;
static uint64_t unexpected;

static void handle_unexpected(unsigned vector)
{
    (void)vector;
    unexpected++;
}

interrupt_handler *interrupt_set(unsigned vector, interrupt_handler *handler)
{
    interrupt_handler *previous = vectors[vector].handler;

    ASSERT(vector >= VECTOR_INTERRUPTS && vector < VECTORS);
    vectors[vector].handler = handler;
    return previous;
}

uint64_t interrupt_count(unsigned vector)
{
    return vectors[vector].count;
}

uint64_t interrupt_spurious(void)
{
    return spurious;
}

uint64_t interrupt_unexpected(void)
{
    return unexpected;
}

/* Ends the interrupt where it came from. */
static void interrupt_end(unsigned vector)
{
    if (vector < PIC_VECTOR + PIC_LINES)
        pic_end(vector - PIC_VECTOR);
    else
        apic_end();
}

/* Lines 7 and 15, and the APIC's own vector, also stand for an interrupt that went away. */
static bool interrupt_is_spurious(unsigned vector)
{
    if (vector == APIC_SPURIOUS_VECTOR)
        return true;
    return vector < PIC_VECTOR + PIC_LINES && pic_spurious(vector - PIC_VECTOR);
}

/* Every vector from 32 on. Ended before a switch, as the thread switched to may not come back here for long. */
void interrupt(unsigned vector);

void interrupt(unsigned vector)
{
    struct cpu *cpu = cpu_this();

    cpu->irq_depth++;
    if (unlikely((vector & 7) == 7) && interrupt_is_spurious(vector)) {
        spurious++;
    } else {
        vectors[vector].count++;
        vectors[vector].handler(vector);
        interrupt_end(vector);
    }
    cpu->irq_depth--;
    if (sched_preempt_due(cpu) && cpu->irq_depth == 0)
        sched_preempt();
}

static const char *const exception_names[VECTOR_INTERRUPTS] = {
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved (15)",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
    "virtualization",
    "control protection",
    "reserved (22)",
    "reserved (23)",
    "reserved (24)",
    "reserved (25)",
    "reserved (26)",
    "reserved (27)",
    "hypervisor injection",
    "VMM communication",
    "security",
    "reserved (31)",
};

/* The thread whose stack begins at `stack`, for the report of an overflow. */
static const char *stack_owner(const void *stack)
{
    list_for_each (node, &thread_all) {
        const struct thread *thread = container_of(node, struct thread, all);

        if (thread->stack == stack)
            return thread->name;
    }
    return "none";
}

/* Running into a guard page faults; with no stack left to push the fault's frame on, it becomes a double fault. */
static _Noreturn void exception_fatal(const struct trap_frame *frame)
{
    uint64_t address = read_cr2();
    bool memory = frame->vector == VECTOR_PAGE_FAULT || frame->vector == VECTOR_DOUBLE_FAULT;
    const void *stack = memory ? stack_guarding(address) : NULL;

    if (stack)
        panic_exception(frame, "stack overflow in thread %s, at %p", stack_owner(stack), (void *)address);
    if (frame->vector == VECTOR_PAGE_FAULT)
        panic_exception(frame, "page fault: %s %p, %s",
                        frame->error & 16  ? "execute"
                        : frame->error & 2 ? "write to"
                                           : "read of",
                        (void *)address, frame->error & 1 ? "which its page forbids" : "which is not mapped");
    panic_exception(frame, "%s, error code 0x%lx", exception_names[frame->vector], (unsigned long)frame->error);
}

void exception(struct trap_frame *frame);

void exception(struct trap_frame *frame)
{
    if (frame->vector != VECTOR_BREAKPOINT)
        exception_fatal(frame);
    console_print("breakpoint at %p\n", (void *)frame->rip);
}

static void gate_set(unsigned vector, unsigned ist)
{
    uint64_t offset = (uint64_t)vector_stubs[vector];

    idt[vector] = (struct gate){.offset_low = (uint16_t)offset,
                                .selector = SELECTOR_CODE,
                                .ist = (uint8_t)ist,
                                .type = GATE_INTERRUPT,
                                .offset_middle = (uint16_t)(offset >> 16),
                                .offset_high = (uint32_t)(offset >> 32)};
}

static void gdt_init(void)
{
    uint64_t base = (uint64_t)&tss;

    gdt[1] = UINT64_C(0x00209a0000000000); /* 64-bit code, ring 0 */
    gdt[2] = UINT64_C(0x0000920000000000); /* data, ring 0 */
    gdt[3] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | (uint64_t)TSS_AVAILABLE << 40 | (base >> 24 & 0xff) << 56;
    gdt[4] = base >> 32;
    tss.iomap_base = sizeof(tss);
    lgdt(&(struct descriptor_table){sizeof(gdt) - 1, (uint64_t)gdt});
    load_segments(SELECTOR_CODE, SELECTOR_DATA);
    ltr(SELECTOR_TSS);
}

void interrupt_init(void)
{
    gdt_init();
    for (unsigned vector = 0; vector < VECTORS; vector++)
        gate_set(vector, 0);
    for (unsigned vector = VECTOR_INTERRUPTS; vector < VECTORS; vector++)
        vectors[vector].handler = handle_unexpected;
    lidt(&(struct descriptor_table){sizeof(idt) - 1, (uint64_t)idt});
}

static void use_own_stack(unsigned vector, unsigned ist)
{
    char *stack = stack_alloc(THREAD_STACK_BYTES);

    ASSERT(stack);
    tss.ist[ist] = (uint64_t)(stack + THREAD_STACK_BYTES);
    gate_set(vector, ist);
}

void interrupt_use_own_stacks(void)
{
    use_own_stack(VECTOR_DOUBLE_FAULT, IST_DOUBLE_FAULT);
    use_own_stack(VECTOR_NMI, IST_NMI);
    use_own_stack(VECTOR_MACHINE_CHECK, IST_MACHINE_CHECK);
}
