/* Threads on the real machine: order, deadlines, turns, and where the time goes. */
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/mmu.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    SLEEPERS = 8,
    CHURN = 2000,
    WAKES = 100000,
    TRACE_MAX = 64,
    HALT = 0xf4, /* the instruction */
};

extern char interrupt_return[];

/* Who came when, a letter each. */
static char trace[TRACE_MAX + 1];
static unsigned traced;

static void trace_reset(void)
{
    memset(trace, 0, sizeof(trace));
    traced = 0;
}

static void trace_add(char who)
{
    uint64_t flags = irq_save();

    if (traced < TRACE_MAX)
        trace[traced++] = who;
    irq_restore(flags);
}

/* Only if it was not the last: who runs. */
static void trace_change(char who)
{
    uint64_t flags = irq_save();

    if (traced == 0 || trace[traced - 1] != who)
        trace_add(who);
    irq_restore(flags);
}

static void check_trace(const char *expected)
{
    if (!string_equal(trace, expected))
        suite_fail(__FILE__, __LINE__, "%s instead of %s", trace, expected);
}

static struct sleeper {
    struct thread thread;
    uint64_t deadline_ns, woken_ns;
    char name;
} sleepers[SLEEPERS];

static void *sleeper(void *argument)
{
    struct sleeper *self = argument;

    thread_sleep_until(self->deadline_ns);
    self->woken_ns = clock_now_ns();
    trace_add(self->name);
    return NULL;
}

TEST(sleep_order, "thread.sleeps_end_in_order")
{
    static const uint8_t order[SLEEPERS] = {5, 0, 7, 2, 6, 1, 4, 3};
    uint64_t begin = clock_now_ns() + (clock_is_exact() ? 5 : 200) * (uint64_t)MS; /* all of them sleep by then */

    trace_reset();
    for (unsigned i = 0; i < SLEEPERS; i++) {
        sleepers[i].deadline_ns = begin + order[i] * (uint64_t)MS;
        sleepers[i].name = (char)('a' + order[i]);
        start(&sleepers[i].thread, "sleeper", THREAD_PRIORITY_HIGH, sleeper, &sleepers[i]);
    }
    for (unsigned i = 0; i < SLEEPERS; i++) {
        thread_join(&sleepers[i].thread);
        CHECK(sleepers[i].woken_ns >= sleepers[i].deadline_ns);
        if (clock_is_exact())
            CHECK(sleepers[i].woken_ns < sleepers[i].deadline_ns + 100 * US);
    }
    check_trace("abcdefgh");
}

TEST(sleep_past, "thread.past_deadline_returns")
{
    uint64_t switches = cpu_this()->idle.switches;

    thread_sleep_until(0);
    thread_sleep_until(clock_now_ns());
    thread_park_until(0);
    CHECK_EQUAL(cpu_this()->idle.switches, switches);
}

static void *return_argument(void *argument)
{
    return argument;
}

static void *exit_with_argument(void *argument)
{
    thread_exit(argument);
}

TEST(join, "thread.join_returns_the_result")
{
    static char values[2];
    struct thread early, late;

    start(&early, "early", THREAD_PRIORITY_HIGH, return_argument, &values[0]);
    start(&late, "late", PRIORITY_LOW, exit_with_argument, &values[1]);
    CHECK(completion_done(&early.done));
    CHECK(!completion_done(&late.done));
    CHECK(thread_join(&early) == &values[0]);
    CHECK(thread_join(&late) == &values[1]);
}

TEST(join_and_list, "thread.joined_is_off_the_list")
{
    struct thread thread;
    unsigned listed = 0;

    start(&thread, "short", THREAD_PRIORITY_HIGH, return_argument, NULL);
    thread_join(&thread);
    list_for_each (node, &thread_all)
        listed += node == &thread.all;
    CHECK_EQUAL(listed, 0);
}

static void *yielder(void *argument)
{
    for (unsigned i = 0; i < 3; i++) {
        trace_add(*(const char *)argument);
        thread_yield();
    }
    return NULL;
}

TEST(yield_order, "thread.yield_in_order")
{
    static const char names[] = "abc";
    struct thread threads[3];

    trace_reset();
    for (unsigned i = 0; i < 3; i++)
        start(&threads[i], "yielder", PRIORITY_LOW, yielder, (void *)(uintptr_t)&names[i]);
    for (unsigned i = 0; i < 3; i++)
        thread_join(&threads[i]);
    check_trace("abcabcabc");
}

