/*
 * Exceptions: what a handler finds, what the interrupted flow finds afterwards, and what the report says.
 */
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "lib/mem.h"
#include "thread/arch.h"

static bool has_error_code(unsigned vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 ||
           vector == 30;
}

/* What the handler of the exception last tried was given. */
static struct {
    struct trap_frame frame;
    unsigned calls;
    bool aligned;
    bool interrupts;
    bool own_stack;
} taken;

static bool take(struct trap_frame *frame)
{
    taken.frame = *frame;
    taken.calls++;
    taken.aligned = (uintptr_t)__builtin_frame_address(0) % 16 == 0; /* rbp, pushed after a return address */
    taken.interrupts = irq_enabled();
    taken.own_stack = interrupt_own_stack((uintptr_t)frame) != NULL;
    return true;
}

TEST(all_exceptions, "exceptions.each_returns_intact")
{
    static struct registers registers;

    for (unsigned vector = 0; vector < VECTOR_INTERRUPTS; vector++) {
        exception_handler *before = exception_set(vector, take);
        uint64_t count = interrupt_count(vector);

        taken.calls = 0;
        registers_init(&registers, 0x1234 + vector, vector % 2 ? FLAGS_ALL : 0);
        registers_across_exception[vector](&registers);
        (void)exception_set(vector, before);
        registers_check(&registers);
        CHECK_EQUAL(taken.calls, 1);
        CHECK_EQUAL(interrupt_count(vector), count + 1);
        CHECK_EQUAL(taken.frame.vector, vector);
        CHECK_EQUAL(taken.frame.error, has_error_code(vector) ? 0x500 + vector : 0);
        CHECK_EQUAL(taken.frame.r15, registers.r15);
        CHECK_EQUAL(taken.frame.rax, registers.rax);
        CHECK(taken.aligned);
        CHECK(!taken.interrupts);
    }
}

TEST(own_stacks, "exceptions.own_stacks_are_used")
{
    static const unsigned vectors[] = {VECTOR_NMI, VECTOR_MACHINE_CHECK, VECTOR_BREAKPOINT};
    static struct registers registers;

    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        exception_handler *before = exception_set(vectors[i], take);

        registers_init(&registers, 7, 0);
        registers_across_exception[vectors[i]](&registers);
        (void)exception_set(vectors[i], before);
        CHECK_EQUAL(taken.own_stack, vectors[i] != VECTOR_BREAKPOINT);
        CHECK_EQUAL(taken.frame.rip >= (uint64_t)registers_across_exception[vectors[i]], true);
    }
}

enum {
    APIC_ID = 0x20,
    APIC_ICR_LOW = 0x300,
    APIC_ICR_HIGH = 0x310,
    ICR_NMI = 4 << 8,
    ICR_ASSERT = 1 << 14,
};

/* From the local APIC to itself: Intel SDM vol. 3, 10.6.1. */
static void raise_nmi(void)
{
    apic_register_set(APIC_ICR_HIGH, apic_register(APIC_ID) & 0xff000000);
    apic_register_set(APIC_ICR_LOW, ICR_NMI | ICR_ASSERT);
}

TEST(nmi, "exceptions.nmi_interrupts_off")
{
    exception_handler *before = exception_set(VECTOR_NMI, take);
    uint64_t flags = irq_save();

    taken.calls = 0;
    raise_nmi();
    for (unsigned i = 0; i < 1000 && !taken.calls; i++)
        pause();
    CHECK_EQUAL(taken.calls, 1);
    CHECK(taken.own_stack);
    taken.calls = 0;
    raise_nmi(); /* the iretq let the next one in */
    for (unsigned i = 0; i < 1000 && !taken.calls; i++)
        pause();
    CHECK_EQUAL(taken.calls, 1);
    irq_restore(flags);
    (void)exception_set(VECTOR_NMI, before);
}

static struct {
    unsigned calls;
    uintptr_t stack;
    unsigned deeper;
} again;

/* Asks for itself again. Between its end at the controller and iretq only the interrupt flag keeps that one out, which
 * would pile up on this one's stack. */
static void raise_again(unsigned vector)
{
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);

    if (!again.calls++)
        again.stack = stack;
    again.deeper += stack != again.stack;
    if (again.calls < 100)
        apic_register_set(APIC_ICR_LOW, vector | ICR_ASSERT);
}

TEST(next_after_iretq, "exceptions.next_after_iretq")
{
    interrupt_handler *before = interrupt_set(SUITE_VECTOR_UNUSED, raise_again);
    uint64_t end = clock_now_ns() + 1000 * MS;

    apic_register_set(APIC_ICR_HIGH, apic_register(APIC_ID) & 0xff000000);
    apic_register_set(APIC_ICR_LOW, SUITE_VECTOR_UNUSED | ICR_ASSERT);
    while (*(volatile unsigned *)&again.calls < 100 && clock_now_ns() < end)
        pause();
    (void)interrupt_set(SUITE_VECTOR_UNUSED, before);
    CHECK_EQUAL(again.calls, 100);
    CHECK_EQUAL(again.deeper, 0);
}

/* Faults while a fault is delivered (Intel SDM vol. 3, table 6-5). A copy of the IDT with another gate for vector 0, so
 * placed that gate 0 alone lies on a page of its own. */
static struct {
    struct descriptor_table real;
    struct descriptor_table copy;
    char *pages;
    unsigned page_faults;
    unsigned divide_errors;
} nested;

static bool map_gate_0(struct trap_frame *frame)
{
    (void)frame;
    nested.page_faults++;
    CHECK_EQUAL(read_cr2(), nested.copy.base);
    lidt(&nested.real);
    return true; /* the division is tried again */
}

