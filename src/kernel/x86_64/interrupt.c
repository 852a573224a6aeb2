/* GDT, TSS, IDT, and where entry.S leads. */
#include "kernel/x86_64/interrupt.h"

#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"
#include "kernel/x86_64/stacks.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "lib/page_fault.h"
#include "lib/trace.h"
#include "thread/account.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum {
    SELECTOR_CODE = SELECTOR_KERNEL_CODE,
    SELECTOR_DATA = SELECTOR_KERNEL_DATA,
    SELECTOR_TSS = 0x28,
    GATE_INTERRUPT = 0x8e, /* present, ring 0, interrupts off on entry */
    GATE_OF_USER = 0x60,   /* for ring 3's software interrupts too */
    TSS_AVAILABLE = 0x89,

    IST_DOUBLE_FAULT = 1,
    IST_NMI = 2,
    IST_MACHINE_CHECK = 3,
    ISTS,

    CR4_MCE = 1 << 6,
    CPUID_EDX_MCE = 1 << 7,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_MC0_STATUS = 0x401, /* four registers a bank */
    MCG_CAP_BANKS = 0xff,
};
#define MC_STATUS_VALID (UINT64_C(1) << 63)

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

static uint64_t gdt[7];
struct tss cpu_tss; /* syscall.S knows where rsp[0] is */
_Static_assert(offsetof(struct tss, rsp) == 4, "syscall.S loads it from there");
static struct gate idt[VECTORS];
static void (*system_call_gate)(void); /* NULL: it is closed */
static interrupt_handler *handlers[VECTORS];
static uint64_t counts[VECTORS];
static bool warned[VECTORS];
static interrupt_handler *timed_handlers[VECTORS]; /* NULL, but while handlers are timed */
static interrupt_handler *edge_handlers[VECTORS];
static interrupt_handler **behind = handlers; /* what stands before all others left out: edge_handlers then */
static exception_handler *exception_handlers[VECTOR_INTERRUPTS];
static user_exception_handler *user_handler;
static uint64_t exception_counts[VECTOR_INTERRUPTS];
static struct {
    const char *name;
    char *stack;
} own_stacks[ISTS];
/* The vectors below these come from the first 8259, and from both; 0 if none does. */
static size_t pic_master_end = PIC_VECTOR + PIC_SLAVE_LINE, pic_vectors_end = PIC_VECTOR + PIC_LINES;
static uint64_t spurious;
static uint64_t unexpected;

/* The first of each vector: more of them would only say it again. */
static seldom void warn_once(unsigned vector, const char *what)
{
    if (warned[vector])
        return;
    warned[vector] = true;
    log_warning("%s interrupt, vector 0x%x", what, vector);
}

static void handle_unexpected(unsigned vector)
{
    unexpected++;
    warn_once(vector, "unexpected");
}

interrupt_handler *interrupt_set(unsigned vector, interrupt_handler *handler)
{
    interrupt_handler **place, *previous;

    ASSERT(vector >= VECTOR_INTERRUPTS && vector < VECTORS);
    place = timed_handlers[vector] ? &timed_handlers[vector] : &behind[vector];
    previous = *place;
    *place = handler;
    return previous;
}

static void handle_timed(unsigned vector)
{
    uint64_t begin_ns = clock_now_ns();

    trace_note(TRACE_INTERRUPT, vector);
    timed_handlers[vector](vector);
    trace_note(TRACE_INTERRUPT_END, vector);
    account_interrupt(begin_ns);
}

/* One handler stands before all others only while it has to, so that nothing asks whether it has to. */
seldom void interrupt_set_insight(bool on)
{
    uint64_t flags = irq_save();

    for (unsigned vector = VECTOR_INTERRUPTS; vector < VECTORS; vector++) {
        if (on == (timed_handlers[vector] != NULL))
            continue;
        if (on)
            timed_handlers[vector] = behind[vector];
        behind[vector] = on ? handle_timed : timed_handlers[vector];
        if (!on)
            timed_handlers[vector] = NULL;
    }
    account_insight(on);
    irq_restore(flags);
}

uint64_t interrupt_count(unsigned vector)
{
    if (vector < VECTOR_INTERRUPTS)
        return exception_counts[vector];
    ASSERT(vector < VECTORS);
    return counts[vector];
}

uint64_t interrupt_spurious(void)
{
    return spurious;
}

uint64_t interrupt_unexpected(void)
{
    return unexpected;
}

void interrupt_leave_pic(void)
{
    pic_master_end = pic_vectors_end = 0;
}

/* Ends the interrupt where it came from. */
static void interrupt_end(size_t vector)
{
    if (likely(vector < pic_master_end))
        pic_end_master();
    else if (vector < pic_vectors_end)
        pic_end_slave();
    else
        apic_end();
}

