/* Accounts on the real machine: forced switches are told from voluntary ones, and the CPU's time adds up. */
#include "thread/account.h"

#include "kernel/report.h"
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/mutex.h"
#include "thread/semaphore.h"

enum { ROUNDS = 100 };

static bool insight_before;

static void begin(void)
{
    insight_before = cpu_this()->insight;
    interrupt_set_insight(false); /* from zero */
    interrupt_set_insight(true);
}

static void end(void)
{
    interrupt_set_insight(insight_before);
}

static struct account of(const struct thread *thread)
{
    uint64_t flags = irq_save();
    struct account account = *account_of(thread);

    irq_restore(flags);
    return account;
}

/* A running thread's run time lacks the time now, so this says what it says at any time: nothing is left over. */
static void check_sum(void)
{
    uint64_t flags = irq_save();
    const struct cpu *cpu = cpu_this();
    uint64_t sum_ns = cpu->started_ns + cpu->ended_ns + cpu->interrupt_ns;

    list_for_each (node, &thread_all)
        sum_ns += container_of(node, struct thread, all)->run_ns;
    irq_restore(flags);
    CHECK_EQUAL(sum_ns, 0);
}

static struct account last;
static uint64_t ran_at_ns;

static void *park_rounds(void *rounds)
{
    for (uintptr_t i = 0; i < (uintptr_t)rounds; i++) {
        thread_park();
        ran_at_ns = clock_now_ns();
    }
    last = of(thread_current());
    return NULL;
}

static void *yield_rounds(void *rounds)
{
    for (uintptr_t i = 0; i < (uintptr_t)rounds; i++)
        thread_yield();
    last = of(thread_current());
    return NULL;
}

static void *spin_ms(void *ms)
{
    spin_for((uintptr_t)ms * MS);
    last = of(thread_current());
    return NULL;
}

TEST(switches, "account.voluntary_and_forced")
{
    struct thread thread;
    struct account before;

    begin();
    start(&thread, "yielding", THREAD_PRIORITY_NORMAL, yield_rounds, (void *)(uintptr_t)ROUNDS);
    for (unsigned i = 0; i < ROUNDS; i++)
        thread_yield();
    CHECK_EQUAL(of(thread_current()).voluntary, ROUNDS);
    CHECK_EQUAL(of(thread_current()).forced, 0);
    (void)thread_join(&thread);
    CHECK_EQUAL(last.voluntary, ROUNDS);
    CHECK_EQUAL(last.forced, 0);

    before = of(thread_current());
    start(&thread, "woken", THREAD_PRIORITY_HIGH, park_rounds, (void *)(uintptr_t)ROUNDS);
    for (unsigned i = 0; i < ROUNDS; i++)
        thread_wake(&thread);
    (void)thread_join(&thread);
    CHECK_EQUAL(of(thread_current()).voluntary, before.voluntary);
    CHECK_EQUAL(of(thread_current()).forced, before.forced + 1 + ROUNDS);
    CHECK_EQUAL(last.voluntary, ROUNDS);
    CHECK_EQUAL(last.forced, 0);
    CHECK_EQUAL(last.wakes, ROUNDS);
    check_sum();
    end();
}

TEST(turns, "account.turns_are_forced")
{
    uint64_t quantum_ns = quantum_set(2 * MS);
    struct thread thread;

    begin();
    start(&thread, "spinning", THREAD_PRIORITY_NORMAL, spin_ms, (void *)(uintptr_t)20);
    spin_for(20 * MS);
    (void)thread_join(&thread);
    CHECK(last.forced >= 3);
    CHECK_EQUAL(last.voluntary, 0);
    CHECK(of(thread_current()).forced >= 3);
    CHECK(of(thread_current()).voluntary <= 1);
    check_sum();
    end();
    quantum_set(quantum_ns);
}

TEST(latency, "account.from_wake_to_run")
{
    uint64_t before_ns, woken_ns, begin_ns, end_ns;
    struct thread thread;

    begin();
    start(&thread, "woken", THREAD_PRIORITY_HIGH, park_rounds, (void *)1);
    preempt_disable();
    before_ns = clock_now_ns();
    thread_wake(&thread);
    woken_ns = begin_ns = clock_now_ns();
    spin_for(MS);
    end_ns = clock_now_ns();
    preempt_enable();
    (void)thread_join(&thread);
    CHECK_EQUAL(last.wakes, 1);
    CHECK_EQUAL(last.wake_ns_sum, last.wake_ns_max);
    CHECK(last.wake_ns_sum >= end_ns - woken_ns);
    CHECK(last.wake_ns_sum <= ran_at_ns - before_ns);
    if (clock_is_exact())
        CHECK(ran_at_ns - before_ns - (end_ns - begin_ns) < 2000); /* so the two bounds are near each other */
    end();
}

