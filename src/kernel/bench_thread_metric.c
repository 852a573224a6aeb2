/*
 * The eight tests of Thread-Metric (Express Logic, now Eclipse ThreadX) by their published rules: how many rounds of
 * one thing a kernel does in a fixed time. The measuring thread is more urgent than all that it measures: it sleeps for
 * that time, and what it then finds stands still while it is checked. As in the original a round is one pass of a
 * thread's loop; the question whether to stop, three instructions, is ours.
 */
#include "drivers/i8042.h"
#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/kmalloc.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/pic.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/message_queue.h"
#include "thread/semaphore.h"

enum {
    MEMBERS = 5,
    LOWEST = THREAD_PRIORITY_IDLE + 1,
    WORDS = 1024,
    BLOCK_BYTES = 128,
    QUEUE_MESSAGES = 10,
    VECTOR = PIC_VECTOR + I8042_KEYBOARD_IRQ,
    I8042_WRITE_KEYBOARD_OUTPUT = 0xd2,
    SCAN_CODE = 0x1e,
};
#define REFERENCE_NS UINT64_C(10000000000)
#define MESSAGE_STEP UINT64_C(0x9e3779b97f4a7c15) /* added, it changes every byte, whatever is carried */

struct metric {
    const char *id;
    thread_entry *entries[MEMBERS];
    unsigned switches[MEMBERS]; /* to each member in a round; checked where they are not 0 */
    bool ranked;                /* each member is more urgent than the one before it; else all are equal */
    bool summed;                /* the result is all members' rounds; else the first's */
    /* These may be NULL, and return what is wrong, or NULL. What is checked stands still. */
    const char *(*prepare)(void);
    const char *(*check)(uint64_t rounds); /* of the first member */
    void (*finish)(void);
};

static struct member {
    struct thread thread;
    _Atomic uint64_t rounds;
} members[MEMBERS];

static atomic_bool stop;
static const char *_Atomic complaint; /* of a member that found a rule broken, and has ended */

static bool stopped(void)
{
    return atomic_load_explicit(&stop, memory_order_relaxed);
}

static uint64_t read_count(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, read_count(counter) + 1, memory_order_relaxed);
}

static void *complain(const char *what)
{
    atomic_store(&complaint, what);
    return NULL;
}

/* ---- one thread computes ---- */

static volatile uint64_t words[WORDS]; /* volatile: every compiler reads each word twice and writes it once */

static const char *basic_prepare(void)
{
    for (size_t i = 0; i < WORDS; i++)
        words[i] = 0;
    return NULL;
}

static void *basic_main(void *argument)
{
    struct member *self = argument;

    while (!stopped()) {
        for (size_t i = 0; i < WORDS; i++)
            words[i] ^= words[i] + read_count(&self->rounds);
        count(&self->rounds);
    }
    return NULL;
}

/* Every word is where the same number of passes takes a single one, or a pass further. */
static const char *basic_check(uint64_t rounds)
{
    uint64_t word = 0, further;

    for (uint64_t round = 0; round < rounds; round++)
        word ^= word + round;
    further = word ^ (word + rounds);
    for (size_t i = 0; i < WORDS; i++)
        if (words[i] != word && words[i] != further)
            return "a word is not what so many passes make of it";
    return NULL;
}

/* ---- threads switch to each other ---- */

static void *yield_main(void *argument)
{
    struct member *self = argument;

    while (!stopped()) {
        thread_yield();
        count(&self->rounds);
    }
    return NULL;
}

static void *chain_first_main(void *argument)
{
    struct member *self = argument;

    while (!stopped()) {
        thread_wake(&self[1].thread);
        count(&self->rounds);
    }
    return NULL;
}

static void *chain_middle_main(void *argument)
{
    struct member *self = argument;

    for (;;) {
        thread_park();
        if (stopped())
            return NULL;
        thread_wake(&self[1].thread);
        count(&self->rounds);
    }
}

static void *chain_last_main(void *argument)
{
    struct member *self = argument;

    for (;;) {
        thread_park();
        if (stopped())
            return NULL;
        count(&self->rounds);
    }
}

