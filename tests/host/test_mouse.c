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

/* ---- plugged in while everything runs ---------------------------------------------------------------------------- */

enum { ACK = 0xfa, ERROR = 0xfc, RESEND = 0xfe, SENT_MAX = 256, WAIT_MS = 101, ROUNDS = 5, STEPS = 18 };

/* What the mouse was told, and whether the port takes it. */
static uint8_t sent[SENT_MAX];
static unsigned sent_count;
static enum status send_status;

static enum status send_byte(uint8_t byte)
{
    cr_assert_lt(sent_count, SENT_MAX);
    sent[sent_count++] = byte;
    return send_status;
}

static void setup_init(uint8_t device_id)
{
    support_clock_ns = 0;
    machine_start(10 * MS);
    init(device_id);
    port.send = send_byte;
    sent_count = 0;
    send_status = STATUS_OK;
    stamp = 1000 * MS;
}

/* The old one's last byte was a while ago. */
static void announce(void)
{
    stamp += 1000 * MS;
    feed(0xaa);
    feed(0x00);
}

/* Time passes, and the driver looks round. */
static void pass_ms(unsigned ms)
{
    machine_run(ms * MS);
    stamp += ms * MS;
    cr_assert_not(ps2_closed(&port));
}

static unsigned knocks; /* how far it has come, by its sample rates */

/* A mouse that can become `best` answers command *from. */
static void answer_one(unsigned *from, uint8_t best)
{
    uint8_t byte = sent[(*from)++];

    knocks = byte == 100 || byte == 200 || byte == 80 ? knocks << 8 | byte : byte == 0xf6 ? 0 : knocks;
    feed(ACK);
    if (byte == 0xf2)
        feed(best >= 4 && (knocks & 0xffffff) == 0xc8c850 ? 4 : best >= 3 && knocks ? 3 : 0);
}

static void answer(unsigned *from, uint8_t best)
{
    while (*from < sent_count)
        answer_one(from, best);
}

static void plug_in(uint8_t best)
{
    unsigned from = sent_count;

    announce();
    answer(&from, best);
}

Test(mouse, sets_up_a_mouse_that_was_plugged_in)
{
    static const uint8_t expected[] = {0xf6, 0xf3, 200, 0xf3, 100, 0xf3, 80,   0xf2, 0xf3,
                                       200,  0xf3, 200, 0xf3, 80,  0xf2, 0xf3, 100,  0xf4};

    setup_init(MOUSE_ID_EXPLORER);
    plug_in(MOUSE_ID_EXPLORER);
    cr_assert_eq(sent_count, sizeof(expected));
    cr_assert_arr_eq(sent, expected, sizeof(expected));
    cr_assert_eq(mouse.setup.done, 1);
    expect_no_event();
    feed(0x08);
    feed(5);
    feed(7);
    expect_no_event();
    feed(1);
    expect_motion(5, -7, -1);
    pass_ms(10 * WAIT_MS); /* nobody waits for it any more */
    cr_assert_eq(sent_count, sizeof(expected));
}

Test(mouse, is_told_what_kind_the_new_one_is)
{
    static const uint8_t ids[] = {0, 3, 4};

    for (unsigned old = 0; old < 3; old++)
        for (unsigned new = 0; new < 3; new ++) {
            setup_init(ids[old]);
            plug_in(ids[new]);
            cr_assert_eq(mouse.setup.done, 1);
            cr_assert_eq(mouse.decoder.device_id, ids[new]);
            for (unsigned i = 0; i < 4; i++) {
                feed(0x08);
                feed((uint8_t)(i + 1));
                feed(0);
                if (ids[new])
                    feed(0);
                expect_motion((int)i + 1, 0, 0);
            }
        }
}