/* Interrupted by a more urgent thread, which ends: the CPU is its again, not that of whoever yielded to it. */
static void *interrupted_by_another(void *unused)
{
    struct thread urgent;

    start(&urgent, "urgent", THREAD_PRIORITY_HIGH, return_argument, NULL);
    trace_add('y');
    thread_join(&urgent);
    return unused;
}

TEST(yield_hands_over, "thread.yield_hands_the_turn_over")
{
    struct thread thread;

    trace_reset();
    start(&thread, "yielded-to", THREAD_PRIORITY_NORMAL, interrupted_by_another, NULL);
    thread_yield();
    trace_add('b');
    thread_join(&thread);
    check_trace("yb");
}

TEST(yield_alone, "thread.yield_alone_goes_on")
{
    uint64_t switches = cpu_this()->switches;

    for (unsigned i = 0; i < 100; i++)
        thread_yield();
    CHECK_EQUAL(cpu_this()->switches, switches);
}

TEST(churn, "thread.2000_leave_no_memory")
{
    struct thread thread;
    size_t frames = 0;

    for (unsigned i = 0; i < CHURN; i++) {
        start(&thread, "mayfly", i % 2 ? THREAD_PRIORITY_HIGH : THREAD_PRIORITY_NORMAL, return_argument, NULL);
        thread_join(&thread);
        if (i == 0)
            frames = frames_free();
    }
    CHECK_EQUAL(frames_free(), frames);
}

TEST(many, "thread.100_at_once")
{
    static struct thread threads[100];
    static char result;
    unsigned right = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        start(&threads[i], "one of many", 1 + i % 31, return_argument, &result);
    for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
        right += thread_join(&threads[i]) == &result;
    CHECK_EQUAL(right, ARRAY_SIZE(threads));
}

static struct {
    struct thread thread;
    atomic_uint wakes;
    atomic_bool stop;
} parker;

static void *parker_thread(void *unused)
{
    (void)unused;
    while (!atomic_load(&parker.stop)) {
        thread_park();
        atomic_fetch_add(&parker.wakes, 1);
    }
    return NULL;
}

static void parker_start(unsigned priority)
{
    atomic_store(&parker.stop, false);
    atomic_store(&parker.wakes, 0);
    start(&parker.thread, "parker", priority, parker_thread, NULL);
    do
        sleep_for(MS); /* and a new turn begins for us */
    while (thread_state(&parker.thread) != THREAD_PARKED);
}

static void parker_join(void)
{
    atomic_store(&parker.stop, true);
    thread_wake(&parker.thread);
    thread_join(&parker.thread);
}

TEST(wakes, "thread.100000_wakes_at_once")
{
    unsigned late = 0;

    parker_start(THREAD_PRIORITY_HIGH);
    for (unsigned i = 0; i < WAKES; i++) {
        thread_wake(&parker.thread);
        late += atomic_load(&parker.wakes) != i + 1;
    }
    CHECK_EQUAL(late, 0);
    parker_join();
}

TEST(wake_before_park, "thread.wake_before_park_is_kept")
{
    uint64_t idle = cpu_this()->idle.switches;

    thread_wake(thread_current());
    thread_wake(thread_current());
    thread_park();
    CHECK_EQUAL(cpu_this()->idle.switches, idle);
    thread_park_until(clock_now_ns() + MS);
    CHECK_EQUAL(cpu_this()->idle.switches, idle + 1);
}

TEST(equal_wake, "thread.equal_wake_waits")
{
    uint64_t quantum = quantum_set(2000 * (uint64_t)MS);
    uint64_t switches;

    parker_start(THREAD_PRIORITY_NORMAL);
    switches = cpu_this()->switches;
    thread_wake(&parker.thread);
    spin_for(20 * MS);
    CHECK_EQUAL(atomic_load(&parker.wakes), 0);
    CHECK_EQUAL(cpu_this()->switches, switches);
    thread_yield();
    CHECK_EQUAL(atomic_load(&parker.wakes), 1);
    quantum_set(quantum);
    parker_join();
}

static void timer_wakes_parker(struct waker *waker)
{
    (void)waker;
    thread_wake(&parker.thread);
}

