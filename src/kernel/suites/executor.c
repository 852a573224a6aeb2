/* Executors on the real machine: woken by interrupts, preempted by threads, preempting each other. */
#include "executor/async.h"
#include "executor/sleep.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/interrupt.h"
#include "thread/arch.h"

enum {
    TASKS = 1000,
    SLEEPS = 6,
    PREEMPTIONS = 1000,
    PREEMPTIONS_INEXACT = 100, /* where a real clock decides how long a quantum of microseconds lasts */
};

static struct executor *normal(void)
{
    return &executor_at(THREAD_PRIORITY_NORMAL)->executor;
}

/* Waits until all that was ready has been polled. */
static void normal_settle(void)
{
    sleep_until_holds(thread_state(&executor_at(THREAD_PRIORITY_NORMAL)->thread) == THREAD_PARKED);
}

/* Ready once something else has woken it. */
static struct waiting {
    struct future future;
    struct task task;
    struct waker *waker;
    atomic_bool go;
} waiting[TASKS];

static enum poll waiting_poll(struct future *future, struct waker *waker)
{
    struct waiting *self = container_of(future, struct waiting, future);

    self->waker = waker;
    return atomic_load(&self->go) ? POLL_READY : POLL_PENDING;
}

static void waiting_spawn(struct executor *executor, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        waiting[i] = (struct waiting){.future = {.poll = waiting_poll}};
        executor_spawn(executor, &waiting[i].task, "waiting", &waiting[i].future);
    }
}

static void wake_all(unsigned vector)
{
    (void)vector;
    for (unsigned i = 0; i < TASKS; i++) {
        atomic_store(&waiting[i].go, true);
        waker_wake(waiting[i].waker);
        waker_wake(waiting[i].waker);
    }
}

TEST(irq_wakes, "executor.1000_woken_twice")
{
    unsigned wrong = 0;

    waiting_spawn(normal(), TASKS);
    normal_settle();
    for (unsigned i = 0; i < TASKS; i++)
        wrong += waiting[i].task.polls != 1 || completion_done(&waiting[i].task.done);
    interrupt_set(SUITE_VECTOR, wake_all);
    raise_40();
    for (unsigned i = 0; i < TASKS; i++) {
        task_wait(&waiting[i].task);
        wrong += waiting[i].task.polls != 2;
    }
    CHECK_EQUAL(wrong, 0);
}

TEST(late_wakes, "executor.late_wakes_do_nothing")
{
    uint64_t polls;

    waiting_spawn(normal(), TASKS);
    normal_settle();
    interrupt_set(SUITE_VECTOR, wake_all);
    raise_40();
    for (unsigned i = 0; i < TASKS; i++)
        task_wait(&waiting[i].task);
    polls = executor_polls(normal());
    raise_40();
    sleep_for(5 * MS);
    CHECK_EQUAL(executor_polls(normal()), polls);
}

/* Wakes itself in every poll, until it is told to end. */
static struct restless {
    struct future future;
    struct task task;
    atomic_bool stop;
} restless;

static enum poll restless_poll(struct future *future, struct waker *waker)
{
    struct restless *self = container_of(future, struct restless, future);

    if (atomic_load(&self->stop))
        return POLL_READY;
    waker_wake(waker);
    return POLL_PENDING;
}

static void restless_start(void)
{
    restless = (struct restless){.future = {.poll = restless_poll}};
    executor_spawn(normal(), &restless.task, "restless", &restless.future);
}

static void restless_end(void)
{
    atomic_store(&restless.stop, true);
    task_wait(&restless.task);
}

static struct napping {
    struct async async;
    struct executor *executor;
    struct sleep nap;
    struct task task;
    uint64_t period_ns;
    uint64_t deadline_ns;
    unsigned left;
    unsigned early;
    uint64_t done_ns;
} napping[SLEEPS];

static enum poll napping_poll(struct future *future, struct waker *waker)
{
    struct napping *self = container_of(future, struct napping, async.future);

    ASYNC (&self->async) {
        for (; self->left; self->left--) {
            self->deadline_ns = executor_now(self->executor) + self->period_ns;
            self->nap = sleep_until(self->executor, self->deadline_ns);
            AWAIT(&self->nap.future);
            self->early += clock_now_ns() < self->deadline_ns;
        }
        self->done_ns = clock_now_ns();
        ASYNC_RETURN;
    }
}

static void napping_spawn(struct napping *self, uint64_t period_ns, unsigned naps)
{
    *self = (struct napping){
        .async = ASYNC_BODY(napping_poll), .executor = normal(), .period_ns = period_ns, .left = naps};
    executor_spawn(normal(), &self->task, "napping", &self->async.future);
}

TEST(restless_and_tasks, "executor.restless_and_tasks")
{
    restless_start();
    napping_spawn(&napping[0], MS, 5);
    task_wait(&napping[0].task);
    CHECK_EQUAL(napping[0].early, 0);
    CHECK(restless.task.polls > 5);
    restless_end();
}

static void *spin_5_ms(void *unused)
{
    (void)unused;
    spin_for(5 * MS);
    return NULL;
}

TEST(restless_and_threads, "executor.restless_and_threads")
{
    struct thread thread;
    uint32_t polls;

    restless_start();
    start(&thread, "equal", THREAD_PRIORITY_NORMAL, spin_5_ms, NULL);
    thread_join(&thread);
    polls = restless.task.polls;
    sleep_for(2 * MS);
    CHECK(restless.task.polls > polls);
    restless_end();
}

