/* The choices of how threads are scheduled: to completion, with a kernel preempted only at its edges, with a tick. */
#include "kernel/console.h"
#include "kernel/report.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/interrupt.h"
#include "thread/arch.h"
#include "thread/mutex.h"

enum {
    LATE_NS = 1000,
    SECOND = 1000 * MS,
    SLEEPS = 300,
};

static atomic_uint count;
static atomic_bool stop;

static void *count_once(void *unused)
{
    (void)unused;
    atomic_fetch_add(&count, 1);
    return NULL;
}

static void wake_timer_start(struct timer *timer, uint64_t after_ns, struct thread *thread)
{
    sched_timer_start(timer, clock_now_ns() + after_ns, &thread->waker);
}

static void *park_and_count(void *unused)
{
    thread_park();
    return count_once(unused);
}

/* ---- two threads that take turns by themselves ---- */

static void *other_task(void *unused)
{
    (void)unused;
    console_print("Hello multitasking world!\n");
    atomic_fetch_add(&count, 1);
    thread_yield();
    return NULL;
}

/* The example of the OSDev wiki's "Cooperative Multitasking". What it prints is compared outside. */
TEST(modes_three_lines, "modes.three_lines")
{
    struct thread other;

    atomic_store(&count, 0);
    start(&other, "otherTask", THREAD_PRIORITY_NORMAL, other_task, NULL);
    console_print("Switching to otherTask...\n");
    CHECK_EQUAL(atomic_load(&count), 0);
    thread_yield();
    console_print("Returned to mainTask!\n");
    CHECK_EQUAL(atomic_load(&count), 1);
    CHECK_EQUAL(thread_state(&other), THREAD_READY);
    thread_join(&other);
}

/* ---- preempt=off ---- */

/* However urgent, and for however many turns. */
TEST_NEEDS(completion_freeze, "completion.spinner_freezes", "preempt=off")
{
    struct thread equal, urgent, woken;
    struct timer timer = {0};
    uint64_t interrupts;

    atomic_store(&count, 0);
    start(&woken, "woken", THREAD_PRIORITY_HIGH, park_and_count, NULL);
    thread_yield();
    start(&equal, "equal", THREAD_PRIORITY_NORMAL, count_once, NULL);
    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, count_once, NULL);
    wake_timer_start(&timer, MS, &woken);
    interrupts = interrupt_count(APIC_TIMER_VECTOR);
    spin_for(10 * SCHED_QUANTUM_NS);
    CHECK_EQUAL(atomic_load(&count), 0);
    CHECK(interrupt_count(APIC_TIMER_VECTOR) > interrupts);
    thread_yield();
    CHECK_EQUAL(atomic_load(&count), 3);
    thread_join(&woken);
    thread_join(&equal);
    thread_join(&urgent);
}

static void *yield_and_count(void *unused)
{
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&count, 1);
        thread_yield();
    }
    return unused;
}