static const char *equal_check(uint64_t rounds)
{
    uint64_t least = UINT64_MAX, most = 0;

    (void)rounds;
    for (size_t i = 0; i < MEMBERS; i++) {
        uint64_t own = read_count(&members[i].rounds);

        least = own < least ? own : least;
        most = own > most ? own : most;
    }
    return most - least > 1 ? "the threads' counters are more than 1 apart" : NULL;
}

/* ---- interrupts ---- */

static _Atomic uint64_t handled;
static uint64_t taken_before; /* interrupts of that vector */
static interrupt_handler *normal_handler;
static struct semaphore semaphore;

/* Two port writes. The interrupt comes after the second, before the next instruction. */
static inline void raise_line(void)
{
    outb(I8042_COMMAND, I8042_WRITE_KEYBOARD_OUTPUT);
    outb(I8042_DATA, SCAN_CODE);
}

static void handle_counting(unsigned vector)
{
    (void)vector;
    (void)inb(I8042_DATA); /* lowers the line */
    count(&handled);
}

static void handle_giving(unsigned vector)
{
    handle_counting(vector);
    semaphore_give(&semaphore);
}

static void handle_waking(unsigned vector)
{
    handle_counting(vector);
    thread_wake(&members[1].thread);
}

static void mask_line(bool masked)
{
    uint64_t flags = irq_save();

    if (masked)
        irq_line_mask(I8042_KEYBOARD_IRQ);
    else
        irq_line_unmask(I8042_KEYBOARD_IRQ);
    irq_restore(flags);
}

/* What the interrupt controller can hold back comes through it, and is no instruction of the CPU's. */
static const char *line_check(void)
{
    bool masked_came, came;

    atomic_store(&handled, 0);
    mask_line(true);
    raise_line();
    masked_came = read_count(&handled) != 0;
    mask_line(false);
    if (inb(I8042_STATUS) & I8042_STATUS_OUTPUT_FULL)
        (void)inb(I8042_DATA); /* the I/O APIC has not kept the edge */
    atomic_store(&handled, 0);
    raise_line();
    came = read_count(&handled) == 1;
    if (masked_came)
        return "the interrupt comes although its line is masked";
    return came ? NULL : "the interrupt does not come at once";
}

static const char *line_prepare(interrupt_handler *handler)
{
    const char *wrong;

    normal_handler = interrupt_set(VECTOR, handle_counting);
    wrong = line_check();
    interrupt_set(VECTOR, handler);
    semaphore_init(&semaphore, 0);
    taken_before = interrupt_count(VECTOR);
    return wrong;
}

static const char *giving_prepare(void)
{
    return line_prepare(handle_giving);
}

static const char *waking_prepare(void)
{
    return line_prepare(handle_waking);
}

static void line_finish(void)
{
    interrupt_set(VECTOR, normal_handler);
}

static void *take_main(void *argument)
{
    struct member *self = argument;

    while (!stopped()) {
        raise_line();
        if (!semaphore_try(&semaphore))
            return complain("the interrupt has not given the semaphore");
        count(&self->rounds);
    }
    return NULL;
}

/* Nothing is called between raising the line and looking at the urgent thread's counter: it can only have run on the
 * interrupt's way out. */
static void *interrupted_main(void *argument)
{
    struct member *self = argument;

    while (!stopped()) {
        raise_line();
        if (read_count(&self[1].rounds) != read_count(&self->rounds) + 1)
            return complain("the interrupt's exit has not preempted");
        count(&self->rounds);
    }
    return NULL;
}

static const char *line_counted(uint64_t rounds)
{
    uint64_t times = read_count(&handled);

    if (interrupt_count(VECTOR) - taken_before != times)
        return "the handler ran without an interrupt";
    return times - rounds > 1 ? "the thread's and the handler's counters are more than 1 apart" : NULL;
}

static const char *waking_check(uint64_t rounds)
{
    if (read_count(&handled) - read_count(&members[1].rounds) > 1 || read_count(&members[1].rounds) - rounds > 1)
        return "the urgent thread's counter is more than 1 away from the others";
    return line_counted(rounds);
}

/* ---- one thread and an object ---- */