static void take_a_millisecond(unsigned vector)
{
    (void)vector;
    spin_for(MS);
}

TEST(interrupts, "account.interrupts_apart")
{
    uint64_t run_ns, interrupt_ns;

    begin();
    (void)interrupt_set(SUITE_VECTOR, take_a_millisecond);
    run_ns = thread_run_ns(thread_current());
    interrupt_ns = cpu_this()->interrupt_ns;
    raise_40();
    raise_40();
    CHECK(cpu_this()->interrupt_ns - interrupt_ns >= (uint64_t)2 * MS);
    if (clock_is_exact()) {
        CHECK(cpu_this()->interrupt_ns - interrupt_ns < (uint64_t)2 * MS + 10 * US);
        CHECK(thread_run_ns(thread_current()) - run_ns < (uint64_t)10 * US);
    }
    check_sum();
    end();
    run_ns = thread_run_ns(thread_current());
    if (!insight_before) {
        raise_40();
        CHECK(thread_run_ns(thread_current()) - run_ns >= (uint64_t)MS);
    }
}

TEST(idle, "account.idle")
{
    uint64_t idle_ns, slept_ns;

    begin();
    idle_ns = thread_run_ns(&cpu_this()->idle);
    slept_ns = clock_now_ns();
    sleep_for((uint64_t)20 * MS);
    slept_ns = clock_now_ns() - slept_ns;
    idle_ns = thread_run_ns(&cpu_this()->idle) - idle_ns;
    CHECK(idle_ns <= slept_ns);
    if (clock_is_exact())
        CHECK(slept_ns - idle_ns < (uint64_t)20 * US);
    check_sum();
    end();
}

static struct mutex mutex;
static struct semaphore semaphore;

static void *hold(void *unused)
{
    mutex_lock(&mutex);
    thread_park();
    mutex_unlock(&mutex);
    return unused;
}

static void *lock(void *unused)
{
    mutex_lock(&mutex);
    mutex_unlock(&mutex);
    return unused;
}

static void *take(void *unused)
{
    semaphore_take(&semaphore);
    return unused;
}

static char text[4096];
static size_t length;

static void keep(struct json *json)
{
    (void)json_finish(json);
    for (const char *at = json->buffer; *at && length < sizeof(text) - 1; at++)
        text[length++] = *at;
    text[length] = '\0';
}

static bool said(const char *words)
{
    for (const char *at = text; *at; at++)
        if (string_starts(at, words))
            return true;
    return false;
}

/* A debugger stops at report_threads_json() to see who waits for what. */
TEST(waits, "account.report")
{
    struct thread holder, locker, taker;

    begin();
    mutex_init(&mutex);
    semaphore_init(&semaphore, 0);
    start(&holder, "holder", THREAD_PRIORITY_HIGH, hold, NULL);
    start(&locker, "locker", THREAD_PRIORITY_HIGH, lock, NULL);
    start(&taker, "taker", THREAD_PRIORITY_HIGH, take, NULL);
    length = 0;
    report_threads_json(keep);
    CHECK(said("\"name\":\"holder\",\"state\":\"parked\",\"priority\":24"));
    CHECK(said("\"name\":\"locker\",\"state\":\"waiting\""));
    CHECK(said("\"name\":\"taker\",\"state\":\"waiting\""));
    CHECK(said("\"voluntary\":1,\"forced\":0,\"wakes\":0,\"wake_ns_sum\":0,\"wake_ns_max\":0}"));
    CHECK(said("{\"event\":\"cpu\",\"insight\":true"));
    thread_wake(&holder);
    semaphore_give(&semaphore);
    (void)thread_join(&holder);
    (void)thread_join(&locker);
    (void)thread_join(&taker);
    check_sum();
    end();
    if (!insight_before) {
        length = 0;
        report_threads_json(keep);
        CHECK(said("{\"event\":\"cpu\",\"insight\":false"));
        CHECK(!said("\"wakes\""));
    }
}
