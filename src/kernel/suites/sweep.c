/* The sweep: see sweep.h. */
#include "kernel/suites/sweep.h"

#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "lib/format.h"
#include "lib/mem.h"
#include "lib/symbols.h"
#include "thread/arch.h"

enum {
    APIC_IN_SERVICE = 0x100, /* eight registers, 16 bytes apart; Intel SDM vol. 3, 10.8.4 */
    APIC_REQUESTED = 0x200,
    APIC_SETS = 8,
    APIC_LVT_TIMER = 0x320,
    APIC_TIMER_INITIAL = 0x380,
    GATE_BYTES = 16,

    VECTOR_DEBUG = 1,
    FLAG_TRAP = 0x100,     /* RFLAGS.TF */
    FLAG_RESUME = 0x10000, /* RFLAGS.RF: the CPU's own */
    FLAGS_NOBODYS = FLAG_TRAP | FLAG_RESUME,
    OPCODE_STI = 0xfb,
    OPCODE_HLT = 0xf4,

    TRACE_MAX = 16384,
    FAR_TICKS = 50 * MS, /* no window is as long, even in single steps; every halt lasts until then */
    WATCH_NS = 500 * MS, /* nothing takes as long, unless a wake was lost */
    STRAIGHT_TICKS = 20,
    FAILURES_TOLD = 8,
    THREADS_MAX = 100,
};

extern void (*const vector_stubs[VECTORS])(void);
extern char symbols_start[], symbols_end[];

/* The boundary before an instruction. */
struct boundary {
    uint64_t rip;
    bool open; /* an interrupt can be delivered here */
};

static struct {
    struct boundary boundaries[TRACE_MAX];
    unsigned count;
    bool running;
} trace;

/* From boundary 0 of any window: */
static struct {
    bool known;
    int64_t arm_ticks;     /* what the timer is to be told, beyond the boundary's number */
    int64_t handler_ticks; /* when the handler reads the clock, from sweep_open()'s reading */
} constant;

static struct {
    const struct sweep *sweep;
    volatile uint32_t *timer_count;
    uint32_t ticks;     /* that the timer is to be told */
    uint64_t due_ticks; /* from opening to when the interrupt will have been delivered */
    bool traced;

    bool open, opened, struck, in_window;
    uint64_t opened_ticks, struck_ticks;
    unsigned returns;
    struct thread *thread; /* that was struck */
    int32_t preempt_count; /* of it */
    unsigned failures;
    unsigned told;                      /* of this scenario's */
    char place[SYMBOL_NAME_BYTES + 32]; /* for messages */

    struct timer watch;
    struct waker watcher;
} run;

static struct counts {
    uint64_t instructions, boundaries, hit, masked, missed, failures;
} total;
static unsigned scenarios;

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static void name_place(char *text, size_t size, uint64_t rip)
{
    struct symbol symbol;

    if (symbols_lookup(symbols_start, (size_t)(symbols_end - symbols_start), rip, &symbol) == STATUS_OK)
        format_text(text, size, "%s+0x%x", symbol.name, symbol.offset);
    else
        format_text(text, size, "0x%lx", (unsigned long)rip);
}

void sweep_fail(const char *file, int line, const char *what)
{
    if (run.failures++ == 0 && run.told++ < FAILURES_TOLD)
        suite_fail(file, line, "%s; interrupted at %s", what, run.place);
}

/* Whatever waits now would wait for ever, and so would the test. */
static void lose(struct waker *waker)
{
    (void)waker;
    panic("%s: a wake is lost; interrupted at %s", run.sweep->name, run.place);
}

/* ---- the timer, which is the scheduler's but for the time of a window ------------------------------------------- */

/* A scheduler that believes the timer armed for the earliest moment of all does not touch it. */
static void timer_borrow(void)
{
    cpu_this()->timer_armed_ns = 0;
    apic_register_set(APIC_TIMER_INITIAL, 0);
    apic_register_set(APIC_LVT_TIMER, SWEEP_VECTOR);
}

static void timer_return(void)
{
    struct cpu *cpu = cpu_this();

    apic_register_set(APIC_TIMER_INITIAL, 0);
    apic_register_set(APIC_LVT_TIMER, APIC_TIMER_VECTOR);
    cpu->timer_armed_ns = timer_queue_next_deadline(&cpu->timers);
    timer_arm(cpu->timer_armed_ns);
}

