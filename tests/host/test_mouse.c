/* The mouse driver: what it publishes of a packet and in which order, and that both styles are one. */
#include "drivers/mouse.h"

#include <linux/input-event-codes.h>

#include "executor/executor.h"
#include "machine.h"
#include "support.h"
#include "thread/thread.h"

#define MS UINT64_C(1000000)

static struct ps2_port port;
static struct event_queue queue;
static struct mouse mouse;
static uint64_t stamp;

static void init(uint8_t device_id)
{
    port = (struct ps2_port){.received = 0};
    queue = (struct event_queue){.published = 0};
    mouse_init(&mouse, &port, &queue, device_id);
}

static void feed(uint8_t data)
{
    mouse_receive(&mouse, (struct ps2_byte){.stamp = ++stamp, .data = data}, DRIVER_THREAD);
}

static struct input_event expect_event(enum input_type type)
{
    struct input_event event;

    cr_assert(event_try_read(&queue, &event), "no event");
    cr_assert_eq(event.type, type);
    cr_assert_eq(event.style, DRIVER_THREAD);
    cr_assert_eq(event.stamp, stamp);
    cr_assert_eq(event.text, 0);
    return event;
}

static void expect_motion(int dx, int dy, int wheel)
{
    struct input_event event = expect_event(INPUT_REL);

    cr_assert_eq(event.dx, dx);
    cr_assert_eq(event.dy, dy);
    cr_assert_eq(event.wheel, wheel);
}

static void expect_button(uint16_t code, int value)
{
    struct input_event event = expect_event(INPUT_BUTTON);

    cr_assert_eq(event.code, code);
    cr_assert_eq(event.value, value);
}

static void expect_no_event(void)
{
    struct input_event event;

    cr_assert_not(event_try_read(&queue, &event));
}

Test(mouse, publishes_motion_with_the_last_byte_of_its_packet)
{
    init(MOUSE_ID_STANDARD);
    feed(0x08);
    feed(5);
    expect_no_event();
    feed(7);
    expect_motion(5, -7, 0);
    expect_no_event();
}

Test(mouse, publishes_motion_along_any_one_axis)
{
    init(MOUSE_ID_WHEEL);
    for (unsigned axis = 0; axis < 3; axis++) {
        feed(0x08);
        feed(axis == 0);
        feed(axis == 1);
        feed(axis == 2);
        expect_motion(axis == 0, -(axis == 1), -(axis == 2));
        expect_no_event();
    }
}

Test(mouse, publishes_nothing_for_a_packet_that_says_nothing)
{
    init(MOUSE_ID_STANDARD);
    feed(0x08);
    feed(0);
    feed(0);
    expect_no_event();
    cr_assert_eq(queue.published, 0);
}

Test(mouse, counts_motion_in_the_queue_that_it_has_no_room_for)
{
    init(MOUSE_ID_STANDARD);
    for (unsigned i = 0; i < EVENT_QUEUE_EVENTS + 3; i++) {
        feed(0x08);
        feed(1);
        feed(0);
    }
    cr_assert_eq(queue.published, EVENT_QUEUE_EVENTS);
    cr_assert_eq(queue.dropped, 3);
}

Test(mouse, publishes_motion_before_buttons_and_those_in_the_order_of_their_bits)
{
    init(MOUSE_ID_EXPLORER);
    feed(0x08 | 0x07);
    feed(1);
    feed(0);
    feed(0x30);
    expect_motion(1, 0, 0);
    expect_button(BTN_LEFT, 1);
    expect_button(BTN_RIGHT, 1);
    expect_button(BTN_MIDDLE, 1);
    expect_button(BTN_SIDE, 1);
    expect_button(BTN_EXTRA, 1);
    expect_no_event();
}