TEST(sleep_order, "executor.sleeps_end_in_order")
{
    static const uint8_t order[SLEEPS] = {3, 0, 5, 1, 4, 2};
    uint64_t begin_ms = clock_is_exact() ? 5 : 200; /* all of them sleep by then */
    const struct napping *by_deadline[SLEEPS];

    for (unsigned i = 0; i < SLEEPS; i++) {
        napping_spawn(&napping[i], begin_ms * MS + order[i] * (uint64_t)MS, 1);
        by_deadline[order[i]] = &napping[i];
    }
    for (unsigned i = 0; i < SLEEPS; i++) {
        task_wait(&napping[i].task);
        CHECK_EQUAL(napping[i].early, 0);
    }
    for (unsigned i = 1; i < SLEEPS; i++)
        CHECK(by_deadline[i - 1]->done_ns < by_deadline[i]->done_ns);
}

TEST(parked, "executor.parked_when_idle")
{
    struct executor_thread *executor = executor_at(THREAD_PRIORITY_NORMAL);
    uint64_t polls, switches;

    waiting_spawn(&executor->executor, 10);
    normal_settle();
    CHECK_EQUAL(thread_state(&executor->thread), THREAD_PARKED);
    polls = executor_polls(&executor->executor);
    switches = executor->thread.switches;
    sleep_for(50 * MS);
    CHECK_EQUAL(executor_polls(&executor->executor), polls);
    CHECK_EQUAL(executor->thread.switches, switches);
    for (unsigned i = 0; i < 10; i++) {
        atomic_store(&waiting[i].go, true);
        waker_wake(waiting[i].waker);
        task_wait(&waiting[i].task);
    }
    CHECK_EQUAL(executor_polls(&executor->executor), polls + 10);
}

/* A poll that lasts until the other executor was seen at work. */
static struct {
    struct future future;
    struct task task;
    atomic_bool stop;
    atomic_bool inside;
    struct waker waker;
    struct timer timer;
} lasting;

static enum poll lasting_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    atomic_store(&lasting.inside, true);
    sched_timer_start(&lasting.timer, clock_now_ns() + MS, &lasting.waker);
    while (!atomic_load(&lasting.stop))
        ;
    atomic_store(&lasting.inside, false);
    return POLL_READY;
}

static struct {
    struct future future;
    struct task task;
    struct waker *waker;
    const struct task *interrupted; /* what the lower executor was polling */
    bool inside;
} urgent;

static enum poll urgent_poll(struct future *future, struct waker *waker)
{
    (void)future;
    if (!urgent.waker) {
        urgent.waker = waker;
        return POLL_PENDING;
    }
    urgent.interrupted = normal()->current;
    urgent.inside = atomic_load(&lasting.inside);
    atomic_store(&lasting.stop, true);
    return POLL_READY;
}

static void wake_urgent(struct waker *waker)
{
    (void)waker;
    waker_wake(urgent.waker);
}

TEST(preempting, "executor.higher_preempts_a_poll")
{
    lasting.waker.wake = wake_urgent;
    lasting.future.poll = lasting_poll;
    urgent.future.poll = urgent_poll;
    urgent.waker = NULL;
    urgent.interrupted = NULL;
    atomic_store(&lasting.stop, false);
    executor_spawn(&executor_at(THREAD_PRIORITY_HIGH)->executor, &urgent.task, "urgent", &urgent.future);
    executor_spawn(normal(), &lasting.task, "lasting", &lasting.future);
    task_wait(&urgent.task);
    task_wait(&lasting.task);
    CHECK(urgent.interrupted == &lasting.task);
    CHECK(urgent.inside);
    CHECK_EQUAL(lasting.task.polls, 1);
}

static struct {
    struct future future;
    struct task task;
    struct registers registers;
} pattern;

static enum poll pattern_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    registers_spin(&pattern.registers);
    return POLL_READY;
}

static atomic_bool rival_over;
static void *rival_thread(void *registers)
{
    while (!atomic_load(&rival_over))
        registers_across_interrupt(registers);
    return NULL;
}

static void ignore(unsigned vector)
{
    (void)vector;
}

TEST(poll_registers, "executor.registers_in_a_poll")
{
    static struct registers rival;
    struct thread thread;
    struct thread *executor = &executor_at(THREAD_PRIORITY_NORMAL)->thread;
    uint64_t wanted = clock_is_exact() ? PREEMPTIONS : PREEMPTIONS_INEXACT;
    uint64_t quantum = quantum_set(3 * US);
    uint64_t switches = executor->switches;

    thread_set_quantum(executor, 3 * US);
    interrupt_set(SUITE_VECTOR, ignore);
    registers_init(&rival, 21, FLAG_DIRECTION);
    registers_init(&pattern.registers, 22, FLAG_CARRY | FLAG_SIGN | FLAG_PARITY);
    pattern.future.poll = pattern_poll;
    atomic_store(&rival_over, false);
    start(&thread, "rival", THREAD_PRIORITY_NORMAL, rival_thread, &rival);
    executor_spawn(normal(), &pattern.task, "pattern", &pattern.future);
    sleep_until_holds(executor->switches - switches >= wanted && rival.rounds > 0);
    quantum_set(quantum);
    thread_set_quantum(executor, quantum);
    CHECK(executor->switches - switches >= wanted);
    atomic_store(&rival_over, true);
    atomic_store(&pattern.registers.stop, true);
    thread_join(&thread);
    task_wait(&pattern.task);
    CHECK_EQUAL(pattern.task.polls, 1);
    registers_check(&rival);
    registers_check(&pattern.registers);
}