/* ---- the window -------------------------------------------------------------------------------------------------- */

uint64_t sweep_deadline_ns(void)
{
    uint64_t ticks = run.opened_ticks + run.due_ticks;

    return ticks / clock_tsc_hz() * 1000000000 + ticks % clock_tsc_hz() * 1000000000 / clock_tsc_hz();
}

void sweep_open(void)
{
    uint64_t flags = irq_save();

    SWEEP_CHECK(!run.opened);
    timer_borrow();
    irq_restore(flags);
    trace.running = run.traced;
    run.opened = run.open = true;
    run.opened_ticks = clock_ticks();
    sweep_arm(run.timer_count, run.ticks, run.traced ? FLAG_TRAP : 0);
}

/* Its first steps belong to the window, as interrupts are on there. */
__attribute__((noinline)) void sweep_close(void)
{
    uint64_t flags;

    run.open = false;
    flags = irq_save();
    trace.running = false;
    if (!run.struck)
        timer_return();
    irq_restore(flags);
}

/* The interrupt. */
static void strike(unsigned vector)
{
    struct cpu *cpu = cpu_this();

    (void)vector;
    run.struck_ticks = clock_ticks();
    SWEEP_CHECK(!run.struck && cpu->irq_depth == 1);
    run.struck = true;
    run.in_window = run.open;
    run.open = false;
    run.thread = cpu->current;
    run.preempt_count = cpu->preempt_count;
    timer_return();
    if (run.sweep->strike)
        run.sweep->strike();
}

/* Called on the way back into the thread that was interrupted, its registers stored. */
void sweep_returned(void);

void sweep_returned(void)
{
    const struct cpu *cpu = cpu_this();

    run.returns++;
    SWEEP_CHECK(cpu->current == run.thread);
    SWEEP_CHECK(cpu->irq_depth == 0);
    SWEEP_CHECK(cpu->preempt_count == run.preempt_count);
    SWEEP_CHECK(irq_enabled());
}

/* ---- the trace --------------------------------------------------------------------------------------------------- */

static void trace_add(uint64_t rip, bool open)
{
    ASSERT(trace.count < TRACE_MAX);
    trace.boundaries[trace.count++] = (struct boundary){rip, open};
}

/* Whether the last instruction was an sti that turned interrupts on: they come only after the next one. */
static bool follows_sti(void)
{
    const struct boundary *last;

    if (trace.count == 0)
        return false;
    last = &trace.boundaries[trace.count - 1];
    return !last->open && *(const uint8_t *)last->rip == OPCODE_STI;
}

/* A single step. Flags that were stored while stepping come back with the trap flag, then or much later; flags that
 * were stored before come back without, and are given it. A step over popfq or iretq is trapped by what the flag was
 * before it, so none is lost. */
static bool step(struct trap_frame *frame)
{
    bool open = frame->rflags & IRQ_ENABLED;

    if (!run.open)
        trace.running = false;
    frame->rflags &= ~(uint64_t)FLAG_TRAP;
    if (!trace.running)
        return true;
    trace_add(frame->rip, open && !follows_sti());
    if (*(const uint8_t *)frame->rip == OPCODE_HLT) {
        trace_add(frame->rip + 1, true); /* wherever in the halt it comes */
        trace.running = false;
        return true;
    }
    frame->rflags |= FLAG_TRAP;
    return true;
}

/* ---- what must hold after each run ------------------------------------------------------------------------------- */

static bool apic_any(unsigned registers)
{
    uint32_t any = 0;

    for (unsigned i = 0; i < APIC_SETS; i++)
        any |= apic_register(registers + 16 * i);
    return any != 0;
}

/* Whoever runs as a thread. Context: thread. */
static void check_flow(void)
{
    const struct cpu *cpu = cpu_this();

    SWEEP_CHECK(irq_enabled());
    SWEEP_CHECK(cpu->irq_depth == 0);
    SWEEP_CHECK(cpu->preempt_count == 0);
    SWEEP_CHECK(!apic_any(APIC_IN_SERVICE));
}