TEST(equal_irq_wake, "thread.equal_irq_wake_waits")
{
    static struct waker waker = {timer_wakes_parker};
    struct timer timer = {0};
    uint64_t quantum = quantum_set(2000 * (uint64_t)MS);

    parker_start(THREAD_PRIORITY_NORMAL);
    sched_timer_start(&timer, clock_now_ns() + MS, &waker);
    spin_for(20 * MS);
    CHECK(!timer_queued(&timer));
    CHECK_EQUAL(atomic_load(&parker.wakes), 0);
    thread_yield();
    CHECK_EQUAL(atomic_load(&parker.wakes), 1);
    quantum_set(quantum);
    parker_join();
}

TEST(higher_irq_wake, "thread.higher_irq_wake_preempts")
{
    static struct waker waker = {timer_wakes_parker};
    struct timer timer = {0};
    uint64_t deadline;

    parker_start(THREAD_PRIORITY_HIGH);
    deadline = clock_now_ns() + MS;
    sched_timer_start(&timer, deadline, &waker);
    while (timer_queued(&timer)) /* seen again only after the interrupt, hence after the thread */
        atomic_signal_fence(memory_order_seq_cst);
    CHECK_EQUAL(atomic_load(&parker.wakes), 1);
    CHECK(clock_now_ns() >= deadline);
    parker_join();
}

TEST(preempted_turn, "thread.preempted_keeps_its_turn")
{
    static char result;
    struct thread higher;
    uint64_t quantum = quantum_set(2000 * (uint64_t)MS);

    parker_start(THREAD_PRIORITY_NORMAL);
    thread_wake(&parker.thread); /* an equal waits for the end of our turn */
    start(&higher, "higher", THREAD_PRIORITY_HIGH, return_argument, &result);
    CHECK(completion_done(&higher.done));
    CHECK_EQUAL(atomic_load(&parker.wakes), 0);
    CHECK(thread_join(&higher) == &result);
    quantum_set(quantum);
    parker_join();
}

static atomic_bool equal_ran;
static void *note_run(void *unused)
{
    atomic_store(&equal_ran, true);
    return unused;
}

/* However little of the turn is left: less than the switch back takes, among others. */
TEST(cut_turn, "thread.turn_cut_at_its_end_ends")
{
    static struct waker waker = {timer_wakes_parker};
    struct timer timer = {0};
    struct thread equal;
    uint64_t quantum = quantum_set(MS);
    uint64_t end_ns;

    parker_start(THREAD_PRIORITY_HIGH);
    for (uint64_t left_ns = 0; left_ns < 600; left_ns += 3) {
        atomic_store(&equal_ran, false);
        start(&equal, "equal", THREAD_PRIORITY_NORMAL, note_run, NULL);
        end_ns = thread_current()->slice_end_ns;
        sched_timer_start(&timer, end_ns - left_ns, &waker);
        while (clock_now_ns() < end_ns + MS / 2)
            atomic_signal_fence(memory_order_seq_cst);
        CHECK(atomic_load(&equal_ran) || !clock_is_exact());
        thread_join(&equal);
    }
    quantum_set(quantum);
    parker_join();
}

TEST(preempt_disabled, "thread.preempt_disable_delays")
{
    parker_start(THREAD_PRIORITY_HIGH);
    preempt_disable();
    preempt_disable();
    thread_wake(&parker.thread);
    preempt_enable();
    CHECK_EQUAL(atomic_load(&parker.wakes), 0);
    preempt_enable();
    CHECK_EQUAL(atomic_load(&parker.wakes), 1);
    parker_join();
}

static atomic_bool turns_over;
static void *turn_taker(void *argument)
{
    while (!atomic_load(&turns_over))
        trace_change(*(const char *)argument);
    return NULL;
}

TEST(turns, "thread.turns_in_order")
{
    static const char names[] = "abc";
    struct thread threads[3];
    uint64_t quantum = quantum_set(MS);
    uint64_t run_ns = 0;

    trace_reset();
    atomic_store(&turns_over, false);
    for (unsigned i = 0; i < 3; i++)
        start(&threads[i], "turns", PRIORITY_LOW, turn_taker, (void *)(uintptr_t)&names[i]);
    sleep_until_holds(*(volatile unsigned *)&traced >= 12);
    atomic_store(&turns_over, true);
    for (unsigned i = 0; i < 3; i++) {
        thread_join(&threads[i]);
        run_ns += threads[i].run_ns;
    }
    quantum_set(quantum);
    trace[12] = '\0';
    check_trace("abcabcabcabc");
    CHECK(run_ns >= 11 * (uint64_t)MS);
}