/*
 * kpreempt=off: the way out of an interrupt does not switch, but where it leads back to ring 3 is an edge. Ended before
 * the switch, so once more after it, when nothing is in service: no controller minds that (Intel 8259A data sheet,
 * OCW2; SDM vol. 3, 10.8.5).
 */
static seldom void handle_before_edge(unsigned vector)
{
    uintptr_t *const *frame = __builtin_frame_address(0); /* ours; interrupt()'s; and above its return address */
    const struct interrupt_frame *from = (const void *)(frame[0] + 2);
    struct cpu *cpu = cpu_this();

    edge_handlers[vector](vector);
    if (!interrupt_from_user(from->cs) || !cpu->need_resched)
        return;
    interrupt_end(vector);
    cpu->irq_depth--;
    sched_preempt_edge();
    cpu->irq_depth++;
}

runs_once void interrupt_preempt_at_edges(void)
{
    uint64_t flags = irq_save();

    ASSERT(behind == handlers);
    for (unsigned vector = VECTOR_INTERRUPTS; vector < VECTORS; vector++) {
        edge_handlers[vector] = handlers[vector];
        handlers[vector] = handle_before_edge;
    }
    behind = edge_handlers;
    irq_restore(flags);
}

/* Lines 7 and 15, and the APIC's own vector, also stand for an interrupt that went away. */
static bool interrupt_is_spurious(unsigned vector)
{
    if (vector == APIC_SPURIOUS_VECTOR)
        return true;
    return vector < pic_vectors_end && pic_spurious(vector - PIC_VECTOR);
}

/* Ended before a switch, as the thread switched to may not come back here for long. */
static inline __attribute__((always_inline)) void interrupt_take(struct cpu *cpu, size_t vector)
{
    cpu->irq_depth++;
    counts[vector]++;
    handlers[vector]((unsigned)vector);
    interrupt_end(vector);
    cpu->irq_depth--;
    if (sched_preempt_due(cpu)) {
        sched_preempt_now();
        atomic_signal_fence(
            memory_order_seq_cst); /* not a tail call: this frame's end can wait until after the switch */
    }
}

/* Every vector from 32 on, but for those whose lower three bits are set: some of these may be spurious. The stub fills
 * all of the register. */
void interrupt(size_t vector);
void interrupt_unless_spurious(size_t vector);

void interrupt(size_t vector)
{
    interrupt_take(cpu_this(), vector);
}

