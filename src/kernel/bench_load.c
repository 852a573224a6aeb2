/* What runs beside the drivers of a cell. */
#include "kernel/bench_cell.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/kmalloc.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/pic.h"
#include "thread/arch.h"
#include "thread/sched.h"

enum {
    THREADS_MAX = 16,
    PRIORITY_LOWER = THREAD_PRIORITY_NORMAL - 4,
    PRIORITY_HIGHER = THREAD_PRIORITY_HIGH + 4, /* than any driver */
    STRETCH_NS = 100000, /* that a thread computes from one place where it may be preempted at its edges to the next */
    YIELDS = 10,         /* of a neighbour that yields, for what it computes */
    PRINT_GAP_NS = 100000,
    BLOCKS = 64,
    BLOCK_BYTES_MAX = 4096,
    STORM_HZ = 20000,
    LINE_PIT = 0,
};

static struct thread threads[THREADS_MAX];
static unsigned threads_started;

struct neighbour {
    struct future future;
    struct task task;
    uint64_t poll_ns; /* that a poll computes; 0: next to nothing */
    uint64_t state;
};
static struct neighbour one, *many;
static unsigned neighbours;

static interrupt_handler *storm_before;
static uint64_t done;
static atomic_bool stop;

static bool stopped(void)
{
    return atomic_load_explicit(&stop, memory_order_relaxed);
}

/* Where a kernel that is preempted at its edges is, and one that is not at all gives way. */
static void give_way(void)
{
    if (cpu_this()->preemption == PREEMPTION_NEVER)
        thread_yield();
    else
        preempt_point();
}

static void *compute(void *unused)
{
    while (!stopped()) {
        bench_compute(STRETCH_NS);
        give_way();
    }
    return unused;
}

static void *print(void *unused)
{
    while (!stopped()) {
        console_print("load: line %lu of a thread that prints\n", (unsigned long)++done);
        thread_sleep_until(clock_now_ns() + PRINT_GAP_NS);
    }
    return unused;
}

/* Blocks of random sizes, of which a random one at a time is replaced. */
static void *allocate(void *unused)
{
    static void *blocks[BLOCKS];
    uint64_t random = 1;

    while (!stopped()) {
        void **block = &blocks[(random = bench_random(random)) % BLOCKS];

        kfree(*block);
        *block = kmalloc(1 + (random >> 32) % BLOCK_BYTES_MAX);
        done++;
        give_way();
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        kfree(blocks[i]);
        blocks[i] = NULL;
    }
    return unused;
}

static enum poll neighbour_poll(struct future *future, struct waker *waker)
{
    struct neighbour *self = container_of(future, struct neighbour, future);

    if (stopped())
        return POLL_READY;
    if (self->poll_ns)
        bench_compute(self->poll_ns);
    else
        self->state = bench_random(self->state);
    waker_wake(waker);
    return POLL_PENDING;
}

static enum status threads_begin(unsigned count, unsigned priority, thread_entry *entry)
{
    for (; threads_started < count; threads_started++)
        if (thread_start(&threads[threads_started], "load", priority, entry, NULL) != STATUS_OK)
            return STATUS_NO_MEMORY;
    return STATUS_OK;
}

static struct neighbour *neighbour_at(unsigned i)
{
    return many ? &many[i] : &one;
}

static enum status neighbours_begin(const struct cell *cell, unsigned count, uint64_t poll_ns)
{
    struct executor_thread *executor = &bench_executors[cell->style == STYLE_ASYNC ? cell->priority : PRIORITY_EQUAL];

    if (cpu_this()->preemption == PREEMPTION_NEVER)
        return STATUS_INVALID;
    if (count > 1 && !(many = kzalloc(count, sizeof(*many))))
        return STATUS_NO_MEMORY;
    for (; neighbours < count; neighbours++) {
        struct neighbour *self = neighbour_at(neighbours);

        *self = (struct neighbour){.future = {.poll = neighbour_poll}, .poll_ns = poll_ns, .state = neighbours + 1};
        executor_spawn(&executor->executor, &self->task, "neighbour", &self->future);
    }
    return STATUS_OK;
}

static void storm(unsigned vector)
{
    (void)vector;
    done++;
}

static void storm_begin(void)
{
    uint64_t flags;

    storm_before = interrupt_set(PIC_VECTOR + LINE_PIT, storm);
    pit_start(STORM_HZ);
    flags = irq_save();
    irq_line_unmask(LINE_PIT);
    irq_restore(flags);
}

static void storm_end(void)
{
    uint64_t flags;

    if (!storm_before)
        return;
    flags = irq_save();
    irq_line_mask(LINE_PIT);
    irq_restore(flags);
    pit_start(0);
    (void)interrupt_set(PIC_VECTOR + LINE_PIT, storm_before);
    storm_before = NULL;
}

enum status load_begin(const struct cell *cell)
{
    static const unsigned priorities[] = {
        [LOAD_EQUAL] = THREAD_PRIORITY_NORMAL, [LOAD_LOWER] = PRIORITY_LOWER, [LOAD_HIGHER] = PRIORITY_HIGHER};
    const struct load *load = &cell->load;

    threads_started = neighbours = 0;
    done = 0;
    atomic_store(&stop, false);
    switch (load->kind) {
    case LOAD_THREADS:
        return threads_begin(load->count, priorities[load->priority], compute);
    case LOAD_TASKS:
        return neighbours_begin(cell, 1, load->duration_ns / (load->yields ? YIELDS : 1));
    case LOAD_READY:
        return neighbours_begin(cell, load->count, 0);
    case LOAD_PRINT:
        return threads_begin(1, THREAD_PRIORITY_NORMAL, print);
    case LOAD_ALLOC:
        return threads_begin(1, THREAD_PRIORITY_NORMAL, allocate);
    case LOAD_IRQSTORM:
        storm_begin();
        break;
    case LOAD_IDLE:
    case LOAD_BOTH: /* the matrix's */
    case LOAD_ALL:
        break;
    }
    return STATUS_OK;
}

/* A driver that polls may keep all that is less urgent from the CPU, and so from ending. */
static void threads_end(void)
{
    for (unsigned i = 0; i < threads_started; i++) {
        thread_set_priority(&threads[i], PRIORITY_HIGHER);
        (void)thread_join(&threads[i]);
    }
}

static void neighbours_end(void)
{
    if (!neighbours)
        return;
    for (enum bench_priority i = PRIORITY_EQUAL; i < PRIORITY_ALL; i++)
        thread_set_priority(&bench_executors[i].thread, PRIORITY_HIGHER);
    for (unsigned i = 0; i < neighbours; i++)
        while (completion_register(&neighbour_at(i)->task.done, &thread_current()->waker))
            thread_park();
    for (enum bench_priority i = PRIORITY_EQUAL; i < PRIORITY_ALL; i++)
        thread_set_priority(&bench_executors[i].thread, bench_driver_priority(i));
}

void load_end(void)
{
    atomic_store(&stop, true);
    storm_end();
    threads_end();
    neighbours_end();
    kfree(many);
    many = NULL;
    threads_started = neighbours = 0;
}

uint64_t load_done(void)
{
    return done;
}