/* Returns how many threads stand in the ring. */
static unsigned check_ring(const struct cpu *cpu, unsigned priority)
{
    struct thread *first = cpu->ready[priority];
    struct thread *thread = first;
    unsigned count = 0;

    SWEEP_CHECK((first != NULL) == (cpu->ready_mask >> priority & 1));
    if (!first)
        return 0;
    do {
        SWEEP_CHECK(thread->condition == THREAD_READY && thread->priority == priority);
        SWEEP_CHECK(thread->ring.next->prev == &thread->ring && thread->ring.prev->next == &thread->ring);
        thread = container_of(thread->ring.next, struct thread, ring);
    } while (thread != first && ++count < THREADS_MAX);
    SWEEP_CHECK(thread == first);
    return count + 1;
}

static void check_scheduler(void)
{
    uint64_t flags = irq_save();
    const struct cpu *cpu = cpu_this();
    unsigned in_rings = 0, ready = 0;

    for (unsigned priority = 0; priority < THREAD_PRIORITIES; priority++)
        in_rings += check_ring(cpu, priority);
    list_for_each (node, &thread_all) {
        const struct thread *thread = container_of(node, struct thread, all);

        ready += thread->condition == THREAD_READY;
        SWEEP_CHECK(thread->condition != THREAD_DEAD);
        SWEEP_CHECK(thread->priority == thread->base_priority && thread->mutexes == 0);
    }
    SWEEP_CHECK(ready == in_rings);
    SWEEP_CHECK(cpu->current->priority == 63 - (unsigned)__builtin_clzl(cpu->ready_mask));
    SWEEP_CHECK(!cpu->need_resched);
    SWEEP_CHECK(cpu->timers.first == &run.watch && !cpu->timers.levels);
    irq_restore(flags);
}

/* But for the flags that are the CPU's own and the tracer's. */
static void check_registers(void)
{
    SWEEP_CHECK(run.returns == 1);
    for (unsigned i = 0; i < ARRAY_SIZE(sweep_before.general); i++)
        SWEEP_CHECK(sweep_before.general[i] == sweep_after.general[i]);
    SWEEP_CHECK(((sweep_before.rflags ^ sweep_after.rflags) & ~(uint64_t)FLAGS_NOBODYS) == 0);
    SWEEP_CHECK(sweep_before.rsp == sweep_after.rsp);
}

/* ---- one run ----------------------------------------------------------------------------------------------------- */

/* Tells the timer `ticks`, after which the interrupt is delivered at the boundary of that number.
 * Without a strike in the window there is one behind it: the other threads wait for it. The idle thread runs last, so
 * that it goes on too if it was struck. */
static void run_once(uint32_t ticks, int64_t boundary, bool traced)
{
    run.ticks = ticks;
    run.due_ticks = (uint64_t)(boundary + constant.handler_ticks);
    run.traced = traced;
    run.opened = run.open = run.struck = run.in_window = false;
    run.returns = run.failures = 0;
    if (run.sweep->set_up)
        run.sweep->set_up();
    thread_current()->token = false; /* left by whoever was the last to wake this thread */
    sched_timer_start(&run.watch, clock_now_ns() + WATCH_NS, &run.watcher);
    run.sweep->window();
    SWEEP_CHECK(run.opened);
    if (!run.struck)
        sweep_raise();
    if (run.sweep->check)
        run.sweep->check();
    sleep_for(20 * US);
    check_flow();
    check_scheduler();
    check_registers();
    SWEEP_CHECK(!apic_any(APIC_REQUESTED));
    sched_timer_cancel(&run.watch);
}

/* Once to fill what is kept for later, as stacks are; once to trace; and once to bring home the trap flags that were
 * stored meanwhile. The last boundary is one where an interrupt can be delivered. */
static void record(void)
{
    static const char place[] = "no place of the window's";

    memcpy(run.place, place, sizeof(place));
    trace.count = 0;
    run_once(FAR_TICKS, FAR_TICKS - constant.arm_ticks, false);
    run_once(FAR_TICKS, FAR_TICKS - constant.arm_ticks, true);
    run_once(FAR_TICKS, FAR_TICKS - constant.arm_ticks, false);
    while (trace.count > 0 && !trace.boundaries[trace.count - 1].open)
        trace.count--;
}