TEST_NEEDS(completion_yields, "completion.yielders_share", "preempt=off")
{
    struct thread threads[4];
    unsigned before;

    atomic_store(&stop, false);
    atomic_store(&count, 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        start(&threads[i], "yielder", THREAD_PRIORITY_NORMAL, yield_and_count, NULL);
    for (unsigned round = 1; round <= 1000; round++) {
        before = atomic_load(&count);
        thread_yield();
        CHECK_EQUAL(atomic_load(&count) - before, ARRAY_SIZE(threads));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        thread_join(&threads[i]);
}

/* Its end is a deadline, and the machine idle until then. */
TEST_NEEDS(completion_sleeps, "completion.idle_wakes", "preempt=off")
{
    uint64_t deadline = clock_now_ns() + 5 * MS;
    uint64_t late;

    thread_sleep_until(deadline);
    late = clock_now_ns() - deadline;
    CHECK(late <= (clock_is_exact() ? LATE_NS : SECOND));
}

static struct mutex mutex = MUTEX_INIT(mutex);

static void *lock_and_count(void *unused)
{
    mutex_lock(&mutex);
    count_once(NULL);
    mutex_unlock(&mutex);
    return unused;
}

TEST_NEEDS(completion_mutex, "completion.mutex_is_handed_over", "preempt=off")
{
    struct thread urgent;

    atomic_store(&count, 0);
    mutex_lock(&mutex);
    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, lock_and_count, NULL);
    thread_yield(); /* it waits */
    mutex_unlock(&mutex);
    CHECK(mutex_owner(&mutex) == &urgent);
    CHECK_EQUAL(atomic_load(&count), 0);
    mutex_lock(&mutex);
    CHECK_EQUAL(atomic_load(&count), 1);
    mutex_unlock(&mutex);
    thread_join(&urgent);
}

static void drivers_work(void)
{
    static const uint32_t first[DEVICE_ALL];
    static const uint32_t bytes[DEVICE_ALL] = {60, 60};
    static struct injector injector;

    for (enum style style = STYLE_ASYNC; style <= STYLE_THREAD; style++) {
        uint32_t events[DEVICE_ALL];

        drivers_start(style, THREAD_PRIORITY_HIGH);
        sleep_for(MS); /* both drivers wait now */
        injector_start(&injector, 100 * US, bytes[DEVICE_KEYBOARD], bytes[DEVICE_MOUSE]);
        injector_wait(&injector);
        for (enum device device = 0; device < DEVICE_ALL; device++)
            events[device] = stream_events(device, bytes[device]);
        check_events(first, events, style);
        drivers_stop();
    }
}

TEST_NEEDS(completion_drivers, "completion.drivers_work", "preempt=off")
{
    drivers_work();
}

/* ---- kpreempt= ---- */

static struct thread *urgent_thread;
static unsigned within; /* counted when the first line was printed and the thread was woken */

static printf_like(1, 2) void print_and_wake(const char *format, ...)
{
    (void)format;
    if (!urgent_thread)
        return;
    thread_wake(urgent_thread);
    urgent_thread = NULL;
    within = atomic_load(&count);
}

static void report_while_woken(enum preemption preemption, unsigned in_report, unsigned at_point)
{
    enum preemption before = sched_set_preemption(preemption);
    struct thread urgent;

    atomic_store(&count, 0);
    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, park_and_count, NULL);
    thread_yield();
    urgent_thread = &urgent;
    report_memory(print_and_wake);
    CHECK_EQUAL(within, in_report);
    CHECK_EQUAL(atomic_load(&count), in_report);
    preempt_point();
    CHECK_EQUAL(atomic_load(&count), at_point);
    thread_yield();
    CHECK_EQUAL(atomic_load(&count), 1);
    (void)sched_set_preemption(before);
    thread_join(&urgent);
}

TEST(modes_report, "modes.report_whole_or_not")
{
    report_while_woken(PREEMPTION_ANYWHERE, 1, 1);
    report_while_woken(PREEMPTION_AT_POINTS, 0, 1);
    report_while_woken(PREEMPTION_NEVER, 0, 0);
}

/* Woken by an interrupt, runs at an edge, whichever it is. */
static void urgent_waits_for(void (*edge)(void))
{
    struct thread urgent;
    struct timer timer = {0};

    atomic_store(&count, 0);
    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, park_and_count, NULL);
    thread_yield();
    wake_timer_start(&timer, 100 * US, &urgent);
    spin_for(MS);
    CHECK_EQUAL(thread_state(&urgent), THREAD_READY);
    CHECK_EQUAL(atomic_load(&count), 0);
    edge();
    CHECK_EQUAL(atomic_load(&count), 1);
    thread_join(&urgent);
}

static void sleep_shortly(void)
{
    sleep_for(US);
}

static void return_at_once(void)
{
    thread_park_until(0);
}

TEST_NEEDS(modes_edges, "edges.urgent_waits_for_one", "kpreempt=off")
{
    urgent_waits_for(preempt_point);
    urgent_waits_for(thread_yield);
    urgent_waits_for(sleep_shortly);
    urgent_waits_for(return_at_once);
}

static void *compute_with_points(void *unused)
{
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&count, 1);
        preempt_point();
    }
    return unused;
}

/* Without any, it does not begin. */
TEST_NEEDS(modes_turns, "edges.turns_end_at_points", "kpreempt=off")
{
    struct thread equal;
    uint64_t end;

    atomic_store(&stop, false);
    atomic_store(&count, 0);
    start(&equal, "equal", THREAD_PRIORITY_NORMAL, compute_with_points, NULL);
    spin_for(3 * SCHED_QUANTUM_NS);
    CHECK_EQUAL(atomic_load(&count), 0);
    end = clock_now_ns() + 10 * SCHED_QUANTUM_NS;
    while (clock_now_ns() < end)
        preempt_point();
    CHECK(equal.switches >= 3 && equal.switches <= 8);
    atomic_store(&stop, true);
    thread_join(&equal);
}

static struct executor_thread *executor;

/* It is ready again whenever it is polled, so the executor never parks. */
static enum poll poll_again(struct future *future, struct waker *waker)
{
    (void)future;
    if (atomic_load(&stop))
        return POLL_READY;
    atomic_fetch_add(&count, 1);
    waker_wake(waker);
    return POLL_PENDING;
}