struct message {
    uint64_t content, inverse;
};
_Static_assert(sizeof(struct message) == 16, "the rules' size");

static struct message_queue queue;

static const char *message_prepare(void)
{
    static struct message storage[QUEUE_MESSAGES];

    message_queue_init(&queue, storage, sizeof(*storage), QUEUE_MESSAGES);
    return NULL;
}

static void *message_main(void *argument)
{
    struct member *self = argument;

    for (uint64_t content = 0; !stopped(); content += MESSAGE_STEP) {
        struct message sent = {content, ~content}, received;

        message_queue_send(&queue, &sent);
        message_queue_receive(&queue, &received);
        if (received.content != content || received.inverse != ~content)
            return complain("what was received is not what was sent");
        count(&self->rounds);
    }
    return NULL;
}

static const char *message_check(uint64_t rounds)
{
    (void)rounds;
    return message_queue_count(&queue) > 1 ? "messages are left in the queue" : NULL;
}

static const char *semaphore_prepare(void)
{
    semaphore_init(&semaphore, 1);
    return NULL;
}

static void *semaphore_main(void *argument)
{
    struct member *self = argument;

    while (!stopped()) {
        semaphore_take(&semaphore);
        semaphore_give(&semaphore);
        count(&self->rounds);
    }
    return NULL;
}

static const char *semaphore_check(uint64_t rounds)
{
    (void)rounds;
    return semaphore_units(&semaphore) > 1 ? "the semaphore has more units than it began with" : NULL;
}

static uint64_t allocated_before, freed_before; /* by the heap's own counters */

static void *memory_main(void *argument)
{
    struct member *self = argument;

    allocated_before = kmalloc_heap()->allocations; /* not earlier: who starts a thread uses the heap */
    freed_before = kmalloc_heap()->frees;
    while (!stopped()) {
        void *block = kmalloc(BLOCK_BYTES);

        if (!block)
            return complain("there is no block");
        kfree(block);
        count(&self->rounds);
    }
    return NULL;
}

static const char *memory_check(uint64_t rounds)
{
    if (kmalloc_heap()->allocations - allocated_before - rounds > 1)
        return "the heap has not given a block a round";
    return kmalloc_heap()->frees - freed_before - rounds > 1 ? "the heap has not got back a block a round" : NULL;
}

/* ---- all of them ---- */

static const struct metric metrics[] = {
    {.id = "tm.basic", .entries = {basic_main}, .prepare = basic_prepare, .check = basic_check},
    {.id = "tm.cooperative",
     .entries = {yield_main, yield_main, yield_main, yield_main, yield_main},
     .switches = {1, 1, 1, 1, 1},
     .summed = true,
     .check = equal_check},
    {.id = "tm.preemptive",
     .entries = {chain_first_main, chain_middle_main, chain_middle_main, chain_middle_main, chain_last_main},
     .switches = {1, 2, 2, 2, 1},
     .ranked = true,
     .summed = true,
     .check = equal_check},
    {.id = "tm.interrupt",
     .entries = {take_main},
     .prepare = giving_prepare,
     .check = line_counted,
     .finish = line_finish},
    {.id = "tm.interrupt_preemption",
     .entries = {interrupted_main, chain_last_main},
     .switches = {1, 1},
     .ranked = true,
     .prepare = waking_prepare,
     .check = waking_check,
     .finish = line_finish},
    {.id = "tm.message", .entries = {message_main}, .prepare = message_prepare, .check = message_check},
    {.id = "tm.synchronization", .entries = {semaphore_main}, .prepare = semaphore_prepare, .check = semaphore_check},
    {.id = "tm.memory", .entries = {memory_main}, .check = memory_check},
};

static bool is_member(const struct metric *metric, size_t index)
{
    return index < MEMBERS && metric->entries[index];
}

static void start(const struct metric *metric)
{
    atomic_store(&stop, false);
    atomic_store(&complaint, NULL);
    atomic_store(&handled, 0);
    for (size_t i = 0; is_member(metric, i); i++) {
        unsigned priority = LOWEST + (metric->ranked ? (unsigned)i : 0);

        atomic_store(&members[i].rounds, 0);
        if (thread_start(&members[i].thread, metric->id, priority, metric->entries[i], &members[i]) != STATUS_OK)
            bench_no_memory("a stack");
    }
}