void interrupt_unless_spurious(size_t vector)
{
    if (interrupt_is_spurious((unsigned)vector)) {
        spurious++;
        warn_once((unsigned)vector, "spurious");
    } else {
        interrupt_take(cpu_this(), vector);
    }
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

const char *exception_name(unsigned vector)
{
    return vector < VECTOR_INTERRUPTS ? exception_names[vector] : "no exception";
}

exception_handler *exception_set(unsigned vector, exception_handler *handler)
{
    exception_handler *previous;

    ASSERT(vector < VECTOR_INTERRUPTS);
    previous = exception_handlers[vector];
    exception_handlers[vector] = handler;
    return previous;
}

void *interrupt_stack(unsigned vector)
{
    ASSERT(vector < VECTORS);
    return idt[vector].ist ? own_stacks[idt[vector].ist].stack : NULL;
}

/* Whose stack begins at `stack`, in words. */
static void stack_owner(char *buffer, size_t size, const void *stack)
{
    for (unsigned ist = 1; ist < ISTS; ist++)
        if (own_stacks[ist].stack == stack)
            format_text(buffer, size, "the %s stack", own_stacks[ist].name);
    list_for_each (node, &thread_all) {
        const struct thread *thread = container_of(node, struct thread, all);

        if (thread->stack != stack)
            continue;
        if (thread == thread_current())
            format_text(buffer, size, "its stack");
        else
            format_text(buffer, size, "the stack of thread %s", thread->name);
    }
}

/* Running into a guard page faults; with no stack left to push the fault's frame on, it becomes a double fault. */
static void describe_overflow(char *buffer, size_t size, uint64_t address)
{
    const char *stack = stack_guarding(address);
    char owner[48] = "a stack that nobody has";

    *buffer = '\0';
    if (!stack)
        return;
    stack_owner(owner, sizeof(owner), stack);
    format_text(buffer, size, ", %lu bytes under %s: stack overflow", (unsigned long)((uint64_t)stack - address),
                owner);
}

static _Noreturn void memory_fault(const struct trap_frame *frame)
{
    uint64_t address = read_cr2();
    const struct thread *thread = thread_current();
    const char *name = thread ? thread->name : "none";
    struct translation page;
    char overflow[96];
    char tried[96];

    describe_overflow(overflow, sizeof(overflow), address);
    if (frame->vector == VECTOR_DOUBLE_FAULT && !*overflow)
        panic_exception(frame, "double fault, in thread %s", name);
    page_fault_describe(tried, sizeof(tried), address,
                        frame->vector == VECTOR_DOUBLE_FAULT ? PAGE_FAULT_WRITE : frame->error,
                        mmu_translate_unlocked((const void *)address, &page) == STATUS_OK ? &page : NULL);
    panic_exception(frame, "%s: %s, in thread %s%s", exception_names[frame->vector], tried, name, overflow);
}

/* Which of the CPU's banks have an error (SDM vol. 3, 15.3.2). */
static _Noreturn void machine_check(const struct trap_frame *frame)
{
    unsigned banks = rdmsr(MSR_MCG_CAP) & MCG_CAP_BANKS;

    for (unsigned bank = 0; bank < banks; bank++) {
        uint64_t status = rdmsr(MSR_MC0_STATUS + 4 * bank);

        if (status & MC_STATUS_VALID)
            panic_exception(frame, "machine check: bank %u says 0x%lx, the CPU 0x%lx", bank, (unsigned long)status,
                            (unsigned long)rdmsr(MSR_MCG_STATUS));
    }
    panic_exception(frame, "machine check: no bank says why, the CPU 0x%lx", (unsigned long)rdmsr(MSR_MCG_STATUS));
}

static seldom _Noreturn void exception_fatal(const struct trap_frame *frame)
{
    if (frame->vector == VECTOR_PAGE_FAULT || frame->vector == VECTOR_DOUBLE_FAULT)
        memory_fault(frame);
    if (frame->vector == VECTOR_MACHINE_CHECK)
        machine_check(frame);
    panic_exception(frame, "%s, error code 0x%lx", exception_names[frame->vector], (unsigned long)frame->error);
}

static bool breakpoint_taken(struct trap_frame *frame)
{
    console_print("breakpoint at %p\n", (void *)frame->rip);
    return true;
}

/* Where an instruction that touches ring 3's memory may fault, and where it goes on then: listed by user_copy.S. */
struct fault_site {
    uint64_t address, resume;
};
extern const struct fault_site fault_sites_start[], fault_sites_end[];

static bool fault_recovered(struct trap_frame *frame)
{
    for (const struct fault_site *site = fault_sites_start; site < fault_sites_end; site++)
        if (frame->rip == site->address) {
            frame->rip = site->resume;
            return true;
        }
    return false;
}

/* The others come to whoever runs. */
static bool is_own_doing(uint64_t vector)
{
    return vector != VECTOR_NMI && vector != VECTOR_DOUBLE_FAULT && vector != VECTOR_MACHINE_CHECK;
}

void exception(struct trap_frame *frame);

void exception(struct trap_frame *frame)
{
    exception_handler *handler = exception_handlers[frame->vector];

    exception_counts[frame->vector]++;
    if (interrupt_from_user(frame->cs) && is_own_doing(frame->vector)) {
        user_handler(frame);
        return;
    }
    if (handler && handler(frame))
        return;
    if (frame->vector != VECTOR_PAGE_FAULT || !fault_recovered(frame))
        exception_fatal(frame);
}

/*
 * Ring 3 may leave AC set, which would switch SMAP off in the handler of whatever interrupts it. Where there can be a
 * ring 3, and SMAP, the padded cld of each way in becomes a clac and a cld in the same five bytes.
 */
extern char cld_of_gate[], cld_of_gate_at_edges[], cld_of_interrupt[], cld_of_doubtful[], cld_of_exception[],
    irqoff_cld_of_interrupt[], irqoff_cld_of_exception[];

static runs_once void clear_ac(char *site)
{
    static const uint8_t CLD[] = {0x2e, 0x2e, 0x2e, 0x2e, 0xfc};
    static const uint8_t CLAC_CLD[] = {0x0f, 0x01, 0xca, 0x2e, 0xfc};
    uint64_t flags;

    if (memcmp(site, CLD, sizeof(CLD)) != 0)
        return; /* a call of irqoff.S, which has a site of its own */
    flags = irq_save();
    mmu_patch(site, CLAC_CLD, sizeof(CLAC_CLD));
    irq_restore(flags);
}

runs_once void interrupt_expect_user(user_exception_handler *handler)
{
    user_handler = handler;
    if (!mmu_protections.smap)
        return;
    clear_ac(cld_of_interrupt);
    clear_ac(cld_of_doubtful);
    clear_ac(cld_of_gate);
    clear_ac(cld_of_gate_at_edges);
    clear_ac(cld_of_exception);
    clear_ac(irqoff_cld_of_interrupt);
    clear_ac(irqoff_cld_of_exception);
}

static struct gate gate_to(unsigned vector, unsigned ist)
{
    bool open = vector == VECTOR_SYSTEM_CALL && system_call_gate;
    uint64_t offset = open ? (uint64_t)system_call_gate : (uint64_t)vector_stubs[vector];

    return (struct gate){.offset_low = (uint16_t)offset,
                         .selector = SELECTOR_CODE,
                         .ist = (uint8_t)ist,
                         .type = open ? GATE_INTERRUPT | GATE_OF_USER : GATE_INTERRUPT,
                         .offset_middle = (uint16_t)(offset >> 16),
                         .offset_high = (uint32_t)(offset >> 32)};
}

static void gate_set(unsigned vector, unsigned ist)
{
    idt[vector] = gate_to(vector, ist);
}

runs_once static void gdt_init(void)
{
    uint64_t base = (uint64_t)&cpu_tss;

    gdt[1] = UINT64_C(0x00209a0000000000); /* 64-bit code, ring 0 */
    gdt[2] = UINT64_C(0x0000920000000000); /* data, ring 0 */
    gdt[3] = UINT64_C(0x0000f20000000000); /* data, ring 3 */
    gdt[4] = UINT64_C(0x0020fa0000000000); /* 64-bit code, ring 3 */
    gdt[5] = (sizeof(cpu_tss) - 1) | (base & 0xffffff) << 16 | (uint64_t)TSS_AVAILABLE << 40 |
             (base >> 24 & 0xff) << 56;
    gdt[6] = base >> 32;
    cpu_tss.iomap_base = sizeof(cpu_tss); /* no port is ring 3's */
    lgdt(&(struct descriptor_table){sizeof(gdt) - 1, (uint64_t)gdt});
    lldt(0); /* after a reset there is one, at address 0 */
    load_segments(SELECTOR_CODE, SELECTOR_DATA);
    ltr(SELECTOR_TSS);
}

/* The IDT first: boot.S's cannot do with the new TSS, whose stacks are not there yet. */
runs_once void interrupt_init(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++)
        gate_set(vector, 0);
    for (unsigned vector = VECTOR_INTERRUPTS; vector < VECTORS; vector++)
        handlers[vector] = handle_unexpected;
    exception_handlers[VECTOR_BREAKPOINT] = breakpoint_taken;
    lidt(&(struct descriptor_table){sizeof(idt) - 1, (uint64_t)idt});
    gdt_init();
}