Test(mouse, publishes_only_buttons_that_changed)
{
    init(MOUSE_ID_STANDARD);
    feed(0x08 | 0x02);
    feed(0);
    feed(0);
    expect_button(BTN_RIGHT, 1);
    feed(0x08 | 0x06);
    feed(0);
    feed(0);
    expect_button(BTN_MIDDLE, 1);
    feed(0x08 | 0x05);
    feed(0);
    feed(0);
    expect_button(BTN_LEFT, 1);
    expect_button(BTN_RIGHT, 0);
    feed(0x08);
    feed(0);
    feed(0);
    expect_button(BTN_LEFT, 0);
    expect_button(BTN_MIDDLE, 0);
    expect_no_event();
}

Test(mouse, takes_packets_of_the_size_its_id_says)
{
    static const struct {
        uint8_t id;
        unsigned size;
    } mice[] = {{MOUSE_ID_STANDARD, 3}, {MOUSE_ID_WHEEL, 4}, {MOUSE_ID_EXPLORER, 4}};

    for (size_t i = 0; i < ARRAY_SIZE(mice); i++) {
        init(mice[i].id);
        feed(0x08);
        for (unsigned n = 1; n < mice[i].size; n++) {
            cr_assert_eq(queue.published, 0);
            feed(1);
        }
        cr_assert_eq(queue.published, 1);
    }
}

/* ---- both styles ------------------------------------------------------------------------------------------------- */

enum { BYTES = 20000 };

struct output {
    struct input_event events[2 * BYTES];
    unsigned count;
};

static struct output outputs[4];
static unsigned fed;
static uint64_t seed;

static struct executor executor;
static struct task task;
static struct mouse_task body;
static struct thread thread;

/* As the kernel's executor thread, but that it ends with its task. */
static void *poll_body(void *argument)
{
    executor_init(&executor, &thread_current()->waker);
    body = mouse_task(&mouse);
    executor_spawn(&executor, &task, "mouse", &body.async.future);
    for (;;) {
        uint64_t deadline_ns;

        thread_current()->may_not_park = true;
        deadline_ns = executor_poll(&executor, support_clock_ns);
        thread_current()->may_not_park = false;
        if (completion_done(&task.done))
            return argument;
        thread_park_until(deadline_ns);
    }
}

static struct mouse_isr isr;
static enum driver_style started;

/* The one that polls is an equal of the test's flow, which yields to it. */
static void driver_start(enum driver_style style)
{
    static thread_entry *const entries[] = {
        [DRIVER_ASYNC] = poll_body, [DRIVER_THREAD] = mouse_thread, [DRIVER_POLL] = mouse_poller};
    unsigned priority = style == DRIVER_POLL ? THREAD_PRIORITY_NORMAL : THREAD_PRIORITY_HIGH;

    ps2_open(&port);
    started = style;
    if (style == DRIVER_ISR)
        mouse_isr_start(&isr, &mouse);
    else
        cr_assert_eq(thread_start(&thread, "driver", priority, entries[style], &mouse), STATUS_OK);
}

static void driver_stop(void)
{
    ps2_close(&port);
    if (started != DRIVER_ISR)
        thread_join(&thread);
}

/* Random bytes, every other one plausible as the first of a packet. */
static void byte_comes(void)
{
    uint64_t random = support_random(&seed) >> 20;

    ps2_receive(&port, (uint8_t)(random & 1 ? random >> 8 : (random >> 8 & 0x37) | 0x08), support_clock_ns);
    if (++fed < BYTES)
        machine_at(support_clock_ns + MS, byte_comes);
}

static unsigned styles = 2; /* that take turns */