Test(mouse, sends_again_what_is_asked_for_again)
{
    setup_init(MOUSE_ID_STANDARD);
    announce();
    for (unsigned i = 1; i <= 3; i++) {
        feed(RESEND);
        cr_assert_eq(sent_count, i + 1);
        cr_assert_eq(sent[i], 0xf6);
    }
    feed(RESEND); /* enough */
    cr_assert_eq(sent_count, 4);
    pass_ms(WAIT_MS);
    cr_assert_eq(sent_count, 5); /* from the first on */
    feed(ACK);
    cr_assert_eq(sent[5], 0xf3);
    feed(RESEND);
    feed(RESEND);
    feed(RESEND);
    cr_assert_eq(sent[8], 0xf3); /* each command has its own */
}

/* Answers the first `count` commands alone. */
static unsigned answer_first(unsigned count)
{
    unsigned from = 0;

    while (from < count)
        answer_one(&from, MOUSE_ID_EXPLORER);
    return from;
}

Test(mouse, begins_anew_wherever_the_answer_is_silence_an_error_or_garbage)
{
    static const int answers[] = {-1, ERROR, 0x17};

    for (unsigned i = 0; i < ARRAY_SIZE(answers); i++)
        for (unsigned step = 0; step < STEPS; step++) {
            unsigned from;

            setup_init(MOUSE_ID_EXPLORER);
            announce();
            from = answer_first(step);
            cr_assert_eq(sent_count, from + 1);
            if (answers[i] >= 0)
                feed((uint8_t)answers[i]);
            cr_assert_eq(sent_count, from + 1);
            pass_ms(WAIT_MS);
            cr_assert_eq(sent_count, from + 2);
            cr_assert_eq(sent[++from], 0xf6);
            answer(&from, MOUSE_ID_EXPLORER);
            cr_assert_eq(mouse.setup.done, 1);
        }
}

Test(mouse, begins_anew_where_the_id_does_not_come_or_is_none)
{
    static const int ids[] = {-1, 0x55, ERROR};

    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
        unsigned from;

        setup_init(MOUSE_ID_EXPLORER);
        announce();
        from = answer_first(7);
        cr_assert_eq(sent[from], 0xf2);
        feed(ACK);
        if (ids[i] >= 0)
            feed((uint8_t)ids[i]);
        pass_ms(WAIT_MS);
        cr_assert_eq(sent[++from], 0xf6);
        answer(&from, MOUSE_ID_EXPLORER);
        cr_assert_eq(mouse.setup.done, 1);
    }
}

Test(mouse, gives_up_a_mouse_that_never_answers_until_it_is_plugged_in_again)
{
    setup_init(MOUSE_ID_EXPLORER);
    announce();
    for (unsigned i = 0; i < 3 * ROUNDS; i++)
        pass_ms(WAIT_MS);
    cr_assert_eq(sent_count, ROUNDS);
    cr_assert_eq(mouse.setup.given_up, 1);
    cr_assert_eq(mouse.setup.done, 0);
    plug_in(MOUSE_ID_EXPLORER);
    cr_assert_eq(mouse.setup.done, 1);
    cr_assert_eq(mouse.decoder.hotplugs, 2);
}

Test(mouse, takes_a_byte_that_cannot_be_sent_for_silence)
{
    unsigned from;

    setup_init(MOUSE_ID_EXPLORER);
    send_status = STATUS_TIMEOUT;
    announce();
    pass_ms(WAIT_MS);
    send_status = STATUS_OK;
    pass_ms(WAIT_MS);
    from = sent_count - 1;
    answer(&from, MOUSE_ID_EXPLORER);
    cr_assert_eq(mouse.setup.done, 1);
}

Test(mouse, is_set_up_from_the_first_step_on_if_it_was_plugged_in_meanwhile)
{
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned from;

        setup_init(MOUSE_ID_EXPLORER);
        announce();
        (void)answer_first(step);
        from = sent_count;
        announce();
        cr_assert_eq(sent_count, from + 1);
        cr_assert_eq(sent[from], 0xf6);
        answer(&from, MOUSE_ID_EXPLORER);
        cr_assert_eq(mouse.setup.done, 1);
    }
}

