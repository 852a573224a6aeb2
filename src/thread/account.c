/* Accounts, all of it out of line: see account.h. */
#include "thread/account.h"

#include "lib/clock.h"
#include "lib/trace.h"
#include "thread/switching.h"

static void woken_by_deadline(struct waker *waker)
{
    account_woken(container_of(waker, struct thread, expired));
    sleep_expired(waker);
}

void account_moved(struct thread *thread)
{
    timer_queue_insert(&cpu_this()->timers, &thread->deadline, TIMER_NEVER, &thread->expired);
}

/* Marks a thread that waits. */
static void watch(struct thread *thread)
{
    if (thread->condition == THREAD_PARKED)
        thread->condition = THREAD_PARKED_WATCHED;
    else if (thread->condition == THREAD_SLEEPING)
        thread->expired.wake = woken_by_deadline;
    else if (thread->condition == THREAD_WAITING && !timer_queued(&thread->deadline))
        account_moved(thread);
}

static void unwatch(struct thread *thread)
{
    if (thread->condition == THREAD_PARKED_WATCHED)
        thread->condition = THREAD_PARKED;
    else if (thread->condition == THREAD_SLEEPING)
        thread->expired.wake = sleep_expired;
    else if (thread->condition == THREAD_WAITING && timer_queued(&thread->deadline) &&
             thread->deadline.deadline_ns == TIMER_NEVER)
        timer_queue_remove(&cpu_this()->timers, &thread->deadline);
}

static void begin(struct thread *thread)
{
    thread->attention |= ATTENTION_INSIGHT;
    *account_of(thread) = (struct account){0};
}

/* What is left to those that have ended. The time now is in neither side: the running thread's run_ns lacks it. */
static uint64_t ended_ns(const struct cpu *cpu)
{
    uint64_t others_ns = cpu->started_ns + cpu->interrupt_ns;

    list_for_each (node, &thread_all)
        others_ns += container_of(node, struct thread, all)->run_ns;
    return -others_ns;
}

static void turn_on(struct cpu *cpu)
{
    cpu->insight = true;
    cpu->ended_ns = ended_ns(cpu);
    list_for_each (node, &thread_all) {
        struct thread *thread = container_of(node, struct thread, all);

        begin(thread);
        watch(thread);
    }
}

static void turn_off(struct cpu *cpu)
{
    cpu->insight = false;
    list_for_each (node, &thread_all) {
        struct thread *thread = container_of(node, struct thread, all);

        unwatch(thread);
        thread->attention &= (uint8_t) ~(ATTENTION_INSIGHT | ATTENTION_WOKEN);
    }
}

void account_insight(bool on)
{
    uint64_t flags = irq_save();
    struct cpu *cpu = cpu_this();

    if (on && !cpu->insight)
        turn_on(cpu);
    else if (!on && cpu->insight)
        turn_off(cpu);
    irq_restore(flags);
}

void account_woken(struct thread *thread)
{
    trace_note(TRACE_WAKE, (uintptr_t)thread);
    account_of(thread)->woken_ns = clock_now_ns();
    thread->attention |= ATTENTION_WOKEN;
}

/* A switch happens at the time read as its critical section began, a wake inside that one a little later. */
static void ran(struct thread *thread, uint64_t now_ns)
{
    struct account *account = account_of(thread);
    uint64_t wait_ns = now_ns > account->woken_ns ? now_ns - account->woken_ns : 0;

    thread->attention &= (uint8_t)~ATTENTION_WOKEN;
    if (wait_ns > account->wake_ns_max)
        account->wake_ns_max = wait_ns;
    account->wakes++;
    account->wake_ns_sum += wait_ns;
}

void account_switch(struct thread *previous, struct thread *next, uint64_t now_ns, bool forced)
{
    trace_note(TRACE_SWITCH, (uintptr_t)next);
    if (previous->condition == THREAD_DEAD) { /* something else lies where its account was */
        cpu_this()->ended_ns += previous->run_ns;
    } else {
        struct account *account = account_of(previous);

        account->forced += forced;
        account->voluntary += !forced;
        watch(previous);
    }
    if (!account_of(next))
        begin(next);
    if (next->attention & ATTENTION_WOKEN)
        ran(next, now_ns);
}

void account_interrupt(uint64_t begin_ns)
{
    struct cpu *cpu = cpu_this();
    uint64_t taken_ns = clock_now_ns() - begin_ns;

    cpu->interrupt_ns += taken_ns;
    cpu->current->run_ns -= taken_ns;
}
