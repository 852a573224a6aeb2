/* See machine.h. */
#include "machine.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "lib/clock.h"
#include "support.h"
#include "thread/account.h"
#include "thread/arch.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

enum {
    PAGE_BYTES = 4096,
    SLACK_BYTES = 256 * 1024, /* more than a thread has in the kernel: libc, sanitizers and signal frames are greedy */
    STACKS_MAX = 1024,
    EVENTS_MAX = 64,
    PLACES_MAX = 8192,
    TRAP_FLAG = 0x100, /* RFLAGS.TF */
    INT3 = 0xcc,
};

/* What machine_explore() does not interrupt: functions of the machine's own. An interrupt in one of them comes before
 * or after it, which is explored anyway. */
#define NO_PLACES __attribute__((section("machine_no_places"), noinline))
extern const char __start_machine_no_places[], __stop_machine_no_places[];
extern const char __executable_start[], etext[];

struct machine machine = {.irq_on = true, .timer_ns = TIMER_NEVER, .stacks_max = STACKS_MAX};

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

static struct stack {
    char *bottom; /* of what was mapped, the guard page; NULL: none */
    size_t mapped_bytes;
} stacks[STACKS_MAX];
static size_t stacks_end; /* beyond the last one ever used */

NO_PLACES static struct stack *stack_around(const void *address)
{
    for (size_t i = 0; i < stacks_end; i++)
        if (stacks[i].bottom && (const char *)address >= stacks[i].bottom &&
            (const char *)address < stacks[i].bottom + stacks[i].mapped_bytes)
            return &stacks[i];
    return NULL;
}

NO_PLACES static void stack_unmap(struct stack *stack)
{
    cr_assert_eq(munmap(stack->bottom, stack->mapped_bytes), 0);
    stack->bottom = NULL;
    machine.stacks--;
}

NO_PLACES void *stack_alloc(size_t size_bytes)
{
    size_t mapped_bytes = PAGE_BYTES + SLACK_BYTES + size_bytes;
    struct stack *stack = stacks;
    char *bottom;

    if (machine.stacks >= machine.stacks_max)
        return NULL;
    while (stack->bottom)
        stack++;
    bottom = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(bottom != MAP_FAILED && mprotect(bottom, PAGE_BYTES, PROT_NONE) == 0);
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(bottom, mapped_bytes); /* what was at this address may have ended anywhere */
#endif
    *stack = (struct stack){bottom, mapped_bytes};
    if (stacks_end <= (size_t)(stack - stacks))
        stacks_end = (size_t)(stack - stacks) + 1;
    machine.stacks++;
    return bottom + mapped_bytes - size_bytes;
}

NO_PLACES void stack_free(void *memory, size_t size_bytes)
{
    struct stack *stack = stack_around(memory);

    cr_assert_not_null(stack, "freed twice, or never allocated");
    cr_assert_eq(stack->mapped_bytes, PAGE_BYTES + SLACK_BYTES + size_bytes);
    cr_assert_eq((char *)memory, stack->bottom + PAGE_BYTES + SLACK_BYTES);
    cr_assert_neq(stack_around(__builtin_frame_address(0)), stack, "freed under the running thread's feet");
    stack_unmap(stack);
}

/* Of the test's own flow. */
static struct {
    char *lowest;
    size_t size_bytes;
} boot_stack;

static void boot_stack_find(void)
{
    pthread_attr_t attributes;
    void *lowest;

    if (boot_stack.lowest)
        return;
    cr_assert_eq(pthread_getattr_np(pthread_self(), &attributes), 0);
    pthread_attr_getstack(&attributes, &lowest, &boot_stack.size_bytes);
    pthread_attr_destroy(&attributes);
    boot_stack.lowest = lowest;
}

/* Tells the address sanitizer which stack it is on, now that a switch may have changed it. */
NO_PLACES static void stack_announce(void)
{
#if defined(__SANITIZE_ADDRESS__)
    static const char *lowest;
    static size_t size_bytes;
    const char *here = __builtin_frame_address(0);
    const struct stack *stack;

    if (!boot_stack.lowest || (here >= lowest && here < lowest + size_bytes))
        return;
    stack = stack_around(here);
    lowest = stack ? stack->bottom : boot_stack.lowest;
    size_bytes = stack ? stack->mapped_bytes : boot_stack.size_bytes;
    __sanitizer_start_switch_fiber(NULL, lowest, size_bytes);
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
}