/* Between two batches of an executor there is a point: threads above its priority, and equal ones, go on. */
TEST_NEEDS(modes_batches, "edges.between_batches_of_tasks", "kpreempt=off")
{
    static struct future future = {.poll = poll_again};
    static struct task task;
    uint64_t late;

    atomic_store(&stop, false);
    atomic_store(&count, 0);
    executor = executor_at(THREAD_PRIORITY_NORMAL);
    executor_spawn(&executor->executor, &task, "again", &future);
    late = clock_now_ns() + 5 * MS;
    thread_sleep_until(late);
    late = clock_now_ns() - late;
    CHECK(atomic_load(&count) > 100);
    CHECK(late <= 2 * SCHED_QUANTUM_NS || !clock_is_exact());
    atomic_store(&stop, true);
    task_wait(&task);
}

TEST_NEEDS(modes_edges_drivers, "edges.drivers_work", "kpreempt=off")
{
    drivers_work();
}

/* Nothing in ring 3 knows of points: its interrupts' ends are some. */
TEST_NEEDS(modes_edges_user, "edges.ring_3_computes", "kpreempt=off")
{
    uint64_t pid = start_process("spin", 0);
    uint64_t late = clock_now_ns() + 5 * MS;

    thread_sleep_until(late);
    late = clock_now_ns() - late;
    CHECK(late <= 2 * SCHED_QUANTUM_NS || !clock_is_exact());
    CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
    expect_end(pid, PROCESS_KILLED, 0);
}

static void *sleep_at_random(void *unused)
{
    uint64_t random = 20240606;

    for (unsigned i = 0; i < SLEEPS; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        sleep_for(10 * US + (random >> 33) % (20 * US));
        atomic_fetch_add(&count, 1);
    }
    return unused;
}

/* It is in the kernel for much of its time, and often so when the interrupt comes: the system call's end is an edge. */
static void calls_end_at_edges(const char *program, uint64_t argument)
{
    struct thread urgent;
    uint64_t pid = start_process(program, argument);

    atomic_store(&count, 0);
    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, sleep_at_random, NULL);
    thread_join(&urgent);
    CHECK_EQUAL(atomic_load(&count), SLEEPS);
    CHECK(process_kill(PROCESS_KERNEL, pid) == STATUS_OK);
    expect_end(pid, PROCESS_KILLED, 0);
}

TEST_NEEDS(modes_edges_calls, "edges.system_calls_of_ring_3", "kpreempt=off")
{
    calls_end_at_edges("spin", 4);
    if (interrupt_gate_open())
        calls_end_at_edges("gate", 2);
}

/* ---- tick= ---- */

/* At an exact clock; at another some of the machine's time may be lost. */
static void must_be_about(uint64_t ticks, uint64_t expected)
{
    uint64_t most = expected + 1;
    uint64_t least = clock_is_exact() ? expected - 1 : expected / 2;

    if (ticks < least || ticks > most)
        suite_fail(__FILE__, __LINE__, "%lu ticks, not %lu", (unsigned long)ticks, (unsigned long)expected);
}

/* Beside the sleeper's own interrupt, if it is one. */
static void must_tick(uint64_t hz)
{
    uint64_t before = interrupt_count(APIC_TIMER_VECTOR);

    spin_for(SECOND);
    must_be_about(interrupt_count(APIC_TIMER_VECTOR) - before, hz);
    before = interrupt_count(APIC_TIMER_VECTOR);
    sleep_for(SECOND);
    must_be_about(interrupt_count(APIC_TIMER_VECTOR) - before, hz);
}

TEST_NEEDS(tick_100, "tick.100_hz", "tick=100")
{
    must_tick(100);
}

TEST_NEEDS(tick_250, "tick.250_hz", "tick=250")
{
    must_tick(250);
}

TEST_NEEDS(tick_1000, "tick.1000_hz", "tick=1000")
{
    must_tick(1000);
}

static void *spin_and_count(void *unused)
{
    while (!atomic_load(&stop))
        atomic_fetch_add(&count, 1);
    return unused;
}

TEST_NEEDS(tick_turns, "tick.ends_turns", "tick=100,250,1000")
{
    struct thread equal;
    uint64_t switches;

    atomic_store(&stop, false);
    atomic_store(&count, 0);
    start(&equal, "equal", THREAD_PRIORITY_NORMAL, spin_and_count, NULL);
    switches = cpu_this()->switches;
    spin_for(20 * SCHED_QUANTUM_NS);
    switches = cpu_this()->switches - switches;
    if (cpu_this()->preemption != PREEMPTION_ANYWHERE)
        CHECK_EQUAL(switches, 0);
    else
        CHECK(switches >= 10 && atomic_load(&count) > 0);
    atomic_store(&stop, true);
    thread_join(&equal);
}