static void use_own_stack(unsigned vector, unsigned ist)
{
    char *stack = stack_alloc(THREAD_STACK_BYTES);

    ASSERT(stack);
    own_stacks[ist].name = exception_names[vector];
    own_stacks[ist].stack = stack;
    cpu_tss.ist[ist] = (uint64_t)(stack + THREAD_STACK_BYTES);
    gate_set(vector, ist);
}

runs_once void interrupt_use_own_stacks(void)
{
    use_own_stack(VECTOR_DOUBLE_FAULT, IST_DOUBLE_FAULT);
    use_own_stack(VECTOR_NMI, IST_NMI);
    use_own_stack(VECTOR_MACHINE_CHECK, IST_MACHINE_CHECK);
    if (cpuid(1).edx & CPUID_EDX_MCE)
        write_cr4(read_cr4() | CR4_MCE); /* without it a machine check shuts the machine down (SDM vol. 3, 2.5) */
}

_Static_assert((int)PIC_VECTOR >= (int)VECTOR_INTERRUPTS, "the lines' vectors are no exceptions'");

runs_once const char *interrupt_check(void)
{
    struct descriptor_table loaded;

    if (!irq_enabled())
        return "interrupts are off";
    sidt(&loaded);
    if (loaded.base != (uint64_t)idt || loaded.limit != sizeof(idt) - 1)
        return "another IDT is loaded";
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        struct gate gate = gate_to(vector, idt[vector].ist);
        bool own_stack = vector == VECTOR_NMI || vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_MACHINE_CHECK;

        if (memcmp(&gate, &idt[vector], sizeof(gate)) != 0 || own_stack != (gate.ist != 0))
            return "a gate of the IDT leads elsewhere";
    }
    return NULL;
}

void interrupt_open_gate(void (*entry)(void))
{
    system_call_gate = entry;
    gate_set(VECTOR_SYSTEM_CALL, 0);
}

bool interrupt_gate_open(void)
{
    return system_call_gate;
}

void interrupt_use_stack(uintptr_t top)
{
    cpu_tss.rsp[0] = top;
}

const void *interrupt_own_stack(uintptr_t address)
{
    for (unsigned ist = IST_DOUBLE_FAULT; ist <= IST_MACHINE_CHECK; ist++) {
        uintptr_t top = cpu_tss.ist[ist];

        if (top && address < top && address >= top - THREAD_STACK_BYTES)
            return (const void *)(top - THREAD_STACK_BYTES);
    }
    return NULL;
}