/* ---- all runs ---------------------------------------------------------------------------------------------------- */

/* Finds the constants, in a window whose every instruction is another one: so the place says the boundary. */
static void straight_window(void)
{
    sweep_open();
    sweep_straight();
    sweep_close();
}

static void calibrate(void)
{
    static const struct sweep straight = {.name = "straight", .window = straight_window};
    unsigned at = 0;

    run.sweep = &straight;
    record();
    run_once(STRAIGHT_TICKS, 0, false);
    while (at < trace.count && trace.boundaries[at].rip != sweep_before.rip)
        at++;
    ASSERT(at < trace.count && run.in_window);
    constant.arm_ticks = STRAIGHT_TICKS - (int64_t)at;
    constant.handler_ticks = (int64_t)(run.struck_ticks - run.opened_ticks) - (int64_t)at;
    constant.known = true;
}

/* Where an interrupt at the boundary must be delivered. */
static unsigned delivery(unsigned at)
{
    while (!trace.boundaries[at].open)
        at++;
    return at;
}

/* By its place and by its time, but for one that ends a halt, whose time is when it came. */
static bool came_at(unsigned at)
{
    int64_t ticks = (int64_t)(run.struck_ticks - run.opened_ticks) - constant.handler_ticks;

    if (!run.in_window || sweep_before.rip != trace.boundaries[at].rip)
        return false;
    return ticks == (int64_t)at || *(const uint8_t *)(sweep_before.rip - 1) == OPCODE_HLT;
}

static void replay(unsigned at, struct counts *counts)
{
    unsigned due = delivery(at);

    name_place(run.place, sizeof(run.place), trace.boundaries[at].rip);
    run_once((uint32_t)(constant.arm_ticks + (int64_t)at), due, false);
    counts->boundaries++;
    if (!came_at(due)) {
        char place[SYMBOL_NAME_BYTES + 32];

        name_place(place, sizeof(place), sweep_before.rip);
        if (counts->missed++ < FAILURES_TOLD)
            suite_fail(__FILE__, __LINE__, "boundary %u, %s, missed: %s at %s", at, run.place,
                       run.in_window ? "delivered" : "not in the window, but", place);
    } else if (due == at) {
        counts->hit++;
    } else {
        counts->masked++;
    }
    counts->failures += run.failures > 0;
}

/* Different instructions, however often they were passed. */
static unsigned instructions(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < trace.count; i++) {
        unsigned first = 0;

        while (trace.boundaries[first].rip != trace.boundaries[i].rip)
            first++;
        count += first == i;
    }
    return count;
}

/* ---- the report -------------------------------------------------------------------------------------------------- */

static void add_counts(struct counts *sum, const struct counts *counts)
{
    sum->instructions += counts->instructions;
    sum->boundaries += counts->boundaries;
    sum->hit += counts->hit;
    sum->masked += counts->masked;
    sum->missed += counts->missed;
    sum->failures += counts->failures;
}

static void say(const char *event, const char *name, const struct counts *counts)
{
    static char line[256];
    struct json json;

    console_print("%-26s %6lu instructions, %6lu boundaries: %6lu hit, %6lu masked, %lu missed, %lu failures\n", name,
                  (unsigned long)counts->instructions, (unsigned long)counts->boundaries, (unsigned long)counts->hit,
                  (unsigned long)counts->masked, (unsigned long)counts->missed, (unsigned long)counts->failures);
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", event);
    json_string(&json, "name", name);
    json_unsigned(&json, "instructions", counts->instructions);
    json_unsigned(&json, "boundaries", counts->boundaries);
    json_unsigned(&json, "hit", counts->hit);
    json_unsigned(&json, "masked", counts->masked);
    json_unsigned(&json, "missed", counts->missed);
    json_unsigned(&json, "failures", counts->failures);
    console_send_json(&json);
}