/* None of them runs before the first join. */
static void end(const struct metric *metric)
{
    atomic_store(&stop, true);
    for (size_t i = 0; is_member(metric, i); i++)
        thread_wake(&members[i].thread);
    for (size_t i = 0; is_member(metric, i); i++)
        (void)thread_join(&members[i].thread);
}

/* Every member was switched to as often as its rounds take, its start and the round it is in apart. */
static const char *switches_check(const struct metric *metric)
{
    for (size_t i = 0; is_member(metric, i); i++) {
        uint64_t started = members[i].thread.switches - metric->switches[i] * read_count(&members[i].rounds);

        if (metric->switches[i] && (started < 1 || started > 1 + metric->switches[i]))
            return "a round took more or fewer switches than its calls";
    }
    return NULL;
}

static const char *judge(const struct metric *metric)
{
    uint64_t rounds = read_count(&members[0].rounds);
    const char *wrong = atomic_load(&complaint);

    if (!wrong && thread_state(&members[0].thread) != THREAD_READY)
        wrong = "the thread is stuck";
    if (!wrong && rounds == 0)
        wrong = "no round was done";
    if (!wrong && metric->check)
        wrong = metric->check(rounds);
    return wrong ? wrong : switches_check(metric);
}

static void print_failure(const struct metric *metric, const char *wrong)
{
    console_print("%s: %s; handled %lu, rounds", metric->id, wrong, (unsigned long)read_count(&handled));
    for (size_t i = 0; is_member(metric, i); i++)
        console_print(" %lu", (unsigned long)read_count(&members[i].rounds));
    console_print("\n");
}

static uint64_t result(const struct metric *metric)
{
    uint64_t rounds = 0;

    for (size_t i = 0; is_member(metric, i) && (i == 0 || metric->summed); i++)
        rounds += read_count(&members[i].rounds);
    return rounds;
}

static void report(const struct metric *metric, uint64_t rounds, uint64_t elapsed_ns, const char *wrong)
{
    static char line[256];
    uint64_t scaled = rounds * REFERENCE_NS / elapsed_ns;
    uint64_t each = rounds ? (elapsed_ns + rounds / 2) / rounds : 0;
    struct json json;

    console_print("%-24s %10lu in 10 s, %5lu ns each (%lu in %lu ns)\n", metric->id, (unsigned long)scaled,
                  (unsigned long)each, (unsigned long)rounds, (unsigned long)elapsed_ns);
    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "thread_metric");
    json_string(&json, "name", metric->id);
    json_unsigned(&json, "per_10s", scaled);
    json_unsigned(&json, "each_ns", each);
    json_unsigned(&json, "rounds", rounds);
    json_unsigned(&json, "elapsed_ns", elapsed_ns);
    json_bool(&json, "passed", !wrong);
    json_string(&json, "wrong", wrong);
    console_send_json(&json);
}

static bool run(const struct metric *metric, uint64_t duration_ns)
{
    const char *wrong = metric->prepare ? metric->prepare() : NULL;
    uint64_t begin, elapsed;

    start(metric);
    begin = clock_now_ns();
    thread_sleep_until(begin + duration_ns);
    elapsed = clock_now_ns() - begin;
    wrong = wrong ? wrong : judge(metric);
    report(metric, result(metric), elapsed, wrong);
    if (wrong) {
        print_failure(metric, wrong);
        return false;
    }
    end(metric);
    if (metric->finish)
        metric->finish();
    return true;
}

bool bench_thread_metric(uint64_t duration_ns, const char *name)
{
    bool all = string_equal(name, "all"), found = false;

    ASSERT(thread_current()->priority >= LOWEST + MEMBERS);
    thread_sleep_until(clock_now_ns() + BENCH_WAIT_NS); /* no timer left over from what came before */
    for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
        if (!all && !string_equal(metrics[i].id, name))
            continue;
        found = true;
        if (!run(&metrics[i], duration_ns))
            return false;
    }
    if (!found)
        console_print("bench: there is no Thread-Metric test %s\n", name);
    return found;
}
