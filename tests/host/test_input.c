/* The event queue: order, overflow, and a reader that waits with and without a deadline. */
#include "drivers/input.h"

#include <string.h>

#include "machine.h"
#include "support.h"
#include "thread/thread.h"

#define MS UINT64_C(1000000)

static struct event_queue queue;

/* Every byte of the n-th event says which it is. */
static struct input_event event_make(unsigned n)
{
    return (struct input_event){.stamp = UINT64_C(0x100000000) + n,
                                .type = n % 3,
                                .style = n % 2,
                                .text = (char)(n % 100),
                                .wheel = (int8_t)(n % 80 + 3),
                                .dx = (int16_t)(n + 2),
                                .dy = (int16_t)-n};
}

static void publish(unsigned n)
{
    struct input_event event = event_make(n);

    event_publish(&queue, event);
    memset(&event, 0xa5, sizeof(event)); /* the queue has a copy */
}

static void expect_event(const struct input_event *event, unsigned n)
{
    struct input_event expected = event_make(n);

    cr_assert_eq(event->stamp, expected.stamp);
    cr_assert_eq(event->type, expected.type);
    cr_assert_eq(event->style, expected.style);
    cr_assert_eq(event->text, expected.text);
    cr_assert_eq(event->dx, expected.dx);
    cr_assert_eq(event->dy, expected.dy);
    cr_assert_eq(event->wheel, expected.wheel);
}

static void expect_read(unsigned n)
{
    struct input_event event;

    cr_assert(event_try_read(&queue, &event));
    expect_event(&event, n);
}

Test(event_queue, keeps_events_in_order)
{
    struct input_event event;
    unsigned taken = 0;

    cr_assert_not(event_try_read(&queue, &event));
    for (unsigned n = 0; n < 2000;) {
        for (unsigned i = 0; i < 1 + n % 200; i++)
            publish(n++);
        while (taken < n)
            expect_read(taken++);
        cr_assert_not(event_try_read(&queue, &event));
    }
    cr_assert_eq(queue.published, taken);
    cr_assert_eq(queue.dropped, 0);
}

Test(event_queue, counts_exactly_what_it_drops_and_keeps_the_oldest)
{
    struct input_event event;

    for (unsigned n = 0; n < EVENT_QUEUE_EVENTS + 7; n++)
        publish(n);
    cr_assert_eq(queue.published, EVENT_QUEUE_EVENTS);
    cr_assert_eq(queue.dropped, 7);
    cr_assert(machine.irq_on);
    for (unsigned n = 0; n < EVENT_QUEUE_EVENTS; n++)
        expect_read(n);
    cr_assert_not(event_try_read(&queue, &event));
    publish(900);
    expect_read(900);
    cr_assert_eq(queue.published, EVENT_QUEUE_EVENTS + 1);
    cr_assert_eq(queue.dropped, 7);
}

static unsigned wakes;

static void look_into_queue(struct waker *waker)
{
    struct input_event event;

    (void)waker;
    wakes++;
    cr_assert_not(irq_enabled(), "the reader may be gone before it is woken");
    cr_assert(event_try_read(&queue, &event), "woken before the event is in the queue");
    expect_event(&event, 5);
}

Test(event_queue, wakes_its_reader_once_after_the_event_is_there_and_before_it_can_be_gone)
{
    struct waker waker = {look_into_queue};

    waker_slot_register(&queue.reader, &waker);
    publish(5);
    cr_assert_eq(wakes, 1);
    publish(6);
    cr_assert_eq(wakes, 1);
}