/* Every stretch of boundaries at which an interrupt must wait, and where it then comes. */
static void say_masked(const char *name)
{
    static char line[384];
    char place[SYMBOL_NAME_BYTES + 32];
    struct json json;

    for (unsigned at = 0; at < trace.count; at++) {
        unsigned due = delivery(at);

        if (due == at)
            continue;
        json_begin(&json, line, sizeof(line));
        json_string(&json, "event", "masked");
        json_string(&json, "name", name);
        json_unsigned(&json, "first", at);
        json_unsigned(&json, "last", due - 1);
        name_place(place, sizeof(place), trace.boundaries[at].rip);
        json_string(&json, "from", place);
        name_place(place, sizeof(place), trace.boundaries[due].rip);
        json_string(&json, "delivered", place);
        console_send_json(&json);
        at = due;
    }
}

static void sum_up(void)
{
    char name[32];

    format_text(name, sizeof(name), "%u scenario%s", scenarios, scenarios == 1 ? "" : "s");
    say("sweep_total", name, &total);
}

/* ---- what a scenario calls --------------------------------------------------------------------------------------- */

static void *rival_main(void *argument)
{
    struct rival *self = argument;

    for (;;) {
        while (atomic_load(&self->acts) == atomic_load(&self->calls)) {
            if (atomic_load(&self->over))
                return NULL;
            thread_park();
        }
        check_flow();
        if (self->act)
            self->act();
        atomic_fetch_add(&self->acts, 1);
    }
}

void rival_start(struct rival *rival, unsigned priority, void (*act)(void))
{
    *rival = (struct rival){.act = act};
    start(&rival->thread, "rival", priority, rival_main, rival);
    while (thread_state(&rival->thread) != THREAD_PARKED)
        priority < THREAD_PRIORITY_NORMAL ? sleep_for(US) : thread_yield();
}

void rival_call(struct rival *rival)
{
    atomic_fetch_add(&rival->calls, 1);
    thread_wake(&rival->thread);
}

void rival_end(struct rival *rival)
{
    atomic_store(&rival->over, true);
    thread_wake(&rival->thread);
    thread_join(&rival->thread);
    SWEEP_CHECK(atomic_load(&rival->acts) == atomic_load(&rival->calls));
}

/* ---- the sweep --------------------------------------------------------------------------------------------------- */

static void *gate_of(unsigned vector)
{
    struct descriptor_table loaded;

    sidt(&loaded);
    return (char *)loaded.base + GATE_BYTES * vector;
}

/* Sends the vector's gate to other code (Intel SDM vol. 3, figure 6-8). */
static void gate_lead_to(unsigned vector, void (*code)(void))
{
    uint16_t *gate = gate_of(vector);
    uint64_t address = (uint64_t)code;

    gate[0] = (uint16_t)address;
    gate[3] = (uint16_t)(address >> 16);
    gate[4] = (uint16_t)(address >> 32);
    gate[5] = (uint16_t)(address >> 48);
}

static void sweep_all(void)
{
    struct counts counts = {0};

    record();
    counts.instructions = instructions();
    for (unsigned at = 0; at < trace.count; at++)
        replay(at, &counts);
    SWEEP_CHECK(counts.boundaries > 0);
    say("sweep", run.sweep->name, &counts);
    say_masked(run.sweep->name);
    add_counts(&total, &counts);
    CHECK_EQUAL(counts.missed, 0);
    CHECK_EQUAL(counts.failures, 0);
}

void sweep_run(const struct sweep *sweep)
{
    exception_handler *debug;
    interrupt_handler *other;

    if (!clock_is_exact()) {
        suite_fail(__FILE__, __LINE__, "the clock does not count instructions: see tools/reference-machine");
        return;
    }
    suite_at_end(sum_up);
    scenarios++;
    run.timer_count = apic_register_at(APIC_TIMER_INITIAL);
    run.watcher.wake = lose;
    debug = exception_set(VECTOR_DEBUG, step);
    other = interrupt_set(SWEEP_VECTOR, strike);
    gate_lead_to(SWEEP_VECTOR, sweep_gate);
    if (!constant.known)
        calibrate();
    run.sweep = sweep;
    run.told = 0;
    sweep_all();
    gate_lead_to(SWEEP_VECTOR, vector_stubs[SWEEP_VECTOR]);
    interrupt_set(SWEEP_VECTOR, other);
    exception_set(VECTOR_DEBUG, debug);
}