/* Runs the whole input through the driver, in one style after the other, a change every so many bytes. */
static void run(struct output *into, enum driver_style style, unsigned change_every)
{
    unsigned changed_at = 0;

    init(MOUSE_ID_EXPLORER);
    support_clock_ns = 0;
    machine_start(10 * MS);
    fed = 0;
    seed = 7;
    machine_at(MS, byte_comes);
    driver_start(style);
    while (fed < BYTES) {
        machine_run(MS);
        if (style == DRIVER_POLL)
            thread_yield();
        while (event_try_read(&queue, &into->events[into->count]))
            into->count++;
        if (fed < changed_at + change_every)
            continue;
        changed_at = fed;
        style = (style + 1) % styles;
        style += style == DRIVER_USER; /* which is no driver of the kernel's */
        driver_stop();
        driver_start(style);
    }
    driver_stop();
    cr_assert_eq(port.received, BYTES);
    cr_assert_eq(port.dropped + queue.dropped, 0);
    cr_assert_eq(ring_count(&port.ring), 0);
}

static void expect_same_but_for_style(const struct output *left, const struct output *right)
{
    cr_assert_eq(left->count, right->count);
    for (unsigned i = 0; i < left->count; i++) {
        const struct input_event *a = &left->events[i], *b = &right->events[i];

        cr_assert(a->stamp == b->stamp && a->type == b->type && a->text == b->text && a->value == b->value &&
                      a->code == b->code && a->dx == b->dx && a->dy == b->dy && a->wheel == b->wheel,
                  "event %u", i);
    }
}

static unsigned count_style(const struct output *of, enum driver_style style)
{
    unsigned count = 0;

    for (unsigned i = 0; i < of->count; i++)
        count += of->events[i].style == style;
    return count;
}

Test(mouse, publishes_the_same_in_both_styles_and_across_changes_of_style)
{
    run(&outputs[0], DRIVER_ASYNC, UINT32_MAX);
    run(&outputs[1], DRIVER_THREAD, UINT32_MAX);
    run(&outputs[2], DRIVER_ASYNC, 1);
    run(&outputs[3], DRIVER_THREAD, 17);
    cr_assert_gt(outputs[0].count, BYTES / 5);
    for (unsigned i = 1; i < 4; i++)
        expect_same_but_for_style(&outputs[0], &outputs[i]);
    cr_assert_eq(count_style(&outputs[0], DRIVER_ASYNC), outputs[0].count);
    cr_assert_eq(count_style(&outputs[1], DRIVER_THREAD), outputs[1].count);
    cr_assert_gt(count_style(&outputs[3], DRIVER_ASYNC), outputs[3].count / 3);
    cr_assert_gt(count_style(&outputs[3], DRIVER_THREAD), outputs[3].count / 3);
}

Test(mouse, does_the_same_in_the_interrupt_handler_and_by_polling)
{
    run(&outputs[0], DRIVER_THREAD, UINT32_MAX);
    run(&outputs[1], DRIVER_ISR, UINT32_MAX);
    run(&outputs[2], DRIVER_POLL, UINT32_MAX);
    styles = DRIVER_POLL + 1;
    run(&outputs[3], DRIVER_ASYNC, 5);
    for (unsigned i = 1; i < 4; i++)
        expect_same_but_for_style(&outputs[0], &outputs[i]);
    cr_assert_eq(count_style(&outputs[1], DRIVER_ISR), outputs[1].count);
    cr_assert_eq(count_style(&outputs[2], DRIVER_POLL), outputs[2].count);
    for (enum driver_style style = DRIVER_ASYNC; style <= DRIVER_POLL; style++)
        cr_assert(style == DRIVER_USER || count_style(&outputs[3], style) > outputs[3].count / 6);
}

Test(mouse, says_as_a_task_what_it_waits_for)
{
    init(MOUSE_ID_STANDARD);
    machine_start(10 * MS);
    driver_start(DRIVER_ASYNC);
    cr_assert_eq(body.async.child, &body.read.future);
    cr_assert(body.async.line > 0 && body.async.line < ASYNC_DONE);
    cr_assert_not(completion_done(&task.done));
    driver_stop();
    cr_assert_eq(body.async.line, ASYNC_DONE);
    cr_assert(completion_done(&task.done));
}