TEST(shares, "thread.equal_shares")
{
    static const char names[] = "abc";
    struct thread threads[3];
    uint64_t quantum = quantum_set(MS);
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    trace_reset();
    atomic_store(&turns_over, false);
    for (unsigned i = 0; i < 3; i++)
        start(&threads[i], "share", PRIORITY_LOW, turn_taker, (void *)(uintptr_t)&names[i]);
    sleep_for(clock_is_exact() ? 60 * MS : 500 * MS);
    atomic_store(&turns_over, true);
    for (unsigned i = 0; i < 3; i++) {
        thread_join(&threads[i]);
        least = threads[i].run_ns < least ? threads[i].run_ns : least;
        most = threads[i].run_ns > most ? threads[i].run_ns : most;
    }
    quantum_set(quantum);
    if (clock_is_exact()) /* else the host decides whose turn the time it takes away is counted to */
        CHECK(most - least <= 2 * MS);
    CHECK(least > 0);
}

/* The time every thread has had so far, the running one's turn included, and interrupts where they are apart. */
static uint64_t run_ns_of_all(uint64_t *now)
{
    uint64_t flags = irq_save();
    uint64_t sum = cpu_this()->interrupt_ns;

    *now = clock_now_ns();
    list_for_each (node, &thread_all)
        sum += container_of(node, struct thread, all)->run_ns;
    sum += *now; /* the running one's lacks it */
    irq_restore(flags);
    return sum;
}

TEST(accounts, "thread.run_times_add_up")
{
    uint64_t begin, end;
    uint64_t idle = cpu_this()->idle.run_ns;
    uint64_t before = run_ns_of_all(&begin);
    uint64_t after;

    for (unsigned i = 0; i < 10; i++) {
        sleep_for(5 * MS);
        spin_for(100 * US);
    }
    after = run_ns_of_all(&end);
    CHECK_EQUAL(after - before, end - begin);
    CHECK(cpu_this()->idle.run_ns - idle > (end - begin) / 2);
}

static struct {
    struct waker waker;
    uint8_t instruction; /* before the one that the interrupt goes back to */
    const struct thread *interrupted;
} idle_watch;

/* What a compiler's frame pointers chain: the caller's frame, and the address it continues at. */
struct stack_frame {
    const struct stack_frame *caller;
    uint64_t return_address;
};

/* Follows the frames to the interrupt's own, and looks at what it interrupted. */
static void idle_watch_wake(struct waker *waker)
{
    const struct stack_frame *frame = __builtin_frame_address(0);
    const uint8_t *resumes_at;

    (void)waker;
    for (unsigned i = 0; i < 16 && frame->return_address != (uint64_t)interrupt_return; i++)
        frame = frame->caller;
    if (frame->return_address != (uint64_t)interrupt_return)
        return;
    resumes_at = (const uint8_t *)((const uint64_t *)(frame + 1))[INTERRUPT_SAVED_REGISTERS];
    idle_watch.instruction = resumes_at[-1];
    idle_watch.interrupted = thread_current();
}

TEST(idle_halts, "thread.idle_halts")
{
    struct timer timer = {0};

    idle_watch.waker.wake = idle_watch_wake;
    idle_watch.interrupted = NULL;
    sched_timer_start(&timer, clock_now_ns() + 5 * MS, &idle_watch.waker);
    sleep_for(10 * MS);
    CHECK(idle_watch.interrupted == &cpu_this()->idle);
    CHECK_EQUAL(idle_watch.instruction, HALT);
}

static void *read_irq(void *argument)
{
    *(bool *)argument = irq_enabled();
    return NULL;
}

TEST(starts_with_interrupts, "thread.starts_interruptible")
{
    struct thread thread;
    bool on = false;
    uint64_t flags = irq_save();

    start(&thread, "fresh", THREAD_PRIORITY_HIGH, read_irq, &on);
    CHECK(!on);
    thread_join(&thread);
    CHECK(on);
    CHECK(!irq_enabled());
    irq_restore(flags);
}