/* ---- exploring: its state ---------------------------------------------------------------------------------------- */

/*
 * The places are recorded by single steps, but for libraries, which run to their return. To interrupt one of the
 * places, its first byte becomes a breakpoint; a place that is passed several times is stepped over until it is the
 * right pass. So a run costs a few traps, not one a step.
 */
static struct {
    enum { NOT_EXPLORING, WARMING_UP, RECORDING, REPLAYING } mode;
    machine_handler *handler;
    bool open;
    bool halted; /* the recorded run has had its interrupt: nothing later can be interrupted instead */

    struct {
        uintptr_t ip;
        bool irq_on;
    } places[PLACES_MAX];
    unsigned count;

    unsigned place;
    unsigned passes; /* to be let by before the right one */
    bool stepping;   /* over the instruction under the breakpoint */

    uint8_t *breakpoint; /* NULL: none */
    uint8_t covered;     /* what it replaces */
} explorer;

/* ---- interrupts -------------------------------------------------------------------------------------------------- */

struct event {
    uint64_t at_ns;
    machine_handler *handler;
};

/* In the order of their arrival, not of their time. */
struct event_list {
    struct event events[EVENTS_MAX];
    unsigned count;
};

static struct event_list timed, when_idle;

static void event_add(struct event_list *list, uint64_t at_ns, machine_handler *handler)
{
    cr_assert_lt(list->count, EVENTS_MAX, "too many interrupts to come");
    list->events[list->count++] = (struct event){at_ns, handler};
}

static machine_handler *event_take(struct event_list *list, unsigned i)
{
    machine_handler *handler = list->events[i].handler;

    list->count--;
    memmove(&list->events[i], &list->events[i + 1], (list->count - i) * sizeof(list->events[0]));
    return handler;
}

NO_PLACES static unsigned earliest_event(void)
{
    unsigned earliest = 0;

    for (unsigned i = 1; i < timed.count; i++)
        if (timed.events[i].at_ns < timed.events[earliest].at_ns)
            earliest = i;
    return earliest;
}

NO_PLACES static uint64_t next_interrupt_ns(void)
{
    uint64_t event_ns = timed.count ? timed.events[earliest_event()].at_ns : TIMER_NEVER;

    return event_ns < machine.timer_ns ? event_ns : machine.timer_ns;
}

/* The timer asks once. */
NO_PLACES static machine_handler *take_next_interrupt(void)
{
    if (machine.timer_ns == next_interrupt_ns()) {
        machine.timer_ns = TIMER_NEVER;
        return sched_timer_interrupt;
    }
    return event_take(&timed, earliest_event());
}

/* From the gate to iretq, as interrupt() in the kernel. */
NO_PLACES static void deliver(machine_handler *handler)
{
    struct cpu *cpu = cpu_this();
    uint64_t begin_ns;

    machine.irq_on = false;
    machine.interrupts++;
    cpu->irq_depth++;
    begin_ns = support_clock_ns;
    handler();
    if (cpu->insight)
        account_interrupt(begin_ns);
    cpu->irq_depth--;
    if (sched_preempt_due(cpu))
        sched_preempt();
    stack_announce();
    machine.irq_on = true;
}

NO_PLACES static void deliver_due(void)
{
    while (machine.irq_on && next_interrupt_ns() <= support_clock_ns)
        deliver(take_next_interrupt());
}

void machine_interrupt(machine_handler *handler)
{
    if (machine.irq_on)
        deliver(handler);
    else
        event_add(&timed, support_clock_ns, handler);
}

void machine_at(uint64_t at_ns, machine_handler *handler)
{
    event_add(&timed, at_ns, handler);
}

void machine_when_idle(machine_handler *handler)
{
    event_add(&when_idle, 0, handler);
}

void machine_run(uint64_t duration_ns)
{
    while (machine.irq_on && next_interrupt_ns() <= support_clock_ns + duration_ns) {
        uint64_t at_ns = next_interrupt_ns();

        if (at_ns > support_clock_ns) {
            duration_ns -= at_ns - support_clock_ns;
            support_clock_ns = at_ns;
        }
        deliver(take_next_interrupt());
    }
    support_clock_ns += duration_ns;
}

/* ---- the rest of thread/arch.h ----------------------------------------------------------------------------------- */