static bool skip_division(struct trap_frame *frame)
{
    nested.divide_errors++;
    frame->rip = (uint64_t)try_failed;
    return true;
}

static void copy_idt(void)
{
    struct physical frame;

    sidt(&nested.real);
    nested.pages = mmu_reserve(3 * (size_t)PAGE_BYTES);
    for (size_t i = 1; i < 3; i++) {
        if (frame_alloc(&frame) != STATUS_OK ||
            mmu_map(nested.pages + i * PAGE_BYTES, frame, PAGE_BYTES, PAGE_WRITE) != STATUS_OK)
            panic("no memory for a copy of the IDT");
    }
    nested.copy.base = (uint64_t)nested.pages + PAGE_BYTES - 16;
    nested.copy.limit = nested.real.limit;
    memcpy(nested.pages + PAGE_BYTES, (const char *)nested.real.base + 16, (size_t)nested.real.limit + 1 - 16);
}

TEST(fault_in_delivery, "exceptions.page_fault_nested")
{
    exception_handler *page_fault = exception_set(VECTOR_PAGE_FAULT, map_gate_0);
    exception_handler *divide_error = exception_set(0, skip_division);
    uint64_t flags = irq_save();

    copy_idt();
    lidt(&nested.copy);
    divide_by_zero();
    irq_restore(flags);
    CHECK_EQUAL(nested.page_faults, 1);
    CHECK_EQUAL(nested.divide_errors, 1);
    (void)exception_set(VECTOR_PAGE_FAULT, page_fault);
    (void)exception_set(0, divide_error);
}

/* A gate that is not present makes vector 11, which is contributory as vectors 0 and 13 are. */
static void without_gate(unsigned vector)
{
    copy_idt();
    nested.copy.base = (uint64_t)nested.pages + PAGE_BYTES;
    memcpy(nested.pages + PAGE_BYTES, (const char *)nested.real.base, (size_t)nested.real.limit + 1);
    memset(nested.pages + PAGE_BYTES + 16 * vector, 0, 16);
    memset(nested.pages + PAGE_BYTES + 16 * 11, 0, 16);
    (void)irq_save();
    lidt(&nested.copy);
}

TEST_PANICS(two_contributory, "panic.double_fault_of_divide", "double fault, in thread boot")
{
    without_gate(0);
    divide_by_zero();
}

static volatile uintptr_t far_away = UINT64_C(0x0010000000000000);

TEST_PANICS(two_protection, "panic.double_fault_of_gp", "double fault, in thread boot")
{
    without_gate(13);
    *(volatile uint32_t *)far_away = 1;
}

static bool deepen_once(struct trap_frame *frame)
{
    static unsigned calls;

    (void)frame;
    return calls++ == 0 && deepen(0) != 0;
}

static void overflow_in(unsigned vector)
{
    static struct registers registers;

    (void)exception_set(vector, deepen_once);
    registers_init(&registers, 1, 0);
    registers_across_exception[vector](&registers);
}

TEST_PANICS(overflow_nmi, "panic.overflow_in_nmi", "under the NMI stack: stack overflow")
{
    overflow_in(VECTOR_NMI);
}

TEST_PANICS(overflow_machine_check, "panic.overflow_in_machine_check", "under the machine check stack: stack overflow")
{
    overflow_in(VECTOR_MACHINE_CHECK);
}

TEST_PANICS(overflow_double_fault, "panic.overflow_in_double_fault", "under the double fault stack: stack overflow")
{
    (void)exception_set(VECTOR_DOUBLE_FAULT, deepen_once);
    stack_nowhere();
}

/* Each exception that nobody handles ends the machine by its name. */
static void end_by(unsigned vector)
{
    static struct registers registers;

    (void)exception_set(vector, NULL);
    registers_init(&registers, 1, 0);
    registers_across_exception[vector](&registers);
}

#define ENDS_BY(number, words)                                    \
    TEST_PANICS(ends_by_##number, "panic.vector_" #number, words) \
    {                                                             \
        end_by(number);                                           \
    }

ENDS_BY(0, "divide error")
ENDS_BY(1, "debug")
ENDS_BY(2, "NMI")
ENDS_BY(3, "breakpoint")
ENDS_BY(4, "overflow")
ENDS_BY(5, "bound range exceeded")
ENDS_BY(6, "invalid opcode")
ENDS_BY(7, "device not available")
ENDS_BY(8, "double fault")
ENDS_BY(9, "coprocessor segment overrun")
ENDS_BY(10, "invalid TSS, error code 0x50a")
ENDS_BY(11, "segment not present, error code 0x50b")
ENDS_BY(12, "stack fault, error code 0x50c")
ENDS_BY(13, "general protection, error code 0x50d")
ENDS_BY(14, "page fault")
ENDS_BY(15, "reserved (15)")
ENDS_BY(16, "x87 error")
ENDS_BY(17, "alignment check, error code 0x511")
ENDS_BY(18, "machine check")
ENDS_BY(19, "SIMD error")
ENDS_BY(20, "virtualization")
ENDS_BY(21, "control protection, error code 0x515")
ENDS_BY(22, "reserved (22)")
ENDS_BY(23, "reserved (23)")
ENDS_BY(24, "reserved (24)")
ENDS_BY(25, "reserved (25)")
ENDS_BY(26, "reserved (26)")
ENDS_BY(27, "reserved (27)")
ENDS_BY(28, "hypervisor injection")
ENDS_BY(29, "VMM communication, error code 0x51d")
ENDS_BY(30, "security, error code 0x51e")
ENDS_BY(31, "reserved (31)")