Test(event_queue, stamps_each_event_it_published)
{
    uint64_t stamps[2];

    queue.event = (struct probe){.stamps = stamps, .capacity = 2};
    support_clock_ns = 10;
    support_clock_step_ns = 5;
    for (unsigned n = 0; n < 3; n++)
        publish(n);
    cr_assert_eq(queue.event.count, 3);
    cr_assert_eq(stamps[0], 10);
    cr_assert_eq(stamps[1], 15);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static unsigned next_published;

static void publish_next(void)
{
    publish(next_published++);
}

Test(event_queue, reads_at_once_what_is_there)
{
    struct input_event event;

    machine_start(10 * MS);
    publish(0);
    publish(1);
    event_read(&queue, &event);
    expect_event(&event, 0);
    cr_assert(event_read_until(&queue, &event, 0), "what is there is read however late it is");
    expect_event(&event, 1);
    cr_assert_eq(machine.halts, 0);
}

Test(event_queue, waits_for_the_next_event)
{
    struct input_event event;

    machine_start(10 * MS);
    for (unsigned n = 0; n < 5; n++)
        machine_at((n + 1) * 3 * MS, publish_next);
    for (unsigned n = 0; n < 5; n++) {
        event_read(&queue, &event);
        expect_event(&event, n);
        cr_assert_eq(support_clock_ns, (n + 1) * 3 * MS);
    }
}

Test(event_queue, gives_up_at_the_deadline_and_not_before)
{
    struct input_event event = event_make(77);

    machine_start(10 * MS);
    cr_assert_not(event_read_until(&queue, &event, 5 * MS));
    cr_assert_eq(support_clock_ns, 5 * MS);
    expect_event(&event, 77); /* untouched */
    cr_assert_null(queue.reader.waker, "a reader that gave up is still registered");
    cr_assert_not(event_read_until(&queue, &event, 5 * MS));
    cr_assert_not(event_read_until(&queue, &event, 0));
    cr_assert_eq(support_clock_ns, 5 * MS);
    cr_assert_eq(machine.halts, 1);
}

Test(event_queue, reads_an_event_that_comes_before_the_deadline_or_with_it)
{
    struct input_event event;

    machine_start(10 * MS);
    machine_at(3 * MS, publish_next);
    cr_assert(event_read_until(&queue, &event, 5 * MS));
    expect_event(&event, 0);
    cr_assert_eq(support_clock_ns, 3 * MS);
    machine_at(5 * MS, publish_next);
    cr_assert(event_read_until(&queue, &event, 5 * MS));
    expect_event(&event, 1);
    cr_assert_not(timer_queued(&machine.boot.deadline));
}

static void wake_boot(void)
{
    thread_wake(&machine.boot);
}

Test(event_queue, goes_on_waiting_after_a_wake_in_vain)
{
    struct input_event event;

    machine_start(10 * MS);
    machine_at(1 * MS, wake_boot);
    machine_at(2 * MS, wake_boot);
    cr_assert_not(event_read_until(&queue, &event, 5 * MS));
    cr_assert_eq(support_clock_ns, 5 * MS);
    machine_at(6 * MS, wake_boot);
    machine_at(7 * MS, publish_next);
    event_read(&queue, &event);
    cr_assert_eq(support_clock_ns, 7 * MS);
}

static struct input_event event_waited_for;

static void wait_for_an_event(void)
{
    queue = (struct event_queue){.published = 0};
    next_published = 0;
    machine_start(10 * MS);
    machine_window_open();
    event_read(&queue, &event_waited_for);
    machine_window_close();
    expect_event(&event_waited_for, 0);
    cr_assert_eq(queue.published, 1);
}

/* A lost wake would halt the machine with nothing to come. */
Test(event_queue, loses_no_event_published_at_any_instruction_of_a_read)
{
    cr_assert_gt(machine_explore(wait_for_an_event, publish_next), 40);
}

static uint64_t published_at_ns;

static void publish_and_note(void)
{
    published_at_ns = support_clock_ns;
    publish_next();
}

static void wait_for_an_event_until(void)
{
    queue = (struct event_queue){.published = 0};
    next_published = 0;
    support_clock_ns = 0;
    machine_start(10 * MS);
    machine_window_open();
    if (event_read_until(&queue, &event_waited_for, 5 * MS)) {
        cr_assert_eq(support_clock_ns, published_at_ns, "%s", machine_place());
    } else {
        cr_assert(queue.published == 0 || published_at_ns == 5 * MS, "%s", machine_place()); /* too late */
        event_read(&queue, &event_waited_for);
    }
    machine_window_close();
    expect_event(&event_waited_for, 0);
}

Test(event_queue, sleeps_over_no_event_published_at_any_instruction_of_a_read_with_a_deadline)
{
    cr_assert_gt(machine_explore(wait_for_an_event_until, publish_and_note), 20);
}

static void publish_while_another_publishes(void)
{
    struct input_event event;

    queue = (struct event_queue){.published = 0};
    next_published = 1;
    machine_start(10 * MS);
    machine_window_open();
    publish(0);
    machine_window_close();
    cr_assert_eq(queue.published, next_published);
    cr_assert_eq(ring_count(&queue.ring), next_published);
    cr_assert(event_try_read(&queue, &event));
    if (next_published == 1)
        return;
    if (event.code == event_make(0).code) {
        expect_event(&event, 0);
        expect_read(1);
    } else {
        expect_event(&event, 1);
        expect_read(0);
    }
}

Test(event_queue, keeps_both_events_when_a_publisher_interrupts_another_at_any_instruction)
{
    cr_assert_gt(machine_explore(publish_while_another_publishes, publish_next), 20);
}