NO_PLACES uint64_t irq_save(void)
{
    uint64_t flags = machine.irq_on ? IRQ_ENABLED : 0;

    machine.irq_on = false;
    return flags;
}

NO_PLACES void irq_restore(uint64_t flags)
{
    stack_announce();
    machine.irq_on = flags & IRQ_ENABLED;
    deliver_due();
}

NO_PLACES bool irq_enabled(void)
{
    return machine.irq_on;
}

NO_PLACES void timer_arm(uint64_t deadline_ns)
{
    cr_assert_not(machine.irq_on);
    machine.timer_ns = deadline_ns;
    machine.timer_arms++;
}

NO_PLACES void cpu_wait(void)
{
    stack_announce();
    cr_assert_not(machine.irq_on);
    cr_assert_eq(cpu_this()->ready_mask, 1u << THREAD_PRIORITY_IDLE, "halts while a thread is ready");
    machine.halts++;
    if (next_interrupt_ns() == TIMER_NEVER) {
        cr_assert_neq(when_idle.count, 0, "deadlock: halted, and no interrupt will come; %s", machine_place());
        explorer.halted = explorer.mode == RECORDING;
        deliver(event_take(&when_idle, 0));
        return;
    }
    if (support_clock_ns < next_interrupt_ns())
        support_clock_ns = next_interrupt_ns();
    deliver(take_next_interrupt());
}

/* An interrupted malloc() cannot be called again, so a state is one of these. */
enum { VECTOR_STATES = 64 };
static struct vector_state {
    bool taken;
    uint64_t vectors;
} vector_states[VECTOR_STATES];

NO_PLACES void *vector_state_alloc(void)
{
    struct vector_state *state = vector_states;

    if (machine.vector_states >= machine.vector_states_max)
        return NULL;
    while (state->taken)
        state++;
    *state = (struct vector_state){.taken = true};
    machine.vector_states++;
    return state;
}

NO_PLACES void vector_state_free(void *memory)
{
    struct vector_state *state = memory;

    cr_assert(state->taken, "freed twice, or never allocated");
    state->taken = false;
    machine.vector_states--;
}

NO_PLACES void vector_state_save(void *memory)
{
    struct vector_state *state = memory;

    cr_assert(state->taken && machine.vectors_on && !machine.irq_on);
    state->vectors = machine.vectors;
    machine.vector_saves++;
}

NO_PLACES void vector_state_load(const void *memory)
{
    const struct vector_state *state = memory;

    cr_assert(state->taken && machine.vectors_on && !machine.irq_on);
    machine.vectors = state->vectors;
    machine.vector_loads++;
}

NO_PLACES void vector_on(void)
{
    cr_assert_not(machine.irq_on);
    machine.vectors_on = true;
}

NO_PLACES void vector_off(void)
{
    cr_assert_not(machine.irq_on);
    machine.vectors_on = false;
}

NO_PLACES void space_enter(struct thread *thread)
{
    cr_assert_not(machine.irq_on);
    machine.space = thread;
    machine.space_enters++;
}

void machine_start(uint64_t quantum_ns)
{
    memset(vector_states, 0, sizeof(vector_states));
    timed.count = when_idle.count = 0;
    for (size_t i = 0; i < stacks_end; i++)
        if (stacks[i].bottom)
            stack_unmap(&stacks[i]);
    machine = (struct machine){.timer_ns = TIMER_NEVER, .stacks_max = STACKS_MAX, .vector_states_max = VECTOR_STATES};
    boot_stack_find();
    /* Its upper half, so that the account at its lowest end is memory that the flow may use at once. */
    sched_start(&machine.boot, boot_stack.lowest + boot_stack.size_bytes / 2, boot_stack.size_bytes / 2, quantum_ns);
    irq_restore(IRQ_ENABLED);
}

/* ---- an interrupt at every instruction --------------------------------------------------------------------------- */