/* However much of a packet the old one sent last. */
Test(mouse, notices_a_new_one_behind_half_a_packet)
{
    static const uint8_t ids[] = {0, 3, 4};

    for (unsigned i = 0; i < 3; i++)
        for (unsigned bytes = 0; bytes < (ids[i] ? 4u : 3u); bytes++)
            for (unsigned value = 0; value < 256; value++) {
                setup_init(ids[i]);
                feed(0x08);
                feed(1);
                feed(1);
                if (ids[i])
                    feed(0);
                expect_motion(1, -1, 0);
                for (unsigned byte = 0; byte < bytes; byte++)
                    feed((uint8_t)(byte ? value : value | 8));
                plug_in(ids[i]);
                cr_assert_eq(mouse.setup.done, 1, "mouse %u, %u bytes, %02x", ids[i], bytes, value);
            }
}

/* It is the interrupts' time that tells: a driver may come late to bytes that came together. */
Test(mouse, keeps_a_packet_that_it_reads_in_two_turns)
{
    setup_init(MOUSE_ID_EXPLORER);
    feed(0x08);
    feed(5);
    machine_run(10000 * MS);
    feed(0);
    feed(0);
    expect_motion(5, 0, 0);
    cr_assert_eq(mouse.decoder.discarded + mouse.decoder.hotplugs, 0);
}

Test(mouse, releases_the_buttons_of_the_one_that_went)
{
    setup_init(MOUSE_ID_STANDARD);
    feed(0x0d);
    feed(0);
    feed(0);
    expect_button(BTN_LEFT, 1);
    expect_button(BTN_MIDDLE, 1);
    announce();
    expect_button(BTN_LEFT, 0);
    expect_button(BTN_MIDDLE, 0);
    expect_no_event();
}

Test(mouse, leaves_a_new_one_alone_where_the_port_takes_no_commands)
{
    setup_init(MOUSE_ID_STANDARD);
    port.send = NULL;
    announce();
    cr_assert_eq(mouse.setup.step, 0);
    feed(0x08);
    feed(5);
    feed(0);
    expect_motion(5, 0, 0);
}

/* A driver that comes late finds both the answer and the alarm. */
Test(mouse, reads_an_answer_before_it_asks_again)
{
    unsigned from = 1;

    setup_init(MOUSE_ID_EXPLORER);
    announce();
    ps2_receive(&port, ACK, stamp);
    pass_ms(WAIT_MS);
    cr_assert_eq(sent_count, 1);
    feed(ACK);
    cr_assert_eq(sent[1], 0xf3);
    ring_pop(&port.ring, 0);
    pass_ms(0);
    cr_assert_eq(sent_count, 2);
    answer(&from, MOUSE_ID_EXPLORER);
    cr_assert_eq(mouse.setup.done, 1);
}

/* In each style the alarm wakes the driver, which then looks. */
Test(mouse, asks_again_in_every_style)
{
    static const enum driver_style all[] = {DRIVER_ASYNC, DRIVER_THREAD, DRIVER_ISR, DRIVER_POLL};

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        setup_init(MOUSE_ID_EXPLORER);
        driver_start(all[i]);
        support_clock_ns = 2000 * MS;
        ps2_receive(&port, 0xaa, support_clock_ns);
        ps2_receive(&port, 0x00, support_clock_ns);
        for (unsigned round = 1; round <= ROUNDS; round++) {
            machine_run(MS);
            thread_yield();
            cr_assert_eq(sent_count, round, "style %u", all[i]);
            machine_run(WAIT_MS * MS);
        }
        driver_stop();
        cr_assert_not(timer_queued(&port.alarm));
    }
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

Test(mouse, stamps_each_byte_that_its_polling_driver_goes_on_with)
{
    uint64_t stamps[2];

    init(3);
    machine_start(10 * MS);
    driver_start(DRIVER_POLL);
    port.resumed = (struct probe){.stamps = stamps, .capacity = 2};
    ps2_receive(&port, 8, support_clock_ns);
    ps2_receive(&port, 1, support_clock_ns);
    thread_yield();
    cr_assert_eq(port.resumed.count, 2);
    driver_stop();
}