static void breakpoint_set(uintptr_t ip)
{
    uintptr_t page = ip & ~(uintptr_t)(PAGE_BYTES - 1);

    cr_assert_eq(mprotect((void *)page, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
    explorer.breakpoint = (uint8_t *)ip;
    explorer.covered = *explorer.breakpoint;
    *(volatile uint8_t *)explorer.breakpoint = INT3;
}

/* Calls nothing: the breakpoint may be anywhere. */
static void breakpoint_clear(greg_t *registers)
{
    *(volatile uint8_t *)explorer.breakpoint = explorer.covered;
    explorer.breakpoint = NULL;
    registers[REG_RIP]--;
}

static bool is_program(uintptr_t ip)
{
    return ip >= (uintptr_t)__executable_start && ip < (uintptr_t)etext;
}

static bool is_place(uintptr_t ip)
{
    return is_program(ip) && !(ip >= (uintptr_t)__start_machine_no_places && ip < (uintptr_t)__stop_machine_no_places);
}

/* At a function's first instruction, its return address. The stack is not ours to read as the sanitizer sees it. */
__attribute__((no_sanitize_address)) static uintptr_t top_of_stack(const greg_t *registers)
{
    return *(const uintptr_t *)registers[REG_RSP];
}

static void record(greg_t *registers)
{
    uintptr_t ip = (uintptr_t)registers[REG_RIP];

    if (explorer.halted) {
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    } else if (!is_program(ip) && is_program(top_of_stack(registers))) {
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        breakpoint_set(top_of_stack(registers));
    } else if (is_place(ip)) {
        cr_assert_lt(explorer.count, PLACES_MAX, "the window is too long");
        explorer.places[explorer.count].ip = ip;
        explorer.places[explorer.count++].irq_on = machine.irq_on;
    }
}

static void replay(greg_t *registers)
{
    if (explorer.stepping) {
        explorer.stepping = false;
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        breakpoint_set(explorer.places[explorer.place].ip);
    } else if (explorer.passes) {
        explorer.passes--;
        explorer.stepping = true;
        registers[REG_EFL] |= TRAP_FLAG;
    } else {
        deliver(explorer.handler);
    }
}

static void trapped(int signal, siginfo_t *information, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    (void)signal;
    (void)information;
    if (explorer.breakpoint) {
        breakpoint_clear(registers);
        if (explorer.mode == RECORDING)
            registers[REG_EFL] |= TRAP_FLAG; /* back from the library */
    }
    if (explorer.mode == RECORDING)
        record(registers);
    else
        replay(registers);
}

NO_PLACES void machine_window_open(void)
{
    if (explorer.mode == WARMING_UP || explorer.mode == RECORDING)
        machine_when_idle(explorer.handler);
    explorer.open = true;
    if (explorer.mode == REPLAYING)
        breakpoint_set(explorer.places[explorer.place].ip);
    /* Beyond the red zone of the code around. */
    if (explorer.mode == RECORDING)
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq %0, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
                         :
                         : "i"(TRAP_FLAG)
                         : "cc", "memory");
}

NO_PLACES void machine_window_close(void)
{
    if (explorer.mode == RECORDING)
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq %0, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
                         :
                         : "i"(~TRAP_FLAG)
                         : "cc", "memory");
    explorer.open = false;
    cr_assert(!explorer.breakpoint && !explorer.stepping, "the scenario took another way; %s", machine_place());
}

static void run_scenario(void (*scenario)(void))
{
    scenario();
    cr_assert_not(explorer.open, "the scenario ended inside its window");
}

static unsigned passes_before(unsigned place)
{
    unsigned passes = 0;

    for (unsigned i = 0; i < place; i++)
        passes += explorer.places[i].ip == explorer.places[place].ip;
    return passes;
}

unsigned machine_explore(void (*scenario)(void), machine_handler *handler)
{
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};
    unsigned interrupted = 0;

    sigaction(SIGTRAP, &action, NULL);
    explorer.handler = handler;
    explorer.count = 0;
    explorer.halted = false;
    for (explorer.mode = WARMING_UP; explorer.mode <= RECORDING; explorer.mode++)
        run_scenario(scenario);
    explorer.mode = REPLAYING;
    for (unsigned i = 0; i < explorer.count; i++) {
        if (!explorer.places[i].irq_on)
            continue;
        explorer.place = i;
        explorer.passes = passes_before(i);
        run_scenario(scenario);
        interrupted++;
    }
    explorer.mode = NOT_EXPLORING;
    return interrupted;
}

const char *machine_place(void)
{
    static char text[96];

    if (explorer.mode != REPLAYING)
        return "no interrupt before the halt";
    snprintf(text, sizeof(text), "%s at step %u of %u, address %#lx",
             explorer.breakpoint || explorer.stepping ? "to be interrupted" : "interrupted", explorer.place,
             explorer.count, (unsigned long)explorer.places[explorer.place].ip);
    return text;
}
